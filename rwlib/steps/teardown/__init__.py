"""Tear down: take back what this runbook made for a target, and nothing else.

Ours is what carries the runbook's tag, what has its Sid, and what a run's ledger says was
created. What somebody else uses now is kept and named.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rwlib.aws import Aws, read_policy, read_role
from rwlib.steps.changes import Change, Ledger
from rwlib.steps.ownership import is_ours
from rwlib.steps.teardown.policy import take_back_policy
from rwlib.steps.teardown.role import take_back_role
from rwlib.steps.teardown.work import TearDown, Work
from rwlib.target import Target

if TYPE_CHECKING:
    from rwlib.cloud import Cloud


def tear_down(
    aws: Aws,
    target: Target,
    *,
    runs_dir: Path = Path("runs"),
    ledger: Ledger | None = None,
    apply: bool = False,
    cloud: Cloud | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> TearDown:
    """Take back what this runbook made for the target; previews without ``apply``.

    A role that this runbook made is deleted unless others use it; an adopted role gets the trust
    policy that its other statements say. The policy is deleted unless something else uses it.
    Safe to run again, from wherever it was stopped.
    """
    work = Work(aws, target, runs_dir, ledger or Ledger(), apply, sleep)
    policy_arn = target.policy_arn_in(aws.account_id)
    policy = read_policy(aws, policy_arn)
    ours = policy is not None and (is_ours(policy) or work.created_here(policy_arn, tagged=True))
    role = read_role(aws, target.role_name)
    role_arn = role["Arn"] if role else target.role_arn_in(aws.account_id)
    _allowed_principal(work, cloud, role_arn)
    if role is not None:
        take_back_role(work, role, policy_arn, ours)
    if policy is not None:
        take_back_policy(work, policy, policy_arn, ours)
    return work.result


def _allowed_principal(work: Work, cloud: Cloud | None, role_arn: str) -> None:
    """Take the role off the cluster's list, when a run of ours put it there."""
    cluster_id = work.target.cluster_id
    if cloud is None:
        work.result.kept.append(
            f"the entry {role_arn} in the cluster's Allowed Principals, if somebody made it: "
            "remove it in RisingWave Cloud's console"
        )
        return
    listed = cloud.allowed_iam_roles(cluster_id)
    if role_arn not in listed:
        return
    name = f"{role_arn} of cluster {cluster_id}"
    if not work.created_here(name):
        work.result.kept.append(f"allowed principal {name}: it was not added by this runbook")
        return
    change = Change(
        "delete",
        "allowed principal",
        name,
        before=list(listed.role_arns),
        calls=("DELETE allowedIamRoles",),
    )
    if work.apply:
        work.ledger.intend(change)
        cloud.remove_allowed_role(cluster_id, role_arn)
        work.ledger.done(change)
        change = change.done()
    work.result.changes.append(change)
