"""One pass over all targets: plan, run or look, with everything remembered in one folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from rwlib.batch.dask import Dask
from rwlib.batch.executors import Local
from rwlib.batch.interrupts import Stopper
from rwlib.batch.progress import BAD, Progress
from rwlib.batch.results import GONE, NOT_RUN, BatchState, digest_of
from rwlib.batch.rows import folder_name, read_targets
from rwlib.batch.schedule import Limits, Scheduler, TargetWork
from rwlib.batch.shortage import Bearable
from rwlib.batch.worker_count import WorkerCount
from rwlib.target import Target

_GOOD = ("done", "unchanged", "manual", "previewed")

Answer = dict[str, Any]


@dataclass
class Pass:
    """What a pass needs to know.

    Parameters
    ----------
    kind
        ``plan``, ``run`` or ``look``, as `rwlib.batch.job.perform` knows them.
    folder
        Where evidence goes.
    state, earlier
        What this batch remembers, and what the one before it did.
    overrides
        Values that go before a row's own, such as no profile in the sandbox.
    approved
        What the plan remembers, when only what was planned may run.
    finished
        Called with each target's name and answer before it is kept; may add to it.
    """

    kind: str
    source: Path
    notebook: Path
    folder: Path
    state: BatchState
    executor: Local | Dask
    slots: int | Callable[[], int] | WorkerCount
    progress: Progress
    stopper: Stopper
    stamp: str
    apply: bool = False
    common: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    earlier: BatchState | None = None
    earlier_folder: Path | None = None
    approved: BatchState | None = None
    max_failures: int = 0
    timeout: float = 1800.0
    limits: Limits = field(default_factory=Limits)
    bearable: Bearable = field(default_factory=Bearable)
    finished: Callable[[str, Answer], None] = lambda name, answer: None

    def drive(self) -> None:
        """Go over all targets; those that were not reached are not in the state."""
        scheduler = Scheduler(
            self.executor.submit,
            self.slots,
            self._finished,
            lambda: self.stopper.stopping,
            self.progress.show,
            bearable=self.bearable,
        )
        works = self._works()
        scheduler.drive(works)
        if self.stopper.stopping:
            for work in chain(scheduler.waiting(), works):
                self._not_reached(work)
        else:
            self.state.retire_others(self.stamp)
        self.progress.end()

    def _works(self) -> Iterator[TargetWork]:
        common = {"apply": self.apply, **self.common}
        for row, target in read_targets(self.source, common):
            apply = self.apply and target.apply
            work = self._work(row, target.model_copy(update={**self.overrides, "apply": apply}))
            refused = self._refused(work)
            if refused is None:
                yield self._approved(work)
            else:
                self._finished(work, refused)

    def _refused(self, work: TargetWork) -> Answer | None:
        """Return the answer of a row that the approved plan does not cover, else None."""
        if self.approved is None:
            return None
        planned = self.approved.result(work.name, asked_digest(work.job["target"]))
        if planned is None:
            return without_answer("it was changed after the plan was made; plan again", 2)
        if planned["status"] in BAD or planned["status"] == NOT_RUN:
            return {**planned, "problem": f"it could not be planned: {planned['problem']}"}
        return None

    def _approved(self, work: TargetWork) -> TargetWork:
        """Return the work with what was planned for it, to compare with what is found."""
        if self.approved is None:
            return work
        planned = self.approved.result(work.name) or {}
        return replace(work, job={**work.job, "approved": planned.get("state")})

    def _not_reached(self, work: TargetWork) -> None:
        """Remember a target that a stopped pass did not come to, unless it knows more of it."""
        if self.kind == "look":
            return  # the watch hands on what the look before it saw
        if self.state.result(work.name, work.digest) is None:
            said = f"not reached: {self.stopper.reason}"
            answer = {**without_answer(said, 0), "status": NOT_RUN}
            self.state.keep(self.stamp, work.row, work.name, "", answer)

    def _work(self, row: int, target: Target) -> TargetWork:
        values = target.model_dump()
        # A plan is compared with what is applied, where only the word "apply" differs.
        digest = asked_digest(values) if self.kind == "plan" else digest_of(values)
        job: Answer = {"kind": self.kind, "target": values, "timeout": self.timeout}
        if self.kind == "run":
            job["folder"] = str(self.folder / folder_name(target.name))
            job["notebook"] = str(self.notebook)
            job["known"] = self._known(target.name, digest)
        return TargetWork(row, target.name, digest, job, self.limits.uses(target))

    def _known(self, name: str, digest: str) -> Answer | None:
        """Return what was found before and may still be so, with the place of its evidence."""
        for state, folder in ((self.state, self.folder), (self.earlier, self.earlier_folder)):
            known = state.result(name, digest) if state and folder else None
            if known is None or folder is None:
                continue
            if known["status"] not in _GOOD:
                return None
            place = folder / (known.get("evidence") or folder_name(name))
            if not (place / "report.json").is_file():
                return None
            known["evidence"] = Path(os.path.relpath(place, self.folder)).as_posix()
            kept = (
                *("exit_code", "changes", "hops", "headline", "not_seen"),
                *("evidence", "manifest", "role_arn"),
            )
            found = {key: known[key] for key in kept if key in known}
            return {**found, "own": state is self.state}
        return None

    def _as_before(self, work: TargetWork, answer: Answer) -> Answer:
        """Return the answer of a target that was looked at again and is as it was left."""
        known = work.job["known"]
        place = {"evidence": known["evidence"], "manifest": known.get("manifest", "")}
        # What this very batch did before it was stopped is still what it did.
        did = self.state.result(work.name) if known["own"] else None
        kept = did and {
            key: did[key] for key in ("status", "changes", "reads", "writes", "seconds")
        }
        return {**answer, **(kept or {}), **place}

    def _finished(self, work: TargetWork, answer: Answer) -> None:
        if "lost" in answer:
            if self.stopper.signalled > 1:
                return
            answer = without_answer(str(answer["lost"]), 4)
        if answer.get("skipped"):
            answer = self._as_before(work, answer)
        self.limits.learn(work.job["target"], answer.get("account_id", ""))
        self.finished(work.name, answer)
        self.state.keep(self.stamp, work.row, work.name, work.digest, answer)
        self.progress.finished(work.name, answer)
        if self.max_failures and self.progress.bad >= self.max_failures:
            bad = self.progress.bad
            self.stopper.stop(f"{bad} target{'s' if bad > 1 else ''} failed")


def asked_digest(target: Mapping[str, Any]) -> str:
    """Return a short hash of what a target asks for, whether it is applied or not."""
    return digest_of({name: value for name, value in target.items() if name != "apply"})


def without_answer(reason: str, exit_code: int) -> Answer:
    """Return what is remembered of a target of which nothing was seen."""
    return {
        "status": "error",
        "exit_code": exit_code,
        "headline": reason,
        "problem": reason,
        "hops": {},
        "not_seen": [],
        "changes": [],
        "reads": 0,
        "writes": 0,
        "seconds": 0.0,
    }


def exit_code_of(codes: set[int], not_run: int) -> int:
    """Return a batch's exit code from those of its targets.

    A check that failed goes before everything else, then what a service refused, then what could
    not be used, then what waits for a person.
    """
    for code in (1, 4, 2, 3):
        if code in codes:
            return code
    return 1 if not_run else 0


def headline_of(
    counts: Mapping[str, int],
    not_run: int,
    stopped: str,
    unseen: Mapping[str, Mapping[str, int]] | None = None,
) -> str:
    """Say in one sentence how a pass ended.

    Parameters
    ----------
    unseen
        Of the targets of a status, how many have a hop that a person vouches for (``manual``) or
        that could not be looked at (``unknown``).
    """
    total = sum(counts.values()) - counts.get(NOT_RUN, 0) - counts.get(GONE, 0)
    bad = sum(counts.get(status, 0) for status in BAD)
    words = {
        "done": "set up and verified",
        "unchanged": "as asked already",
        "previewed": "would change",
        "manual": "wait for a person",
        "failed": "failed a check",
        "error": "ended with an error",
        "as before": "as they were",
        "first look": "looked at for the first time",
        "changed": "changed since the last look",
        NOT_RUN: "not reached",
        GONE: "no longer in the file",
    }
    said = ", ".join(
        f"{count} {words.get(status, status)}{_unseen((unseen or {}).get(status, {}))}"
        for status, count in counts.items()
        if status != NOT_RUN
    )
    named = "1 target" if total == 1 else f"{total} targets"
    head = f"{bad} of {named} failed: " if bad else f"{named}: "
    rest = f"; {not_run} not reached ({stopped})" if not_run else ""
    return f"{head}{said or 'none'}{rest}"


def _unseen(of: Mapping[str, int]) -> str:
    words = {
        "manual": "with one hop taken on trust",
        "unknown": "with a hop that could not be looked at",
    }
    said = [f"{of[verdict]} {text}" for verdict, text in words.items() if of.get(verdict)]
    return f" ({', '.join(said)})" if said else ""
