"""One cluster's SQL: statements in, RisingWave's answers out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rwlib.sandbox.risingwave.engine.altering import alter
from rwlib.sandbox.risingwave.engine.failures import failure, not_found
from rwlib.sandbox.risingwave.engine.objects import Database, plain_name
from rwlib.sandbox.risingwave.engine.platform import Platform
from rwlib.sandbox.risingwave.engine.queries import ResultRows, change, select
from rwlib.sandbox.risingwave.engine.relations import (
    create_connection,
    create_relation,
    create_secret,
    create_view,
)
from rwlib.sandbox.risingwave.engine.running import checkpoint, rows_of_source
from rwlib.sandbox.risingwave.engine.sinks import create_sink
from rwlib.sql import known_version, parse_statements
from rwlib.sql.language import (
    CreateStatement,
    DropStatement,
    OtherStatement,
    ParsedStatement,
    SetStatement,
    ShowCreateStatement,
    SqlSyntaxError,
    tokenize,
)

_SHOWN = {
    "tables": "table",
    "sources": "source",
    "materialized": "materialized view",
}


# What a statement may begin with (``src/sqlparser/src/parser.rs``, ``parse_statement``).
_STATEMENTS = (
    *("ALTER", "ANALYZE", "BACKUP", "BEGIN", "CANCEL", "CLOSE", "COMMENT", "COMMIT", "COPY"),
    *("CREATE", "DEALLOCATE", "DECLARE", "DELETE", "DESCRIBE", "DISCARD", "DROP", "EXECUTE"),
    *("EXPLAIN", "FETCH", "FLUSH", "GRANT", "INSERT", "KILL", "PREPARE", "RECOVER", "REFRESH"),
    *("REPLACE", "RESET", "REVOKE", "ROLLBACK", "SELECT", "SET", "SHOW", "START", "TRUNCATE"),
    *("UPDATE", "USE", "VACUUM", "VALUES", "WAIT", "WITH"),
)
_TRANSACTIONS = {"end": "COMMIT", "abort": "ROLLBACK"}
# Session variables that clients ask for (``src/common/src/session_config``).
_SETTINGS = {
    "server_version": "13.14.0",
    "standard_conforming_strings": "on",
    "client_encoding": "UTF8",
    "search_path": '"$user", public',
    "timezone": "UTC",
    "transaction": "read committed",
    "transaction_isolation": "read committed",
    "streaming_parallelism": "default",
    "datestyle": "ISO, MDY",
}


@dataclass(frozen=True)
class Outcome:
    """What a statement gave: its command tag, and rows if it has any."""

    tag: str
    result: ResultRows | None = None


def run(platform: Platform, database: Database, text: str) -> Outcome:
    """Run one text, which may hold several statements; give the last one's outcome.

    Raises
    ------
    RefusedStatementError
        RisingWave's refusal. What was done before it stays done.
    """
    outcome = Outcome("EMPTY")
    for statement in _parsed(text, known_version(platform.version)):
        outcome = _run_one(platform, database, statement)
    return outcome


def statement_texts(text: str, version: str) -> list[str]:
    """Give the statements of a text.

    Raises
    ------
    RefusedStatementError
        It is no SQL.
    """
    return [statement.text for statement in _parsed(text, known_version(version))]


def _parsed(text: str, version: str) -> list[ParsedStatement]:
    try:
        return list(parse_statements(text, version=version))
    except SqlSyntaxError as error:
        raise failure(error.as_risingwave(text)) from None


def _run_one(platform: Platform, database: Database, statement: ParsedStatement) -> Outcome:
    match statement:
        case CreateStatement(kind="sink"):
            return Outcome(create_sink(platform, database, statement))
        case CreateStatement(kind="secret"):
            return Outcome(create_secret(database, statement))
        case CreateStatement(kind="connection"):
            return Outcome(create_connection(platform, database, statement))
        case CreateStatement():
            return Outcome(create_relation(platform, database, statement))
        case DropStatement():
            return Outcome(_drop(database, statement))
        case ShowCreateStatement():
            return _show_create(database, statement)
        case SetStatement():
            database.settings[statement.name.lower()] = statement.value.strip("'\"")
            return Outcome("SET_VARIABLE")
        case OtherStatement():
            return _other(platform, database, statement)


def _other(platform: Platform, database: Database, statement: OtherStatement) -> Outcome:
    words = [token.name for token in tokenize(statement.text) if token.is_name]
    match words:
        case [("select" | "with" | "values"), *_]:
            result = select(
                statement.text,
                database,
                platform.version,
                lambda relation: rows_of_source(platform, relation, database),
            )
            return Outcome(f"SELECT {len(result.rows)}", result)
        case [("insert" | "update" | "delete"), *_]:
            return Outcome(change(statement.text, database, platform.version))
        case [("flush" | "wait" | "recover"), *_]:
            checkpoint(platform, database, flushed=True)
            return Outcome(words[0].upper())
        case ["create", "materialized", "view", *_]:
            return Outcome(create_view(platform, database, statement))
        case [("deallocate" | "discard" | "close" | "reset"), *_]:
            return Outcome(words[0].upper())
        case ["show", what, *_]:
            return _show(database, what)
        case [("begin" | "commit" | "rollback" | "end" | "abort"), *_]:
            return Outcome(_TRANSACTIONS.get(words[0], words[0].upper()))
        case ["start", "transaction", *_]:
            return Outcome("START_TRANSACTION")
        case ["alter", *_]:
            return Outcome(alter(platform, database, statement.text))
    if statement.keyword.upper() not in _STATEMENTS:
        first = tokenize(statement.text)[0]
        error = SqlSyntaxError(
            f"expected statement, found: {first.shown}", first.line, first.column
        )
        raise failure(error.as_risingwave(statement.text))
    raise failure(f"Feature is not yet implemented: {statement.keyword} in this sandbox")


def _show(database: Database, what: str) -> Outcome:
    if what == "sinks":
        rows: list[list[Any]] = [
            [sink.name, sink.connector.upper(), sink.from_name] for sink in database.sinks.values()
        ]
        return _rows(["Name", "Connector", "Reads"], rows)
    if what in ("secrets", "connections"):
        names = database.secrets if what == "secrets" else database.connections
        return _rows(["Name"], [[name] for name in names])
    if what in _SHOWN:
        found = [
            [relation.name]
            for relation in database.relations.values()
            if relation.kind == _SHOWN[what] or (what == "sources" and relation.connector)
        ]
        return _rows(["Name"], found)
    if what == "jobs":
        return _rows(["Id", "Statement", "Progress"], [])
    setting = {**_SETTINGS, **database.settings}.get(what)
    if setting is not None:
        return _rows([what], [[setting]])
    raise failure(f"Feature is not yet implemented: SHOW {what.upper()} in this sandbox")


def _rows(names: list[str], rows: list[list[Any]]) -> Outcome:
    return Outcome("SHOW_COMMAND", ResultRows([(name, "varchar") for name in names], rows))


def _show_create(database: Database, statement: ShowCreateStatement) -> Outcome:
    name = plain_name(statement.name)
    kind = statement.kind.lower()
    definition = ""
    if kind == "sink" and name in database.sinks:
        definition = database.sinks[name].definition
    elif name in database.relations and kind in ("table", "source", "materialized view"):
        relation = database.relations[name]
        definition = relation.definition if relation.kind == kind else ""
    if not definition:
        raise not_found(kind, name)
    columns = [("Name", "varchar"), ("Create Sql", "varchar")]
    return Outcome("SHOW_COMMAND", ResultRows(columns, [[f"public.{name}", definition]]))


def _drop(database: Database, statement: DropStatement) -> str:
    name = plain_name(statement.name)
    kind = statement.kind.lower()
    places: dict[str, dict[str, Any]] = {
        "sink": database.sinks,
        "secret": database.secrets,
        "connection": database.connections,
        **dict.fromkeys(("table", "source", "materialized view"), database.relations),
    }
    place = places.get(kind)
    if place is None:
        raise failure(f"Feature is not yet implemented: DROP {kind.upper()} in this sandbox")
    found = place.get(name)
    if found is None or (place is database.relations and found.kind != kind):
        if statement.if_exists:
            return f"DROP_{kind.upper().replace(' ', '_')}"
        raise not_found(kind, name)
    _refuse_drop_of_used(database, kind, name, statement.cascade)
    del place[name]
    return f"DROP_{kind.upper().replace(' ', '_')}"


def _refuse_drop_of_used(database: Database, kind: str, name: str, cascade: bool) -> None:
    """Keep what a sink or source still needs, unless it is dropped with it."""
    if kind == "sink":
        return
    mark = f"secret {name}"
    users = [
        sink.name
        for sink in database.sinks.values()
        if (kind == "secret" and mark in sink.shown_options.values())
        or (kind == "connection" and sink.shown_options.get("connection") == name)
        or (kind not in ("secret", "connection") and sink.from_name == name)
    ]
    if not users:
        return
    if not cascade:
        raise failure(
            f"Permission denied: {kind} used by {len(users)} other objects.",
            f"sink {', '.join(users)} depends on it",
        )
    for user in users:
        del database.sinks[user]
