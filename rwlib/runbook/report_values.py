"""The evidence of a run: ``report.json``, ``report.html`` and the documents before and after."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rwlib import __version__
from rwlib.report import write_report

if TYPE_CHECKING:
    from rwlib.runbook.run import Run


def build_report(runbook: Run) -> dict[str, Any]:
    """Return a runbook's report as plain JSON values; holds no secrets."""
    from rwlib.report import headline

    checks = [check.to_dict() for check in runbook.checks]
    report: dict[str, Any] = {
        "version": __version__,
        "target": runbook.target.model_dump(),
        "started": runbook.started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "applied": runbook.target.apply,
        "exit_code": runbook.exit_code,
        "stopped": runbook.stopped,
        "caller_identity": {
            "account_id": runbook.aws.account_id,
            "arn": runbook.aws.caller_identity.arn,
        },
        "endpoint": os.environ.get("AWS_ENDPOINT_URL", "") or "AWS",
        "role_arn": runbook.role_arn,
        "workload_identity_arn": runbook.workload_identity_arn,
        "cloud": _cloud(runbook),
        "bucket": {
            "name": runbook.bucket.name,
            "region_name": runbook.bucket.region_name,
            "kms_key_arn": runbook.bucket.kms_key_arn,
        },
        "steps": [step.to_dict() for step in runbook.steps.values()],
        "checks": checks,
        "requests": [verdict.to_dict() for verdict in runbook.verdicts],
        "grants": [
            {**each.to_dict(), "accepted": each.id in runbook.target.accept_findings}
            for each in runbook.grants
        ],
        "sql": [
            {"connector": each.connector, "sql": each.sql, "notes": list(each.notes)}
            for each in runbook.sql
        ],
        "calls": runbook.call_counts,
        "request_ids": [
            {"call": f"{call.service}:{call.operation}", "request_id": call.request_id}
            for call in runbook.aws.calls
            if call.writes
        ],
        "versions": dict(_versions()),
    }
    report["headline"] = headline(report)
    return report


def leave_report(
    folder: Path, target: Mapping[str, Any], problem: str, exit_code: int, began: datetime
) -> None:
    """Write a report into the folder of a run that has come to none itself."""
    if not (folder / "report.json").is_file():
        started = began.isoformat(timespec="seconds")
        write_report(unfinished_report(target, problem, exit_code, started), folder)


def unfinished_report(
    target: Mapping[str, Any], problem: str, exit_code: int, started: str
) -> dict[str, Any]:
    """Return the report of a run that an error ended before there was a verdict.

    It looked at nothing, so it holds no check; what was written stands in the ledger.
    """
    from rwlib.steps import STEPS, Step

    return {
        "version": __version__,
        "target": dict(target),
        "started": started,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "applied": bool(target.get("apply")),
        "exit_code": exit_code,
        "caller_identity": {"account_id": "", "arn": ""},
        "endpoint": os.environ.get("AWS_ENDPOINT_URL", "") or "AWS",
        "role_arn": "",
        "workload_identity_arn": str(target.get("workload_identity_arn", "")),
        "cloud": {},
        "bucket": {"name": str(target.get("bucket", "")), "region_name": ""},
        "steps": [Step(number, title).to_dict() for number, title in STEPS.items()],
        "checks": [],
        "requests": [],
        "grants": [],
        "sql": [],
        "calls": {},
        "request_ids": [],
        "versions": dict(_versions()),
        "headline": f"No verdict: {problem}",
    }


def _cloud(runbook: Run) -> dict[str, Any]:
    """Return what Cloud metadata says beside the Workload Identity; empty without a key."""
    found = runbook.cloud_metadata
    if found is None:
        return {}
    return {
        "provider": found.provider,
        "region_name": found.region,
        "egress_ips": list(found.egress_ips),
        "private_link_principals": list(found.private_link_principals),
    }


@cache
def _versions() -> Mapping[str, str]:
    found = {"python": platform.python_version(), "rwlib": __version__}
    for name in ("boto3", "papermill", "pydantic"):
        found[name] = metadata.version(name)
    return found
