"""What several steps read in IAM: managed policies, their versions and what carries them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from rwlib.aws.calls import Aws
from rwlib.aws.errors import is_missing, refused

if TYPE_CHECKING:
    import boto3


def _read(aws: Aws, arn: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    from rwlib.aws.errors import is_missing, refused

    try:
        return dict(aws.read("iam", "get_policy", about=arn, PolicyArn=arn)["Policy"])
    except ClientError as error:
        if is_missing(error):
            return None
        raise refused(error, f"looking for policy {arn}") from error


def _document(aws: Aws, arn: str, version: str) -> dict[str, Any]:
    from botocore.exceptions import ClientError

    from rwlib.aws.calls import policy_json
    from rwlib.aws.errors import refused

    try:
        answer = aws.read("iam", "get_policy_version", about=arn, PolicyArn=arn, VersionId=version)
    except ClientError as error:
        raise refused(error, f"reading version {version} of policy {arn}") from error
    return policy_json(answer["PolicyVersion"]["Document"])


def policy_users(aws: Aws, arn: str) -> Iterator[tuple[str, str]]:
    """Yield kind and name of each role, user and group that uses a policy, boundaries included."""
    from botocore.exceptions import ClientError

    from rwlib.aws.errors import refused

    parameters: dict[str, Any] = {"PolicyArn": arn}
    while True:
        try:
            page = aws.read("iam", "list_entities_for_policy", about=arn, **parameters)
        except ClientError as error:
            raise refused(error, f"looking who uses policy {arn}") from error
        for member, key, kind in (
            ("PolicyRoles", "RoleName", "role"),
            ("PolicyUsers", "UserName", "user"),
            ("PolicyGroups", "GroupName", "group"),
        ):
            yield from ((kind, item[key]) for item in page.get(member, []))
        if not page.get("IsTruncated"):
            return
        parameters["Marker"] = page["Marker"]


def attached_policies(session: boto3.Session | Aws, role_name: str) -> list[str]:
    """Return the ARNs of the managed policies that are attached to the role."""
    from botocore.exceptions import ClientError

    from rwlib.aws.calls import Aws
    from rwlib.aws.errors import is_missing, refused

    try:
        items = Aws.of(session).read_all(
            "iam",
            "list_attached_role_policies",
            "AttachedPolicies",
            about=f"attachments {role_name}",
            RoleName=role_name,
        )
    except ClientError as error:
        if is_missing(error):
            return []
        raise refused(error, f"listing the policies of role {role_name}") from error
    return [item["PolicyArn"] for item in items]


def read_role(session: boto3.Session | Aws, role_name: str) -> dict[str, Any] | None:
    """Return the role as ``iam:GetRole`` gives it, None when there is none."""
    from botocore.exceptions import ClientError

    from rwlib.aws.calls import Aws
    from rwlib.aws.errors import is_missing, refused

    try:
        answer = Aws.of(session).read(
            "iam", "get_role", about=f"role {role_name}", RoleName=role_name
        )
    except ClientError as error:
        if is_missing(error):
            return None
        raise refused(error, f"looking for role {role_name}") from error
    return dict(answer["Role"])


def read_policy(aws: Aws, arn: str) -> Mapping[str, Any] | None:
    """Return the policy as ``iam:GetPolicy`` gives it, None when there is none."""
    try:
        policy: Mapping[str, Any] = aws.read("iam", "get_policy", about=arn, PolicyArn=arn)[
            "Policy"
        ]
    except ClientError as error:
        if is_missing(error):
            return None
        raise refused(error, f"looking for policy {arn}") from error
    return policy
