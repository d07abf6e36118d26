"""Wrong repairs of each lab: too wide ones that work, and ones that take a guard away.

None is in the labs' own data. Each must be refused, whether RisingWave works after it or not.
"""

from __future__ import annotations

import json
from typing import Any

from rwlib.labs.setup_calls import LabSetup
from rwlib.sandbox import CUSTOMER, OTHER_CLUSTER_ARN, RISINGWAVE_CLOUD, WORKLOAD_IDENTITY_ARN
from tests.labs.legitimate_repairs import (
    LISTING,
    WORKLOAD_SESSION,
    WRITING,
    exempts,
    first_version,
    happy_path,
    key_tagged,
    made_again,
    tagged,
)
from tests.labs.repairs import (
    BUCKET,
    DATA_TEAM,
    RISINGWAVE,
    ROOT,
    TEAM,
    Repair,
    all_of,
    allows,
    boundary,
    bucket,
    document,
    inline,
    key_policy,
    new_key_grant,
    resource_allows,
    sink,
    solved_and,
    terraform_trust,
    then_solved,
    trust,
    trusts,
    version,
)

_ARN = "aws:PrincipalArn"
_ROLE = "$role_arn"
_OWN_ROOT = f"arn:aws:iam::{CUSTOMER}:root"
_KNOWN = [DATA_TEAM, _OWN_ROOT]
_OBJECTS = "arn:aws:s3:::$bucket/$prefix/*"
_KEY = ["kms:GenerateDataKey", "kms:Decrypt"]
_CONTEXT = "kms:EncryptionContext:aws:s3:arn"
_REDSHIFT = {"Service": "redshift.amazonaws.com"}
_USER = f"arn:aws:redshift:us-east-1:{CUSTOMER}:dbuser:example-cluster"
STRANGER = "arn:aws:iam::999999999999:root"
_WORKLOAD_NAME = WORKLOAD_IDENTITY_ARN.rpartition("/")[2]
_ALL_ROLES = f"arn:aws:iam::{RISINGWAVE_CLOUD}:role/*"


def managed(name: str) -> Repair:
    """Attach one of AWS's own policies."""
    return lambda lab: lab.setup.client("iam").attach_role_policy(
        RoleName=lab.role_name, PolicyArn=f"arn:aws:iam::aws:policy/{name}"
    )


def more(*statements: Any) -> Repair:
    return solved_and(inline(*statements))


def no_policy(lab: Any) -> None:
    lab.setup.client("s3").delete_bucket_policy(Bucket=lab.bucket)


def no_public_access_block(lab: Any) -> None:
    lab.setup.client("s3").delete_public_access_block(Bucket=lab.bucket)


def public(action: str) -> Repair:
    """Open the bucket to everybody, after taking away what blocks that."""

    def repair(lab: Any) -> None:
        no_public_access_block(lab)
        place = "arn:aws:s3:::$bucket" + ("" if "Bucket" in action else "/*")
        resource_allows(action, place, principal="*")(lab)

    return repair


def other_bucket_open_to_the_role(lab: Any) -> None:
    """Another bucket's policy lets the role in: within an account that is enough by itself."""
    s3 = lab.setup.client("s3")
    name = next(n for n in ("acme-frankfurt", "acme-encrypted") if n != lab.bucket)
    statement = {
        **allows("s3:GetObject", f"arn:aws:s3:::{name}/*"),
        "Principal": {"AWS": lab.role_arn},
    }
    s3.put_bucket_policy(Bucket=name, Policy=document(statement))


def other_key_open_to_the_role(lab: Any) -> None:
    """A grant on another key."""
    kms = lab.setup.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.create_grant(KeyId=key, GranteePrincipal=lab.role_arn, Operations=["Decrypt"])


def _role_in_the_key_policy(action: Any, condition: Any = None) -> Repair:
    return key_policy({**allows(action, "*", condition), "Principal": {"AWS": _ROLE}})


def second_role(lab: Any) -> None:
    """A role of the same rights that everybody in RisingWave's account may assume."""
    iam = lab.setup.client("iam")
    iam.create_role(
        RoleName="risingwave-2", AssumeRolePolicyDocument=document(trusts({"AWS": ROOT}))
    )
    iam.put_role_policy(
        RoleName="risingwave-2", PolicyName="all", PolicyDocument=document(allows("s3:*", "*"))
    )


def an_administrator(lab: Any) -> None:
    iam = lab.setup.client("iam")
    iam.create_user(UserName="risingwave")
    iam.put_user_policy(
        UserName="risingwave", PolicyName="all", PolicyDocument=document(allows("*", "*"))
    )
    iam.create_access_key(UserName="risingwave")


def data_team_deleted(lab: Any) -> None:
    lab.setup.client("iam").delete_role(RoleName="data-team")


def data_team_opened(lab: Any) -> None:
    lab.setup.client("iam").update_assume_role_policy(
        RoleName="data-team", PolicyDocument=document(trusts({"AWS": "*"}))
    )


def _deletes_after_a_day(lab: Any) -> None:
    rule = {"Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    lab.setup.client("s3").put_bucket_lifecycle_configuration(
        Bucket=lab.bucket, LifecycleConfiguration={"Rules": [rule]}
    )


def _copies_elsewhere(lab: Any) -> None:
    s3, rule = lab.setup.client("s3"), {"Status": "Enabled", "Prefix": ""}
    s3.put_bucket_versioning(Bucket=lab.bucket, VersioningConfiguration={"Status": "Enabled"})
    there = {"Destination": {"Bucket": "arn:aws:s3:::thirdparty-data"}}
    configuration = {"Role": lab.role_arn, "Rules": [rule | there]}
    s3.put_bucket_replication(Bucket=lab.bucket, ReplicationConfiguration=configuration)


def _copied_for_a_while(lab: Any) -> None:
    _copies_elsewhere(lab)
    lab.setup.client("s3").delete_bucket_replication(Bucket=lab.bucket)


def _overwritten(lab: Any) -> None:
    key = min(lab.setup.keys())
    lab.setup.client("s3").put_object(Bucket=lab.bucket, Key=key, Body=b"")


def not_allowed(lab: Any) -> None:
    lab.cloud.remove_allowed_role(lab.cluster_id, DATA_TEAM)


def encryption(algorithm: str, **more: str) -> Repair:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm, **more}}
    return lambda lab: lab.setup.client("s3").put_bucket_encryption(
        Bucket=lab.bucket, ServerSideEncryptionConfiguration={"Rules": [rule]}
    )


def _other_key(lab: Any) -> None:
    key = lab.setup.client("kms").create_key()["KeyMetadata"]["Arn"]
    encryption("aws:kms", KMSMasterKeyID=key)(lab)
    inline(allows(_KEY, key))(lab)


def _key_disabled(lab: Any) -> None:
    lab.solution(apply=True)
    lab.setup.client("kms").disable_key(KeyId=lab.setup.variables["key_arn"])


def _without_deny(setup: LabSetup, statements: list[Any]) -> None:
    del statements[1]


def _without_finance(setup: LabSetup, statements: list[Any]) -> None:
    operator = next(n for n in statements[1]["Condition"] if n.startswith(("Arn", "String")))
    (key,) = statements[1]["Condition"][operator]
    value = f"{setup.variables['role_id']}:*" if key == "aws:userid" else setup.role_arn
    statements[1]["Condition"][operator][key].append(value)
    del statements[0]


def _finance_opened(setup: LabSetup, statements: list[Any]) -> None:
    _without_finance(setup, statements)
    statements.insert(0, setup.fill("$finance_statement"))
    statements[0]["Condition"]["ArnNotEquals"][_ARN].append(f"arn:aws:iam::{CUSTOMER}:role/other")


def also(name: str, key: str, value: Any) -> Repair:
    """Add a condition to the Deny: it holds only where this one does too."""

    def change(setup: LabSetup, statements: list[Any]) -> None:
        statements[1]["Condition"].setdefault(name, {})[key] = setup.fill(value)

    return bucket(change)


def changed(**elements: Any) -> Repair:
    """Exchange elements of the Deny."""
    return bucket(lambda setup, statements: statements[1].update(setup.fill(elements)))


def _bound_by(policy_arn: str) -> Repair:
    return lambda lab: lab.setup.client("iam").put_role_permissions_boundary(
        RoleName=lab.role_name, PermissionsBoundary=policy_arn
    )


def _whole_boundary(*statements: Any) -> Repair:
    return lambda lab: lab.put_policy(
        {"Version": "2012-10-17", "Statement": lab.setup.fill(list(statements))},
        lab.setup.fill("$boundary_arn"),
    )


_BOUNDARY_READS = allows(
    ["s3:GetObject", "s3:ListBucket"], ["arn:aws:s3:::$bucket", "arn:aws:s3:::$bucket/*"]
)
_BOUNDARY_DENIES = {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}


def _exchanged_boundary(lab: Any) -> None:
    iam = lab.setup.client("iam")
    text = document(*lab.setup.fill([_BOUNDARY_READS, WRITING]))
    arn = iam.create_policy(PolicyName="team-boundary-2", PolicyDocument=text)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=lab.role_name, PermissionsBoundary=arn)


def _frankfurt(text: str) -> str:
    return text.replace("us-east-1", "eu-central-1")


def _role_line(text: str, *lines: str) -> str:
    kept = [line for line in text.splitlines() if "s3.assume_role" not in line]
    return "\n".join([*kept[:1], *lines, *kept[1:]])


_ACCESS_KEYS = (
    "s3.credentials.access = '111122223333',",
    "s3.credentials.secret = 'test',",
)


def _added(arn: str) -> Repair:
    return lambda lab: lab.cloud.add_allowed_role(lab.cluster_id, arn)


def _registered_for_a_while(lab: Any) -> None:
    arn = f"arn:aws:iam::{CUSTOMER}:role/helper"
    lab.setup.client("iam").create_role(
        RoleName="helper", AssumeRolePolicyDocument=document(RISINGWAVE)
    )
    lab.cloud.add_allowed_role(lab.cluster_id, arn)
    lab.cloud.remove_allowed_role(lab.cluster_id, arn)
    lab.setup.client("iam").delete_role(RoleName="helper")


def _copies(principal: Any, condition: Any = None) -> Repair:
    return trust(TEAM, RISINGWAVE, trusts(principal, condition))


def _waits(lab: Any) -> None:
    lab.setup.make([{"propagation": 0}])


def _lockdown_deleted(lab: Any) -> None:
    lab.solution(apply=True)
    iam = lab.setup.client("iam")
    iam.detach_role_policy(RoleName=lab.role_name, PolicyArn=lab.policy_arn)
    iam.put_role_policy(
        RoleName=lab.role_name, PolicyName="w", PolicyDocument=document(allows("s3:*", "*"))
    )


def lockdown(*statements: Any) -> Repair:
    return lambda lab: lab.put_policy(
        {"Version": "2012-10-17", "Statement": lab.setup.fill(list(statements))},
        lab.setup.fill("$lockdown_arn"),
    )


_FEDERATED = {
    "Effect": "Allow",
    "Principal": {"Federated": f"arn:aws:iam::{CUSTOMER}:saml-provider/okta"},
    "Action": "sts:AssumeRoleWithSAML",
}
_EXCLUDED = trusts({"AWS": ROOT}, {"StringNotEquals": {_ARN: OTHER_CLUSTER_ARN}})


def _by_risingwaves_account(lab: Any) -> None:
    """Let RisingWave's role assume everything, by a policy in RisingWave's own account."""
    lab.setup.client("iam", RISINGWAVE_CLOUD).put_role_policy(
        RoleName=_WORKLOAD_NAME,
        PolicyName="mine",
        PolicyDocument=document(allows("sts:AssumeRole", "*")),
    )


def _deny_for_all_accounts_but(*accounts: str) -> Any:
    return trusts("*", {"StringNotEquals": {"aws:PrincipalAccount": [*accounts]}}, "Deny")


_TRUSTS: dict[str, Repair] = {
    "the same name in any account": trust(
        TEAM, trusts({"AWS": "*"}, {"StringLike": {_ARN: f"*/{_WORKLOAD_NAME}"}})
    ),
    "the same name in any account, by ArnLike": trust(
        TEAM, trusts("*", {"ArnLike": {_ARN: f"arn:aws:iam::*:role/{_WORKLOAD_NAME}"}})
    ),
    "the organization": trust(
        TEAM, RISINGWAVE, trusts("*", {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}})
    ),
    "where no source account is told": trust(
        TEAM, trusts("*", {"StringEqualsIfExists": {"aws:SourceAccount": RISINGWAVE_CLOUD}})
    ),
    "until a date": trust(
        TEAM,
        RISINGWAVE,
        trusts("*", {"DateLessThan": {"aws:CurrentTime": "2099-01-01T00:00:00Z"}}),
    ),
    "a Deny for the other cluster alone": trust(
        TEAM, trusts({"AWS": ROOT}), trusts({"AWS": OTHER_CLUSTER_ARN}, effect="Deny")
    ),
    "a Deny for the data team's account": trust(
        TEAM, RISINGWAVE, _deny_for_all_accounts_but(RISINGWAVE_CLOUD)
    ),
    "another cluster's session": trust(
        TEAM,
        RISINGWAVE,
        trusts({"AWS": WORKLOAD_SESSION.replace(_WORKLOAD_NAME, "other-cluster-role")}),
    ),
    "right, and by RisingWave's account": solved_and(_by_risingwaves_account),
    "account number": trust(TEAM, trusts({"AWS": RISINGWAVE_CLOUD})),
    "every role by a pattern": trust(TEAM, trusts("*", {"ArnLike": {_ARN: _ALL_ROLES}})),
    "every role that ends so": trust(TEAM, trusts({"AWS": ROOT}, {"StringLike": {_ARN: "*-role"}})),
    "all but the other cluster": trust(TEAM, _EXCLUDED),
    "everybody who calls the session so": trust(
        TEAM, trusts({"AWS": "*"}, {"StringEquals": {"sts:RoleSessionName": "reqsign"}})
    ),
    "everybody from one address": trust(
        TEAM, trusts("*", {"IpAddress": {"aws:SourceIp": ["127.0.0.1/32", "0.0.0.0/0"]}})
    ),
    "the other cluster too": trust(
        TEAM, trusts({"AWS": [WORKLOAD_IDENTITY_ARN, OTHER_CLUSTER_ARN]})
    ),
    "the own account too": trust(TEAM, RISINGWAVE, trusts({"AWS": _OWN_ROOT})),
    "a SAML provider": trust(TEAM, RISINGWAVE, _FEDERATED),
    "the data team only with an external id": trust(
        {**TEAM, "Condition": {"StringEquals": {"sts:ExternalId": "x"}}}, RISINGWAVE
    ),
    "the data team's account in its place": trust(
        {**TEAM, "Principal": {"AWS": CUSTOMER}}, RISINGWAVE
    ),
    "a Deny for the data team": trust(TEAM, RISINGWAVE, trusts({"AWS": DATA_TEAM}, effect="Deny")),
    "made again, without the data team": made_again("/", RISINGWAVE),
    "right, and an administrator": solved_and(managed("AdministratorAccess")),
    "right, and all of S3": more(allows("s3:*", "*")),
    "right, and a second role": solved_and(second_role),
    "right, and a user with a key": solved_and(an_administrator),
    "right, and the bucket open to the role": solved_and(resource_allows("s3:*", f"{BUCKET}/*")),
    "right, and another bucket open to the role": solved_and(other_bucket_open_to_the_role),
    "right, and another key open to the role": solved_and(other_key_open_to_the_role),
    "right, and the bucket public": solved_and(public("s3:GetObject")),
    "right, and the bucket open to another account": solved_and(
        resource_allows("s3:GetObject", f"{BUCKET}/*", principal=STRANGER)
    ),
    "right, and no public access block": solved_and(no_public_access_block),
    "right, and no bucket policy": solved_and(no_policy),
    "right, and the data team's role gone": solved_and(data_team_deleted),
    "right, and the data team's role open": solved_and(data_team_opened),
    "right, and the data team not registered": solved_and(not_allowed),
    "right, and reading everything": solved_and(managed("ReadOnlyAccess")),
}

_DENIES: dict[str, Repair] = {
    "statement deleted": bucket(_without_deny),
    "other guard deleted": bucket(_without_finance),
    "other guard opened": bucket(_finance_opened),
    "all roles by a pattern": also("ArnNotLike", _ARN, f"arn:aws:iam::{CUSTOMER}:role/*"),
    "roles that begin so": also("StringNotLike", _ARN, f"arn:aws:iam::{CUSTOMER}:role/rise*"),
    "the account": also("StringNotEquals", "aws:PrincipalAccount", CUSTOMER),
    "ended by a date": also("DateLessThan", "aws:CurrentTime", "2020-01-01T00:00:00Z"),
    "whoever says it is RisingWave's client": also("StringNotLike", "aws:UserAgent", "*"),
    "the session's name": also("StringNotLike", "aws:userid", "*:reqsign"),
    "every session": also("StringNotLike", "aws:userid", "AROA*"),
    "roles": also("StringNotEquals", "aws:PrincipalType", "AssumedRole"),
    "through other services alone": also("Bool", "aws:ViaAWSService", "true"),
    "for one stranger alone": changed(Principal={"AWS": "arn:aws:iam::999999999999:root"}),
    "for another action": changed(Action="s3:PutObjectTagging"),
    "elsewhere": changed(Resource="arn:aws:s3:::$bucket/elsewhere/*"),
    "the address of the sandbox": also("NotIpAddress", "aws:SourceIp", "127.0.0.0/8"),
    "whoever has a tag": also("StringNotLike", "aws:PrincipalTag/team", "*"),
    "an administrator": managed("AdministratorAccess"),
    "an Allow in the bucket policy": resource_allows("s3:PutObject", "arn:aws:s3:::$bucket/*"),
}

_DENIES |= {
    "names that begin so": also("ArnNotLike", _ARN, "$role_arn*"),
    "any path": also("ArnNotLike", _ARN, f"arn:aws:iam::{CUSTOMER}:role/*$role_name"),
    "the same name in any account": also("ArnNotLike", _ARN, "arn:aws:iam::*:role/$role_name"),
    "whatever ends with the name": also("StringNotLike", _ARN, "*/$role_name"),
    "whoever has the tag that the role has now": all_of(
        tagged(writer="yes"), also("StringNotEquals", "aws:PrincipalTag/writer", "yes")
    ),
    "a header that anybody may send": also("Null", "s3:x-amz-server-side-encryption", "false"),
    "one of several": also("ForAnyValue:ArnNotEquals", _ARN, _ROLE),
}

_ON_THE_KEY: dict[str, Repair] = {
    "every key with a tag": all_of(
        key_tagged,
        inline(allows(_KEY, "*", {"StringEquals": {"aws:ResourceTag/use": "lake"}})),
    ),
    "every caller of the account, by the key policy": key_policy(
        {**allows(_KEY, "*", {"StringEquals": {"kms:CallerAccount": CUSTOMER}}), "Principal": "*"}
    ),
    "right, and a grant to RisingWave's role": solved_and(
        new_key_grant(WORKLOAD_IDENTITY_ARN, ["Decrypt"])
    ),
    "all of KMS by the key policy": _role_in_the_key_policy("kms:*"),
    "key policy may be changed, by the key policy": _role_in_the_key_policy(
        [*_KEY, "kms:PutKeyPolicy"]
    ),
    "deletion of the key, by the key policy": _role_in_the_key_policy(
        [*_KEY, "kms:ScheduleKeyDeletion"]
    ),
    "grants may be made for AWS's services, by the key policy": _role_in_the_key_policy(
        [*_KEY, "kms:CreateGrant"], {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    ),
    "a grant with which more may be made": new_key_grant(
        _ROLE, ["GenerateDataKey", "Decrypt", "CreateGrant"]
    ),
    "right, and a grant to make more of them": solved_and(
        new_key_grant(_ROLE, ["CreateGrant", "Decrypt"])
    ),
    "right, and another key open to the role": solved_and(other_key_open_to_the_role),
    "right, and another bucket open to the role": solved_and(other_bucket_open_to_the_role),
}

TOO_WIDE: dict[tuple[int, str], Repair] = {
    **{(number, name): each for number in (1, 3, 4, 7) for name, each in _TRUSTS.items()},
    **{(number, name): each for number in (9, 16, 18) for name, each in _DENIES.items()},
    **{(number, name): each for number in (8, 17) for name, each in _ON_THE_KEY.items()},
    (2, "deletion beside"): happy_path(
        inline(LISTING, WRITING, allows("s3:DeleteObject", _OBJECTS))
    ),
    (2, "all actions on the objects"): happy_path(inline(LISTING, allows("s3:*", _OBJECTS))),
    (2, "writing in the whole bucket"): happy_path(
        inline(LISTING, allows("s3:PutObject", f"{BUCKET}/*"))
    ),
    (2, "listing the whole bucket"): happy_path(inline(allows("s3:ListBucket", BUCKET), WRITING)),
    (2, "listing by a negation"): happy_path(
        inline(
            allows("s3:ListBucket", BUCKET, {"StringNotLike": {"s3:prefix": "finance/*"}}), WRITING
        )
    ),
    (2, "the other cluster"): happy_path(
        inline(LISTING, WRITING), trust=trusts({"AWS": OTHER_CLUSTER_ARN})
    ),
    (2, "external id asked for"): happy_path(
        inline(LISTING, WRITING),
        trust=trusts({"AWS": WORKLOAD_IDENTITY_ARN}, {"StringEquals": {"sts:ExternalId": "a"}}),
    ),
    (2, "full access by AWS's policy"): happy_path(managed("AmazonS3FullAccess")),
    (2, "access keys in the sink"): happy_path(
        inline(LISTING, WRITING), change=lambda text: _role_line(text, *_ACCESS_KEYS)
    ),
    (2, "another prefix"): happy_path(
        inline(LISTING, WRITING, allows("s3:PutObject", f"{BUCKET}/other/*")),
        change=lambda text: text.replace("'risingwave/'", "'other/'"),
    ),
    (2, "bucket policy for everybody"): happy_path(
        inline(LISTING, WRITING), public("s3:PutObject")
    ),
    (2, "trust with the own account"): happy_path(
        inline(LISTING, WRITING), trust=trusts({"AWS": [WORKLOAD_IDENTITY_ARN, CUSTOMER]})
    ),
    (5, "listing if the request has a prefix"): inline(
        allows("s3:ListBucket", BUCKET, {"StringLikeIfExists": {"s3:prefix": "risingwave"}})
    ),
    (5, "all of the values, of which there may be none"): inline(
        allows("s3:ListBucket", BUCKET, {"ForAllValues:StringLike": {"s3:prefix": ["risingwave"]}})
    ),
    (5, "all but finance"): inline(
        allows("s3:ListBucket", BUCKET, {"StringNotLike": {"s3:prefix": "finance*"}})
    ),
    (5, "a star alone"): inline(
        allows("s3:ListBucket", BUCKET, {"StringLike": {"s3:prefix": ["risingwave", "*"]}})
    ),
    (5, "all listings"): inline(allows("s3:List*", "*")),
    (5, "a key that is always there"): inline(
        allows("s3:ListBucket", BUCKET, {"StringLike": {"aws:PrincipalArn": "*"}})
    ),
    (5, "listing by its delimiter"): inline(
        allows("s3:ListBucket", BUCKET, {"StringLikeIfExists": {"s3:delimiter": "/"}})
    ),
    (5, "everything but IAM"): inline({"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"}),
    (5, "bucket policy for the account"): resource_allows(
        "s3:ListBucket", BUCKET, principal=_OWN_ROOT
    ),
    (5, "bucket policy for everybody"): public("s3:ListBucket"),
    (5, "bucket policy for the role, without a condition"): resource_allows(
        "s3:ListBucket", BUCKET
    ),
    (5, "full access by AWS's policy"): managed("AmazonS3FullAccess"),
    (5, "reading by AWS's policy"): managed("AmazonS3ReadOnlyAccess"),
    (5, "version 1 and the whole bucket's objects"): all_of(
        first_version, inline(allows("s3:PutObject", f"{BUCKET}/*"))
    ),
    (5, "the empty prefix too"): inline(
        allows("s3:ListBucket", BUCKET, {"StringEquals": {"s3:prefix": ["risingwave", ""]}})
    ),
    (5, "whatever its case"): inline(
        allows("s3:ListBucket", BUCKET, {"StringEqualsIgnoreCase": {"s3:prefix": "risingwave"}})
    ),
    (5, "a request without a prefix too"): inline(
        allows("s3:ListBucket", BUCKET, {"StringEquals": {"s3:prefix": "risingwave"}}),
        allows("s3:ListBucket", BUCKET, {"Null": {"s3:prefix": "true"}}),
    ),
    (6, "deletion of versions kept"): inline(
        allows("s3:GetBucketLocation", BUCKET),
        {"Effect": "Deny", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": "*"},
    ),
    (6, "IfExists for all"): version(
        allows(
            ["s3:ListBucket", "s3:GetBucketLocation"],
            BUCKET,
            {"StringLikeIfExists": {"s3:prefix": ["risingwave", "risingwave/*"]}},
        ),
        allows("s3:GetObject", _OBJECTS),
    ),
    (6, "all that gets"): version(LISTING, allows("s3:Get*", "*")),
    (6, "location of all, and acl"): version(
        LISTING, allows("s3:GetObject", _OBJECTS), allows("s3:GetBucket*", "*")
    ),
    (6, "objects of the whole bucket"): version(
        LISTING, allows("s3:GetObject", f"{BUCKET}/*"), allows("s3:GetBucketLocation", BUCKET)
    ),
    (6, "reading by AWS's policy"): solved_and(managed("AmazonS3ReadOnlyAccess")),
    (6, "location without reading"): version(LISTING, allows("s3:GetBucketLocation", BUCKET)),
    (6, "bucket policy for everybody"): solved_and(public("s3:GetBucketLocation")),
    (6, "writing by the bucket policy"): solved_and(
        resource_allows("s3:PutObject", "arn:aws:s3:::$bucket/$prefix/*")
    ),
    (8, "decrypting with every key"): inline(allows(_KEY, "*")),
    (8, "every key of the account"): inline(allows(_KEY, f"arn:aws:kms:*:{CUSTOMER}:key/*")),
    (8, "every key that has an alias"): inline(
        allows(
            _KEY,
            f"arn:aws:kms:*:{CUSTOMER}:key/*",
            {"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/*"}},
        )
    ),
    (8, "every key through S3"): inline(
        allows(_KEY, "*", {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}})
    ),
    (8, "by AWS's policy"): managed("AWSKeyManagementServicePowerUser"),
    (8, "every principal of the account through S3"): key_policy(
        {
            **allows(
                _KEY,
                "*",
                {
                    "StringEquals": {
                        "kms:CallerAccount": CUSTOMER,
                        "kms:ViaService": "s3.$region_name.amazonaws.com",
                    }
                },
            ),
            "Principal": "*",
        }
    ),
    (8, "grants may be made"): inline(allows([*_KEY, "kms:CreateGrant"], "$key_arn")),
    (8, "key policy may be changed"): inline(allows([*_KEY, "kms:PutKeyPolicy"], "$key_arn")),
    (8, "grant to the data team too"): all_of(
        new_key_grant(_ROLE, ["GenerateDataKey", "Decrypt"]),
        new_key_grant(DATA_TEAM, ["Decrypt"]),
    ),
    (8, "S3's own encryption"): encryption("AES256"),
    (8, "another key"): _other_key,
    (8, "key disabled after"): _key_disabled,
    (8, "no encryption said"): lambda lab: lab.setup.client("s3").delete_bucket_encryption(
        Bucket=lab.bucket
    ),
    (10, "PowerUserAccess as the boundary"): _bound_by("arn:aws:iam::aws:policy/PowerUserAccess"),
    (10, "AmazonS3FullAccess as the boundary"): _bound_by(
        "arn:aws:iam::aws:policy/AmazonS3FullAccess"
    ),
    (10, "the role's own policy as the boundary"): lambda lab: _bound_by(lab.policy_arn)(lab),
    (10, "a new boundary without the Deny"): _exchanged_boundary,
    (10, "all writing"): boundary(allows("s3:Put*", _OBJECTS)),
    (10, "all of S3 in the bucket"): boundary(
        allows("s3:*", ["arn:aws:s3:::$bucket", "arn:aws:s3:::$bucket/*"])
    ),
    (10, "everything but IAM"): boundary(
        {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
    ),
    (10, "the Deny narrowed"): _whole_boundary(
        _BOUNDARY_READS, WRITING, {**_BOUNDARY_DENIES, "Action": "iam:CreateUser"}
    ),
    (10, "the reading left out"): _whole_boundary(
        allows(["s3:ListBucket", "s3:PutObject"], ["arn:aws:s3:::$bucket", _OBJECTS]),
        _BOUNDARY_DENIES,
    ),
    (10, "made again without a boundary"): made_again(),
    (10, "every object of the account"): boundary(allows("s3:PutObject", "arn:aws:s3:::*/*")),
    (11, "access keys"): sink(lambda text: _role_line(_frankfurt(text), *_ACCESS_KEYS)),
    (11, "the data team's role"): all_of(
        sink(lambda text: _frankfurt(text).replace("risingwave-s3-access", "data-team"))
    ),
    (11, "another prefix"): all_of(
        inline(WRITING, allows("s3:PutObject", "arn:aws:s3:::$bucket/*")),
        sink(lambda text: _frankfurt(text).replace("'risingwave/'", "'elsewhere/'")),
    ),
    (11, "and an administrator"): solved_and(managed("AdministratorAccess")),
    (11, "and listing every bucket"): more(allows("s3:ListBucket", "arn:aws:s3:::*")),
    (11, "and the trust opened"): solved_and(trust(TEAM, trusts({"AWS": ROOT}))),
    (11, "and no bucket policy"): solved_and(no_policy),
    (11, "a bucket of the same use elsewhere"): all_of(
        public("s3:*"),
        lambda lab: lab.solution(apply=True),
    ),
    (12, "another role registered for a while"): solved_and(_registered_for_a_while),
    (12, "another role registered beside"): solved_and(
        _added(f"arn:aws:iam::{CUSTOMER}:role/other")
    ),
    (12, "and the account"): solved_and(trust(TEAM, RISINGWAVE, trusts({"AWS": ROOT}))),
    (12, "and a session of everybody"): solved_and(
        trust(TEAM, RISINGWAVE, trusts("*", {"StringLike": {"sts:RoleSessionName": "req*"}}))
    ),
    (12, "and the data team's place taken"): solved_and(not_allowed),
    (12, "and an administrator"): solved_and(managed("AdministratorAccess")),
    (12, "and a second role"): solved_and(
        all_of(second_role, _added(f"arn:aws:iam::{CUSTOMER}:role/risingwave-2"))
    ),
    (12, "and passing roles"): more(allows("iam:PassRole", "*")),
    (12, "only another name"): _added(f"arn:aws:iam::{CUSTOMER}:role/risingwave"),
    (13, "everybody, by Redshift's external id"): _copies(
        "*", {"StringLike": {"sts:ExternalId": f"{_USER}/*"}}
    ),
    (13, "the own account"): _copies({"AWS": _OWN_ROOT}),
    (13, "another account's Redshift"): _copies(
        _REDSHIFT, {"StringEquals": {"aws:SourceAccount": "999999999999"}}
    ),
    (13, "Redshift, and EC2"): _copies(
        {"Service": ["redshift.amazonaws.com", "ec2.amazonaws.com"]}
    ),
    (13, "Redshift, and the scheduler"): _copies(
        {"Service": ["redshift.amazonaws.com", "scheduler.redshift.amazonaws.com"]}
    ),
    (13, "RisingWave with an external id"): trust(
        TEAM,
        trusts(
            {"AWS": WORKLOAD_IDENTITY_ARN, **_REDSHIFT},
            {"StringLike": {"sts:ExternalId": f"{_USER}/*"}},
        ),
    ),
    (13, "data team left out"): trust(RISINGWAVE, trusts(_REDSHIFT)),
    (13, "and Redshift's own full access"): solved_and(managed("AmazonRedshiftFullAccess")),
    (13, "and all objects of the bucket"): more(allows("s3:GetObject", f"{BUCKET}/*")),
    (14, "whole account, then waited"): all_of(
        trust(TEAM, RISINGWAVE, trusts({"AWS": ROOT})), _waits
    ),
    (14, "administrator, then waited"): all_of(managed("AdministratorAccess"), _waits),
    (14, "data team lost, then waited"): all_of(trust(RISINGWAVE), _waits),
    (14, "opened, closed, then waited"): all_of(
        trust(TEAM, trusts("*")), trust(TEAM, RISINGWAVE), _waits
    ),
    (14, "bucket policy gone, then waited"): all_of(no_policy, _waits),
    (14, "another Allowed Principal, then waited"): all_of(
        _added(f"arn:aws:iam::{CUSTOMER}:role/other"), _waits
    ),
    (14, "the other cluster too, then waited"): all_of(
        trust(TEAM, trusts({"AWS": [WORKLOAD_IDENTITY_ARN, OTHER_CLUSTER_ARN]})), _waits
    ),
    (14, "a pattern, then waited"): all_of(
        trust(TEAM, trusts("*", {"ArnLike": {_ARN: _ALL_ROLES}})), _waits
    ),
    **{(15, name): each for name, each in _TRUSTS.items() if name.startswith("right, and ")},
    (17, "every key"): inline(allows(_KEY, "*"), name="use-the-key"),
    (17, "the context of every bucket"): inline(
        allows(_KEY, "*", {"StringLike": {_CONTEXT: "arn:aws:s3:::*"}}), name="use-the-key"
    ),
    (17, "all of KMS on the key"): inline(allows("kms:*", "$key_arn"), name="use-the-key"),
    (17, "grant to the data team"): solved_and(new_key_grant(DATA_TEAM, ["Decrypt"])),
    (17, "key open to the account"): key_policy({**allows(_KEY, "*"), "Principal": {"AWS": "*"}}),
    (17, "key policy may be changed"): more(allows("kms:PutKeyPolicy", "$key_arn")),
    (17, "S3's own encryption"): encryption("AES256"),
    (17, "an administrator"): managed("AdministratorAccess"),
    (18, "another role that is there"): lambda lab: exempts(
        {
            "StringNotLike": {
                "aws:userid": [
                    "$role_id:*",
                    CUSTOMER,
                    lab.setup.client("iam").get_role(RoleName="other-loader")["Role"]["RoleId"]
                    + ":*",
                ]
            }
        }
    )(lab),
    (19, "account by Terraform"): terraform_trust(TEAM, trusts({"AWS": ROOT})),
    (19, "everybody by Terraform"): terraform_trust(TEAM, trusts("*")),
    (19, "data team left out by Terraform"): terraform_trust(RISINGWAVE),
    (19, "the other cluster too by Terraform"): terraform_trust(
        TEAM, trusts({"AWS": [WORKLOAD_IDENTITY_ARN, OTHER_CLUSTER_ARN]})
    ),
    (19, "the own account by Terraform"): terraform_trust(
        TEAM, RISINGWAVE, trusts({"AWS": _OWN_ROOT})
    ),
    (19, "right by hand, account in the configuration"): all_of(
        trust(TEAM, RISINGWAVE), terraform_trust(TEAM, trusts({"AWS": ROOT}), apply=False)
    ),
    (19, "right, and an administrator"): solved_and(managed("AdministratorAccess")),
    (19, "role not written any more, right by hand"): all_of(
        trust(TEAM, RISINGWAVE),
        lambda lab: lab.setup.client("s3").put_object(
            Bucket="acme-terraform",
            Key="risingwave/main.tf.json",
            Body=json.dumps({"resource": {"aws_iam_role": {}}}),
        ),
    ),
    (19, "configuration emptied, right by hand"): all_of(
        trust(TEAM, RISINGWAVE),
        lambda lab: lab.setup.client("s3").put_object(
            Bucket="acme-terraform", Key="risingwave/main.tf.json", Body=json.dumps({})
        ),
    ),
    (19, "configuration deleted, right by hand"): all_of(
        trust(TEAM, RISINGWAVE),
        lambda lab: lab.setup.client("s3").delete_object(
            Bucket="acme-terraform", Key="risingwave/main.tf.json"
        ),
    ),
    (20, "Allow beside the Deny"): inline(allows("s3:PutObject", "*")),
    (20, "an administrator"): managed("AdministratorAccess"),
    (20, "everything allowed by the lockdown"): lockdown(allows("*", "*")),
    (20, "writing everywhere by the lockdown"): lockdown(allows("s3:PutObject", "*")),
    (20, "detached, and all of S3"): more(allows("s3:*", "*")),
    (20, "detached, and the policy exchanged"): _lockdown_deleted,
    (9, "right, and files deleted after a day"): solved_and(_deletes_after_a_day),
    (9, "right, and files copied to another company"): solved_and(_copies_elsewhere),
    (3, "right, and files copied for a while"): then_solved(_copied_for_a_while),
    (8, "right, and a file overwritten"): solved_and(_overwritten),
    (20, "detached, and no bucket policy"): solved_and(no_policy),
    (20, "made again, open to the account"): made_again("/", TEAM, trusts({"AWS": ROOT})),
    (10, "the Deny for users alone"): _whole_boundary(
        _BOUNDARY_READS,
        WRITING,
        {**_BOUNDARY_DENIES, "Resource": f"arn:aws:iam::{CUSTOMER}:user/*"},
    ),
    (10, "all of S3 for whoever has a tag"): boundary(
        allows("s3:*", "*", {"StringEquals": {"aws:PrincipalTag/team": "data"}}), WRITING
    ),
    (12, "by RisingWave's account"): _by_risingwaves_account,
    (19, "right, and more rights written"): terraform_trust(
        TEAM,
        RISINGWAVE,
        apply=False,
        inline_policy=[{"name": "more", "policy": document(allows("*", "*"))}],
    ),
    (19, "right by hand, and Terraform told to look away"): all_of(
        trust(TEAM, RISINGWAVE),
        terraform_trust(
            TEAM, trusts({"AWS": ROOT}), apply=False, lifecycle={"ignore_changes": "all"}
        ),
    ),
    (20, "lockdown of another action"): lockdown(
        {"Effect": "Deny", "Action": "s3:PutObjectTagging", "Resource": "*"}
    ),
    (20, "lockdown of another bucket"): lockdown(
        {"Effect": "Deny", "Action": ["s3:PutObject"], "Resource": "arn:aws:s3:::nobodys/*"}
    ),
}
