"""Each of the five steps, done or previewed for one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rwlib.aws import read_role
from rwlib.errors import InputError, RunbookError
from rwlib.runbook.run import role_lock
from rwlib.steps import (
    Change,
    ChangeSubject,
    Step,
    console_steps,
    ensure_allowed_principal,
    ensure_attached,
    ensure_policy,
    ensure_role,
    ensure_trust,
    mark_registered,
    remove_left_over,
    remove_policy,
    trust_policy,
    wait_until_seen,
)

if TYPE_CHECKING:
    from rwlib.runbook.run import Run


def run_step(run: Run, number: int, *, apply: bool) -> Step:
    """Do what a step does, or say what it would change, and note how far it has come.

    Raises
    ------
    RunbookError
        The step failed; its status says so.
    """
    step = run.steps[number]
    try:
        _STEPS[number](run, step, apply)
    except RunbookError:
        step.status = "failed"
        raise
    if step.status != "manual" and number < 5:
        writes = any(change.writes for change in step.changes)
        if any(change.applied for change in step.changes):
            step.status = "done"
        elif apply or not writes:
            step.status = "unchanged" if step.status != "done" else "done"
        else:
            step.status = "previewed"
    return step


def _policy(run: Run, step: Step, apply: bool) -> None:
    with role_lock(run, apply):
        change = ensure_policy(
            run.aws,
            run.target.policy_name,
            run.policy_document,
            tags=run.target.tags,
            owner=run.target.name,
            used_by=run.target.role_name,
            ledger=run.ledger,
            apply=apply,
        )
    step.record(change)


def _role(run: Run, step: Step, apply: bool) -> None:
    target = run.target
    with role_lock(run, apply):
        try:
            role = ensure_role(
                run.aws,
                target.role_name,
                trust_policy(run.workload_identity_arn, target.connectors),
                path=target.role_path,
                permissions_boundary_arn=target.permissions_boundary_arn,
                max_session_duration=target.max_session_duration,
                tags=target.tags,
                owner=target.name,
                ledger=run.ledger,
                apply=apply,
            )
        except InputError:
            _take_back_policy(run)
            raise
        step.record(role)
        policy_arn = target.policy_arn_in(run.aws.account_id)
        attachment = ensure_attached(
            run.aws,
            target.role_name,
            policy_arn,
            document=run.policy_document,
            tags=target.tags,
            ledger=run.ledger,
            apply=apply,
        )
        step.record(attachment)
        # Last, so that RisingWave always has what it needs.
        changes, kept = remove_left_over(run.aws, target, ledger=run.ledger, apply=apply)
        for change in changes:
            step.record(change)
        step.instructions = list(dict.fromkeys([*step.instructions, *kept]))
    if role.applied or attachment.applied:
        wait_until_seen(run.aws, target.role_name, policy_arn)


def _take_back_policy(run: Run) -> None:
    """Delete the policy that this run made: AWS found a bad input only at the role."""
    made = [each for each in run.steps[1].changes if each.applied and each.action == "create"]
    for change in made:
        remove_policy(run.aws, change.name, run.ledger)


def _trust(run: Run, step: Step, apply: bool) -> None:
    if read_role(run.aws, run.target.role_name) is None:
        wanted = trust_policy(run.workload_identity_arn, run.target.connectors)
        note = "the role is created with this trust policy in Step 2"
        change = Change(
            "none", ChangeSubject.TRUST_POLICY, run.role_arn, after=wanted, notes=(note,)
        )
    else:
        with role_lock(run, apply):
            change = ensure_trust(
                run.aws,
                run.target.role_name,
                run.workload_identity_arn,
                run.target.connectors,
                owner=run.target.name,
                region_name=run.bucket.region_name,
                ledger=run.ledger,
                apply=apply,
            )
    step.record(change)


def _allowed_principal(run: Run, step: Step, apply: bool) -> None:
    if run.cloud is None:
        step.instructions = console_steps(run.target, run.role_arn, run.workload_identity_arn)
        step.status = "manual"
        return
    role = read_role(run.aws, run.target.role_name)
    mark = mark_registered(run.aws, role, run.target.cluster_id) if role else None
    change = ensure_allowed_principal(
        run.cloud,
        run.target.cluster_id,
        run.role_arn,
        role_id=role["RoleId"] if role else "",
        record=mark,
        ledger=run.ledger,
        apply=apply,
    )
    step.record(change)


def _sql(run: Run, step: Step, apply: bool) -> None:
    from rwlib.sql import statements_for

    run.sql = statements_for(
        run.target,
        run.role_arn,
        run.bucket.region_name,
        version=risingwave_version(run),
    )
    if not run.target.run_sql:
        step.status = "manual"  # the SQL is written, and a person's to run
        return
    step.status = "done"
    from rwlib.steps import run_statements

    changes = run_statements(run.risingwave, run.sql, ledger=run.ledger, apply=apply)
    for change in changes:
        step.record(change)
    if not any(change.writes and not change.applied for change in step.changes):
        return
    step.status = "failed" if apply else "previewed"


def risingwave_version(run: Run) -> str | None:
    """Return the cluster's own version of RisingWave; None where nothing says it.

    The management API's ``imageTag``, or ``version()`` where the SQL is to be run.
    """
    from rwlib.sql import known_version
    from rwlib.steps import asked_version

    try:
        text = ""
        if run.cloud is not None and run.target.cluster_id:
            text = run.cloud.cluster(run.target.cluster_id).image_tag
        if not text and run.target.run_sql:
            text = asked_version(run.risingwave)
        return known_version(text) if text else None
    except RunbookError:
        return None  # whoever needs the connection says what is wrong with it


_STEPS: dict[int, Callable[[Run, Step, bool], None]] = {
    1: _policy,
    2: _role,
    3: _trust,
    4: _allowed_principal,
    5: _sql,
}
