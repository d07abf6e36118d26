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
        ([f"{OWN}*"], ""),
        ([f"{OWN[:15]}*"], "role/"),
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


@pytest.mark.parametrize(
    ("operator", "exempted", "finds"),
    [
        ("ArnNotEquals", "role/loader", False),
        ("ArnNotLike", "role/loader*", True),
        ("ArnNotLike", "role/*loader", True),
        ("StringNotLike", "role/loader*", True),
        ("StringNotLike", "*/loader", True),
        ("StringNotLike", "*:role/loader", True),
        ("StringNotLike", "role/loader", False),
    ],
)
def test_pattern_that_fits_an_exempted_role_is_judged_by_whom_else_it_fits(
    operator, exempted, finds
):
    arn = f"arn:aws:iam::{ACCOUNT}:role/loader"
    value = exempted if exempted.startswith("*") else f"arn:aws:iam::{ACCOUNT}:{exempted}"
    before = denials(guard({"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::1:role/x"}}))
    now = denials(guard({operator: {"aws:PrincipalArn": ["arn:aws:iam::1:role/x", value]}}))
    found = list(newly_allowed(before, now, place=BUCKET, account_id=ACCOUNT, but=[arn]))
    assert bool(found) is finds
    assert not any(each.who == arn for each in found)


def test_nobody_asks_a_key_without_credentials_or_as_a_caller_of_another_account():
    own = f"arn:aws:iam::{ACCOUNT}:root"
    root = {"Effect": "Allow", "Principal": {"AWS": own}, "Action": "kms:*", "Resource": "*"}
    more = {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*",
            "Condition": {"StringEquals": {"kms:CallerAccount": ACCOUNT}}}  # fmt: skip
    found = list(
        newly_allowed(
            {"Statement": [root]},
            {"Statement": [root, more]},
            place=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k",
            account_id=ACCOUNT,
            alone=True,
        )
    )
    assert found
    assert all(each.who.startswith(f"arn:aws:iam::{ACCOUNT}:") for each in found)


def test_deny_that_is_narrowed_to_some_resources_is_found():
    def boundary(resource):
        return denials({"Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": resource}]})

    users = f"arn:aws:iam::{ACCOUNT}:user/*"
    found = newly_allowed(boundary("*"), boundary(users), place="*", account_id=ACCOUNT)
    assert ":user/" not in next(found).request.resource


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
