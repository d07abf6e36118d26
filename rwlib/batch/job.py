"""What a child of the fork server does for one target: plan it, run it, look at it.

A job and its answer are plain JSON values. The answer holds no secret, but for the one job whose
answer is a session.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rwlib.batch.shortage import shortage
from rwlib.errors import RunbookError

if TYPE_CHECKING:
    from rwlib.runbook import Runbook

NOTEBOOK = "runbook.ipynb"
_EVIDENCE = (NOTEBOOK, "report.json", "report.html", "manifest.json")
_ROOTS = ("identity", "bucket_exists", "role_exists")
_WORST = ("pass", "manual", "unknown", "fail")

Answer = dict[str, Any]


def perform(job: Mapping[str, Any]) -> Answer:
    """Do a job; every error becomes part of the answer.

    Parameters
    ----------
    job
        ``kind`` is ``run``, ``plan``, ``look`` or ``assume``; ``target`` the target's values;
        ``keys`` the operator role's session, when there is one; ``known`` what an earlier run
        found, when this one may find the same and leave it at that.
    """
    from rwlib.aws import open_like
    from rwlib.masking import mask_known, secret_forms, secret_values
    from rwlib.runbook import leave_report
    from rwlib.runs import seal

    started, queued, began = time.monotonic(), queued_seconds(), datetime.now(UTC)
    keys = job.get("keys") or {}
    secrets = [*secret_values(), *secret_forms(keys.values())]
    how = open_like(operator_keys=keys or None)
    pacing = how.pacing
    open_like(retry_mode="paced" if pacing else "adaptive")
    try:
        answer = _KINDS[job["kind"]](job)
    except Exception as error:  # noqa: BLE001 - the batch goes on; the answer says what happened
        answer = _raised(error)
    if job["kind"] == "assume":
        return answer
    folder = Path(job["folder"]) if job.get("folder") else None
    if folder is not None and folder.is_dir() and not answer.get("skipped"):
        if "connectors" in job["target"]:  # else it is no target's notebook
            leave_report(folder, job["target"], answer["problem"], answer["exit_code"], began)
        facts = {"target": folder.name, "status": answer["status"]}
        facts["exit_code"] = answer["exit_code"]
        answer["masked"], answer["manifest"] = seal(folder, facts, secrets)
    answer["seconds"] = round(time.monotonic() - started, 3)
    # This process's since it was forked, and that of the processes it waited for.
    answer["cpu_seconds"] = round(sum(os.times()[:4]), 3)
    answer["queued_seconds"] = round(queued_seconds() - queued, 3)
    if pacing is not None:
        if pacing.waited:
            answer["waited_seconds"] = round(pacing.waited, 3)
        if pacing.refused:
            answer["refused"] = dict(pacing.refused)
    masked: Answer = json.loads(mask_known(json.dumps(answer).encode(), secrets))
    return masked


def queued_seconds() -> float:
    """Return how long this process's first thread was ready and waited for a CPU; 0 if unknown.

    The second number of ``/proc/PID/schedstat``, in nanoseconds (Linux, "Scheduler Statistics").
    """
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _run(job: Mapping[str, Any]) -> Answer:
    """Execute the notebook, unless an earlier run did and AWS shows that nothing changed."""
    # What was approved is looked at by the runbook itself, directly before it writes.
    same = _still(job) if job.get("known") and not job.get("approved") else None
    return same or _execute(job)


def _execute(job: Mapping[str, Any]) -> Answer:
    from rwlib.headless import execute, own_error
    from rwlib.runbook import APPROVED

    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    _keep_earlier(folder)
    os.environ["RWLIB_RUN_DIR"] = str(folder)
    os.environ[APPROVED] = json.dumps(job["approved"]) if job.get("approved") else ""
    try:
        execute(
            job["notebook"],
            folder / NOTEBOOK,
            job["target"],
            in_process=True,
            # Half of a target's cost otherwise: papermill writes the notebook twice a cell. It is
            # still written at the start, at the end, and in a cell that takes long.
            request_save_on_cell_execute=False,
        )
    except Exception as error:
        if shortage(error):
            raise
        if not (folder / "report.json").is_file():
            known = own_error(error)
            if known is None:
                raise
            raise known from None
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return _from_report(report)


def _keep_earlier(folder: Path) -> None:
    """Put the evidence of an earlier attempt aside, its ledger with it; the ledger goes on."""
    for part in folder.glob(".*.part"):
        part.unlink()
    earlier = [folder / name for name in _EVIDENCE if (folder / name).exists()]
    if earlier:
        number = 1 + sum(1 for _ in folder.glob("attempt-*"))
        aside = folder / f"attempt-{number}"
        aside.mkdir()
        for path in earlier:
            path.rename(aside / path.name)
        ledger = folder / "ledger.jsonl"
        if ledger.exists():
            (aside / ledger.name).write_bytes(ledger.read_bytes())


def _still(job: Mapping[str, Any]) -> Answer | None:
    """Look with a few reads whether the target is as an earlier run left it; else None."""
    known = job["known"]
    book = _open(job)
    try:
        book.look()
    except RunbookError:
        return None
    answer = _from_book(book)
    if job["target"].get("apply"):
        answer["exit_code"] = answer["exit_code"] or _waiting(book)
        answer["status"] = "manual" if answer["exit_code"] == 3 else "unchanged"
        same = not answer["changes"] and answer["exit_code"] in (0, 3)
    else:
        same = answer["changes"] == known.get("changes")
    if not same or answer["exit_code"] != known.get("exit_code"):
        return None
    # What the full run saw stands, but for what was just looked at again.
    answer["hops"] = {**known.get("hops", {}), **answer["hops"]}
    answer["headline"] = known.get("headline") or answer["headline"]
    answer["not_seen"] = known.get("not_seen") or answer["not_seen"]
    return {**answer, "skipped": True}


def _waiting(book: Runbook) -> int:
    return 3 if any(check.needs_person for check in book.checks) else 0


def _plan(job: Mapping[str, Any]) -> Answer:
    """Say what would change; writes nothing, neither in AWS nor here."""
    from rwlib.runbook import build_report, planned_state
    from rwlib.steps import document_diff

    book = _open(job)
    book.look()
    report = build_report(book)
    # A plan has no notebook: what is approved stands in the plan itself.
    documents = [
        {
            "sentence": change["sentence"],
            "notes": change["notes"],
            "diff": document_diff(change["before"], change["after"]),
        }
        for change in _writing(report)
    ]
    return {
        **_from_report(report),
        "documents": documents,
        "state": planned_state(book.steps.values(), book.situation),
    }


def _look(job: Mapping[str, Any]) -> Answer:
    """Give the verdict of what AWS shows now, and the facts it rests on."""
    from rwlib.batch.watched_facts import facts_of

    book = _open(job)
    book.verify_live()
    answer = _from_book(book)
    return {**answer, "exit_code": book.exit_code, "facts": facts_of(book)}


def _assume(job: Mapping[str, Any]) -> Answer:
    """Assume a target's operator role and answer its session."""
    from rwlib.aws import assume_operator_role
    from rwlib.target import Target

    return {"keys": assume_operator_role(Target(**job["target"]))}


def _open(job: Mapping[str, Any]) -> Runbook:
    from rwlib.runbook import Runbook

    return Runbook.start({**job["target"], "apply": False})


def _from_book(book: Runbook) -> Answer:
    from rwlib.runbook import build_report

    return _from_report(build_report(book))


def _from_report(report: Mapping[str, Any]) -> Answer:
    changes = _writing(report)
    calls = report["calls"].values()
    code = report["exit_code"]
    if code == 1:
        status = "failed"
    elif code == 3:
        status = "manual"
    elif report["applied"]:
        status = "done" if any(change["applied"] for change in changes) else "unchanged"
    else:
        status = "previewed" if changes else "unchanged"
    return {
        "status": status,
        "exit_code": code,
        "headline": report["headline"],
        "problem": _problem_of(report["checks"]) or report.get("stopped", ""),
        "account_id": report["caller_identity"]["account_id"],
        "role_arn": report["role_arn"],
        "hops": _hops(report["checks"]),
        "not_seen": _not_seen(report["checks"]),
        "changes": [change["sentence"] for change in changes],
        "reads": sum(count["reads"] for count in calls),
        "writes": sum(count["writes"] for count in calls),
        "finished": report["finished"],
    }


def _writing(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the changes that were made, or would be."""
    return [
        change for step in report["steps"] for change in step["changes"]
        if change["action"] != "none"
    ]  # fmt: skip


def _problem_of(checks: list[dict[str, Any]]) -> str:
    """Say in one sentence which check failed: one on which others rest before those."""
    failed = [check for check in checks if check["status"] == "fail"]
    if not failed:
        return ""
    first = min(failed, key=lambda check: check["id"] not in _ROOTS)
    # A difference of two documents is in the report; its first line says nothing.
    said = [text for text in first["evidence"][:1] if not text.startswith("@@")]
    more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
    return f"not so: {first['title']}{f' ({said[0]})' if said else ''}{more}"


def _hops(checks: list[dict[str, Any]]) -> dict[str, str]:
    """Return for each hop the worst of its checks' verdicts."""
    found: dict[str, str] = {}
    for check in checks:
        worst = max(found.get(check["hop"], "pass"), check["status"], key=_WORST.index)
        found[check["hop"]] = worst
    return found


def _not_seen(checks: list[dict[str, Any]]) -> list[str]:
    """Say for each thing that could not be looked at why, the permission that lacks included.

    Several checks may rest on one thing: it is said once, in the words of the check that read it.
    """
    said = {
        check["evidence"][0]: f"{check['title']}: {check['evidence'][0]}"
        for check in reversed(checks)
        if check["status"] == "unknown" and check["evidence"]
    }
    return [
        sentence for text, sentence in reversed(said.items())
        if not any(other != text and other in text for other in said)
    ]  # fmt: skip


def _raised(error: Exception) -> Answer:
    """Return the answer of a job that ended with an error."""
    if what := shortage(error):
        said = f"this target was not finished: {what}"
        return {**_problem(said, 4), "lost": said, "ran_out": what}
    if isinstance(error, RunbookError):
        return _problem(str(error), error.exit_code)
    return _problem(f"{type(error).__name__}: {error}", 1)


def _problem(text: str, exit_code: int) -> Answer:
    return {
        "status": "failed" if exit_code == 1 else "error",
        "exit_code": exit_code,
        "headline": text,
        "problem": text,
        "hops": {},
        "not_seen": [],
        "changes": [],
        "reads": 0,
        "writes": 0,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


_KINDS: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
    "run": _run,
    "plan": _plan,
    "look": _look,
    "assume": _assume,
}
