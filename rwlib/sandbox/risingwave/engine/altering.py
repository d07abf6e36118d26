"""``ALTER``: what can be altered here is altered, everything else is refused.

Options of a connector's role cannot be altered on the fly
(``src/connector/src/allow_alter_on_fly_fields.rs``): the sink must be made again.
"""

from __future__ import annotations

import re
from typing import Any

from rwlib.sandbox.risingwave.engine.failures import (
    RefusedStatementError,
    exists,
    failure,
    not_found,
)
from rwlib.sandbox.risingwave.engine.kinds import is_defined, type_name
from rwlib.sandbox.risingwave.engine.objects import Database, plain_name
from rwlib.sandbox.risingwave.engine.platform import Platform
from rwlib.sql import parse_statements
from rwlib.sql.language import CreateStatement, SqlSyntaxError, Token, tokenize

_KINDS = ("MATERIALIZED VIEW", "TABLE", "SOURCE", "SINK", "CONNECTION", "SECRET", "SYSTEM")

_PARAMETERS = {
    **dict.fromkeys(
        (
            *("barrier_interval_ms", "checkpoint_frequency", "backup_storage_url"),
            *("backup_storage_directory", "max_concurrent_creating_streaming_jobs"),
            *("pause_on_next_bootstrap", "enable_tracing", "license_key"),
            *("time_travel_retention_ms", "per_database_isolation", "enforce_secret"),
        ),
        True,
    ),
    **dict.fromkeys(
        (
            *("sstable_size_mb", "parallel_compact_size_mb", "block_size_kb"),
            *("bloom_false_positive", "state_store", "data_directory"),
            "use_new_object_prefix_strategy",
        ),
        False,
    ),
}
"""Whether a system parameter can be changed (``src/common/src/system_param/mod.rs``)."""


def alter(platform: Platform, database: Database, text: str) -> str:
    """Do what an ALTER says, and give the command tag.

    Raises
    ------
    RefusedStatementError
        It cannot be done, in RisingWave or here.
    """
    tokens = tokenize(text)[1:-1]
    kind = _kind(tokens)
    rest = tokens[len(kind.split()) :]
    tag = f"ALTER_{kind.replace(' ', '_')}"
    words = [token.name for token in rest]
    if kind == "SYSTEM":
        match words:
            case ["set", name, ("to" | "="), *_]:
                _check_parameter(name)
                database.settings[name] = rest[3].value if len(rest) > 3 else ""
                return tag
        raise _unsupported(text)
    name, left = _name(rest)
    place, entry = _found(database, kind, name)
    match [token.name for token in left[:3]]:
        case ["rename", "to", *_]:
            new, _ = _name(left[2:])
            _rename(database, kind.lower(), place, name, new)
        case ["add", *_] if kind == "TABLE":
            _add_column(database, entry, text, left)
        case ["drop", *_] if kind == "TABLE":
            _drop_column(database, entry, left)
        case ["as", *_] if kind == "SECRET" and len(left) > 1:
            database.secrets[name] = left[1].value
        case _:
            raise _unsupported(text)
    return tag


def _kind(tokens: list[Token]) -> str:
    said = " ".join(token.name.upper() for token in tokens[:2])
    for kind in _KINDS:
        if said == kind or said.startswith(f"{kind} "):
            return kind
    raise failure(f"Feature is not yet implemented: ALTER {said.split(' ')[0]} in this sandbox")


def _check_parameter(name: str) -> None:
    changes = _PARAMETERS.get(name)
    if not changes:
        said = f'"{name}" is immutable'
        if changes is None:
            said = f'unrecognized system parameter "{name}"'
        raise failure(
            "gRPC request to meta service (call `/meta.SystemParamsService/SetSystemParam`) "
            "failed: Internal error",
            f"SystemParams error: {said}",
        )


def _unsupported(text: str) -> RefusedStatementError:
    said = " ".join(text.split()[:2]).upper()
    return failure(f"Feature is not yet implemented: this form of {said} in this sandbox")


def _name(tokens: list[Token]) -> tuple[str, list[Token]]:
    parts: list[str] = []
    index = 0
    while index < len(tokens) and tokens[index].is_name:
        parts.append(tokens[index].name)
        index += 1
        if index >= len(tokens) or not tokens[index].is_symbol("."):
            break
        index += 1
    if not parts:
        raise failure("sql parser error: expected an object name")
    return plain_name(".".join(parts)), tokens[index:]


def _found(database: Database, kind: str, name: str) -> tuple[dict[str, Any], Any]:
    places: dict[str, dict[str, Any]] = {
        "SINK": database.sinks,
        "CONNECTION": database.connections,
        "SECRET": database.secrets,
    }
    place = places.get(kind, database.relations)
    entry = place.get(name)
    if entry is None or (place is database.relations and entry.kind != kind.lower()):
        raise not_found(kind.lower(), name)
    return place, entry


def _rename(database: Database, kind: str, place: dict[str, Any], name: str, new: str) -> None:
    if new in place:
        raise exists(kind, new)
    if kind in ("connection", "secret"):
        raise failure(
            f"Feature is not yet implemented: ALTER {kind.upper()} RENAME in this sandbox"
        )
    queries = [relation.query for relation in database.relations.values()]
    queries += [sink.query for sink in database.sinks.values()]
    if any(re.search(rf"(?i)\b{re.escape(name)}\b", query) for query in queries):
        raise failure(
            f"Feature is not yet implemented: renaming {kind} {name}, which a query reads, in this "
            "sandbox"
        )
    entry = place.pop(name)
    entry.name = new
    entry.definition = _renamed(entry.definition, name, new)
    place[new] = entry
    if place is database.relations:
        for sink in database.sinks.values():
            if sink.from_name == name:
                sink.from_name = new


def _renamed(definition: str, name: str, new: str) -> str:
    token = next((found for found in tokenize(definition) if found.name == name), None)
    if token is None:
        return definition
    written = new if re.fullmatch(r"[a-z_][a-z0-9_]*", new) else '"' + new.replace('"', '""') + '"'
    return definition[: token.start] + written + definition[token.end :]


def _add_column(database: Database, table: Any, text: str, left: list[Token]) -> None:
    _refuse_connector(table)
    start = left[2].start if len(left) > 2 and left[1].name == "column" else left[1].start
    written = text[start:].rstrip().rstrip(";")
    try:
        (statement,) = parse_statements(f"CREATE TABLE t ({written})")
    except (SqlSyntaxError, ValueError):
        raise failure("sql parser error: expected a column after ADD COLUMN") from None
    if not isinstance(statement, CreateStatement) or len(statement.columns) != 1:
        raise failure("sql parser error: expected a column after ADD COLUMN")
    column = statement.columns[0]
    kind = type_name(column.definition)
    if not is_defined(kind):
        raise failure(f"Feature is not yet implemented: a column of type {kind} in this sandbox")
    if any(name == column.name for name, _ in table.columns):
        raise failure(f'Invalid input syntax: column "{column.name}" of table already exists')
    if re.search(r"(?i)\b(primary|default|not\s+null)\b", column.definition):
        raise failure(
            "Feature is not yet implemented: ADD COLUMN with a constraint in this sandbox"
        )
    table.columns.append((column.name, column.definition))
    for row in table.rows:
        row[column.name] = None
    _define(table)


def _drop_column(database: Database, table: Any, left: list[Token]) -> None:
    _refuse_connector(table)
    words = [token for token in left[1:] if token.name != "column"]
    optional = len(words) > 2 and (words[0].name, words[1].name) == ("if", "exists")
    name = words[2 if optional else 0].name if words else ""
    if not any(name == column for column, _ in table.columns):
        if optional:
            return
        raise failure(f'Invalid input syntax: column "{name}" of table {table.name} does not exist')
    if name in table.primary_key or any(
        sink.from_name == table.name for sink in database.sinks.values()
    ):
        raise failure(
            f'Feature is not yet implemented: dropping column "{name}", which something uses, in '
            "this sandbox"
        )
    table.columns = [column for column in table.columns if column[0] != name]
    for row in table.rows:
        row.pop(name, None)
    _define(table)


def _refuse_connector(table: Any) -> None:
    if table.connector or table.engine:
        raise failure(
            "Feature is not yet implemented: altering the columns of a table with a connector or "
            "an engine in this sandbox"
        )


def _define(table: Any) -> None:
    """Write the table's definition again, as SHOW CREATE TABLE gives it."""
    columns = ", ".join(f"{name} {definition}" for name, definition in table.columns)
    inline = any("primary key" in definition.lower() for _, definition in table.columns)
    if table.primary_key and not inline:
        columns += f", PRIMARY KEY ({', '.join(table.primary_key)})"
    ending = " APPEND ONLY" if table.append_only else ""
    table.definition = f"CREATE TABLE {table.name} ({columns}){ending}"
