"""Read the statements of Step 5 the way RisingWave's parser reads them.

``CREATE SINK / SOURCE / TABLE / SECRET / CONNECTION`` with their ``WITH (…)``, ``FORMAT … ENCODE …
(…)`` and ``ENGINE = …`` clauses become `CreateStatement`; ``DROP``, ``SHOW CREATE`` and ``SET``
have a class each; every other statement is kept as its text. Grammar:
``src/sqlparser/src/parser.rs`` and ``src/sqlparser/src/ast/statement.rs``. It knows no option
names: what they may be is in `rwlib.sql.connectors`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from rwlib.sql.syntax import (
    Column,
    ConnectionRef,
    CreateStatement,
    DropStatement,
    FormatEncodeClause,
    OptionValue,
    OtherStatement,
    ParsedStatement,
    SecretRef,
    SetStatement,
    ShowCreateStatement,
    SqlOption,
)
from rwlib.sql.tokens import SqlSyntaxError, Token, tokenize

_FORMATS = ("CANAL", "DEBEZIUM", "DEBEZIUM_MONGO", "MAXWELL", "NATIVE", "NONE", "PLAIN", "UPSERT")
_ENCODES = (
    *("AVRO", "BYTES", "CSV", "JSON", "NATIVE", "NONE", "PARQUET", "PROTOBUF", "TEMPLATE"),
    "TEXT",
)
# Connectors whose FORMAT clause may be left out of CREATE SOURCE and CREATE TABLE
# (src/sqlparser/src/ast/statement.rs, parse_format_encode_with_connector).
_FORMAT_OPTIONAL = ("-cdc", "nexmark", "datagen", "iceberg", "webhook")


def parse_statements(text: str) -> list[ParsedStatement]:
    """Return the statements of a text in order.

    Raises
    ------
    SqlSyntaxError
        The first place that RisingWave's parser would refuse.
    """
    statements, errors = parse_leniently(text)
    if errors:
        raise errors[0]
    return statements


def parse_statement(text: str) -> ParsedStatement:
    """Return the one statement of a text.

    Raises
    ------
    SqlSyntaxError
        A syntax error, or not exactly one statement.
    """
    statements = parse_statements(text)
    if len(statements) != 1:
        raise SqlSyntaxError(f"expected one statement, found: {len(statements)}", 1, 1)
    return statements[0]


def parse_leniently(text: str) -> tuple[list[ParsedStatement], list[SqlSyntaxError]]:
    """Return what can be read, and one error for each statement that cannot."""
    try:
        tokens = tokenize(text)
    except SqlSyntaxError as error:
        return [], [error]
    statements: list[ParsedStatement] = []
    errors: list[SqlSyntaxError] = []
    first = 0
    for index, token in enumerate(tokens):
        if token.kind != "end" and not token.is_symbol(";"):
            continue
        if index > first:
            end = Token("end", "", token.line, token.column, token.start, token.start)
            try:
                statements.append(_Parser(text, [*tokens[first:index], end]).statement())
            except SqlSyntaxError as error:
                errors.append(error)
        first = index + 1
    return statements, errors


class _Parser:
    """Reads one statement; it carries the position among the tokens."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._sql = text
        self._tokens = tokens
        self._at = 0

    def statement(self) -> ParsedStatement:
        first = self._peek()
        if self._word("CREATE"):
            found = self._create()
        elif self._word("DROP"):
            found = self._drop()
        elif first.is_word("SHOW") and self._peek(1).is_word("CREATE"):
            found = self._show_create()
        elif self._word("SET"):
            found = self._set()
        else:
            return self._other()
        if self._peek().kind != "end":
            raise self._expected("end of statement")
        return found

    def _create(self) -> ParsedStatement:
        if self._word("OR"):
            self._need_word("REPLACE")
        temporary = self._word("TEMPORARY", "TEMP")
        readers: dict[str, Callable[[], CreateStatement]] = {
            "SINK": self._sink,
            "SOURCE": self._source,
            "TABLE": self._table,
            "SECRET": self._secret,
            "CONNECTION": self._connection,
        }
        for word, read in readers.items():
            if self._word(word) and not (temporary and word == "SINK"):
                return read()
        return self._other()

    def _sink(self) -> CreateStatement:
        if_not_exists, name = self._new_name()
        into_table = ""
        if self._word("INTO"):
            into_table = self._object_name()
            if self._peek().is_symbol("("):
                self._skip_parentheses()
        from_name = query = ""
        if self._word("FROM"):
            from_name = self._object_name()
        elif self._word("AS"):
            query = self._query()
        else:
            raise self._expected("FROM or AS after CREATE SINK sink_name")
        if self._word("EMIT") and not self._word("IMMEDIATELY"):
            for word in ("ON", "WINDOW", "CLOSE"):
                self._need_word(word)
        if not self._peek().is_word("WITH") and not into_table:
            raise self._expected("WITH")
        return CreateStatement(
            "sink",
            name,
            if_not_exists=if_not_exists,
            from_name=from_name,
            query=query,
            into_table=into_table,
            options=self._with_options(),
            format_encode=self._format_encode(),
            text=self._text(),
            line=self._line,
        )

    def _source(self) -> CreateStatement:
        if_not_exists, name = self._new_name()
        columns, primary_key = self._columns()
        self._includes()
        options = self._with_options()
        return CreateStatement(
            "source",
            name,
            if_not_exists=if_not_exists,
            columns=columns,
            primary_key=primary_key,
            options=options,
            format_encode=self._format_encode(required=_needs_format(options)),
            text=self._text(),
            line=self._line,
        )

    def _table(self) -> CreateStatement:
        if_not_exists, name = self._new_name()
        columns, primary_key = self._columns()
        if self._word("APPEND"):
            self._need_word("ONLY")
        if self._word("ON"):
            self._need_word("CONFLICT")
            while self._word(
                "OVERWRITE", "IGNORE", "DO", "UPDATE", "IF", "NOT", "NULL", "FULL", "NOTHING"
            ):
                pass
        if self._peek().is_word("WITH") and self._peek(1).is_word("VERSION"):
            self._at += 2
            self._need_word("COLUMN")
            self._skip_parentheses()
        self._includes()
        options = self._with_options()
        has_connector = any(option.name == "connector" for option in options)
        clause = self._format_encode(required=_needs_format(options)) if has_connector else None
        query = self._query() if self._word("AS") else ""
        if self._word("FROM"):
            self._object_name()
            self._need_word("TABLE")
            self._string()
        if self._peek().is_word("VALIDATE"):  # a webhook table: an expression up to ENGINE
            while not self._peek().is_word("ENGINE") and self._peek().kind != "end":
                self._at += 1
        engine = ""
        if self._word("ENGINE"):
            self._need_symbol("=")
            engine = self._object_name().lower()
            if engine not in ("iceberg", "hummock"):
                raise self._error(f"Unsupported engine: {engine}", self._tokens[self._at - 1])
        return CreateStatement(
            "table",
            name,
            if_not_exists=if_not_exists,
            columns=columns,
            primary_key=primary_key,
            options=options,
            format_encode=clause,
            query=query,
            engine=engine,
            text=self._text(),
            line=self._line,
        )

    def _secret(self) -> CreateStatement:
        if_not_exists, name = self._new_name()
        options = self._with_options()
        credential = self._string() if self._word("AS") else None
        return CreateStatement(
            "secret",
            name,
            if_not_exists=if_not_exists,
            options=options,
            credential=credential,
            text=self._text(),
            line=self._line,
        )

    def _connection(self) -> CreateStatement:
        if_not_exists, name = self._new_name()
        options = self._with_options()
        if not options:
            raise self._error("connection properties not provided", self._peek())
        return CreateStatement(
            "connection",
            name,
            if_not_exists=if_not_exists,
            options=options,
            text=self._text(),
            line=self._line,
        )

    def _drop(self) -> DropStatement:
        kind = self._need_name()
        if kind == "materialized":
            kind += " " + self._need_name()
        if_exists = self._word("IF")
        if if_exists:
            self._need_word("EXISTS")
        name = self._object_name()
        cascade = self._word("CASCADE")
        if not cascade:
            self._word("RESTRICT")
        return DropStatement(kind, name, self._text(), self._line, if_exists, cascade)

    def _show_create(self) -> ShowCreateStatement:
        self._at += 2
        kind = self._need_name()
        if kind == "materialized":
            kind += " " + self._need_name()
        return ShowCreateStatement(kind, self._object_name(), self._text(), self._line)

    def _set(self) -> SetStatement:
        name = self._object_name()
        if not self._word("TO"):
            self._need_symbol("=")
        start = self._peek().start
        value = self._peek().value
        while self._peek().kind != "end":
            self._at += 1
        if self._tokens[self._at - 1].start != start:
            value = self._sql[start : self._tokens[self._at - 1].end]
        return SetStatement(name, value, self._text(), self._line)

    def _other(self) -> OtherStatement:
        keyword = self._tokens[0].value.upper()
        self._at = len(self._tokens) - 1
        return OtherStatement(keyword, self._text(), self._line)

    def _new_name(self) -> tuple[bool, str]:
        if_not_exists = self._word("IF")
        if if_not_exists:
            self._need_word("NOT")
            self._need_word("EXISTS")
        return if_not_exists, self._object_name()

    def _with_options(self) -> tuple[SqlOption, ...]:
        if not self._word("WITH"):
            return ()
        return self._options()

    def _options(self) -> tuple[SqlOption, ...]:
        self._need_symbol("(")
        options = []
        while True:
            options.append(self._option())
            comma = self._symbol(",")
            if self._symbol(")"):  # a comma before it is accepted
                return tuple(options)
            if not comma:
                raise self._expected("',' or ')' after option definition")

    def _option(self) -> SqlOption:
        line = self._peek().line
        name = self._object_name()
        self._need_symbol("=")
        if name.lower() == "connection":
            connection = self._object_name()
            if connection == "connection" and self._peek().is_name:
                connection = self._object_name()
            return SqlOption(name, ConnectionRef(connection), line, "connection")
        if name.lower() == "backfill_order":
            return SqlOption(name, self._raw_value(), line, "order")
        value, written_as = self._value()
        return SqlOption(name, value, line, written_as)

    def _value(self) -> tuple[OptionValue, str]:
        token = self._peek()
        if token.kind == "word":
            if token.is_word("SECRET"):
                self._at += 1
                secret = self._object_name()
                as_file = self._word("AS")
                if as_file:
                    self._need_word("FILE")
                return SecretRef(secret, as_file), "secret"
            if token.is_word("TRUE", "FALSE"):
                self._at += 1
                return token.value.lower(), "boolean"
            if token.is_word("NULL"):
                self._at += 1
                return "", "null"
            raise self._expected("a concrete value")
        kinds = {"string": "string", "escaped": "string", "number": "number"}
        if token.kind in kinds or token.kind in ("dollar", "national", "hex"):
            self._at += 1
            return token.value, kinds.get(token.kind, token.kind)
        raise self._expected("a value")

    def _raw_value(self) -> str:
        start = self._peek().start
        while not self._peek().is_symbol(",") and not self._peek().is_symbol(")"):
            if self._peek().kind == "end":
                raise self._expected("',' or ')' after option definition")
            if self._peek().is_symbol("("):
                self._skip_parentheses()
            else:
                self._at += 1
        return self._sql[start : self._tokens[self._at - 1].end]

    def _format_encode(self, *, required: bool = False) -> FormatEncodeClause | None:
        line = self._peek().line
        if self._peek().is_word("ROW") and self._peek(1).is_word("FORMAT"):  # before v2
            self._at += 2
            encode = self._need_name().upper()
            options = self._options() if self._peek().is_symbol("(") else ()
            return FormatEncodeClause("PLAIN", encode, options, "", line)
        if not self._word("FORMAT"):
            if required:
                raise self._expected("FORMAT")
            return None
        format_ = self._one_of(_FORMATS, "FORMAT")
        self._need_word("ENCODE")
        encode = self._one_of(_ENCODES, "ENCODE")
        options = self._options() if self._peek().is_symbol("(") else ()
        key_encode = ""
        if self._word("KEY"):
            self._need_word("ENCODE")
            key_encode = self._one_of(_ENCODES, "ENCODE")
        return FormatEncodeClause(format_, encode, options, key_encode, line)

    def _columns(self) -> tuple[tuple[Column, ...], tuple[str, ...]]:
        if not self._symbol("("):
            return (), ()
        columns: list[Column] = []
        primary_key: tuple[str, ...] = ()
        while not self._symbol(")"):
            first = self._peek()
            if first.is_symbol("*"):
                columns.append(Column("*", ""))
                self._at += 1
            elif first.is_word("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "WATERMARK"):
                primary_key = self._constraint() or primary_key
            elif first.is_name:
                columns.append(self._column())
            else:
                raise self._expected("column name or constraint definition")
            if not self._symbol(",") and not self._peek().is_symbol(")"):
                raise self._expected("',' or ')' after column definition")
        inline = tuple(column.name for column in columns if column.primary_key)
        return tuple(columns), primary_key or inline

    def _constraint(self) -> tuple[str, ...]:
        if self._word("CONSTRAINT"):
            self._need_name()
        names: list[str] = []
        if self._word("PRIMARY"):
            self._need_word("KEY")
            self._need_symbol("(")
            names.append(self._need_name())
            while self._symbol(","):
                names.append(self._need_name())
            self._need_symbol(")")
        else:
            self._skip_item()
        return tuple(names)

    def _column(self) -> Column:
        name = self._need_name()
        start, first = self._peek().start, self._at
        self._skip_item()
        tokens = self._tokens[first : self._at]
        definition = self._sql[start : tokens[-1].end] if tokens else ""
        keyed = any(
            token.is_word("PRIMARY") and following.is_word("KEY")
            for token, following in pairwise(tokens)
        )
        return Column(name, definition, keyed)

    def _skip_item(self) -> None:
        """Move to the comma or parenthesis that ends an item of a column list."""
        angles = 0  # struct<a int, b int>: its commas are its own
        while True:
            token = self._peek()
            if token.kind == "end" or token.is_symbol(")"):
                return
            if token.is_symbol(",") and not angles:
                return
            if token.is_symbol("("):
                self._skip_parentheses()
                continue
            if token.is_symbol("<") and self._tokens[self._at - 1].is_word("STRUCT", "MAP"):
                angles += 1
            elif token.is_symbol(">") and angles:
                angles -= 1
            self._at += 1

    def _skip_parentheses(self) -> None:
        self._need_symbol("(")
        depth = 1
        while depth:
            token = self._peek()
            if token.kind == "end":
                raise self._expected(")")
            depth += token.is_symbol("(") - token.is_symbol(")")
            self._at += 1

    def _includes(self) -> None:
        while self._word("INCLUDE"):
            self._need_name()
            if self._peek().kind == "string":
                self._at += 1
                if self._peek().kind == "word" and not self._peek().is_word(
                    "AS", "INCLUDE", "WITH", "FORMAT"
                ):
                    self._at += 1
            if self._word("AS"):
                self._need_name()
            self._symbol(",")

    def _query(self) -> str:
        """Move past a query: up to the clause of this statement that follows it."""
        start = self._peek().start
        while self._peek().kind != "end":
            token = self._peek()
            if token.is_word("WITH") and self._peek(1).is_symbol("("):
                break
            if token.is_word("EMIT", "ENGINE") and self._at:
                break
            if token.is_symbol("("):
                self._skip_parentheses()
            else:
                self._at += 1
        return self._sql[start : self._tokens[self._at - 1].end]

    def _object_name(self) -> str:
        parts = [self._need_name()]
        while self._symbol("."):
            parts.append(self._need_name())
        return ".".join(parts)

    def _need_name(self) -> str:
        token = self._peek()
        if not token.is_name:
            raise self._expected("identifier")
        self._at += 1
        return token.name

    def _string(self) -> str:
        token = self._peek()
        if token.kind not in ("string", "escaped", "dollar", "national"):
            raise self._expected("literal string")
        self._at += 1
        return token.value

    def _one_of(self, words: tuple[str, ...], after: str) -> str:
        token = self._peek()
        if token.value.upper() not in words:
            raise self._error(f"expected {' | '.join(words)} after {after}", token)
        self._at += 1
        return token.value.upper()

    def _word(self, *words: str) -> bool:
        found = self._peek().is_word(*words)
        self._at += found
        return found

    def _symbol(self, symbol: str) -> bool:
        found = self._peek().is_symbol(symbol)
        self._at += found
        return found

    def _need_word(self, word: str) -> None:
        if not self._word(word):
            raise self._expected(word)

    def _need_symbol(self, symbol: str) -> None:
        if not self._symbol(symbol):
            raise self._expected(symbol)

    def _peek(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def _expected(self, what: str) -> SqlSyntaxError:
        return self._error(f"expected {what}, found: {self._peek().shown}", self._peek())

    def _error(self, message: str, token: Token) -> SqlSyntaxError:
        return SqlSyntaxError(message, token.line, token.column)

    def _text(self) -> str:
        return self._sql[self._tokens[0].start : self._tokens[self._at - 1].end]

    @property
    def _line(self) -> int:
        return self._tokens[0].line


def _needs_format(options: tuple[SqlOption, ...]) -> bool:
    connector = next((option.value for option in options if option.name == "connector"), "")
    return isinstance(connector, str) and not any(
        part in connector.lower() for part in _FORMAT_OPTIONAL
    )
