"""Repairs of the labs that the labs' own data does not have: legitimate ones, and too wide ones.

Each is a function that makes the repair in an open lab. What a learner may write is taken from
AWS's own guides; what a check must refuse, from what learners do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rwlib.labs.terraform import BUCKET as TERRAFORM
from rwlib.labs.terraform import KEY as CONFIGURATION
from rwlib.sandbox import CUSTOMER, RISINGWAVE_CLOUD, WORKLOAD_IDENTITY_ARN

Repair = Callable[[Any], None]

ROOT = f"arn:aws:iam::{RISINGWAVE_CLOUD}:root"
DATA_TEAM = f"arn:aws:iam::{CUSTOMER}:role/data-team"
BUCKET = "arn:aws:s3:::acme-analytics"
TEAM = {
    "Sid": "DataTeam",
    "Effect": "Allow",
    "Principal": {"AWS": DATA_TEAM},
    "Action": "sts:AssumeRole",
}


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trusts(principal: Any, condition: Any = None, effect: str = "Allow", **more: Any) -> Any:
    made = {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole", **more}
    return made | ({"Condition": condition} if condition else {})


RISINGWAVE = trusts({"AWS": WORKLOAD_IDENTITY_ARN})


def allows(action: Any, resource: Any, condition: Any = None) -> Any:
    made = {"Effect": "Allow", "Action": action, "Resource": resource}
    return made | ({"Condition": condition} if condition else {})


def trust(*statements: Any) -> Repair:
    def repair(lab: Any) -> None:
        lab.setup.client("iam").update_assume_role_policy(
            RoleName=lab.role_name, PolicyDocument=document(*statements)
        )

    return repair


def inline(*statements: Any, name: str = "more") -> Repair:
    """Give the role an inline policy; ``$key_arn`` and the like are filled in."""

    def repair(lab: Any) -> None:
        lab.setup.client("iam").put_role_policy(
            RoleName=lab.role_name,
            PolicyName=name,
            PolicyDocument=document(*lab.setup.fill(list(statements))),
        )

    return repair


def attached(name: str, *statements: Any) -> Repair:
    """Give the role another managed policy."""

    def repair(lab: Any) -> None:
        iam = lab.setup.client("iam")
        text = document(*lab.setup.fill(list(statements)))
        arn = iam.create_policy(PolicyName=name, PolicyDocument=text)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=lab.role_name, PolicyArn=arn)

    return repair


def version(*statements: Any) -> Repair:
    """Make a new default version of the role's own policy."""
    return lambda lab: lab.put_policy(
        {"Version": "2012-10-17", "Statement": lab.setup.fill(list(statements))}
    )


def bucket(change: Callable[[Any, list[Any]], Any]) -> Repair:
    """Change the bucket policy's statements as they stand."""

    def repair(lab: Any) -> None:
        s3 = lab.setup.client("s3")
        policy = json.loads(s3.get_bucket_policy(Bucket=lab.bucket)["Policy"])
        change(lab.setup, policy["Statement"])
        s3.put_bucket_policy(Bucket=lab.bucket, Policy=json.dumps(policy))

    return repair


def resource_allows(
    action: Any, resource: Any, condition: Any = None, principal: Any = "$role_arn"
) -> Repair:
    """Add an Allow to the bucket policy."""
    who = principal if principal == "*" or isinstance(principal, dict) else {"AWS": principal}
    statement = {**allows(action, resource, condition), "Principal": who}
    return bucket(lambda setup, statements: statements.append(setup.fill(statement)))


def key_policy(*statements: Any) -> Repair:
    """Add statements to the key policy."""

    def repair(lab: Any) -> None:
        kms, key = lab.setup.client("kms"), lab.setup.variables["key_arn"]
        policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
        policy["Statement"] += lab.setup.fill(list(statements))
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))

    return repair


def new_key_grant(principal: str, operations: list[str], **options: Any) -> Repair:
    """Make a grant on the bucket's key."""

    def repair(lab: Any) -> None:
        lab.setup.client("kms").create_grant(
            KeyId=lab.setup.variables["key_arn"],
            GranteePrincipal=lab.setup.fill(principal),
            Operations=operations,
            **options,
        )

    return repair


def boundary(*statements: Any) -> Repair:
    """Add statements to lab 10's boundary."""

    def repair(lab: Any) -> None:
        made = lab.setup.fill("$narrow_boundary")
        made["Statement"] += lab.setup.fill(list(statements))
        lab.put_policy(made, lab.setup.fill("$boundary_arn"))

    return repair


def sink(change: Callable[[str], str] | None = None) -> Repair:
    """Create the lab's sink, its statement written another way."""

    def repair(lab: Any) -> None:
        text = str(lab.setup.variables["statement"])
        lab.sql(change(text) if change else text)

    return repair


def terraform_trust(
    *statements: Any, apply: bool = True, listed: bool = False, **arguments: Any
) -> Repair:
    """Write another trust policy into lab 19's configuration."""

    def repair(lab: Any) -> None:
        role = {"name": lab.role_name, "assume_role_policy": document(*statements), **arguments}
        labels: Any = {"risingwave": [role] if listed else role}
        resources: Any = {"aws_iam_role": [labels] if listed else labels}
        body = json.dumps({"resource": [resources] if listed else resources})
        lab.setup.client("s3").put_object(Bucket=TERRAFORM, Key=CONFIGURATION, Body=body)
        if apply:
            lab.terraform_apply()

    return repair


def all_of(*repairs: Repair) -> Repair:
    """Make one repair after the other."""

    def repair(lab: Any) -> None:
        for each in repairs:
            each(lab)

    return repair


def solved_and(more: Repair) -> Repair:
    def repair(lab: Any) -> None:
        lab.solution(apply=True)
        more(lab)

    return repair


def then_solved(first: Repair) -> Repair:
    def repair(lab: Any) -> None:
        first(lab)
        lab.solution(apply=True)

    return repair


def _under_a_path(lab: Any) -> None:
    iam = lab.setup.client("iam")
    iam.create_role(
        RoleName=lab.role_name,
        Path="/teams/analytics/",
        AssumeRolePolicyDocument=document(RISINGWAVE),
    )
    inline(*lab.setup.fill("$recommended_policy")["Statement"])(lab)
    lab.cloud.add_allowed_role(lab.cluster_id, lab.role_arn)
    lab.sql(lab.setup.variables["statement"])


def _path_with_a_slash(lab: Any) -> None:
    text = lab.setup.variables["statement"]
    lab.sql(text.replace("s3.path = 'risingwave'", "s3.path = 'risingwave/'"))


def _granted(principal: str, **options: Any) -> Repair:
    def repair(lab: Any) -> None:
        lab.setup.client("kms").create_grant(
            KeyId=lab.setup.variables["key_arn"],
            GranteePrincipal=lab.setup.fill(principal),
            Operations=["GenerateDataKey", "Decrypt"],
            **options,
        )

    return repair


def _in_the_key_policy(lab: Any) -> None:
    kms, key = lab.setup.client("kms"), lab.setup.variables["key_arn"]
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    policy["Statement"].append(
        {**allows(["kms:GenerateDataKey", "kms:Decrypt"], "*"), "Principal": {"AWS": lab.role_arn}}
    )
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))


def _writers(operator: str, *more: str, **changes: Any) -> Repair:
    """Write lab 9's Deny with another list of exempted principals."""

    def repair(lab: Any) -> None:
        policy = lab.setup.fill("$only_known_writers")
        deny = policy["Statement"][1]
        known = deny["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
        deny["Condition"] = {operator: {"aws:PrincipalArn": [*known, *lab.setup.fill(list(more))]}}
        deny |= changes
        lab.setup.client("s3").put_bucket_policy(Bucket=lab.bucket, Policy=json.dumps(policy))

    return repair


def _added(arn: str) -> Repair:
    return lambda lab: lab.cloud.add_allowed_role(lab.cluster_id, arn)


def _s3_and_back(lab: Any) -> None:
    inline(allows("s3:*", "*"))(lab)
    lab.setup.client("iam").delete_role_policy(RoleName=lab.role_name, PolicyName="more")


def _copies(principal: Any, condition: Any = None) -> Repair:
    return trust(TEAM, RISINGWAVE, trusts(principal, condition))


_KEY = ["kms:GenerateDataKey", "kms:Decrypt"]
_REDSHIFT = {"Service": "redshift.amazonaws.com"}
_USER = f"arn:aws:redshift:us-east-1:{CUSTOMER}:dbuser:example-cluster"

LEGITIMATE: dict[tuple[int, str], Repair] = {
    (1, "account, and a Deny for all others"): trust(
        TEAM,
        trusts({"AWS": ROOT}),
        trusts(
            "*", {"ArnNotEquals": {"aws:PrincipalArn": [WORKLOAD_IDENTITY_ARN, DATA_TEAM]}}, "Deny"
        ),
    ),
    (1, "statements merged"): trust(trusts({"AWS": [WORKLOAD_IDENTITY_ARN, DATA_TEAM]})),
    (3, "account, narrowed to the role"): trust(
        TEAM, trusts({"AWS": ROOT}, {"ArnEquals": {"aws:PrincipalArn": WORKLOAD_IDENTITY_ARN}})
    ),
    (2, "role under a path"): _under_a_path,
    (5, "path of the sink with its slash"): _path_with_a_slash,
    (5, "inline, the one listing"): inline(
        allows("s3:ListBucket", BUCKET, {"StringEquals": {"s3:prefix": "risingwave"}})
    ),
    (8, "grant"): _granted("$role_arn"),
    (8, "key policy"): _in_the_key_policy,
    (8, "encryption context"): inline(
        allows(
            _KEY,
            "$key_arn",
            {
                "StringLike": {
                    "kms:EncryptionContext:aws:s3:arn": [
                        "arn:aws:s3:::$bucket",
                        "arn:aws:s3:::$bucket/*",
                    ]
                }
            },
        )
    ),
    (8, "what AWS's example gives a key's users"): inline(
        allows(
            [*_KEY, "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            "$key_arn",
        )
    ),
    (8, "through S3 alone"): inline(
        allows(
            _KEY, "$key_arn", {"StringEquals": {"kms:ViaService": "s3.$region_name.amazonaws.com"}}
        )
    ),
    (9, "another operator"): _writers("ArnNotLike", "$role_arn"),
    (10, "with the listing said again"): boundary(
        allows(["s3:PutObject"], ["arn:aws:s3:::$bucket/$prefix/*"]),
        allows("s3:ListBucket", "arn:aws:s3:::$bucket"),
    ),
    (13, "regional principal"): _copies({"Service": "redshift.us-east-1.amazonaws.com"}),
    (13, "source account"): _copies(_REDSHIFT, {"StringEquals": {"aws:SourceAccount": CUSTOMER}}),
    (13, "database user"): _copies(
        _REDSHIFT, {"StringEquals": {"sts:ExternalId": f"{_USER}/risingwave"}}
    ),
    (13, "database users of the cluster"): _copies(
        _REDSHIFT, {"StringLike": {"sts:ExternalId": f"{_USER}/*"}}
    ),
    (13, "source ARN"): _copies(
        _REDSHIFT, {"ArnLike": {"aws:SourceArn": f"arn:aws:redshift:us-east-1:{CUSTOMER}:*"}}
    ),
}


def _extra(action: str, resource: str = "*") -> Repair:
    return solved_and(inline(allows(action, resource)))


TOO_WIDE: dict[tuple[int, str], Repair] = {
    (1, "account, narrowed to a family of roles"): trust(
        TEAM,
        trusts({"AWS": ROOT}, {"ArnLike": {"aws:PrincipalArn": f"{WORKLOAD_IDENTITY_ARN[:-8]}*"}}),
    ),
    (1, "all of EC2"): _extra("ec2:*"),
    (2, "reading beside"): solved_and(inline(allows("s3:GetObject", f"{BUCKET}/risingwave/*"))),
    (3, "attaching policies"): _extra("iam:AttachRolePolicy"),
    (3, "a federated provider without a condition"): solved_and(
        trust(
            TEAM,
            RISINGWAVE,
            {
                **trusts({"Federated": "cognito-identity.amazonaws.com"}),
                "Action": "sts:AssumeRoleWithWebIdentity",
            },
        )
    ),
    (3, "opened and closed again"): then_solved(trust(TEAM, trusts({"AWS": "*"}))),
    (4, "passing roles"): _extra("iam:PassRole"),
    (4, "another service"): solved_and(
        trust(TEAM, RISINGWAVE, trusts({"Service": "ec2.amazonaws.com"}))
    ),
    (5, "secrets"): _extra("secretsmanager:GetSecretValue"),
    (5, "all of S3, and taken back"): then_solved(_s3_and_back),
    (5, "object ACLs"): _extra("s3:PutObjectAcl", f"{BUCKET}/risingwave/*"),
    (6, "the bucket's ACL"): _extra("s3:PutBucketAcl", BUCKET),
    (6, "deletion kept"): _extra("s3:DeleteObject", f"{BUCKET}/risingwave/*"),
    (7, "other roles"): _extra("sts:AssumeRole"),
    (8, "all of KMS on the key"): inline(allows("kms:*", "$key_arn")),
    (8, "grant to somebody else"): solved_and(_granted(DATA_TEAM)),
    (9, "the bucket policy itself"): _extra("s3:DeleteBucketPolicy", BUCKET),
    (9, "Deny narrowed to the prefix"): _writers(
        "ArnNotEquals", "$role_arn", Resource=f"{BUCKET}/risingwave/*"
    ),
    (9, "Deny narrowed to plain HTTP"): _writers(
        "ArnNotEquals",
        Condition={"Bool": {"aws:SecureTransport": "false"}},
    ),
    (9, "every role of the account exempted"): _writers(
        "ArnNotLike", f"arn:aws:iam::{CUSTOMER}:role/*"
    ),
    (10, "writing in the whole bucket"): boundary(allows("s3:PutObject", f"{BUCKET}/*")),
    (12, "a second Allowed Principal"): solved_and(
        _added(f"arn:aws:iam::{CUSTOMER}:role/unrelated-app")
    ),
    (13, "another database user"): _copies(
        _REDSHIFT, {"StringEquals": {"sts:ExternalId": f"{_USER}/somebody"}}
    ),
    (13, "another Region's Redshift"): solved_and(
        _copies({"Service": ["redshift.amazonaws.com", "redshift.eu-west-1.amazonaws.com"]})
    ),
}
