"""What the sinks that write files have in common: row encoding and object names."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from rwlib.sandbox.risingwave.engine.objects import Row
from rwlib.sandbox.risingwave.engine.platform import Options

_PARTITIONS = {"day": "%Y-%m-%d/", "month": "%Y-%m/", "hour": "%Y-%m-%d %H:00/"}


def json_lines(rows: Sequence[Row]) -> bytes:
    """Encode rows as the JSON encoder does, one object a line."""
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
