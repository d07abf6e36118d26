"""One sentence for a whole report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def headline(report: Mapping[str, Any]) -> str:
    """Say in one sentence how a run ended."""
    checks = report["checks"]
    failed = [check for check in checks if check["status"] == "fail"]
    role = report["role_arn"]
    if failed:
        return f"{len(failed)} of {len(checks)} checks failed, the first: {failed[0]['title']}"
    if not report["applied"]:
        writes = sum(
            change["action"] != "none" for step in report["steps"] for change in step["changes"]
        )
        if writes:
            what = "1 change" if writes == 1 else f"{writes} changes"
            return f"Preview: {what} would be made; nothing was written"
        person = "; a person must add it to the cluster's Allowed Principals"
        return (
            f"Preview: {role} is set up as asked for; nothing would change"
            f"{person if report['exit_code'] == 3 else _tail(checks)}"
        )
    if report["exit_code"] == 3:
        return f"{role} is set up; a person must add it to the cluster's Allowed Principals"
    return f"{role} is set up and verified{_tail(checks)}"


def _tail(checks: Sequence[Mapping[str, Any]]) -> str:
    """Say what nobody looked at, or nothing."""
    manual = [check["title"] for check in checks if check["status"] == "manual"]
    unknown = [check["title"] for check in checks if check["status"] == "unknown"]
    tail = f"; taken on trust: {manual[0]}" if manual else ""
    return tail + (f"; could not be looked at: {'; '.join(unknown)}" if unknown else "")
