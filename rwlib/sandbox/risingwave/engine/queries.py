"""``SELECT``, ``INSERT``, ``UPDATE`` and ``DELETE`` over the catalogs and the user's tables.

SQLite does the work, in memory and per statement: enough for the queries that a person or this
package asks of RisingWave's catalogs, and for a few rows of test data. It may read and write
nothing but these tables.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rwlib.sandbox.risingwave.engine.catalogs import catalogs
from rwlib.sandbox.risingwave.engine.failures import failure
from rwlib.sandbox.risingwave.engine.objects import Database, Relation, Row
from rwlib.sql.language import Token, tokenize

_SELECTING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION)
_CHANGING = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
_MOST_STEPS = 20_000_000
_LARGEST_VALUE = 16 * 1024 * 1024

SourceReader = Callable[[Relation], list[Row]]


@dataclass(frozen=True)
class ResultRows:
    """Rows, with the names and types of their columns."""

    columns: list[tuple[str, str]]
    rows: list[list[Any]]


def select(text: str, database: Database, version: str, read_source: SourceReader) -> ResultRows:
    """Run a query.

    Raises
    ------
    RefusedStatementError
        Something it names does not exist, or it is not understood.
    """
    words = {token.name for token in tokenize(text) if token.is_name}
    with _opened(database, version, words, read_source) as connection:
        connection.set_authorizer(_only(*_SELECTING, sqlite3.SQLITE_RECURSIVE))
        with _explained():
            cursor = connection.execute(_translated(text))
            rows = [list(row) for row in cursor.fetchall()]
    names = [column[0] for column in cursor.description or ()]
    return ResultRows(
        [(name, _type_of(rows, index)) for index, name in enumerate(names)],
        [[_plain(value) for value in row] for row in rows],
    )


def change(text: str, database: Database, version: str) -> str:
    """Run an INSERT, UPDATE or DELETE on a user's table, and give the command tag."""
    words = [token.name for token in tokenize(text) if token.is_name]
    touched = [relation for name, relation in database.relations.items() if name in words]
    if touched and touched[0].kind != "table":
        raise failure(f"Invalid input syntax: cannot change {touched[0].kind} {touched[0].name}")
    with _opened(database, version, set(words), lambda relation: []) as connection:
        connection.set_authorizer(_only(*_SELECTING, *_CHANGING))
        with _explained():
            count = connection.execute(_translated(text)).rowcount
        connection.set_authorizer(None)
        for relation in touched:
            if relation.columns:
                _read_back(connection, relation)
    return f"{words[0].upper()} {'0 ' if words[0] == 'insert' else ''}{count}"


@contextmanager
def _opened(
    database: Database, version: str, words: set[str], read_source: SourceReader
) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
        connection.set_progress_handler(_stop_after(_MOST_STEPS // 1000), 1000)
        connection.create_function("version", 0, lambda: _version_text(version))
        connection.execute("ATTACH ':memory:' AS public")
        connection.execute("ATTACH ':memory:' AS rw_catalog")
        for name, (columns, rows) in catalogs(database).items():
            listed = ", ".join(columns)
            connection.execute(f"CREATE TABLE rw_catalog.{name} ({listed})")
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO rw_catalog.{name} VALUES ({marks})", rows)
        for relation in sorted(database.relations.values(), key=lambda found: found.object_id):
            if relation.kind != "materialized view":
                rows_of = read_source if relation.kind == "source" else _rows
                _create(connection, relation, rows_of if relation.name in words else _rows)
            else:
                connection.execute(
                    f"CREATE TEMP VIEW {_quoted(relation.name)} AS {_translated(relation.query)}"
                )
        yield connection
    finally:
        connection.close()


def _rows(relation: Relation) -> list[Row]:
    return relation.rows


def _create(connection: sqlite3.Connection, relation: Relation, rows_of: SourceReader) -> None:
    columns = relation.columns or [("_row_id", "bigint")]
    listed = [f"{_quoted(name)} {_affinity(kind)}" for name, kind in columns]
    if relation.primary_key:
        keys = ", ".join(_quoted(name) for name in relation.primary_key)
        # A row with the key of another one takes its place, as in RisingWave.
        listed.append(f"PRIMARY KEY ({keys}) ON CONFLICT REPLACE")
    table = f"public.{_quoted(relation.name)}"
    connection.execute(f"CREATE TABLE {table} ({', '.join(listed)})")
    rows = rows_of(relation)
    stored = rows is relation.rows
    names = [name for name, _ in columns]
    marks = ", ".join("?" * (len(names) + 1))
    connection.executemany(
        f"INSERT INTO {table} (rowid, {', '.join(map(_quoted, names))}) VALUES ({marks})",
        [
            (number, *(_stored(row.get(name)) for name in names))
            for number, row in zip(
                relation.sequence if stored else range(1, len(rows) + 1), rows, strict=True
            )
        ],
    )


def _read_back(connection: sqlite3.Connection, relation: Relation) -> None:
    before = dict(zip(relation.sequence, relation.rows, strict=True))
    names = [name for name, _ in relation.columns]
    found = connection.execute(
        f"SELECT rowid, {', '.join(map(_quoted, names))} FROM public.{_quoted(relation.name)} "
        "ORDER BY rowid"
    ).fetchall()
    kept: dict[int, Row] = {}
    new: list[Row] = []
    for number, *values in found:
        row = dict(zip(names, values, strict=True))
        if before.get(number) == row:
            kept[number] = row
        else:
            new.append(row)
    relation.sequence = list(kept)
    relation.rows = list(kept.values())
    relation.append(new)


def _translated(text: str) -> str:
    """Write what SQLite says otherwise: casts, and keys of JSON objects that hold dots."""
    tokens = tokenize(text)
    pieces: list[str] = []
    at = 0
    index = 0
    while index < len(tokens) - 1:
        token = tokens[index]
        if _is_cast(tokens, index):
            pieces.append(text[at : token.start])
            index += 2
            at = tokens[index - 1].end
            continue
        if token.kind in ("escaped", "dollar", "national") or (
            token.kind == "string" and _after_arrow(tokens, index)
        ):
            value = f'$."{token.value}"' if _after_arrow(tokens, index) else token.value
            pieces += [text[at : token.start], "'" + value.replace("'", "''") + "'"]
            at = token.end
        index += 1
    pieces.append(text[at:])
    return "".join(pieces)


def _is_cast(tokens: list[Token], index: int) -> bool:
    return tokens[index].is_symbol("::") and tokens[index + 1].is_name


def _after_arrow(tokens: list[Token], index: int) -> bool:
    before = tokens[index - 1] if index else None
    return before is not None and (before.is_symbol("->") or before.is_symbol("->>"))


def _only(*allowed: int) -> Callable[..., int]:
    def decide(
        action: int, first: str | None, second: str | None, place: str | None, by: str | None
    ) -> int:
        if action not in allowed:
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION and second in ("load_extension", "readfile"):
            return sqlite3.SQLITE_DENY
        if action in _CHANGING and place != "public":
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    return decide


@contextmanager
def _explained() -> Iterator[None]:
    """Put SQLite's complaints into RisingWave's words where it has some."""
    try:
        yield
    except sqlite3.Error as error:
        said = str(error)
        if match := re.match(r"no such table: (?:\w+\.)?(.+)", said):
            raise failure("Catalog error", f"table or source not found: {match[1]}") from None
        if match := re.match(r"no such column: (.+)", said):
            raise failure(
                "Failed to bind expression: " + match[1], f"Invalid column: {match[1]}"
            ) from None
        if "not authorized" in said or "prohibited" in said:
            raise failure(
                'permission denied to write on "rw_catalog", System catalog modifications are '
                "currently disallowed."
            ) from None
        raise failure(f"Feature is not yet implemented: in this sandbox: {said}") from None


def _stop_after(calls: int) -> Callable[[], int]:
    left = [calls]

    def count() -> int:
        left[0] -= 1
        return int(left[0] < 0)

    return count


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _affinity(kind: str) -> str:
    match = re.match(r"[a-z]+(?: precision| varying)?", kind.strip().lower())
    return _quoted(match[0]) if match else ""


def _stored(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float)) else json.dumps(value)


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _type_of(rows: list[list[Any]], index: int) -> str:
    kinds = {int: "int8", float: "float8", bytes: "bytea"}
    first = next((row[index] for row in rows if row[index] is not None), "")
    return kinds.get(type(first), "varchar")


def _version_text(version: str) -> str:
    return f"PostgreSQL 13.14.0-RisingWave-{version.lstrip('v')} (sandbox)"
