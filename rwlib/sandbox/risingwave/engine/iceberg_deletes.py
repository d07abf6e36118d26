"""Position delete files: how rows are taken out of an Iceberg table without writing it again.

An upsert sink of RisingWave writes delete files beside its data (``write_mode`` is
``merge-on-read`` unless it says otherwise) and commits both in one snapshot
(``src/connector/src/sink/iceberg/writer.rs``, ``commit.rs``). It knows two kinds: position deletes
for rows whose place it knows (those of the same checkpoint, and all with ``enable_pk_index``) and
equality deletes for the others. Readers without equality deletes, pyiceberg among them, cannot
open such a table, so that here every deleted row is named by its position.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import uuid4

from rwlib.sandbox.risingwave.engine.typed_files import arrow_value, pyarrow_module

_PATH_ID, _POSITION_ID = 2147483546, 2147483545
"""Reserved field ids (Iceberg table spec, "Reserved Field IDs")."""

Read = Callable[[str], bytes]
"""Give the content of a location."""


def commit_changes(
    transaction: Any,
    read: Read,
    rows: Any,
    keys: Sequence[Mapping[str, Any]],
    kinds: Mapping[str, str],
    row_filter: Any,
) -> None:
    """Add rows and delete those that have one of the keys, as one snapshot.

    Parameters
    ----------
    transaction
        pyiceberg's transaction on a table of format version 2.
    read
        Reads data and delete files.
    rows
        The new rows as an Arrow table; may be empty.
    keys
        The kept key values of the rows to take out.
    kinds
        RisingWave's types of the key's columns.
    row_filter
        pyiceberg's expression for the same keys: it chooses the files that are read.
    """
    from pyiceberg.io.pyarrow import _dataframe_to_data_files
    from pyiceberg.table.snapshots import Operation

    table = transaction._table
    positions = _positions(table, read, keys, kinds, row_filter)
    operation = Operation.OVERWRITE if rows.num_rows else Operation.DELETE
    if not positions:
        operation = Operation.APPEND
    producer = _producer_class()(operation=operation, transaction=transaction, io=table.io)
    if rows.num_rows:
        for data_file in _dataframe_to_data_files(
            table_metadata=transaction.table_metadata,
            write_uuid=producer.commit_uuid,
            df=rows,
            io=table.io,
        ):
            producer.append_data_file(data_file)
    for data_files in _by_partition(positions):
        producer.append_data_file(_delete_file(table, data_files, positions))
    if producer._added_data_files:
        with producer:
            pass


def _positions(
    table: Any,
    read: Read,
    keys: Sequence[Mapping[str, Any]],
    kinds: Mapping[str, str],
    row_filter: Any,
) -> dict[Any, list[int]]:
    """Give the positions of rows with one of the keys, by data file; deleted ones are left out."""
    pyarrow = pyarrow_module()
    names = list(keys[0])
    fields = {name: table.schema().find_field(name).field_id for name in names}
    target = {name: table.schema().as_arrow().field(name).type for name in names}
    wanted = {tuple(arrow_value(key[name], kinds[name], target[name]) for name in names)
              for key in keys}  # fmt: skip
    positions: dict[Any, list[int]] = {}
    for task in table.scan(row_filter=row_filter).plan_files():
        content = pyarrow.parquet.read_table(io.BytesIO(read(task.file.file_path)))
        columns = [_column(content, fields[name], name, target[name]).to_pylist() for name in names]
        gone = _deleted(read, task)
        places = [
            place
            for place, key in enumerate(zip(*columns, strict=True))
            if key in wanted and place not in gone
        ]
        if places:
            positions[task.file] = places
    return positions


def _column(content: Any, field_id: int, name: str, kind: Any) -> Any:
    """Give a column by its field id, as the table's schema has it; by name in a file without."""
    pyarrow = pyarrow_module()
    given = str(field_id).encode()
    for index, field in enumerate(content.schema):
        if (field.metadata or {}).get(b"PARQUET:field_id") == given:
            return content.column(index).cast(kind)
    if name in content.schema.names:
        return content.column(name).cast(kind)
    return pyarrow.nulls(content.num_rows, kind)


def _deleted(read: Read, task: Any) -> Collection[int]:
    """Give the positions of a data file that earlier delete files name."""
    pyarrow = pyarrow_module()
    gone: set[int] = set()
    for delete_file in task.delete_files:
        content = pyarrow.parquet.read_table(io.BytesIO(read(delete_file.file_path)))
        for path, place in zip(
            content.column("file_path").to_pylist(), content.column("pos").to_pylist(), strict=True
        ):
            if path == task.file.file_path:
                gone.add(place)
    return gone


def _by_partition(positions: Mapping[Any, list[int]]) -> list[list[Any]]:
    groups: dict[Any, list[Any]] = defaultdict(list)
    for data_file in positions:
        groups[data_file.spec_id, data_file.partition].append(data_file)
    return list(groups.values())


def _delete_file(table: Any, data_files: Sequence[Any], positions: Mapping[Any, list[int]]) -> Any:
    """Write one delete file for the data files of one partition; its rows are sorted.

    Source: Iceberg table spec, "Position Delete Files".
    """
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat

    pyarrow = pyarrow_module()
    schema = pyarrow.schema(
        [
            pyarrow.field(name, kind, nullable=False, metadata={"PARQUET:field_id": str(number)})
            for name, kind, number in (
                ("file_path", pyarrow.string(), _PATH_ID),
                ("pos", pyarrow.int64(), _POSITION_ID),
            )
        ]
    )
    named = sorted((file.file_path, place) for file in data_files for place in positions[file])
    rows = [{"file_path": path, "pos": place} for path, place in named]
    written = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), written)
    location = table.location_provider().new_data_location(f"pos-del-{uuid4()}.parquet")
    with table.io.new_output(location).create() as out:
        out.write(written.getvalue())
    paths = {_PATH_ID: named[0][0].encode()}, {_PATH_ID: named[-1][0].encode()}
    made = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES,
        file_path=location,
        file_format=FileFormat.PARQUET,
        partition=data_files[0].partition,
        record_count=len(rows),
        file_size_in_bytes=len(written.getvalue()),
        lower_bounds=paths[0],
        upper_bounds=paths[1],
    )
    made.spec_id = data_files[0].spec_id
    return made


@cache
def _producer_class() -> Any:
    """Give a commit of data and delete files; it exists only once pyiceberg is imported."""
    from pyiceberg.manifest import (
        DataFileContent,
        ManifestContent,
        ManifestEntry,
        ManifestEntryStatus,
        ManifestWriterV2,
    )
    from pyiceberg.table.update.snapshot import _FastAppendFiles

    class DeleteManifestWriter(ManifestWriterV2):  # type: ignore[misc]
        def content(self) -> Any:
            return ManifestContent.DELETES

        @property
        def _meta(self) -> dict[str, str]:
            return {**super()._meta, "content": "deletes"}

    class ChangesAppend(_FastAppendFiles):  # type: ignore[misc]
        _added_data_files: list[Any]

        def _manifests(self) -> list[Any]:
            added = self._added_data_files
            deletes = [file for file in added if file.content != DataFileContent.DATA]
            self._added_data_files = [file for file in added if file not in deletes]
            try:
                manifests = list(super()._manifests())
            finally:
                self._added_data_files = added
            specs = {file.spec_id for file in deletes}
            return [*manifests, *(self._delete_manifest(spec, deletes) for spec in specs)]

        def _delete_manifest(self, spec_id: int, deletes: Sequence[Any]) -> Any:
            with DeleteManifestWriter(
                self.spec(spec_id),
                self.schema(),
                self.new_manifest_output(),
                self._snapshot_id,
                self._compression,
            ) as writer:
                for file in deletes:
                    if file.spec_id == spec_id:
                        writer.add(
                            ManifestEntry.from_args(
                                status=ManifestEntryStatus.ADDED,
                                snapshot_id=self._snapshot_id,
                                sequence_number=None,
                                file_sequence_number=None,
                                data_file=file,
                            )
                        )
            return writer.to_manifest_file()

    return ChangesAppend
