"""``CREATE SINK``: the checks of the frontend and the meta node, in their order."""

from __future__ import annotations

from collections.abc import Callable

from rwlib.sandbox.risingwave.engine.failures import config_error, exists, failure, not_found
from rwlib.sandbox.risingwave.engine.file_sinks import validate_file_sink, validate_snowflake_v2
from rwlib.sandbox.risingwave.engine.iceberg_sink import validate_iceberg
from rwlib.sandbox.risingwave.engine.objects import Database, SandboxSink, now, plain_name
from rwlib.sandbox.risingwave.engine.options import (
    ReadOptions,
    canonical,
    connection_options,
    enforce_secrets,
    no_such_connector,
    read_options,
    unknown_option_text,
)
from rwlib.sandbox.risingwave.engine.platform import Options, Platform
from rwlib.sandbox.risingwave.engine.redshift import copy_manifests, validate_redshift
from rwlib.sandbox.risingwave.engine.running import checkpoint_sink, columns_of
from rwlib.sql import Connector, load_connector
from rwlib.sql.language import CreateStatement

Validate = Callable[[Platform, SandboxSink, Database], None]

_SINKS: dict[str, tuple[str, Validate]] = {
    "s3": ("s3_sink", validate_file_sink),
    "snowflake": ("snowflake", validate_file_sink),
    "snowflake_v2": ("snowflake_v2", validate_snowflake_v2),
    "redshift": ("redshift", validate_redshift),
    "iceberg": ("iceberg_sink", validate_iceberg),
}
_CANNOT_APPEND = (
    "The sink cannot be append-only. Please add \"force_append_only='true'\" in {} options to "
    "force the sink to be append-only. Notice that this will cause the sink executor to drop "
    "DELETE messages and convert UPDATE messages to INSERT."
)


def create_sink(platform: Platform, database: Database, statement: CreateStatement) -> str:
    """Create a sink, and write what there is to write already."""
    name = plain_name(statement.name)
    if name in database.sinks:
        if statement.if_not_exists:
            return "CREATE_SINK"
        raise exists("sink", name)
    read = read_options(database, statement.options)
    connector_name = read.values.get("connector", "")
    if not connector_name:
        raise failure("missing field 'connector' in WITH clause")
    if connector_name == "blackhole":
        database.sinks[name] = _sink(database, statement, read, "blackhole", read.values, "")
        return "CREATE_SINK"
    if connector_name not in _SINKS:
        raise no_such_connector(connector_name, "sink")
    data_name, validate = _SINKS[connector_name]
    connector = load_connector(data_name)
    enforce_secrets(connector, statement, platform)
    if platform.refuses_unknown_sink_options:
        unknown = unknown_option_text(connector, read.values)
        if unknown:
            raise config_error("CreateSink", unknown)
    options = {**connection_options(database, read.values), **canonical(connector, read.values)}
    _check_format(connector, statement)
    sink_type = _sink_type(database, connector, statement, options)
    sink = _sink(database, statement, read, data_name, options, sink_type)
    sink.columns = columns_of(platform, database, sink)
    validate(platform, sink, database)
    database.sinks[name] = sink
    checkpoint_sink(platform, database, sink)
    if connector_name == "redshift":
        copy_manifests(platform, sink, database)
    return "CREATE_SINK"


def _check_format(connector: Connector, statement: CreateStatement) -> None:
    """Check FORMAT and ENCODE (``src/frontend/src/handler/create_sink.rs:1108-1178``)."""
    clause = statement.format_encode
    rule = connector.format_encode
    name = connector.sql_connector
    if clause is None:
        if rule.rule == "required":
            raise config_error("CreateSink", "missing FORMAT ... ENCODE ...")
    elif rule.rule == "forbidden":
        raise failure(
            f"Bind error: connector {name} is not supported by FORMAT ... ENCODE ... syntax"
        )
    elif clause.format != rule.format or clause.encode not in rule.encodes:
        raise failure(
            f"Bind error: connector {name} does not support format {clause.format.title()} with "
            f"encode {clause.encode.title()}"
        )


def _sink_type(
    database: Database, connector: Connector, statement: CreateStatement, options: Options
) -> str:
    """Derive the sink's type from what was said and from what it reads.

    ``src/frontend/src/optimizer/plan_node/stream_sink.rs:675-760``.
    """
    clause = statement.format_encode
    inside = {option.name: option.value for option in clause.options} if clause else {}
    forced = "true" in (str(inside.get("force_append_only")), options.get("force_append_only"))
    relation = database.relations.get(plain_name(statement.from_name))
    derived = (
        relation.append_only
        if relation is not None
        else "group by" not in (statement.query.lower())
    )
    given = options.get("type", "")
    if not given:
        if connector.options["type"].required:
            raise config_error("CreateSink", "missing field `type`")
        return "append-only" if derived or forced else "upsert"
    if given == "append-only" and not derived and not forced:
        raise failure("Sink error", _CANNOT_APPEND.format("FORMAT ENCODE" if clause else "WITH"))
    return given


def _sink(
    database: Database,
    statement: CreateStatement,
    read: ReadOptions,
    data_name: str,
    options: Options,
    sink_type: str,
) -> SandboxSink:
    from_name = plain_name(statement.from_name)
    if from_name and from_name not in database.relations:
        raise not_found("table or source", from_name)
    clause = statement.format_encode
    inside = {option.name: option.value for option in clause.options} if clause else {}
    return SandboxSink(
        database.new_id(),
        plain_name(statement.name),
        read.values["connector"],
        data_name,
        statement.text.strip().rstrip(";"),
        options,
        read.shown,
        from_name,
        statement.query,
        sink_type,
        format=clause.format if clause else "PLAIN",
        encode=clause.encode if clause else "JSON",
        created_at=now(),
        jsonb_handling=str(inside.get("jsonb.handling.mode", "string")),
    )
