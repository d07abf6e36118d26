"""What CloudTrail would have of a lab's account: management events, and the bucket's data events.

Made from the sandbox's own list of calls. Object-level calls are data events and are logged only
where a trail asks for them (CloudTrail user guide, "Logging data events"); a lab that shows them
says so. A call of another account that STS refuses is not in this account's trail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rwlib.display import Shown, render
from rwlib.sandbox import CUSTOMER

_SOURCES = ("iam", "sts", "s3", "kms")
_READING = ("Get", "List", "Head", "Describe", "Simulate")


def events_of(calls: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the events of the customer's trail, oldest first, with CloudTrail's field names."""
    return [
        {
            "eventTime": str(call["time"]),
            "eventSource": f"{call['service']}.amazonaws.com",
            "eventName": str(call["action"]),
            "userIdentity.arn": str(call["caller"]),
            "requestParameters": ", ".join(f"{k}={v}" for k, v in call["parameters"].items()),
            "errorCode": str(call["error"] or ""),
            "errorMessage": str(call["message"]),
        }
        for call in calls
        if call["service"] in _SOURCES and str(call["account"]) == CUSTOMER
    ]


def _tells(event: Mapping[str, str]) -> bool:
    """Whether an event changed something or was refused; that a thing is not there says little."""
    if event["errorCode"].startswith("NoSuch"):
        return False
    return bool(event["errorCode"]) or not event["eventName"].startswith(_READING)


def show_trail(events: Iterable[Mapping[str, str]], *, reads: bool = False) -> Shown:
    """Show events as a table; those that only read and were answered are left out by default."""
    rows = [event for event in events if reads or _tells(event)]
    if not rows:
        return Shown("The trail has no such event.", "<p>The trail has no such event.</p>")
    text = "\n\n".join(
        "\n".join(f"{name:<18} {value}" for name, value in row.items() if value) for row in rows
    )
    return Shown(text, render("table", list(rows[0]), [list(row.values()) for row in rows]))
