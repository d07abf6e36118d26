"""Policies at random: what each part of a statement can be, and the keys that requests have."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.verify.accounts import CLOUD, CUSTOMER, ROLE_ARN, SESSION_ARN, WORKLOAD

ROOT = f"arn:aws:iam::{CLOUD}:root"
OWN_ROOT = f"arn:aws:iam::{CUSTOMER}:root"
ROLE_SESSION = f"arn:aws:sts::{CUSTOMER}:assumed-role/risingwave-s3-access/reqsign"


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
# What people write by mistake: an operator that is not made for the key, and its values.
ASTRAY: list[tuple[tuple[str, ...], list[str]]] = [
    (STRINGS[:6], ["203.0.113.7", "203.0.113.0/24", "203.0.*", "*", "2026-*", "true", "1.*"]),
    (BOOLS[:2], ["true", "false", "yes"]),
    (ARNS[:4], ["arn:aws:*:*:*:*", "*", "arn:aws:iam::*"]),
    (DATES, ["2026", "2099-01", "20300101T000000Z", "1700000000000", "today", "-5"]),
    (NUMBERS, ["1.3", "1e3", "+5", "0x10", "444455556666", "2026"]),
    (ADDRESSES, ["203.0.113.7", "203.0.113.0/33", "127.0.0.1/8", "::ffff:127.0.0.1", "x"]),
    (BINARY, ["eA==", "eA", "reqsign", "data"]),
]
# Known of every session, and not: with a default, and without.
VARIABLES = [
    *("${aws:PrincipalAccount}", "${aws:username, 'ada'}", "${aws:username}"),
    *("${aws:PrincipalTag/team}", "${aws:PrincipalTag/none, 'data'}", "${*}", "${aws:userid}"),
    *("${aws:RequestedRegion}", "${aws:PrincipalOrgID, 'o-1'}", "${aws:SourceVpce, 'vpce-1'}"),
    *("${aws:SourceIp}", "${aws:PrincipalArn}", "${aws:ResourceTag/team, 'x'}*", "a${?}b"),
    *("${aws:PrincipalType}*", "${aws:Referer, 'risingwave'}", "${s3:prefix, 'risingwave'}"),
]
EVERYWHERE: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "aws:MultiFactorAuthPresent": (BOOLS, ["true", "false"]),
    "aws:ViaAWSService": (BOOLS, ["true", "false"]),
    "aws:PrincipalIsAWSService": (BOOLS, ["true", "false"]),
    "aws:SecureTransport": (BOOLS, ["true", "false"]),
    "aws:CurrentTime": (DATES, ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"]),
    "aws:EpochTime": (NUMBERS + DATES, ["1577836800", "4070908800"]),
    "aws:TokenIssueTime": (DATES, ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"]),
    "aws:RequestedRegion": (STRINGS, ["us-east-1", "eu-west-1", "us-*"]),
    "aws:PrincipalType": (STRINGS, ["AssumedRole", "User", "assumedrole"]),
    "aws:PrincipalAccount": (STRINGS, [CLOUD, CUSTOMER, "4*"]),
    "aws:ResourceAccount": (STRINGS, [CUSTOMER, "999999999999"]),
    "aws:SourceAccount": (STRINGS, [CUSTOMER]),
    "aws:SourceArn": (ARNS, [f"arn:aws:s3:::{CUSTOMER}", "arn:*:*:*:*:*"]),
    "aws:SourceIp": (ADDRESSES, ["203.0.113.0/24", "127.0.0.0/8", "10.0.0.1", "2001:db8::/32",
                                 "0.0.0.0/0", "::/0"]),
    "aws:VpcSourceIp": (ADDRESSES, ["10.0.0.0/8", "fd00::/8"]),
    "aws:MultiFactorAuthAge": (NUMBERS, ["60", "3600"]),
    "aws:CalledVia": (STRINGS, ["s3.amazonaws.com", "*"]),
    "aws:SourceVpce": (STRINGS, ["vpce-1", "vpce-*", "*"]),
    "aws:SourceVpc": (STRINGS, ["vpc-1", "vpc-?"]),
    "aws:PrincipalOrgID": (STRINGS, ["o-1", "o-*"]),
    "aws:PrincipalOrgPaths": (STRINGS, ["o-1/r-1/*", "*"]),
    "aws:ResourceOrgID": (STRINGS, ["o-1"]),
    "aws:username": (STRINGS, ["ada", "*"]),
    "aws:Referer": (STRINGS + BINARY, ["*", "eA=="]),
    "aws:UserAgent": (STRINGS, ["*boto3*", "aws-cli/*", "*"]),
    "aws:SourceIdentity": (STRINGS, ["ada", "*"]),
    "aws:CalledViaFirst": (STRINGS, ["cloudformation.amazonaws.com"]),
    "aws:userid": (STRINGS, ["AROA*", "AIDA*", "*:reqsign", "*:*", "${aws:userid}"]),
    "aws:PrincipalServiceName": (STRINGS, ["redshift.amazonaws.com", "*"]),
    "aws:FederatedProvider": (STRINGS + ARNS, ["arn:aws:iam::444455556666:oidc-provider/x", "*"]),
    "aws:AssumedRoot": (BOOLS, ["true", "false"]),
    "aws:VpceAccount": (STRINGS, [CLOUD, "*"]),
    "aws:NoSuchKeyInAws": (STRINGS, ["x", "*"]),
    "aws:ResourceOrgPaths": (STRINGS, ["o-1/r-1/*", "*"]),
    "aws:SourceOrgID": (STRINGS, ["o-1"]),
    "aws:Ec2InstanceSourcePrivateIPv4": (ADDRESSES, ["10.0.0.0/8"]),
    "aws:PrincipalServiceNamesList": (STRINGS, ["redshift.amazonaws.com", "*"]),
    "saml:aud": (STRINGS, ["https://signin.aws.amazon.com/saml", "*"]),
    "cognito-identity.amazonaws.com:aud": (STRINGS, ["us-east-1:x"]),
    "token.actions.githubusercontent.com:sub": (STRINGS, ["repo:acme/*"]),
}  # fmt: skip
TRUST_KEYS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "sts:ExternalId": (STRINGS, ["x", "*", "x*"]),
    "sts:RoleSessionName": (STRINGS, ["reqsign", "other", "req*", "REQSIGN"]),
    "sts:SourceIdentity": (STRINGS, ["x", "*"]),
    "sts:TransitiveTagKeys": (STRINGS, ["team"]),
    "aws:PrincipalArn": (ARNS + STRINGS, [WORKLOAD, f"arn:aws:iam::{CLOUD}:role/*", ROLE_ARN,
                                          SESSION_ARN, f"arn:*:iam::{CLOUD}:role/g1?k*"]),
    "aws:ResourceTag/team": (STRINGS, ["data", "x", "d*"]),
    "aws:ResourceTag/none": (STRINGS, ["data", "*"]),
    "iam:ResourceTag/team": (STRINGS, ["data", "x"]),
    "aws:PrincipalTag/team": (STRINGS, ["data"]),
    "aws:RequestTag/team": (STRINGS, ["data"]),
    "aws:TagKeys": (STRINGS, ["team", "*"]),
    "ec2:RoleDelivery": (STRINGS + NUMBERS, ["2.0", "1.0"]),
    "ec2:SourceInstanceARN": (ARNS, [f"arn:aws:ec2:*:{CLOUD}:instance/*"]),
    "iam:ResourceTag/none": (STRINGS, ["data", "*"]),
    "sts:AWSServiceName": (STRINGS, ["s3.amazonaws.com"]),
    "sts:RequestContextProviders": (ARNS, ["arn:aws:iam::aws:contextProvider/*"]),
}  # fmt: skip
S3_KEYS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "s3:authType": (STRINGS, ["REST-HEADER", "REST-QUERY-STRING"]),
    "s3:signatureversion": (STRINGS, ["AWS4-HMAC-SHA256", "AWS"]),
    "s3:signatureAge": (NUMBERS, ["600000"]),
    "s3:ResourceAccount": (STRINGS, [CUSTOMER, "999999999999"]),
    "s3:x-amz-acl": (STRINGS, ["private", "public-read"]),
    "s3:x-amz-grant-read": (STRINGS, ["*"]),
    "s3:x-amz-server-side-encryption": (STRINGS, ["aws:kms", "AES256"]),
    "s3:x-amz-server-side-encryption-aws-kms-key-id": (ARNS + STRINGS, ["arn:aws:kms:*:*:key/*"]),
    "s3:x-amz-storage-class": (STRINGS, ["STANDARD"]),
    "s3:x-amz-copy-source": (STRINGS, ["/acme-analytics/*"]),
    "s3:object-lock-mode": (STRINGS, ["GOVERNANCE"]),
    "s3:if-none-match": (STRINGS, ["*"]),
    "s3:RequestObjectTag/team": (STRINGS, ["data"]),
    "s3:RequestObjectTagKeys": (STRINGS, ["team"]),
    "s3:ExistingObjectTag/team": (STRINGS, ["data", "*"]),
    "s3:prefix": (STRINGS, ["risingwave", "risingwave/*", "x", "", "risingwave/"]),
    "s3:delimiter": (STRINGS, ["/", ""]),
    "s3:max-keys": (NUMBERS, ["10", "1000"]),
    "s3:VersionId": (STRINGS, ["v1"]),
    "aws:PrincipalArn": (ARNS + STRINGS, [WORKLOAD, ROLE_ARN, f"arn:aws:iam::{CUSTOMER}:role/*",
                                          ROLE_SESSION]),
    "aws:PrincipalTag/team": (STRINGS, ["data", "x"]),
    "aws:PrincipalTag/none": (STRINGS, ["data", "*"]),
    "sts:ExternalId": (STRINGS, ["x"]),
    "s3:TlsVersion": (NUMBERS, ["1.2", "1.20", "1.1", "1"]),
    "s3:ObjectCreationOperation": (BOOLS, ["true", "false"]),
    "s3:x-amz-content-sha256": (STRINGS, ["UNSIGNED-PAYLOAD", "*"]),
    "s3:x-amz-server-side-encryption-customer-algorithm": (STRINGS, ["AES256"]),
    "s3:object-lock-remaining-retention-days": (NUMBERS, ["10"]),
    "s3:AccessPointNetworkOrigin": (STRINGS, ["VPC", "Internet"]),
    "s3:DataAccessPointAccount": (STRINGS, [CUSTOMER]),
    "s3:LocationConstraint": (STRINGS, ["us-east-1"]),
    "aws:ResourceTag/team": (STRINGS, ["data"]),
}  # fmt: skip
KMS_KEYS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "kms:ViaService": (STRINGS, ["s3.us-east-1.amazonaws.com", "s3.*", "s3.eu-west-1.*",
                                 "s3.${aws:RequestedRegion}.amazonaws.com",
                                 "s3.eu-central-1.amazonaws.com"]),
    "kms:CallerAccount": (STRINGS, [CUSTOMER, CLOUD]),
    "kms:EncryptionContext:aws:s3:arn": (
        STRINGS + ARNS, ["arn:aws:s3:::acme-encrypted", "arn:aws:s3:::acme-encrypted/*", "x"]),
    "kms:EncryptionContext:other": (STRINGS, ["x"]),
    "kms:EncryptionContextKeys": (STRINGS, ["aws:s3:arn", "other"]),
    "kms:KeySpec": (STRINGS, ["SYMMETRIC_DEFAULT", "RSA_2048"]),
    "kms:KeyUsage": (STRINGS, ["ENCRYPT_DECRYPT", "SIGN_VERIFY"]),
    "kms:GrantIsForAWSResource": (BOOLS, ["true"]),
    "kms:ResourceAliases": (STRINGS, ["alias/acme-analytics", "alias/*"]),
    "aws:PrincipalArn": (ARNS, [WORKLOAD, ROLE_ARN, f"arn:aws:iam::{CUSTOMER}:role/*"]),
    "aws:PrincipalTag/team": (STRINGS, ["data", "x"]),
    "aws:CalledVia": (STRINGS, ["s3.amazonaws.com", "athena.*"]),
    "aws:CalledViaLast": (STRINGS, ["s3.amazonaws.com"]),
    "kms:EncryptionAlgorithm": (STRINGS, ["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_256"]),
    "kms:KeyOrigin": (STRINGS, ["AWS_KMS", "EXTERNAL"]),
    "kms:MultiRegion": (BOOLS, ["true", "false"]),
    "kms:MultiRegionKeyType": (STRINGS, ["PRIMARY", "*"]),
    "kms:RequestAlias": (STRINGS, ["alias/*"]),
    "kms:EncryptionContext:AWS:S3:ARN": (STRINGS, ["arn:aws:s3:::acme-*"]),
    "kms:GrantOperations": (STRINGS, ["Decrypt", "*"]),
    "kms:GranteePrincipal": (STRINGS, [ROLE_ARN]),
}  # fmt: skip
REDSHIFT_KEYS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "sts:ExternalId": (STRINGS, [
        f"arn:aws:redshift:us-east-1:{CUSTOMER}:dbuser:analytics/loader",
        f"arn:aws:redshift:us-east-1:{CUSTOMER}:dbuser:analytics/*",
        f"arn:aws:redshift:eu-west-1:{CUSTOMER}:dbuser:analytics/loader",
        f"arn:aws:redshift:us-east-1:{CUSTOMER}:dbuser:other/ada", "x", "*"]),
    "aws:SourceAccount": (STRINGS, [CUSTOMER, "999999999999"]),
    "aws:SourceArn": (ARNS, [f"arn:aws:redshift:*:{CUSTOMER}:*",
                             f"arn:aws:redshift:us-east-1:{CUSTOMER}:cluster:analytics",
                             "arn:aws:redshift:*:999999999999:*"]),
    "aws:PrincipalServiceName": (STRINGS, ["redshift.amazonaws.com",
                                           "redshift.us-east-1.amazonaws.com", "redshift.*"]),
    "aws:PrincipalIsAWSService": (BOOLS, ["true", "false"]),
    "aws:PrincipalArn": (ARNS, [WORKLOAD]),
    "aws:PrincipalAccount": (STRINGS, [CUSTOMER]),
    "aws:SecureTransport": (BOOLS, ["true", "false"]),
    "aws:CurrentTime": (DATES, ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"]),
    "aws:MultiFactorAuthPresent": (BOOLS, ["true", "false"]),
    "aws:ResourceTag/team": (STRINGS, ["data", "x"]),
    "aws:SourceVpce": (STRINGS, ["vpce-1"]),
    "aws:SourceIp": (ADDRESSES, ["203.0.113.0/24"]),
}  # fmt: skip


def _written(values):
    """Write values as people do: alone without a list, numbers and truth values as such."""
    bare = {"true": True, "false": False, "10": 10, "1.2": 1.2, "1577836800": 1577836800}
    written = [bare.get(each, each) for each in values] if len(values) > 1 else values
    return written[0] if len(written) == 1 else written


VERSIONS = st.sampled_from(["2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17", ""])


@st.composite
def conditions(draw, keys, least=0, most=3, everywhere=True):
    table = {**(EVERYWHERE if everywhere else {}), **keys}
    element: dict[str, Any] = {}
    for key in draw(st.lists(st.sampled_from(sorted(table)), min_size=least, max_size=most)):
        operators, values = table[key]
        key = draw(st.sampled_from([key, key, key, key, key.lower(), key.upper()]))
        if draw(st.integers(0, 6)) == 0:
            both = [True, "FALSE", ["true", "false"], []]
            element.setdefault("Null", {})[key] = draw(st.sampled_from(["true", "false", *both]))
            continue
        if draw(st.integers(0, 7)) == 0:
            operators, more = draw(st.sampled_from(ASTRAY))
            values = [*values, *more]
        if operators[0] == "StringEquals":
            values = [*values, draw(st.sampled_from(VARIABLES))]
        chosen = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))
        element.setdefault(draw(st.sampled_from(operators)), {})[key] = _written(chosen)
    return {"Condition": element} if element else {}


_CALLERS = [
    *({"AWS": WORKLOAD}, {"AWS": WORKLOAD}, {"AWS": ROOT}, {"AWS": "*"}, {"AWS": SESSION_ARN}),
    *({"AWS": OWN_ROOT}, "*", {"AWS": CLOUD}, {"AWS": [WORKLOAD, OWN_ROOT]}),
    {"AWS": f"arn:aws:sts::{CLOUD}:assumed-role/g1jk13sq56ejdref71h1cvokbh-role/other"},
    {"Service": "redshift.amazonaws.com"},
    {"Service": "redshift.amazonaws.com", "AWS": WORKLOAD}, {"AWS": ["*"]}, {"AWS": [WORKLOAD] * 2},
    {"Federated": "cognito-identity.amazonaws.com", "AWS": [CLOUD]},
]  # fmt: skip


_ASSUMING = [
    *("sts:AssumeRole", "sts:AssumeRole", "sts:*", "STS:assumerole", ["sts:AssumeRole"]),
    *(["sts:TagSession", "sts:AssumeRole"], "sts:TagSession", ["sts:SetSourceIdentity"]),
]


@st.composite
def trust_statements(draw):
    effect = draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))
    who = {"Principal": draw(st.sampled_from(_CALLERS))}
    if effect == "Deny" and draw(st.integers(0, 3)) == 0:
        spared = [[WORKLOAD, ROOT], [WORKLOAD, ROOT, SESSION_ARN], [ROOT], [OWN_ROOT]]
        who = {"NotPrincipal": {"AWS": draw(st.sampled_from(spared))}}
    what = {"Action": draw(st.sampled_from(_ASSUMING))}
    if draw(st.integers(0, 7)) == 0:
        what = {"NotAction": draw(st.sampled_from(["sts:TagSession", "sts:Assume*"]))}
    sid = draw(st.sampled_from(["", "", "", "RisingWaveCloudAssumeRole", "Other"]))
    return {
        "Effect": effect,
        **({"Sid": sid} if sid else {}),
        **who,
        **what,
        **draw(conditions(TRUST_KEYS, *((0, 2) if effect == "Allow" else (1, 3)))),
    }


@st.composite
def redshift_statements(draw):
    """Statements about Redshift: whole services, a Region's, and who is restricted how."""
    services = [
        *("redshift.amazonaws.com", "redshift.amazonaws.com", "redshift.us-east-1.amazonaws.com"),
        *("redshift.eu-west-1.amazonaws.com", "ec2.amazonaws.com"),
        ["redshift.us-east-1.amazonaws.com", "redshift.eu-west-1.amazonaws.com"],
    ]
    effect = draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))
    principal = {"Service": draw(st.sampled_from(services))}
    if draw(st.integers(0, 5)) == 0:
        principal = draw(st.sampled_from(["*", {"AWS": "*"}, {"AWS": OWN_ROOT}]))
    return {
        "Effect": effect,
        "Principal": principal,
        "Action": draw(st.sampled_from(["sts:AssumeRole", "sts:*"])),
        **draw(conditions(REDSHIFT_KEYS, int(effect == "Deny"), 2, everywhere=False)),
    }


PLACES = [
    *("arn:aws:s3:::acme-analytics", "arn:aws:s3:::acme-analytics/*", "*"),
    *("arn:aws:s3:::acme-analytics/risingwave*", "arn:aws:s3:::acme-*"),
    *("arn:aws:s3:::acme-analytics/${aws:PrincipalTag/team}/*", "arn:aws:s3:::*/${*}"),
    "arn:aws:s3:::${aws:PrincipalTag/none, 'acme-analytics'}/*",
    "arn:aws:s3:::acme-analytics/${aws:username, 'risingwave'}/*",
    "arn:aws:s3:::acme-analytics/${aws:username}*",
    "arn:aws:s3:::acme-analytics/${aws:Referer, 'risingwave'}/*",
    "arn:aws:s3:::acme-analytics/${aws:PrincipalOrgID, 'risingwave'}/*",
    "arn:aws:s3:::acme-${aws:PrincipalOrgID}/*",
    "arn:aws:s3:::acme-analytics/${aws:SourceVpce, 'risingwave'}/*",
    "arn:aws:s3:::acme-analytics/${aws:PrincipalTag/none}*",
    "arn:aws:s3:::acme-analytics/r?singwave/*",
    *("arn:aws:s3:::acme-analytics/risingwave/part-?.json", "arn:aws:s3:::acme-analytics*"),
    *("arn:aws:s3:::acme-analytics/risingwave", "arn:aws:s3:::acme-analytics/risingwave/"),
    *("arn:aws:s3:::acme-analytics/risingwave/../*", "arn:aws:s3:::acme-analytics//*"),
    *("arn:aws:s3:::acme-analytics/RisingWave/*", "arn:aws:s3:::acme-analytics/risingwave/${$}*"),
    *("arn:aws:s3:::acme-analytics/risingwave%2F*", "arn:aws:s3:::acme-analytics/*/*.json"),
    *("arn:*:s3:::acme-analytics/*", "arn:aws:s3:*:*:acme-analytics/*", "arn:aws:s3:::?cme*/*"),
    *("arn:aws-cn:s3:::acme-analytics/*", "arn:aws:s3:::acme-analytics/${aws:PrincipalTag/TEAM}*"),
    *(
        "arn:aws:s3:::*",
        "arn:aws:*",
        "arn:aws:s3:::${*}",
        "arn:aws:s3:::acme-analytics/${s3:prefix}*",
    ),
]
OPERATIONS = [
    *("s3:PutObject", "s3:ListBucket", "s3:*Object", "s3:GetObject", "s3:*", "S3:put*"),
    *(["s3:GetObject", "s3:PutObject"], "s3:Put?bject", "s3:putobject", "s3:Get*", "*"),
    *("s3:GetObject*", ["s3:List*", "s3:Delete*"], "s3:PutObjectAcl", "S3:*"),
]


@st.composite
def s3_statements(draw, principal, keys=S3_KEYS):
    effect = draw(st.sampled_from(["Allow", "Deny", "Deny"]))
    everything = ["arn:aws:s3:::acme-analytics", "arn:aws:s3:::acme-analytics/*"]
    found: dict[str, Any] = {
        "Effect": effect,
        "Action": draw(st.sampled_from(OPERATIONS)),
        "Resource": everything,
        **draw(conditions(keys, least=1)),
    }
    if draw(st.booleans()):
        # A bucket policy speaks of its own bucket alone.
        places = [e for e in PLACES if not principal or e.startswith(everything[0])]
        chosen = draw(st.lists(st.sampled_from(places), min_size=1, max_size=2, unique=True))
        del found["Resource"]
        found[draw(st.sampled_from(["Resource", "Resource", "NotResource"]))] = chosen
    if draw(st.integers(0, 4)) == 0:
        found["NotAction"] = found.pop("Action")
    if principal:
        who = ["*", {"AWS": ROLE_ARN}, {"AWS": OWN_ROOT}, {"AWS": ROLE_SESSION}, {"AWS": "*"}]
        found["Principal"] = draw(st.sampled_from(who))
        if effect == "Deny" and draw(st.integers(0, 3)) == 0:
            del found["Principal"]
            spared = [[ROLE_ARN, OWN_ROOT], [OWN_ROOT], [WORKLOAD, OWN_ROOT],
                      [ROLE_ARN, OWN_ROOT, ROLE_SESSION]]  # fmt: skip
            found["NotPrincipal"] = {"AWS": draw(st.sampled_from(spared))}
    return found


KEY_OPERATIONS = ["kms:Decrypt", "kms:GenerateDataKey", "kms:*", "kms:GenerateDataKey*"]


@st.composite
def key_statements(draw, principal):
    found: dict[str, Any] = {
        "Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"])),
        "Action": draw(st.sampled_from(KEY_OPERATIONS)),
        "Resource": "*",
        **draw(conditions(KMS_KEYS)),
    }
    if principal:
        who = [{"AWS": OWN_ROOT}, {"AWS": ROLE_ARN}, "*", {"AWS": ROLE_SESSION}]
        found["Principal"] = draw(st.sampled_from(who))
    if found["Effect"] == "Deny" and "Condition" not in found:
        found["Condition"] = {"Bool": {"aws:ViaAWSService": "false"}}
    return found


@st.composite
def key_grants(draw):
    """Operations, encryption context and grantee of a grant of the key."""
    operations = ["Decrypt", "GenerateDataKey", "Encrypt"]
    found = {
        "Operations": draw(st.lists(st.sampled_from(operations), min_size=1, unique=True)),
        "GranteePrincipal": draw(st.sampled_from([ROLE_ARN, ROLE_ARN, ROLE_SESSION, OWN_ROOT])),
    }
    kind = draw(st.sampled_from(["", "", "EncryptionContextSubset", "EncryptionContextEquals"]))
    if kind:
        pairs = [{"aws:s3:arn": "arn:aws:s3:::acme-encrypted"}, {"aws:s3:arn": "x"}, {"other": "x"}]
        found["Constraints"] = {kind: draw(st.sampled_from(pairs))}
    return found
