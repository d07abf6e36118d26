"""Step 1 - Create an IAM policy for S3 access.

The documents are pure: they are built from a target and touch nothing. `ensure_policy` makes the
customer-managed policy exist with one of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rwlib.aws import default_document, policy_users, policy_versions, read_policy, version_document
from rwlib.errors import ConflictError
from rwlib.steps.changes import Change, Ledger, canonical
from rwlib.steps.ownership import MANAGED_BY, MANAGED_BY_VALUE, is_ours, tag_list, tag_map
from rwlib.steps.quotas import (
    POLICY_SIZE_QUOTA,
    VERSIONS_QUOTA,
    account_quota,
    check_size,
    policy_text,
)

if TYPE_CHECKING:
    import boto3

    from rwlib.aws import Aws


def ensure_policy(
    session: boto3.Session | Aws,
    policy_name: str,
    document: Mapping[str, Any],
    *,
    tags: Mapping[str, str] | None = None,
    used_by: str = "",
    ledger: Ledger | None = None,
    apply: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Change:
    """Make the customer-managed policy exist with the given document.

    Safe to run again: an equal document is left alone, whatever its formatting. Another document
    becomes a new default version; where five exist, the oldest that is not the default is
    deleted. Never changes a policy that this runbook did not make and that something other than
    ``used_by`` uses.

    Parameters
    ----------
    policy_name
        1-128 characters, not an ARN.
    used_by
        Name of the role that may use the policy already.

    Raises
    ------
    PolicyLimitError
        The document is larger than the account's quota.
    ConflictError
        Somebody else uses a policy of that name with another document.
    """
    from rwlib.aws import Aws

    aws = Aws.of(session)
    arn = f"arn:aws:iam::{aws.account_id}:policy/{policy_name}"
    ledger = ledger or Ledger()
    check_size(
        document,
        account_quota(aws, "PolicySizeQuota", POLICY_SIZE_QUOTA, document),
        f"policy {policy_name}",
        "use a shorter prefix or fewer connectors",
    )
    policy = read_policy(aws, arn)
    if policy is not None:
        return _update(aws, arn, policy, document, tags or {}, used_by, ledger, apply)
    change = Change("create", "IAM policy", arn, after=dict(document), calls=("iam:CreatePolicy",))
    if not apply:
        return change
    if _create(aws, policy_name, document, tags or {}, change, ledger):
        return change.done()
    # Another run was quicker, or the answer to our own call was lost: go on from what is. IAM is
    # eventually consistent, so it may take a moment to show.
    for pause in (0.0, 0.5, 1.0, 2.0):
        sleep(pause)
        aws.forget(arn)
        policy = read_policy(aws, arn)
        if policy is not None:
            break
    if policy is None:
        ledger.abandoned(change)
        raise ConflictError(
            f"policy_name: {policy_name!r} exists under another path; give another name"
        )
    if not is_ours(policy):
        ledger.abandoned(change)
        return _update(aws, arn, policy, document, tags or {}, used_by, ledger, apply)
    ledger.done(change)
    _update(aws, arn, policy, document, tags or {}, used_by, ledger, apply)
    return change.done()


def _create(
    aws: Aws,
    policy_name: str,
    document: Mapping[str, Any],
    tags: Mapping[str, str],
    change: Change,
    ledger: Ledger,
) -> bool:
    """Create the policy; False when there is one of that name already."""
    from botocore.exceptions import ClientError

    from rwlib.aws import error_code, refused

    ledger.intend(change)
    try:
        aws.write(
            "iam",
            "create_policy",
            about=change.name,
            PolicyName=policy_name,
            PolicyDocument=policy_text(document),
            Description="S3 access for RisingWave Cloud",
            Tags=tag_list({**tags, MANAGED_BY: MANAGED_BY_VALUE}),
        )
    except ClientError as error:
        if error_code(error) == "EntityAlreadyExists":
            return False
        ledger.abandoned(change)
        raise refused(error, f"creating policy {policy_name}") from error
    ledger.done(change)
    return True


def _update(
    aws: Aws,
    arn: str,
    policy: Mapping[str, Any],
    document: Mapping[str, Any],
    tags: Mapping[str, str],
    used_by: str,
    ledger: Ledger,
    apply: bool,
) -> Change:
    current = version_document(aws, arn, policy["DefaultVersionId"])
    equal = canonical(current) == canonical(document)
    # Somebody else's policy is not tagged.
    present = tag_map(policy.get("Tags", []))
    missing = {key: text for key, text in tags.items() if present.get(key) != text}
    missing = missing if is_ours(policy) else {}
    if equal and not missing:
        return Change("none", "IAM policy", arn, before=current, after=current)
    if not equal:
        _refuse_shared(aws, arn, policy, used_by)
    oldest = "" if equal else _version_in_the_way(aws, arn)
    details = [] if equal else [f"new default version, {policy['DefaultVersionId']} stays"]
    details += [f"tags {', '.join(missing)}"] if missing else []
    change = Change(
        "update",
        "IAM policy",
        arn,
        "; ".join(details),
        before=current,
        after=dict(document),
        calls=(
            *(("iam:DeletePolicyVersion",) if oldest else ()),
            *(() if equal else ("iam:CreatePolicyVersion",)),
            *(("iam:TagPolicy",) if missing else ()),
        ),
        notes=(f"five versions exist: deletes the oldest, {oldest}",) if oldest else (),
    )
    if not apply:
        return change
    if oldest:
        _delete_version(aws, arn, oldest, ledger)
    ledger.intend(change)
    if not equal:
        _new_version(aws, arn, document, change, ledger)
    if missing:
        _write(aws, "tag_policy", arn, "tagging", Tags=tag_list(missing))
    ledger.done(change)
    return change.done()


def _refuse_shared(aws: Aws, arn: str, policy: Mapping[str, Any], used_by: str) -> None:
    used = policy.get("AttachmentCount") or policy.get("PermissionsBoundaryUsageCount")
    if is_ours(policy) or not used:
        return
    others = [name for kind, name in policy_users(aws, arn) if (kind, name) != ("role", used_by)]
    if others:
        raise ConflictError(
            f"policy_name: {policy['PolicyName']!r} exists, was not made by this runbook and is "
            f"used by {', '.join(others)}; give another policy_name"
        )


def _version_in_the_way(aws: Aws, arn: str) -> str:
    """Return the oldest version that is not the default when there is no room for another.

    A managed policy has at most five versions (IAM user guide, versioning IAM policies).
    """
    versions = policy_versions(aws, arn)
    spare = [each["VersionId"] for each in versions if not each["IsDefaultVersion"]]
    if len(versions) < VERSIONS_QUOTA:
        return ""
    return str(min(spare, key=lambda version: int(version[1:])))


def _delete_version(aws: Aws, arn: str, version: str, ledger: Ledger) -> None:
    before = version_document(aws, arn, version)
    removal = Change("delete", "policy version", f"{arn} {version}", before=before)
    ledger.intend(removal)
    _write(aws, "delete_policy_version", arn, f"deleting version {version} of", VersionId=version)
    ledger.done(removal)


def _new_version(
    aws: Aws, arn: str, document: Mapping[str, Any], change: Change, ledger: Ledger
) -> None:
    from botocore.exceptions import ClientError

    from rwlib.aws import refused

    try:
        aws.write(
            "iam",
            "create_policy_version",
            about=arn,
            PolicyArn=arn,
            PolicyDocument=policy_text(document),
            SetAsDefault=True,
        )
    except ClientError as error:
        # When an answer is lost, the SDK asks again, and the second try can be one too many.
        now = default_document(aws, arn)
        if now is not None and canonical(now) == canonical(document):
            return
        ledger.abandoned(change)
        raise refused(error, f"writing policy {arn}") from error


def _write(aws: Aws, operation: str, arn: str, doing: str, **parameters: Any) -> None:
    from botocore.exceptions import ClientError

    from rwlib.aws import is_missing, refused

    try:
        aws.write("iam", operation, about=arn, PolicyArn=arn, **parameters)
    except ClientError as error:
        if operation.startswith("delete") and is_missing(error):
            return
        raise refused(error, f"{doing} policy {arn}") from error
