"""The watch over many set-ups: what AWS shows now, and what is not as at the last look."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from rwlib.batch.driving import check_executor, conclude, drive, open_executor
from rwlib.batch.folders import batch_folder, only_batch
from rwlib.batch.last_look import Away, LastLook, last_look
from rwlib.batch.one_pass import exit_code_of, without_answer
from rwlib.batch.options import BatchResult, Options
from rwlib.batch.results import NOT_RUN, STATE_FILE, BatchState
from rwlib.batch.rows import count_targets, read_targets
from rwlib.batch.watched_facts import differences

NOT_REACHED = "not reached"
_REPORTED = (
    "name", "row", "status", "problem", "account_id", "role_arn", "compared_with", "drift",
)  # fmt: skip
_HANDED_ON = ("facts", "looked", "account_id", "role_arn")


@dataclass
class _Watch:
    """Compares what is seen of each target with what the last look saw.

    Parameters
    ----------
    folder
        The name of this look's folder.
    """

    last: LastLook
    folder: str

    def finished(self, name: str, answer: dict[str, Any]) -> None:
        """Add to an answer what changed, and turn its status into the watch's own."""
        known = self.last.known(name)
        before: dict[str, Any] = known.get("facts", {})
        facts = answer.get("facts")
        answer["looked"] = known.get("looked", "") if facts is None else self.folder
        if facts is None:
            # What could not be looked at is no change, but why it could not may be one: a bucket
            # that is gone, another Workload Identity.
            said = {"problem": answer["problem"]} if answer["exit_code"] in (1, 2) else {}
            facts = {**before, **said}
        answer["facts"] = facts
        answer["compared_with"] = known.get("looked") or self.last.folder if before else ""
        answer["new"] = not known or (not before and bool(facts))
        answer["back"] = self.last.was_away(name)
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
        executor = open_executor(options)
        stack.callback(executor.close)
        stack.enter_context(only_batch(name))
        last = stack.enter_context(last_look(name))
        folder, _ = batch_folder(name, "watch", new=True)
        state = stack.enter_context(BatchState(folder / STATE_FILE))
        state.remember("name", name)
        state.remember("mode", "watch")
        head, stopper = drive(
            options,
            executor,
            state,
            folder,
            {"name": name, "mode": "watch", "total": total},
            out,
            kind="look",
            finished=_Watch(last, folder.name).finished,
        )
        head["last_look"] = last.folder
        if stopper.stopping:
            _keep_not_reached(options, state, last, head["started"], stopper.reason)
        away = last.hand_on(folder, state, head["started"])
        code = exit_code_of(state.exit_codes(), state.counts().get(NOT_REACHED, 0))
        code = 128 + stopper.first if stopper.signalled else code
        found = write_drift(folder, {**head, "exit_code": code}, state, away)
        head["also"] = found.file_news()
        result = conclude(folder, state, head, stopper, exit_code=code)
        # From now on the next look is compared with this one: what changed has been reported.
        state.remember("finished", "yes")
        return result


def _keep_not_reached(
    options: Options, state: BatchState, last: LastLook, stamp: str, reason: str
) -> None:
    """Hand what is known of the targets that were not reached on, without last night's verdicts."""
    for row, target in read_targets(options.targets, {**options.common, **options.overrides}):
        found = state.result(target.name)
        if found is not None and found["status"] != NOT_RUN:
            continue
        known = last.known(target.name)
        said = f"not reached: {reason}"
        handed_on = {key: known[key] for key in _HANDED_ON if key in known}
        answer = {**without_answer(said, 0), "status": NOT_REACHED, **handed_on}
        state.keep(stamp, row, target.name, "", answer)


def drifted(state: BatchState) -> Iterator[dict[str, Any]]:
    """Yield the targets that changed or failed."""
    for result in state.results():
        if result.get("drift") or result["status"] in ("failed", "error"):
            yield result


@dataclass
class Drift:
    """What a look found beside the changes themselves.

    Parameters
    ----------
    drifted
        Number of targets that changed or failed.
    new
        The targets with which there was nothing to compare.
    back
        Those that were not in the last look's file and had been in one before.
    away
        Those that are no longer in the file.
    """

    drifted: int = 0
    new: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)
    not_reached: list[str] = field(default_factory=list)
    away: list[Away] = field(default_factory=list)

    def file_news(self) -> list[str]:
        """Say how many targets left the file since the last look, and how many are back in it."""
        gone = sum(each.since_last_look for each in self.away)
        said = [f"{gone} no longer in the file"] if gone else []
        return said + ([f"{len(self.back)} back in the file"] if self.back else [])

    def headline(self, total: int, last_look: str) -> str:
        """Say in one sentence what the look found."""
        missed = len(self.not_reached)
        if self.drifted:
            said = [f"{self.drifted} of {total} targets changed or failed"]
        elif missed:
            said = [f"Nothing failed or changed among the {total - missed} targets looked at"]
        elif last_look:
            said = ["Nothing failed, and nothing has changed since the last look"]
        else:
            said = ["Nothing failed"]
        if missed:
            said.append(f"{missed} not reached")
        if not last_look:
            said.append("nothing was compared, because this is the first look")
        elif self.new:
            said.append(f"{len(self.new)} new")
        return "; ".join([*said, *self.file_news()])


def _found(state: BatchState, away: list[Away]) -> Drift:
    found = Drift(drifted=sum(1 for _ in drifted(state)), away=away)
    for result in state.results():
        for marked, names in (
            (result.get("new"), found.new),
            (result.get("back"), found.back),
            (result["status"] == NOT_REACHED, found.not_reached),
        ):
            if marked:
                names.append(result["name"])
    return found


def write_drift(
    folder: Path, head: Mapping[str, Any], state: BatchState, away: list[Away]
) -> Drift:
    """Write ``drift.json`` and ``drift.html``: every change with the documents before and now."""
    from rwlib.report import template, write_text

    drift = _found(state, away)
    head = {**head, "headline": drift.headline(head["total"], head["last_look"])}
    lists = {
        "new": drift.new,
        "back": drift.back,
        "not_reached": drift.not_reached,
        "not_in_file": [asdict(each) for each in away],
    }
    with (folder / "drift.json").open("w", encoding="utf-8") as file:
        file.write(json.dumps({**head, **lists}, indent=2)[:-2] + ',\n  "targets": [')
        comma = ""
        for result in drifted(state):
            file.write(f"{comma}\n    {json.dumps({key: result.get(key) for key in _REPORTED})}")
            comma = ","
        file.write("\n  ]\n}\n")
    page = template("batch_drift.html.j2")
    text = page.render(
        head=head, rows=drifted(state), diff_of=_diff_of, found=drift, here=folder.name
    )
    write_text(folder / "drift.html", str(text))
    return drift


def read_drift(folder: Path) -> dict[str, Any]:
    """Return what ``drift.json`` says in short: what changed by name, without the documents."""
    told = json.loads((folder / "drift.json").read_text(encoding="utf-8"))
    kept = ("name", "status", "problem", "compared_with")
    return {
        "drift": str(folder / "drift.json"),
        **{key: told[key] for key in ("last_look", "new", "back", "not_reached", "not_in_file")},
        "targets": [
            {**{key: each[key] for key in kept}, "changed": [it["fact"] for it in each["drift"]]}
            for each in told["targets"]
        ],
    }


def _diff_of(change: Mapping[str, Any]) -> str:
    """Write a change as the difference of two documents; empty when its values are none."""
    from rwlib.steps import document_diff

    before, now = change["before"], change["now"]
    if not (isinstance(before, dict) or isinstance(now, dict)):
        return ""
    title, other, _, *lines = document_diff(before, now).splitlines()
    return "\n".join([title, other, *lines])
