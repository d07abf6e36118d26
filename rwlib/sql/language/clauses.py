"""Read the clauses that several statements have: options, FORMAT … ENCODE …, columns, INCLUDE."""

from __future__ import annotations

from rwlib.sql.language.cursor import Cursor
from rwlib.sql.language.data_types import DataType, read_data_type
from rwlib.sql.language.option_values import ConnectionRef, OptionValue, SecretRef, VariableRef
from rwlib.sql.language.queries import read_expression
from rwlib.sql.language.syntax import Column, FormatEncodeClause, SqlOption
from rwlib.sql.language.tokens import SqlSyntaxError, Token

_FORMATS = ("CANAL", "DEBEZIUM", "DEBEZIUM_MONGO", "MAXWELL", "NATIVE", "NONE", "PLAIN", "UPSERT")
_ENCODES = (
    *("AVRO", "BYTES", "CSV", "JSON", "NATIVE", "NONE", "PARQUET", "PROTOBUF", "TEMPLATE"),
    "TEXT",
)
# What the older ROW FORMAT stands for (src/sqlparser/src/ast/legacy_source.rs).
_ROW_FORMATS = {
    "json": ("PLAIN", "JSON"),
    "upsert_json": ("UPSERT", "JSON"),
    "protobuf": ("PLAIN", "PROTOBUF"),
    "debezium_json": ("DEBEZIUM", "JSON"),
    "debezium_mongo_json": ("DEBEZIUM_MONGO", "JSON"),
    "avro": ("PLAIN", "AVRO"),
    "upsert_avro": ("UPSERT", "AVRO"),
    "maxwell": ("MAXWELL", "JSON"),
    "canal_json": ("CANAL", "JSON"),
    "csv": ("PLAIN", "CSV"),
    "native": ("NATIVE", "NATIVE"),
    "debezium_avro": ("DEBEZIUM", "AVRO"),
    "bytes": ("PLAIN", "BYTES"),
}
_NEXT_STATEMENT = ("CREATE", "DROP", "ALTER", "INSERT", "SELECT", "SHOW", "SET", "FORMAT")
_DELIMITERS = (",", ";", "\t")
# Strings that the parser takes as a value and with_options.rs then refuses.
_VALUES: dict[str, str] = {"string": "string", "escaped": "string", "number": "number"}
_REFUSED_VALUES = ("dollar", "national", "hex", "quoted")


# Options ----------------------------------------------------------------------------------------


def read_with(cursor: Cursor) -> tuple[SqlOption, ...]:
    """Move past ``WITH (…)`` where it stands."""
    return read_options(cursor) if cursor.word("WITH") else ()


def read_options(cursor: Cursor) -> tuple[SqlOption, ...]:
    """Move past a list of options in parentheses; a comma after the last one is accepted."""
    if not cursor.peek().is_symbol("("):
        raise _advised(cursor.expected("("), "put the options in parentheses: WITH (…)")
    cursor.at += 1
    options = []
    while True:
        options.append(_option(cursor))
        comma = cursor.symbol(",")
        if cursor.symbol(")"):
            return tuple(options)
        if not comma:
            here = cursor.peek()
            advice = f"put a comma before {here.shown}" if here.is_name else ""
            if here.kind == "end" or (cursor.begins_a_line() and here.is_word(*_NEXT_STATEMENT)):
                advice = cursor.unclosed() or advice
            raise _advised(cursor.expected("',' or ')' after option definition"), advice)


def _advised(error: SqlSyntaxError, advice: str) -> SqlSyntaxError:
    error.advice = error.advice or advice
    return error


def _option(cursor: Cursor) -> SqlOption:
    line = cursor.peek().line
    name = cursor.object_name()
    cursor.need_symbol("=")
    start = cursor.at
    value: OptionValue
    if name.lower() == "connection":
        connection = cursor.object_name()
        if connection == "connection" and cursor.peek().is_name:
            connection = cursor.object_name()
        value, written_as = ConnectionRef(connection), "connection"
    elif name.lower() == "backfill_order":
        _backfill_order(cursor)
        value, written_as = cursor.text(start), "order"
    else:
        value, written_as = read_value(cursor)
    return SqlOption(name, value, line, written_as, cursor.text(start))


def read_value(cursor: Cursor, *, secrets: bool = True) -> tuple[OptionValue, str]:
    """Move past a value and tell how it was written."""
    token = cursor.peek()
    if token.kind == "word":
        if token.is_word("SECRET") and secrets:
            cursor.at += 1
            secret = cursor.object_name()
            return SecretRef(secret, cursor.words("AS", "FILE")), "secret"
        if token.is_word("TRUE", "FALSE"):
            cursor.at += 1
            return token.value.lower(), "boolean"
        if token.is_word("NULL"):
            cursor.at += 1
            return "", "null"
        error = cursor.expected("a concrete value", nearest=("TRUE", "FALSE", "NULL", "SECRET"))
        raise _advised(error, "put a text in single quotes")
    if token.kind == "variable":
        cursor.at += 1
        return VariableRef(token.value), "variable"
    if token.kind in _VALUES or token.kind in _REFUSED_VALUES:
        cursor.at += 1
        return token.value, _VALUES.get(token.kind) or token.kind
    raise cursor.expected("a value")


def _backfill_order(cursor: Cursor) -> None:
    if cursor.word("DEFAULT", "NONE", "AUTO"):
        return
    if not cursor.word("FIXED"):
        raise cursor.expected(
            "backfill order strategy", nearest=("DEFAULT", "NONE", "AUTO", "FIXED")
        )
    cursor.need_symbol("(")
    if not cursor.peek().is_symbol(")"):
        while True:
            cursor.object_name()
            cursor.need_symbol("->")
            cursor.object_name()
            if not cursor.symbol(","):
                break
    cursor.need_symbol(")")


# FORMAT and ENCODE ------------------------------------------------------------------------------


def read_sink_format(cursor: Cursor) -> FormatEncodeClause | None:
    """Move past ``FORMAT … ENCODE … (…) [KEY ENCODE …]`` where it stands."""
    line = cursor.peek().line
    if not cursor.word("FORMAT"):
        return None
    format_ = _one_of(cursor, _FORMATS, "PROTOBUF | DEBEZIUM | PLAIN | NATIVE | NONE after FORMAT")
    cursor.need_word("ENCODE")
    encode = _one_of(
        cursor,
        _ENCODES,
        "AVRO | BYTES | CSV | PROTOBUF | JSON | NATIVE | TEMPLATE | PARQUET | NONE after Encode",
    )
    options = read_options(cursor) if cursor.peek().is_symbol("(") else ()
    key_encode = ""
    if cursor.words("KEY", "ENCODE"):
        key_encode = _one_of(cursor, _ENCODES, "an encode after KEY ENCODE")
    return FormatEncodeClause(format_, encode, options, key_encode, line)


def read_source_format(
    cursor: Cursor, connector: str, *, is_source: bool, lenient: bool
) -> FormatEncodeClause | None:
    """Move past the clause of a source or table, which its connector may want, fix or refuse.

    Parameters
    ----------
    connector
        The connector as it stands in the text (``parse_format_encode_with_connector`` in
        ``src/sqlparser/src/ast/statement.rs`` looks for parts of it).
    lenient
        Whether a clause that is missing or fixed otherwise is left for the checker to judge.
    """
    fixed: tuple[str, str] | None = None
    if "-cdc" in connector:
        fixed = ("PLAIN", "JSON") if is_source else ("DEBEZIUM", "JSON")
        if not is_source and "mongodb" in connector:
            fixed = ("DEBEZIUM_MONGO", "JSON")
    elif "nexmark" in connector:
        fixed = ("NATIVE", "NATIVE")
    elif "datagen" in connector:
        lenient = True
    elif "iceberg" in connector or "adbc_snowflake" in connector:
        fixed = ("NONE", "NONE")
    elif "webhook" in connector:
        raise cursor.error(
            "Source with webhook connector is not supported. Please use the "
            "`CREATE TABLE ... WITH ...` statement instead.",
            cursor.peek(),
        )
    stands = cursor.peek().is_word("FORMAT") or (
        cursor.peek().is_word("ROW") and cursor.peek(1).is_word("FORMAT")
    )
    if not stands:
        if fixed is None and not lenient:
            raise cursor.expected("description of the format", nearest=("FORMAT",))
        return None
    token = cursor.peek()
    clause = _row_format(cursor) if token.is_word("ROW") else read_sink_format(cursor)
    assert clause is not None
    if clause.key_encode:
        raise cursor.error("key encode clause is not supported in source schema", token)
    if fixed and not lenient and ((clause.format, clause.encode) != fixed or clause.options):
        raise cursor.error(
            f"Row format should be either omitted or set to `FORMAT {fixed[0]} ENCODE {fixed[1]}`",
            token,
        )
    return clause


def _row_format(cursor: Cursor) -> FormatEncodeClause:
    line = cursor.peek().line
    cursor.at += 2
    token = cursor.peek()
    name = cursor.name()
    if name not in _ROW_FORMATS:
        names = tuple(known.upper() for known in _ROW_FORMATS)
        cursor.at -= 1
        raise cursor.expected("JSON | PROTOBUF | AVRO | CSV … after ROW FORMAT", nearest=names)
    format_, encode = _ROW_FORMATS[name]
    options: list[SqlOption] = []
    if name == "csv":
        headless = cursor.words("WITHOUT", "HEADER")
        cursor.need_word("DELIMITED", "BY")
        place = cursor.peek()
        delimiter = cursor.string()
        if delimiter not in _DELIMITERS:
            raise cursor.error("The delimiter should be one of ',', ';', E'\\t'", place)
        options = [
            _given("delimiter", delimiter, token.line),
            _given("without_header", "true" if headless else "false", token.line),
        ]
    elif encode in ("AVRO", "PROTOBUF"):
        if encode == "PROTOBUF":
            cursor.need_word("MESSAGE")
            options.append(_given("message", cursor.string(), token.line))
        cursor.need_word("ROW", "SCHEMA", "LOCATION")
        registry = cursor.words("CONFLUENT", "SCHEMA", "REGISTRY")
        if name == "debezium_avro" and not registry:
            cursor.need_word("CONFLUENT")
        option = "schema.registry" if registry else "schema.location"
        options.append(_given(option, cursor.string(), token.line))
    return FormatEncodeClause(format_, encode, tuple(options), "", line)


def _given(name: str, value: str, line: int) -> SqlOption:
    return SqlOption(name, value, line, "string")


def _one_of(cursor: Cursor, words: tuple[str, ...], what: str) -> str:
    token = cursor.peek()
    if not token.is_name:
        raise cursor.expected("identifier")
    if token.kind != "variable" and token.value.upper() not in words:
        raise cursor.expected(what, nearest=words)
    cursor.at += 1
    return token.value.upper()


# Columns ----------------------------------------------------------------------------------------


class ColumnList:
    """The columns in parentheses of a source or table, with what is said about all of them."""

    def __init__(self) -> None:
        self.columns: list[Column] = []
        self.primary_key: tuple[str, ...] = ()
        self.constraints = 0
        self.watermarks = 0

    @property
    def key(self) -> tuple[str, ...]:
        """The key columns, named by a constraint or each by its own."""
        inline = tuple(column.name for column in self.columns if column.primary_key)
        return self.primary_key or inline


def read_columns(cursor: Cursor) -> ColumnList:
    """Move past a list of columns, constraints and watermarks where it stands."""
    found = ColumnList()
    if not cursor.symbol("(") or cursor.symbol(")"):
        return found
    while True:
        _column_or_constraint(cursor, found)
        comma = cursor.symbol(",")
        if cursor.symbol(")"):
            return found
        if not comma:
            error = cursor.expected("',' or ')' after column definition")
            raise _advised(error, _column_advice(cursor))


def _column_or_constraint(cursor: Cursor, found: ColumnList) -> None:
    first = cursor.peek()
    if cursor.symbol("*"):
        if any(column.name == "*" for column in found.columns):
            raise cursor.error("At most 1 wildcard is allowed in source definition", first)
        found.columns.append(Column("*", "", line=first.line))
    elif first.is_word("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK"):
        try:
            read_table_constraint(cursor, found)
        except SqlSyntaxError as error:
            if not cursor.tokens[cursor.at - 1].is_symbol("("):
                raise _advised(error, _as_a_column(first)) from None
            raise
        found.constraints += 1
    elif cursor.word("WATERMARK"):
        found.watermarks += 1
        cursor.need_word("FOR")
        cursor.name(reserved=False)
        cursor.need_word("AS")
        read_expression(cursor)
        cursor.words("WITH", "TTL")
        if found.watermarks > 1:
            raise cursor.error("Only 1 watermark is allowed to be defined on source.", first)
    elif first.is_name:
        found.columns.append(read_column(cursor))
    else:
        raise cursor.expected("column name or constraint definition")


def _as_a_column(word: Token) -> str:
    """Advise quotes where the first word of a constraint was meant as a column's name."""
    return f'if {word.value} is the name of a column, put it in double quotes: "{word.value}"'


def read_table_constraint(cursor: Cursor, found: ColumnList | None = None) -> None:
    """Move past a constraint that stands among the columns, and note the key it names."""
    found = found or ColumnList()
    if cursor.word("CONSTRAINT"):
        cursor.name(reserved=False)
    if cursor.word("PRIMARY"):
        cursor.need_word("KEY")
        found.primary_key = cursor.names()
    elif cursor.word("UNIQUE"):
        cursor.names()
    elif cursor.word("FOREIGN"):
        cursor.need_word("KEY")
        cursor.names()
        cursor.need_word("REFERENCES")
        cursor.object_name()
        cursor.names()
        _referential_actions(cursor)
    elif cursor.word("CHECK"):
        _checked(cursor)
    else:
        raise cursor.expected("PRIMARY, UNIQUE, FOREIGN, or CHECK")


def read_column(cursor: Cursor) -> Column:
    """Move past one column: its name, its type and what is said about it."""
    line = cursor.peek().line
    name = cursor.name(reserved=False)
    start = cursor.at
    data_type: DataType | None = None
    if cursor.peek().is_name:
        data_type = _column_type(cursor)
    if cursor.word("COLLATE"):
        cursor.object_name()
    primary_key = False
    while True:
        named = cursor.word("CONSTRAINT")
        if named:
            cursor.name(reserved=False)
        option = _column_option(cursor)
        if not option:
            if named:
                raise cursor.expected("constraint details after CONSTRAINT <name>")
            break
        primary_key = primary_key or option == "key"
    return Column(name, cursor.text(start), primary_key, data_type, line)


def _column_type(cursor: Cursor) -> DataType:
    try:
        return read_data_type(cursor)
    except SqlSyntaxError as error:
        raise _advised(error, _column_advice(cursor)) from None


def _column_advice(cursor: Cursor) -> str:
    """Say what to do where a column's type ends and something else than a comma follows."""
    before, here = cursor.tokens[cursor.at - 1], cursor.peek()
    if before.kind == "word" and here.is_symbol("("):
        return f"write {before.value} without a size; RisingWave's type has none"
    if here.is_symbol("[") or before.is_symbol("["):
        return "write [] without a size; RisingWave's arrays have none"
    if here.is_word("UNSIGNED", "ZEROFILL"):
        return "leave it out; RisingWave has no unsigned types"
    if here.is_word("AUTO_INCREMENT", "AUTOINCREMENT", "IDENTITY"):
        return "leave it out; RisingWave numbers no rows"
    if before.is_name and here.is_name:
        return f"put a comma before {here.shown}"
    return ""


def _column_option(cursor: Cursor) -> str:
    """Move past one option of a column; return ``key``, another word, or an empty text."""
    if cursor.words("NOT", "NULL") or cursor.word("NULL", "UNIQUE"):
        return "plain"
    if cursor.words("PRIMARY", "KEY"):
        return "key"
    if cursor.word("DEFAULT"):
        if not cursor.word("INTERNAL"):
            read_expression(cursor)
        return "default"
    if cursor.word("REFERENCES"):
        cursor.object_name()
        cursor.names(optional=True)
        _referential_actions(cursor)
        return "reference"
    if cursor.word("CHECK"):
        _checked(cursor)
        return "check"
    if cursor.word("AS"):
        read_expression(cursor)
        return "generated"
    return ""


def _checked(cursor: Cursor) -> None:
    cursor.need_symbol("(")
    read_expression(cursor)
    cursor.need_symbol(")")


def _referential_actions(cursor: Cursor) -> None:
    left = {"DELETE", "UPDATE"}
    while cursor.peek().is_word("ON") and cursor.peek(1).is_word(*left):
        left.discard(cursor.peek(1).value.upper())
        cursor.at += 2
        if not (
            cursor.word("RESTRICT", "CASCADE")
            or cursor.words("SET", "NULL")
            or cursor.words("NO", "ACTION")
            or cursor.words("SET", "DEFAULT")
        ):
            raise cursor.expected("one of RESTRICT, CASCADE, SET NULL, NO ACTION or SET DEFAULT")


def read_includes(cursor: Cursor) -> None:
    """Move past ``INCLUDE … AS …``; commas between them are accepted."""
    while cursor.word("INCLUDE"):
        cursor.name()
        if cursor.peek().kind == "string":
            cursor.at += 1
            _header_type(cursor)
        if cursor.word("AS"):
            cursor.name()
        cursor.symbol(",")


def _header_type(cursor: Cursor) -> None:
    """Move past the type of a header, which only a type that the parser knows can be."""
    start = cursor.at
    try:
        data_type = read_data_type(cursor)
    except SqlSyntaxError:
        if cursor.at > start + 1:
            raise
        cursor.at = start
        return
    if not data_type.outer.known:
        cursor.at = start
