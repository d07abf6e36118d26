"""The role's policies: attached, and waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rwlib.aws import (
    attached_call,
    attached_policies,
    default_document,
    read_policy,
    read_role,
    role_call,
)
from rwlib.errors import PolicyLimitError, RunbookError, ServiceError
from rwlib.steps.changes import Change, ChangeSubject, Ledger, canonical
from rwlib.steps.ownership import id_of, is_ours, taken_over
from rwlib.steps.quotas import account_quota
from rwlib.waiting import rest

if TYPE_CHECKING:
    import boto3

    from rwlib.aws import Aws

ATTACHED_QUOTA = 10  # raisable; the account's own is AttachedPoliciesPerRoleQuota
PROPAGATION_SECONDS = 60.0


def ensure_attached(
    session: boto3.Session | Aws,
    role_name: str,
    policy_arn: str,
    *,
    document: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    ledger: Ledger | None = None,
    apply: bool = False,
    sleep: Callable[[float], None] = rest,
) -> Change:
    """Make the managed policy be attached to the role; never detaches another.

    Parameters
    ----------
    document
        What the policy says. A policy that somebody made under its name in the meantime, and that
        says something else, is not attached; it is read directly before.
    tags
        The target's own.

    Raises
    ------
    ConflictError
        The policy is not this runbook's any more, and says something else; nothing was written.
    PolicyLimitError
        The role has as many policies as the account allows; nothing was written.
    """
    from rwlib.aws import Aws

    aws = Aws.of(session)
    ledger = ledger or Ledger()
    if apply:  # then the role is there
        aws.read_ahead(role_call(role_name), attached_call(role_name))
    role = read_role(aws, role_name)
    attached = attached_policies(aws, role_name) if role else []
    if policy_arn in attached:
        return Change("none", ChangeSubject.ATTACHMENT, f"{policy_arn} to {role_name}")
    if len(attached) >= ATTACHED_QUOTA:
        quota = account_quota(aws, "AttachedPoliciesPerRoleQuota", ATTACHED_QUOTA)
        if len(attached) >= quota.number:
            raise PolicyLimitError(
                f"role {role_name} has {len(attached)} attached policies and AWS allows {quota}; "
                "detach one that is no longer needed, or give another role_name"
            )
    change = Change(
        "create",
        ChangeSubject.ATTACHMENT,
        f"{policy_arn} to {role_name}",
        before=attached,
        after=[*attached, policy_arn],
        calls=("iam:AttachRolePolicy",),
    )
    if not apply:
        return change
    facts = {"id": id_of(role)} if role else {}
    ledger.intend(change, **facts)
    try:
        if document is not None:
            _refuse_another(aws, policy_arn, document, tags, ledger)
        _attach(aws, role_name, policy_arn, sleep)
    except RunbookError:
        ledger.abandoned(change)
        raise
    ledger.done(change, **facts)
    return change.done()


def _refuse_another(
    aws: Aws,
    policy_arn: str,
    document: Mapping[str, Any],
    tags: Mapping[str, str] | None,
    ledger: Ledger,
) -> None:
    aws.forget(policy_arn)
    policy = read_policy(aws, policy_arn)
    if policy is None or is_ours(policy, ledger, tags):
        return
    found = default_document(aws, policy_arn)
    if found is None or canonical(found) != canonical(document):
        raise taken_over(f"policy {policy_arn}")


def _attach(aws: Aws, role_name: str, policy_arn: str, sleep: Callable[[float], None]) -> None:
    from botocore.exceptions import ClientError

    from rwlib.aws import error_code, error_message, is_missing, refused

    for pause in (0.5, 1.0, 2.0, 4.0, 0.0):
        try:
            aws.write(
                "iam",
                "attach_role_policy",
                about=f"attachments {role_name}",
                RoleName=role_name,
                PolicyArn=policy_arn,
            )
            return
        except ClientError as error:
            if error_code(error) == "LimitExceeded":
                raise PolicyLimitError(
                    f"role {role_name}: {error_message(error)}; detach a policy that is no longer "
                    "needed, "
                    "or give another role_name"
                ) from error
            # What was made a moment ago may not be known everywhere yet.
            if not is_missing(error) or not pause:
                raise refused(error, f"attaching {policy_arn} to {role_name}") from error
        sleep(pause)


def wait_until_seen(
    session: boto3.Session | Aws,
    role_name: str,
    policy_arn: str,
    *,
    in_a_row: int = 3,
    at_most: float = PROPAGATION_SECONDS,
    sleep: Callable[[float], None] = rest,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Wait until AWS shows the new role with its policy, several times in a row.

    IAM is eventually consistent: what was written can be missing from the next read. Returns how
    often was looked.

    Raises
    ------
    ServiceError
        AWS does not show it within ``at_most`` seconds.
    """
    from rwlib.aws import Aws

    aws = Aws.of(session)
    started, pause, seen, looks = clock(), 0.2, 0, 0
    while seen < in_a_row:
        if looks:  # what is remembered at first was read after the policy was attached
            aws.forget(f"attachments {role_name}")
        looks += 1
        if policy_arn in attached_policies(aws, role_name):
            seen += 1
            continue
        seen = 0
        if clock() - started > at_most:
            raise ServiceError(
                f"role {role_name}: AWS does not show the new role with its policy after "
                f"{at_most:.0f} seconds; run it again: nothing is lost"
            )
        sleep(pause)
        pause = min(pause * 2, 5.0)
    return looks
