"""Iceberg's metadata, manifests and data files, by pyiceberg over the stand-in's own operators.

pyiceberg is imported when the first Iceberg table is touched. It writes what RisingWave's Rust
client writes (data, manifests, manifest lists) through the operator that is given here, so that who
asks S3 stays who asks it on AWS; the metadata file and the catalog's pointer are the warehouse's.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

from rwlib.sandbox.risingwave.engine.iceberg_deletes import commit_changes
from rwlib.sandbox.risingwave.engine.iceberg_errors import IcebergError, file_error
from rwlib.sandbox.risingwave.engine.kinds import (
    map_name,
    struct_name,
    type_name,
)
from rwlib.sandbox.risingwave.engine.objects import Row
from rwlib.sandbox.risingwave.engine.opendal import OpendalError
from rwlib.sandbox.risingwave.engine.typed_files import (
    Columns,
    arrow_type,
    arrow_value,
    missing_files_extra,
    pyarrow_module,
)
from rwlib.sandbox.risingwave.engine.values import from_python

Publish = Callable[[str, str, str], str]
"""Write a metadata file's content after the one that stood there; give its location."""

_Answer = TypeVar("_Answer")

_SCALARS = {
    "boolean": "boolean",
    "int": "integer",
    "long": "bigint",
    "float": "real",
    "double": "double precision",
    "string": "character varying",
    "uuid": "character varying",
    "date": "date",
    "time": "time without time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "binary": "bytea",
}


class Files(Protocol):
    """What reads and writes a bucket's objects."""

    def read(self, path: str) -> bytes:
        """Read a whole object."""

    def stat(self, path: str) -> int:
        """Give an object's size."""

    def write(self, path: str, content: bytes) -> None:
        """Write an object."""


@dataclass(frozen=True)
class Table:
    """An Iceberg table: where its metadata file is, and what it says (pyiceberg's model)."""

    location: str
    metadata: Any

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Names and RisingWave types of the columns."""
        return [(field.name, _kind(field.field_type)) for field in self.metadata.schema().fields]


def read_table(location: str, content: bytes) -> Table:
    """Read a metadata file.

    Raises
    ------
    IcebergError
        It is none.
    """
    _require()
    from pyiceberg.table.metadata import TableMetadataUtil

    try:
        return Table(location, TableMetadataUtil.parse_raw(content.decode()))
    except _refusals():
        raise IcebergError("DataInvalid => Failed to parse table metadata", location) from None


def new_table_content(columns: Columns, table_location: str) -> str:
    """Give the first metadata file of an empty table."""
    _require()
    from pyiceberg.io.pyarrow import _ConvertToIcebergWithoutIDs, visit_pyarrow
    from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
    from pyiceberg.table.metadata import new_table_metadata
    from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

    pyarrow = pyarrow_module()
    arrow = pyarrow.schema([(name, arrow_type(type_name(kind))) for name, kind in columns])
    schema = visit_pyarrow(arrow, _ConvertToIcebergWithoutIDs(format_version=2))
    metadata = new_table_metadata(
        schema,
        UNPARTITIONED_PARTITION_SPEC,
        UNSORTED_SORT_ORDER,
        table_location,
        {"format-version": "2"},
    )
    return str(metadata.model_dump_json())


def check_columns(table: Table, columns: Columns) -> None:
    """Refuse a sink whose columns are not the table's.

    ``sink/iceberg/create_table.rs``, ``try_matches_arrow_schema``.

    Raises
    ------
    IcebergError
        The number of columns, a name or a type differs.
    """
    schema = table.metadata.schema()
    if len(schema.fields) != len(columns):
        raise IcebergError(
            f"Schema length mismatch, risingwave is {len(columns)}, and iceberg is "
            f"{len(schema.fields)}"
        )
    ours = {name: arrow_type(type_name(kind)) for name, kind in columns}
    for field in schema.as_arrow():
        if field.name not in ours:
            raise IcebergError(f"Field {field.name} not found in our schema")
        if not _compatible(ours[field.name], field.type):
            raise IcebergError(
                f"field {field.name}'s type is incompatible\n"
                f"RisingWave converted data type: {ours[field.name]}\n"
                f"iceberg's data type: {field.type}"
            )


def append(
    table: Table,
    files: Files,
    publish: Publish,
    columns: Columns,
    rows: Sequence[Row],
    deleted: Sequence[Mapping[str, Any]] = (),
    *,
    copy_on_write: bool = False,
) -> None:
    """Commit rows to a table as one commit; every earlier snapshot stays.

    Parameters
    ----------
    deleted
        The keys of rows that are taken out first.
    copy_on_write
        Write the files that hold such rows again without them, instead of a delete file beside.
        Tables of format version 1 know no delete files.
    """
    opened = _opened(table, files, publish)
    try:
        with opened.transaction() as transaction:
            if deleted and not copy_on_write and table.metadata.format_version > 1:
                commit_changes(
                    transaction,
                    lambda location: _asked(lambda: files.read(key_of(location))),
                    _arrow_rows(table, columns, rows),
                    deleted,
                    {name: type_name(kind) for name, kind in columns},
                    _any_of(deleted, columns),
                )
                return
            if deleted:
                transaction.delete(_any_of(deleted, columns))
            if rows:
                transaction.append(_arrow_rows(table, columns, rows))
    except _refusals() as error:
        raise IcebergError(f"DataInvalid => {error}") from None


def rows_of(table: Table, files: Files) -> list[Row]:
    """Read all rows of a table's current snapshot, as RisingWave keeps them."""
    columns = [(name, type_name(kind)) for name, kind in table.columns]
    try:
        found = _opened(table, files, _read_only).scan().to_arrow().to_pylist()
    except _refusals() as error:
        raise IcebergError(f"FeatureUnsupported => {error}") from None
    return [{name: from_python(row[name], kind) for name, kind in columns} for row in found]


def _require() -> None:
    pyarrow_module()
    try:
        import pyiceberg  # noqa: F401
    except ImportError:
        raise missing_files_extra("pyiceberg") from None
    _keep_nulls()


@cache
def _keep_nulls() -> None:
    """Keep a list or a map of structs NULL, which pyiceberg 0.12 writes and reads as an empty one.

    Its projection builds such an array again from the offsets alone, without the validity.
    """
    import pyarrow
    from pyiceberg.io.pyarrow import ArrowProjectionVisitor

    def keeping(visit: Callable[..., Any]) -> Callable[..., Any]:
        def visited(self: Any, kind: Any, array: Any, *parts: Any) -> Any:
            found = visit(self, kind, array, *parts)
            if found is None or not array.null_count or found.null_count == array.null_count:
                return found
            null = array.is_null()
            if pyarrow.types.is_map(found.type):
                parts = (found.offsets, found.keys, found.items, found.type)
                return pyarrow.MapArray.from_arrays(*parts, mask=null)
            return type(found).from_arrays(found.offsets, found.values, found.type, mask=null)

        return visited

    for name in ("list", "map"):
        setattr(ArrowProjectionVisitor, name, keeping(getattr(ArrowProjectionVisitor, name)))


@cache
def _refusals() -> tuple[type[Exception], ...]:
    """Give the errors with which pyiceberg and pyarrow refuse a table; they share no base."""
    from pyiceberg import exceptions

    own = [
        found
        for found in vars(exceptions).values()
        if isinstance(found, type) and issubclass(found, Exception)
    ]
    plain = (ValueError, KeyError, TypeError, NotImplementedError)
    return (*own, *plain, pyarrow_module().ArrowException)


def _read_only(content: str, metadata: str, location: str) -> str:
    raise IcebergError("FeatureUnsupported => the table is only read")


def _kind(iceberg_type: Any) -> str:
    text = str(iceberg_type)
    if text.startswith("decimal"):
        return "numeric"
    if text.startswith("fixed"):
        return "bytea"
    if text.startswith("list<"):
        return type_name(_kind(iceberg_type.element_type)) + "[]"
    if text.startswith("struct<"):
        return struct_name([(each.name, _kind(each.field_type)) for each in iceberg_type.fields])
    if text.startswith("map<"):
        return map_name(_kind(iceberg_type.key_type), _kind(iceberg_type.value_type))
    return _SCALARS.get(text, text)


def _compatible(ours: Any, theirs: Any) -> bool:
    types = pyarrow_module().types
    if types.is_decimal(ours):
        return bool(types.is_decimal(theirs))
    if types.is_timestamp(ours):
        return bool(types.is_timestamp(theirs) and bool(ours.tz) == bool(theirs.tz))
    for test in (types.is_string, types.is_binary):
        large = types.is_large_string if test is types.is_string else types.is_large_binary
        if test(ours):
            return bool(test(theirs) or large(theirs) or types.is_fixed_size_binary(theirs))
    if types.is_list(ours):
        nested = types.is_list(theirs) or types.is_large_list(theirs)
        return bool(nested and _compatible(ours.value_type, theirs.value_type))
    if types.is_struct(ours):
        there = {field.name: field.type for field in theirs} if types.is_struct(theirs) else {}
        return {field.name for field in ours} == set(there) and all(
            _compatible(field.type, there[field.name]) for field in ours
        )
    if types.is_map(ours):
        return bool(
            types.is_map(theirs)
            and _compatible(ours.key_type, theirs.key_type)
            and _compatible(ours.item_type, theirs.item_type)
        )
    return bool(ours == theirs)


def _arrow_rows(table: Table, columns: Columns, rows: Sequence[Row]) -> Any:
    """Give rows with the table's own types."""
    pyarrow = pyarrow_module()
    kinds = {name: type_name(kind) for name, kind in columns}
    schema = table.metadata.schema().as_arrow()
    arrays = [
        pyarrow.array(
            [arrow_value(row.get(field.name), kinds[field.name], field.type) for row in rows],
            type=field.type,
        )
        if field.name in kinds
        else pyarrow.nulls(len(rows), field.type)
        for field in schema
    ]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _any_of(keys: Sequence[Mapping[str, Any]], columns: Columns) -> Any:
    from pyiceberg.expressions import And, EqualTo, IsNull, Or

    kinds = {name: type_name(kind) for name, kind in columns}

    def same(key: Mapping[str, Any]) -> Any:
        tests = [
            IsNull(name)
            if value is None
            else EqualTo(name, arrow_value(value, kinds[name], arrow_type(kinds[name])))
            for name, value in key.items()
        ]
        return And(*tests) if len(tests) > 1 else tests[0]

    tests = [same(key) for key in keys]
    return Or(*tests) if len(tests) > 1 else tests[0]


def _opened(table: Table, files: Files, publish: Publish) -> Any:
    from pyiceberg.table import Table as IcebergTable

    file_io, catalog = _file_io_class(), _catalog_class()
    return IcebergTable(
        ("table",), table.metadata, table.location, file_io(files), catalog(publish)
    )


@cache
def _input_class() -> Any:
    """Give pyiceberg's reading over ours; it exists only once pyiceberg is imported."""
    from pyiceberg.io import InputFile

    class OperatorInput(InputFile):  # type: ignore[misc]
        def __init__(self, location: str, files: Files) -> None:
            super().__init__(location)
            self._files = files
            self._size = -1

        def __len__(self) -> int:
            if self._size < 0:
                self._size = _asked(lambda: self._files.stat(key_of(self.location)))
            return self._size

        def exists(self) -> bool:
            return len(self) >= 0

        def open(self, seekable: bool = True) -> Any:
            content = _asked(lambda: self._files.read(key_of(self.location)))
            self._size = len(content)
            return io.BytesIO(content)

    return OperatorInput


@cache
def _output_class() -> Any:
    """Give pyiceberg's writing over ours; it exists only once pyiceberg is imported."""
    from pyiceberg.io import OutputFile

    class OperatorOutput(OutputFile):  # type: ignore[misc]
        def __init__(self, location: str, files: Files) -> None:
            super().__init__(location)
            self._files = files
            self._size = 0

        def __len__(self) -> int:
            return self._size

        def exists(self) -> bool:
            return False

        def to_input_file(self) -> Any:
            return _input_class()(self.location, self._files)

        def create(self, overwrite: bool = False) -> Any:
            return _Written(self._put)

        def _put(self, content: bytes) -> None:
            self._size = len(content)
            _asked(lambda: self._files.write(key_of(self.location), content))

    return OperatorOutput


@cache
def _file_io_class() -> Any:
    """Give pyiceberg's file access over ours; it exists only once pyiceberg is imported."""
    from pyiceberg.io import FileIO, InputFile, OutputFile

    class OperatorIO(FileIO):  # type: ignore[misc]
        def __init__(self, files: Files) -> None:
            super().__init__()
            self._files = files

        def new_input(self, location: str) -> Any:
            return _input_class()(location, self._files)

        def new_output(self, location: str) -> Any:
            return _output_class()(location, self._files)

        def delete(self, location: str | InputFile | OutputFile) -> None:
            """Keep the file: what a failed commit leaves is left on AWS too."""

    return OperatorIO


@cache
def _catalog_class() -> Any:
    """Give pyiceberg's catalog over ours; it exists only once pyiceberg is imported."""
    from pyiceberg.catalog.noop import NoopCatalog
    from pyiceberg.table import CommitTableResponse
    from pyiceberg.table.update import update_table_metadata

    class WarehouseCatalog(NoopCatalog):  # type: ignore[misc]
        def __init__(self, publish: Publish) -> None:
            super().__init__("risingwave")
            self._publish = publish

        def commit_table(self, table: Any, requirements: Any, updates: Any) -> Any:
            for requirement in requirements:
                requirement.validate(table.metadata)
            metadata = update_table_metadata(
                table.metadata, updates, metadata_location=table.metadata_location
            )
            location = self._publish(
                metadata.model_dump_json(), table.metadata_location, metadata.location
            )
            return CommitTableResponse(metadata=metadata, metadata_location=location)

    return WarehouseCatalog


class _Written(io.BytesIO):
    """Bytes that are put where they belong when they are complete."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        super().__init__()
        self._put = put

    def close(self) -> None:
        if not self.closed:
            content = self.getvalue()
            super().close()
            self._put(content)


def key_of(location: str) -> str:
    """Give the key of ``s3://bucket/key``."""
    return location.partition("://")[2].partition("/")[2]


def _asked(call: Callable[[], _Answer]) -> _Answer:
    try:
        return call()
    except OpendalError as error:
        raise file_error(error) from None
