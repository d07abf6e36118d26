"""Random policies beside the role's own: what its calls reach beyond the need is reported.

The policies are planted in a sandbox. Every request of a list is made as a session of the role, and
what goes through though no connector needs it must come from a policy that a finding names. The
other way round, the proof of every finding is made as a call too, and must go through.
"""

from __future__ import annotations

import os

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from rwlib.evaluate import Policies, Request, evaluate
from rwlib.verify.grants import judge_reach, needed_documents
from tests.verify.accounts import CUSTOMER, ROLE_ARN, WORKLOAD, Account, document
from tests.verify.random_policies import OWN_ROOT, ROLE_SESSION, VERSIONS
from tests.verify.role_calls import can_be_made, role_may

pytestmark = pytest.mark.slow

BUCKET = "arn:aws:s3:::acme-analytics"
ACTIONS = [
    "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:GetObjectAcl",
    "s3:GetObjectTagging", "s3:GetBucket*", "s3:ListBucketVersions", "s3:List*", "s3:*", "s3:Get*",
    "s3:*Object", "*", "iam:GetUser", "iam:*", "s3:ListAllMyBuckets", "s3:DeleteObjectTagging",
    "S3:GETOBJECT", "s3:?etObject", "s3:PutObject*", "iam:Get*User*", "*:Get*",
]  # fmt: skip
RESOURCES = [
    "*", BUCKET, f"{BUCKET}/*", f"{BUCKET}/risingwave/*", f"{BUCKET}/risingwave*",
    f"{BUCKET}/r?singwave/*", f"{BUCKET}/risingwave/a/*", "arn:aws:s3:::acme-*",
    "arn:aws:s3:::acme-other/x/*", "arn:aws:s3:::acme-other", f"arn:aws:iam::{CUSTOMER}:user/*",
    "arn:aws:s3:::*/risingwave/*", f"{BUCKET}/${{aws:PrincipalTag/team}}/*",
    f"{BUCKET}/${{aws:username, 'risingwave2'}}/*", f"{BUCKET}/${{aws:username}}/*",
    f"{BUCKET}/${{aws:Referer}}/*", f"{BUCKET}/${{aws:PrincipalOrgID, 'x'}}/*",
    "arn:aws:s3:::acme-${aws:PrincipalTag/none, 'other'}/*",
    f"{BUCKET}/${{aws:SourceVpce, 'risingwave'}}/*",
    f"arn:aws:iam::{CUSTOMER}:user/${{aws:username, 'eve'}}",
    f"{BUCKET}/${{*}}", f"{BUCKET}/risingwave${{?}}*", f"{BUCKET}//*", f"{BUCKET}/risingwave/../*",
    "arn:aws:s3:::*", "arn:aws:s3:*:*:acme-other/*", "arn:*:s3:::acme-analytics/d?ta/*",
    f"{BUCKET}/risingwave/a%20b/*", f"{BUCKET}*", "arn:aws:*", f"{BUCKET}/résumé/*",
]  # fmt: skip
CONDITIONS = [
    {}, {}, {}, {}, {},
    {"StringLike": {"s3:prefix": "risingwave/*"}},
    {"StringLike": {"s3:prefix": ["r*", "x"]}},
    {"StringNotLike": {"s3:prefix": "risingwave*"}},
    {"StringNotLikeIfExists": {"s3:prefix": ["x*", "${aws:PrincipalTag/team}*"]}},
    {"ForAnyValue:StringLike": {"s3:prefix": ["risingwave", "x/*"]}},
    {"ForAllValues:StringEquals": {"s3:prefix": ["", "x"]}},
    {"Null": {"s3:prefix": "true"}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"Bool": {"aws:SecureTransport": "false"}},
    {"NumericGreaterThan": {"aws:EpochTime": 1577836800}},
    {"NumericLessThan": {"aws:EpochTime": "1577836800"}},
    {"Null": {"aws:TokenIssueTime": "false"}},
    {"Bool": {"aws:PrincipalIsAWSService": "false"}},
    {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
    {"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24", "127.0.0.0/8"]}},
    {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "StringEquals": {"aws:SourceVpce": "vpce-1"}},
    {"Null": {"aws:SourceIp": "true"}},
    {"Null": {"aws:SourceIp": "true", "aws:SourceVpce": "true"}},
    {"StringEquals": {"aws:SourceVpce": ["vpce-1", "vpce-2"]}},
    {"StringNotEqualsIfExists": {"aws:SourceVpce": "vpce-1"}},
    {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
    {"StringNotEquals": {"aws:RequestedRegion": ["us-east-1", "eu-west-1"]}},
    {"Null": {"aws:RequestedRegion": "true"}},
    {"DateLessThan": {"aws:TokenIssueTime": "2020-01-01T00:00:00Z"}},
    {"DateLessThan": {"aws:CurrentTime": "2099-01-01T00:00:00Z"}},
    {"DateGreaterThan": {"aws:CurrentTime": "2099-01-01T00:00:00Z"}},
    {"StringEquals": {"aws:PrincipalTag/team": ["data", "x"]}},
    {"StringEquals": {"aws:PrincipalTag/none": "data"}},
    {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
    {"StringLike": {"aws:Referer": "acme/*"}},
    {"StringLike": {"aws:UserAgent": "*acme*"}},
    {"StringEquals": {"s3:x-amz-acl": "private"}},
    {"StringEqualsIfExists": {"s3:x-amz-acl": "private"}},
    {"ArnNotEquals": {"aws:PrincipalArn": ROLE_ARN}},
    {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{CUSTOMER}:role/*"}},
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
    {"NumericLessThanEquals": {"s3:max-keys": "10"}},
    # Written for another kind of value, and what no or only some requests have.
    {"StringEquals": {"aws:SourceIp": ["203.0.113.0/24", "203.0.113.9"]}},
    {"StringLike": {"aws:SourceIp": "203.0.113.*"}},
    {"StringEquals": {"aws:SourceIp": "203.0.113.0/24"}},
    {"BinaryEqualsIfExists": {"aws:Referer": "eA=="}},
    {"DateLessThan": {"aws:TokenIssueTime": "1700000000000"}},
    {"Bool": {"s3:ObjectCreationOperation": "false"}},
    {"NumericGreaterThanEquals": {"s3:TlsVersion": 1.2}},
    {"NumericLessThan": {"s3:TlsVersion": "1.2"}},
    {"StringLike": {"aws:userid": "*:reqsign"}},
    {"Null": {"aws:username": ["true", "false"]}},
    {"Null": {"AWS:SECURETRANSPORT": "false"}},
    {"StringEquals": {"aws:principaltype": "AssumedRole"}},
    {"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}},
    {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}},
    {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}},
    {"StringEqualsIgnoreCase": {"s3:prefix": ["X", "RISINGWAVE"]}},
    {"StringEquals": {"s3:delimiter": "/"}},
    {"StringNotEquals": {"s3:delimiter": "/"}},
    {"StringEquals": {"s3:authType": "REST-QUERY-STRING"}},
    {"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}},
    {"StringEquals": {"s3:x-amz-storage-class": "GLACIER"}},
    {"StringLike": {"s3:prefix": "${aws:PrincipalTag/team}*"}},
    {"ForAllValues:StringEquals": {"aws:TagKeys": []}},
    {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-1/*"]}},
    {"StringEquals": {"aws:CalledVia": "s3.amazonaws.com"}},
    {"ArnLikeIfExists": {"aws:SourceArn": "arn:aws:s3:::x"}},
]  # fmt: skip
PLACES = {
    "s3:GetObject": "object", "s3:PutObject": "object", "s3:GetObjectAcl": "object",
    "s3:DeleteObject": "object", "s3:GetObjectTagging": "object", "s3:ListBucket": "bucket",
    "s3:GetBucketAcl": "bucket", "s3:ListBucketVersions": "bucket", "iam:GetUser": "user",
    "s3:ListAllMyBuckets": "none",
}  # fmt: skip
NAMES = {
    "object": [f"{BUCKET}/a", f"{BUCKET}/risingwave/a/b", f"{BUCKET}/risingwave2/a",
               f"{BUCKET}/rxsingwave/a", f"{BUCKET}/data/a", "arn:aws:s3:::acme-other/x/a",
               "arn:aws:s3:::zzz-bucket/risingwave/b"],
    "bucket": [BUCKET, "arn:aws:s3:::acme-other"],
    "user": [f"arn:aws:iam::{CUSTOMER}:user/eve"],
    "none": ["*"],
}  # fmt: skip
WAYS = [
    {}, {"aws:SourceIp": "203.0.113.5"}, {"aws:SourceVpce": "vpce-1", "aws:SourceVpc": "vpc-1"},
    {"aws:SecureTransport": "false"}, {"aws:Referer": "risingwave2"},
]  # fmt: skip


@st.composite
def statements(draw, principal=False):
    effect = draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))
    made = {"Effect": effect}
    actions = draw(st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=2, unique=True))
    places = [e for e in RESOURCES if not principal or e.startswith(BUCKET)]
    resources = draw(st.lists(st.sampled_from(places), min_size=1, max_size=2, unique=True))
    if principal:
        actions = [each for each in actions if each.startswith("s3:")] or ["s3:*"]
        who = ["*", {"AWS": ROLE_ARN}, {"AWS": OWN_ROOT}, {"AWS": ROLE_SESSION}]
        made["Principal"] = draw(st.sampled_from(who))
    made["NotAction" if draw(st.integers(0, 7)) == 0 else "Action"] = actions
    excepts = draw(st.integers(0, 7)) == 0 and "*" not in resources
    made["NotResource" if excepts else "Resource"] = resources
    condition = draw(st.sampled_from(CONDITIONS))
    return {**made, "Condition": condition} if condition else made


def plant(account, extra, boundary, on_bucket):
    account.come_from()
    account.s3.delete_bucket_policy(Bucket="acme-analytics")
    try:
        account.inline(*extra)
        account.boundary(*boundary)
        if on_bucket:
            account.bucket_policy(*on_bucket)
    except ClientError as error:
        event(f"not saved: {error.response['Error']['Message'][:60]}")
        return False
    return True


def compare_grants(account, extra, boundary, on_bucket, asked, version="2012-10-17"):
    account.version = version
    if not plant(account, extra, boundary, on_bucket):
        return
    situation = account.situation()
    check, found, _ = judge_reach(account.target, situation, WORKLOAD)
    keys = account.assume()
    for each in found:
        if not can_be_made(each.witness):
            event("witness by the evaluator")
            continue
        event("witness by a call")
        assert role_may(account, keys, each.witness), (each.line, extra, boundary, on_bucket)
    if check.reason == "grants_not_decided":
        event("not decided")
        return
    needed = Policies(identity=[("n", e) for e in needed_documents(account.target, situation)])
    beside = {"by-hand": extra, "the bucket policy": on_bucket}
    reported = {source for each in found for source in each.sources}
    for request in asked:
        if evaluate(request, needed).allowed or not role_may(account, keys, request):
            continue
        event("reached beyond the need")
        side = None
        if request.resource.startswith(BUCKET) and on_bucket:
            side = document(*on_bucket, version=version)
        grantors = {
            name
            for name, given in beside.items()
            if given and grants(request, given, name, side, version)
        }
        named = {each.removeprefix("inline policy ") for each in reported}
        assert grantors & named, (request, grantors, reported, extra, boundary, on_bucket)


def grants(request, given, name, side, version):
    if name == "the bucket policy":
        return (
            request.resource.startswith(BUCKET)
            and evaluate(request, Policies(resource=document(*given, version=version))).allowed
        ) or evaluate(request, Policies(identity=[], resource=side)).allowed
    allows = [each for each in given if each["Effect"] == "Allow"]
    own = document(*allows, version=version)
    return bool(allows) and evaluate(request, Policies(identity=[own])).allowed


def requests():
    now = {"aws:PrincipalArn": ROLE_ARN, "aws:ViaAWSService": "false",
           "aws:MultiFactorAuthPresent": "false", "aws:CurrentTime": "2026-11-30T12:00:00Z",
           "aws:EpochTime": "1796040000", "aws:TokenIssueTime": "2026-11-30T11:00:00Z",
           "aws:PrincipalTag/team": "data", "aws:RequestedRegion": "us-east-1"}  # fmt: skip
    for action, shape in PLACES.items():
        for place in NAMES[shape]:
            for way in WAYS:
                prefixes = (None, "", "risingwave", "risingwave2", "x")
                lists = action in ("s3:ListBucket", "s3:ListBucketVersions")
                for prefix in prefixes if lists else (None,):
                    context = {**now, "aws:SecureTransport": "true", **way}
                    if "aws:SourceVpce" not in context:
                        context.setdefault("aws:SourceIp", "127.0.0.1")
                    if prefix is not None:
                        context["s3:prefix"] = prefix
                    yield Request(ROLE_SESSION, action, place, CUSTOMER, context)


@pytest.fixture
def account(aws, sandbox, example):
    yield made(aws, sandbox, example)
    sandbox.set_network(secure_transport=False)


def made(aws, sandbox, example):
    found = Account(aws, sandbox, {**example, "connectors": ["s3_sink"]})
    found.tag(team="data")
    client = aws.client("iam")
    client.create_user(UserName="eve")
    return found


FIXED = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
ASKED = st.lists(st.sampled_from(list(requests())), min_size=25, max_size=25)
EXTRA = st.lists(statements(), min_size=1, max_size=3)
BOUNDARY = st.lists(statements(), max_size=2)
ON_BUCKET = st.lists(statements(principal=True), max_size=1)


@settings(max_examples=5, **FIXED)
@given(EXTRA, BOUNDARY, ON_BUCKET, ASKED, VERSIONS)
def test_what_the_role_reaches_is_reported(account, extra, boundary, on_bucket, asked, version):
    compare_grants(account, extra, boundary, on_bucket, asked, version)


@pytest.mark.long
@settings(max_examples=int(os.environ.get("VERDICT_EXAMPLES", "1000")), **FIXED)
@given(EXTRA, BOUNDARY, ON_BUCKET, ASKED, VERSIONS)
def test_what_many_roles_reach_is_reported(account, extra, boundary, on_bucket, asked, version):
    compare_grants(account, extra, boundary, on_bucket, asked, version)
