"""Steps 1-5 and the verification for one target, in one place for notebooks and command line.

`Runbook.start` opens the session, `Runbook.look` finds out what is there, `Runbook.preview` says
what a step would change, `Runbook.run_step` changes it when the target says ``apply``,
`Runbook.verify` gives the verdict and `Runbook.finish` writes the report.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rwlib.aws import Aws, BucketFacts, open_session, read_role
from rwlib.errors import CheckFailedError, InputError, RunbookError
from rwlib.runbook import criteria
from rwlib.runbook.approval import require_approved
from rwlib.runbook.looking import further_checks, judge, read_ahead, read_bucket, with_changes
from rwlib.runbook.run import counting, role_lock
from rwlib.runbook.step_runs import run_step
from rwlib.runbook.taking_back import take_back
from rwlib.runs import new_run_dir, runs_folders
from rwlib.steps import STEPS, Ledger, Step, fetch_workload_identity, policy_document
from rwlib.target import Target, target_from_parameters
from rwlib.verify import Check, ExcessGrant, Situation, Verdict, read_situation

if TYPE_CHECKING:
    from rwlib.cloud import Cloud, CloudMetadata
    from rwlib.sql import ConnectorSql
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
    stopped
        Why the plan was not written, in one sentence; empty where nothing stopped it.
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
    sql: list[ConnectorSql] = field(default_factory=list)
    call_counts: dict[str, dict[str, int]] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    situation: Situation | None = None
    tolerant: bool = False
    refused: dict[int, RunbookError] = field(default_factory=dict)
    stopped: str = ""
    _plan_stands: bool = False
    _role_arn: str = ""
    _plan_problem: str | None = None
    _bucket: BucketFacts | None = None
    _risingwave: Connection | None = None
    _policy_document: dict[str, Any] | None = None

    @classmethod
    def start(
        cls,
        parameters: Mapping[str, Any],
        *,
        run_dir: Path | str | None = None,
        tolerant: bool = False,
    ) -> Runbook:
        """Open a runbook from a notebook's parameters (its ``globals()``), or a target's values.

        Parameters
        ----------
        tolerant
            Go on also where RisingWave Cloud does not answer, as long as the Workload Identity is
            given: what stands in AWS can be read without it.

        Raises
        ------
        InputError
            A parameter cannot be used.
        CredentialsError
            AWS refuses the credentials.
        """
        target = target_from_parameters(parameters)
        aws = open_session(target)
        book = cls(target, aws, tolerant=tolerant)
        with counting(book, "who is asking"):
            _ = aws.caller_identity
        if target.cluster_id:
            from rwlib.cloud import Cloud

            book.cloud = Cloud.from_environment()
        try:
            found = fetch_workload_identity(book.cloud, target)
        except RunbookError as error:
            about_identity = isinstance(error, InputError) and error.field != "cluster_id"
            if not tolerant or about_identity or not target.workload_identity_arn:
                raise
            found = target.workload_identity_arn, None
        book.workload_identity_arn, book.cloud_metadata = found
        given = run_dir or os.environ.get("RWLIB_RUN_DIR", "")
        book.run_dir = (Path(given) if given else new_run_dir(target.name, make=False)).resolve()
        return book

    @property
    def ledger(self) -> Ledger:
        """The record of what this run creates or replaces."""
        path = self.run_dir / "ledger.jsonl" if self.run_dir else None
        return Ledger(path, places=runs_folders(self.run_dir), target=self.target.name)

    @property
    def role_arn(self) -> str:
        """ARN of the role, as AWS has it or as it is going to be."""
        if self.situation is not None:
            return self.situation.role_arn
        return self._role_arn or self.target.role_arn_in(self.aws.account_id)

    @property
    def bucket(self) -> BucketFacts:
        """What AWS says about the bucket; read once.

        Raises
        ------
        InputError
            The bucket does not exist, is in another account or in another region.
        """
        if self._bucket is None:
            self._bucket = read_bucket(self.aws, self.target)
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
        with counting(self, "look"):
            read_ahead(self.aws, self.target)
            _ = self.bucket
            now = read_situation(self.aws, self.target, self.bucket)
        self._role_arn = now.role_arn  # a role that is adopted keeps its path
        for number in STEPS:
            self.preview(number)
        with counting(self, "look"):
            planned = with_changes(self.aws, self.target, now, self.steps.values())
        self.situation = planned
        if self.target.apply:
            require_approved(self.steps.values(), planned, self.role_arn, self.run_dir)
        self._judge(planned)
        self._plan_problem = criteria.plan_problem(self.target, self.grants, self.checks)
        return planned

    def preview(self, number: int) -> Step:
        """Say what a step would change; writes nothing."""
        self.refused.pop(number, None)
        with counting(self, f"step {number}"):
            try:
                return run_step(self, number, apply=False)
            except RunbookError as error:
                if not self.tolerant:
                    raise
                self.refused[number] = error
                self.steps[number].changes.clear()
                return self.steps[number]

    def run_step(self, number: int) -> Step:
        """Change what the step changes when the target says ``apply``, else preview it.

        Raises
        ------
        CheckFailedError
            The plan would let somebody reach what the connectors don't need; nothing was written.
        """
        if self.target.apply and number < 5:
            self.require_plan()
        with counting(self, f"step {number}"):
            return run_step(self, number, apply=self.target.apply)

    @property
    def plan_problem(self) -> str:
        """Why the plan that was looked at last must not be written; empty when it may be.

        What stands there may grant more than that: the plan may be what mends it.
        """
        return self._plan_problem or ""

    def require_plan(self) -> None:
        """Stop before the first write where the planned state grants more than was asked for.

        Only what reaches outside the target's prefix, bucket and key stops, or a reach that could
        not be decided, and only where ``accept_findings`` does not name it. The report says what
        was found. Taking back is never stopped.

        Raises
        ------
        CheckFailedError
            Names the first such grant and how to accept it; nothing was written.
        """
        if self._plan_stands:
            return
        if self._plan_problem is None:
            self.look()
        self.stopped = self.plan_problem
        if self.stopped:
            self.finish()
            raise CheckFailedError(f"nothing was written: {self.stopped}")
        self._plan_stands = True

    @property
    def risingwave(self) -> Connection:
        """Where SQL is run; connected once."""
        if self._risingwave is None:
            from rwlib.steps import open_connection

            self._risingwave = open_connection(self.cloud, self.target.cluster_id)
        return self._risingwave

    def verify(self) -> list[Check]:
        """Judge every hop from what AWS shows now; without ``apply``, from the plan."""
        with counting(self, "verify"):
            if self.target.apply or self.situation is None:
                read_ahead(self.aws, self.target, role_is_there=self.target.apply)
                self.situation = read_situation(self.aws, self.target, self.bucket)
            return self._verdict(self.situation)

    def verify_live(self) -> list[Check]:
        """Judge what AWS shows now, without a preview before it; writes nothing.

        Raises
        ------
        InputError
            The bucket does not exist, is in another account or in another region.
        """
        with counting(self, "verify"):
            read_ahead(self.aws, self.target)
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
        criteria.require_way_to_risingwave(self.cloud)
        if self.situation.trust_policy is None and not self.situation.why_unknown("role"):
            raise criteria.no_role(self.target.role_name)
        self.checks = [each for each in self.checks if not each.id.startswith("live_")]
        self.checks += check_live(self.risingwave, self.target, self.situation, ledger=self.ledger)
        return self.checks

    def _verdict(self, situation: Situation) -> list[Check]:
        self._judge(situation)
        self.checks += further_checks(self, situation)
        return self.checks

    def run_sql(self) -> list[Check]:
        """Run the SQL of Step 5 for a role that is set up, and judge every hop.

        Raises
        ------
        InputError
            The role does not exist, or a statement needs something filled in.
        """
        if read_role(self.aws, self.target.role_name) is None:
            raise criteria.no_role(self.target.role_name)
        with counting(self, "verify"):
            self.situation = read_situation(self.aws, self.target, self.bucket)
            self._judge(self.situation)
        self.run_step(5)
        with counting(self, "verify"):
            self.checks += further_checks(self, self.situation)
        return self.checks

    def _judge(self, situation: Situation) -> None:
        self.checks, self.verdicts, self.grants = judge(self, situation)

    def tear_down(self, *, drop_sql: bool = False, stale_principals: bool = False) -> TearDown:
        """Take back what was made for this target when it says ``apply``, else preview that.

        Parameters
        ----------
        drop_sql
            Drop what runs for this target made in RisingWave.
        stale_principals
            Remove the cluster's Allowed Principals whose role does not exist.
        """
        with counting(self, "tear down"), role_lock(self, self.target.apply):
            return take_back(
                self, self.run_dir, drop_sql=drop_sql, stale_principals=stale_principals
            )

    @property
    def exit_code(self) -> int:
        """0 done and verified, 1 a check failed, 3 a person must act."""
        live = self.situation is not None and not self.situation.planned
        return 1 if self.stopped else criteria.exit_code_of(self.checks, live=live)

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
        criteria.require_passed(self.checks)

    def require_checks(self, *ids: str) -> list[Check]:
        """Return the named checks; raise when one of them failed.

        Raises
        ------
        CheckFailedError
            Names the first failing check and its fix.
        """
        criteria.require_passed(chosen := [each for each in self.checks if each.id in ids])
        return chosen

    def require_torn_down(self, left: TearDown) -> None:
        """Raise when the target says ``apply`` and something of ours is left.

        Raises
        ------
        CheckFailedError
            Names what is left.
        """
        if self.target.apply:
            criteria.require_nothing_left(left)
