"""Legitimate repairs of each lab: what AWS's guides, experts and beginners write instead.

None is in the labs' own data. Each must be accepted, however it is written.
"""

from __future__ import annotations

import json
from typing import Any

from rwlib.labs.setup_calls import LabSetup
from rwlib.sandbox import CUSTOMER, RISINGWAVE_CLOUD, WORKLOAD_IDENTITY_ARN
from tests.labs.repairs import (
    BUCKET,
    DATA_TEAM,
    RISINGWAVE,
    ROOT,
    TEAM,
    Repair,
    all_of,
    allows,
    attached,
    boundary,
    bucket,
    document,
    inline,
    key_policy,
    new_key_grant,
    resource_allows,
    sink,
    terraform_trust,
    trust,
    trusts,
    version,
)

_STAR_NARROWED = trusts("*", {"ArnEquals": {"aws:PrincipalArn": WORKLOAD_IDENTITY_ARN}})
_STAR_DICT_NARROWED = trusts(
    {"AWS": "*"}, {"StringEquals": {"aws:PrincipalArn": [WORKLOAD_IDENTITY_ARN]}}
)
_ACCOUNT_NARROWED = trusts(
    {"AWS": RISINGWAVE_CLOUD},
    {
        "StringLike": {"aws:PrincipalArn": WORKLOAD_IDENTITY_ARN},
        "StringEquals": {"aws:PrincipalAccount": RISINGWAVE_CLOUD},
    },
)
_NO_EXTERNAL_ID = trusts({"AWS": WORKLOAD_IDENTITY_ARN}, {"Null": {"sts:ExternalId": "true"}})
_SESSION = trusts(
    {"AWS": WORKLOAD_IDENTITY_ARN}, {"StringEquals": {"sts:RoleSessionName": "reqsign"}}
)
_IF_EXISTS = trusts(
    {"AWS": [WORKLOAD_IDENTITY_ARN]},
    {"StringEqualsIfExists": {"aws:PrincipalAccount": RISINGWAVE_CLOUD}},
)
_DENY_OTHERS = trusts(
    {"AWS": "*"},
    {"StringNotEquals": {"aws:PrincipalArn": [WORKLOAD_IDENTITY_ARN, DATA_TEAM]}},
    "Deny",
)
_LISTS = {"AWS": [DATA_TEAM, WORKLOAD_IDENTITY_ARN]}
_WORKLOAD_NAME = WORKLOAD_IDENTITY_ARN.rpartition("/")[2]
WORKLOAD_SESSION = f"arn:aws:sts::{RISINGWAVE_CLOUD}:assumed-role/{_WORKLOAD_NAME}/reqsign"


def made_again(path: str = "/", *statements: Any) -> Repair:
    """Delete the role and make it again, under its name, with the trust policy that is right."""

    def repair(lab: Any) -> None:
        iam = lab.setup.client("iam")
        role = lab.role_name
        for each in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=role, PolicyArn=each["PolicyArn"])
        iam.delete_role(RoleName=role)
        text = document(*(statements or (TEAM, RISINGWAVE)))
        iam.create_role(RoleName=role, Path=path, AssumeRolePolicyDocument=text)
        iam.attach_role_policy(RoleName=role, PolicyArn=lab.policy_arn)

    return repair


def _known_by_its_id(lab: Any) -> None:
    """Name RisingWave's account, and let in the one role of it that has this unique id."""
    iam = lab.setup.client("iam", RISINGWAVE_CLOUD)
    unique_id = iam.get_role(RoleName=_WORKLOAD_NAME)["Role"]["RoleId"]
    trust(TEAM, trusts({"AWS": ROOT}, {"StringLike": {"aws:userid": f"{unique_id}:*"}}))(lab)


def _moved_to_a_path(lab: Any) -> None:
    """Make the role again under a path, and register it in the place of the old one."""
    old = lab.role_arn
    made_again("/rw/")(lab)
    lab.cloud.add_allowed_role(lab.cluster_id, lab.role_arn)
    lab.cloud.remove_allowed_role(lab.cluster_id, old)


def tagged(**tags: str) -> Repair:
    """Tag the role."""

    def repair(lab: Any) -> None:
        given = [{"Key": key, "Value": lab.setup.fill(value)} for key, value in tags.items()]
        lab.setup.client("iam").tag_role(RoleName=lab.role_name, Tags=given)

    return repair


def key_tagged(lab: Any) -> None:
    """Tag the bucket's key."""
    lab.setup.client("kms").tag_resource(
        KeyId=lab.setup.variables["key_arn"], Tags=[{"TagKey": "use", "TagValue": "lake"}]
    )


def bounded(*statements: Any) -> Repair:
    """Give the role a boundary of the learner's own."""

    def repair(lab: Any) -> None:
        iam, text = lab.setup.client("iam"), document(*lab.setup.fill(list(statements)))
        arn = iam.create_policy(PolicyName="edge", PolicyDocument=text)["Policy"]["Arn"]
        iam.put_role_permissions_boundary(RoleName=lab.role_name, PermissionsBoundary=arn)

    return repair


def first_version(lab: Any) -> None:
    lab.setup.client("iam").set_default_policy_version(PolicyArn=lab.policy_arn, VersionId="v1")


def happy_path(
    *policies: Repair, trust: Any = RISINGWAVE, change: Any = None, **options: Any
) -> Repair:
    """Lab 2 by hand: the role with other documents, and the sink written another way."""

    def repair(lab: Any) -> None:
        lab.setup.client("iam").create_role(
            RoleName=lab.role_name, AssumeRolePolicyDocument=document(trust), **options
        )
        for each in policies:
            each(lab)
        lab.cloud.add_allowed_role(lab.cluster_id, lab.role_arn)
        sink(change)(lab)

    return repair


LISTING = allows(
    "s3:ListBucket",
    "arn:aws:s3:::$bucket",
    {"StringLike": {"s3:prefix": ["$prefix", "$prefix/", "$prefix/*"]}},
)
WRITING = allows("s3:PutObject", "arn:aws:s3:::$bucket/$prefix/*")
LISTING_BY_TAG = allows(
    "s3:ListBucket",
    "arn:aws:s3:::$bucket",
    {"StringLike": {"s3:prefix": ["${aws:PrincipalTag/place}", "${aws:PrincipalTag/place}/*"]}},
)
_NO_SINGLE = {"StringEquals": {"s3:prefix": ["risingwave", "risingwave/"]}}
_OWN_ACCOUNT = {"StringEquals": {"aws:ResourceAccount": CUSTOMER}}
_OBJECTS = f"{BUCKET}/risingwave/*"
_KEY = ["kms:GenerateDataKey", "kms:Decrypt"]
_ARN = "aws:PrincipalArn"
_ROLE = "$role_arn"
_KNOWN = [DATA_TEAM, f"arn:aws:iam::{CUSTOMER}:root"]


def exempts(condition: Any, **more: Any) -> Repair:
    """Write the bucket policy's second statement with another condition."""

    def change(setup: LabSetup, statements: list[Any]) -> None:
        statements[1] |= setup.fill({"Condition": condition, **more})

    return bucket(change)


def _also(name: str, key: str, value: Any) -> Repair:
    """Add a condition, so that the Deny holds only where this one does too."""

    def change(setup: LabSetup, statements: list[Any]) -> None:
        statements[1]["Condition"].setdefault(name, {})[key] = setup.fill(value)

    return bucket(change)


def _two_denies(setup: LabSetup, statements: list[Any]) -> None:
    """One Deny for the prefix that exempts the role, and one for all the rest that does not."""
    deny = statements[1]
    rest = json.loads(json.dumps(deny))
    deny["Resource"] = setup.fill("arn:aws:s3:::$bucket/$prefix/*")
    operator = next(name for name in deny["Condition"] if name.startswith(("Arn", "String")))
    deny["Condition"][operator][_ARN].append(setup.fill("$role_arn"))
    del rest["Resource"], rest["Sid"]
    statements.append({**rest, "NotResource": deny["Resource"]})


def _one_deny_each(setup: LabSetup, statements: list[Any]) -> None:
    statements[1]["Condition"]["ArnNotEquals"][_ARN].append(setup.fill("$role_arn"))
    statements.reverse()
    for number, each in enumerate(statements):
        each["Sid"] = f"Mine{number}"


def _only_through_tls(setup: LabSetup, statements: list[Any]) -> None:
    statements.append(
        setup.fill(
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": ["arn:aws:s3:::$bucket", "arn:aws:s3:::$bucket/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        )
    )


def _another_boundary(lab: Any) -> None:
    iam = lab.setup.client("iam")
    text = json.dumps(lab.setup.fill("$wide_enough_boundary"))
    arn = iam.create_policy(PolicyName="team-boundary-2", PolicyDocument=text)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=lab.role_name, PermissionsBoundary=arn)


def _lockdown(*statements: Any) -> Repair:
    return lambda lab: lab.put_policy(
        {"Version": "2012-10-17", "Statement": list(statements)}, lab.setup.fill("$lockdown_arn")
    )


def _not_during(change: Any) -> Repair:
    def repair(lab: Any) -> None:
        policy = lab.setup.fill("$lockdown")
        change(lab.setup, policy["Statement"][0])
        lab.put_policy(policy, lab.setup.fill("$lockdown_arn"))

    return repair


def _instead(lab: Any) -> None:
    """Detach all, and give the role its policy inline."""
    iam = lab.setup.client("iam")
    for each in iam.list_attached_role_policies(RoleName=lab.role_name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=lab.role_name, PolicyArn=each["PolicyArn"])
    inline(LISTING, WRITING)(lab)


def _waits(lab: Any) -> None:
    lab.setup.make([{"propagation": 0}])


def _copies(principal: Any, condition: Any = None) -> Repair:
    return trust(TEAM, RISINGWAVE, trusts(principal, condition))


_REDSHIFT = {"Service": "redshift.amazonaws.com"}
_USER = f"arn:aws:redshift:us-east-1:{CUSTOMER}:dbuser:example-cluster"
_THROUGH_S3 = {"StringEquals": {"kms:ViaService": "s3.$region_name.amazonaws.com"}}
_CONTEXT = "kms:EncryptionContext:aws:s3:arn"
_BOTH = ["arn:aws:s3:::$bucket", "arn:aws:s3:::$bucket/$prefix/*"]


def _context(*statements: Any) -> Repair:
    return inline(*statements, name="use-the-key")


def _frankfurt(text: str) -> str:
    return text.replace("us-east-1", "eu-central-1")


_TRUSTS: dict[str, Repair] = {
    "everybody, narrowed to the one ARN": trust(TEAM, _STAR_NARROWED),
    "every AWS principal, narrowed to the one ARN": trust(TEAM, _STAR_DICT_NARROWED),
    "account number, narrowed twice": trust(_ACCOUNT_NARROWED, TEAM),
    "only without an external id": trust(TEAM, _NO_EXTERNAL_ID),
    "session's name": trust(TEAM, _SESSION),
    "a condition that is met anyway": trust(TEAM, _IF_EXISTS),
    "one statement for both": trust(trusts(_LISTS)),
    "account, and a Deny by StringNotEquals": trust(TEAM, trusts({"AWS": ROOT}), _DENY_OTHERS),
    "role made again": made_again(),
    "role made again under a path": _moved_to_a_path,
    "the session as principal": trust(TEAM, trusts({"AWS": WORKLOAD_SESSION})),
    "known by its unique id": _known_by_its_id,
    "everybody, narrowed to the two roles": trust(
        trusts("*", {"ArnEquals": {"aws:PrincipalArn": [WORKLOAD_IDENTITY_ARN, DATA_TEAM]}})
    ),
    "a Deny for other accounts beside": trust(
        TEAM,
        RISINGWAVE,
        trusts(
            "*", {"StringNotEquals": {"aws:PrincipalAccount": [RISINGWAVE_CLOUD, CUSTOMER]}}, "Deny"
        ),
    ),
}

LEGITIMATE: dict[tuple[int, str], Repair] = {
    **{(number, name): each for number in (1, 3, 4, 7) for name, each in _TRUSTS.items()},
    (2, "two inline policies"): happy_path(inline(LISTING, name="a"), inline(WRITING, name="b")),
    (2, "managed, and one of the two inline"): happy_path(
        attached("listing", LISTING), inline(WRITING)
    ),
    (2, "account narrowed to the role"): happy_path(
        inline(LISTING, WRITING),
        trust=trusts({"AWS": ROOT}, {"ArnLike": {_ARN: WORKLOAD_IDENTITY_ARN}}),
    ),
    (2, "tags, a description, and longer sessions"): happy_path(
        inline(LISTING, WRITING),
        Description="RisingWave writes orders",
        MaxSessionDuration=43200,
        Tags=[{"Key": "team", "Value": "data"}],
    ),
    (2, "only of its own account"): happy_path(
        inline({**LISTING}, {**WRITING, "Condition": _OWN_ACCOUNT})
    ),
    (2, "another sink with a slash at its path"): happy_path(
        inline(LISTING, WRITING),
        change=lambda text: text.replace("s3_sink", "orders_to_s3").replace(
            "'risingwave'", "'risingwave/'"
        ),
    ),
    (2, "with a Deny for plain HTTP of other actions"): happy_path(
        inline(LISTING, WRITING, {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"})
    ),
    (5, "version 1 again"): first_version,
    (5, "another managed policy"): attached("listing", LISTING),
    (5, "only the two prefixes themselves"): inline(allows("s3:ListBucket", BUCKET, _NO_SINGLE)),
    (5, "any of the values"): inline(
        allows(
            "s3:ListBucket",
            BUCKET,
            {"ForAnyValue:StringLike": {"s3:prefix": ["risingwave", "risingwave/*"]}},
        )
    ),
    (5, "bucket policy"): resource_allows(
        "s3:ListBucket", BUCKET, {"StringEquals": {"s3:prefix": ["risingwave", "risingwave/"]}}
    ),
    (5, "only of its own account"): version(
        allows(
            "s3:ListBucket",
            BUCKET,
            {"StringLike": {"s3:prefix": ["risingwave", "risingwave/*"]}, **_OWN_ACCOUNT},
        ),
        WRITING,
    ),
    (5, "ignoring the case of nothing"): inline(
        allows("S3:LISTBUCKET", BUCKET, {"StringEquals": {"S3:Prefix": "risingwave"}})
    ),
    (6, "inline, with a Deny for writing"): all_of(
        inline(
            allows("s3:GetBucketLocation", BUCKET),
            {"Effect": "Deny", "Action": ["s3:PutObject", "s3:DeleteObject*"], "Resource": "*"},
        )
    ),
    (6, "a Deny for all but reading"): inline(
        allows("s3:GetBucketLocation", BUCKET),
        {
            "Effect": "Deny",
            "NotAction": ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"],
            "Resource": "*",
        },
    ),
    (6, "two managed policies"): all_of(
        version(LISTING, allows("s3:GetObject", "arn:aws:s3:::$bucket/$prefix/*")),
        attached("location", allows("s3:GetBucketLocation", "arn:aws:s3:::$bucket")),
    ),
    (6, "location in the bucket policy"): all_of(
        version(LISTING, allows("s3:GetObject", "arn:aws:s3:::$bucket/$prefix/*")),
        resource_allows("s3:GetBucketLocation", BUCKET),
    ),
    (6, "the prefix if the request has one"): version(
        allows(
            "s3:ListBucket", BUCKET, {"StringLike": {"s3:prefix": ["risingwave/*", "risingwave"]}}
        ),
        allows("s3:GetObject", _OBJECTS),
        allows(
            "s3:GetBucketLocation",
            BUCKET,
            {"StringLikeIfExists": {"s3:prefix": "risingwave/*"}},
        ),
    ),
    (6, "only of its own account"): version(
        LISTING,
        allows("s3:GetObject", _OBJECTS, _OWN_ACCOUNT),
        allows("s3:GetBucketLocation", BUCKET, _OWN_ACCOUNT),
    ),
    (5, "asked for through TLS"): inline(
        allows(
            "s3:ListBucket",
            BUCKET,
            {
                "StringEquals": {"s3:prefix": "risingwave"},
                "Bool": {"aws:SecureTransport": "true"},
            },
        )
    ),
    (5, "all, and a Deny for the others"): inline(
        allows("s3:ListBucket", BUCKET),
        {
            "Effect": "Deny",
            "Action": "s3:ListBucket",
            "Resource": BUCKET,
            "Condition": {"StringNotLike": {"s3:prefix": ["risingwave", "risingwave/*"]}},
        },
    ),
    (8, "version 1 again"): first_version,
    (8, "another managed policy"): attached("key", allows(_KEY, "$key_arn")),
    (8, "grant for S3's context"): new_key_grant(
        _ROLE,
        ["GenerateDataKey", "Decrypt"],
        Constraints={"EncryptionContextSubset": {"aws:s3:arn": "arn:aws:s3:::acme-encrypted"}},
    ),
    (8, "key policy, through S3 alone"): key_policy(
        {
            **allows(_KEY, "*", _THROUGH_S3),
            "Principal": {"AWS": _ROLE},
        }
    ),
    (8, "only of its own account"): inline(allows(_KEY, "$key_arn", _OWN_ACCOUNT)),
    (8, "caller of the account"): inline(
        allows(_KEY, "$key_arn", {"StringEquals": {"kms:CallerAccount": CUSTOMER}})
    ),
    (8, "through S3 of any Region"): inline(
        allows(_KEY, "$key_arn", {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}})
    ),
    (8, "one statement each"): inline(
        allows("kms:GenerateDataKey", "$key_arn"), allows("kms:Decrypt", "$key_arn")
    ),
    (9, "StringNotEquals"): exempts({"StringNotEquals": {_ARN: [*_KNOWN, _ROLE]}}),
    (9, "StringNotLike"): exempts({"StringNotLike": {_ARN: [_ROLE, *_KNOWN]}}),
    (9, "by the role's id"): _also("StringNotLike", "aws:userid", "$role_id:*"),
    (9, "two statements"): bucket(_two_denies),
    (9, "and a Deny without TLS"): all_of(
        exempts({"ArnNotEquals": {_ARN: [*_KNOWN, _ROLE]}}), bucket(_only_through_tls)
    ),
    (9, "another order and other Sids"): bucket(_one_deny_each),
    (9, "a second condition on the ARN"): _also("StringNotEquals", _ARN, _ROLE),
    (10, "only of its own account"): boundary(allows("s3:PutObject", _OBJECTS, _OWN_ACCOUNT)),
    (10, "in one statement with the listing"): boundary(
        allows(["s3:PutObject"], [_OBJECTS]),
    ),
    (10, "with a Deny beside"): boundary(
        allows("s3:PutObject", _OBJECTS),
        {"Effect": "Deny", "Action": "s3:PutObject", "NotResource": _OBJECTS},
    ),
    (10, "encryption asked for"): boundary(
        allows("s3:PutObject", _OBJECTS),
        {"Effect": "Deny", "Action": "kms:*", "Resource": "*"},
    ),
    (10, "a new boundary with the same reach"): _another_boundary,
    (10, "all actions on objects that only the policy grants"): boundary(
        allows("s3:PutObject", f"{BUCKET}/risingwave/*"), allows("s3:GetObject", _OBJECTS)
    ),
    (11, "another name"): sink(lambda text: _frankfurt(text).replace("lab_sink", "orders_out")),
    (11, "JSON"): sink(lambda text: _frankfurt(text).replace("PARQUET", "JSON")),
    (11, "no slash"): sink(lambda text: _frankfurt(text).replace("$prefix/", "$prefix")),
    (11, "from a query"): sink(
        lambda text: _frankfurt(text).replace("FROM orders", "AS SELECT * FROM orders")
    ),
    (11, "symptom first"): lambda lab: (lab.symptom(), lab.solution(apply=True)),
    (11, "quoted name"): sink(lambda text: _frankfurt(text).replace("lab_sink", '"Orders out"')),
    (12, "a letter missing first"): lambda lab: (
        lab.cloud.add_allowed_role(lab.cluster_id, lab.role_arn[:-1]),
        lab.cloud.remove_allowed_role(lab.cluster_id, lab.role_arn[:-1]),
        lab.cloud.add_allowed_role(lab.cluster_id, lab.role_arn),
    ),
    (12, "registered twice"): lambda lab: [
        lab.cloud.add_allowed_role(lab.cluster_id, lab.role_arn) for _ in range(2)
    ],
    (12, "role under a path, registered"): lambda lab: (
        made_again("/rw/")(lab),
        lab.setup.look_again(),
        lab.cloud.add_allowed_role(lab.cluster_id, lab.role_arn),
    ),
    (12, "registered, and the trust merged"): lambda lab: (
        lab.solution(apply=True),
        trust(trusts(_LISTS))(lab),
    ),
    (12, "registered, and a session's name asked for"): lambda lab: (
        trust(TEAM, _SESSION)(lab),
        lab.solution(apply=True),
    ),
    (12, "registered, and made again"): lambda lab: (
        made_again()(lab),
        lab.solution(apply=True),
    ),
    (12, "registered, and tagged"): lambda lab: (
        lab.setup.client("iam").tag_role(RoleName=lab.role_name, Tags=[{"Key": "a", "Value": "b"}]),
        lab.solution(apply=True),
    ),
    (13, "both in one statement"): trust(TEAM, trusts({"AWS": WORKLOAD_IDENTITY_ARN, **_REDSHIFT})),
    (13, "both forms of the service"): _copies(
        {"Service": ["redshift.amazonaws.com", "redshift.us-east-1.amazonaws.com"]}
    ),
    (13, "source account and external id"): _copies(
        _REDSHIFT,
        {
            "StringEquals": {"aws:SourceAccount": CUSTOMER},
            "StringLike": {"sts:ExternalId": f"{_USER}/*"},
        },
    ),
    (13, "one statement for all three"): trust(trusts({**_LISTS, **_REDSHIFT})),
    (13, "role made again"): made_again("/", TEAM, RISINGWAVE, trusts(_REDSHIFT)),
    (13, "the service's name as a condition"): _copies(
        _REDSHIFT, {"Bool": {"aws:PrincipalIsAWSService": "true"}}
    ),
    (14, "waited"): _waits,
    (14, "the same trust again"): all_of(trust(TEAM, RISINGWAVE), _waits),
    (14, "the same trust in one statement"): all_of(trust(trusts(_LISTS)), _waits),
    (14, "tagged"): lambda lab: (
        lab.setup.client("iam").tag_role(RoleName=lab.role_name, Tags=[{"Key": "a", "Value": "b"}]),
        _waits(lab),
    ),
    (14, "narrowed while waiting"): all_of(trust(TEAM, _SESSION), _waits),
    (14, "described"): lambda lab: (
        lab.setup.client("iam").update_role(RoleName=lab.role_name, Description="RisingWave"),
        _waits(lab),
    ),
    (15, "then merged"): lambda lab: (lab.solution(apply=True), trust(trusts(_LISTS))(lab)),
    (15, "then narrowed"): lambda lab: (lab.solution(apply=True), trust(TEAM, _SESSION)(lab)),
    (15, "then inline"): lambda lab: (lab.solution(apply=True), _instead(lab)),
    (16, "StringNotEquals"): exempts(
        {
            "NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"},
            "StringNotEquals": {_ARN: [*_KNOWN, _ROLE]},
        }
    ),
    (16, "by the role's id"): _also("StringNotLike", "aws:userid", "$role_id:*"),
    (16, "a second condition on the ARN"): _also("StringNotLike", _ARN, _ROLE),
    (16, "two ranges written as halves"): exempts(
        {
            "NotIpAddress": {"aws:SourceIp": ["203.0.113.0/25", "203.0.113.128/25"]},
            "ArnNotEquals": {_ARN: [*_KNOWN, _ROLE]},
        }
    ),
    (16, "another order and other Sids"): bucket(_one_deny_each),
    (16, "also where the key is missing"): exempts(
        {
            "NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"},
            "ArnNotEqualsIfExists": {_ARN: [*_KNOWN, _ROLE]},
        }
    ),
    (17, "other way round"): _context(
        allows(_KEY, "$key_arn", {"StringLike": {_CONTEXT: list(reversed(_BOTH))}})
    ),
    (17, "all of the key through S3"): _context(allows(_KEY, "$key_arn", _THROUGH_S3)),
    (17, "exactly the bucket"): _context(
        allows(_KEY, "$key_arn", {"StringEquals": {_CONTEXT: "arn:aws:s3:::$bucket"}})
    ),
    (17, "a second inline policy"): inline(
        allows(_KEY, "$key_arn", {"ArnLike": {_CONTEXT: "arn:aws:s3:::$bucket"}})
    ),
    (17, "without a condition"): _context(allows(_KEY, "$key_arn")),
    (17, "version 1 again"): first_version,
    (17, "grant"): new_key_grant(_ROLE, ["GenerateDataKey", "Decrypt"]),
    (17, "key policy with the context"): key_policy(
        {
            **allows(_KEY, "*", {"StringEquals": {_CONTEXT: "arn:aws:s3:::$bucket"}}),
            "Principal": {"AWS": _ROLE},
        }
    ),
    (18, "ARN instead of id"): exempts({"ArnNotEquals": {_ARN: [_ROLE, _KNOWN[1]]}}),
    (18, "ARN by StringNotLike"): exempts({"StringNotLike": {_ARN: [_ROLE, _KNOWN[1]]}}),
    (18, "the session's name too"): exempts(
        {"StringNotLike": {"aws:userid": ["$role_id:reqsign", CUSTOMER]}}
    ),
    (18, "exact session"): exempts(
        {"StringNotEquals": {"aws:userid": ["$role_id:reqsign", CUSTOMER]}}
    ),
    (18, "id and ARN as two conditions"): _also("ArnNotEquals", _ARN, _ROLE),
    (18, "old id kept beside"): exempts(
        {"StringNotLike": {"aws:userid": ["AROA4EXAMPLEOLDROLE77:*", "$role_id:*", CUSTOMER]}}
    ),
    (19, "merged"): terraform_trust(trusts(_LISTS)),
    (19, "account narrowed"): terraform_trust(
        TEAM, trusts({"AWS": ROOT}, {"ArnEquals": {_ARN: WORKLOAD_IDENTITY_ARN}})
    ),
    (19, "by hand, and written after"): all_of(
        trust(TEAM, RISINGWAVE), terraform_trust(TEAM, RISINGWAVE, apply=False)
    ),
    (19, "session's name"): terraform_trust(TEAM, _SESSION),
    (19, "only without an external id"): terraform_trust(TEAM, _NO_EXTERNAL_ID),
    (19, "everybody, narrowed to the one ARN"): terraform_trust(TEAM, _STAR_NARROWED),
    (20, "policy deleted, for the incident is over"): lambda lab: (
        lab.solution(apply=True),
        lab.setup.client("iam").delete_policy(PolicyArn=lab.setup.fill("$lockdown_arn")),
    ),
    (20, "all but this prefix"): _not_during(
        lambda setup, statement: (
            statement.pop("Resource"),
            statement.update(NotResource=setup.fill("arn:aws:s3:::$bucket/$prefix/*")),
        )
    ),
    (20, "all but this role"): _not_during(
        lambda setup, statement: statement.update(
            Condition={"ArnNotEquals": {_ARN: setup.role_arn}}
        )
    ),
    (20, "ended by a date"): _not_during(
        lambda setup, statement: statement.update(
            Condition={"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}
        )
    ),
    (20, "detached, and the role's policy inline"): _instead,
    (20, "detached, and the role tagged"): lambda lab: (
        lab.solution(apply=True),
        lab.setup.client("iam").tag_role(
            RoleName=lab.role_name, Tags=[{"Key": "incident", "Value": "over"}]
        ),
    ),
    **{
        (number, "the role's tag in the pattern"): each
        for number, each in (
            (2, happy_path(tagged(place="$prefix"), inline(LISTING_BY_TAG, WRITING))),
            (5, all_of(tagged(place="$prefix"), inline(LISTING_BY_TAG))),
        )
    },
    (2, "the bucket policy alone"): happy_path(
        resource_allows("s3:ListBucket", BUCKET, LISTING["Condition"]),
        resource_allows("s3:PutObject", _OBJECTS),
    ),
    (2, "all of it, and Denies for the rest"): happy_path(
        inline(
            allows(["s3:ListBucket", "s3:PutObject"], [BUCKET, f"{BUCKET}/*"]),
            {
                "Effect": "Deny",
                "Action": "s3:ListBucket",
                "Resource": BUCKET,
                "Condition": {"StringNotLike": {"s3:prefix": ["risingwave", "risingwave/*"]}},
            },
            {"Effect": "Deny", "Action": "s3:PutObject", "NotResource": _OBJECTS},
        )
    ),
    (5, "bounded first, and all of S3 then"): all_of(
        bounded(LISTING, WRITING), inline(allows("s3:*", "*"))
    ),
    (6, "only the files that the source reads"): version(
        LISTING,
        allows("s3:GetObject", f"{BUCKET}/risingwave/orders/*"),
        allows("s3:GetBucketLocation", BUCKET),
    ),
    (6, "a boundary keeps the writing out"): all_of(
        bounded(LISTING, allows("s3:GetObject", _OBJECTS), allows("s3:GetBucketLocation", BUCKET)),
        inline(allows("s3:GetBucketLocation", BUCKET)),
    ),
    (8, "the key's tag"): all_of(
        key_tagged,
        inline(allows(_KEY, "$key_arn", {"StringEquals": {"aws:ResourceTag/use": "lake"}})),
    ),
    (8, "every key, and a Deny for all but this one"): inline(
        allows(_KEY, "*"), {"Effect": "Deny", "Action": "kms:*", "NotResource": "$key_arn"}
    ),
    (8, "half by a grant, half inline"): all_of(
        new_key_grant(_ROLE, ["GenerateDataKey"]), inline(allows("kms:Decrypt", "$key_arn"))
    ),
    (10, "all writing, and a Deny for the rest"): boundary(
        allows("s3:PutObject", "arn:aws:s3:::$bucket/*"),
        {"Effect": "Deny", "Action": "s3:PutObject", "NotResource": _OBJECTS},
    ),
    (13, "the listed database users"): _copies(
        _REDSHIFT, {"StringEquals": {"sts:ExternalId": [f"{_USER}/risingwave", f"{_USER}/admin"]}}
    ),
    (18, "the id without its colon"): exempts(
        {"StringNotLike": {"aws:userid": ["$role_id*", CUSTOMER]}}
    ),
    (19, "the session as principal"): terraform_trust(TEAM, trusts({"AWS": WORKLOAD_SESSION})),
    (19, "blocks in lists, a description and tags"): terraform_trust(
        TEAM, RISINGWAVE, listed=True, description="RisingWave writes orders", tags={"a": "b"}
    ),
    (20, "all but the role of this id"): _not_during(
        lambda setup, statement: statement.update(
            setup.fill({"Condition": {"StringNotLike": {"aws:userid": "$role_id:*"}}})
        )
    ),
}
