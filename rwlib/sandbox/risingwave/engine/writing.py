"""What the sinks that write files have in common: row encoding and object names."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import uuid4

from rwlib.sandbox.risingwave.engine.objects import Changes, Row
from rwlib.sandbox.risingwave.engine.platform import Options
from rwlib.sandbox.risingwave.engine.values import to_json, type_name

_EPOCH_START = 1_617_235_200_000
"""RisingWave's epochs count from 2021-04-01 (``src/common/src/util/epoch.rs``)."""
_PARTITIONS = {"day": "%Y-%m-%d/", "month": "%Y-%m/", "hour": "%Y-%m-%d %H:00/"}


def json_lines(changes: Changes) -> bytes:
    """Encode the rows as the JSON encoder does, one object a line."""
    return _lines(_encoded(row, changes) for row in changes.rows)


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


def _encoded(row: Row, changes: Changes) -> Row:
    return {name: to_json(row.get(name), type_name(kind)) for name, kind in changes.columns}


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
