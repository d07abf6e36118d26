"""Take back what was made for a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rwlib.runbook.run import Run
    from rwlib.steps import TearDown


def take_back(
    run: Run, run_dir: Path | None, *, drop_sql: bool, stale_principals: bool
) -> TearDown:
    """Take back what was made for this target when it says ``apply``, else preview that."""
    from rwlib.steps import tear_down

    target = run.target
    if not target.workload_identity_arn:
        known = {"workload_identity_arn": run.workload_identity_arn}
        target = target.model_copy(update=known)
    return tear_down(
        run.aws,
        target,
        runs_dir=run_dir.parent if run_dir else Path("runs"),
        ledger=run.ledger,
        apply=target.apply,
        cloud=run.cloud,
        connect=lambda: run.risingwave,
        drop_sql=drop_sql,
        stale_principals=stale_principals,
    )
