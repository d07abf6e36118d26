"""Many targets, each one papermill execution with its own folder of evidence."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from rwlib import evidence
from rwlib.batch.executors import Dask, Local
from rwlib.batch.folders import batch_folder, only_batch
from rwlib.batch.passes import Pass, exit_code_of, headline_of
from rwlib.batch.progress import Progress
from rwlib.batch.rows import count_targets
from rwlib.batch.schedule import Limits
from rwlib.batch.state import GONE, NOT_RUN, STATE_FILE, State
from rwlib.batch.stopping import Stopper
from rwlib.batch.summary import write_summary
from rwlib.errors import InputError


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
        Targets at once; 0 is twice the number of CPUs, and with Dask the workers' threads.
    max_failures
        So many targets may fail until nothing new is started; 0 sets no bound.
    per_account
        Targets of one account that may write to its IAM at once.
    timeout
        Seconds that a target may take.
    common
        Values for every row that does not have its own.
    overrides
        Values that go before every row's own.
    new
        Do not go on with an unfinished batch of this name.
    """

    targets: Path
    notebook: Path
    apply: bool = False
    plan: bool = False
    approve: Callable[[BatchResult], bool] | None = None
    workers: int = 0
    max_failures: int = 0
    per_account: int = 4
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


def run_batch(options: Options, out: TextIO | None = None) -> BatchResult:
    """Run every target of a file through the notebook; safe to run again, and goes on then.

    All rows are checked before anything is done for any. A target that an earlier batch of the
    same name left done is looked at with a few reads and not run again while AWS shows that it
    is as it was.

    Parameters
    ----------
    out
        Where to show progress; None shows nothing.

    Raises
    ------
    InputError
        The file or a row cannot be used; nothing was created.
    RunbookError
        A batch of this name is running already.
    """
    check_executor(options)
    total = count_targets(options.targets, {**options.common, **options.overrides})
    name = options.name or options.targets.stem
    mode = "apply" if options.apply else "plan" if options.plan else "preview"
    # Under a name that was given, a file that has moved is the same batch.
    source = "" if options.name else str(options.targets.resolve())
    with ExitStack() as stack:
        executor = open_executor(options)
        stack.callback(executor.close)
        stack.enter_context(only_batch(name))
        folder, before = batch_folder(name, mode, source, new=options.new)
        run = _Run(options, name, mode, total, folder, before, out)
        state = stack.enter_context(State(folder / STATE_FILE))
        state.remember("name", name)
        state.remember("source", source)
        approved = None
        if options.plan:
            planned = run.plan(executor)
            state.remember("finished", "" if options.apply else "yes")
            if not options.apply or planned.exit_code == 130:
                return planned
            if not (options.approve and options.approve(planned)):
                return replace(
                    planned,
                    refused=True,
                    exit_code=3,
                    headline=f"{planned.headline}; the plan was not approved, nothing was written",
                )
            run.approval = {
                "by": evidence.made_by(),
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "plan_manifest_sha256": planned.manifest,
            }
            approved = stack.enter_context(State(folder / "plan" / STATE_FILE))
        state.remember("mode", mode)
        state.remember("finished", "")
        earlier = stack.enter_context(State(before / STATE_FILE)) if before else None
        result = run.run(executor, state, earlier, approved)
        if result.exit_code in (0, 3):
            state.remember("finished", "yes")
        return result


@dataclass
class _Run:
    """The passes of one batch."""

    options: Options
    name: str
    mode: str
    total: int
    folder: Path
    before: Path | None
    out: TextIO | None
    approval: dict[str, str] = field(default_factory=dict)

    def plan(self, executor: Local | Dask) -> BatchResult:
        """Preview all targets without notebooks, into the subfolder ``plan``.

        A plan that was made there before is kept beside it.
        """
        place = self.folder / "plan"
        if place.exists():
            number = 1 + sum(1 for _ in self.folder.glob("plan-*"))
            place.rename(self.folder / f"plan-{number}")
        place.mkdir()
        with State(place / STATE_FILE) as state:
            head, stopper = self._drive("plan", place, executor, state)
            return conclude(place, state, head, stopper)

    def run(
        self,
        executor: Local | Dask,
        state: State,
        earlier: State | None,
        approved: State | None,
    ) -> BatchResult:
        """Execute the notebook for all targets; of a plan, for those that were planned."""
        head, stopper = self._drive(
            "run", self.folder, executor, state,
            apply=self.options.apply, earlier=earlier, earlier_folder=self.before,
            approved=approved,
        )  # fmt: skip
        approval = {"approval": self.approval} if self.approval else {}
        return conclude(self.folder, state, {**head, **approval}, stopper)

    def _drive(
        self, kind: str, folder: Path, executor: Local | Dask, state: State, **more: Any
    ) -> tuple[dict[str, Any], Stopper]:
        mode = "plan" if kind == "plan" else self.mode
        head = {"name": self.name, "mode": mode, "total": self.total}
        return drive(self.options, executor, state, folder, head, self.out, kind=kind, **more)


def drive(
    options: Options,
    executor: Local | Dask,
    state: State,
    folder: Path,
    head: Mapping[str, Any],
    out: TextIO | None,
    **more: Any,
) -> tuple[dict[str, Any], Stopper]:
    """Go over all targets, and return what the summary says of the pass and how it was stopped.

    Parameters
    ----------
    head
        What is known of the pass before: its ``name``, ``mode`` and ``total``.
    **more
        As `Pass` takes them.
    """
    progress = Progress(int(head["total"]), more["kind"], out)
    stopper = Stopper(progress.say, executor.kill)
    if isinstance(executor, Dask):
        executor.say = progress.say
    if isinstance(executor, Local) and not executor.forks:
        progress.say("This platform cannot fork: each target starts an interpreter of its own.")
    started, clock = datetime.now(UTC), time.monotonic()
    source_sha256 = evidence.file_hash(options.targets)
    with stopper:
        Pass(
            source=options.targets,
            notebook=options.notebook,
            folder=folder,
            state=state,
            executor=executor,
            slots=slots_of(options, executor),
            progress=progress,
            stopper=stopper,
            stamp=started.isoformat(),
            common=options.common,
            overrides=options.overrides,
            max_failures=options.max_failures,
            timeout=options.timeout,
            limits=limits_of(options),
            **more,
        ).drive()
    return {
        **head,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - clock, 3),
        "source": options.targets.name,
        "source_sha256": source_sha256,
        "skipped": progress.skipped,
    }, stopper


def conclude(
    folder: Path, state: State, head: dict[str, Any], stopper: Stopper, *, exit_code: int = -1
) -> BatchResult:
    """Write the summary and the manifest of a pass and return how it ended.

    Parameters
    ----------
    head
        What `drive` returned; ``also`` holds what the headline says besides.
    """
    counts = state.counts()
    reached = sum(counts.values()) - counts.pop(NOT_RUN, 0) - counts.get(GONE, 0)
    not_run = max(0, int(head["total"]) - reached)
    code = exit_code if exit_code >= 0 else exit_code_of(state.exit_codes(), not_run)
    code = 130 if stopper.signalled else code
    told = headline_of(counts, not_run, str(head["mode"]), stopper.reason)
    headline = "; ".join([told, *head.get("also", ())])
    shown = {**counts, **({NOT_RUN: not_run} if not_run else {})}
    write_summary(
        folder,
        {
            **head,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "headline": headline,
            "exit_code": code,
            "counts": shown,
            "made_by": evidence.made_by(),
            "endpoint": os.environ.get("AWS_ENDPOINT_URL", "") or "AWS",
            "versions": evidence.versions(),
        },
        state.results,
    )
    facts = {"batch": head["name"], "mode": head["mode"], "exit_code": code}
    manifest = evidence.write_manifest(folder, facts, elsewhere=_elsewhere(state))
    changes, changing = state.totals()
    return BatchResult(
        folder=folder,
        headline=headline,
        exit_code=code,
        total=int(head["total"]),
        counts=shown,
        changes=changes,
        changing=changing,
        seconds=float(head["seconds"]),
        manifest=manifest,
    )


def _elsewhere(state: State) -> Iterator[tuple[str, str]]:
    """Yield the evidence of an earlier batch that this one rests on: its place and its hash."""
    for result in state.results():
        place = result.get("evidence", "")
        if place.startswith("../") and result.get("manifest"):
            yield place, result["manifest"]


def check_executor(options: Options) -> None:
    """Refuse an executor that cannot be used.

    Raises
    ------
    InputError
        Its name is unknown, or Dask's scheduler is not named.
    """
    if options.executor not in ("local", "dask"):
        raise InputError("executor", options.executor, "is none; there are local and dask")
    if options.executor == "dask" and not options.scheduler:
        raise InputError("scheduler", "", "is empty; give the address of a Dask scheduler")
    if options.executor != "dask" and options.scheduler:
        raise InputError(
            "scheduler", options.scheduler, "is used by --executor dask alone; give both or neither"
        )


def open_executor(options: Options) -> Local | Dask:
    """Return the executor that the options name."""
    if options.executor == "dask":
        return Dask(options.scheduler, options.workers)
    return Local(options.workers or 2 * (os.cpu_count() or 1))


def slots_of(options: Options, executor: Local | Dask) -> int | Callable[[], int]:
    """Return how many targets are run at once, or what says it while workers come and go."""
    if isinstance(executor, Dask):
        return executor.slots
    return options.workers or 2 * (os.cpu_count() or 1)


def limits_of(options: Options) -> Limits:
    """Return the limits; a cluster's turn is kept per machine, so Dask gets one at a time."""
    per_cluster = 1 if options.executor == "dask" else 3
    return Limits(per_account=options.per_account, per_cluster=per_cluster)
