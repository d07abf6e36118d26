"""S3 sources and tables: one listing at CREATE, all files at a refresh.

``source/filesystem/s3/enumerator.rs`` and ``opendal_source/opendal_enumerator.rs:59-93``.
"""

from __future__ import annotations

import csv
import fnmatch
import io
import json
from typing import Any

from rwlib.sandbox.risingwave.engine.failures import from_meta
from rwlib.sandbox.risingwave.engine.kinds import type_name
from rwlib.sandbox.risingwave.engine.objects import Database, Relation, Row
from rwlib.sandbox.risingwave.engine.opendal import OpendalError, OpenDalOperator
from rwlib.sandbox.risingwave.engine.options import bad_value_text, unknown_option_text
from rwlib.sandbox.risingwave.engine.platform import MAIN, Platform
from rwlib.sandbox.risingwave.engine.typed_files import parquet_rows
from rwlib.sandbox.risingwave.engine.values import from_python
from rwlib.sql import listed_prefix, load_connector

_LOG_TARGET = "risingwave_connector::source::filesystem::opendal_source"
_WORKER = "failed to create source worker"


def validate_source(platform: Platform, relation: Relation) -> None:
    """Check a source at CREATE, and list the directory of its pattern."""
    connector = load_connector("s3_table" if relation.kind == "table" else "s3_source")
    complaint = bad_value_text(connector, relation.options)
    if complaint:
        causes = [_WORKER, "failed to parse json", complaint]
        raise from_meta("CreateSource", "Internal error", causes)
    unknown = unknown_option_text(connector, relation.options)
    if unknown:
        raise from_meta("CreateSource", "Internal error", [_WORKER, unknown])
    try:
        _operator(platform, relation).list(_directory(relation), first_page=True)
    except OpendalError as error:
        said = (
            "failed to create the source; please check your configuration"
            if platform.version == MAIN
            else "fail to create source, please check your config."
        )
        raise from_meta("CreateSource", "Internal error", [_WORKER, said, *error.causes]) from None


def read_source(platform: Platform, relation: Relation, database: Database) -> list[Row]:
    """List and read every file of the pattern; what fails stands in the log alone."""
    operator = _operator(platform, relation)
    pattern = relation.options.get("match_pattern", "")
    try:
        entries = operator.list(_directory(relation), recursive=True)
    except OpendalError as error:
        database.add_log("ERROR", _LOG_TARGET, f"Connector failed to list item, error: {error}")
        return []
    rows: list[Row] = []
    for entry in entries:
        # The glob crate lets "*" cross slashes unless told otherwise, as fnmatch does.
        if pattern and not fnmatch.fnmatchcase(entry.key, pattern):
            continue
        try:
            if not entry.size:
                operator.stat(entry.key)
            rows += _decoded(operator.read(entry.key), relation)
        except OpendalError as error:
            database.add_log("ERROR", _LOG_TARGET, f"failed to read {entry.key}: {error}")
    return rows


def _operator(platform: Platform, relation: Relation) -> OpenDalOperator:
    return platform.operator(relation.options)


def _directory(relation: Relation) -> str:
    return listed_prefix(relation.options.get("match_pattern")) or "/"


def _decoded(content: bytes, relation: Relation) -> list[Row]:
    """Read the rows of a file; a value that is none of its column's type becomes NULL.

    ``src/connector/src/parser``: such a value is logged, and the row is kept.
    """
    return [
        {name: _value(row.get(name), type_name(kind)) for name, kind in relation.columns}
        for row in _rows_of(content, relation)
    ]


def _rows_of(content: bytes, relation: Relation) -> list[Row]:
    if relation.encode == "PARQUET":
        return parquet_rows(content)
    text = content.decode("utf-8", "replace")
    if relation.encode == "JSON":
        found = [_json_row(line) for line in text.splitlines() if line.strip()]
        return [row for row in found if row is not None]
    if relation.encode == "CSV":
        names = [name for name, _ in relation.columns]
        delimiter = relation.options.get("delimiter", ",")[:1] or ","
        lines = list(csv.reader(io.StringIO(text), delimiter=delimiter))
        return [dict(zip(names, line, strict=False)) for line in lines[1:]]
    return []


def _value(value: Any, kind: str) -> Any:
    if value == "" and kind != "varchar":
        return None
    try:
        return from_python(value, kind)
    except (ValueError, TypeError):
        return None


def _json_row(line: str) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
