"""Read the statements beside sinks and sources: ALTER, indexes, users, functions, cursors.

They carry no options of a connector that the checker judges, apart from ``ALTER … CONNECTOR WITH``;
they are read so that what RisingWave refuses is not called a statement. Grammar: ``parse_alter``,
``parse_create_index``, ``parse_create_function`` and their neighbours in
``src/sqlparser/src/parser.rs``, and ``src/sqlparser/src/ast/statement.rs``.
"""

from __future__ import annotations

from rwlib.sql.language.clauses import (
    read_column,
    read_options,
    read_sink_format,
    read_table_constraint,
    read_value,
    read_with,
)
from rwlib.sql.language.cursor import Cursor
from rwlib.sql.language.data_types import read_data_type
from rwlib.sql.language.queries import read_expression, read_orderings, read_query

_RATES = ("SOURCE_RATE_LIMIT", "BACKFILL_RATE_LIMIT", "DML_RATE_LIMIT", "SINK_RATE_LIMIT")
_SETTINGS = (
    *("SCHEMA", "PARALLELISM", "BACKFILL_PARALLELISM", "RESOURCE_GROUP", "CONFIG", "RETENTION"),
    *("STREAMING_ENABLE_UNALIGNED_JOIN", *_RATES),
)
_OPERATIONS = (
    *("RENAME", "OWNER", "SET", "RESET", "SWAP", "CONNECTOR", "ADD", "DROP", "ALTER", "REFRESH"),
    *("AS", "FORMAT"),
)
# What may follow the name, by the kind of what is altered; every kind can be renamed or owned.
_ALLOWED = {
    "table": {"SET", "RESET", "SWAP", "CONNECTOR", "ADD", "DROP", "ALTER", "REFRESH"},
    "index": {"SET", "RESET"},
    "view": {"AS", "SET", "RESET", "SWAP"},
    "sink": {"SET", "RESET", "SWAP", "CONNECTOR"},
    "source": {"SET", "RESET", "SWAP", "CONNECTOR", "ADD", "REFRESH", "FORMAT"},
    "subscription": {"SET", "SWAP"},
    "schema": {"SWAP"},
    "connection": {"SET", "CONNECTOR"},
}
_USER_OPTIONS = ("superuser", "createdb", "createuser", "login", "admin")


# ALTER ------------------------------------------------------------------------------------------


def read_alter(cursor: Cursor) -> bool:
    """Move past what follows ``ALTER``; tell whether it is a kind that is read here."""
    for words, kind in (
        ("TABLE", "table"),
        ("INDEX", "index"),
        ("VIEW", "view"),
        ("MATERIALIZED VIEW", "view"),
        ("SINK", "sink"),
        ("SOURCE", "source"),
        ("SUBSCRIPTION", "subscription"),
        ("SCHEMA", "schema"),
        ("CONNECTION", "connection"),
    ):
        if cursor.words(*words.split()):
            if kind == "table":
                cursor.word("ONLY")
            cursor.object_name()
            _operation(cursor, kind)
            return True
    if cursor.word("DATABASE"):
        _alter_database(cursor)
    elif cursor.word("FUNCTION"):
        _signature(cursor)
        if cursor.word("SET"):
            cursor.need_word("SCHEMA")
            cursor.object_name()
        else:
            cursor.need_word("OWNER", "TO")
            cursor.name()
    elif cursor.word("USER"):
        cursor.object_name()
        if cursor.word("RENAME"):
            cursor.need_word("TO")
            cursor.object_name()
        else:
            _user_options(cursor)
    elif cursor.word("SYSTEM"):
        cursor.need_word("SET")
        cursor.name()
        _to(cursor)
        read_set_value(cursor)
    elif cursor.word("SECRET"):
        _alter_secret(cursor)
    else:
        return False
    return True


def _operation(cursor: Cursor, kind: str) -> None:
    token = cursor.peek()
    if cursor.word("RENAME"):
        _rename(cursor, kind)
    elif cursor.words("OWNER", "TO"):
        cursor.name()
    elif token.is_word(*_ALLOWED[kind]):
        cursor.at += 1
        _READERS[token.value.upper()](cursor, kind)
    else:
        what = f"RENAME, OWNER TO or another change after ALTER {kind.upper()}"
        raise cursor.expected(what, nearest=_OPERATIONS)


def _rename(cursor: Cursor, kind: str) -> None:
    if cursor.word("TO"):
        cursor.object_name()
        return
    if kind != "table":
        raise cursor.expected("TO after RENAME", nearest=("TO",))
    if not cursor.word("CONSTRAINT"):
        cursor.word("COLUMN")
    cursor.name(reserved=False)
    cursor.need_word("TO")
    cursor.name(reserved=False)


def _set(cursor: Cursor, kind: str) -> None:
    token = cursor.peek()
    if cursor.word("SCHEMA"):
        cursor.object_name()
    elif cursor.word("PARALLELISM", "BACKFILL_PARALLELISM", "RESOURCE_GROUP"):
        _to(cursor)
        read_set_value(cursor)
        cursor.word("DEFERRED")
    elif cursor.word("CONFIG"):
        read_options(cursor)
    elif cursor.word(*_RATES):
        _to(cursor)
        if not cursor.word("DEFAULT"):
            cursor.symbol("-")
            cursor.integer()
    elif cursor.word("STREAMING_ENABLE_UNALIGNED_JOIN", "RETENTION"):
        _to(cursor)
        if token.is_word("RETENTION") and cursor.peek().kind != "string":
            raise cursor.expected("a retention in single quotes")
        read_value(cursor, secrets=False)
    else:
        raise cursor.expected(f"a setting of a {kind} after SET", nearest=_SETTINGS)


def _reset(cursor: Cursor, kind: str) -> None:
    if cursor.word("RESOURCE_GROUP"):
        cursor.word("DEFERRED")
    elif cursor.word("CONFIG"):
        cursor.need_symbol("(")
        cursor.object_name()
        while cursor.symbol(","):
            cursor.object_name()
        cursor.need_symbol(")")
    else:
        raise cursor.expected("RESOURCE_GROUP or CONFIG after RESET", nearest=_SETTINGS)


def _add(cursor: Cursor, kind: str) -> None:
    if kind == "table" and cursor.peek().is_word(
        "CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK"
    ):
        read_table_constraint(cursor)
        return
    cursor.word("COLUMN")
    cursor.words("IF", "NOT", "EXISTS")
    read_column(cursor)


def _drop(cursor: Cursor, kind: str) -> None:
    if cursor.word("CONNECTOR"):
        return
    cursor.word("COLUMN")
    cursor.words("IF", "EXISTS")
    cursor.name(reserved=False)
    cursor.word("CASCADE")


def _alter_column(cursor: Cursor, kind: str) -> None:
    if cursor.words("WATERMARK", "FOR"):
        cursor.name(reserved=False)
        cursor.need_word("AS")
        read_expression(cursor)
        cursor.words("WITH", "TTL")
        return
    cursor.word("COLUMN")
    cursor.name(reserved=False)
    if cursor.words("SET", "NOT", "NULL") or cursor.words("DROP", "NOT", "NULL"):
        return
    if cursor.words("DROP", "DEFAULT"):
        return
    if cursor.words("SET", "DEFAULT"):
        read_expression(cursor)
    elif cursor.words("SET", "DATA", "TYPE") or cursor.word("TYPE"):
        read_data_type(cursor)
        if cursor.word("USING"):
            read_expression(cursor)
    else:
        raise cursor.expected("SET/DROP NOT NULL, SET DEFAULT, SET DATA TYPE after ALTER COLUMN")


def _refresh(cursor: Cursor, kind: str) -> None:
    cursor.need_word("SCHEMA")


def _swap(cursor: Cursor, kind: str) -> None:
    cursor.need_word("WITH")
    cursor.object_name()


def _connector(cursor: Cursor, kind: str) -> None:
    read_with(cursor)


def _as_query(cursor: Cursor, kind: str) -> None:
    read_query(cursor)


def _format(cursor: Cursor, kind: str) -> None:
    cursor.at -= 1
    read_sink_format(cursor)


_READERS = {
    "SET": _set,
    "RESET": _reset,
    "ADD": _add,
    "DROP": _drop,
    "ALTER": _alter_column,
    "REFRESH": _refresh,
    "SWAP": _swap,
    "CONNECTOR": _connector,
    "AS": _as_query,
    "FORMAT": _format,
}


def _alter_database(cursor: Cursor) -> None:
    cursor.object_name()
    if cursor.words("OWNER", "TO"):
        cursor.name()
    elif cursor.word("RENAME"):
        cursor.need_word("TO")
        cursor.object_name()
    elif cursor.words("SET", "RESOURCE_GROUP"):
        _to(cursor)
        read_set_value(cursor)
        cursor.word("DEFERRED")
    elif cursor.word("SET"):
        cursor.name()
        _to(cursor)
        read_set_value(cursor)
    elif cursor.word("RESET"):
        cursor.need_word("RESOURCE_GROUP")
        cursor.word("DEFERRED")
    else:
        raise cursor.expected(
            "RENAME, OWNER TO, SET, OR RESET after ALTER DATABASE", nearest=_OPERATIONS
        )


def _alter_secret(cursor: Cursor) -> None:
    cursor.object_name()
    if cursor.words("OWNER", "TO"):
        cursor.name()
        return
    if cursor.word("WITH"):
        read_options(cursor)
    if not cursor.word("AS"):
        raise cursor.expected("WITH, AS or OWNER TO after ALTER SECRET", nearest=("AS", "WITH"))
    read_value(cursor, secrets=False)


def _to(cursor: Cursor) -> None:
    if not cursor.word("TO") and not cursor.symbol("="):
        raise cursor.expected("TO or =", nearest=("TO",))


def read_set_value(cursor: Cursor) -> None:
    """Move past the value of a setting: a default, a list of values, or names with arguments."""
    if cursor.word("DEFAULT"):
        return
    while True:
        token = cursor.peek()
        if token.kind == "word" and not token.is_word("TRUE", "FALSE", "NULL"):
            if token.value == "default":
                raise cursor.expected("parameter list value")
            cursor.name()
            if cursor.symbol("("):
                read_value(cursor, secrets=False)
                while cursor.symbol(","):
                    read_value(cursor, secrets=False)
                cursor.need_symbol(")")
        elif token.kind in ("symbol", "parameter", "end"):
            raise cursor.expected("parameter value")
        else:
            read_value(cursor, secrets=False)
        if not cursor.symbol(","):
            return


# Indexes, databases, users, functions -------------------------------------------------------------


def read_index(cursor: Cursor) -> None:
    """Move past what follows ``CREATE INDEX`` and its name."""
    cursor.need_word("ON")
    cursor.object_name()
    if cursor.word("USING"):
        cursor.name()
    cursor.need_symbol("(")
    read_orderings(cursor)
    cursor.need_symbol(")")
    if cursor.word("INCLUDE"):
        cursor.names()
    if cursor.words("DISTRIBUTED", "BY"):
        cursor.need_symbol("(")
        read_expression(cursor)
        while cursor.symbol(","):
            read_expression(cursor)
        cursor.need_symbol(")")
    read_with(cursor)


def read_database(cursor: Cursor) -> None:
    """Move past the options of ``CREATE DATABASE``, each given once."""
    cursor.word("WITH")
    given = set()
    while cursor.peek().is_word(
        "OWNER", "RESOURCE_GROUP", "BARRIER_INTERVAL_MS", "CHECKPOINT_FREQUENCY"
    ):
        token = cursor.peek()
        word = token.value.upper()
        if word in given:
            raise cursor.error(f"duplicate {word} clause in CREATE DATABASE", token)
        given.add(word)
        cursor.at += 1
        cursor.symbol("=")
        if word == "OWNER":
            cursor.object_name()
        elif word == "RESOURCE_GROUP":
            read_set_value(cursor)
        else:
            cursor.integer()


def read_user(cursor: Cursor) -> None:
    """Move past what follows ``CREATE USER``."""
    cursor.object_name()
    _user_options(cursor)


def _user_options(cursor: Cursor) -> None:
    cursor.word("WITH")
    given = set()
    while cursor.peek().kind != "end":
        token = cursor.peek()
        option = cursor.name()
        what = option.removeprefix("no")
        if what in _USER_OPTIONS:
            pass
        elif option in ("password", "encrypted"):
            what = "password"
            if option == "encrypted" and cursor.name() != "password":
                raise cursor.error("expected PASSWORD after ENCRYPTED", token)
            if option == "encrypted" or not cursor.word("NULL"):
                cursor.string()
        elif option == "oauth":
            what = "password"
            read_options(cursor)
        else:
            cursor.at -= 1
            raise cursor.expected(
                "an option of the user",
                nearest=("PASSWORD", "ENCRYPTED", "OAUTH", *map(str.upper, _USER_OPTIONS)),
            )
        if what in given:
            raise cursor.error("conflicting or redundant options", token)
        given.add(what)


def read_function(cursor: Cursor) -> None:
    """Move past what follows ``CREATE FUNCTION``."""
    cursor.words("IF", "NOT", "EXISTS")
    _signature(cursor)
    if cursor.words("RETURNS", "TABLE"):
        cursor.need_symbol("(")
        while True:
            cursor.name(reserved=False)
            read_data_type(cursor)
            comma = cursor.symbol(",")
            if cursor.symbol(")"):
                break
            if not comma:
                raise cursor.expected("',' or ')'")
    elif cursor.word("RETURNS"):
        read_data_type(cursor)
    _function_body(cursor)
    read_with(cursor)


def read_aggregate(cursor: Cursor) -> None:
    """Move past what follows ``CREATE AGGREGATE``."""
    cursor.words("IF", "NOT", "EXISTS")
    cursor.object_name()
    cursor.need_symbol("(")
    _parameter(cursor)
    while cursor.symbol(","):
        _parameter(cursor)
    cursor.need_symbol(")")
    cursor.need_word("RETURNS")
    read_data_type(cursor)
    cursor.words("APPEND", "ONLY")
    _function_body(cursor)


def read_dropped_functions(cursor: Cursor) -> None:
    """Move past what follows ``DROP FUNCTION`` or ``DROP AGGREGATE``."""
    cursor.words("IF", "EXISTS")
    _signature(cursor)
    while cursor.symbol(","):
        _signature(cursor)
    cursor.word("CASCADE", "RESTRICT")


def _signature(cursor: Cursor) -> None:
    cursor.object_name()
    if cursor.symbol("(") and not cursor.symbol(")"):
        _parameter(cursor)
        while cursor.symbol(","):
            _parameter(cursor)
        cursor.need_symbol(")")


def _parameter(cursor: Cursor) -> None:
    cursor.word("IN", "OUT", "INOUT")
    data_type = read_data_type(cursor)
    ends = cursor.peek().is_symbol(",") or cursor.peek().is_symbol(")")
    if not data_type.outer.known and not ends:
        read_data_type(cursor)  # the first was the parameter's name
    if cursor.word("DEFAULT") or cursor.symbol("="):
        read_expression(cursor)


def _function_body(cursor: Cursor) -> None:
    given = set()
    while True:
        token = cursor.peek()
        what = token.value.upper()
        if cursor.word("AS"):
            if cursor.peek().kind not in ("string", "dollar", "word", "quoted"):
                raise cursor.expected("function definition")
            cursor.at += 1
        elif cursor.word("LANGUAGE", "RUNTIME"):
            cursor.name()
        elif cursor.word("IMMUTABLE", "STABLE", "VOLATILE"):
            what = "IMMUTABLE | STABLE | VOLATILE"
        elif cursor.word("RETURN"):
            read_expression(cursor)
        elif cursor.word("USING"):
            if not cursor.word("LINK", "BASE64"):
                raise cursor.expected("one of LINK or BASE64", nearest=("LINK", "BASE64"))
            if cursor.peek().kind == "dollar":
                cursor.at += 1
            else:
                cursor.string()
        else:
            return
        if what in given:
            raise cursor.error(f"{what} specified more than once", token)
        given.add(what)


# Cursors and single statements --------------------------------------------------------------------


def read_declare(cursor: Cursor) -> None:
    """Move past what follows ``DECLARE``."""
    cursor.name(reserved=False)
    subscribed = cursor.word("SUBSCRIPTION")
    cursor.need_word("CURSOR", "FOR")
    if not subscribed:
        read_query(cursor)
        return
    cursor.object_name()
    if cursor.word("SINCE"):
        token = cursor.peek()
        if token.kind == "number":
            cursor.integer()
        elif token.kind == "word" and token.name in ("proctime", "now", "begin"):
            cursor.at += 1
            cursor.need_symbol("(")
            cursor.need_symbol(")")
        else:
            raise cursor.expected("proctime(), begin(), now() or a number")
    else:
        cursor.word("FULL")


def read_fetch(cursor: Cursor) -> None:
    """Move past what follows ``FETCH``."""
    if not cursor.word("NEXT"):
        cursor.integer()
    cursor.need_word("FROM")
    cursor.name(reserved=False)
    read_with(cursor)


def read_close(cursor: Cursor) -> None:
    """Move past what follows ``CLOSE``."""
    if not cursor.word("ALL"):
        cursor.name(reserved=False)


def read_describe(cursor: Cursor) -> None:
    """Move past what follows ``DESCRIBE``."""
    if cursor.word("FRAGMENT"):
        cursor.integer()
        return
    cursor.word("FRAGMENTS")
    cursor.object_name()


def read_named(cursor: Cursor, word: str) -> None:
    """Move past a statement that is a word and the name of a table."""
    if word == "REFRESH":
        cursor.need_word("TABLE")
    elif word == "TRUNCATE":
        cursor.word("TABLE")
    elif word == "VACUUM":
        cursor.word("FULL")
    cursor.object_name()
