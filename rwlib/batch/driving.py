"""What a batch, its plan and a watch have in common: one pass over all targets, and its end."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from rwlib.batch.dask import Dask
from rwlib.batch.executors import Local
from rwlib.batch.interrupts import Stopper
from rwlib.batch.one_pass import Pass, exit_code_of, headline_of
from rwlib.batch.options import BatchResult, Options
from rwlib.batch.progress import Progress
from rwlib.batch.results import GONE, NOT_RUN, BatchState
from rwlib.batch.schedule import Limits
from rwlib.batch.shortage import Bearable
from rwlib.batch.summary import write_summary
from rwlib.batch.worker_count import WorkerCount
from rwlib.errors import InputError
from rwlib.runs import file_hash, made_by, versions, write_manifest


def drive(
    options: Options,
    executor: Local | Dask,
    state: BatchState,
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
    source_sha256 = file_hash(options.targets)
    limits = limits_of(options)
    slots = executor.slots
    bearable = slots.bearable if isinstance(slots, WorkerCount) else Bearable()
    if isinstance(slots, WorkerCount):
        slots.begin()
    with stopper:
        Pass(
            source=options.targets,
            notebook=options.notebook,
            folder=folder,
            state=state,
            executor=executor,
            slots=slots,
            bearable=bearable,
            progress=progress,
            stopper=stopper,
            stamp=started.isoformat(),
            common=options.common,
            overrides=options.overrides,
            max_failures=options.max_failures,
            timeout=options.timeout,
            limits=limits,
            **more,
        ).drive()
    return {
        **head,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - clock, 3),
        "source": options.targets.name,
        "source_sha256": source_sha256,
        "skipped": progress.skipped,
        "workers": workers_chosen(options, executor, bearable),
        "per_account": per_account_chosen(options, limits),
    }, stopper


def workers_chosen(options: Options, executor: Local | Dask, bearable: Bearable) -> dict[str, Any]:
    """Return how many targets ran at once, and why so many."""
    if options.workers:
        why = "as given"
        if bearable.why:
            why += f", but for a while only {bearable.lowest} went on: {bearable.why}"
        return {"number": options.workers, "highest": options.workers, "why": why}
    slots = executor.slots
    if isinstance(slots, WorkerCount):
        known = not bearable.why or bearable.why in slots.why
        why = slots.why if known else f"{slots.why}; before that, {bearable.why}"
        return {"number": slots.number, "highest": slots.highest, "why": why}
    if isinstance(executor, Dask):
        threads = executor.slots()
        return {"number": threads, "highest": threads, "why": "threads of the Dask workers"}
    return {"number": slots, "highest": slots, "why": "two for each CPU"}


def per_account_chosen(options: Options, limits: Limits) -> list[dict[str, Any]]:
    """Return how many targets of an account might run at once, and why; one entry for the rest."""
    if options.per_account:
        return [{"account": "each", "calls": "write", "number": options.per_account,
                 "why": "as given"}]  # fmt: skip
    chosen: list[dict[str, Any]] = [
        {
            "account": limits.accounts.get(account, account),
            "calls": "write" if limit.writes else "read",
            "number": int(limit.limit) if math.isfinite(limit.limit) else None,
            "why": f"AWS throttled {limit.refused} call{'s' if limit.refused > 1 else ''}, and "
            + (
                f"the lowest number was {int(limit.lowest)}"
                if math.isfinite(limit.lowest)
                else "they waited for their turns without holding many targets up"
            ),
        }
        for (_, account), limit in sorted(limits.adapting.items())
        if limit.refused
    ]
    if len(chosen) == len(limits.adapting):
        return chosen
    rest = {"account": "every other" if chosen else "each", "calls": "read and write",
            "number": None, "why": "AWS throttled no call"}  # fmt: skip
    return [*chosen, rest]


def conclude(
    folder: Path, state: BatchState, head: dict[str, Any], stopper: Stopper, *, exit_code: int = -1
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
    code = 128 + stopper.first if stopper.signalled else code
    told = headline_of(counts, not_run, stopper.reason, state.unseen(("done", "unchanged")))
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
            "made_by": made_by(),
            "endpoint": os.environ.get("AWS_ENDPOINT_URL", "") or "AWS",
            "versions": versions(),
        },
        state.results,
    )
    facts = {"batch": head["name"], "mode": head["mode"], "exit_code": code}
    manifest = write_manifest(folder, facts, elsewhere=_elsewhere(state))
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


def _elsewhere(state: BatchState) -> Iterator[tuple[str, str]]:
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
        raise InputError("executor", options.executor, "is not an executor; use local or dask")
    if options.executor == "dask" and not options.scheduler:
        raise InputError(
            "scheduler", "", "is empty; give the address of a Dask scheduler", reason="empty"
        )
    if options.executor != "dask" and options.scheduler:
        raise InputError(
            "scheduler", options.scheduler, "is used by --executor dask alone; give both or neither"
        )


def open_executor(options: Options) -> Local | Dask:
    """Return the executor that the options name."""
    if options.executor == "dask":
        return Dask(options.scheduler, options.workers)
    return Local(options.workers)


def limits_of(options: Options) -> Limits:
    """Return the limits; a cluster's turn is kept per machine, so Dask gets one at a time."""
    per_cluster = 1 if options.executor == "dask" else 3
    return Limits(per_account=options.per_account, per_cluster=per_cluster)
