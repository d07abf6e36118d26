"""What RisingWave's event log says of a sink that fails.

Redshift and snowflake_v2 sinks make no S3 request when they are created, and a failing sink is
retried without end: only its events tell (``risingwavelabs/risingwave``,
``src/stream/src/executor/sink.rs`` and ``rw_catalog.rw_event_logs``, of which the meta node keeps
ten). A sink without failures has not failed so far, which is no proof that it has written anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_SINKS = "SELECT id, name FROM rw_catalog.rw_sinks"
_EVENTS = (
    "SELECT unique_id, info FROM rw_catalog.rw_event_logs WHERE event_type = 'SINK_FAIL' "
    "ORDER BY timestamp DESC"
)


@dataclass(frozen=True)
class SinkFailure:
    """One entry of the event log about a sink. ``error`` is RisingWave's own text."""

    event_id: str
    error: str


def sink_failures(
    rows: Callable[[str], Sequence[Sequence[Any]]], sink_name: str
) -> list[SinkFailure]:
    """Read what RisingWave logged about a sink's failures, the newest first.

    Parameters
    ----------
    rows
        Runs a query and gives its rows.
    sink_name
        While a sink of that name exists, an earlier one's failures are not its own.
    """
    ids = {str(sink_id) for sink_id, name in rows(_SINKS) if name == sink_name}
    return [
        SinkFailure(str(event_id), str(body["error"]))
        for event_id, info in rows(_EVENTS)
        for body in _bodies(info)
        if body.get("error") and _is_about(body, sink_name, ids)
    ]


def _bodies(info: Any) -> list[dict[str, Any]]:
    """Give the event inside the column: ``{"sinkFail": {…}}``, whose only key names it."""
    if isinstance(info, str):
        try:
            info = json.loads(info)
        except ValueError:
            return []
    if not isinstance(info, dict):
        return []
    return [value for value in info.values() if isinstance(value, dict)] or [info]


def _is_about(body: dict[str, Any], name: str, ids: set[str]) -> bool:
    # A sink that was dropped and made again has its name but not its id.
    event_id = body.get("sinkId", body.get("sink_id"))
    if ids and event_id is not None:
        return str(event_id) in ids
    return name in (body.get("sinkName"), body.get("sink_name"))
