"""Step 4 - Register the role in the cluster's Allowed Principals.

The trust policy is the role's side; Allowed Principals is RisingWave's: the cluster may assume
only the roles on that list. Across accounts AWS wants both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rwlib.changes import Change, Ledger
from rwlib.checks import Check
from rwlib.errors import InputError, RunbookError
from rwlib.target import Target

if TYPE_CHECKING:
    from rwlib.cloud import AllowedRoles, Cloud, CloudMetadata

CONSOLE = "https://cloud.risingwave.com/"
RESOURCE = "allowed principal"

TITLE = "The cluster lists the role in Allowed Principals"


def console_steps(target: Target, role_arn: str, workload_identity_arn: str = "") -> list[str]:
    """Return the exact clicks in RisingWave Cloud's console, one line each."""
    cluster = f"the cluster {target.cluster_id}" if target.cluster_id else "the cluster"
    identity = workload_identity_arn or target.workload_identity_arn
    return [
        f"Open {CONSOLE} and choose {cluster} whose Workload Identity is {identity}.",
        "Open Network Access, then the tab Allowed Principals.",
        f"Add the ARN {role_arn} and save.",
        "Wait until the entry is shown as ready.",
        "Run this again with allowed_principal_confirmed_by set to your name.",
    ]


def fetch_workload_identity(
    cloud: Cloud | None, target: Target
) -> tuple[str, CloudMetadata | None]:
    """Return who is going to assume the role: from Cloud metadata where there is a key.

    A typed ARN is compared with what the cluster says. The metadata comes with it: the addresses
    that RisingWave calls from, and its PrivateLink principals.

    Raises
    ------
    InputError
        The cluster has no Workload Identity, or another one than was typed, or there is neither
        an ARN nor a key to fetch it with.
    """
    typed = target.workload_identity_arn
    if cloud is None or not target.cluster_id:
        if typed:
            return typed, None
        raise InputError(
            "workload_identity_arn",
            typed,
            "is empty, and without RWC_API_KEY and RWC_API_SECRET it cannot be fetched for "
            f"cluster {target.cluster_id}; copy it from the Cloud Meta tab",
        )
    metadata = cloud.cloud_metadata(target.cluster_id)
    if typed and not metadata.workload_role_arn:
        return typed, metadata
    found = metadata.require_workload_role_arn()
    if typed and typed != found:
        raise InputError(
            "workload_identity_arn",
            typed,
            f"is not the Workload Identity of cluster {target.cluster_id}, which is {found}; "
            "leave the field empty, or correct cluster_id",
        )
    return found, metadata


def ensure_allowed_principal(
    cloud: Cloud,
    cluster_id: str,
    role_arn: str,
    *,
    ledger: Ledger | None = None,
    apply: bool = False,
    progress: Callable[[Any], None] | None = None,
) -> Change:
    """Make the role be one of the cluster's Allowed Principals; never touches another entry.

    The management API applies a change later than it accepts it, so this returns when the list
    is ready and holds the role.
    """
    ledger = ledger or Ledger()
    before = cloud.allowed_iam_roles(cluster_id)
    listed = list(before.role_arns)
    name = f"{role_arn} of cluster {cluster_id}"
    if role_arn in before and before.ready:
        return Change("none", RESOURCE, name, before=listed, after=listed)
    after = listed if role_arn in before else [*listed, role_arn]
    change = Change(
        "create", RESOURCE, name, before=listed, after=after, calls=("POST allowedIamRoles",)
    )
    if not apply:
        return change
    ledger.intend(change)
    made = cloud.add_allowed_role(cluster_id, role_arn, progress=progress)
    if not made.changed:
        ledger.abandoned(change)
        return Change("none", RESOURCE, name, before=listed, after=list(made.after.role_arns))
    ledger.done(change)
    return change.done()


def settled_list(
    cloud: Cloud,
    cluster_id: str,
    role_arn: str,
    *,
    at_most: float = 15.0,
    sleep: Callable[[float], None] = time.sleep,
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
            yield f"{arn} is listed but does not exist in AWS; remove it when nobody needs it"


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

    def check(status: Any, evidence: str, fix: str = "") -> Check:
        return Check("allowed_principal", "allowed principal", TITLE, status, (evidence,), fix)

    if problem is not None:
        return check("unknown", str(problem))
    if allowed is not None:
        if allowed.status == "Failed":
            return check(
                "fail",
                f"the platform failed to apply the list (status Failed), which holds "
                f"{len(allowed.role_arns)} entries",
                "waiting does not help: remove and add the entry in the console, or ask "
                "RisingWave's support",
            )
        if role_arn in allowed:
            if allowed.ready:
                return check("pass", f"{role_arn} is listed and the list is ready")
            return check("unknown", f"{role_arn} is listed, the list is {allowed.status}")
        if pending:
            return check("pass", f"{role_arn} is going to be added")
        others = (
            f"; it lists other roles: {', '.join(allowed.role_arns)}" if allowed.role_arns else ""
        )
        return check(
            "fail", f"{role_arn} is not listed{others}", "run it again with apply: Step 4 adds it"
        )
    if target.allowed_principal_confirmed_by:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return check(
            "manual",
            f"{target.allowed_principal_confirmed_by} says that {role_arn} is listed (recorded "
            f"{now}); nobody looked",
        )
    return check(
        "manual",
        "nobody has confirmed it, and there is no API key to look with",
        " ".join(console_steps(target, role_arn)),
    )
