"""Whether a sink works: what the management API and the event log say of it.

Redshift and snowflake_v2 sinks make no S3 request when they are created, and a failing sink is
retried without end: only its events tell (``risingwavelabs/risingwave``,
``src/stream/src/executor/sink.rs`` and ``rw_catalog.rw_event_logs``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rwlib.cloud.answers import QueryResult

FAILURE_EVENTS = ("SINK_FAIL", "CREATE_STREAM_JOB_FAIL")

EVENTS_QUERY = (
    "SELECT timestamp, event_type, info FROM rw_catalog.rw_event_logs "
    "WHERE event_type IN ('SINK_FAIL', 'CREATE_STREAM_JOB_FAIL') ORDER BY timestamp DESC"
)


@dataclass(frozen=True)
class SinkState:
    """What is known of a sink.

    ``health`` is the API's ``healthCheck``, whose meaning is not documented; ``errors`` are the
    event log's, the newest first. A sink without errors has not failed so far, which is no proof
    that it has written anything.
    """

    name: str
    exists: bool
    health: str | None
    errors: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Something says that the sink does not work."""
        return not self.exists or self.health == "Failed" or bool(self.errors)


def failures_of(name: str, events: QueryResult) -> tuple[str, ...]:
    """Read the failures of one sink out of the rows of `EVENTS_QUERY`."""
    errors: list[str] = []
    for row in events.records():
        info: Any = row.get("info")
        if isinstance(info, str):
            try:
                info = json.loads(info)
            except ValueError:
                continue
        # The column holds one event as {"sinkFail": {...}}: its name is the only key.
        bodies = [info, *info.values()] if isinstance(info, dict) else []
        for body in bodies:
            if not isinstance(body, dict):
                continue
            if name in (body.get("sink_name"), body.get("sinkName"), body.get("name")):
                errors.append(str(body.get("error", "")))
                break
    return tuple(errors)
