"""The walk over the tokens of one statement, shared by everything that reads a part of it."""

from __future__ import annotations

import difflib

from rwlib.sql.language.tokens import SqlSyntaxError, Token
from rwlib.sql.language.versions import is_since

# Words that cannot name a column or table without quotes
# (src/sqlparser/src/keywords.rs, RESERVED_FOR_COLUMN_OR_TABLE_NAME).
_RESERVED_WORDS = """
ALL ANALYSE ANALYZE AND ANY ARRAY AS ASC ASYMMETRIC AUTHORIZATION BINARY BOTH CASE CAST CHECK
COLLATE COLLATION COLUMN CONCURRENTLY CONSTRAINT CREATE CROSS DEFAULT DEFERRABLE DESC DISTINCT
DO ELSE END EXCEPT FALSE FETCH FOR FOREIGN FREEZE FROM FULL GRANT GROUP HAVING ILIKE IN
INITIALLY INNER INTERSECT INTO IS ISNULL JOIN LATERAL LEADING LEFT LIKE LIMIT NATURAL NOT
NOTNULL NULL OFFSET ON ONLY OR ORDER OUTER OVERLAPS PLACING PRIMARY REFERENCES RETURNING RIGHT
SIMILAR SOME SYMMETRIC TABLE TABLESAMPLE THEN TO TRAILING TRUE UNION UNIQUE USING VARIADIC
VERBOSE WHEN WHERE WINDOW
"""
RESERVED = frozenset(_RESERVED_WORDS.split())
# Words that begin the next clause of a query, so that something is missing before them.
_CLAUSE_WORDS = (
    *("FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT"),
    "OFFSET",
)
_DEEPEST = 60
_LOOKALIKES = {
    "\u2018": "'", "\u2019": "'", "\u201b": "'", "\u00b4": "'", "\u201c": '"', "\u201d": '"',
    "\uff0c": ",", "\uff1b": ";", "\uff08": "(", "\uff09": ")", "\u2013": "-", "\u2014": "-",
}  # fmt: skip


class Cursor:
    """Carries the position among the tokens of one statement.

    Parameters
    ----------
    sql
        The text that the tokens come from.
    tokens
        Those of one statement, ended by an ``end`` token.
    version
        One of `rwlib.sql.language.versions.VERSIONS`: what that version's parser takes is taken.
    psql
        Whether psql reads the text first, so that its variables may stand in it.
    """

    def __init__(self, sql: str, tokens: list[Token], *, version: str, psql: bool = False) -> None:
        self.sql = sql
        self.tokens = tokens
        self.version = version
        self.psql = psql
        self.at = 0
        self.named_by_variables: list[str] = []
        self.long_names: list[tuple[str, int]] = []
        self._depth = 0
        self._closing = _matching_parentheses(tokens)

    def peek(self, ahead: int = 0) -> Token:
        """Return the token that comes next, or some places after it."""
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def since(self, version: str) -> bool:
        """Tell whether the version read for has what came with another one."""
        return is_since(self.version, version)

    def word(self, *words: str) -> bool:
        """Move past one of the words, and tell whether it was there."""
        found = self.peek().is_word(*words)
        self.at += found
        return found

    def words(self, *sequence: str) -> bool:
        """Move past all the words in their order, or past none."""
        found = all(self.peek(ahead).is_word(word) for ahead, word in enumerate(sequence))
        self.at += len(sequence) if found else 0
        return found

    def symbol(self, symbol: str) -> bool:
        """Move past a punctuation character or operator, and tell whether it was there."""
        found = self.peek().is_symbol(symbol)
        self.at += found
        return found

    def need_word(self, *words: str) -> None:
        """Move past words that must be there in this order."""
        for word in words:
            if not self.word(word):
                raise self.expected(word, nearest=(word,))

    def need_symbol(self, symbol: str) -> None:
        """Move past a punctuation character that must be there."""
        if not self.symbol(symbol):
            error = self.expected(symbol)
            if symbol == ")":
                error.advice = self.unclosed() or error.advice
            raise error

    def name(self, *, reserved: bool = True) -> str:
        """Move past a name and return it; without ``reserved`` no reserved word can be one."""
        token = self.peek()
        if not token.is_name:
            raise self.expected("identifier")
        if not reserved and token.kind == "word" and token.value.upper() in RESERVED:
            raise self.error(
                f"syntax error at or near {token.value}", token, self._reserved_advice(token)
            )
        if token.kind == "quoted" and not token.value:
            raise self.error(
                'zero-length delimited identifier at or near """"', token, "give it a name"
            )
        if token.kind == "variable" and token.value not in self.named_by_variables:
            self.named_by_variables.append(token.value)
        self.at += 1
        return token.name

    def object_name(self) -> str:
        """Move past a qualified name and return it, its parts joined by dots."""
        return ".".join(self.name_parts())

    def relation_name(self) -> str:
        """Move past the name of a table or the like, which has three parts at most.

        The parser takes more and the binder refuses them (``resolve_schema_qualified_name`` in
        ``src/frontend/src/binder/relation/mod.rs``), so they are noted and not refused here.
        """
        line = self.peek().line
        parts = self.name_parts()
        name = ".".join(parts)
        if len(parts) > 3:
            self.long_names.append((name, line))
        return name

    def name_parts(self) -> list[str]:
        """Move past a qualified name and return its parts."""
        parts = [self.name()]
        while self.symbol("."):
            parts.append(self.name())
        return parts

    def names(self, *, optional: bool = False) -> tuple[str, ...]:
        """Move past a list of column names in parentheses."""
        if not self.symbol("("):
            if optional:
                return ()
            raise self.expected("a list of columns in parentheses")
        names = [self.name(reserved=False)]
        while self.symbol(","):
            names.append(self.name(reserved=False))
        self.need_symbol(")")
        return tuple(names)

    def string(self) -> str:
        """Move past a string that must be there (a plain one; from 3.1 a dollar string too)."""
        token = self.peek()
        if token.kind not in ("string", "variable") and not (
            token.kind == "dollar" and self.since("3.1")
        ):
            raise self.expected("literal string")
        self.at += 1
        return token.value

    def integer(self) -> str:
        """Move past a whole number."""
        token = self.peek()
        if token.kind != "number" or not token.value.isdigit():
            raise self.expected("number")
        self.at += 1
        return token.value

    def after_parentheses(self) -> Token:
        """Return the token behind the parenthesis that closes the one standing next."""
        closing = self._closing.get(self.at, len(self.tokens) - 2)
        return self.tokens[min(closing + 1, len(self.tokens) - 1)]

    def skip_parentheses(self) -> None:
        """Move past a pair of parentheses and all between them."""
        self.need_symbol("(")
        closing = self._closing.get(self.at - 1)
        if closing is None:
            self.at = len(self.tokens) - 1
            raise self.expected(")")
        self.at = closing + 1

    def deeper(self) -> None:
        """Note that the reader goes one level down; it ends with `higher`."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.error("is nested too deeply to be read", self.peek())

    def higher(self) -> None:
        """Note that the reader comes back from `deeper`."""
        self._depth -= 1

    def expected(self, what: str, *, nearest: tuple[str, ...] = ()) -> SqlSyntaxError:
        """Return the error for something else standing here.

        Parameters
        ----------
        what
            What RisingWave says it expected.
        nearest
            Words that could stand here: the one most like what does stand here is advised.
        """
        token = self.peek()
        return self.error(
            f"expected {what}, found: {token.shown}", token, self._advice(token, nearest)
        )

    def error(self, message: str, token: Token, advice: str = "") -> SqlSyntaxError:
        """Return an error at a token."""
        return SqlSyntaxError(message, token.line, token.column, advice)

    def text(self, start: int = 0) -> str:
        """Return the source from a token, the first one by default, to the last one read."""
        if self.at <= start:
            return ""
        return self.sql[self.tokens[start].start : self.tokens[self.at - 1].end]

    @property
    def line(self) -> int:
        """The line of the first token."""
        return self.tokens[0].line

    def unclosed(self) -> str:
        """Advise to close the nearest parenthesis before this place that nothing closes."""
        for index in range(self.at - 1, -1, -1):
            opened = self.tokens[index]
            if opened.is_symbol("(") and index not in self._closing:
                return (
                    f"close the parenthesis that opens at line {opened.line}, "
                    f"column {opened.column}"
                )
        return ""

    def begins_a_line(self, ahead: int = 0) -> bool:
        """Tell whether a token is the first of its line, and not of the statement."""
        index = self.at + ahead
        return 0 < index < len(self.tokens) and (
            self.tokens[index].line > self.tokens[index - 1].line
        )

    def _reserved_advice(self, token: Token) -> str:
        before = self.tokens[self.at - 1] if self.at else None
        if before is not None and token.is_word(*_CLAUSE_WORDS):
            if before.is_symbol(","):
                return f"leave out the comma before {token.value}"
            if advice := self.unclosed():
                return advice
            if before.kind == "symbol" and not before.is_symbol("("):
                return f"write what belongs between {before.value} and {token.value}"
            if before.kind == "word" and before.value.upper() in RESERVED:
                return f"write what belongs between {before.value} and {token.value}"
        return f'put the reserved word in double quotes: "{token.value}"'

    def _synopsis(self, token: Token) -> str:
        """Advise where the signs of a manual's synopsis were left in a statement."""
        before = self.tokens[self.at - 1] if self.at else token
        if token.value == "." and (self.peek(1).is_symbol(".") or before.is_symbol(".")):
            return "write out what the dots stand for, or leave them out"
        if token.value == "\u2026":
            return "write out what the dots stand for, or leave them out"
        if token.value in "{%" and (self.peek(1).value[:1] in "{%" and self.peek(1).value):
            return "give the SQL that the template makes, for dbt that of dbt compile"
        if token.value[:3] == "```":
            return "leave the fence ``` out: it belongs to Markdown, not to the statement"
        if token.value in "[]{}|":
            return f"leave {token.value} out: it belongs to the synopsis, not to the statement"
        if token.value[:1] == "<" and self.peek(1).is_name:
            return "put a real name in place of the angle brackets and what is between them"
        return ""

    def _prompt(self, token: Token) -> str:
        """Advise where the prompt of psql was copied with the statement, as in ``dev=>``."""
        sign = self.peek(1)
        first = self.at == 0 or self.begins_a_line()
        right_behind = sign.kind == "symbol" and sign.start == token.end
        if (
            first
            and token.kind == "word"
            and right_behind
            and sign.value[:1] in "=-('\"*"
            and sign.value[-1:] in ">#"
        ):
            return f"leave {token.value}{sign.value} out: it is the prompt of psql"
        return ""

    def _advice(self, token: Token, nearest: tuple[str, ...]) -> str:
        if advice := self._prompt(token):
            return advice
        if token.kind == "symbol" and (advice := self._synopsis(token)):
            return advice
        if token.kind == "symbol" and not token.value.isascii():
            if token.value.isspace() or token.value in "\u200b\u2060\ufeff":
                return "put an ordinary space in its place"
            if written := _LOOKALIKES.get(token.value):
                return f"write {written} in its place"
            return "leave it out, or put the name in double quotes"
        if token.kind == "word" and nearest:
            written = token.value.upper()
            for word in nearest:  # two words run together, as in CREATESINK
                if written.startswith(word) and len(written) > len(word) + 2:
                    return f"put a space after {word}"
            swapped = [word for word in nearest if sorted(word) == sorted(written)]
            near = swapped or difflib.get_close_matches(written, nearest, n=1, cutoff=0.6)
            if near and near[0] != written:
                return f"did you mean {near[0]}?"
        return ""


def _matching_parentheses(tokens: list[Token]) -> dict[int, int]:
    closing: dict[int, int] = {}
    opened: list[int] = []
    for index, token in enumerate(tokens):
        if token.is_symbol("("):
            opened.append(index)
        elif token.is_symbol(")") and opened:
            closing[opened.pop()] = index
    return closing
