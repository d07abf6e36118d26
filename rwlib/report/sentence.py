"""One sentence for a whole report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def headline(report: Mapping[str, Any]) -> str:
    """Say in one sentence how a run ended."""
    checks = report["checks"]
    failed = [check for check in checks if check["status"] == "fail"]
    role = report["role_arn"]
    if report.get("stopped"):
        return f"Nothing was written: {report['stopped']}"
    if failed:
        return f"{len(failed)} of {len(checks)} checks failed, the first: {failed[0]['title']}"
    person = "a person must add it to the cluster's Allowed Principals"
    accepted = _accepted(report)
    if not report["applied"] and not _only_looked(report):
        writes = sum(
            change["action"] != "none" for step in report["steps"] for change in step["changes"]
        )
        if writes:
            what = "1 change" if writes == 1 else f"{writes} changes"
            open_question = next(
                (e for e in checks if e.get("reason") == "grants_not_decided"), None
            )
            if open_question is not None:
                return (
                    f"Preview: {what} would be made, but not before it is decided what the role "
                    f"would reach: {open_question['fix']}"
                )
            return f"Preview: {what} would be made; nothing was written{accepted}"
        return (
            f"Preview: {role} is set up as asked for; nothing would change"
            f"{f'; {person}' if report['exit_code'] == 3 else _tail(checks)}{accepted}"
        )
    if report["exit_code"] == 3:
        return f"{role} is set up; {person}{accepted}"
    return f"{role} is set up and verified{_tail(checks)}{accepted}"


def _only_looked(report: Mapping[str, Any]) -> bool:
    """True where no step was previewed: what stands there was judged, and nothing else."""
    steps = [step for step in report["steps"] if step["number"] < 5]
    return bool(steps) and all(step["status"] == "open" for step in steps)


def _accepted(report: Mapping[str, Any]) -> str:
    """Say which findings the target accepts, or nothing."""
    ids = [each["id"] for each in report.get("grants", ()) if each["accepted"]]
    return f"; accepted on purpose: {', '.join(ids)}" if ids else ""


def _tail(checks: Sequence[Mapping[str, Any]]) -> str:
    """Say what nobody looked at, or nothing."""
    manual = [check["title"] for check in checks if check["status"] == "manual"]
    unknown = [check["title"] for check in checks if check["status"] == "unknown"]
    tail = f"; taken on trust: {manual[0]}" if manual else ""
    return tail + (f"; could not be looked at: {'; '.join(unknown)}" if unknown else "")
