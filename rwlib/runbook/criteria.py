"""What a run has to fulfil: its exit code, and the pass criteria that stop it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rwlib.errors import CheckFailedError, CredentialsError, InputError
from rwlib.verify import Check, ExcessGrant, unaccepted

if TYPE_CHECKING:
    from rwlib.cloud import Cloud
    from rwlib.steps import TearDown
    from rwlib.target import Target


def exit_code_of(checks: Sequence[Check], *, live: bool) -> int:
    """Return 0 for done and verified, 1 where a check failed, 3 where a person must act.

    Parameters
    ----------
    live
        What stands there was judged, and not a plan.
    """
    if any(check.status == "fail" for check in checks):
        return 1
    return 3 if live and any(check.needs_person for check in checks) else 0


def plan_problem(
    target: Target, grants: Sequence[ExcessGrant], checks: Sequence[Check] = ()
) -> str:
    """Say why what was judged last must not be written, in one sentence; empty when it may be."""
    blocking = unaccepted(target, grants)
    undecided = [each for each in checks if each.reason == "grants_not_decided"]
    if not blocking and undecided:
        return f"what the role would reach is not decided: {undecided[0].evidence[0]}; " + (
            undecided[0].fix
        )
    if not blocking:
        return ""
    more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
    return (
        f"the role would reach what its connectors don't need: {blocking[0].line}{more}; take "
        "the grant away, give this target a role_name of its own, or, if it is wanted, set "
        f"accept_findings: [{', '.join(each.id for each in blocking)}]"
    )


def require_passed(checks: Sequence[Check]) -> None:
    """Raise when a check failed: the pass criterion of a headless run.

    Raises
    ------
    CheckFailedError
        Names the first failing check and its fix.
    """
    failed = [check for check in checks if check.status == "fail"]
    if failed:
        first = failed[0]
        evidence = first.evidence[0] if first.evidence else ""
        raise CheckFailedError(
            f"{len(failed)} of {len(checks)} checks failed. First: {first.title}: "
            f"{evidence}. Fix: {first.fix}"
        )


def require_nothing_left(left: TearDown) -> None:
    """Raise when something of ours is still there.

    Raises
    ------
    CheckFailedError
        Names what is left.
    """
    there = [*(each.name for each in left.changes), *left.left]
    if there:
        raise CheckFailedError(f"still there: {there[0]}; look at it, then run it again")


def require_way_to_risingwave(cloud: Cloud | None) -> None:
    """Raise when neither the management API nor a connection string leads to RisingWave.

    Raises
    ------
    CredentialsError
        Says what to set.
    """
    if cloud is None and not os.environ.get("RW_DSN", "").strip():
        raise CredentialsError(
            "--live: there is no way to RisingWave; set RW_DSN, or cluster_id with "
            "RWC_API_KEY and RWC_API_SECRET"
        )


def no_role(role_name: str) -> InputError:
    """Return the error of what needs a role that is set up."""
    return InputError(
        "role_name", role_name, "does not exist; run Steps 1-4 first", reason="does_not_exist"
    )
