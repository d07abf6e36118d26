"""What IAM says: a role, its policies, and who uses a policy.

Every read takes ``unknown``: where a caller gives one, what may not be looked at is named there
with AWS's reason, and counts as not there; without it, such a refusal is raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from rwlib.aws.calls import Aws, Read, policy_json
from rwlib.aws.errors import looked, refused

if TYPE_CHECKING:
    import boto3


def role_call(role_name: str) -> Read:
    """Return the call that `read_role` makes."""
    return Read("iam", "get_role", f"role {role_name}", parameters={"RoleName": role_name})


def policy_call(arn: str) -> Read:
    """Return the call that `read_policy` makes."""
    return Read("iam", "get_policy", arn, parameters={"PolicyArn": arn})


def version_call(arn: str, version: str) -> Read:
    """Return the call that reads one version of a managed policy."""
    parameters = {"PolicyArn": arn, "VersionId": version}
    return Read("iam", "get_policy_version", arn, parameters=parameters)


def attached_call(role_name: str) -> Read:
    """Return the first call that `attached_policies` makes."""
    about = f"attachments {role_name}"
    return Read("iam", "list_attached_role_policies", about, parameters={"RoleName": role_name})


def inline_names_call(role_name: str) -> Read:
    """Return the first call that `inline_policy_names` makes."""
    about = f"inline {role_name}"
    return Read("iam", "list_role_policies", about, parameters={"RoleName": role_name})


def inline_call(role_name: str, name: str) -> Read:
    """Return the call that reads an inline policy of a role."""
    parameters = {"RoleName": role_name, "PolicyName": name}
    return Read("iam", "get_role_policy", f"inline {role_name}", parameters=parameters)


def read_role(
    session: boto3.Session | Aws, role_name: str, unknown: dict[str, str] | None = None
) -> dict[str, Any] | None:
    """Return the role as ``iam:GetRole`` gives it, None when there is none."""
    aws = Aws.of(session)
    answer = looked(
        "role",
        lambda: aws.answer_to(role_call(role_name)),
        f"looking for role {role_name}",
        unknown,
    )
    return dict(answer["Role"]) if answer else None


def spelled_otherwise(aws: Aws, role_name: str) -> str:
    """Return how a role is spelled that has the name in other capitals; empty where none is seen.

    IAM lets no two roles of an account differ in case alone (API reference, CreateRole). Nobody
    needs to be allowed to list roles for a run, so a refusal says nothing.
    """
    unknown: dict[str, str] = {}
    roles = looked(
        "roles",
        lambda: aws.read_all("iam", "list_roles", "Roles", about=f"role {role_name}"),
        "listing roles",
        unknown,
    )
    names = [each["RoleName"] for each in roles or []]
    same = [each for each in names if each.casefold() == role_name.casefold()]
    return same[0] if same and role_name not in same else ""


def attached_policies(
    session: boto3.Session | Aws, role_name: str, unknown: dict[str, str] | None = None
) -> list[str]:
    """Return the ARNs of the managed policies that are attached to the role."""
    aws = Aws.of(session)
    items = looked(
        "attached policies",
        lambda: aws.read_all(
            "iam",
            "list_attached_role_policies",
            "AttachedPolicies",
            about=f"attachments {role_name}",
            RoleName=role_name,
        ),
        f"listing the policies of role {role_name}",
        unknown,
    )
    return [item["PolicyArn"] for item in items or []]


def inline_policy_names(
    aws: Aws, role_name: str, unknown: dict[str, str] | None = None
) -> list[str]:
    """Return the names of the policies that are written into the role itself."""
    names: list[str] | None = looked(
        "inline policies",
        lambda: aws.read_all(
            "iam",
            "list_role_policies",
            "PolicyNames",
            about=f"inline {role_name}",
            RoleName=role_name,
        ),
        f"listing the policies of role {role_name}",
        unknown,
    )
    return names or []


def inline_policies(
    aws: Aws, role_name: str, unknown: dict[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the documents of the role's inline policies; none when one may not be read."""
    names = inline_policy_names(aws, role_name, unknown)

    def read() -> dict[str, dict[str, Any]]:
        calls = {name: inline_call(role_name, name) for name in names}
        aws.read_ahead(*calls.values())
        answers = {name: aws.answer_to(call) for name, call in calls.items()}
        return {name: policy_json(each["PolicyDocument"]) for name, each in answers.items()}

    doing = f"listing the policies of role {role_name}"
    return looked("inline policies", read, doing, unknown) or {}


def read_policy(aws: Aws, arn: str, unknown: dict[str, str] | None = None) -> dict[str, Any] | None:
    """Return the managed policy as ``iam:GetPolicy`` gives it, None when there is none."""
    answer = looked(
        arn,
        lambda: aws.answer_to(policy_call(arn)),
        f"looking for policy {arn}",
        unknown,
    )
    return dict(answer["Policy"]) if answer else None


def policy_versions(aws: Aws, arn: str) -> list[dict[str, Any]]:
    """Return the versions of a managed policy as ``iam:ListPolicyVersions`` gives them."""
    try:
        return aws.read_all("iam", "list_policy_versions", "Versions", about=arn, PolicyArn=arn)
    except ClientError as error:
        raise refused(error, f"listing the versions of policy {arn}") from error


def version_document(aws: Aws, arn: str, version: str) -> dict[str, Any]:
    """Return the document of one version of a managed policy."""
    try:
        return _version_document(aws, arn, version)
    except ClientError as error:
        raise refused(error, f"reading version {version} of policy {arn}") from error


def default_document(
    aws: Aws, arn: str, unknown: dict[str, str] | None = None
) -> dict[str, Any] | None:
    """Return the document that a managed policy has in effect, None when there is no policy."""
    policy = read_policy(aws, arn, unknown)
    if policy is None:
        return None
    document: dict[str, Any] | None = looked(
        arn,
        lambda: _version_document(aws, arn, policy["DefaultVersionId"]),
        f"looking for policy {arn}",
        unknown,
    )
    return document


def _version_document(aws: Aws, arn: str, version: str) -> dict[str, Any]:
    answer = aws.answer_to(version_call(arn, version))
    return policy_json(answer["PolicyVersion"]["Document"])


def policy_users(aws: Aws, arn: str) -> Iterator[tuple[str, str]]:
    """Yield kind and name of each role, user and group that uses a policy, boundaries included."""
    parameters: dict[str, Any] = {"PolicyArn": arn}
    while True:
        try:
            page = aws.read("iam", "list_entities_for_policy", about=arn, **parameters)
        except ClientError as error:
            raise refused(error, f"looking up who uses policy {arn}") from error
        for member, key, kind in (
            ("PolicyRoles", "RoleName", "role"),
            ("PolicyUsers", "UserName", "user"),
            ("PolicyGroups", "GroupName", "group"),
        ):
            yield from ((kind, item[key]) for item in page.get(member, []))
        if not page.get("IsTruncated"):
            return
        parameters["Marker"] = page["Marker"]
