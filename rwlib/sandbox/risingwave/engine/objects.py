"""What a database of the stand-in holds. Plain data: it is kept as JSON between restarts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any
from uuid import uuid4

# meta's event_log_channel_max_size
_EVENTS_KEPT = 10
_LOG_LINES_KEPT = 1000

Row = dict[str, Any]


@dataclass
class Relation:
    """A table, source or materialized view.

    ``sequence`` numbers the rows in the order in which they came; a row that is changed gets a new
    number, and a sink has delivered everything up to one number.
    """

    object_id: int
    name: str
    kind: str
    definition: str
    columns: list[tuple[str, str]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    sequence: list[int] = field(default_factory=list)
    next_sequence: int = 1
    append_only: bool = False
    connector: str = ""
    options: dict[str, str] = field(default_factory=dict)
    shown_options: dict[str, str] = field(default_factory=dict)
    encode: str = ""
    query: str = ""
    engine: str = ""
    primary_key: list[str] = field(default_factory=list)

    def append(self, rows: list[Row]) -> None:
        """Add rows at the end."""
        for row in rows:
            self.rows.append(row)
            self.sequence.append(self.next_sequence)
            self.next_sequence += 1


@dataclass
class SandboxSink:
    """A sink and how far it has come.

    ``options`` hold the values of secrets; ``shown_options`` what the statement says.
    ``delivered`` is the sequence number up to which rows have been written; ``sent`` are the rows
    that an upsert sink has written, by their keys.
    """

    object_id: int
    name: str
    connector: str
    data_name: str
    definition: str
    options: dict[str, str]
    shown_options: dict[str, str]
    from_name: str
    query: str
    sink_type: str
    format: str = ""
    encode: str = ""
    columns: list[tuple[str, str]] = field(default_factory=list)
    delivered: int = 0
    sent: dict[str, Row] = field(default_factory=dict)
    error: str = ""
    created_at: str = ""
    jsonb_handling: str = "string"


class Op(IntEnum):
    """What happened to a row (``src/common/src/array/stream_chunk.rs``, ``to_i16``)."""

    INSERT = 1
    DELETE = 2
    UPDATE_INSERT = 3
    UPDATE_DELETE = 4


@dataclass(frozen=True)
class Changes:
    """What one checkpoint gives a sink to write, in order."""

    columns: list[tuple[str, str]]
    key: list[str]
    changes: list[tuple[Op, Row]]

    @property
    def rows(self) -> list[Row]:
        """The rows that are there afterwards."""
        return [row for op, row in self.changes if op in (Op.INSERT, Op.UPDATE_INSERT)]

    @property
    def deleted(self) -> list[Row]:
        """The keys of the rows that are no longer there as they were."""
        return [
            {name: row[name] for name in self.key}
            for op, row in self.changes
            if op in (Op.DELETE, Op.UPDATE_DELETE)
        ]


@dataclass
class Event:
    """A row of ``rw_event_logs``."""

    unique_id: str
    timestamp: str
    event_type: str
    info: dict[str, Any]


@dataclass
class Database:
    """One database of a cluster."""

    name: str
    next_id: int = 1
    secrets: dict[str, str] = field(default_factory=dict)
    connections: dict[str, dict[str, str]] = field(default_factory=dict)
    relations: dict[str, Relation] = field(default_factory=dict)
    sinks: dict[str, SandboxSink] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    iceberg_tables: dict[str, str] = field(default_factory=dict)

    def new_id(self) -> int:
        """Give the next object's id."""
        self.next_id += 1
        return self.next_id - 1

    def add_event(self, event_type: str, info: dict[str, Any]) -> None:
        """Keep an event, and of its type the newest ones only, as the meta node does."""
        self.events.append(Event(str(uuid4()), now(), event_type, info))
        same = [event for event in self.events if event.event_type == event_type]
        for event in same[:-_EVENTS_KEPT]:
            self.events.remove(event)

    def add_log(self, level: str, target: str, message: str) -> None:
        """Write a line into the meta node's log."""
        self.log.append(f"{now()} {level:>5} {target}: {message}")
        del self.log[:-_LOG_LINES_KEPT]


def now() -> str:
    """Give the time as RisingWave's log writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def plain_name(name: str) -> str:
    """Take the default schema off a name."""
    return name.removeprefix("public.")


def database_to_json(database: Database) -> dict[str, Any]:
    """Give a database as JSON values."""
    return asdict(database)


def database_from_json(content: dict[str, Any]) -> Database:
    """Read a database back."""
    relations = {
        name: Relation(**{**kept, "columns": [tuple(column) for column in kept["columns"]]})
        for name, kept in content["relations"].items()
    }
    sinks = {
        name: SandboxSink(
            **{**kept, "columns": [tuple(column) for column in kept.get("columns", [])]}
        )
        for name, kept in content["sinks"].items()
    }
    events = [Event(**kept) for kept in content["events"]]
    return Database(**{**content, "relations": relations, "sinks": sinks, "events": events})
