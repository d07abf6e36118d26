"""One target from nothing to verified: repeatable, stoppable anywhere, and alone with its calls."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter

import boto3
import pytest

from rwlib.aws.calls import Aws, policy_json
from rwlib.errors import InputError, RunbookError
from rwlib.runbook.runbook import Runbook
from tests.support.example_names import ROLE

FOREIGN = {
    "Sid": "DataTeam",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
}


class StoppedError(BaseException):
    """Stands for a process that ends in the middle."""


def complete(values, run_dir=None):
    """Run all steps and the verification."""
    book = Runbook.start(values, run_dir=run_dir)
    book.look()
    for number in range(1, 6):
        book.run_step(number)
    book.verify()
    return book


def state():
    """Everything in the customer's IAM that a run could touch, without ids and times."""
    iam = boto3.client("iam")
    found = {}
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        detail = iam.get_role(RoleName=name)["Role"]
        tags = [str(each).replace(detail["RoleId"], "ROLE") for each in detail.get("Tags", [])]
        found[f"role {name}"] = {
            "trust": detail["AssumeRolePolicyDocument"],
            "tags": sorted(tags),
            "attached": sorted(
                each["PolicyArn"]
                for each in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
            ),
            "inline": iam.list_role_policies(RoleName=name)["PolicyNames"],
        }
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        version = iam.get_policy_version(
            PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"]
        )["PolicyVersion"]
        found[f"policy {policy['PolicyName']}"] = version["Document"]
        found[f"tags of {policy['PolicyName']}"] = sorted(
            str(each).replace(policy["PolicyId"], "POLICY")
            for each in iam.get_policy(PolicyArn=policy["Arn"])["Policy"].get("Tags", [])
        )
    return json.loads(json.dumps(found))


def writes(aws: Aws):
    return [f"{call.service}:{call.operation}" for call in aws.calls if call.writes]


@pytest.mark.slow
def test_run_ends_verified_when_nothing_was_there(aws_environment, example):
    book = complete({**example, "apply": True})
    assert [check.id for check in book.checks if check.status == "fail"] == []
    assert book.exit_code == 0
    assert writes(book.aws) == [
        "iam:create_policy",
        "iam:tag_policy",
        "iam:create_role",
        "iam:tag_role",
        "iam:attach_role_policy",
    ]


@pytest.mark.slow
def test_run_writes_nothing_when_previewing(aws_environment, example):
    before = state()
    book = complete(example)
    assert state() == before
    assert writes(book.aws) == []
    assert [step.status for step in book.steps.values()][:2] == ["previewed", "previewed"]
    assert "Would create" in book.steps[1].changes[0].sentence
    assert book.exit_code == 0


@pytest.mark.slow
def test_run_writes_nothing_the_second_time(aws_environment, example):
    complete({**example, "apply": True})
    before = state()
    again = complete({**example, "apply": True})
    assert writes(again.aws) == []
    assert state() == before
    assert {step.status for number, step in again.steps.items() if number < 4} == {"unchanged"}


@pytest.mark.slow
def test_run_asks_for_no_fact_twice_when_nothing_changes(aws_environment, example):
    complete({**example, "apply": True})
    aws_environment.forget_calls()
    complete({**example, "apply": True})
    book_calls = Counter(
        (each["service"], each["action"], each.get("resource"))
        for each in aws_environment.calls()
        if each["action"] not in ("SimulatePrincipalPolicy", "ValidatePolicy", "GetPolicyVersion")
    )
    assert {call: times for call, times in book_calls.items() if times > 1} == {}


def test_first_run_needs_few_calls(aws_environment, example):
    book = complete({**example, "apply": True})
    counts = Counter((call.service, call.operation) for call in book.aws.calls)
    assert sum(counts.values()) <= 40
    assert counts["sts", "get_caller_identity"] == 1
    assert counts["s3", "head_bucket"] == 1


def stop_at(monkeypatch, number, after):
    """End the process before or after AWS's n-th call took effect."""
    made = {"calls": 0}
    real = Aws._call

    def call(self, *arguments):
        made["calls"] += 1
        if made["calls"] == number and not after:
            raise StoppedError
        stop = made["calls"] == number and after
        try:
            return real(self, *arguments)
        finally:
            if stop:
                raise StoppedError

    monkeypatch.setattr(Aws, "_call", call)


@pytest.mark.slow
@pytest.mark.parametrize("adopted", [False, True], ids=["new role", "existing role"])
def test_run_ends_the_same_when_stopped_at_any_call(aws_environment, example, monkeypatch, adopted):
    """Before every call, and after the effect of every writing call."""

    def prepare():
        aws_environment.reset()
        if adopted:
            trust = {"Version": "2012-10-17", "Statement": [FOREIGN]}
            boto3.client("iam").create_role(
                RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust)
            )

    values = {**example, "apply": True}
    prepare()
    calls = complete(values).aws.calls
    undisturbed = state()
    stops = [(number, False) for number in range(1, len(calls) + 1)]
    stops += [(number, True) for number, call in enumerate(calls, 1) if call.writes]
    assert len(stops) > len(calls) + 2
    for number, after in stops:
        prepare()
        with monkeypatch.context() as patch:
            stop_at(patch, number, after)
            with pytest.raises(StoppedError):
                complete(values)
        book = complete(values)
        assert state() == undisturbed, f"stopped at call {number}, after={after}"
        assert book.exit_code == 0


def run_apart(environment, values, barrier, answers):
    """Run in a process of its own."""
    import os

    os.environ.update(environment)
    barrier.wait()
    try:
        book = complete(values)
        answers.put((book.exit_code, [check.id for check in book.checks if check.status == "fail"]))
    except RunbookError as error:
        answers.put((error.exit_code, str(error)))


def run_at_once(environment, targets):
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(len(targets)), context.Queue()
    workers = [
        context.Process(target=run_apart, args=(environment, values, barrier, answers))
        for values in targets
    ]
    for worker in workers:
        worker.start()
    found = [answers.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    return found


@pytest.mark.slow
def test_two_runs_at_once_lose_nothing_when_they_share_a_role(aws_environment, example, tmp_path):
    trust = {"Version": "2012-10-17", "Statement": [FOREIGN]}
    iam = boto3.client("iam")
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    environment = {**aws_environment.environment(), "RWLIB_RUNS": str(tmp_path)}
    first = {**example, "apply": True}
    second = {**first, "name": "frankfurt", "bucket": "acme-frankfurt"}
    answers = run_at_once(environment, [first, second, first])
    assert [code for code, _ in answers] == [0, 0, 0], answers
    role = state()[f"role {ROLE}"]
    assert len(role["attached"]) == 2
    sids = [each.get("Sid") for each in role["trust"]["Statement"]]
    assert role["trust"]["Statement"][0] == FOREIGN
    assert sorted(sids) == ["DataTeam", "RisingWaveCloudAssumeRole", "RisingWaveCloudRedshiftCopy"]


@pytest.mark.parametrize(
    ("bucket", "region", "words"),
    [
        ("no-such-bucket-here", "", "does not exist"),
        ("thirdparty-data", "", "is not in account 111122223333"),
        ("acme-frankfurt", "us-east-1", "write eu-central-1"),
    ],
)
def test_run_creates_nothing_when_the_bucket_is_wrong(
    aws_environment, example, bucket, region, words
):
    before = state()
    values = {**example, "bucket": bucket, "region_name": region, "apply": True}
    with pytest.raises(InputError, match=words):
        complete(values)
    assert state() == before


def test_run_creates_nothing_when_the_workload_identity_does_not_exist(aws_environment, example):
    before = state()
    arn = "arn:aws:iam::444455556666:role/misspelt-role"
    with pytest.raises(InputError, match=r"workload_identity_arn: .*does not exist"):
        complete({**example, "workload_identity_arn": arn, "apply": True})
    assert state() == before


def test_run_is_refused_when_the_existing_trust_asks_for_an_external_id(aws_environment, example):
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": example["workload_identity_arn"]},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "x-123"}},
    }
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    boto3.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    before = state()
    with pytest.raises(RunbookError, match="sts:ExternalId"):
        complete({**example, "apply": True})
    assert state() == before


def test_ledger_says_what_was_created(aws_environment, example, tmp_path):
    complete({**example, "apply": True}, run_dir=tmp_path / "one")
    lines = (tmp_path / "one" / "ledger.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [(each["phase"], each["action"], each["resource"]) for each in entries] == [
        (phase, "create", resource)
        for resource in ("IAM policy", "IAM role", "attachment")
        for phase in ("intended", "done")
    ]


@pytest.mark.slow
def test_role_never_trusts_more_than_asked(aws_environment, example, monkeypatch):
    sent = []
    real = Aws._call

    def call(self, service, operation, parameters, *rest):
        for key in ("AssumeRolePolicyDocument", "PolicyDocument"):
            if key in parameters and operation in ("create_role", "update_assume_role_policy"):
                sent.append(policy_json(parameters[key]))
        return real(self, service, operation, parameters, *rest)

    monkeypatch.setattr(Aws, "_call", call)
    complete({**example, "apply": True})
    assert len(sent) == 1
    assert sent[0]["Statement"][0]["Principal"] == {"AWS": example["workload_identity_arn"]}
    assert sent[0]["Statement"][1]["Principal"] == {"Service": "redshift.amazonaws.com"}


def test_parameters_come_from_the_named_file_when_none_is_given(monkeypatch, tmp_path, example):
    from rwlib.target.parameters import parameter_values

    path = tmp_path / "target.yaml"
    path.write_text(json.dumps(example))
    monkeypatch.setenv("RWLIB_TARGET", str(path))
    assert parameter_values({"bucket": "", "prefix": ""})["bucket"] == "acme-analytics"
    assert parameter_values({"bucket": "other-bucket"}) == {"bucket": "other-bucket"}


def test_sessions_translate_refused_credentials(aws_environment, example, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(RunbookError) as caught:
        complete(example)
    assert caught.value.exit_code == 4
    assert "AWS does not accept the credentials" in str(caught.value)


def test_run_dir_is_not_made_when_only_looking(aws_environment, example, tmp_path):
    complete(example)
    assert not (tmp_path / "runs").exists()
