"""Whether a sink works: what the management API and the event log say of it.

Redshift and snowflake_v2 sinks make no S3 request when they are created, and a failing sink is
retried without end: only its events tell (``risingwavelabs/risingwave``,
``src/stream/src/executor/sink.rs`` and ``rw_catalog.rw_event_logs``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rwlib.cloud.allowed_roles import Patience, Progress, Waiting
from rwlib.cloud.answers import QueryResult, Sink

EVENTS_QUERY = (
    "SELECT unique_id, timestamp, event_type, info FROM rw_catalog.rw_event_logs "
    "WHERE event_type IN ('SINK_FAIL', 'CREATE_STREAM_JOB_FAIL') ORDER BY timestamp DESC"
)


@dataclass(frozen=True)
class SinkFailure:
    """One entry of the event log about a sink. ``error`` is RisingWave's own text."""

    event_id: str
    timestamp: str
    error: str


@dataclass(frozen=True)
class SinkState:
    """What is known of a sink.

    ``health`` is the API's ``healthCheck``, whose meaning is not documented; ``failures`` are the
    event log's, the newest first, of which the meta node keeps ten. A sink without failures has
    not failed so far, which is no proof that it has written anything.
    """

    name: str
    exists: bool
    health: str | None
    failures: tuple[SinkFailure, ...]

    @property
    def failed(self) -> bool:
        """Something says that the sink does not work, or did not."""
        return not self.exists or self.health == "Failed" or bool(self.failures)


def state_of(name: str, sinks: tuple[Sink, ...], events: QueryResult) -> SinkState:
    """Put together what the list of sinks and the rows of `EVENTS_QUERY` say of one sink."""
    sink = next((sink for sink in sinks if sink.name == name), None)
    sink_id = str(sink.sink_id) if sink is not None and sink.sink_id is not None else ""
    failures = tuple(
        SinkFailure(
            str(row.get("unique_id", "")), str(row.get("timestamp", "")), str(body.get("error", ""))
        )
        for row in events.records()
        for body in _bodies(row.get("info"))
        if _is_about(body, name, sink_id)
    )
    return SinkState(name, sink is not None, sink.health if sink else None, failures)


def wait_for_sink(
    read: Callable[[], SinkState],
    patience: Patience,
    *,
    cluster_id: str,
    quiet: float,
    limit: float,
    since: SinkState | None,
    progress: Progress | None,
) -> SinkState:
    """Look at a sink until it fails, has worked for a while, or the wait is over.

    Parameters
    ----------
    quiet
        Seconds without a failure after which it is taken to work.
    limit
        Seconds after which the last look is given, whatever it says.
    since
        What was known before; its failures are old ones, and its health may lag behind.
    """
    old = {failure.event_id for failure in since.failures} if since else set()
    started = patience.clock()
    while True:
        found = read()
        new = tuple(failure for failure in found.failures if failure.event_id not in old)
        state = replace(found, failures=new)
        elapsed = patience.clock() - started
        lagging = since is not None and state.exists and not new
        if state.failed and not lagging:
            return state
        if elapsed >= (limit if state.failed else min(quiet, limit)):
            return state
        if progress is not None:
            reason = f"sink {state.name} is {state.health or 'there'}"
            progress(Waiting(cluster_id, reason, elapsed, limit))
        patience.sleep(patience.interval)


def _bodies(info: Any) -> list[dict[str, Any]]:
    """Give the event inside the column: ``{"sinkFail": {…}}``, whose only key names it."""
    if isinstance(info, str):
        try:
            info = json.loads(info)
        except ValueError:
            return []
    if not isinstance(info, dict):
        return []
    inner = [value for value in info.values() if isinstance(value, dict)]
    return inner or [info]


def _is_about(body: dict[str, Any], name: str, sink_id: str) -> bool:
    # A sink that was dropped and made again has its name but not its id.
    event_id = body.get("sinkId", body.get("sink_id"))
    if sink_id and event_id is not None:
        return str(event_id) == sink_id
    return name in (body.get("sinkName"), body.get("sink_name"), body.get("name"))
