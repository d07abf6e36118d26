"""Walk over the tokens of one statement."""

from __future__ import annotations

from rwlib.sql.language.tokens import SqlSyntaxError, Token


class Cursor:
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
