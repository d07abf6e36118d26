"""The iceberg sink: its table at CREATE, a commit at each checkpoint."""

from __future__ import annotations

from rwlib.sandbox.risingwave.engine.failures import (
    RefusedStatementError,
    config_error,
    failure,
)
from rwlib.sandbox.risingwave.engine.iceberg import Warehouse
from rwlib.sandbox.risingwave.engine.iceberg_errors import IcebergError
from rwlib.sandbox.risingwave.engine.iceberg_files import check_columns
from rwlib.sandbox.risingwave.engine.objects import Changes, Database, SandboxSink
from rwlib.sandbox.risingwave.engine.platform import Platform, is_on

_MODES = ("merge-on-read", "copy-on-write")


def validate_iceberg(platform: Platform, sink: SandboxSink, database: Database) -> None:
    """Load or create the sink's table at CREATE."""
    _check_write_mode(sink)
    try:
        warehouse = Warehouse(platform, sink.options, database)
        table = warehouse.load()
        if table is None:
            if not is_on(sink.options, "create_table_if_not_exists"):
                raise IcebergError(
                    f"Table {warehouse.database_name}.{warehouse.table_name} does not exist"
                )
            table = warehouse.create(sink.columns)
        if sink.columns:
            check_columns(table, sink.columns)
    except IcebergError as error:
        raise _refused(error) from None


def write_iceberg(
    platform: Platform, sink: SandboxSink, changes: Changes, database: Database
) -> None:
    """Commit rows, then close the next checkpoint's empty file."""
    warehouse = Warehouse(platform, sink.options, database)
    table = warehouse.load()
    if table is None:
        raise IcebergError(f"Table {warehouse.database_name}.{warehouse.table_name} does not exist")
    warehouse.commit(table, changes.columns, changes.rows, changes.deleted)
    warehouse.discard_empty_file()


def _check_write_mode(sink: SandboxSink) -> None:
    """Refuse what ``sink/iceberg/config.rs`` refuses of ``write_mode``."""
    mode = sink.options.get("write_mode", _MODES[0])
    if mode not in _MODES:
        raise config_error(
            "CreateSink",
            f"invalid write_mode: {mode}, must be one of: {', '.join(_MODES)}",
        )
    if sink.sink_type == "append-only" and mode == "copy-on-write":
        raise config_error(
            "CreateSink",
            "'copy-on-write' mode is not supported for append-only iceberg sink. Please use "
            "'merge-on-read' instead, which is strictly better for append-only workloads.",
        )


def _refused(error: IcebergError) -> RefusedStatementError:
    """Give a CREATE SINK's refusal."""
    return failure("Sink error", "Iceberg error", *error.causes)
