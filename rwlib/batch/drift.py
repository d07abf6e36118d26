"""The watch over many set-ups: what AWS shows now, and what is not as at the last look."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rwlib.batch.batch import BatchResult, Options, check_executor, conclude, drive, open_executor
from rwlib.batch.facts import differences
from rwlib.batch.folders import batch_folder, only_batch
from rwlib.batch.looks import LastLook, last_look
from rwlib.batch.passes import exit_code_of
from rwlib.batch.rows import count_targets, read_targets
from rwlib.batch.state import NOT_RUN, STATE_FILE, State

NOT_REACHED = "not reached"


@dataclass
class _Watch:
    """Compares what is seen of each target with what the last look saw."""

    last: LastLook

    def finished(self, name: str, answer: dict[str, Any]) -> None:
        """Add to an answer what changed, and turn its status into the watch's own."""
        before: dict[str, Any] = self.last.known(name).get("facts", {})
        facts = answer.get("facts")
        if facts is None:
            # What could not be looked at is no change, but why it could not may be one: a bucket
            # that is gone, another Workload Identity.
            said = {"problem": answer["problem"]} if answer["exit_code"] in (1, 2) else {}
            facts = {**{k: v for k, v in before.items() if k != "problem"}, **said}
        answer["facts"] = facts
        answer["first_look"] = not before and bool(facts)
        answer["drift"] = differences(before, facts) if before else []
        answer["changes"] = [each["fact"] for each in answer["drift"]]
        if answer["exit_code"] == 2:
            answer["status"], answer["exit_code"] = "failed", 1
        if answer["status"] in ("failed", "error"):
            return
        if answer["drift"]:
            answer["status"], answer["exit_code"] = "changed", 1
            answer["problem"] = "; ".join(answer["changes"])
        elif answer["exit_code"] != 3:
            answer["status"] = "as before" if before else "first look"


def watch_targets(options: Options, out: TextIO | None = None) -> BatchResult:
    """Look at every target, and report what failed and what changed since the last look.

    Writes nothing in AWS or RisingWave Cloud. What was seen is kept in the folder of the watch,
    ``runs/<date>_watch-<name>``, for the next one. At the first look there is nothing to compare
    with, and nothing is claimed to be as it was.

    Raises
    ------
    InputError
        The file or a row cannot be used.
    RunbookError
        A watch over this file is running already.
    """
    check_executor(options)
    total = count_targets(options.targets, {**options.common, **options.overrides})
    name = f"watch-{options.name or options.targets.stem}"
    with ExitStack() as stack:
        stack.enter_context(only_batch(name))
        last = stack.enter_context(last_look(name))
        folder, _ = batch_folder(name, "watch", new=True)
        state = stack.enter_context(State(folder / STATE_FILE))
        state.remember("name", name)
        state.remember("mode", "watch")
        executor = open_executor(options)
        stack.callback(executor.close)
        head, stopper = drive(
            options,
            executor,
            state,
            folder,
            {"name": name, "mode": "watch", "total": total},
            out,
            kind="look",
            finished=_Watch(last).finished,
        )
        head["last_look"] = last.folder
        if stopper.stopping:
            _keep_not_reached(options, state, last, head["started"], stopper.reason)
        write_drift(folder, head, state)
        not_run = state.counts().get(NOT_REACHED, 0)
        result = conclude(
            folder, state, head, stopper, exit_code=exit_code_of(state.exit_codes(), not_run)
        )
        # From now on the next look is compared with this one: what changed has been reported.
        state.remember("finished", "yes")
        return result


def _keep_not_reached(
    options: Options, state: State, last: LastLook, stamp: str, reason: str
) -> None:
    """Hand what is known of the targets that were not reached on, without last night's verdicts."""
    for row, target in read_targets(options.targets, {**options.common, **options.overrides}):
        found = state.result(target.name)
        if found is not None and found["status"] != NOT_RUN:
            continue
        known = last.known(target.name)
        said = f"not reached: {reason}"
        answer: dict[str, Any] = {
            **{key: known[key] for key in ("facts", "account_id", "role_arn") if key in known},
            "status": NOT_REACHED,
            "exit_code": 0,
            "headline": said,
            "problem": said,
            "hops": {},
            "changes": [],
            "reads": 0,
            "writes": 0,
            "seconds": 0.0,
        }
        state.keep(stamp, row, target.name, "", answer)


def drifted(state: State) -> Iterator[dict[str, Any]]:
    """Yield the targets that changed or failed."""
    for result in state.results():
        if result.get("drift") or result["status"] in ("failed", "error"):
            yield result


def write_drift(folder: Path, head: Mapping[str, Any], state: State) -> None:
    """Write ``drift.json`` and ``drift.html``: every change with the documents before and now."""
    from rwlib.report import template, write_text

    with (folder / "drift.json").open("w", encoding="utf-8") as file:
        file.write(json.dumps(dict(head), indent=2)[:-2] + ',\n  "targets": [')
        comma = ""
        for result in drifted(state):
            kept = ("name", "row", "status", "problem", "account_id", "role_arn", "drift")
            file.write(f"{comma}\n    {json.dumps({key: result.get(key) for key in kept})}")
            comma = ","
        file.write("\n  ]\n}\n")
    page = template("batch_drift.html.j2")
    write_text(
        folder / "drift.html", str(page.render(head=head, rows=drifted(state), shown=_shown))
    )


def _shown(change: Mapping[str, Any]) -> str:
    """Write one change as a difference of two documents, or as two values."""
    from rwlib.changes import document_diff

    before, now = change["before"], change["now"]
    if isinstance(before, dict) or isinstance(now, dict):
        return document_diff(before, now)
    return f"- {'nothing' if before is None else before}\n+ {'nothing' if now is None else now}"
