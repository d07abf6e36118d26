"""The sinks that write files and no more: s3, snowflake and snowflake_v2.

``s3`` and ``snowflake`` list their path at CREATE (``sink/file_sink/opendal_sink.rs``,
``validate``); ``snowflake_v2`` calls S3 with its first file only.
"""

from __future__ import annotations

from rwlib.sandbox.risingwave.engine.failures import RefusedStatementError, config_error, from_meta
from rwlib.sandbox.risingwave.engine.kinds import type_name
from rwlib.sandbox.risingwave.engine.objects import (
    Changes,
    Database,
    SandboxSink,
)
from rwlib.sandbox.risingwave.engine.opendal import OpendalError
from rwlib.sandbox.risingwave.engine.options import bad_value_text
from rwlib.sandbox.risingwave.engine.platform import Platform, is_on
from rwlib.sandbox.risingwave.engine.typed_files import arrow_type, parquet_file, pyarrow_module
from rwlib.sandbox.risingwave.engine.writing import (
    file_name,
    json_lines,
    partition_of,
    staged_lines,
    staged_path,
)
from rwlib.sql import load_connector

_LICENSE_HINT = (
    "You may want to set a license key with `ALTER SYSTEM SET license_key = '...';` command. "
    "For more information, visit https://go.risingwave.com/premium."
)
_APPEND_ONLY = (
    "File sink only supports append-only mode at present. Please change the query to append-only, "
    "and specify it explicitly after the `FORMAT ... ENCODE ...` statement. For example, "
    "`FORMAT xxx ENCODE xxx(force_append_only='true')`"
)
_NO_S3 = "S3 configuration is required for S3 sink"


def validate_file_sink(platform: Platform, sink: SandboxSink, database: Database) -> None:
    """Check an s3 or snowflake sink at CREATE, and list where it will write."""
    complaint = bad_value_text(load_connector(sink.data_name), sink.options)
    if complaint:
        raise config_error("CreateSink", complaint)
    if sink.connector == "snowflake":
        check_license(platform, "SnowflakeSink")
    if sink.sink_type not in ("append-only", "upsert"):
        raise config_error("CreateSink", "`type` must be append-only, or upsert")
    if sink.sink_type != "append-only":
        raise _invalid("config error", _APPEND_ONLY)
    if sink.encode not in ("PARQUET", "JSON"):
        raise _invalid(
            "config error", "File sink only supports `PARQUET` and `JSON` encode at present."
        )
    if sink.jsonb_handling not in ("string", "dynamic"):
        given = f"unrecognized jsonb.handling.mode value {sink.jsonb_handling}"
        raise config_error("CreateSink", given)
    if sink.encode == "PARQUET":
        pyarrow_module()
        for _, kind in sink.columns:
            arrow_type(type_name(kind))
    try:
        platform.operator(sink.options).list(sink.options.get("s3.path", ""), first_page=True)
    except OpendalError as error:
        raise _invalid(*error.causes) from None


def write_file(platform: Platform, sink: SandboxSink, changes: Changes, database: Database) -> None:
    """Write one file of an s3 or snowflake sink, as ENCODE says."""
    base = sink.options.get("s3.path", "")
    base = f"{base}/" if base else ""
    parquet = sink.encode == "PARQUET"
    path = f"{base}{partition_of(sink.options)}{file_name('parquet' if parquet else 'json')}"
    content = (
        parquet_file(changes.columns, changes.rows)
        if parquet
        else json_lines(changes, parsed=sink.jsonb_handling == "dynamic")
    )
    platform.operator(sink.options).write(path, content)


def validate_snowflake_v2(platform: Platform, sink: SandboxSink, database: Database) -> None:
    """Check a snowflake_v2 sink at CREATE, which does not call S3 (``snowflake.rs:234-254``)."""
    check_license(platform, "SnowflakeSink")
    require_s3(sink)
    options = sink.options
    if sink.sink_type not in ("append-only", "upsert"):
        raise config_error("CreateSink", "`type` must be append-only, or upsert")
    for name in ("jdbc.url", "username", "database", "schema", "table.name"):
        if name not in options:
            raise config_error("CreateSink", f"{name} is required")
    if not any(name in options for name in ("password", "private_key_file", "private_key_pem")):
        raise config_error(
            "CreateSink", "one of password, private_key_file, private_key_pem is required"
        )
    if is_on(options, "with_s3", default=True) and "stage" not in options:
        raise config_error("CreateSink", "stage is required for S3 writer")
    if sink.sink_type == "append-only":
        for name in load_connector(sink.data_name).append_only_forbids:
            if platform.refuses_unknown_sink_options and name in options:
                raise config_error("CreateSink", f"`{name}` is only supported for upsert sinks")
    elif "intermediate.table.name" not in options:
        raise config_error(
            "CreateSink", "intermediate.table.name is required for non-append-only sink"
        )


def write_staged(
    platform: Platform, sink: SandboxSink, changes: Changes, database: Database
) -> None:
    """Write one staged file of a snowflake_v2 sink; Snowflake reads it with its own role."""
    content = staged_lines(changes, sink.sink_type)
    platform.operator(sink.options).write(staged_path(sink.options), content)


def require_s3(sink: SandboxSink) -> None:
    """Check the S3 options of redshift and snowflake_v2.

    They are one optional, flattened block: anything missing or malformed in it makes the whole
    block vanish (``redshift.rs:125,316``).
    """
    connector = load_connector(sink.data_name)
    if not is_on(sink.options, "with_s3", default=True):
        return
    complaint = bad_value_text(connector, sink.options)
    missing = [
        name
        for name in (connector.region_option, connector.bucket_option)
        if name not in sink.options
    ]
    malformed = sink.options.get("enable_config_load", "true").lower() not in ("true", "false")
    if missing or malformed:
        raise _invalid("config error", _NO_S3)
    if complaint:
        raise config_error("CreateSink", complaint)


def check_license(platform: Platform, feature: str) -> None:
    """Refuse a feature that the license does not have."""
    if not platform.licensed:
        raise from_meta(
            "CreateSink",
            "Internal error",
            [
                "failed to validate sink",
                f"feature {feature} is not available based on your license",
            ],
            _LICENSE_HINT,
        )


def _invalid(*causes: str) -> RefusedStatementError:
    return from_meta("CreateSink", "Internal error", ["failed to validate sink", *causes])
