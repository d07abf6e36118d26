"""Tear-down: what is ours goes, what is others' stays, wherever it was stopped."""

from __future__ import annotations

import json

import boto3
import pytest

from rwlib.aws.calls import Aws, policy_json
from rwlib.errors import ServiceError
from rwlib.runbook.runbook import Runbook
from rwlib.steps.changes import Change, ChangeSubject, Ledger, ledger_history
from rwlib.steps.step3_documents import SID, trust_policy
from rwlib.steps.teardown import tear_down
from rwlib.target.target import Target
from tests.support.example_names import ALLOW, GLUE, ROLE, ROLE_ARN
from tests.support.interference import BusyAws, Sleeps, client_error, writes

pytestmark = pytest.mark.slow

FOREIGN = {
    "Version": "2008-10-17",
    "Id": "by-hand",
    "Statement": GLUE,
}


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def apply(values, run_dir):
    book = Runbook.start({**values, "apply": True}, run_dir=run_dir)
    for number in (1, 2, 3):
        book.run_step(number)
    return book


def undo(values, runs, aws=None, apply=True, name="undo"):
    return tear_down(
        aws or Aws(boto3.Session()),
        Target(**values),
        runs_dir=runs,
        ledger=Ledger(runs / name / "ledger.jsonl"),
        apply=apply,
        sleep=Sleeps(),
    )


def state(iam):
    """Everything in the customer's IAM, without ids and times."""
    found = {}
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        detail = iam.get_role(RoleName=name)["Role"]
        found[name] = (
            policy_json(detail["AssumeRolePolicyDocument"]),
            detail.get("Tags", []),
            sorted(
                each["PolicyArn"]
                for each in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
            ),
        )
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        version = iam.get_policy_version(
            PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"]
        )
        found[policy["PolicyName"]] = policy_json(version["PolicyVersion"]["Document"])
    return found


def make_policy(iam, name, document=ALLOW):
    return iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document))["Policy"]["Arn"]


def make_role(iam, name=ROLE, trust=FOREIGN):
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))


def names(left):
    return [(change.action, change.resource) for change in left.changes]


def test_tear_down_takes_all_back_when_all_is_ours(iam, example, runs):
    before = state(iam)
    apply(example, runs / "1")
    preview = undo(example, runs, apply=False)
    assert state(iam) != before
    assert names(preview) == [
        ("delete", "attachment"),
        ("delete", "IAM role"),
        ("delete", "IAM policy"),
    ]
    done = undo(example, runs)
    assert state(iam) == before
    assert names(done) == names(preview)
    assert all(change.applied for change in done.changes)
    assert all(change.sentence.startswith("Deleted") for change in done.changes)


def test_tear_down_finds_its_own_by_their_tags_when_there_is_no_ledger(iam, example, runs):
    before = state(iam)
    apply(example, runs / "1")
    undo(example, runs / "elsewhere")
    assert state(iam) == before


def test_tear_down_does_nothing_when_it_is_repeated_or_there_is_nothing(iam, example, runs):
    assert undo(example, runs).changes == []
    apply(example, runs / "1")
    undo(example, runs)
    again = Aws(boto3.Session())
    assert undo(example, runs, again).changes == []
    assert writes(again) == []


def test_tear_down_leaves_the_bucket_alone(aws_environment, iam, example, runs):
    s3 = boto3.client("s3")

    def content():
        listed = s3.list_objects_v2(Bucket="acme-analytics")["Contents"]
        return {each["Key"]: each["ETag"] for each in listed}

    before = content()
    apply(example, runs / "1")
    aws = Aws(boto3.Session())
    undo(example, runs, aws)
    assert content() == before
    assert {call.service for call in aws.calls} == {"sts", "iam"}


def test_tear_down_gives_an_adopted_role_its_trust_policy_back(iam, example, runs):
    make_role(iam)
    other = make_policy(iam, "etl")
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=other)
    before = state(iam)
    example = {**example, "accept_findings": ["outside-be801c64"]}
    apply(example, runs / "1")
    assert SID in json.dumps(state(iam)[ROLE][0])
    left = undo(example, runs)
    assert json.dumps(state(iam)[ROLE][0]) == json.dumps(FOREIGN)
    assert state(iam) == before
    assert any(f"role {ROLE}" in kept for kept in left.kept)


def test_tear_down_keeps_a_role_of_others_when_its_trust_names_risingwave_alone(iam, example, runs):
    make_role(iam, trust=trust_policy(example["workload_identity_arn"], ["redshift"]))
    before = state(iam)
    apply(example, runs / "1")
    left = undo(example, runs)
    assert state(iam) == before
    assert any("delete the role yourself" in kept for kept in left.kept)


def test_tear_down_keeps_what_others_added_to_an_adopted_roles_trust(iam, example, runs):
    make_role(iam)
    apply(example, runs / "1")
    trust = state(iam)[ROLE][0]
    friend = {**FOREIGN["Statement"], "Sid": "Friend"}
    trust["Statement"].append(friend)
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(trust))
    undo(example, runs)
    assert state(iam)[ROLE][0] == {**FOREIGN, "Statement": [FOREIGN["Statement"], friend]}


def test_tear_down_keeps_a_statement_that_was_written_while_it_worked(iam, example, runs):
    apply(example, runs / "1")
    trust = state(iam)[ROLE][0]
    trust["Statement"].append(FOREIGN["Statement"])

    def write():
        iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(trust))

    undo(example, runs, BusyAws(after={"detach_role_policy": [write]}))
    assert state(iam)[ROLE][0]["Statement"] == [FOREIGN["Statement"]]


def test_tear_down_keeps_our_role_when_others_gave_it_a_statement(iam, example, runs):
    apply(example, runs / "1")
    trust = state(iam)[ROLE][0]
    trust["Statement"].append(FOREIGN["Statement"])
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(trust))
    left = undo(example, runs)
    assert state(iam) == {ROLE: ({**trust, "Statement": [FOREIGN["Statement"]]},
                                 state(iam)[ROLE][1], [])}  # fmt: skip
    assert left.kept


@pytest.mark.parametrize("kind", ["managed", "inline"])
def test_tear_down_keeps_our_role_when_others_gave_it_a_policy(iam, example, runs, kind):
    apply(example, runs / "1")
    if kind == "managed":
        iam.attach_role_policy(RoleName=ROLE, PolicyArn=make_policy(iam, "etl"))
    else:
        iam.put_role_policy(RoleName=ROLE, PolicyName="etl", PolicyDocument=json.dumps(ALLOW))
    left = undo(example, runs)
    assert ROLE in state(iam)
    assert any(f"role {ROLE}" in kept and "etl" in kept for kept in left.kept)
    assert ("delete", "IAM policy") in names(left)


def test_tear_down_keeps_and_names_the_policy_when_others_use_it(iam, example, runs):
    apply(example, runs / "1")
    make_role(iam, "etl")
    arn = Target(**example).policy_arn_in("111122223333")
    iam.attach_role_policy(RoleName="etl", PolicyArn=arn)
    left = undo(example, runs)
    assert any(kept.endswith("it is used by role etl") for kept in left.kept)
    assert state(iam)["etl"][2] == [arn]
    assert ROLE not in state(iam)


def test_tear_down_keeps_the_role_when_an_instance_profile_holds_it(iam, example, runs):
    apply(example, runs / "1")
    iam.create_instance_profile(InstanceProfileName="etl")
    iam.add_role_to_instance_profile(InstanceProfileName="etl", RoleName=ROLE)
    left = undo(example, runs)
    assert ROLE in state(iam)
    assert any(kept.startswith(f"IAM role {ROLE_ARN}: DeleteConflict") for kept in left.kept)


def test_tear_down_keeps_the_role_of_two_targets_until_the_second_goes(iam, example, runs):
    before = state(iam)
    other = {**example, "name": "second", "prefix": "elsewhere"}
    apply(example, runs / "1")
    apply(other, runs / "2")
    left = undo(example, runs)
    assert any("another target uses it" in kept for kept in left.kept)
    trust, _, attached = state(iam)[ROLE]
    assert trust == trust_policy(example["workload_identity_arn"], ["redshift"])
    assert attached == [Target(**other).policy_arn_in("111122223333")]
    undo(other, runs, name="undo2")
    assert state(iam) == before


def test_tear_down_knows_its_own_by_the_ledger_when_the_tags_are_gone(iam, example, runs):
    before = state(iam)
    apply(example, runs / "1")
    arn = Target(**example).policy_arn_in("111122223333")
    iam.untag_role(RoleName=ROLE, TagKeys=["managed-by"])
    iam.untag_policy(PolicyArn=arn, TagKeys=["managed-by"])
    undo(example, runs)
    assert state(iam) == before


def test_tear_down_keeps_what_somebody_else_made_under_the_same_names(iam, example, runs):
    apply(example, runs / "1")
    undo(example, runs)
    make_role(iam)
    document = {**ALLOW, "Id": "theirs"}
    arn = make_policy(iam, Target(**example).policy_name, document)
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=arn)
    before = state(iam)
    left = undo(example, runs, name="undo2")
    assert (left.changes, state(iam)) == ([], before)
    assert any("not made by this runbook" in kept for kept in left.kept)


def test_tear_down_keeps_what_somebody_else_was_quicker_to_make(iam, example, runs):
    arn = Target(**example).policy_arn_in("111122223333")
    ledger = Ledger(runs / "1" / "ledger.jsonl")
    for change in (
        Change("create", ChangeSubject.POLICY, arn),
        Change("create", ChangeSubject.ROLE, ROLE_ARN),
    ):
        ledger.intend(change)
        ledger.abandoned(change)
    make_role(iam)
    make_policy(iam, Target(**example).policy_name)
    before = state(iam)
    assert undo(example, runs).changes == []
    assert state(iam) == before


class StoppedError(BaseException):
    """Stands for a process that ends in the middle."""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("operation", ["detach_role_policy", "delete_role", "delete_policy"])
@pytest.mark.parametrize("tagged", [True, False])
def test_tear_down_ends_the_same_when_it_was_stopped(iam, example, runs, operation, moment, tagged):
    before = state(iam)
    apply(example, runs / "1")
    if not tagged:
        arn = Target(**example).policy_arn_in("111122223333")
        iam.untag_role(RoleName=ROLE, TagKeys=["managed-by"])
        iam.untag_policy(PolicyArn=arn, TagKeys=["managed-by"])

    def stop():
        raise StoppedError

    with pytest.raises(StoppedError):
        undo(example, runs, BusyAws(**{moment: {operation: [stop]}}))
    undo(example, runs, name="undo2")
    assert state(iam) == before


def test_tear_down_waits_when_the_detaching_is_not_known_everywhere(iam, example, runs):
    before = state(iam)
    apply(example, runs / "1")
    late = BusyAws(before={"delete_policy": [lambda: client_error("DeleteConflict")] * 2})
    undo(example, runs, late)
    assert state(iam) == before


def test_tear_down_says_what_was_refused_when_the_operator_may_not_delete(iam, example, runs):
    apply(example, runs / "1")
    denied = BusyAws(before={"delete_role": [lambda: client_error("AccessDenied")]})
    with pytest.raises(ServiceError, match=f"deleting {ROLE_ARN}: AccessDenied"):
        undo(example, runs, denied)
    assert ROLE in state(iam)


def test_tear_down_never_widens_the_trust_policy(iam, example, runs):
    make_role(iam)
    apply(example, runs / "1")
    aws = BusyAws()
    undo(example, runs, aws)
    assert [json.loads(text) for _, text in aws.sent] == [FOREIGN]


def test_tear_down_does_not_lift_the_boundary_before_the_role_goes(iam, example, runs):
    boundary = make_policy(iam, "boundary")
    apply({**example, "permissions_boundary_arn": boundary}, runs / "1")
    aws = Aws(boto3.Session())
    undo(example, runs, aws)
    assert "delete_role_permissions_boundary" not in writes(aws)
    assert list(state(iam)) == ["boundary"]


# The ledger -----------------------------------------------------------------------------------


def test_ledger_keeps_its_entries_when_a_run_was_killed_while_writing(tmp_path):
    path = tmp_path / "run" / "ledger.jsonl"
    change = Change("create", ChangeSubject.ROLE, ROLE_ARN, after={"a": 1})
    Ledger(path).intend(change)
    with path.open("a") as file:
        file.write('{"time": "2026-')
    Ledger(path).done(change)
    assert [each["phase"] for each in ledger_history(tmp_path, ROLE_ARN)] == ["intended", "done"]


def test_ledger_tells_the_story_in_order_over_several_runs(tmp_path):
    for run, action in (("b", "create"), ("a", "delete"), ("c", "create")):
        Ledger(tmp_path / run / "ledger.jsonl").done(Change(action, ChangeSubject.ROLE, ROLE_ARN))
    Ledger(tmp_path / "d" / "ledger.jsonl").done(Change("delete", ChangeSubject.ROLE, "another"))
    history = ledger_history(tmp_path, ROLE_ARN)
    assert [entry["action"] for entry in history] == ["create", "delete", "create"]
