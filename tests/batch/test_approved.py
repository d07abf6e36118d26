"""An approved plan is what is run: what appears, disappears or changes in between stops its row."""

from __future__ import annotations

import json

import boto3
import pytest

from rwlib.batch.runner import run_batch
from tests.batch.test_plan import summary_of
from tests.batch.test_runner import made, options, write_targets

pytestmark = pytest.mark.slow

ACCOUNT = "111122223333"
EVERYTHING = {"Version": "2012-10-17",
              "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}  # fmt: skip


def trust(arn):
    statement = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def admin_role_appears(iam, row):
    iam.create_role(RoleName=row["role_name"], AssumeRolePolicyDocument=trust(ACCOUNT))
    iam.put_role_policy(
        RoleName=row["role_name"], PolicyName="all", PolicyDocument=json.dumps(EVERYTHING)
    )


def policy_appears(iam, row):
    iam.create_policy(PolicyName=row["policy_name"], PolicyDocument=json.dumps(EVERYTHING))


def grant_appears(iam, row):
    iam.put_role_policy(
        RoleName="stands-already", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING)
    )


def trust_changes(iam, row):
    iam.update_assume_role_policy(RoleName="stands-already", PolicyDocument=trust("444455556666"))


def role_is_made_again(iam, row):
    iam.delete_role(RoleName="stands-already")
    iam.create_role(RoleName="stands-already", AssumeRolePolicyDocument=trust(ACCOUNT))


def role_disappears(iam, row):
    iam.delete_role(RoleName="stands-already")


@pytest.mark.parametrize(
    ("interfere", "standing", "names"),
    [
        (admin_role_appears, False, "the role"),
        (policy_appears, False, "policy_name: 'orders-policy'"),
        (grant_appears, True, "its policies"),
        (trust_changes, True, "its trust policy"),
        (role_is_made_again, True, "the role"),
        (role_disappears, True, "the role"),
    ],
)
def test_row_is_stopped_when_something_changed_since_the_plan(
    aws_environment, runs, one_fork_server, tmp_path, interfere, standing, names
):
    path = write_targets(tmp_path / "orders.jsonl", 2)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    iam = boto3.client("iam")
    rows[0]["policy_name"] = "orders-policy"
    if standing:
        rows[0]["role_name"] = "stands-already"
        iam.create_role(RoleName="stands-already", AssumeRolePolicyDocument=trust(ACCOUNT))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def approve(planned):
        assert planned.counts["previewed"] == 2
        interfere(iam, rows[0])
        aws_environment.forget_calls()
        return True

    result = run_batch(options(path, apply=True, plan=True, approve=approve))
    said = {each["name"]: each for each in summary_of(result)["targets"]}
    assert (said["t0"]["status"], said["t1"]["status"]) == ("error", "done")
    assert said["t0"]["exit_code"] == 2
    assert names in said["t0"]["problem"]
    if interfere is policy_appears:  # refused before there is a plan to compare
        problem = "exists with another document, was not made by this runbook"
    else:
        problem = "differ from the plan that was approved; nothing was written"
    assert problem in said["t0"]["problem"]
    assert made(aws_environment) == [
        *("CreatePolicy", "TagPolicy", "CreateRole", "TagRole", "AttachRolePolicy")
    ]


def test_rows_that_share_a_role_are_run_as_they_were_planned(
    aws_environment, runs, one_fork_server, tmp_path
):
    path = write_targets(tmp_path / "orders.jsonl", 2)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["role_name"] = "of-both"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = run_batch(options(path, apply=True, plan=True, approve=lambda planned: True))
    assert dict(result.counts) == {"done": 2}, summary_of(result)
