"""What happens after CREATE: checkpoints, files, and failures that only the event log shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rwlib.sandbox.risingwave.engine.failures import RefusedStatementError, failure
from rwlib.sandbox.risingwave.engine.file_sinks import write_file, write_staged
from rwlib.sandbox.risingwave.engine.iceberg import Warehouse
from rwlib.sandbox.risingwave.engine.iceberg_errors import IcebergError
from rwlib.sandbox.risingwave.engine.iceberg_sink import write_iceberg
from rwlib.sandbox.risingwave.engine.objects import Database, Relation, Row, SandboxSink
from rwlib.sandbox.risingwave.engine.opendal import OpendalError
from rwlib.sandbox.risingwave.engine.platform import Platform
from rwlib.sandbox.risingwave.engine.queries import select
from rwlib.sandbox.risingwave.engine.redshift import copy_manifests, write_redshift
from rwlib.sandbox.risingwave.engine.s3_source import read_source

Write = Callable[[Platform, SandboxSink, Sequence[Row], Database], None]

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
    rows, reached = _pending(platform, database, sink)
    if not rows:
        return
    try:
        write(platform, sink, rows, database)
    except OpendalError as error:
        _fail(database, sink, f"File error: {error}")
    except IcebergError as error:
        _fail(database, sink, f"Iceberg error: {error}")
    else:
        sink.delivered = reached
        sink.error = ""


def rows_of_source(platform: Platform, relation: Relation, database: Database) -> list[Row]:
    """Read the rows of a source for a query."""
    if relation.connector == "s3":
        return read_source(platform, relation, database)
    if relation.connector == "iceberg":
        try:
            Warehouse(platform, relation.options, database).load()
        except IcebergError as error:
            raise failure("Iceberg error", *error.causes) from None
    return []


def _pending(platform: Platform, database: Database, sink: SandboxSink) -> tuple[list[Row], int]:
    relation = database.relations.get(sink.from_name)
    if relation is not None and relation.kind == "table":
        pairs = zip(relation.sequence, relation.rows, strict=True)
        found = [(number, row) for number, row in pairs if number > sink.delivered]
        return [row for _, row in found], max([sink.delivered, *(number for number, _ in found)])
    rows = _computed(platform, database, sink, relation)
    return rows[sink.delivered :], max(sink.delivered, len(rows))


def _computed(
    platform: Platform, database: Database, sink: SandboxSink, relation: Relation | None
) -> list[Row]:
    if relation is not None and relation.kind == "source":
        return rows_of_source(platform, relation, database)
    query = sink.query or (relation.query if relation is not None else "")
    if not query:
        return []
    try:
        result = select(
            query,
            database,
            platform.version,
            lambda found: rows_of_source(platform, found, database),
        )
    except RefusedStatementError:
        return []
    names = [name for name, _ in result.columns]
    return [dict(zip(names, row, strict=True)) for row in result.rows]


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
