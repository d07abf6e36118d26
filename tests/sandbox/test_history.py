"""The states that a sandbox keeps, and what decides about KMS grants and Redshift's COPY."""

from __future__ import annotations

import json

import pytest

from rwlib.sandbox import CUSTOMER, Sandbox
from rwlib.sandbox.aws.kms.access import _meets
from tests.support.sandbox_clients import client

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{CUSTOMER}:root"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def states(sandbox):
    return sandbox.history()["states"]


def test_nothing_is_kept_until_it_is_switched_on(sandbox):
    iam = client(sandbox, "iam")
    iam.create_role(RoleName="one", AssumeRolePolicyDocument=json.dumps(TRUST))
    assert sandbox.history() == {"states": [], "pieces": {}}


def test_every_state_is_kept_with_the_call_that_led_to_it(sandbox):
    iam, s3 = client(sandbox, "iam"), client(sandbox, "s3")
    sandbox.keep_history()
    iam.create_role(RoleName="one", AssumeRolePolicyDocument=json.dumps(TRUST))
    policy = {"Version": "2012-10-17",
              "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}  # fmt: skip
    iam.put_role_policy(RoleName="one", PolicyName="wide", PolicyDocument=json.dumps(policy))
    s3.put_object(Bucket="acme-analytics", Key="x", Body=b"x")
    iam.delete_role_policy(RoleName="one", PolicyName="wide")
    iam.get_role(RoleName="one")
    found = states(sandbox)
    assert [each["call"] for each in found] == [
        "",
        "iam:CreateRole",
        "iam:PutRolePolicy",
        "iam:DeleteRolePolicy",
    ]
    name = f"role arn:aws:iam::{CUSTOMER}:role/one"
    pieces = sandbox.history()["pieces"]
    assert [bool(pieces[each["pieces"][name]]["policies"]) for each in found[1:]] == [
        False,
        True,
        False,
    ]
    # What two states have in common is kept once.
    assert found[1]["pieces"][name] == found[3]["pieces"][name]
    sandbox.reset()
    assert states(sandbox) == []


@pytest.mark.slow
def test_states_survive_a_restart(tmp_path):
    with Sandbox(state=tmp_path / "state") as first:
        first.keep_history()
        client(first, "iam").create_role(RoleName="one", AssumeRolePolicyDocument=json.dumps(TRUST))
        known = first.history()
    with Sandbox(state=tmp_path / "state") as second:
        assert second.history() == known


@pytest.mark.parametrize(
    ("constraints", "context", "met"),
    [
        ({}, {}, True),
        ({}, {"a": "1"}, True),
        ({"EncryptionContextEquals": {"a": "1"}}, {"a": "1"}, True),
        ({"EncryptionContextEquals": {"a": "1"}}, {"a": "1", "b": "2"}, False),
        ({"EncryptionContextSubset": {"a": "1"}}, {"a": "1", "b": "2"}, True),
        ({"EncryptionContextSubset": {"a": "1"}}, {"b": "2"}, False),
    ],
)
def test_grant_asks_for_its_encryption_context(constraints, context, met):
    request = {f"kms:EncryptionContext:{key}": value for key, value in context.items()}
    request |= {"kms:EncryptionContextKeys": list(context)}
    assert _meets(constraints, request) is met
