"""Tear down: take back what this runbook made for a target, and nothing else.

Ours is what carries its own id in the runbook's tag, or what a ledger says was created with that
id. What somebody else or another target uses now is kept and named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rwlib.aws import (
    Aws,
    attached_policies,
    inline_policy_names,
    policy_users,
    policy_versions,
    read_policy,
    read_role,
)
from rwlib.steps.changes import Ledger
from rwlib.steps.left_over import left_over_policies
from rwlib.steps.ownership import is_ours
from rwlib.steps.teardown.earlier import name_former_roles
from rwlib.steps.teardown.policy import detach, take_back_policy
from rwlib.steps.teardown.principals import take_back_principal, take_back_stale
from rwlib.steps.teardown.role import take_back_role
from rwlib.steps.teardown.statements import take_back_sql
from rwlib.steps.teardown.work import TearDown, Work
from rwlib.target import Target
from rwlib.waiting import rest

if TYPE_CHECKING:
    from rwlib.cloud import Cloud
    from rwlib.steps.step5_sql import Connection


def tear_down(
    aws: Aws,
    target: Target,
    *,
    runs_dir: Path = Path("runs"),
    ledger: Ledger | None = None,
    apply: bool = False,
    cloud: Cloud | None = None,
    connect: Callable[[], Connection] | None = None,
    drop_sql: bool = False,
    stale_principals: bool = False,
    sleep: Callable[[float], None] = rest,
) -> TearDown:
    """Take back what this runbook made for the target; previews without ``apply``.

    A role that this runbook made is deleted unless others use it; an adopted role gets the trust
    policy that its other statements say. The policy is deleted unless something else uses it.
    All is looked at before anything is written, and what is written is in an order that lets a
    run that was refused or stopped be repeated.

    Parameters
    ----------
    connect
        Opens the way to RisingWave, for ``drop_sql``.
    drop_sql
        Drop the sinks, sources, connections and secrets that runs for this target made.
    stale_principals
        Remove the entries of the cluster's Allowed Principals whose role does not exist.
    """
    ledger = ledger or Ledger()
    known = replace(ledger, places=(*ledger.places, runs_dir), entries=ledger.entries)
    work = Work(aws, target, known, apply, sleep)
    policy_arn = target.policy_arn_in(aws.account_id)
    aws.forget(policy_arn)
    aws.forget(f"role {target.role_name}")
    policy = read_policy(aws, policy_arn)
    role = read_role(aws, target.role_name)
    ours = policy is not None and is_ours(policy, known, target.tags)
    if role is not None:
        attached_policies(aws, target.role_name)
        inline_policy_names(aws, target.role_name)
    if policy is not None and ours:
        policy_versions(aws, policy_arn)
        list(policy_users(aws, policy_arn))
    earlier = left_over_policies(aws, target, known) if role is not None else []
    name_former_roles(work)
    take_back_sql(work, connect, drop_sql)
    unlisted = take_back_principal(work, cloud, role)
    if cloud is not None:
        take_back_stale(work, cloud, stale_principals)
    if role is not None:
        for each in earlier:
            detach(work, target.role_name, each)
        gone = {each["Arn"] for each in earlier}
        take_back_role(work, role, policy, ours, gone=gone, unlisted=unlisted)
    for each in earlier:
        take_back_policy(work, each)
    if policy is not None:
        take_back_policy(work, policy)
    return work.result
