"""Somebody else acts on the same names while two targets are set up and taken back.

Strangers create, delete, make again, attach, edit and tag, and add to and take from the cluster's
Allowed Principals, between the runs and in the middle of them: before any call that reads, so never
between the read of an identity and the write directly after it. IAM has no conditional write, so
that gap of one call cannot be closed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import boto3
import pytest
import requests
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from rwlib.aws.calls import Aws, policy_json
from rwlib.cloud.allowed_roles import Patience
from rwlib.cloud.client import Cloud
from rwlib.errors import RunbookError
from rwlib.runbook.runbook import Runbook
from rwlib.steps.ownership import (
    CLAIM,
    claims_on,
    is_ours,
    principal_key,
    statement_key,
    tag_map,
)
from rwlib.steps.step3_documents import SID, statements_of
from rwlib.steps.teardown import tear_down
from rwlib.target.target import Target
from tests.support.example_names import ACCOUNT, ALLOW, CLUSTER, GLUE, ROLE, ROLE_ARN

OTHER_ARN = f"arn:aws:iam::{ACCOUNT}:role/etl-of-somebody"
DENY = {**GLUE, "Sid": SID, "Effect": "Deny"}


class Strangers:
    """What somebody else does, and how they left it."""

    def __init__(self, policy_names, iam, cloud):
        self.iam = iam
        self.cloud = cloud
        self.policy_names = policy_names
        self.principals = []
        # An entry has no identity: one of ours that they remove and add again cannot be told.
        self.took_ours_off = False
        self.number = 0
        self.policies = {}
        self.versions = {}
        self.role_id = ""
        self.tags = {}
        self.statements = []
        self.attached = set()

    def arn(self, which):
        return f"arn:aws:iam::{ACCOUNT}:policy/{self.policy_names[which]}"

    def policy(self, arn):
        try:
            detail = self.iam.get_policy(PolicyArn=arn)["Policy"]
        except self.iam.exceptions.NoSuchEntityException:
            return None
        versions = {
            each["VersionId"]: policy_json(
                self.iam.get_policy_version(PolicyArn=arn, VersionId=each["VersionId"])[
                    "PolicyVersion"
                ]["Document"]
            )
            for each in self.iam.list_policy_versions(PolicyArn=arn)["Versions"]
        }
        tags = tag_map(detail.get("Tags", []))
        return detail["PolicyId"], detail["DefaultVersionId"], versions, tags

    def role(self):
        try:
            return self.iam.get_role(RoleName=ROLE)["Role"]
        except self.iam.exceptions.NoSuchEntityException:
            return None

    def attachments(self):
        found = self.iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
        return {each["PolicyArn"] for each in found}

    # What they do ---------------------------------------------------------------------------

    def make_policy(self, which):
        """Make a policy of our name, or a new version of their own."""
        arn = self.arn(which)
        self.number += 1
        document = json.dumps({**ALLOW, "Id": f"n{self.number}"})
        if self.policy(arn) is None:
            name = self.policy_names[which]
            self.iam.create_policy(PolicyName=name, PolicyDocument=document)
        elif arn in self.policies and len(self.policies[arn][2]) < 5:
            self.iam.create_policy_version(PolicyArn=arn, PolicyDocument=document)
        elif arn not in self.policies and len(self.policy(arn)[2]) < 5:
            self.iam.create_policy_version(PolicyArn=arn, PolicyDocument=document)
            self.versions.setdefault(arn, []).append(json.loads(document))
            return
        else:
            return
        self.policies[arn] = self.policy(arn)

    def make_policy_again(self, which):
        """Delete the policy, and make it again with its document and its tags."""
        arn = self.arn(which)
        found = self.policy(arn)
        if found is None:
            return
        _, default, versions, tags = found
        self._delete_policy(arn, default, versions)
        self.iam.create_policy(
            PolicyName=self.policy_names[which],
            PolicyDocument=json.dumps(versions[default]),
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        self.policies[arn] = self.policy(arn)

    def delete_policy(self, which):
        arn = self.arn(which)
        found = self.policy(arn)
        if found is not None:
            self._delete_policy(arn, found[1], found[2])
            self.policies.pop(arn, None)

    def _delete_policy(self, arn, default, versions):
        if self.role() is not None and arn in self.attachments():
            self.iam.detach_role_policy(RoleName=ROLE, PolicyArn=arn)
        self.attached.discard(arn)
        self.versions.pop(arn, None)
        for version in versions:
            if version != default:
                self.iam.delete_policy_version(PolicyArn=arn, VersionId=version)
        self.iam.delete_policy(PolicyArn=arn)

    def make_role(self, _):
        if self.role() is None:
            self._create_role([GLUE], {"team": "etl"})

    def make_role_again(self, _):
        """Delete the role, and make it again with its trust policy and its tags."""
        role = self.role()
        if role is None:
            return
        trust = statements_of(policy_json(role["AssumeRolePolicyDocument"]))
        self.delete_role(0)
        self._create_role(trust, tag_map(role.get("Tags", [])))

    def _create_role(self, statements, tags):
        self.iam.create_role(
            RoleName=ROLE,
            AssumeRolePolicyDocument=json.dumps({**ALLOW, "Statement": statements}),
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        self.role_id = self.role()["RoleId"]
        self.tags, self.statements = dict(tags), list(statements)

    def delete_role(self, _):
        if self.role() is None:
            return
        for arn in self.attachments():
            self.iam.detach_role_policy(RoleName=ROLE, PolicyArn=arn)
        self.iam.delete_role(RoleName=ROLE)
        self.role_id, self.tags, self.statements, self.attached = "", {}, [], set()

    def attach(self, _):
        if self.role() is None:
            return
        arn = f"arn:aws:iam::{ACCOUNT}:policy/etl"
        if self.policy(arn) is None:
            self.iam.create_policy(PolicyName="etl", PolicyDocument=json.dumps(ALLOW))
            self.policies[arn] = self.policy(arn)
        self.iam.attach_role_policy(RoleName=ROLE, PolicyArn=arn)
        self.attached.add(arn)

    def add_statement(self, which):
        """Add a statement of their own, or one that has our Sid."""
        role = self.role()
        if role is None:
            return
        trust = statements_of(policy_json(role["AssumeRolePolicyDocument"]))
        self.number += 1
        new = DENY if which else {**GLUE, "Sid": f"Etl{self.number}"}
        if len(trust) > 5 or any(each.get("Sid") == new["Sid"] for each in trust):
            return
        document = json.dumps({**ALLOW, "Statement": [*trust, new]})
        self.iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=document)
        self.statements.append(new)

    def tag(self, _):
        if self.role() is not None and self.role_id:
            self.number += 1
            self.iam.tag_role(RoleName=ROLE, Tags=[{"Key": f"t{self.number}", "Value": "v"}])
            self.tags[f"t{self.number}"] = "v"

    def add_principal(self, which):
        """Register a role of their own, or one of our name before a run does."""
        arn = ROLE_ARN if which else OTHER_ARN
        if arn in self.cloud.allowed_iam_roles(CLUSTER):
            return
        self.cloud.add_allowed_role(CLUSTER, arn)
        if arn == OTHER_ARN or not self.took_ours_off:
            self.principals.append(arn)

    def remove_principal(self, which):
        arn = ROLE_ARN if which else OTHER_ARN
        if arn not in self.cloud.allowed_iam_roles(CLUSTER):
            return
        self.cloud.remove_allowed_role(CLUSTER, arn)
        if arn in self.principals:
            self.principals.remove(arn)
        else:
            self.took_ours_off = True

    # How they find it -------------------------------------------------------------------------

    def check(self):
        for arn, left in self.policies.items():
            assert self.policy(arn) == left, f"{arn} is not as it was left"
        for arn, documents in self.versions.items():
            assert self.policy(arn) is not None, f"{arn} is gone, with a version of theirs"
            there = list(self.policy(arn)[2].values())
            assert [each for each in documents if each not in there] == []
        listed = self.cloud.allowed_iam_roles(CLUSTER)
        assert [each for each in self.principals if each not in listed] == []
        role = self.role()
        if self.role_id:
            assert role is not None
            assert role["RoleId"] == self.role_id
            # A copied claim is the one key that a target must be able to write: its own.
            found = tag_map(role.get("Tags", []))
            theirs = {k: value for k, value in self.tags.items() if not k.startswith(CLAIM)}
            assert {key: found.get(key) for key in theirs} == theirs
        if role is None:
            assert not self.statements
            assert not self.attached
            return
        trust = statements_of(policy_json(role["AssumeRolePolicyDocument"]))
        assert [each for each in trust if each in self.statements] == self.statements
        assert self.attached <= self.attachments()

    def check_end(self):
        """Nothing of ours is left but what holds something of theirs."""
        self.check()
        for name in self.policy_names:
            arn = f"arn:aws:iam::{ACCOUNT}:policy/{name}"
            found = self.policy(arn)
            kept = arn in self.policies or arn in self.versions
            assert found is None or kept, f"{arn} is left"
        role = self.role()
        if role is None:
            return
        assert claims_on(role) == []
        if tag_map(role.get("Tags", [])).get(principal_key(CLUSTER)) == role["RoleId"]:
            listed = self.cloud.allowed_iam_roles(CLUSTER)
            assert ROLE_ARN not in listed or ROLE_ARN in self.principals
        assert not is_ours(role) or self.statements or self.attached
        trust = statements_of(policy_json(role["AssumeRolePolicyDocument"]))
        if self.statements:
            marks = tag_map(role.get("Tags", []))
            ours = [e for e in trust if marks.get(statement_key(e)) == role["RoleId"]]
            assert ours == []


ACTIONS = [
    "make_policy", "make_policy_again", "delete_policy", "make_role", "make_role_again",
    "delete_role", "attach", "add_statement", "tag", "add_principal", "remove_principal",
]  # fmt: skip
acts = st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1))
moments = st.one_of(st.none(), st.integers(1, 40))


class Interruption:
    """One act of a stranger, at the given call that reads, of those of AWS and of RisingWave."""

    def __init__(self, strangers, act, moment):
        self.strangers, self.act, self.moment, self.made = strangers, act, moment, 0

    def before_a_read(self):
        if self.moment and self.made >= self.moment:
            self.moment = None
            getattr(self.strangers, self.act[0])(self.act[1])


class Interrupted(Aws):
    """AWS calls in the middle of which a stranger acts, before one that reads."""

    interruption = None

    def _call(self, service, operation, parameters, writes, *rest):
        if self.interruption is not None:
            self.interruption.made += 1
            if not writes and service == "iam":
                self.interruption.before_a_read()
        return super()._call(service, operation, parameters, writes, *rest)


class InterruptedCloud(Cloud):
    """Calls of RisingWave Cloud in the middle of which a stranger acts, before one that reads."""

    interruption = None

    def _step(self):
        if self.interruption is not None:
            self.interruption.made += 1
            self.interruption.before_a_read()

    def allowed_iam_roles(self, cluster_id):
        self._step()
        return super().allowed_iam_roles(cluster_id)

    def _change(self, *arguments):
        self._step()  # it reads the list first
        return super()._change(*arguments)


class SharedSession(boto3.Session):
    """A session that makes each client once, whatever configuration is asked for."""

    def __init__(self):
        super().__init__()
        self._made = {}

    def client(self, service_name, region_name=None, **more):
        key = (service_name, region_name)
        if key not in self._made:
            self._made[key] = super().client(service_name, region_name=region_name, **more)
        return self._made[key]


def machine(sandbox, example, session, locks):
    """Return the state machine for a sandbox."""
    first = {**example, "connectors": ["redshift"], "cluster_id": CLUSTER}
    second = {**first, "name": "second", "prefix": "elsewhere", "connectors": ["s3_sink"]}
    targets = [first, second]
    names = [Target(**each).policy_name for each in targets]
    environment = sandbox.environment()
    at_once = Patience(interval=0.005, limit=20)
    settings_of = f"{sandbox.url}/_rwc/sandbox/clusters/{CLUSTER}"

    def cloud_of(kind):
        key, secret = environment["RWC_API_KEY"], environment["RWC_API_SECRET"]
        return kind(environment["RWC_ENDPOINT"], key, secret, patience=at_once, lock_folder=locks)

    class TwoTargets(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            sandbox.reset()
            requests.put(settings_of, json={"settle_seconds": 0}, timeout=10).raise_for_status()
            self.runs = Path(tempfile.mkdtemp(prefix="runs-"))
            os.environ["RWLIB_RUNS"] = str(self.runs)
            self.strangers = Strangers(names, session.client("iam"), cloud_of(Cloud))

        def book(self, which, act=None, moment=None):
            found = Runbook.start({**targets[which], "apply": True})
            interruption = Interruption(self.strangers, act, moment)
            found.aws = Interrupted(session)
            found.cloud = cloud_of(InterruptedCloud)
            found.aws.interruption = found.cloud.interruption = interruption
            return found

        @rule(which=st.integers(0, 1), act=acts, moment=moments)
        def set_up(self, which, act, moment):
            book = self.book(which, act, moment)
            try:
                book.look()
                for number in (1, 2, 3, 4):
                    book.run_step(number)
            except RunbookError:
                pass  # what is in the way is refused
            self.strangers.check()

        @rule(which=st.integers(0, 1), act=acts, moment=moments)
        def take_back(self, which, act, moment):
            self._tear_down(self.book(which, act, moment))
            self.strangers.check()

        def _tear_down(self, book):
            with contextlib.suppress(RunbookError):
                tear_down(
                    book.aws,
                    book.target,
                    runs_dir=self.runs,
                    ledger=book.ledger,
                    apply=True,
                    cloud=book.cloud,
                    sleep=lambda seconds: None,
                )

        @rule(act=acts)
        def act(self, act):
            getattr(self.strangers, act[0])(act[1])

        @rule()
        def lose_runs(self):
            shutil.rmtree(self.runs, ignore_errors=True)

        def teardown(self):
            for _ in range(2):
                for which in (0, 1):
                    self._tear_down(self.book(which))
            self.strangers.check_end()
            shutil.rmtree(self.runs, ignore_errors=True)

    return TwoTargets


def run(machine_class, examples, steps):
    run_state_machine_as_test(
        machine_class,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def two_targets(aws_environment, example, monkeypatch, tmp_path):
    session = SharedSession()
    monkeypatch.setattr("rwlib.runbook.step_runs.wait_until_seen", lambda *_, **__: 0)
    monkeypatch.setattr("rwlib.runbook.runbook.open_session", lambda target: Aws(session))
    return machine(aws_environment, example, session, tmp_path / "locks")


@pytest.mark.slow
def test_strangers_find_all_as_they_left_it(two_targets):
    run(two_targets, examples=24, steps=5)


RUNS = int(os.environ.get("STRANGERS_RUNS", "1000"))


@pytest.mark.long
def test_strangers_find_all_as_they_left_it_a_thousand_times(two_targets):
    run(two_targets, examples=RUNS, steps=8)
