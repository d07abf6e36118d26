"""What the sinks that write files have in common: row encoding and object names."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import uuid4

from rwlib.sandbox.risingwave.engine.kinds import element_of, entry_of, fields_of, type_name
from rwlib.sandbox.risingwave.engine.objects import Changes, Row
from rwlib.sandbox.risingwave.engine.platform import Options
from rwlib.sandbox.risingwave.engine.values import to_json

_EPOCH_START = 1_617_235_200_000
"""RisingWave's epochs count from 2021-04-01 (``src/common/src/util/epoch.rs``)."""
_PARTITIONS = {"day": "%Y-%m-%d/", "month": "%Y-%m/", "hour": "%Y-%m-%d %H:00/"}


class EncodeError(Exception):
    """A row that the encoder cannot write."""


def json_lines(changes: Changes, *, parsed: bool = False) -> bytes:
    """Encode the rows as the JSON encoder does, one object a line.

    Parameters
    ----------
    parsed
        Write jsonb as JSON instead of as its text.

    Raises
    ------
    EncodeError
        A map, which the encoder does not know.
    """
    return _lines(_encoded(row, changes, parsed=parsed) for row in changes.rows)


def staged_lines(changes: Changes, sink_type: str) -> bytes:
    """Encode what redshift and snowflake_v2 stage.

    An upsert sink adds to every change a running number and what happened
    (``snowflake_redshift/mod.rs``, ``AugmentedRow``).
    """
    if sink_type == "append-only":
        return json_lines(changes)
    epoch = (time.time_ns() // 1_000_000 - _EPOCH_START) << 16
    return _lines(
        {**_encoded(row, changes), "__row_id": f"{epoch}_{number}", "__op": int(op)}
        for number, (op, row) in enumerate(changes.changes, 1)
    )


def _encoded(row: Row, changes: Changes, *, parsed: bool = False) -> Row:
    kinds = [(name, type_name(kind)) for name, kind in changes.columns]
    for name, kind in kinds:
        if row.get(name) is not None:
            _refuse_maps(name, kind)
    return {name: to_json(row.get(name), kind, parsed=parsed) for name, kind in kinds}


def _refuse_maps(name: str, kind: str) -> None:
    """Refuse a map wherever it is (``encoder/json.rs``, ``TODO(map)``)."""
    if entry_of(kind):
        raise EncodeError(
            "Internal error: datum_to_json_object: unsupported data type: field name: "
            f'"{name}", logical type: {kind}'
        )
    if element := element_of(kind):
        _refuse_maps("", element)
    for inner, inner_kind in fields_of(kind) or ():
        _refuse_maps(inner, inner_kind)


def _lines(rows: Iterable[Row]) -> bytes:
    return "".join(
        json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n" for row in rows
    ).encode()


def file_name(suffix: str) -> str:
    """Name a new file: ``<uuid>_<milliseconds>.<suffix>``."""
    return f"{uuid4()}_{time.time_ns() // 1_000_000}.{suffix}"


def staged_path(options: Options, directory: str = "") -> str:
    """Give the path of a new staged file of redshift and snowflake_v2.

    ``build_opendal_writer_path`` in ``sink/snowflake_redshift/mod.rs:219-247``: an empty
    ``s3.path`` leaves a slash in front, which opendal drops from the key but the manifest keeps.
    """
    base = options.get("s3.path", "")
    if not base.endswith("/"):
        base += "/"
    base += options["table.name"] + "/"
    return f"{base}{directory}{file_name('json')}"


def partition_of(options: Options) -> str:
    """Give the part of a file sink's path that the time decides."""
    pattern = _PARTITIONS.get(options.get("path_partition_prefix", "").lower(), "")
    return datetime.now(UTC).strftime(pattern) if pattern else ""
