"""What is read of a sink's failures, from rows as psycopg and the management API give them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rwlib.cloud.sinks import sink_failures


def database(*events: Sequence[Any]) -> Callable[[str], Sequence[Sequence[Any]]]:
    """A database with the sinks ``s`` and ``t``."""
    return lambda sql: [(4, "s"), (5, "t")] if "rw_sinks" in sql else events


def failed(event_id: str, sink_id: int, name: str) -> tuple[str, dict[str, Any]]:
    body = {"sinkId": sink_id, "sinkName": name, "error": f"denied {event_id}"}
    return event_id, {"sinkFail": body}


@pytest.mark.parametrize("as_text", [True, False])
def test_failures_when_the_events_name_an_error(as_text: bool) -> None:
    events = [failed("e2", 4, "s"), failed("e1", 4, "s")]
    rows = database(*((number, json.dumps(info) if as_text else info) for number, info in events))
    found = sink_failures(rows, "s")
    assert [(failure.event_id, failure.error) for failure in found] == [
        ("e2", "denied e2"),
        ("e1", "denied e1"),
    ]
    assert sink_failures(rows, "t") == []
    assert sink_failures(rows, "u") == []


def test_failures_when_an_older_sink_of_the_name_failed() -> None:
    assert sink_failures(database(failed("e1", 3, "s")), "s") == []


def test_failures_when_the_sink_is_gone() -> None:
    (found,) = sink_failures(database(failed("e1", 3, "u")), "u")
    assert found.error == "denied e1"


@pytest.mark.parametrize("info", ["{", None, [1], "1", {"sinkFail": {"sinkId": 4}}])
def test_failures_when_an_event_cannot_be_read(info: Any) -> None:
    assert sink_failures(database(("e1", info)), "s") == []
