"""What a document lets through now and did not before: by whose id, and where no resource is."""

from __future__ import annotations

import pytest

from rwlib.verify import denials, newly_allowed
from rwlib.verify.iam_actions import iam_actions
from tests.support.example_names import ACCOUNT

BUCKET = "arn:aws:s3:::acme-analytics"
OWN = "AROA4EXAMPLEOWNROLE12"


def guard(condition):
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
                 "Resource": f"{BUCKET}/*", "Condition": condition}  # fmt: skip
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.parametrize(
    ("exempted", "who"),
    [
        ([f"{OWN}:*"], ""),
        ([f"{OWN}:reqsign"], ""),
        (["*:reqsign"], "role/"),
        (["AROA*"], "role/"),
        (["AIDA*"], "user/"),
        (["AROA4EXAMPLEOTHERONE:*"], "role/"),
        ([ACCOUNT], ":root"),
    ],
)
def test_id_in_a_deny_exempts_only_whose_it_is(exempted, who):
    before = denials(
        guard({"ArnNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/x"}})
    )
    both = {
        "ArnNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/x"},
        "StringNotLike": {"aws:userid": exempted},
    }
    found = list(
        newly_allowed(before, denials(guard(both)), place=BUCKET, account_id=ACCOUNT, but_ids=[OWN])
    )
    assert bool(found) is bool(who)
    assert all(who in each.who for each in found)


def test_narrowed_deny_without_a_resource_is_found():
    def boundary(action):
        return denials({"Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]})

    found = newly_allowed(
        boundary("iam:*"), boundary("iam:CreateUser"), place="*", account_id=ACCOUNT
    )
    assert next(found).request.action.startswith("iam:")
    same = newly_allowed(boundary("iam:*"), boundary(["iam:*"]), place="*", account_id=ACCOUNT)
    assert list(same) == []


def test_request_for_a_key_may_carry_any_encryption_context():
    assert iam_actions()["kms:decrypt"].may_carry("kms:encryptioncontext:aws:s3:arn")
    assert not iam_actions()["s3:putobject"].may_carry("kms:encryptioncontext:aws:s3:arn")
