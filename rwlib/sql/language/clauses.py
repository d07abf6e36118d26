"""Read the clauses that the statements of Step 5 share."""

from __future__ import annotations

from itertools import pairwise

from rwlib.sql.language.cursor import Cursor
from rwlib.sql.language.syntax import (
    Column,
    ConnectionRef,
    FormatEncodeClause,
    OptionValue,
    SecretRef,
    SqlOption,
    VariableRef,
)

_FORMATS = ("CANAL", "DEBEZIUM", "DEBEZIUM_MONGO", "MAXWELL", "NATIVE", "NONE", "PLAIN", "UPSERT")
_ENCODES = (
    *("AVRO", "BYTES", "CSV", "JSON", "NATIVE", "NONE", "PARQUET", "PROTOBUF", "TEMPLATE"),
    "TEXT",
)


class Clauses(Cursor):
    """A cursor that reads options, ``FORMAT … ENCODE …`` and columns."""

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
