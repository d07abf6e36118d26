"""What a run reads and judges: the bucket, the planned situation, every hop."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from rwlib.aws import (
    Aws,
    BucketFacts,
    attached_call,
    describe_bucket,
    first_reads,
    inline_names_call,
    locate_bucket,
    policy_versions,
    with_key,
)
from rwlib.errors import CheckFailedError, CredentialsError, RunbookError, ServiceError
from rwlib.runbook.criteria import plan_problem
from rwlib.runbook.step_runs import run_step
from rwlib.steps import STEPS, Step
from rwlib.verify import (
    Situation,
    ask_aws,
    judge_reach,
    plan_situation,
    verify,
    with_boundary,
    with_ways_out,
)

if TYPE_CHECKING:
    from rwlib.runbook.run import Run
    from rwlib.target import Target
    from rwlib.verify import Check, Judgement


STEPS_OF_PLAN = (1, 2, 3, 4)
"""The steps that write in AWS, or let the role in."""


def read_ahead(aws: Aws, target: Target, *, role_is_there: bool = False) -> None:
    """Read at once what does not depend on each other and is read in any case."""
    calls = first_reads(target, aws.account_id)
    if role_is_there:
        calls += [attached_call(target.role_name), inline_names_call(target.role_name)]
    aws.read_ahead(*calls)


def read_bucket(aws: Aws, target: Target) -> BucketFacts:
    """Return what AWS says about the bucket, and about the key that the target names.

    Raises
    ------
    InputError
        The bucket does not exist, is in another account or in another region.
    """
    located = locate_bucket(aws, target.bucket, target.region_name)
    facts = describe_bucket(aws, located)
    if target.kms_key_arn and target.kms_key_arn != facts.kms_key_arn:
        return with_key(aws, facts, target.kms_key_arn)
    return facts


def with_changes(aws: Aws, target: Target, now: Situation, steps: Iterable[Step]) -> Situation:
    """Lay the previewed changes over what AWS shows, and the boundary that a new role gets."""
    planned = plan_situation(now, [change for step in steps for change in step.changes])
    if now.trust_policy is None and target.permissions_boundary_arn:
        return with_boundary(aws, planned, target.permissions_boundary_arn)
    return planned


def judge(run: Run, situation: Situation) -> Judgement:
    """Judge every hop and every request of a situation; no check names a step that refuses."""
    verdict = verify(
        run.aws,
        run.target,
        situation,
        run.policy_document,
        workload_identity_arn=run.workload_identity_arn,
        cloud=run.cloud,
        egress_ips=run.cloud_metadata.egress_ips if run.cloud_metadata else (),
    )
    excess = plan_problem(run.target, verdict.grants, verdict.checks)

    def refusal(number: int) -> RunbookError | None:
        own = refusal_of(run, number)
        if own is not None or not excess or number not in STEPS_OF_PLAN:
            return own
        stopped = excess if situation.planned else problem_of_plan(run, situation)
        return CheckFailedError(stopped) if stopped else None

    checks = with_ways_out(
        verdict.checks,
        run.target,
        situation,
        run.workload_identity_arn,
        refusal,
        lambda arn: _versions(run.aws, arn),
    )
    return verdict._replace(checks=checks)


def problem_of_plan(run: Run, now: Situation) -> str:
    """Say why the plan would not be written, in one sentence; empty where it would be.

    What stands there may grant too much, and the plan mend just that.
    """
    steps = []
    for number in STEPS_OF_PLAN:
        with suppress(RunbookError):  # a step that refuses changes nothing
            steps.append(run_step(_trial(run), number, apply=False))
    planned = with_changes(run.aws, run.target, now, steps)
    check, grants, _ = judge_reach(run.target, planned, run.workload_identity_arn)
    return plan_problem(run.target, grants, [check])


def _versions(aws: Aws, arn: str) -> list[dict[str, Any]]:
    """Return the versions of a policy, none where they may not be read."""
    with suppress(RunbookError):
        return policy_versions(aws, arn)
    return []


def refusal_of(run: Run, number: int) -> RunbookError | None:
    """Return why a step would refuse to write, None when it would not; reads only.

    What AWS would not show says nothing about that: a step that cannot look does not refuse.
    """
    try:
        run_step(_trial(run), number, apply=False)
    except (CredentialsError, ServiceError):
        return None
    except RunbookError as error:
        return error
    return None


def _trial(run: Run) -> Run:
    """Return a run of the same target that writes nothing and keeps its own notes."""
    trial: Run = replace(
        cast("Any", run),
        target=run.target.model_copy(update={"apply": False}),
        steps={each: Step(each, title) for each, title in STEPS.items()},
    )
    return trial


def further_checks(run: Run, situation: Situation) -> list[Check]:
    """Return what AWS itself says beside the verdicts, and whether the SQL that was run works."""
    checks = ask_aws(run.aws, run.target, situation, run.policy_document, run.verdicts, run.sql)
    if not run.target.run_sql or situation.planned:
        return checks
    from rwlib.verify import check_execution

    changes = run.steps[5].changes
    known = [*run.checks, *checks]
    return checks + check_execution(
        run.aws, run.risingwave, run.target, run.sql, changes, known=known
    )
