"""How a batch is run, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """How a batch is run.

    Parameters
    ----------
    targets
        YAML, CSV or JSON Lines.
    notebook
        The runbook's notebook.
    apply
        Write; without it every target is previewed. A row's ``apply: false`` holds back its own.
    plan
        Look at all targets first. Without ``apply`` that is all; with it, ``approve`` is asked
        once, with the plan's result, before the first target is written, and only the targets that
        were planned are run, as they were planned.
    workers
        Targets at once; 0 finds out how many are worth it (`rwlib.batch.worker_count`), and is
        the workers' threads with Dask.
    max_failures
        So many targets may fail until nothing new is started; 0 sets no bound.
    per_account
        Targets of one account that may write to its IAM at once; 0 adapts when AWS throttles.
    timeout
        Seconds that a target may take.
    common
        Values for every row that does not have its own.
    overrides
        Values that go before every row's own.
    new
        Do not resume an unfinished batch of this name.
    """

    targets: Path
    notebook: Path
    apply: bool = False
    plan: bool = False
    approve: Callable[[BatchResult], bool] | None = None
    workers: int = 0
    max_failures: int = 0
    per_account: int = 0
    timeout: float = 1800.0
    executor: str = "local"
    scheduler: str = ""
    name: str = ""
    new: bool = False
    common: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchResult:
    """How a batch, or its plan, ended.

    Parameters
    ----------
    counts
        Number of targets by status: done, unchanged, previewed, manual, failed, error.
    changes
        Number of changes, made or previewed, and ``changing`` of how many targets.
    refused
        The plan was not approved, so nothing was run.
    manifest
        SHA-256 of the folder's manifest.
    """

    folder: Path
    headline: str
    exit_code: int
    total: int
    counts: Mapping[str, int]
    changes: int
    changing: int
    seconds: float
    manifest: str
    refused: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return {**self.__dict__, "folder": str(self.folder), "counts": dict(self.counts)}
