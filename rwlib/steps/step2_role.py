"""Step 2 - Create an IAM role with the policy attached.

The role is created with its final trust policy, so there is never a moment in which RisingWave's
whole account is trusted. (The console's path "Another AWS account" has such a moment.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rwlib.aws import read_role
from rwlib.errors import InputError, ServiceError
from rwlib.steps.changes import Change, Ledger
from rwlib.steps.ownership import (
    MANAGED_BY,
    MANAGED_BY_VALUE,
    TARGET_TAG,
    is_ours,
    tag_list,
    tag_map,
)
from rwlib.steps.quotas import TRUST_SIZE_QUOTA, account_quota, check_size, policy_text

if TYPE_CHECKING:
    import boto3

    from rwlib.aws import Aws


def ensure_role(
    session: boto3.Session | Aws,
    role_name: str,
    trust_policy: Mapping[str, Any],
    *,
    path: str = "/",
    permissions_boundary_arn: str = "",
    max_session_duration: int = 3600,
    tags: Mapping[str, str] | None = None,
    owner: str = "",
    ledger: Ledger | None = None,
    apply: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Change:
    """Make the IAM role exist; a new one has the given trust policy from the first moment.

    Safe to run again: a role that already matches is left alone. An existing role keeps its trust
    policy (Step 3 merges into it). Never changes boundary, session duration or tags of a role
    that this runbook did not make; what differs is said in the change's notes.

    Parameters
    ----------
    role_name
        1-64 characters, not its ARN.
    max_session_duration
        Seconds, 3600-43200. Role chaining limits RisingWave's sessions to 3600 anyway.
    owner
        Name of the target, kept as a tag.

    Raises
    ------
    InputError
        The role exists under another path.
    """
    from botocore.exceptions import ClientError

    from rwlib.aws import Aws, error_code, refused

    aws = Aws.of(session)
    ledger = ledger or Ledger()
    role = read_role(aws, role_name)
    if role is not None:
        return _adopt(
            aws, role, path, permissions_boundary_arn, max_session_duration, tags or {}, ledger,
            apply,
        )  # fmt: skip
    check_size(
        trust_policy,
        account_quota(aws, "AssumeRolePolicySizeQuota", TRUST_SIZE_QUOTA, trust_policy),
        f"trust policy of {role_name}",
        "give fewer principals",
    )
    arn = f"arn:aws:iam::{aws.account_id}:role{path}{role_name}"
    settings: dict[str, Any] = {
        "trust_policy": dict(trust_policy),
        "max_session_duration": max_session_duration,
        "permissions_boundary_arn": permissions_boundary_arn,
    }
    change = Change("create", "IAM role", arn, after=settings, calls=("iam:CreateRole",))
    if not apply:
        return change
    optional = {"PermissionsBoundary": permissions_boundary_arn} if permissions_boundary_arn else {}
    owner_tag = {TARGET_TAG: owner} if owner else {}
    ledger.intend(change)
    try:
        aws.write(
            "iam",
            "create_role",
            about=f"role {role_name}",
            RoleName=role_name,
            Path=path,
            AssumeRolePolicyDocument=policy_text(trust_policy),
            MaxSessionDuration=max_session_duration,
            Description="Assumed by RisingWave Cloud",
            Tags=tag_list({**(tags or {}), **owner_tag, MANAGED_BY: MANAGED_BY_VALUE}),
            **optional,
        )
    except ClientError as error:
        if error_code(error) == "EntityAlreadyExists":
            # Another run was quicker, or the answer to our own call was lost: adopt what is.
            found = _read_until_seen(aws, role_name, sleep)
            (ledger.done if is_ours(found) else ledger.abandoned)(change)
            adopted = _adopt(
                aws, found, path, permissions_boundary_arn, max_session_duration, tags or {},
                ledger, True,
            )  # fmt: skip
            return change.done() if is_ours(found) else adopted
        ledger.abandoned(change)
        if "Invalid principal in policy" in str(error):
            raise InputError(
                "workload_identity_arn",
                str(trust_policy["Statement"][0]["Principal"].get("AWS", "")),
                "does not exist in AWS; copy it again from the Cloud Meta tab of the cluster",
            ) from error
        raise refused(error, f"creating role {role_name}") from error
    ledger.done(change)
    return change.done()


def _read_until_seen(aws: Aws, role_name: str, sleep: Callable[[float], None]) -> Mapping[str, Any]:
    """Read a role that is known to exist; IAM may take a moment to show it."""
    for pause in (0.0, 0.5, 1.0, 2.0, 4.0):
        sleep(pause)
        aws.forget(f"role {role_name}")
        if role := read_role(aws, role_name):
            return role
    raise ServiceError(
        f"role {role_name}: AWS says that it exists, but does not show it; run again, nothing is "
        "lost"
    )


def _adopt(
    aws: Aws,
    role: Mapping[str, Any],
    path: str,
    boundary_arn: str,
    max_session_duration: int,
    tags: Mapping[str, str],
    ledger: Ledger,
    apply: bool,
) -> Change:
    name, arn = role["RoleName"], role["Arn"]
    if path not in ("/", role["Path"]):
        raise InputError(
            "role_path", path, f"differs from the existing role's path {role['Path']}, which AWS "
            "cannot change; give that path, or another role_name"
        )  # fmt: skip
    before = {
        "max_session_duration": role.get("MaxSessionDuration", 3600),
        "permissions_boundary_arn": role.get("PermissionsBoundary", {}).get(
            "PermissionsBoundaryArn", ""
        ),
        "tags": tag_map(role.get("Tags", [])),
    }
    after = {
        "max_session_duration": max_session_duration,
        "permissions_boundary_arn": boundary_arn or before["permissions_boundary_arn"],
        "tags": {**before["tags"], **tags},
    }
    if before == after:
        return Change("none", "IAM role", arn, before=before, after=before)
    differing = [key for key in before if before[key] != after[key]]
    if not is_ours(role):
        notes = tuple(
            f"{key} stays {before[key] or 'empty'}, not {after[key]}: the role was not made by "
            "this runbook"
            for key in differing
        )
        return Change("none", "IAM role", arn, before=before, after=before, notes=notes)
    writes = {
        "max_session_duration": (
            "update_role",
            {"RoleName": name, "MaxSessionDuration": max_session_duration},
        ),
        "permissions_boundary_arn": (
            "put_role_permissions_boundary",
            {"RoleName": name, "PermissionsBoundary": boundary_arn},
        ),
        "tags": ("tag_role", {"RoleName": name, "Tags": tag_list(tags)}),
    }
    change = Change(
        "update",
        "IAM role",
        arn,
        ", ".join(differing),
        before=before,
        after=after,
        calls=tuple(f"iam:{_operation(writes[key][0])}" for key in differing),
    )
    if not apply:
        return change
    from botocore.exceptions import ClientError

    from rwlib.aws import refused

    ledger.intend(change)
    for key in differing:
        operation, parameters = writes[key]
        try:
            aws.write("iam", operation, about=f"role {name}", **parameters)
        except ClientError as error:
            ledger.abandoned(change)
            raise refused(error, f"updating role {name}") from error
    ledger.done(change)
    return change.done()


def _operation(method: str) -> str:
    return "".join(part.capitalize() for part in method.split("_"))
