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

from rwlib.sql.language.syntax import (
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
    VariableRef,
)
from rwlib.sql.language.tokens import SqlSyntaxError, Token, tokenize

# Connectors whose FORMAT clause may be left out of CREATE SOURCE and CREATE TABLE
# (src/sqlparser/src/ast/statement.rs, parse_format_encode_with_connector).
_FORMAT_OPTIONAL = ("-cdc", "nexmark", "datagen", "iceberg", "webhook")

_FORMATS = ("CANAL", "DEBEZIUM", "DEBEZIUM_MONGO", "MAXWELL", "NATIVE", "NONE", "PLAIN", "UPSERT")
_ENCODES = (
    *("AVRO", "BYTES", "CSV", "JSON", "NATIVE", "NONE", "PARQUET", "PROTOBUF", "TEMPLATE"),
    "TEXT",
)
_DROPPED = (
    *("SINK", "SOURCE", "TABLE", "SECRET", "CONNECTION", "VIEW", "MATERIALIZED", "INDEX"),
    *("SCHEMA", "DATABASE", "USER", "SUBSCRIPTION"),
)
_SHOWN = ("TABLE", "MATERIALIZED", "VIEW", "INDEX", "SOURCE", "SINK", "SUBSCRIPTION", "FUNCTION")


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


def parse_leniently(
    text: str, *, psql: bool = False
) -> tuple[list[ParsedStatement], list[SqlSyntaxError]]:
    """Return what can be read, and one error for each statement that cannot.

    With ``psql``, the text is a person's file: lines that begin with a backslash between
    statements are left out, a variable such as ``:'name'`` may stand for a value, and a missing
    ``FORMAT`` is left for the reader of the statement to judge.
    """
    try:
        tokens = tokenize(text)
    except SqlSyntaxError as error:
        return [], [error]
    statements: list[ParsedStatement] = []
    errors: list[SqlSyntaxError] = []
    own: list[Token] = []
    skipped_line = 0
    for token in tokens:
        if token.line == skipped_line and token.kind != "end":
            continue
        if psql and not own and token.is_symbol("\\"):
            skipped_line = token.line
        elif token.kind != "end" and not token.is_symbol(";"):
            own.append(token)
        elif own:
            end = Token("end", "", token.line, token.column, token.start, token.start)
            try:
                statements.append(_Parser(text, [*own, end], psql=psql).statement())
            except SqlSyntaxError as error:
                errors.append(error)
            own = []
    return statements, errors


class _Parser:
    """Reads one statement; it carries the position among the tokens.

    Parameters
    ----------
    sql
        The text that the tokens come from.
    tokens
        Those of one statement, ended by an ``end`` token.
    psql
        Whether psql reads the text first, so that its variables may stand in it.
    """

    def __init__(self, sql: str, tokens: list[Token], *, psql: bool = False) -> None:
        self.sql = sql
        self.tokens = tokens
        self.psql = psql
        self.at = 0

    def statement(self) -> ParsedStatement:
        first = self.peek()
        if self.word("CREATE"):
            found = self._create()
        elif first.is_word("DROP") and self.peek(1).is_word(*_DROPPED):
            found = self._drop()
        elif first.is_word("SHOW") and self.peek(1).is_word("CREATE"):
            found = self._show_create()
        elif first.is_word("SET") and (self.peek(2).is_symbol("=") or self.peek(2).is_word("TO")):
            found = self._set()
        else:
            return self._other()
        if self.peek().kind != "end":
            raise self.expected("end of statement")
        return found

    def _create(self) -> ParsedStatement:
        if self.word("OR"):
            self.need_word("REPLACE")
        temporary = self.word("TEMPORARY", "TEMP")
        readers: dict[str, Callable[[], CreateStatement]] = {
            "SINK": self._sink,
            "SOURCE": self._source,
            "TABLE": self._table,
            "SECRET": self._secret,
            "CONNECTION": self._connection,
        }
        for word, read in readers.items():
            if self.word(word) and not (temporary and word == "SINK"):
                return read()
        return self._other()

    def _sink(self) -> CreateStatement:
        if_not_exists, name = self._new_name()
        into_table = ""
        if self.word("INTO"):
            into_table = self.object_name()
            if self.peek().is_symbol("("):
                self.skip_parentheses()
        from_name = query = ""
        if self.word("FROM"):
            from_name = self.object_name()
        elif self.word("AS"):
            query = self.query()
        else:
            raise self.expected("FROM or AS after CREATE SINK sink_name")
        if self.word("EMIT") and not self.word("IMMEDIATELY"):
            for word in ("ON", "WINDOW", "CLOSE"):
                self.need_word(word)
        if not self.peek().is_word("WITH") and not into_table:
            raise self.expected("WITH")
        return CreateStatement(
            "sink",
            name,
            if_not_exists=if_not_exists,
            from_name=from_name,
            query=query,
            into_table=into_table,
            options=self.with_options(),
            format_encode=self.format_encode(),
            text=self.text(),
            line=self.line,
        )

    def _source(self) -> CreateStatement:
        if_not_exists, name = self._new_name()
        columns, primary_key = self.columns()
        self.includes()
        options = self.with_options()
        return CreateStatement(
            "source",
            name,
            if_not_exists=if_not_exists,
            columns=columns,
            primary_key=primary_key,
            options=options,
            format_encode=self.format_encode(required=self._needs_format(options)),
            text=self.text(),
            line=self.line,
        )

    def _table(self) -> CreateStatement:
        if_not_exists, name = self._new_name()
        columns, primary_key = self.columns()
        if self.word("APPEND"):
            self.need_word("ONLY")
        if self.word("ON"):
            self.need_word("CONFLICT")
            while self.word(
                "OVERWRITE", "IGNORE", "DO", "UPDATE", "IF", "NOT", "NULL", "FULL", "NOTHING"
            ):
                pass
        if self.peek().is_word("WITH") and self.peek(1).is_word("VERSION"):
            self.at += 2
            self.need_word("COLUMN")
            self.skip_parentheses()
        self.includes()
        options = self.with_options()
        has_connector = any(option.name == "connector" for option in options)
        clause = self.format_encode(required=self._needs_format(options)) if has_connector else None
        query = self.query() if self.word("AS") else ""
        if self.word("FROM"):
            self.object_name()
            self.need_word("TABLE")
            self.string()
        if self.peek().is_word("VALIDATE"):  # a webhook table: an expression up to ENGINE
            while not self.peek().is_word("ENGINE") and self.peek().kind != "end":
                self.at += 1
        engine = ""
        if self.word("ENGINE"):
            self.need_symbol("=")
            engine = self.object_name().lower()
            if engine not in ("iceberg", "hummock"):
                raise self.error(f"Unsupported engine: {engine}", self.tokens[self.at - 1])
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
            text=self.text(),
            line=self.line,
        )

    def _needs_format(self, options: tuple[SqlOption, ...]) -> bool:
        connector = next((option.value for option in options if option.name == "connector"), "")
        return (
            not self.psql
            and isinstance(connector, str)
            and not any(part in connector.lower() for part in _FORMAT_OPTIONAL)
        )

    def _secret(self) -> CreateStatement:
        if_not_exists, name = self._new_name()
        options = self.with_options()
        credential = self.string() if self.word("AS") else None
        return CreateStatement(
            "secret",
            name,
            if_not_exists=if_not_exists,
            options=options,
            credential=credential,
            text=self.text(),
            line=self.line,
        )

    def _connection(self) -> CreateStatement:
        if_not_exists, name = self._new_name()
        options = self.with_options()
        if not options:
            raise self.error("connection properties not provided", self.peek())
        return CreateStatement(
            "connection",
            name,
            if_not_exists=if_not_exists,
            options=options,
            text=self.text(),
            line=self.line,
        )

    def _drop(self) -> DropStatement:
        self.need_word("DROP")
        kind = self.need_name()
        if kind == "materialized":
            kind += " " + self.need_name()
        if_exists = self.word("IF")
        if if_exists:
            self.need_word("EXISTS")
        name = self.object_name()
        cascade = self.word("CASCADE")
        if not cascade:
            self.word("RESTRICT")
        return DropStatement(kind, name, self.text(), self.line, if_exists, cascade)

    def _show_create(self) -> ShowCreateStatement:
        self.at += 2
        if not self.peek().is_word(*_SHOWN):
            raise self.expected("MATERIALIZED VIEW, VIEW, TABLE, SOURCE, SINK, INDEX or FUNCTION")
        kind = self.need_name()
        if kind == "materialized":
            kind += " " + self.need_name()
        return ShowCreateStatement(kind, self.object_name(), self.text(), self.line)

    def _set(self) -> SetStatement:
        self.need_word("SET")
        name = self.object_name()
        if not self.word("TO"):
            self.need_symbol("=")
        start = self.peek().start
        value = self.peek().value
        while self.peek().kind != "end":
            self.at += 1
        if self.tokens[self.at - 1].start != start:
            value = self.sql[start : self.tokens[self.at - 1].end]
        return SetStatement(name, value, self.text(), self.line)

    def _other(self) -> OtherStatement:
        keyword = self.tokens[0].value.upper()
        self.at = len(self.tokens) - 1
        return OtherStatement(keyword, self.text(), self.line)

    def _new_name(self) -> tuple[bool, str]:
        if_not_exists = self.word("IF")
        if if_not_exists:
            self.need_word("NOT")
            self.need_word("EXISTS")
        return if_not_exists, self.object_name()

    # Clauses that several statements have -----------------------------------------------------

    def with_options(self) -> tuple[SqlOption, ...]:
        """Read ``WITH (…)`` where it stands."""
        if not self.word("WITH"):
            return ()
        return self.options()

    def options(self) -> tuple[SqlOption, ...]:
        """Read a list of options in parentheses; a comma after the last one is accepted."""
        self.need_symbol("(")
        options = []
        while True:
            options.append(self.option())
            comma = self.symbol(",")
            if self.symbol(")"):  # a comma before it is accepted
                return tuple(options)
            if not comma:
                raise self.expected("',' or ')' after option definition")

    def option(self) -> SqlOption:
        """Read one ``name = value``."""
        line = self.peek().line
        name = self.object_name()
        self.need_symbol("=")
        if name.lower() == "connection":
            connection = self.object_name()
            if connection == "connection" and self.peek().is_name:
                connection = self.object_name()
            return SqlOption(name, ConnectionRef(connection), line, "connection")
        if name.lower() == "backfill_order":
            return SqlOption(name, self._raw_value(), line, "order")
        value, written_as = self.value()
        return SqlOption(name, value, line, written_as)

    def value(self) -> tuple[OptionValue, str]:
        """Read a value and tell how it was written."""
        token = self.peek()
        if token.kind == "word":
            if token.is_word("SECRET"):
                self.at += 1
                secret = self.object_name()
                as_file = self.word("AS")
                if as_file:
                    self.need_word("FILE")
                return SecretRef(secret, as_file), "secret"
            if token.is_word("TRUE", "FALSE"):
                self.at += 1
                return token.value.lower(), "boolean"
            if token.is_word("NULL"):
                self.at += 1
                return "", "null"
            raise self.expected("a concrete value")
        if self.psql and token.is_symbol(":") and self.peek(1).kind in ("word", "quoted", "string"):
            self.at += 2
            return VariableRef(self.tokens[self.at - 1].value), "variable"
        kinds = {"string": "string", "escaped": "string", "number": "number"}
        if token.kind in kinds or token.kind in ("dollar", "national", "hex"):
            self.at += 1
            return token.value, kinds.get(token.kind, token.kind)
        raise self.expected("a value")

    def _raw_value(self) -> str:
        start = self.peek().start
        while not self.peek().is_symbol(",") and not self.peek().is_symbol(")"):
            if self.peek().kind == "end":
                raise self.expected("',' or ')' after option definition")
            if self.peek().is_symbol("("):
                self.skip_parentheses()
            else:
                self.at += 1
        return self.sql[start : self.tokens[self.at - 1].end]

    def format_encode(self, *, required: bool = False) -> FormatEncodeClause | None:
        """Read ``FORMAT … ENCODE … (…)`` where it stands."""
        line = self.peek().line
        if self.peek().is_word("ROW") and self.peek(1).is_word("FORMAT"):  # before v2
            self.at += 2
            encode = self.need_name().upper()
            options = self.options() if self.peek().is_symbol("(") else ()
            return FormatEncodeClause("PLAIN", encode, options, "", line)
        if not self.word("FORMAT"):
            if required:
                raise self.expected("FORMAT")
            return None
        format_ = self.one_of(_FORMATS, "FORMAT")
        self.need_word("ENCODE")
        encode = self.one_of(_ENCODES, "ENCODE")
        options = self.options() if self.peek().is_symbol("(") else ()
        key_encode = ""
        if self.word("KEY"):
            self.need_word("ENCODE")
            key_encode = self.one_of(_ENCODES, "ENCODE")
        return FormatEncodeClause(format_, encode, options, key_encode, line)

    def columns(self) -> tuple[tuple[Column, ...], tuple[str, ...]]:
        """Read a list of columns in parentheses, and the primary key among them."""
        if not self.symbol("("):
            return (), ()
        columns: list[Column] = []
        primary_key: tuple[str, ...] = ()
        while not self.symbol(")"):
            first = self.peek()
            if first.is_symbol("*"):
                columns.append(Column("*", ""))
                self.at += 1
            elif first.is_word("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK") or (
                first.is_word("WATERMARK") and self.peek(1).is_word("FOR")
            ):
                primary_key = self._constraint() or primary_key
            elif first.is_name:
                columns.append(self._column())
            else:
                raise self.expected("column name or constraint definition")
            if not self.symbol(",") and not self.peek().is_symbol(")"):
                raise self.expected("',' or ')' after column definition")
        inline = tuple(column.name for column in columns if column.primary_key)
        return tuple(columns), primary_key or inline

    def _constraint(self) -> tuple[str, ...]:
        if self.word("CONSTRAINT"):
            self.need_name()
        names: list[str] = []
        if self.word("PRIMARY"):
            self.need_word("KEY")
            self.need_symbol("(")
            names.append(self.need_name())
            while self.symbol(","):
                names.append(self.need_name())
            self.need_symbol(")")
        else:
            self._skip_item()
        return tuple(names)

    def _column(self) -> Column:
        name = self.need_name()
        start, first = self.peek().start, self.at
        self._skip_item()
        tokens = self.tokens[first : self.at]
        definition = self.sql[start : tokens[-1].end] if tokens else ""
        keyed = any(
            token.is_word("PRIMARY") and following.is_word("KEY")
            for token, following in pairwise(tokens)
        )
        return Column(name, definition, keyed)

    def _skip_item(self) -> None:
        """Move to the comma or parenthesis that ends an item of a column list."""
        angles = 0  # struct<a int, b int>: its commas are its own
        while True:
            token = self.peek()
            if token.kind == "end" or token.is_symbol(")"):
                return
            if token.is_symbol(",") and not angles:
                return
            if token.is_symbol("("):
                self.skip_parentheses()
                continue
            if token.is_symbol("<") and self.tokens[self.at - 1].is_word("STRUCT", "MAP"):
                angles += 1
            elif token.is_symbol(">") and angles:
                angles -= 1
            self.at += 1

    def includes(self) -> None:
        """Move past ``INCLUDE … AS …``."""
        while self.word("INCLUDE"):
            self.need_name()
            if self.peek().kind == "string":
                self.at += 1
                if self.peek().kind == "word" and not self.peek().is_word(
                    "AS", "INCLUDE", "WITH", "FORMAT"
                ):
                    self.at += 1
            if self.word("AS"):
                self.need_name()
            self.symbol(",")

    def query(self) -> str:
        """Move past a query: up to the clause of this statement that follows it."""
        start = self.peek().start
        while self.peek().kind != "end":
            token = self.peek()
            if token.is_word("WITH") and self.peek(1).is_symbol("("):
                break
            if token.is_word("EMIT") and self.peek(1).is_word("ON", "IMMEDIATELY"):
                break
            if token.is_word("ENGINE") and self.peek(1).is_symbol("=") and self._ends(3):
                break
            if token.is_symbol("("):
                self.skip_parentheses()
            else:
                self.at += 1
        return self.sql[start : self.tokens[self.at - 1].end]

    def _ends(self, ahead: int) -> bool:
        return self.peek(ahead).kind == "end"

    # The walk over the tokens -----------------------------------------------------------------

    def peek(self, ahead: int = 0) -> Token:
        """Return the token that comes next, or some places after it."""
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def word(self, *words: str) -> bool:
        """Move past one of the words, and tell whether it was there."""
        found = self.peek().is_word(*words)
        self.at += found
        return found

    def symbol(self, symbol: str) -> bool:
        """Move past a punctuation character, and tell whether it was there."""
        found = self.peek().is_symbol(symbol)
        self.at += found
        return found

    def need_word(self, word: str) -> None:
        """Move past a word that must be there."""
        if not self.word(word):
            raise self.expected(word)

    def need_symbol(self, symbol: str) -> None:
        """Move past a punctuation character that must be there."""
        if not self.symbol(symbol):
            raise self.expected(symbol)

    def need_name(self) -> str:
        """Move past a name and return it."""
        token = self.peek()
        if not token.is_name:
            raise self.expected("identifier")
        self.at += 1
        return token.name

    def object_name(self) -> str:
        """Move past a qualified name and return it, its parts joined by dots."""
        parts = [self.need_name()]
        while self.symbol("."):
            parts.append(self.need_name())
        return ".".join(parts)

    def string(self) -> str:
        """Move past a string and return what it says."""
        token = self.peek()
        if token.kind not in ("string", "escaped", "dollar", "national"):
            raise self.expected("literal string")
        self.at += 1
        return token.value

    def one_of(self, words: tuple[str, ...], after: str) -> str:
        """Move past one of some words and return it in upper case."""
        token = self.peek()
        if token.value.upper() not in words:
            raise self.error(f"expected {' | '.join(words)} after {after}", token)
        self.at += 1
        return token.value.upper()

    def skip_parentheses(self) -> None:
        """Move past a pair of parentheses and all between them."""
        self.need_symbol("(")
        depth = 1
        while depth:
            token = self.peek()
            if token.kind == "end":
                raise self.expected(")")
            depth += token.is_symbol("(") - token.is_symbol(")")
            self.at += 1

    def expected(self, what: str) -> SqlSyntaxError:
        """Return the error for something else standing here."""
        return self.error(f"expected {what}, found: {self.peek().shown}", self.peek())

    def error(self, message: str, token: Token) -> SqlSyntaxError:
        """Return an error at a token."""
        return SqlSyntaxError(message, token.line, token.column)

    def text(self) -> str:
        """Return the source from the first token to the last one read."""
        return self.sql[self.tokens[0].start : self.tokens[self.at - 1].end]

    @property
    def line(self) -> int:
        """The line of the first token."""
        return self.tokens[0].line
