"""``SELECT``, ``INSERT``, ``UPDATE`` and ``DELETE`` over the catalogs and the user's tables.

SQLite does the work, in memory and per statement: enough for the queries that a person or this
package asks of RisingWave's catalogs, and for a few rows of test data. It may read and write
nothing but these tables.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

from rwlib.sandbox.risingwave.engine.catalogs import catalogs
from rwlib.sandbox.risingwave.engine.expressions import (
    CAST,
    NUMBERS,
    TIMES,
    calculates,
    collation_of,
    selected,
    translated,
)
from rwlib.sandbox.risingwave.engine.failures import failure
from rwlib.sandbox.risingwave.engine.kinds import type_name
from rwlib.sandbox.risingwave.engine.objects import Database, Relation, Row
from rwlib.sandbox.risingwave.engine.values import canonical, from_python
from rwlib.sql.language import tokenize

_SELECTING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION)
_CHANGING = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
_MOST_STEPS = 20_000_000
_LARGEST_VALUE = 16 * 1024 * 1024
_RESULT = "rw result"
_AFFINITIES = {
    "bool": "NUMERIC",
    "int2": "INTEGER",
    "int4": "INTEGER",
    "int8": "INTEGER",
    "float4": "REAL",
    "float8": "REAL",
}


class _Refused(threading.local):
    """What the last cast of this thread was refused with; SQLite drops the text."""

    text = ""


_refused = _Refused()

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
    names = _column_types(database, words)
    _refuse_calculating(text, names)
    with _opened(database, version, words, read_source) as connection:
        said = translated(text, names)
        declared = _declared_types(connection, said)
        connection.set_authorizer(_only(*_SELECTING, sqlite3.SQLITE_RECURSIVE))
        with _explained():
            cursor = connection.execute(said)
            rows = [list(row) for row in cursor.fetchall()]
    said_names = [column[0] for column in cursor.description or ()]
    read = selected(text, len(said_names), names)
    columns = [
        (name or said, declared_type or kind or _type_of(rows, index))
        for index, (said, (name, kind), declared_type) in enumerate(
            zip(said_names, read, declared or [""] * len(said_names), strict=True)
        )
    ]
    return ResultRows(
        columns,
        [
            [_kept(value, kind) for value, (_, kind) in zip(row, columns, strict=True)]
            for row in rows
        ],
    )


def change(text: str, database: Database, version: str) -> str:
    """Run an INSERT, UPDATE or DELETE on a user's table, and give the command tag."""
    words = [token.name for token in tokenize(text) if token.is_name]
    touched = [relation for name, relation in database.relations.items() if name in words]
    if touched and touched[0].kind != "table":
        raise failure(f"Invalid input syntax: cannot change {touched[0].kind} {touched[0].name}")
    _refuse_calculating(text, _column_types(database, set(words)))
    with _opened(database, version, set(words), lambda relation: []) as connection:
        connection.set_authorizer(_only(*_SELECTING, *_CHANGING))
        with _explained():
            count = connection.execute(translated(text, exact_numbers=True)).rowcount
        connection.set_authorizer(None)
        read = [
            (relation, _read_back(connection, relation)) for relation in touched if relation.columns
        ]
    for relation, (kept, new) in read:
        relation.sequence = list(kept)
        relation.rows = list(kept.values())
        relation.append(new)
    return f"{words[0].upper()} {'0 ' if words[0] == 'insert' else ''}{count}"


def _column_types(database: Database, words: set[str]) -> dict[str, str]:
    """Give the types of the columns of everything that a statement names."""
    return {
        name: type_name(kind)
        for relation in database.relations.values()
        if relation.name in words
        for name, kind in relation.columns
    }


def _refuse_calculating(text: str, names: dict[str, str]) -> None:
    name = calculates(text, names)
    if name:
        raise failure(
            f"Feature is not yet implemented: arithmetic on the numeric column {name} in this "
            "sandbox"
        )


def _declared_types(connection: sqlite3.Connection, query: str) -> list[str]:
    """Give the types of the columns that are selected as they are, through views and subqueries."""
    try:
        connection.execute(f'CREATE TEMP VIEW "{_RESULT}" AS {query.rstrip().rstrip(";")}')
        rows = connection.execute(f'PRAGMA table_info("{_RESULT}")').fetchall()
    except sqlite3.Error:
        # The query itself says what is wrong with it.
        return []
    return [_declared(str(row[2])) for row in rows]


@contextmanager
def _opened(
    database: Database, version: str, words: set[str], read_source: SourceReader
) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
        connection.set_progress_handler(_stop_after(_MOST_STEPS // 1000), 1000)
        _add_functions(connection, database, version)
        connection.execute("ATTACH ':memory:' AS public")
        connection.execute("ATTACH ':memory:' AS rw_catalog")
        connection.execute("ATTACH ':memory:' AS pg_catalog")
        connection.execute("ATTACH ':memory:' AS information_schema")
        for schema, name, columns, rows in catalogs(database):
            kinds = [_type_of(rows, index) for index in range(len(columns))]
            listed = ", ".join(map(_column, columns, kinds))
            connection.execute(f"CREATE TABLE {schema}.{name} ({listed})")
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {schema}.{name} VALUES ({marks})", rows)
        for relation in sorted(database.relations.values(), key=lambda found: found.object_id):
            if relation.kind != "materialized view":
                rows_of = read_source if relation.kind == "source" else _rows
                _create(connection, relation, rows_of if relation.name in words else _rows)
            else:
                connection.execute(
                    f"CREATE TEMP VIEW {_quoted(relation.name)} AS {translated(relation.query)}"
                )
        yield connection
    finally:
        connection.close()


def _rows(relation: Relation) -> list[Row]:
    return relation.rows


def _create(connection: sqlite3.Connection, relation: Relation, rows_of: SourceReader) -> None:
    columns = relation.columns or [("_row_id", "bigint")]
    kinds = [type_name(kind) for _, kind in columns]
    listed = [_column(name, kind) for (name, _), kind in zip(columns, kinds, strict=True)]
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


def _read_back(
    connection: sqlite3.Connection, relation: Relation
) -> tuple[dict[int, Row], list[Row]]:
    """Give the rows that stay as they were, by their numbers, and those that are new."""
    before = dict(zip(relation.sequence, relation.rows, strict=True))
    names = [name for name, _ in relation.columns]
    kinds = [type_name(kind) for _, kind in relation.columns]
    found = connection.execute(
        f"SELECT rowid, {', '.join(map(_quoted, names))} FROM public.{_quoted(relation.name)} "
        "ORDER BY rowid"
    ).fetchall()
    kept: dict[int, Row] = {}
    new: list[Row] = []
    for number, *values in found:
        try:
            read = [canonical(value, kind) for value, kind in zip(values, kinds, strict=True)]
        except ValueError as error:
            raise failure("Expr error", str(error)) from None
        row = dict(zip(names, read, strict=True))
        if before.get(number) == row:
            kept[number] = row
        else:
            new.append(row)
    return kept, new


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
        if "user-defined function raised" in said and _refused.text:
            raise failure("Expr error", _refused.text) from None
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


def _column(name: str, kind: str) -> str:
    """Declare a column so that SQLite compares its values as RisingWave does.

    The declared type carries the name of RisingWave's type, in hexadecimal: SQLite reads an
    affinity into any type that holds a word of its own.
    """
    collation = collation_of(kind)
    declared = f"{_AFFINITIES.get(kind, 'TEXT')} x{kind.encode().hex()}"
    return f'{_quoted(name)} "{declared}"' + (f" COLLATE {collation}" if collation else "")


def _declared(text: str) -> str:
    match = re.fullmatch(r"[A-Z]+ x((?:[0-9a-f]{2})+)", text)
    return bytes.fromhex(match[1]).decode() if match else ""


def _add_functions(connection: sqlite3.Connection, database: Database, version: str) -> None:
    connection.create_function("version", 0, lambda: _version_text(version))
    moment = from_python(datetime.now(UTC), "timestamptz")
    connection.create_function("now", 0, lambda: moment)
    connection.create_function("current_schema", 0, lambda: "public")
    connection.create_function("current_database", 0, lambda: database.name)
    connection.create_function("current_user", 0, lambda: "root")
    connection.create_function("to_regtype", 1, lambda name: None)
    connection.create_function("pg_get_userbyid", 1, lambda number: "root")
    connection.create_function(CAST, 2, _cast)
    connection.create_collation(NUMBERS, _compared("numeric", Decimal))
    connection.create_collation(TIMES, _compared("timestamptz", str))
    connection.create_function("->", 2, lambda document, place: _inside(document, place, str))
    connection.create_function("->>", 2, lambda document, place: _inside(document, place, _bare))
    connection.create_aggregate("bool_and", 1, _Every)
    connection.create_aggregate("bool_or", 1, _Some)
    connection.create_window_function("sum", 1, _Sum)
    connection.create_window_function("avg", 1, _Average)


def _cast(value: Any, kind: str) -> Any:
    try:
        return _stored(canonical(value, kind))
    except ValueError as error:
        _refused.text = str(error)
        raise


def _inside(document: Any, place: Any, written: Callable[[str], str | None]) -> str | None:
    """Give what stands at a key or a position of a jsonb, whose operators SQLite has compact."""
    if document is None or place is None:
        return None
    try:
        found = json.loads(document)
        if isinstance(place, int) and isinstance(found, list):
            inner = found[place]
        elif isinstance(place, str) and isinstance(found, dict):
            inner = found[place.removeprefix('$."').removesuffix('"')]
        else:
            return None
    except (ValueError, TypeError, LookupError):
        return None
    return written(str(canonical(json.dumps(inner), "jsonb")))


def _bare(text: str) -> str | None:
    """Give a JSON text without its quotes; nothing for JSON's null."""
    return None if text == "null" else json.loads(text) if text.startswith('"') else text


class _Every:
    """``bool_and``: NULL of nothing."""

    def __init__(self) -> None:
        self.values: list[bool] = []

    def step(self, value: Any) -> None:
        if value is not None:
            self.values.append(bool(value))

    def finalize(self) -> Any:
        return int(all(self.values)) if self.values else None


class _Some(_Every):
    """``bool_or``: NULL of nothing."""

    def finalize(self) -> Any:
        return int(any(self.values)) if self.values else None


def _compared(kind: str, key: Callable[[str], Any]) -> Callable[[str, str], int]:
    """Order texts by the values that they stand for; what is none of them comes last."""

    def order(text: str) -> tuple[bool, Any]:
        try:
            read = canonical(text, kind)
        except ValueError:
            return True, text
        return (True, read) if read == "NaN" else (False, key(read))

    def compare(first: str, second: str) -> int:
        one, other = order(first), order(second)
        return (one > other) - (one < other)

    return compare


class _Sum:
    """``sum`` that keeps the digits of numerics, which SQLite would add up as floats."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def step(self, value: Any) -> None:
        if value is not None:
            self.values.append(value)

    def inverse(self, value: Any) -> None:
        if value is not None:
            self.values.remove(value)

    def value(self) -> Any:
        if not self.values:
            return None
        if any(isinstance(value, str) for value in self.values):
            return format(sum(Decimal(str(value)) for value in self.values), "f")
        return sum(self.values)

    def finalize(self) -> Any:
        return self.value()


class _Average(_Sum):
    """``avg``: of integers and numerics a numeric."""

    def value(self) -> Any:
        total = super().value()
        if total is None or isinstance(total, float):
            return total if total is None else total / len(self.values)
        with localcontext() as context:
            context.prec = 28
            found = Decimal(total) / len(self.values)
            return format(found.normalize() if found else Decimal(0), "f")


def _stored(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return value if value is None or isinstance(value, (str, int, float)) else json.dumps(value)


def _kept(value: Any, kind: str) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    try:
        return canonical(value, kind)
    except ValueError:
        return value


def _type_of(rows: list[list[Any]], index: int) -> str:
    kinds = {bool: "bool", int: "int8", float: "float8", bytes: "bytea"}
    first = next((row[index] for row in rows if row[index] is not None), "")
    return kinds.get(type(first), "varchar")


def _version_text(version: str) -> str:
    return f"PostgreSQL 13.14.0-RisingWave-{version.lstrip('v')} (sandbox)"
