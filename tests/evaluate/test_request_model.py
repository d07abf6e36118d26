"""The requests of this job, judged with what is known of them."""

from __future__ import annotations

import pytest

from rwlib.evaluate import assume_role_by_redshift, judge_any, redshift_services

ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
LOADER = "arn:aws:redshift:us-east-1:111122223333:dbuser:analytics/loader"
REDSHIFT, REGIONAL = "redshift.amazonaws.com", "redshift.us-east-1.amazonaws.com"


def redshift(*statements, user=""):
    models = [
        assume_role_by_redshift(ROLE, region_name="us-east-1", service=name, database_user=user)
        for name in redshift_services("us-east-1")
    ]
    return judge_any(models, {"Version": "2012-10-17", "Statement": list(statements)})


def statement(effect, service, **condition):
    principal = "*" if service == "*" else {"Service": service}
    found = {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole"}
    return {**found, "Condition": condition} if condition else found


FOR_LOADER = {"StringEquals": {"sts:ExternalId": [LOADER]}}


@pytest.mark.parametrize("denied", [REDSHIFT, REGIONAL, [REDSHIFT, REGIONAL]])
@pytest.mark.parametrize("allowed", [REDSHIFT, REGIONAL, "*"])
def test_a_deny_for_one_name_of_redshift_is_a_deny_for_redshift(allowed, denied):
    allow = statement("Allow", allowed)
    assert redshift(allow).effect == "allowed"
    assert redshift(allow, statement("Deny", denied)).effect == "explicit-deny"
    hangs = redshift(allow, statement("Deny", denied, **FOR_LOADER))
    assert (hangs.effect, hangs.depends_on) == ("depends", ("sts:ExternalId",))
    known = redshift(allow, statement("Deny", denied, **FOR_LOADER), user="analytics/loader")
    assert known.effect == "explicit-deny"
    other = redshift(allow, statement("Deny", denied, **FOR_LOADER), user="analytics/ada")
    assert other.effect == "allowed"


def test_one_name_of_redshift_that_is_let_in_is_enough():
    assert redshift(statement("Allow", "ec2.amazonaws.com")).effect == "implicit-deny"
    both = redshift(statement("Allow", REGIONAL), statement("Allow", REDSHIFT, **FOR_LOADER))
    assert both.effect == "allowed"
    assert redshift().effect == "implicit-deny"
