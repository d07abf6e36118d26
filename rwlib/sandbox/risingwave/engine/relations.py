"""``CREATE`` of tables, sources, materialized views, secrets and connections."""

from __future__ import annotations

from itertools import pairwise

from rwlib.sandbox.risingwave.engine.failures import exists, failure, not_found
from rwlib.sandbox.risingwave.engine.iceberg import Warehouse
from rwlib.sandbox.risingwave.engine.iceberg_errors import IcebergError
from rwlib.sandbox.risingwave.engine.objects import Database, Relation, plain_name
from rwlib.sandbox.risingwave.engine.options import (
    bad_value_text,
    canonical,
    connection_options,
    enforce_secrets,
    no_such_connector,
    read_options,
    unknown_option_text,
)
from rwlib.sandbox.risingwave.engine.platform import Platform
from rwlib.sandbox.risingwave.engine.queries import select
from rwlib.sandbox.risingwave.engine.running import rows_of_source
from rwlib.sandbox.risingwave.engine.s3_source import read_source, validate_source
from rwlib.sql import load_connector
from rwlib.sql.language import CreateStatement, OtherStatement, tokenize


def create_relation(platform: Platform, database: Database, statement: CreateStatement) -> str:
    """Create a table or a source."""
    name = plain_name(statement.name)
    tag = f"CREATE_{statement.kind.upper()}"
    if name in database.relations:
        if statement.if_not_exists:
            return tag
        raise exists(statement.kind, name)
    read = read_options(database, statement.options)
    clause = statement.format_encode
    relation = Relation(
        database.new_id(),
        name,
        statement.kind,
        statement.text.strip().rstrip(";"),
        columns=[
            (column.name, column.definition) for column in statement.columns if column.name != "*"
        ],
        append_only=_is_append_only(statement.text),
        connector=read.values.get("connector", ""),
        options=read.values,
        shown_options=read.shown,
        encode=clause.encode if clause else "",
        engine=statement.engine,
        primary_key=list(statement.primary_key),
    )
    if relation.connector:
        _create_with_connector(platform, database, statement, relation)
    elif statement.query:
        result = select(
            statement.query,
            database,
            platform.version,
            lambda found: rows_of_source(platform, found, database),
        )
        names = [name for name, _ in result.columns]
        relation.columns = relation.columns or result.columns
        relation.append([dict(zip(names, row, strict=True)) for row in result.rows])
    elif statement.kind == "source":
        raise failure("missing field 'connector' in WITH clause")
    if relation.engine == "iceberg":
        _create_engine_table(platform, database, relation)
    database.relations[name] = relation
    return tag


def create_view(platform: Platform, database: Database, statement: OtherStatement) -> str:
    """Create a materialized view, which is computed whenever it is read."""
    tokens = tokenize(statement.text)
    position = next((n for n, token in enumerate(tokens) if token.is_word("AS")), None)
    if position is None:
        raise failure("sql parser error: expected AS, found: end of input")
    names = [token.name for token in tokens[:position] if token.is_name][3:]
    if names[:3] == ["if", "not", "exists"]:
        names = names[3:]
        if plain_name(".".join(names)) in database.relations:
            return "CREATE_MATERIALIZED_VIEW"
    name = plain_name(".".join(names))
    if name in database.relations:
        raise exists("materialized view", name)
    query = statement.text[tokens[position].end :].strip().rstrip(";")
    result = select(query, database, platform.version, lambda relation: [])
    if not result.columns:
        raise failure("sql parser error: expected a query after AS")
    database.relations[name] = Relation(
        database.new_id(),
        name,
        "materialized view",
        statement.text.strip().rstrip(";"),
        columns=result.columns,
        query=query,
        # RisingWave derives it from the plan; an aggregation is what takes it away.
        append_only="group by" not in query.lower(),
    )
    return "CREATE_MATERIALIZED_VIEW"


def create_secret(database: Database, statement: CreateStatement) -> str:
    """Create a secret; its value is shown nowhere."""
    name = plain_name(statement.name)
    if name in database.secrets:
        if statement.if_not_exists:
            return "CREATE_SECRET"
        raise exists("secret", name)
    backend = next((option.value for option in statement.options if option.name == "backend"), "")
    if backend != "meta":
        raise failure("Invalid Parameter: secret backend is not specified in with clause")
    database.secrets[name] = statement.credential or ""
    return "CREATE_SECRET"


def create_connection(platform: Platform, database: Database, statement: CreateStatement) -> str:
    """Create an Iceberg connection, which lists its warehouse with the base identity."""
    name = plain_name(statement.name)
    if name in database.connections:
        if statement.if_not_exists:
            return "CREATE_CONNECTION"
        raise exists("connection", name)
    read = read_options(database, statement.options)
    if read.values.get("type") != "iceberg":
        raise failure(f"Connection type {read.values.get('type', '')!r} is not in this sandbox")
    connector = load_connector("iceberg_connection")
    enforce_secrets(connector, statement, platform)
    unknown = unknown_option_text(connector, read.values)
    complaint = bad_value_text(connector, {"s3.region": "", "warehouse.path": "", **read.values})
    if unknown or complaint:
        raise failure("connector error", unknown or complaint)
    if not platform.config_load and "enable_config_load" in read.values:
        raise failure(
            "connector error", "`enable_config_load` can't be enabled in this environment"
        )
    if read.values.get("warehouse.path", "").startswith(("s3://", "s3a://")):
        try:
            Warehouse(platform, read.values, database).check()
        except IcebergError as error:
            raise failure("connector error", *error.causes) from None
    database.connections[name] = canonical(connector, read.values)
    return "CREATE_CONNECTION"


def _create_with_connector(
    platform: Platform, database: Database, statement: CreateStatement, relation: Relation
) -> None:
    """Check a source's connector, and fill a table that has one."""
    if relation.connector == "s3":
        data_name = "s3_table" if relation.kind == "table" else "s3_source"
        enforce_secrets(load_connector(data_name), statement, platform)
        clause = statement.format_encode
        rule = load_connector(data_name).format_encode
        if clause is None or clause.format != rule.format or clause.encode not in rule.encodes:
            given = f"{clause.format} {clause.encode}" if clause else "no format"
            raise failure(f"Bind error: connector s3 does not support {given}")
        validate_source(platform, relation)
        if relation.kind == "table":
            relation.append(read_source(platform, relation, database))
    elif relation.connector == "iceberg" and relation.kind == "source":
        connector = load_connector("iceberg_source")
        enforce_secrets(connector, statement, platform)
        unknown = unknown_option_text(connector, relation.options)
        if unknown:
            raise failure("connector error", unknown)
        relation.options = {
            **connection_options(database, relation.options),
            **canonical(connector, relation.options),
        }
        _load_iceberg_source(platform, database, relation)
    else:
        raise no_such_connector(relation.connector, relation.kind)


def _load_iceberg_source(platform: Platform, database: Database, relation: Relation) -> None:
    try:
        warehouse = Warehouse(platform, relation.options, database)
        table = warehouse.load()
        if table is None:
            raise IcebergError(
                f"Table {warehouse.database_name}.{warehouse.table_name} does not exist"
            )
    except IcebergError as error:
        raise failure("connector error", "Iceberg error", *error.causes) from None
    relation.columns = table.columns


def _create_engine_table(platform: Platform, database: Database, relation: Relation) -> None:
    """Create the Iceberg table behind a table with ``ENGINE = iceberg``.

    ``src/frontend/src/handler/create_table.rs:1934-2010``.
    """
    name = plain_name(database.settings.get("iceberg_engine_connection", ""))
    if not name:
        raise failure("Invalid Parameter: iceberg_engine_connection is required for iceberg engine")
    if name not in database.connections:
        raise not_found("connection", name)
    options = {
        **database.connections[name],
        "database.name": database.name,
        "table.name": relation.name,
    }
    try:
        warehouse = Warehouse(platform, options, database)
        if warehouse.load() is None:
            warehouse.create(relation.columns)
    except IcebergError as error:
        raise failure("Sink error", "Iceberg error", *error.causes) from None


def _is_append_only(text: str) -> bool:
    tokens = tokenize(text)
    return any(
        first.is_word("APPEND") and second.is_word("ONLY") for first, second in pairwise(tokens)
    )
