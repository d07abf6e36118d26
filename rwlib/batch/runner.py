"""Many targets, each one papermill execution with its own folder of evidence."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from rwlib.batch.dask import Dask
from rwlib.batch.driving import check_executor, conclude, drive, open_executor
from rwlib.batch.executors import Local
from rwlib.batch.folders import batch_folder, only_batch
from rwlib.batch.interrupts import Stopper
from rwlib.batch.options import BatchResult, Options
from rwlib.batch.results import STATE_FILE, BatchState
from rwlib.batch.rows import count_targets
from rwlib.runs import made_by


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
        state = stack.enter_context(BatchState(folder / STATE_FILE))
        state.remember("name", name)
        state.remember("source", source)
        approved = None
        if options.plan:
            planned = run.plan(executor)
            state.remember("finished", "" if options.apply else "yes")
            if not options.apply or planned.exit_code > 128:
                return planned
            if not (options.approve and options.approve(planned)):
                return replace(
                    planned,
                    refused=True,
                    exit_code=3,
                    headline=f"{planned.headline}; the plan was not approved, nothing was written",
                )
            run.approval = {
                "by": made_by(),
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "plan_manifest_sha256": planned.manifest,
            }
            approved = stack.enter_context(BatchState(planned.folder / STATE_FILE))
        state.remember("mode", mode)
        state.remember("finished", "")
        earlier = stack.enter_context(BatchState(before / STATE_FILE)) if before else None
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
        with BatchState(place / STATE_FILE) as state:
            head, stopper = self._drive("plan", place, executor, state)
            return conclude(place, state, head, stopper)

    def run(
        self,
        executor: Local | Dask,
        state: BatchState,
        earlier: BatchState | None,
        approved: BatchState | None,
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
        self, kind: str, folder: Path, executor: Local | Dask, state: BatchState, **more: Any
    ) -> tuple[dict[str, Any], Stopper]:
        mode = "plan" if kind == "plan" else self.mode
        head = {"name": self.name, "mode": mode, "total": self.total}
        return drive(self.options, executor, state, folder, head, self.out, kind=kind, **more)
