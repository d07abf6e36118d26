"""Read the statements of Step 5 the way RisingWave's parser reads them.

``CREATE SINK / SOURCE / TABLE / SECRET / CONNECTION`` with their ``WITH (…)``, ``FORMAT … ENCODE …
(…)`` and ``ENGINE = …`` clauses become `CreateStatement`; ``DROP``, ``SHOW CREATE`` and ``SET``
have a class each; every other statement is kept as its text. Grammar:
``src/sqlparser/src/parser.rs`` and ``src/sqlparser/src/ast/statement.rs``. It knows no option
names: what they may be is in `rwlib.sql.connectors`.
"""

from __future__ import annotations

from collections.abc import Callable

from rwlib.sql.language.clauses import Clauses
from rwlib.sql.language.syntax import (
    CreateStatement,
    DropStatement,
    OtherStatement,
    ParsedStatement,
    SetStatement,
    ShowCreateStatement,
    SqlOption,
)
from rwlib.sql.language.tokens import SqlSyntaxError, Token, tokenize

# Connectors whose FORMAT clause may be left out of CREATE SOURCE and CREATE TABLE
# (src/sqlparser/src/ast/statement.rs, parse_format_encode_with_connector).
_FORMAT_OPTIONAL = ("-cdc", "nexmark", "datagen", "iceberg", "webhook")

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


class _Parser(Clauses):
    """Reads one statement."""

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
