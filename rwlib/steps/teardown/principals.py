"""Take the role off the cluster's Allowed Principals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rwlib.aws import read_role
from rwlib.steps.changes import Change, ChangeSubject
from rwlib.steps.ownership import claim_key, claims_on, digest, id_of, principal_key, tags_of
from rwlib.steps.teardown.work import Work

if TYPE_CHECKING:
    from rwlib.cloud import AllowedRoles, Cloud


def take_back_principal(work: Work, cloud: Cloud | None, role: Mapping[str, Any] | None) -> bool:
    """Take the role off the list when a run of ours put it there and no other target needs it.

    Returns
    -------
    bool
        True when the list does not hold the role any more.
    """
    target = work.target
    arn = role["Arn"] if role else target.role_arn_in(work.aws.account_id)
    if cloud is None:
        work.keep(
            f"the entry {arn} in the cluster's Allowed Principals, if somebody made it: "
            "remove it in RisingWave Cloud's console"
        )
        return False
    listed = cloud.allowed_iam_roles(target.cluster_id)
    if arn not in listed:
        return True
    name = f"{arn} of cluster {target.cluster_id}"
    if not _put_there_by_us(work, role, name):
        work.keep(f"allowed principal {name}: it was not added by this runbook")
        return False

    def needed() -> str:
        # IAM shows what was written a moment late, so one look without a claim is not enough.
        for _ in range(2 if work.apply else 1):
            work.aws.forget(f"role {target.role_name}")
            found = read_role(work.aws, target.role_name)
            if found is not None and (why := _needed_by(work, found)):
                return why
        return ""

    if why := needed():
        work.keep(f"allowed principal {name}: {why}")
        return False
    _remove(work, cloud, arn, name, listed)
    return True


def _put_there_by_us(work: Work, role: Mapping[str, Any] | None, name: str) -> bool:
    if role is None:
        return work.created_here(name)
    if tags_of(role).get(principal_key(work.target.cluster_id)) == id_of(role):
        return True
    return work.created_here(name, id_of(role))


def _needed_by(work: Work, role: Mapping[str, Any]) -> str:
    claims = claims_on(role)
    mine = next((each for each in claims if each.key == claim_key(work.target.name)), None)
    workload = mine.workload if mine else ""
    if not workload and work.target.workload_identity_arn:
        workload = digest(work.target.workload_identity_arn)
    for claim in claims:
        if claim is not mine and (not workload or claim.workload == workload):
            return f"another target needs it ({claim.target})"
    return ""


def _remove(work: Work, cloud: Cloud, arn: str, name: str, listed: AllowedRoles) -> None:
    change = Change(
        "delete",
        ChangeSubject.ALLOWED_PRINCIPAL,
        name,
        before=list(listed.role_arns),
        calls=("DELETE allowedIamRoles",),
    )
    if work.apply:
        work.ledger.intend(change)
        cloud.remove_allowed_role(work.target.cluster_id, arn)
        work.ledger.done(change)
        change = change.done()
    work.result.changes.append(change)


def take_back_stale(work: Work, cloud: Cloud, wanted: bool) -> None:
    """Remove the entries whose role does not exist, when that is wanted; else name them."""
    cluster_id = work.target.cluster_id
    listed = cloud.allowed_iam_roles(cluster_id)
    taken = {each.name for each in work.result.changes}
    for arn in listed.role_arns:
        parts, name = arn.split(":"), f"{arn} of cluster {cluster_id}"
        if len(parts) < 6 or parts[4] != work.aws.account_id or name in taken:
            continue
        if not _is_gone(work, arn):
            continue
        if wanted:
            _remove(work, cloud, arn, name, listed)
        else:
            work.keep(
                f"allowed principal {name}: its role does not exist in AWS; --stale-principals "
                "removes it"
            )


def _is_gone(work: Work, arn: str) -> bool:
    """True when two looks in a row find no role of that ARN; one that is refused finds nothing."""
    role_name = arn.split("/")[-1]
    for _ in range(2):
        unknown: dict[str, str] = {}
        work.aws.forget(f"role {role_name}")
        found = read_role(work.aws, role_name, unknown)
        if unknown or (found is not None and found["Arn"] == arn):
            return False
    return True
