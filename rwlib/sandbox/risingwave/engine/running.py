"""What happens after CREATE: checkpoints, files, and failures that only the event log shows."""

from __future__ import annotations

import json
from collections.abc import Callable

from rwlib.sandbox.risingwave.engine.failures import RefusedStatementError, failure
from rwlib.sandbox.risingwave.engine.file_sinks import write_file, write_staged
from rwlib.sandbox.risingwave.engine.iceberg import Warehouse
from rwlib.sandbox.risingwave.engine.iceberg_errors import IcebergError
from rwlib.sandbox.risingwave.engine.iceberg_sink import write_iceberg
from rwlib.sandbox.risingwave.engine.objects import (
    Changes,
    Database,
    Op,
    Relation,
    Row,
    SandboxSink,
)
from rwlib.sandbox.risingwave.engine.opendal import OpendalError
from rwlib.sandbox.risingwave.engine.platform import Platform
from rwlib.sandbox.risingwave.engine.queries import ResultRows, select
from rwlib.sandbox.risingwave.engine.redshift import copy_manifests, write_redshift
from rwlib.sandbox.risingwave.engine.s3_source import read_source
from rwlib.sandbox.risingwave.engine.writing import EncodeError

Write = Callable[[Platform, SandboxSink, Changes, Database], None]

_WRITERS: dict[str, Write] = {
    "s3_sink": write_file,
    "snowflake": write_file,
    "snowflake_v2": write_staged,
    "redshift": write_redshift,
    "iceberg_sink": write_iceberg,
}


def checkpoint(platform: Platform, database: Database, *, flushed: bool = False) -> None:
    """Let every sink write what it has not written yet.

    A failing sink keeps its rows and tries again at the next checkpoint, so it looks alive
    (``src/stream/src/executor/sink.rs``); each failure is an event ``SINK_FAIL``.
    """
    for sink in list(database.sinks.values()):
        checkpoint_sink(platform, database, sink)
    if flushed:
        for sink in database.sinks.values():
            if sink.connector == "redshift":
                copy_manifests(platform, sink, database)


def checkpoint_sink(platform: Platform, database: Database, sink: SandboxSink) -> None:
    """Let one sink write what it has not written yet."""
    write = _WRITERS.get(sink.data_name)
    if write is None:
        return
    changes, reached, sent = _pending(platform, database, sink)
    if not changes.changes:
        return
    try:
        write(platform, sink, changes, database)
    except OpendalError as error:
        _fail(database, sink, f"File error: {error}")
    except IcebergError as error:
        _fail(database, sink, f"Iceberg error: {error}")
    except EncodeError as error:
        _fail(database, sink, f"Encode error: {error}")
    else:
        sink.delivered, sink.sent = reached, sent
        sink.error = ""


def rows_of_source(platform: Platform, relation: Relation, database: Database) -> list[Row]:
    """Read the rows of a source for a query."""
    if relation.connector == "s3":
        return read_source(platform, relation, database)
    if relation.connector == "iceberg":
        try:
            warehouse = Warehouse(platform, relation.options, database)
            table = warehouse.load()
            return [] if table is None else warehouse.rows(table)
        except IcebergError as error:
            raise failure("Iceberg error", *error.causes) from None
    return []


def columns_of(platform: Platform, database: Database, sink: SandboxSink) -> list[tuple[str, str]]:
    """Give the columns of what a sink reads; none where its query is not understood here."""
    relation = database.relations.get(sink.from_name)
    if relation is not None:
        return list(relation.columns)
    found = _queried(platform, database, sink.query)
    return found.columns if found else []


def _pending(
    platform: Platform, database: Database, sink: SandboxSink
) -> tuple[Changes, int, dict[str, Row]]:
    """Give what is to be written, how far the sink comes with it, and what it has sent then."""
    relation = database.relations.get(sink.from_name)
    if relation is not None and relation.kind == "table":
        numbers, rows = relation.sequence, relation.rows
    else:
        rows = _computed(platform, database, sink, relation)
        numbers = list(range(1, len(rows) + 1))
    reached = max([sink.delivered, *numbers])
    key = _key_of(sink, relation) if sink.sink_type == "upsert" else []
    if not key:
        new = [row for number, row in zip(numbers, rows, strict=True) if number > sink.delivered]
        inserted = [(Op.INSERT, row) for row in new]
        return Changes(sink.columns, key, inserted), reached, {}
    sent = {json.dumps([row.get(name) for name in key]): row for row in rows}
    changes = [(Op.DELETE, row) for name, row in sink.sent.items() if name not in sent]
    for name, row in sent.items():
        if name not in sink.sent:
            changes.append((Op.INSERT, row))
        elif sink.sent[name] != row:
            changes += [(Op.UPDATE_DELETE, sink.sent[name]), (Op.UPDATE_INSERT, row)]
    return Changes(sink.columns, key, changes), reached, sent


def _key_of(sink: SandboxSink, relation: Relation | None) -> list[str]:
    """Give the columns that tell an upsert sink's rows apart."""
    given = [name.strip() for name in sink.options.get("primary_key", "").split(",")]
    key = [name for name in given if name] or (relation.primary_key if relation else [])
    known = {name for name, _ in sink.columns}
    return list(key) if set(key) <= known else []


def _computed(
    platform: Platform, database: Database, sink: SandboxSink, relation: Relation | None
) -> list[Row]:
    if relation is not None and relation.kind == "source":
        return rows_of_source(platform, relation, database)
    result = _queried(platform, database, sink.query or (relation.query if relation else ""))
    if result is None:
        return []
    names = [name for name, _ in result.columns]
    return [dict(zip(names, row, strict=True)) for row in result.rows]


def _queried(platform: Platform, database: Database, query: str) -> ResultRows | None:
    if not query:
        return None
    try:
        return select(
            query,
            database,
            platform.version,
            lambda found: rows_of_source(platform, found, database),
        )
    except RefusedStatementError:
        return None


def _fail(database: Database, sink: SandboxSink, error: str) -> None:
    sink.error = error
    database.add_event(
        "SINK_FAIL",
        {
            "sinkFail": {
                "sinkId": sink.object_id,
                "sinkName": sink.name,
                "connector": sink.connector,
                "error": error,
            }
        },
    )
