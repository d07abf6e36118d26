"""Random conditions in every policy of the way: the verdict is what the calls then meet.

Policies are drawn, planted in a sandbox and judged; then the Workload Identity assumes the role and
makes each request. What is said to be allowed is allowed, what is said to be refused is refused,
and unknown is said only where a key decides that nobody here can know.

Left out are the keys that loopback cannot have: there is no TLS.
"""

from __future__ import annotations

import os

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.verify.accounts import CLOUD, CUSTOMER, ROLE_ARN, SESSION_ARN, WORKLOAD, Account

pytestmark = pytest.mark.slow

ROOT = f"arn:aws:iam::{CLOUD}:root"
UNKNOWABLE = {
    *("aws:sourceip", "aws:sourcevpce", "aws:sourcevpc", "aws:vpcsourceip", "aws:principalorgid"),
    *("aws:resourceorgid", "aws:useragent", "aws:userid", "aws:tokenissuetime"),
    *("aws:principaltag/team", "the name of risingwave's session", "aws:federatedprovider"),
    "s3:existingobjecttag/team",
}


def _each(*operators, sets=False):
    """Return operators, with IfExists, and over sets of values where those are asked for."""
    found = [name + suffix for name in operators for suffix in ("", "IfExists")]
    if sets:
        found += [f"{over}:{name}" for over in ("ForAnyValue", "ForAllValues") for name in found]
    return tuple(found)


STRINGS = _each(
    *("StringEquals", "StringNotEquals", "StringLike", "StringNotLike"),
    *("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
    sets=True,
)
BOOLS = _each("Bool", sets=True)
ARNS = _each("ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike", sets=True)
DATES = _each(
    *("DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals"),
    *("DateGreaterThan", "DateGreaterThanEquals"),
)
NUMBERS = _each(
    *("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals"),
    *("NumericGreaterThan", "NumericGreaterThanEquals"),
)
ADDRESSES = _each("IpAddress", "NotIpAddress")
BINARY = _each("BinaryEquals")
# Known of every session, and not: with a default, and without.
VARIABLES = [
    *("${aws:PrincipalAccount}", "${aws:username, 'ada'}", "${aws:username}"),
    *("${aws:PrincipalTag/team}", "${aws:PrincipalTag/none, 'data'}", "${*}", "${aws:userid}"),
    "${aws:RequestedRegion}",
]
EVERYWHERE = {
    "aws:MultiFactorAuthPresent": (BOOLS, ["true", "false"]),
    "aws:ViaAWSService": (BOOLS, ["true", "false"]),
    "aws:PrincipalIsAWSService": (BOOLS, ["true", "false"]),
    "aws:CurrentTime": (DATES, ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"]),
    "aws:EpochTime": (NUMBERS + DATES, ["1577836800", "4070908800"]),
    "aws:TokenIssueTime": (DATES, ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"]),
    "aws:RequestedRegion": (STRINGS, ["us-east-1", "eu-west-1", "us-*"]),
    "aws:PrincipalType": (STRINGS, ["AssumedRole", "User", "assumedrole"]),
    "aws:PrincipalAccount": (STRINGS, [CLOUD, CUSTOMER, "4*"]),
    "aws:ResourceAccount": (STRINGS, [CUSTOMER, "999999999999"]),
    "aws:SourceAccount": (STRINGS, [CUSTOMER]),
    "aws:SourceIp": (ADDRESSES, ["203.0.113.0/24", "127.0.0.0/8", "10.0.0.1", "2001:db8::/32",
                                 "0.0.0.0/0", "::/0"]),
    "aws:VpcSourceIp": (ADDRESSES, ["10.0.0.0/8", "fd00::/8"]),
    "aws:MultiFactorAuthAge": (NUMBERS, ["60", "3600"]),
    "aws:CalledVia": (STRINGS, ["s3.amazonaws.com", "*"]),
    "aws:SourceVpce": (STRINGS, ["vpce-1", "*"]),
    "aws:SourceVpc": (STRINGS, ["vpc-1"]),
    "aws:PrincipalOrgID": (STRINGS, ["o-1", "o-*"]),
    "aws:username": (STRINGS, ["ada", "*"]),
    "aws:Referer": (STRINGS + BINARY, ["*", "eA=="]),
    "aws:SourceIdentity": (STRINGS, ["ada", "*"]),
    "aws:CalledViaFirst": (STRINGS, ["cloudformation.amazonaws.com"]),
    "aws:userid": (STRINGS, ["AROA*", "AIDA*", "*:reqsign", "*:*"]),
}  # fmt: skip
TRUST_KEYS = {
    "sts:ExternalId": (STRINGS, ["x", "*"]),
    "sts:RoleSessionName": (STRINGS, ["reqsign", "other", "req*"]),
    "aws:PrincipalArn": (ARNS, [WORKLOAD, f"arn:aws:iam::{CLOUD}:role/*", ROLE_ARN]),
    "aws:ResourceTag/team": (STRINGS, ["data", "x", "d*"]),
    "iam:ResourceTag/team": (STRINGS, ["data", "x"]),
    "aws:PrincipalTag/team": (STRINGS, ["data"]),
    "aws:RequestTag/team": (STRINGS, ["data"]),
    "aws:TagKeys": (("ForAnyValue:StringEquals", "ForAllValues:StringEquals"), ["team"]),
}
S3_KEYS = {
    "s3:authType": (STRINGS, ["REST-HEADER", "REST-QUERY-STRING"]),
    "s3:signatureversion": (STRINGS, ["AWS4-HMAC-SHA256", "AWS"]),
    "s3:ResourceAccount": (STRINGS, [CUSTOMER, "999999999999"]),
    "s3:x-amz-acl": (STRINGS, ["private", "public-read"]),
    "s3:x-amz-server-side-encryption": (STRINGS, ["aws:kms", "AES256"]),
    "s3:x-amz-storage-class": (STRINGS, ["STANDARD"]),
    "s3:prefix": (STRINGS, ["risingwave", "risingwave/*", "x", ""]),
    "s3:delimiter": (STRINGS, ["/"]),
    "s3:max-keys": (NUMBERS, ["10", "1000"]),
    "s3:VersionId": (STRINGS, ["v1"]),
    "aws:PrincipalArn": (ARNS, [WORKLOAD, ROLE_ARN, f"arn:aws:iam::{CUSTOMER}:role/*"]),
    "aws:PrincipalTag/team": (STRINGS, ["data", "x"]),
}


@st.composite
def conditions(draw, keys, least=0):
    table = {**EVERYWHERE, **keys}
    element: dict = {}
    for key in draw(st.lists(st.sampled_from(sorted(table)), min_size=least, max_size=3)):
        operators, values = table[key]
        if draw(st.integers(0, 6)) == 0:
            element.setdefault("Null", {})[key] = draw(st.sampled_from(["true", "false"]))
            continue
        if operators[0] == "StringEquals":
            values = [*values, draw(st.sampled_from(VARIABLES))]
        chosen = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))
        element.setdefault(draw(st.sampled_from(operators)), {})[key] = chosen
    return {"Condition": element} if element else {}


@st.composite
def trust_statements(draw):
    principal = draw(
        st.sampled_from([{"AWS": WORKLOAD}, {"AWS": WORKLOAD}, {"AWS": ROOT}, {"AWS": "*"},
                         {"AWS": SESSION_ARN}, {"AWS": f"arn:aws:iam::{CUSTOMER}:root"}])
    )  # fmt: skip
    effect = draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))
    who = {"Principal": principal}
    if effect == "Deny" and draw(st.integers(0, 3)) == 0:
        spared = [[WORKLOAD, ROOT], [WORKLOAD, ROOT, SESSION_ARN], [ROOT]]
        who = {"NotPrincipal": {"AWS": draw(st.sampled_from(spared))}}
    what = {"Action": draw(st.sampled_from(["sts:AssumeRole", "sts:AssumeRole", "sts:*"]))}
    if draw(st.integers(0, 7)) == 0:
        what = {"NotAction": draw(st.sampled_from(["sts:TagSession", "sts:Assume*"]))}
    return {
        "Effect": effect,
        **who,
        **what,
        **draw(conditions(TRUST_KEYS, least=0 if effect == "Allow" else 1)),
    }


PLACES = [
    *("arn:aws:s3:::acme-analytics", "arn:aws:s3:::acme-analytics/*"),
    *("arn:aws:s3:::acme-analytics/risingwave*", "arn:aws:s3:::acme-*"),
    *("arn:aws:s3:::acme-analytics/${aws:PrincipalTag/team}/*", "arn:aws:s3:::*/${*}"),
    "arn:aws:s3:::${aws:PrincipalTag/none, 'acme-analytics'}/*",
    "arn:aws:s3:::acme-analytics/${aws:username, 'risingwave'}/*",
    "arn:aws:s3:::acme-analytics/${aws:username}*",
]


@st.composite
def s3_statements(draw, principal):
    effect = draw(st.sampled_from(["Allow", "Deny", "Deny"]))
    actions = ["s3:PutObject", "s3:ListBucket", "s3:*Object", "s3:GetObject"]
    everything = ["arn:aws:s3:::acme-analytics", "arn:aws:s3:::acme-analytics/*"]
    found = {
        "Effect": effect,
        "Action": draw(st.sampled_from(actions)),
        "Resource": everything,
        **draw(conditions(S3_KEYS, least=1)),
    }
    if not principal:
        if draw(st.booleans()):
            chosen = draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2, unique=True))
            del found["Resource"]
            found[draw(st.sampled_from(["Resource", "Resource", "NotResource"]))] = chosen
        if draw(st.integers(0, 4)) == 0:
            found["NotAction"] = found.pop("Action")
    if principal:
        found["Principal"] = draw(st.sampled_from(["*", {"AWS": ROLE_ARN}]))
        if effect == "Deny" and draw(st.integers(0, 3)) == 0:
            del found["Principal"]
            root = f"arn:aws:iam::{CUSTOMER}:root"
            spared = [[ROLE_ARN, root], [root], [WORKLOAD, root]]
            found["NotPrincipal"] = {"AWS": draw(st.sampled_from(spared))}
        if found["Action"] != "s3:ListBucket":
            found["Resource"] = everything[1]
        else:
            found["Resource"] = everything[0]
    return found


LET_IN = {"Effect": "Allow", "Principal": {"AWS": WORKLOAD}, "Action": "sts:AssumeRole"}


@pytest.fixture
def account(aws, sandbox, example):
    made = Account(aws, sandbox, {**example, "connectors": ["s3_sink", "s3_source"]})
    made.tag(team="data")
    made.s3.put_object(Bucket="acme-analytics", Key="risingwave/part-0.json", Body=b"{}")
    return made


@pytest.fixture
def encrypted(aws, sandbox, example):
    values = {**example, "bucket": "acme-encrypted", "connectors": ["s3_sink", "s3_source"]}
    made = Account(aws, sandbox, values)
    made.tag(team="data")
    made.s3.put_object(Bucket="acme-encrypted", Key="risingwave/part-0.json", Body=b"{}")
    return made


def compare_trust(account, statements):
    try:
        account.trust(*statements)
    except ClientError as error:
        event(f"not saved: {error.response['Error']['Code']}")
        return
    checks, _ = account.verdict()
    names = ("trust_principal", "trust_conditions", "trust_deny")
    hop = [checks[each] for each in names]
    said = checks["trust"]
    happened = account.assume() is not None
    if said.status == "unknown":
        # The Workload Identity's tags are RisingWave's own.
        unknown_for_a_reason(said.evidence[0], "aws:principaltag/none")
        event("unknown")
        return
    event(f"{said.status}, {happened}")
    allowed = said.status == "pass" or said.reason == "trust_too_wide"
    if said.reason == "trust_too_wide":
        # Whether RisingWave gets in too, the other checks say.
        if any(each.status == "unknown" for each in hop):
            return
        allowed = all(each.status == "pass" for each in hop)
    assert allowed is happened, (said, statements)
    if said.reason != "trust_too_wide":
        assert any(each.status != "pass" for each in hop) or happened or said.reason


def unknown_for_a_reason(line, *more):
    keys = line.split("depends on ", 1)[1].split(";")[0].lower().split(" and ")
    assert set(keys) <= {*UNKNOWABLE, *more}, line


def compare_s3(account, on_bucket, own, boundary):
    account.trust(LET_IN)
    try:
        account.s3.delete_bucket_policy(Bucket="acme-analytics")
        if on_bucket:
            account.bucket_policy(*on_bucket)
        if own:
            account.inline(*own)
        else:
            account.inline({"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"})
        account.boundary(*boundary)
    except ClientError as error:
        event(f"not saved: {error.response['Error']['Code']}")
        return
    _, verdicts = account.verdict()
    keys = account.assume()
    for verdict in verdicts:
        if not verdict.probe.allow:
            continue
        if verdict.depends:
            unknown_for_a_reason(verdict.line)
            event("unknown")
            continue
        happened = account.happens(verdict, keys)
        event(f"{verdict.answer}, {happened}")
        planted = (on_bucket, own, boundary)
        assert (verdict.answer == "allowed") is happened, (verdict.line, *planted)


KEY_OPERATIONS = ["kms:Decrypt", "kms:GenerateDataKey", "kms:*", "kms:GenerateDataKey*"]
KMS_KEYS = {
    "kms:ViaService": (STRINGS, ["s3.us-east-1.amazonaws.com", "s3.*", "s3.eu-west-1.*",
                                 "s3.${aws:RequestedRegion}.amazonaws.com"]),
    "kms:CallerAccount": (STRINGS, [CUSTOMER, CLOUD]),
    "kms:EncryptionContext:aws:s3:arn": (
        STRINGS, ["arn:aws:s3:::acme-encrypted", "arn:aws:s3:::acme-encrypted/*", "x"]),
    "kms:EncryptionContextKeys": (STRINGS, ["aws:s3:arn", "other"]),
    "kms:KeySpec": (STRINGS, ["SYMMETRIC_DEFAULT", "RSA_2048"]),
    "aws:PrincipalArn": (ARNS, [WORKLOAD, ROLE_ARN, f"arn:aws:iam::{CUSTOMER}:role/*"]),
    "aws:CalledVia": (STRINGS, ["s3.amazonaws.com", "athena.*"]),
    "aws:CalledViaLast": (STRINGS, ["s3.amazonaws.com"]),
}  # fmt: skip
KEEPS_THE_KEY = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{CUSTOMER}:root"},
    "Action": ["kms:Put*", "kms:Get*", "kms:Describe*", "kms:List*", "kms:Create*"],
    "Resource": "*",
}


@st.composite
def key_statements(draw, principal):
    found = {
        "Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"])),
        "Action": draw(st.sampled_from(KEY_OPERATIONS)),
        "Resource": "*",
        **draw(conditions(KMS_KEYS)),
    }
    if principal:
        root = f"arn:aws:iam::{CUSTOMER}:root"
        found["Principal"] = draw(st.sampled_from([{"AWS": root}, {"AWS": ROLE_ARN}, "*"]))
    if found["Effect"] == "Deny" and "Condition" not in found:
        found["Condition"] = {"Bool": {"aws:ViaAWSService": "false"}}
    return found


def compare_key(account, on_key, own):
    """Compare with a write and a read of the bucket that the key encrypts."""
    try:
        account.key_policy(KEEPS_THE_KEY, *on_key)
        account.inline(*own or [{"Effect": "Allow", "Action": "s3:List*", "Resource": "*"}])
    except ClientError as error:
        event(f"not saved: {error.response['Error']['Code']}")
        return
    _, verdicts = account.verdict()
    keys = account.assume()
    operations = {"s3:PutObject": "kms:GenerateDataKey", "s3:GetObject": "kms:Decrypt"}
    for asked, behind in operations.items():
        for verdict in [each for each in verdicts if each.probe.action == asked]:
            if not verdict.probe.allow:
                continue
            both = [verdict, *(e for e in verdicts if e.probe.allow and e.probe.action == behind)]
            if any(each.depends for each in both):
                for each in both:
                    if each.depends:
                        unknown_for_a_reason(each.line)
                event("unknown")
                continue
            happened = account.happens(verdict, keys)
            expected = all(each.answer == "allowed" for each in both)
            event(f"{behind} {expected}, {happened}")
            assert expected is happened, ([each.line for each in both], on_key, own)


FIXED = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
MANY = int(os.environ.get("VERDICT_EXAMPLES", "500"))


@settings(max_examples=25, **FIXED)
@given(st.lists(trust_statements(), min_size=1, max_size=3))
def test_verdict_on_the_trust_policy_is_what_happens(account, statements):
    compare_trust(account, statements)


@settings(max_examples=20, **FIXED)
@given(
    st.lists(s3_statements(True), max_size=2),
    st.lists(s3_statements(False), max_size=2),
    st.lists(s3_statements(False), max_size=2),
)
def test_verdict_on_a_request_is_what_happens(account, on_bucket, own, boundary):
    compare_s3(account, on_bucket, own, boundary)


@settings(max_examples=15, **FIXED)
@given(st.lists(key_statements(True), max_size=2), st.lists(key_statements(False), max_size=2))
def test_verdict_on_a_key_is_what_happens(encrypted, on_key, own):
    compare_key(encrypted, on_key, own)


@pytest.mark.long
@settings(max_examples=MANY, **FIXED)
@given(st.lists(trust_statements(), min_size=1, max_size=3))
def test_many_verdicts_on_the_trust_policy_are_what_happens(account, statements):
    compare_trust(account, statements)


@pytest.mark.long
@settings(max_examples=MANY, **FIXED)
@given(
    st.lists(s3_statements(True), max_size=2),
    st.lists(s3_statements(False), max_size=2),
    st.lists(s3_statements(False), max_size=2),
)
def test_many_verdicts_on_requests_are_what_happens(account, on_bucket, own, boundary):
    compare_s3(account, on_bucket, own, boundary)


@pytest.mark.long
@settings(max_examples=MANY, **FIXED)
@given(st.lists(key_statements(True), max_size=2), st.lists(key_statements(False), max_size=2))
def test_many_verdicts_on_keys_are_what_happens(encrypted, on_key, own):
    compare_key(encrypted, on_key, own)
