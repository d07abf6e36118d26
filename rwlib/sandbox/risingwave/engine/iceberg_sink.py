"""The iceberg sink: its table at CREATE, a commit at each checkpoint."""

from __future__ import annotations

from rwlib.sandbox.risingwave.engine.failures import RefusedStatementError, failure
from rwlib.sandbox.risingwave.engine.iceberg import Warehouse
from rwlib.sandbox.risingwave.engine.iceberg_errors import IcebergError
from rwlib.sandbox.risingwave.engine.iceberg_files import check_columns
from rwlib.sandbox.risingwave.engine.objects import Changes, Database, SandboxSink
from rwlib.sandbox.risingwave.engine.platform import Platform, is_on


def validate_iceberg(platform: Platform, sink: SandboxSink, database: Database) -> None:
    """Load or create the sink's table at CREATE."""
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


def _refused(error: IcebergError) -> RefusedStatementError:
    """Give a CREATE SINK's refusal."""
    return failure("Sink error", "Iceberg error", *error.causes)
