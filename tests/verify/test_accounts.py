"""Conditions as accounts have them: the verdict is what the Workload Identity's calls meet.

Each row plants one condition, judges, and lets the Workload Identity make its requests.
"""

from __future__ import annotations

import json

import pytest

from rwlib.verify.reasons import REASONS
from tests.verify.accounts import CUSTOMER, ROLE_ARN, SESSION_ARN, WORKLOAD, Account

pytestmark = pytest.mark.slow

ROOT = "arn:aws:iam::444455556666:root"
OWN = {
    "Sid": "RisingWaveCloudAssumeRole",
    "Effect": "Allow",
    "Principal": {"AWS": WORKLOAD},
    "Action": "sts:AssumeRole",
}
REGION = "us-east-1"


@pytest.fixture
def account(aws, sandbox, example):
    return Account(aws, sandbox, {**example, "connectors": ["s3_sink"]})


def condition(operator, key, value, **more):
    return {**OWN, **more, "Condition": {operator: {key: value}}}


TRUST = [
    ("MFA", condition("BoolIfExists", "aws:MultiFactorAuthPresent", "true"), False,
     ("fail", "trust_condition_unmet", "aws:MultiFactorAuthPresent")),
    ("until a date", condition("DateLessThan", "aws:CurrentTime", "2099-01-01T00:00:00Z"), True,
     ("pass", "", "ends it on 2099-01-01")),
    ("past a date", condition("DateLessThan", "aws:CurrentTime", "2020-01-01T00:00:00Z"), False,
     ("fail", "trust_condition_unmet", "CurrentTime")),
    ("from a date", condition("DateGreaterThan", "aws:CurrentTime", "2099-01-01T00:00:00Z"), False,
     ("fail", "trust_condition_unmet", "CurrentTime")),
    ("unique id", condition("StringLike", "aws:userid", "AROAEXAMPLE:*"), None,
     ("unknown", "depends_on_context", "depends on aws:userid; allowed when it is AROAEXAMPLE:*")),
    ("any role's id", condition("StringLike", "aws:userid", "AROA*"), True, ("pass", "", "")),
    ("unique id to the letter", condition("StringEquals", "aws:userid", "AROAEXAMPLE:*"), False,
     ("fail", "trust_condition_unmet", "aws:userid")),
    ("endpoint to the letter", condition("StringEquals", "aws:SourceVpce", "vpce-*"), False,
     ("fail", "trust_condition_unmet", "aws:sourcevpce")),
    ("region", condition("StringEquals", "aws:RequestedRegion", REGION), True, ("pass", "", "")),
    ("other region", condition("StringEquals", "aws:RequestedRegion", "eu-west-1"), False,
     ("fail", "trust_condition_unmet", "aws:RequestedRegion")),
    ("address", condition("IpAddress", "aws:SourceIp", "203.0.113.0/24"), None,
     ("unknown", "depends_on_context", "depends on aws:SourceIp; allowed from 203.0.113.0/24")),
    ("a network as a text", condition("StringEquals", "aws:SourceIp", "203.0.113.0/24"), False,
     ("fail", "trust_condition_unmet", "aws:SourceIp")),
    ("addresses as a text", condition("StringLike", "aws:SourceIp", "203.0.113.*"), None,
     ("unknown", "depends_on_context", "depends on aws:SourceIp; allowed from 203.0.113.*")),
    ("an address at all", condition("Null", "aws:SourceIp", "false"), None,
     ("unknown", "depends_on_context", "depends on aws:SourceIp")),
    ("not that endpoint", condition("StringNotLike", "aws:SourceVpce", "vpce-1"), None,
     ("unknown", "depends_on_context", "aws:SourceVpce")),
    ("endpoint if any", condition("StringEqualsIfExists", "aws:SourceVpce", "vpce-1"), None,
     ("unknown", "depends_on_context", "aws:SourceVpce")),
    ("account with the session's name",
     condition("StringLike", "sts:RoleSessionName", "reqsign", Principal={"AWS": ROOT}), True,
     ("pass", "", "")),
    ("external id behind the account",
     condition("StringEquals", "sts:ExternalId", "x", Principal={"AWS": ROOT}), False,
     ("fail", "trust_external_id_required", "sts:externalid")),
    ("external id for everybody",
     condition("StringEquals", "sts:ExternalId", "x", Principal={"AWS": "*"}), False,
     ("fail", "trust_external_id_required", "sts:externalid")),
    ("account, but another role",
     condition("ArnEquals", "aws:PrincipalArn", f"{WORKLOAD}x", Principal={"AWS": ROOT}), False,
     ("fail", "trust_condition_unmet", "aws:principalarn")),
    ("organization", condition("StringEquals", "aws:PrincipalOrgID", "o-1"), None,
     ("unknown", "depends_on_context", "depends on aws:PrincipalOrgID; allowed when it is o-1")),
    ("tag of the role", condition("StringEquals", "aws:ResourceTag/team", "data"), True,
     ("pass", "", "")),
    ("other tag of the role", condition("StringEquals", "aws:ResourceTag/team", "x"), False,
     ("fail", "trust_condition_unmet", "aws:resourcetag/team")),
    ("source account", condition("StringEquals", "aws:SourceAccount", CUSTOMER), False,
     ("fail", "trust_condition_unmet", "aws:sourceaccount")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "works", "expected"), [row[1:] for row in TRUST], ids=[row[0] for row in TRUST]
)
def test_condition_of_the_trust_policy_is_judged_as_it_works(account, statement, works, expected):
    account.tag(team="data")
    account.trust(statement)
    checks, _ = account.verdict()
    check = checks["trust_conditions"]
    status, reason, says = expected
    assert (check.status, check.reason) == (status, reason)
    assert says.lower() in " ".join(check.evidence).lower()
    assert reason == "" or reason in REASONS
    # RisingWave's whole account behind a condition lets others of it in too, or does not.
    if statement["Principal"] == OWN["Principal"] or status != "pass":
        assert checks["trust"].status == status
    if works is not None:
        assert (account.assume() is not None) is works


def test_principal_that_is_a_session_is_unknown_everywhere(account):
    account.trust({**OWN, "Principal": {"AWS": SESSION_ARN}})
    checks, _ = account.verdict()
    assert {checks[each].status for each in ("trust_principal", "trust")} == {"unknown"}
    assert checks["trust_conditions"].status == "pass"
    assert "the name of RisingWave's session; allowed when it is reqsign" in " ".join(
        checks["trust"].evidence
    )
    assert account.assume() is not None


BUCKET = [
    ("NotIpAddress", "aws:SourceIp", "203.0.113.0/24", None, "allowed from 203.0.113.0/24"),
    ("StringNotEquals", "s3:signatureversion", "AWS4-HMAC-SHA256", True, ""),
    ("StringNotEquals", "s3:authType", "REST-HEADER", True, ""),
    ("StringNotEquals", "s3:ResourceAccount", CUSTOMER, True, ""),
    ("StringNotEquals", "aws:RequestedRegion", REGION, True, ""),
    ("StringNotEquals", "aws:RequestedRegion", "eu-west-1", False, ""),
    ("StringNotEquals", "s3:x-amz-server-side-encryption", "aws:kms", False, ""),
    ("StringNotEqualsIfExists", "s3:x-amz-server-side-encryption", "aws:kms", False, ""),
    ("Null", "s3:x-amz-server-side-encryption", "true", False, ""),
    ("Null", "s3:x-amz-server-side-encryption", "false", True, ""),
    ("ForAllValues:StringNotEquals", "s3:x-amz-acl", "private", False, ""),
    ("StringNotEquals", "aws:SourceVpce", "vpce-1", None, "allowed when it is vpce-1"),
    ("ArnNotLike", "aws:PrincipalArn", ROLE_ARN, True, ""),
    ("ArnNotLike", "aws:PrincipalArn", f"{ROLE_ARN}x", False, ""),
    ("Bool", "aws:MultiFactorAuthPresent", "false", False, ""),
    ("StringNotEquals", "aws:PrincipalTag/team", "data", True, ""),
    ("StringNotEquals", "aws:PrincipalTag/team", "x", False, ""),
    ("StringNotEquals", "aws:PrincipalType", "AssumedRole", True, ""),
    ("StringNotLike", "aws:userid", "*:reqsign", True, ""),
    ("DateGreaterThan", "aws:CurrentTime", "2099-01-01T00:00:00Z", True, "on 2099-01-01"),
    ("DateLessThan", "aws:TokenIssueTime", "2020-01-01T00:00:00Z", True, ""),
    ("StringNotEquals", "aws:PrincipalOrgID", "o-1", None, "aws:PrincipalOrgID"),
    ("Bool", "aws:ViaAWSService", "true", True, ""),
    ("NumericLessThan", "s3:TlsVersion", "1.2", True, ""),
    ("Bool", "s3:ObjectCreationOperation", "true", False, ""),
    # A large object is sent in parts, which make no object before the last request.
    ("Bool", "s3:ObjectCreationOperation", "false", False, ""),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "key", "value", "works", "says"), BUCKET)
def test_deny_of_the_bucket_policy_is_judged_as_it_works(
    account, operator, key, value, works, says
):
    account.tag(team="data")
    account.bucket_policy(
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::acme-analytics/*",
            "Condition": {operator: {key: value}},
        }
    )
    checks, verdicts = account.verdict()
    expected = {True: "pass", False: "fail", None: "unknown"}[works]
    assert checks["bucket_policy"].status == expected
    assert checks["requests_allowed"].status == expected
    assert says in " ".join(checks["bucket_policy"].evidence)
    if works is not None:
        keys = account.assume()
        put = next(each for each in verdicts if each.probe.action == "s3:PutObject")
        assert account.happens(put, keys) is works


def test_variable_of_the_network_in_a_resource_counts(account):
    """By the internet its default stands there, through an endpoint the endpoint."""
    account.bucket_policy(
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "NotResource": "arn:aws:s3:::acme-analytics/${aws:SourceVpce, 'risingwave'}/*",
        }
    )
    checks, _ = account.verdict()
    assert checks["bucket_policy"].status == checks["requests_allowed"].status == "unknown"
    assert "aws:sourcevpce" in checks["bucket_policy"].evidence[0].lower()


KEY_TARGET = {"bucket": "acme-encrypted", "connectors": ["s3_sink"]}


def test_grant_of_the_key_allows_what_no_policy_names(aws, sandbox, example):
    """The key policy lets the administrators in alone; a grant lets the role in."""
    account = Account(aws, sandbox, {**example, **KEY_TARGET})
    kms = aws.client("kms", region_name=account.region)
    s3 = account.s3.get_bucket_encryption(Bucket="acme-encrypted")
    rule = s3["ServerSideEncryptionConfiguration"]["Rules"][0]
    key = rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    admin = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{CUSTOMER}:root"},
        "Action": ["kms:Put*", "kms:Get*", "kms:Describe*", "kms:List*", "kms:CreateGrant"],
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [admin]})
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    checks, verdicts = account.verdict()
    assert (checks["kms_key_policy"].status, checks["kms"].reason) == ("fail", "kms_key_policy")
    keys = account.assume()
    put = next(each for each in verdicts if each.probe.action == "s3:PutObject")
    assert not account.happens(put, keys)
    kms.create_grant(
        KeyId=key, GranteePrincipal=ROLE_ARN, Operations=["Decrypt", "GenerateDataKey"]
    )
    checks, _ = account.verdict()
    assert {checks["kms_key_policy"].status, checks["kms"].status} == {"pass"}
    assert "grant" in " ".join(checks["kms_key_policy"].evidence)
    assert account.happens(put, keys)


KEY_FACTS = [
    ("StringNotEquals", "kms:KeyOrigin", "AWS_KMS"),
    ("Bool", "kms:MultiRegion", "true"),
    ("Null", "kms:MultiRegionKeyType", "false"),
    ("StringNotEquals", "kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
]


def test_what_is_told_of_the_key_is_known(aws, sandbox, example):
    account = Account(aws, sandbox, {**example, **KEY_TARGET})
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    hidden = [{**everybody, "Effect": "Deny", "Condition": {o: {k: v}}} for o, k, v in KEY_FACTS]
    use = {"Action": ["kms:Decrypt", "kms:GenerateDataKey"]}
    account.key_policy(everybody, *({**each, **use} for each in hidden))
    checks, verdicts = account.verdict()
    assert {checks[each].status for each in ("kms", "kms_key_policy")} == {"pass"}
    put = next(each for each in verdicts if each.probe.action == "s3:PutObject")
    assert account.happens(put, account.assume())
    for each in hidden:
        operator, tests = next(iter(each["Condition"].items()))
        opposite = {**each, **use, "Condition": {"StringLike": {next(iter(tests)): "*"}}}
        if operator != "Null":
            account.key_policy(everybody, opposite)
            assert account.verdict()[0]["kms"].status == "fail"
            assert not account.happens(put, account.assume())


def test_grant_under_another_encryption_context_is_none(aws, sandbox, example):
    """The keys of an encryption context tell capitals apart, unlike those of a condition."""
    account = Account(aws, sandbox, {**example, **KEY_TARGET})
    account.key_policy(
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{CUSTOMER}:root"},
            "Action": ["kms:Put*", "kms:Get*", "kms:Describe*", "kms:List*", "kms:CreateGrant"],
            "Resource": "*",
        }
    )
    operations = ["Decrypt", "GenerateDataKey"]
    pairs = {"AWS:S3:ARN": "arn:aws:s3:::acme-encrypted"}
    wrong = {"GranteePrincipal": ROLE_ARN, "Constraints": {"EncryptionContextSubset": pairs}}
    account.grants_of_key({**wrong, "Operations": operations})
    assert account.verdict()[0]["kms"].status == "fail"
    kms = aws.client("kms", region_name=account.region)
    kms.create_grant(KeyId=account.key_id, GranteePrincipal=ROLE_ARN, Operations=operations)
    checks, verdicts = account.verdict()
    assert checks["kms"].status == "pass"
    put = next(each for each in verdicts if each.probe.action == "s3:PutObject")
    assert account.happens(put, account.assume())


def test_nat_addresses_of_cloud_metadata_are_evidence_and_no_knowledge(account):
    from dataclasses import replace

    from rwlib.aws.bucket import describe_bucket, locate_bucket
    from rwlib.verify.situation import read_situation
    from rwlib.verify.trust import check_trust

    account.trust(condition("IpAddress", "aws:SourceIp", "203.0.113.0/24"))
    account.aws.forget()
    bucket = describe_bucket(account.aws, locate_bucket(account.aws, "acme-analytics", ""))
    situation = read_situation(account.aws, account.target, bucket)
    situation = replace(situation, egress_ips=("203.0.113.7",))
    checks = {each.id: each for each in check_trust(account.target, situation, WORKLOAD)}
    assert checks["trust"].status == "unknown"
    assert "203.0.113.7" in checks["trust"].evidence[1]


@pytest.mark.parametrize("prefix", ["a%20b+c", "größe?/$x", "日本/<x>&'y\""])
def test_prefix_of_unusual_characters_is_judged_as_it_works(aws, sandbox, example, prefix):
    """What is read back of a document is what was written, per cent signs and all."""
    account = Account(aws, sandbox, {**example, "connectors": ["s3_sink"], "prefix": prefix})
    checks, verdicts = account.verdict()
    assert {checks[each].status for each in ("policy_documents", "requests_allowed")} == {"pass"}
    keys = account.assume()
    for verdict in verdicts:
        if verdict.probe.allow:
            assert account.happens(verdict, keys), verdict.line
