"""A target's way through the steps, as those see it who do a part of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rwlib.aws import Aws, BucketFacts
    from rwlib.cloud import Cloud, CloudMetadata
    from rwlib.sql import ConnectorSql
    from rwlib.steps import Connection, Ledger, Step
    from rwlib.target import Target
    from rwlib.verify import Check, ExcessGrant, Verdict


class Run(Protocol):
    """What a run has read, made and judged so far."""

    target: Target
    aws: Aws
    cloud: Cloud | None
    started: datetime
    workload_identity_arn: str
    cloud_metadata: CloudMetadata | None
    steps: dict[int, Step]
    checks: list[Check]
    verdicts: list[Verdict]
    grants: tuple[ExcessGrant, ...]
    sql: list[ConnectorSql]
    call_counts: dict[str, dict[str, int]]
    stopped: str

    @property
    def exit_code(self) -> int:
        """The exit code that the run comes to."""

    @property
    def role_arn(self) -> str:
        """ARN of the role, as AWS has it or as it is going to be."""

    @property
    def bucket(self) -> BucketFacts:
        """What AWS says about the bucket."""

    @property
    def policy_document(self) -> Mapping[str, Any]:
        """The document that Step 1 wants."""

    @property
    def ledger(self) -> Ledger:
        """The record of what this run creates or replaces."""

    @property
    def risingwave(self) -> Connection:
        """Where SQL is run."""


@contextmanager
def counting(run: Run, phase: str) -> Iterator[None]:
    """Count the calls that are made meanwhile as those of a phase."""
    before = len(run.aws.calls)
    try:
        yield
    finally:
        counts = run.call_counts.setdefault(phase, {"reads": 0, "writes": 0})
        for call in run.aws.calls[before:]:
            counts["writes" if call.writes else "reads"] += 1


@contextmanager
def role_lock(run: Run, apply: bool) -> Iterator[None]:
    """Keep two runs on this machine from writing one role at the same time."""
    if not apply:
        yield
        return
    from rwlib.runs import exclusive

    with exclusive(f"{run.aws.account_id}-{run.target.role_name}"):
        yield
