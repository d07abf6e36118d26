"""The operator's policy: enough for the job, and not one action more."""

from __future__ import annotations

import io
import json

import boto3
import pytest
import yaml

from rwlib.batch.options import Options
from rwlib.batch.runner import run_batch
from rwlib.errors import InputError, RunbookError
from rwlib.export.operator import PURPOSES, operator_policy
from rwlib.runbook import Runbook
from rwlib.target.target import Target
from tests.support import operator_calls, places

CUSTOMER = "111122223333"
VALUES = {
    **yaml.safe_load((places.ROOT / "examples" / "redshift.yaml").read_text()),
    "run_sql": False,
}


@pytest.fixture
def as_operator(aws_environment, monkeypatch, tmp_path):
    """Act as a user who has exactly the given policy."""
    monkeypatch.chdir(tmp_path)
    for name, value in aws_environment.environment().items():
        monkeypatch.setenv(name, value)
    iam = boto3.client("iam")
    iam.create_user(UserName="operator")
    made = iam.create_access_key(UserName="operator")["AccessKey"]

    def act(document):
        iam.put_user_policy(
            UserName="operator", PolicyName="least", PolicyDocument=json.dumps(document)
        )
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", made["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", made["SecretAccessKey"])

    return act


def run():
    book = Runbook.start({**VALUES, "apply": True})
    book.look()
    for number in range(1, 6):
        book.run_step(number)
    return book.verify()


def verify():
    return Runbook.start({**VALUES, "apply": False}).verify_live()


def tear_down():
    book = Runbook.start({**VALUES, "apply": True})
    book.tear_down()
    book.require_torn_down(book.tear_down())


def policy(purpose, without=""):
    document = operator_policy(Target(**VALUES), purpose, account_id=CUSTOMER)
    kept = []
    for statement in document["Statement"]:
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        left = [each for each in actions if each != without]
        if left:
            kept.append({**statement, "Action": left})
    return {**document, "Statement": kept}


def actions(purpose):
    return sorted(
        {action for statement in policy(purpose)["Statement"] for action in statement["Action"]}
    )


@pytest.mark.slow
def test_each_job_is_done_with_exactly_its_policy(as_operator):
    as_operator(policy("run"))
    checks = run()
    assert [check.id for check in checks if check.status == "fail"] == []
    as_operator(policy("verify"))
    again = verify()
    assert [check.id for check in again if check.status == "fail"] == []
    denied = [check.id for check in again if "AccessDenied" in " ".join(check.evidence)]
    assert denied == []
    as_operator(policy("teardown"))
    tear_down()


def what_verification_says():
    """The one sentence with which it ends, or the evidence of what is unknown."""
    try:
        checks = verify()
    except RunbookError as error:
        return str(error)
    return " ".join(" ".join(check.evidence) for check in checks if check.status == "unknown")


# What a verification calls only where something is not as asked for.
ON_A_DIFFERENCE = {"iam:ListPolicyVersions"}


@pytest.mark.slow
@pytest.mark.parametrize("action", sorted(ON_A_DIFFERENCE))
def test_an_action_that_is_missing_is_named_where_something_differs(
    action, as_operator, monkeypatch
):
    monkeypatch.setitem(VALUES, "policy_name", "orders-access")
    run()
    as_operator(policy("verify", without=action))
    other = {**VALUES, "connectors": ["s3_source"], "sql_options": {}}
    found = Runbook.start({**other, "apply": False}).verify_live()
    said = " ".join(line for check in found for line in check.evidence)
    assert f'add to the operator\'s policy: {{"Effect": "Allow", "Action": "{action}"' in said, said


@pytest.mark.slow
@pytest.mark.parametrize("action", sorted(set(actions("verify")) - ON_A_DIFFERENCE))
def test_an_action_that_is_missing_is_named(action, as_operator):
    run()
    as_operator(policy("verify", without=action))
    said = what_verification_says()
    # As the statement that gives it, whatever AWS itself says.
    assert f'add to the operator\'s policy: {{"Effect": "Allow", "Action": "{action}"' in said, said


def what_running_says():
    """The one sentence with which it ends, or the evidence of what is unknown."""
    try:
        checks = run()
    except RunbookError as error:
        return str(error)
    return " ".join(" ".join(check.evidence) for check in checks if check.status == "unknown")


# What a new set-up calls; the rest is for one that changes.
FIRST_RUN = {
    *("iam:AttachRolePolicy", "iam:CreatePolicy", "iam:CreateRole", "iam:GetPolicy"),
    *("iam:GetRole", "iam:TagPolicy", "iam:TagRole"),
}


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(
            each,
            marks=pytest.mark.slow
            if each in ("iam:TagRole", "iam:AttachRolePolicy")
            else pytest.mark.long,
        )
        for each in actions("run")
        if each in FIRST_RUN or each in actions("verify")
    ],
)
def test_an_action_that_is_missing_from_a_run_is_named(action, as_operator):
    as_operator(policy("run", without=action))
    said = what_running_says()
    assert f'add to the operator\'s policy: {{"Effect": "Allow", "Action": "{action}"' in said, said


@pytest.mark.slow
def test_tear_down_that_lacks_an_action_says_so_and_can_be_repeated(as_operator):
    run()
    # Each is called after the one before it was done.
    for action in ("iam:ListPolicyVersions", "iam:DetachRolePolicy", "iam:DeleteRole"):
        as_operator(policy("teardown", without=action))
        with pytest.raises(RunbookError) as caught:
            tear_down()
        assert f'"Action": "{action}"' in str(caught.value)
    as_operator(policy("teardown"))
    tear_down()


@pytest.fixture
def batch(as_operator, tmp_path):
    """Run one target as a batch: what its row says, and the policies for all that a batch does."""
    rows = tmp_path / "targets.jsonl"
    rows.write_text(json.dumps({**VALUES, "apply": True}) + "\n", encoding="utf-8")

    def run_one(document):
        as_operator(document)
        notebook = places.ROOT / "notebooks" / "runbook.ipynb"
        result = run_batch(
            Options(targets=rows, notebook=notebook, workers=1, apply=True),
            io.StringIO(),
        )
        summary = "".join(each.read_text("utf-8") for each in tmp_path.rglob("summary.*"))
        return result.exit_code, summary

    return run_one


@pytest.mark.slow
def test_batch_is_done_with_exactly_the_policy_of_a_run(batch):
    code, summary = batch(policy("run"))
    assert code in (0, 3), summary
    assert "AccessDenied" not in summary


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(each, marks=pytest.mark.slow if each == "iam:CreateRole" else pytest.mark.long)
        for each in actions("run")
        if each in FIRST_RUN or each in actions("verify")
    ],
)
def test_an_action_that_is_missing_from_a_batch_is_named(action, batch):
    code, summary = batch(policy("run", without=action))
    assert code in (0, 1, 3, 4)
    assert action in summary


def test_policy_is_narrowed_to_the_target():
    for purpose in PURPOSES:
        document = operator_policy(Target(**VALUES), purpose, account_id=CUSTOMER)
        for statement in document["Statement"]:
            if statement["Resource"] == "*":
                assert all(
                    not action.startswith(("iam:", "s3:", "kms:")) for action in statement["Action"]
                )
    attach = next(
        each
        for each in operator_policy(Target(**VALUES), "run")["Statement"]
        if each["Action"] == "iam:AttachRolePolicy"
    )
    assert "iam:PolicyARN" in str(attach["Condition"])


def test_path_is_no_pattern_in_the_policy():
    target = Target(**{**VALUES, "role_path": "/a*b/${aws:username}/c?/"})
    (role,) = {
        each["Resource"]
        for each in operator_policy(target)["Statement"]
        if ":role/" in each["Resource"]
    }
    assert ":role/a${*}b/${$}{aws:username}/c${?}/risingwave-redshift" in role


def test_key_is_in_the_policy_where_it_is_known():
    key = "arn:aws:kms:us-east-1:111122223333:key/1111aaaa-22bb-33cc-44dd-555566667777"
    for purpose in ("run", "verify"):
        given = operator_policy(Target(**VALUES), purpose, kms_key_arn=key)
        (statement,) = [each for each in given["Statement"] if each["Resource"] == key]
        assert statement["Action"] == ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants"]
        assert "kms:" not in json.dumps(operator_policy(Target(**VALUES), purpose))


def test_boundary_binds_the_role_that_may_be_made():
    boundary = "arn:aws:iam::111122223333:policy/boundary"
    target = Target(**{**VALUES, "permissions_boundary_arn": boundary})
    create = next(
        each for each in operator_policy(target)["Statement"] if each["Action"] == "iam:CreateRole"
    )
    assert create["Condition"] == {"ArnEquals": {"iam:PermissionsBoundary": boundary}}
    read = next(
        each for each in operator_policy(target)["Statement"] if each["Resource"] == boundary
    )
    assert read["Action"] == ["iam:GetPolicy", "iam:GetPolicyVersion"]
    own = target.model_copy(update={"policy_name": "orders"})
    attach = next(
        each for each in operator_policy(own, account_id=CUSTOMER)["Statement"]
        if each["Action"] == "iam:AttachRolePolicy"
    )  # fmt: skip
    assert attach["Condition"] == {
        "ArnEquals": {"iam:PolicyARN": f"arn:aws:iam::{CUSTOMER}:policy/orders"}
    }


def test_unknown_purpose_is_one_sentence():
    with pytest.raises(InputError, match="is not a purpose"):
        operator_policy(Target(**VALUES), "admin")


@pytest.mark.slow
def test_table_holds_the_calls_that_are_really_made():
    text = operator_calls.DATA.read_text(encoding="utf-8")
    assert yaml.safe_load(text) == operator_calls.counted(), (
        "python -m tests.support.operator_calls"
    )
