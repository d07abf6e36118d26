"""Steps 1-5 and the verification for one target, in one place for notebooks and command line.

`Runbook.start` opens the session, `Runbook.look` finds out what is there, `Runbook.preview` says
what a step would change, `Runbook.run_step` changes it when the target says ``apply``,
`Runbook.verify` gives the verdict and `Runbook.finish` writes the report.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rwlib.aws import (
    Aws,
    BucketFacts,
    describe_bucket,
    locate_bucket,
    open_session,
    read_role,
    with_key,
)
from rwlib.errors import (
    CheckFailedError,
    CredentialsError,
    InputError,
    RunbookError,
    ServiceError,
)
from rwlib.runbook.approval import require_approved
from rwlib.runs import new_run_dir, runs_folders
from rwlib.steps import (
    STEPS,
    Change,
    Ledger,
    Step,
    console_steps,
    ensure_allowed_principal,
    ensure_attached,
    ensure_policy,
    ensure_role,
    ensure_trust,
    fetch_workload_identity,
    mark_registered,
    policy_document,
    remove_left_over,
    remove_policy,
    trust_policy,
    wait_until_seen,
)
from rwlib.target import Target, target_from_parameters
from rwlib.verify import (
    Check,
    ExcessGrant,
    Situation,
    Verdict,
    ask_aws,
    check_grants,
    plan_situation,
    read_situation,
    unaccepted,
    verify,
    with_boundary,
    with_ways_out,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rwlib.cloud import Cloud, CloudMetadata
    from rwlib.steps import Connection, TearDown


@dataclass
class Runbook:
    """One target's way through the steps.

    Parameters
    ----------
    run_dir
        Folder of the evidence; None keeps nothing (previews outside a run).
    tolerant
        Go on looking where a step refuses to write; ``refused`` says which and why.
    """

    target: Target
    aws: Aws
    run_dir: Path | None = None
    cloud: Cloud | None = None
    workload_identity_arn: str = ""
    cloud_metadata: CloudMetadata | None = None
    steps: dict[int, Step] = field(
        default_factory=lambda: {number: Step(number, title) for number, title in STEPS.items()}
    )
    checks: list[Check] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    grants: tuple[ExcessGrant, ...] = ()
    sql: list[Any] = field(default_factory=list)
    call_counts: dict[str, dict[str, int]] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    situation: Situation | None = None
    tolerant: bool = False
    refused: dict[int, RunbookError] = field(default_factory=dict)
    _plan_stands: bool = False
    _bucket: BucketFacts | None = None
    _risingwave: Connection | None = None
    _policy_document: dict[str, Any] | None = None

    @classmethod
    def start(cls, parameters: Mapping[str, Any], *, run_dir: Path | str | None = None) -> Runbook:
        """Open a runbook from a notebook's parameters (its ``globals()``), or a target's values.

        Raises
        ------
        InputError
            A parameter cannot be used.
        CredentialsError
            AWS refuses the credentials.
        """
        target = target_from_parameters(parameters)
        aws = open_session(target)
        book = cls(target, aws)
        with book._counting("who is asking"):
            _ = aws.caller_identity
        if target.cluster_id:
            from rwlib.cloud import Cloud

            book.cloud = Cloud.from_environment()
        found = fetch_workload_identity(book.cloud, target)
        book.workload_identity_arn, book.cloud_metadata = found
        given = run_dir or os.environ.get("RWLIB_RUN_DIR", "")
        book.run_dir = (Path(given) if given else new_run_dir(target.name, make=False)).resolve()
        return book

    @property
    def ledger(self) -> Ledger:
        """The record of what this run creates or replaces."""
        path = self.run_dir / "ledger.jsonl" if self.run_dir else None
        return Ledger(path, places=self._places, target=self.target.name)

    @property
    def _places(self) -> tuple[Path, ...]:
        """The folders of runs whose ledgers are remembered."""
        return runs_folders(self.run_dir)

    @property
    def role_arn(self) -> str:
        """ARN of the role, as AWS has it or as it is going to be."""
        if self.situation is not None:
            return self.situation.role_arn
        return self.target.role_arn_in(self.aws.account_id)

    @property
    def bucket(self) -> BucketFacts:
        """What AWS says about the bucket; read once.

        Raises
        ------
        InputError
            The bucket does not exist, is in another account or in another region.
        """
        if self._bucket is None:
            located = locate_bucket(self.aws, self.target.bucket, self.target.region_name)
            facts = describe_bucket(self.aws, located)
            if self.target.kms_key_arn and self.target.kms_key_arn != facts.kms_key_arn:
                facts = with_key(self.aws, facts, self.target.kms_key_arn)
            self._bucket = facts
        return self._bucket

    @property
    def policy_document(self) -> dict[str, Any]:
        """The document that Step 1 wants."""
        if self._policy_document is None:
            self._policy_document = policy_document(
                self.target,
                account_id=self.aws.account_id,
                region_name=self.bucket.region_name,
                kms_key_arn=self.bucket.kms_key_arn,
            )
        return self._policy_document

    def look(self) -> Situation:
        """Find out what is there, preview every step and judge the plan; writes nothing.

        Raises
        ------
        RunbookError
            An input cannot be used, or something of somebody else's is in the way.
        """
        with self._counting("look"):
            _ = self.bucket
            now = read_situation(self.aws, self.target, self.bucket)
        for number in STEPS:
            self.preview(number)
        with self._counting("look"):
            planned = plan_situation(
                now, [change for step in self.steps.values() for change in step.changes]
            )
            if now.trust_policy is None and self.target.permissions_boundary_arn:
                arn = self.target.permissions_boundary_arn
                planned = with_boundary(self.aws, planned, arn)
        self.situation = planned
        if self.target.apply:
            require_approved(self.steps.values(), planned, self.role_arn, self.run_dir)
        self._judge(planned)
        return planned

    def preview(self, number: int) -> Step:
        """Say what a step would change; writes nothing."""
        self.refused.pop(number, None)
        with self._counting(f"step {number}"):
            try:
                return self._step(number, apply=False)
            except RunbookError as error:
                if not self.tolerant:
                    raise
                self.refused[number] = error
                self.steps[number].changes.clear()
                return self.steps[number]

    def refusal_of(self, number: int) -> RunbookError | None:
        """Return why a step would refuse to write, None when it would not; reads only.

        What AWS would not show says nothing about that: a step that cannot look does not refuse.
        """
        steps = {each: Step(each, title) for each, title in STEPS.items()}
        target = self.target.model_copy(update={"apply": False})
        trial = replace(self, target=target, steps=steps, tolerant=True, refused={})
        trial.preview(number)
        error = trial.refused.get(number)
        return None if isinstance(error, CredentialsError | ServiceError) else error

    def run_step(self, number: int) -> Step:
        """Change what the step changes when the target says ``apply``, else preview it.

        Raises
        ------
        CheckFailedError
            The plan would let somebody reach what the connectors don't need; nothing was written.
        """
        if self.target.apply and number < 5:
            self.require_plan()
        with self._counting(f"step {number}"):
            return self._step(number, apply=self.target.apply)

    @property
    def plan_problem(self) -> str:
        """Why what was judged last must not be written, in one sentence; empty when it may be."""
        blocking = unaccepted(self.target, self.grants)
        if not blocking:
            return ""
        more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
        return (
            f"the role would reach what its connectors don't need: {blocking[0].line}{more}; take "
            "the grant away, give this target a role_name of its own, or, if it is wanted, set "
            f"accept_findings: [{', '.join(each.id for each in blocking)}]"
        )

    def require_plan(self) -> None:
        """Stop before the first write where the planned state grants more than was asked for.

        Only what reaches outside the target's prefix, bucket and key stops, and only where
        ``accept_findings`` does not name it. The report says what was found. Taking back is
        never stopped.

        Raises
        ------
        CheckFailedError
            Names the first such grant and how to accept it; nothing was written.
        """
        if self._plan_stands:
            return
        if self.situation is None:
            self.look()
        if self.plan_problem:
            self.finish()
            raise CheckFailedError(f"nothing was written: {self.plan_problem}")
        self._plan_stands = True

    def _step(self, number: int, apply: bool) -> Step:
        step = self.steps[number]
        try:
            _STEP_FUNCTIONS[number](self, step, apply)
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

    def _step_1(self, step: Step, apply: bool) -> None:
        change = ensure_policy(
            self.aws,
            self.target.policy_name,
            self.policy_document,
            tags=self.target.tags,
            owner=self.target.name,
            used_by=self.target.role_name,
            ledger=self.ledger,
            apply=apply,
        )
        step.record(change)

    def _step_2(self, step: Step, apply: bool) -> None:
        target = self.target
        with self._role_lock(apply):
            try:
                role = ensure_role(
                    self.aws,
                    target.role_name,
                    trust_policy(self.workload_identity_arn, target.connectors),
                    path=target.role_path,
                    permissions_boundary_arn=target.permissions_boundary_arn,
                    max_session_duration=target.max_session_duration,
                    tags=target.tags,
                    owner=target.name,
                    ledger=self.ledger,
                    apply=apply,
                )
            except InputError:
                self._take_back_policy()
                raise
            step.record(role)
            policy_arn = target.policy_arn_in(self.aws.account_id)
            attachment = ensure_attached(
                self.aws,
                target.role_name,
                policy_arn,
                document=self.policy_document,
                tags=target.tags,
                ledger=self.ledger,
                apply=apply,
            )
            step.record(attachment)
            # Last, so that RisingWave always has what it needs.
            changes, kept = remove_left_over(self.aws, target, ledger=self.ledger, apply=apply)
            for change in changes:
                step.record(change)
            step.instructions += [each for each in kept if each not in step.instructions]
        if role.applied or attachment.applied:
            wait_until_seen(self.aws, target.role_name, policy_arn)

    def _take_back_policy(self) -> None:
        """Delete the policy that this run made: AWS found a bad input only at the role."""
        made = [each for each in self.steps[1].changes if each.applied and each.action == "create"]
        for change in made:
            remove_policy(self.aws, change.name, self.ledger)

    def _step_3(self, step: Step, apply: bool) -> None:
        if read_role(self.aws, self.target.role_name) is None:
            wanted = trust_policy(self.workload_identity_arn, self.target.connectors)
            note = "the role is created with this trust policy in Step 2"
            change = Change("none", "trust policy", self.role_arn, after=wanted, notes=(note,))
        else:
            with self._role_lock(apply):
                change = ensure_trust(
                    self.aws,
                    self.target.role_name,
                    self.workload_identity_arn,
                    self.target.connectors,
                    owner=self.target.name,
                    region_name=self.bucket.region_name,
                    ledger=self.ledger,
                    apply=apply,
                )
        step.record(change)

    def _step_4(self, step: Step, apply: bool) -> None:
        if self.cloud is None:
            step.instructions = console_steps(
                self.target, self.role_arn, self.workload_identity_arn
            )
            step.status = "manual"
            return
        role = read_role(self.aws, self.target.role_name)
        mark = mark_registered(self.aws, role, self.target.cluster_id) if role else None
        change = ensure_allowed_principal(
            self.cloud,
            self.target.cluster_id,
            self.role_arn,
            role_id=role["RoleId"] if role else "",
            record=mark,
            ledger=self.ledger,
            apply=apply,
        )
        step.record(change)

    def _step_5(self, step: Step, apply: bool) -> None:
        from rwlib.sql import statements_for

        self.sql = statements_for(
            self.target,
            self.role_arn,
            self.bucket.region_name,
            version=self.risingwave_version,
        )
        step.status = "done"
        if not self.target.run_sql:
            return
        from rwlib.steps import run_statements

        changes = run_statements(self.risingwave, self.sql, ledger=self.ledger, apply=apply)
        for change in changes:
            step.record(change)
        if not any(change.writes and not change.applied for change in step.changes):
            return
        step.status = "failed" if apply else "previewed"

    @property
    def risingwave_version(self) -> str | None:
        """The cluster's own version of RisingWave; None where nothing says it.

        The management API's ``imageTag``, or ``version()`` where the SQL is to be run.
        """
        from rwlib.sql import known_version
        from rwlib.steps import asked_version

        try:
            text = ""
            if self.cloud is not None and self.target.cluster_id:
                text = self.cloud.cluster(self.target.cluster_id).image_tag
            if not text and self.target.run_sql:
                text = asked_version(self.risingwave)
            return known_version(text) if text else None
        except RunbookError:
            return None  # whoever needs the connection says what is wrong with it

    @property
    def risingwave(self) -> Connection:
        """Where SQL is run; connected once."""
        if self._risingwave is None:
            from rwlib.steps import open_connection

            self._risingwave = open_connection(self.cloud, self.target.cluster_id)
        return self._risingwave

    def verify(self) -> list[Check]:
        """Judge every hop from what AWS shows now; a preview judges the plan.

        Without ``apply``, nothing was written and the verdict is about the plan.
        """
        with self._counting("verify"):
            if self.target.apply or self.situation is None:
                self.situation = read_situation(self.aws, self.target, self.bucket)
            return self._verdict(self.situation)

    def verify_live(self) -> list[Check]:
        """Judge what AWS shows now, without a preview before it; writes nothing.

        Raises
        ------
        InputError
            The bucket does not exist, is in another account or in another region.
        """
        with self._counting("verify"):
            self.situation = read_situation(self.aws, self.target, self.bucket)
            self.preview(5)
            return self._verdict(self.situation)

    def verify_by_risingwave(self) -> list[Check]:
        """Let RisingWave itself assume the role and list, beside the verdict of every hop.

        A temporary source does it, and is dropped whatever happens. Nothing is written in AWS.

        Raises
        ------
        CredentialsError
            There is no way to RisingWave.
        """
        from rwlib.verify import check_live

        if self.situation is None or self.situation.planned:
            self.verify_live()
        assert self.situation is not None
        if self.cloud is None and not os.environ.get("RW_DSN", "").strip():
            raise CredentialsError(
                "--live: there is no way to RisingWave; set RW_DSN, or cluster_id with "
                "RWC_API_KEY and RWC_API_SECRET"
            )
        if self.situation.trust_policy is None and not self.situation.why_unknown("role"):
            raise InputError(
                "role_name", self.target.role_name, "does not exist; run Steps 1-4 first"
            )
        self.checks = [each for each in self.checks if not each.id.startswith("live_")]
        self.checks += check_live(self.risingwave, self.target, self.situation, ledger=self.ledger)
        return self.checks

    def _verdict(self, situation: Situation) -> list[Check]:
        self._judge(situation)
        self._ask_aws(situation)
        return self.checks

    def run_sql(self) -> list[Check]:
        """Run the SQL of Step 5 for a role that is set up, and judge every hop.

        Raises
        ------
        InputError
            The role does not exist, or a statement needs something filled in.
        """
        if read_role(self.aws, self.target.role_name) is None:
            raise InputError(
                "role_name", self.target.role_name, "does not exist; run Steps 1-4 first"
            )
        with self._counting("verify"):
            self.situation = read_situation(self.aws, self.target, self.bucket)
            self._judge(self.situation)
        self.run_step(5)
        with self._counting("verify"):
            self._ask_aws(self.situation)
        return self.checks

    def _judge(self, situation: Situation) -> None:
        self.checks, self.verdicts = verify(
            self.aws,
            self.target,
            situation,
            self.policy_document,
            workload_identity_arn=self.workload_identity_arn,
            cloud=self.cloud,
            egress_ips=self.cloud_metadata.egress_ips if self.cloud_metadata else (),
        )
        check, self.grants = check_grants(self.target, situation, self.workload_identity_arn)
        after = next(
            (index for index, each in enumerate(self.checks, 1) if each.id == "requests_refused"),
            len(self.checks),
        )
        self.checks.insert(after, check)
        self.checks = with_ways_out(
            self.checks,
            self.target,
            situation,
            self.workload_identity_arn,
            self.refusal_of,
        )

    def _ask_aws(self, situation: Situation) -> None:
        self.checks += ask_aws(
            self.aws, self.target, situation, self.policy_document, self.verdicts, self.sql
        )
        if self.target.run_sql and not situation.planned:
            from rwlib.verify import check_execution

            self.checks += check_execution(
                self.aws,
                self.risingwave,
                self.target,
                self.sql,
                self.steps[5].changes,
                known=self.checks,
            )

    def tear_down(self, *, drop_sql: bool = False, stale_principals: bool = False) -> TearDown:
        """Take back what was made for this target when it says ``apply``, else preview that.

        Parameters
        ----------
        drop_sql
            Drop what runs for this target made in RisingWave.
        stale_principals
            Remove the cluster's Allowed Principals whose role does not exist.
        """
        from rwlib.steps import tear_down

        target = self.target
        if not target.workload_identity_arn:
            found = {"workload_identity_arn": self.workload_identity_arn}
            target = target.model_copy(update=found)
        runs_dir = self.run_dir.parent if self.run_dir else Path("runs")
        with self._counting("tear down"), self._role_lock(self.target.apply):
            return tear_down(
                self.aws,
                target,
                runs_dir=runs_dir,
                ledger=self.ledger,
                apply=target.apply,
                cloud=self.cloud,
                connect=lambda: self.risingwave,
                drop_sql=drop_sql,
                stale_principals=stale_principals,
            )

    @property
    def exit_code(self) -> int:
        """0 done and verified, 1 a check failed, 3 a person must act."""
        if any(check.status == "fail" for check in self.checks):
            return 1
        waiting = [check for check in self.checks if check.status == "manual" and check.fix]
        live = self.situation is not None and not self.situation.planned
        return 3 if waiting and live else 0

    def finish(self) -> dict[str, Any]:
        """Write ``report.json`` and ``report.html`` into the run's folder and return the report."""
        from rwlib.report import write_report
        from rwlib.runbook.report_values import build_report

        report = build_report(self)
        if self.run_dir is not None:
            write_report(report, self.run_dir)
        return report

    def require(self) -> None:
        """Raise when a check failed: the pass criterion of a headless run.

        Raises
        ------
        CheckFailedError
            Names the first failing check and its fix.
        """
        failed = [check for check in self.checks if check.status == "fail"]
        if failed:
            first = failed[0]
            evidence = first.evidence[0] if first.evidence else ""
            raise CheckFailedError(
                f"{len(failed)} of {len(self.checks)} checks failed. First: {first.title}: "
                f"{evidence}. Fix: {first.fix}"
            )

    def require_checks(self, *ids: str) -> list[Check]:
        """Return the named checks; raise when one of them failed.

        Raises
        ------
        CheckFailedError
            Names the first failing check and its fix.
        """
        chosen = [check for check in self.checks if check.id in ids]
        self.checks, everything = chosen, self.checks
        try:
            self.require()
        finally:
            self.checks = everything
        return chosen

    def require_torn_down(self, left: TearDown) -> None:
        """Raise when the target says ``apply`` and something of ours is left.

        Raises
        ------
        CheckFailedError
            Names what is left.
        """
        there = [*(each.name for each in left.changes), *left.left]
        if self.target.apply and there:
            raise CheckFailedError(f"still there: {there[0]}; look at it, then run it again")

    @contextmanager
    def _counting(self, phase: str) -> Iterator[None]:
        before = len(self.aws.calls)
        try:
            yield
        finally:
            counts = self.call_counts.setdefault(phase, {"reads": 0, "writes": 0})
            for call in self.aws.calls[before:]:
                counts["writes" if call.writes else "reads"] += 1

    @contextmanager
    def _role_lock(self, apply: bool) -> Iterator[None]:
        """Keep two runs on this machine from writing one role at the same time."""
        if not apply:
            yield
            return
        from rwlib.runs import exclusive

        with exclusive(f"{self.aws.account_id}-{self.target.role_name}"):
            yield


_STEP_FUNCTIONS: dict[int, Callable[[Runbook, Step, bool], None]] = {
    1: Runbook._step_1,
    2: Runbook._step_2,
    3: Runbook._step_3,
    4: Runbook._step_4,
    5: Runbook._step_5,
}
