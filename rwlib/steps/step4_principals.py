"""Step 4 - Register the role in the cluster's Allowed Principals.

The trust policy is the role's side; Allowed Principals is RisingWave's: the cluster may assume
only the roles on that list. Across accounts AWS wants both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rwlib.errors import InputError
from rwlib.steps.changes import Change, ChangeSubject, Ledger
from rwlib.steps.ownership import check_tags, id_of, principal_key, tags_of
from rwlib.steps.step2_role import still_same_role, tag_role
from rwlib.target import Target

if TYPE_CHECKING:
    from rwlib.aws import Aws
    from rwlib.cloud import Cloud, CloudMetadata

CONSOLE = "https://cloud.risingwave.com/"


def console_steps(target: Target, role_arn: str, workload_identity_arn: str = "") -> list[str]:
    """Return what a person does in RisingWave Cloud's console and here, one line each."""
    return [
        *console_clicks(target, role_arn, workload_identity_arn),
        "Run this again with allowed_principal_confirmed_by set to your name.",
    ]


def console_clicks(target: Target, role_arn: str, workload_identity_arn: str = "") -> list[str]:
    """Return the exact clicks in RisingWave Cloud's console, one line each."""
    cluster = f"the cluster {target.cluster_id}" if target.cluster_id else "the cluster"
    identity = workload_identity_arn or target.workload_identity_arn
    return [
        f"Open {CONSOLE} and choose {cluster} whose Workload Identity is {identity}.",
        "Open Network Access, then the tab Allowed Principals.",
        f"Add the ARN {role_arn} and save.",
        "Wait until the entry is shown as ready.",
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
            reason="empty",
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


def mark_registered(
    aws: Aws, role: Mapping[str, Any], cluster_id: str
) -> Callable[[], Callable[[], None]]:
    """Return what marks a role as registered by this runbook: a tag that holds the role's id."""
    key, role_id = principal_key(cluster_id), id_of(role)

    def unmark() -> None:
        still_same_role(aws, role["RoleName"], role_id)
        aws.write(
            "iam",
            "untag_role",
            about=f"role {role['RoleName']}",
            RoleName=role["RoleName"],
            TagKeys=[key],
        )

    def mark() -> Callable[[], None]:
        check_tags(tags_of(role), {key: role_id}, f"role {role['RoleName']}")
        tag_role(aws, role, {key: role_id})
        return unmark

    return mark


def ensure_allowed_principal(
    cloud: Cloud,
    cluster_id: str,
    role_arn: str,
    *,
    role_id: str = "",
    record: Callable[[], Callable[[], None]] | None = None,
    ledger: Ledger | None = None,
    apply: bool = False,
    progress: Callable[[Any], None] | None = None,
) -> Change:
    """Make the role be one of the cluster's Allowed Principals; never touches another entry.

    The management API applies a change later than it accepts it, so this returns when the list
    is ready and holds the role.

    Parameters
    ----------
    role_id
        Id of the role that is registered, kept in the ledger.
    record
        Called directly before the entry is asked for: it marks the role as registered by this
        runbook, for runs that do not see the ledger. Gives what takes the mark off again when
        somebody else was quicker.
    """
    ledger = ledger or Ledger()
    before = cloud.allowed_iam_roles(cluster_id)
    listed = list(before.role_arns)
    name = f"{role_arn} of cluster {cluster_id}"
    if role_arn in before and before.ready:
        return Change("none", ChangeSubject.ALLOWED_PRINCIPAL, name, before=listed, after=listed)
    after = listed if role_arn in before else [*listed, role_arn]
    change = Change(
        "create",
        ChangeSubject.ALLOWED_PRINCIPAL,
        name,
        before=listed,
        after=after,
        calls=("POST allowedIamRoles",),
    )
    if not apply:
        return change
    if role_arn in before:
        # Listed, and not applied yet: by a run of ours that was stopped, or by somebody else.
        cloud.add_allowed_role(cluster_id, role_arn, progress=progress)
        return Change("none", ChangeSubject.ALLOWED_PRINCIPAL, name, before=listed, after=listed)
    facts = {"id": role_id} if role_id else {}
    unmark = record() if record is not None else None
    ledger.intend(change, **facts)
    made = cloud.add_allowed_role(cluster_id, role_arn, progress=progress)
    if not made.changed:
        ledger.abandoned(change)
        if unmark is not None:
            unmark()
        return Change(
            "none",
            ChangeSubject.ALLOWED_PRINCIPAL,
            name,
            before=listed,
            after=list(made.after.role_arns),
        )
    ledger.done(change, **facts)
    return change.done()
