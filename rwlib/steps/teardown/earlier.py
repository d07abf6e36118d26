"""Take away what earlier runs for a target made and it does not ask for any more."""

from __future__ import annotations

import time
from collections.abc import Callable

from rwlib.aws import Aws, read_role
from rwlib.steps.changes import Change, Ledger
from rwlib.steps.left_over import left_over_policies
from rwlib.steps.teardown.policy import detach, take_back_policy
from rwlib.steps.teardown.work import Work
from rwlib.target import Target


def remove_left_over(
    aws: Aws,
    target: Target,
    *,
    ledger: Ledger | None = None,
    apply: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[list[Change], list[str]]:
    """Detach and delete the policies that only this target claims and does not ask for.

    Returns
    -------
    tuple
        The changes, and sentences about what is kept because others use it.
    """
    work = Work(aws, target, ledger or Ledger(), apply, sleep)
    if read_role(aws, target.role_name) is None:
        return [], []
    for policy in left_over_policies(aws, target, ledger):
        detach(work, target.role_name, policy)
        take_back_policy(work, policy)
    return work.result.changes, work.result.kept
