"""The hop of Step 4: whether the cluster lists the role in Allowed Principals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rwlib.errors import RunbookError
from rwlib.steps import console_steps
from rwlib.target import Target
from rwlib.verify.check import Check
from rwlib.verify.kinds import title_of
from rwlib.waiting import rest

if TYPE_CHECKING:
    from rwlib.cloud import AllowedRoles, Cloud


def settled_list(
    cloud: Cloud,
    cluster_id: str,
    role_arn: str,
    *,
    at_most: float = 15.0,
    sleep: Callable[[float], None] = rest,
) -> AllowedRoles:
    """Read the list; while somebody's change is in flight and it holds the role, look again.

    Parameters
    ----------
    at_most
        Seconds; then the list is returned as it is.
    """
    allowed = cloud.allowed_iam_roles(cluster_id)
    waited = 0.0
    while role_arn in allowed and allowed.status in ("Updating", "Pending") and waited < at_most:
        sleep(0.5)
        waited += 0.5
        allowed = cloud.allowed_iam_roles(cluster_id)
    return allowed


def stale_entries(
    allowed: AllowedRoles, account_id: str, exists: Callable[[str], bool]
) -> Iterable[str]:
    """Yield a sentence for each listed role of this account that is not there any more."""
    for arn in allowed.role_arns:
        parts = arn.split(":")
        if len(parts) > 5 and parts[4] == account_id and not exists(arn.split("/")[-1]):
            yield (
                f"{arn} is listed but does not exist in AWS; remove it when it is no longer needed"
            )


def check_allowed_principal(
    target: Target,
    role_arn: str,
    allowed: AllowedRoles | None = None,
    *,
    problem: RunbookError | None = None,
    pending: bool = False,
) -> Check:
    """Say whether the cluster lists the role.

    Without the management API a person's word is recorded as ``manual``, which is never a pass.

    Parameters
    ----------
    allowed
        What the management API answered; None when there is no key.
    problem
        Why it could not be read.
    pending
        True in a preview that would add the entry.
    """

    def check(
        status: Any, evidence: str, fix: str = "", reason: str = "", fixed_by: int | None = None
    ) -> Check:
        return Check(
            "allowed_principal", "allowed principal", title_of("allowed_principal"), status,
            (evidence,), fix, reason, fixed_by,
        )  # fmt: skip

    if problem is not None:
        return check("unknown", str(problem), reason="not_readable")
    if allowed is not None:
        if allowed.status == "Failed":
            return check(
                "fail",
                f"the platform failed to apply the list (status Failed), which holds "
                f"{len(allowed.role_arns)} entries",
                "waiting does not help: remove and add the entry in the console, or ask "
                "RisingWave's support",
                "allowed_principals_failed",
            )
        if role_arn in allowed:
            if allowed.ready:
                return check("pass", f"{role_arn} is listed and the list is ready")
            return check(
                "unknown",
                f"{role_arn} is listed, the list is {allowed.status}",
                reason="allowed_principals_updating",
            )
        if pending:
            return check("pass", f"{role_arn} would be added")
        others = (
            f"; it lists other roles: {', '.join(allowed.role_arns)}" if allowed.role_arns else ""
        )
        name = role_arn.rpartition("/")[2]
        same_name = any(each.rpartition("/")[2] == name for each in allowed.role_arns)
        return check(
            "fail",
            f"{role_arn} is not listed{others}",
            "apply it with `rwlib run --apply`: Step 4 adds it",
            "allowed_principal_other_arn" if same_name else "allowed_principal_missing",
            4,
        )
    if target.allowed_principal_confirmed_by:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return check(
            "manual",
            f"{target.allowed_principal_confirmed_by} says that {role_arn} is listed (recorded "
            f"{now}); nobody looked",
            reason="allowed_principal_confirmed",
        )
    return check(
        "manual",
        "nobody has confirmed it; it can be looked up only with an API key and a cluster_id",
        " ".join(console_steps(target, role_arn)),
        "allowed_principal_unconfirmed",
    )
