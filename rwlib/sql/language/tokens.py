"""Split SQL into tokens by the rules of RisingWave's tokenizer.

The rules are those of ``src/sqlparser/src/tokenizer.rs``: ``''`` is the only escape in a plain
string, ``E'…'`` has C escapes, ``$$…$$`` and ``$tag$…$tag$`` have none, ``"…"`` has none either,
comments are ``-- …`` and nested ``/* … */``, and an unquoted name is ASCII letters, digits, ``_``
and ``$``. Operators are cut into single characters: nothing here needs them whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from rwlib.errors import RunbookError

TokenKind = Literal[
    "word", "quoted", "string", "escaped", "dollar", "national", "hex", "number", "symbol", "end"
]

_SPACE = re.compile(r"[ \t\r\n]+")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|(?:\d+\.?\d*|\.\d+)(?:[eE]-?\d*)?")
_STRING = re.compile(r"'([^']*(?:''[^']*)*)'")
_ESCAPED = re.compile(r"'([^'\\]*(?:(?:''|\\.)[^'\\]*)*)'", re.DOTALL)
_QUOTED = re.compile(r'"([^"]*)"')
_TAG = re.compile(r"\$(\w*)\$")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_ESCAPE = re.compile(
    r"''|\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.))",
    re.DOTALL,
)
_CONTROL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class SqlSyntaxError(RunbookError):
    """A text is no SQL that RisingWave would read.

    Attributes
    ----------
    message
        What was expected and what was found, in RisingWave's words where they are known.
    line, column
        Where, both counted from 1.
    """

    def __init__(self, message: str, line: int, column: int) -> None:
        self.message = message
        self.line = line
        self.column = column
        super().__init__(f"line {line}, column {column}: {message}")

    def as_risingwave(self, text: str) -> str:
        """Return the error as RisingWave prints it, with the line and a caret below it."""
        lines = text.split("\n")
        shown = lines[self.line - 1] if self.line <= len(lines) else ""
        head = f"LINE {self.line}: "
        caret = " " * (len(head) + self.column - 1) + "^"
        return f"sql parser error: {self.message}\n{head}{shown}\n{caret}"


@dataclass(frozen=True, slots=True)
class Token:
    """One token, with its place in the text.

    Attributes
    ----------
    value
        The decoded text of a string or quoted name; else the text as written.
    """

    kind: TokenKind
    value: str
    line: int
    column: int
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        """Tell whether this is one of the given words, written without quotes in any case."""
        return self.kind == "word" and self.value.upper() in words

    def is_symbol(self, symbol: str) -> bool:
        """Tell whether this is the given punctuation character."""
        return self.kind == "symbol" and self.value == symbol

    @property
    def is_name(self) -> bool:
        """Whether this can be a name, or a part of one."""
        return self.kind in ("word", "quoted")

    @property
    def name(self) -> str:
        """The name RisingWave understands: unquoted names are lower case."""
        return self.value.lower() if self.kind == "word" else self.value

    @property
    def shown(self) -> str:
        """The token as error messages show it; a text may be a secret and is not repeated."""
        if self.kind == "end":
            return "end of input"
        return self.value if self.kind in ("word", "quoted", "number", "symbol") else "a string"


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a text, comments and blanks left out, ended by one ``end`` token.

    Raises
    ------
    SqlSyntaxError
        A string, quoted name or comment that never ends, or a number that runs into a name.
    """
    scanner = _Scanner(text)
    tokens: list[Token] = []
    while (token := scanner.next()) is not None:
        tokens.append(token)
    tokens.append(scanner.token("end", "", len(text), len(text)))
    return tokens


class _Scanner:
    """Walks over a text once; it carries the position and the line it is in."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._line = 1
        self._line_start = 0
        self._counted = 0

    def next(self) -> Token | None:
        """Return the next token, or None at the end."""
        self._skip_blanks()
        text, start = self.text, self.position
        if start >= len(text):
            return None
        first, second = text[start], text[start + 1 : start + 2]
        if second == "'" and first in "eEnNxX":
            return self._prefixed_string(first.upper())
        if match := _WORD.match(text, start):
            return self._take("word", match.group(), match.end())
        if first == "'":
            match = self._need(_STRING.match(text, start), "Unterminated string literal")
            return self._take("string", match.group(1).replace("''", "'"), match.end())
        if first == '"':
            match = self._need(
                _QUOTED.match(text, start), "Expected close delimiter '\"' before EOF."
            )
            return self._take("quoted", match.group(1), match.end())
        if match := _NUMBER.match(text, start):
            if _WORD.match(text, match.end()):
                raise self._error("trailing junk after numeric literal", match.end())
            return self._take("number", match.group(), match.end())
        if match := _TAG.match(text, start):
            return self._dollar_string(match)
        return self._take("symbol", first, start + 1)

    def token(self, kind: TokenKind, value: str, start: int, end: int) -> Token:
        """Return a token with the line and column of its start."""
        line, column = self._place(start)
        return Token(kind, value, line, column, start, end)

    def _prefixed_string(self, prefix: str) -> Token:
        text, quote = self.text, self.position + 1
        if prefix == "E":
            match = self._need(_ESCAPED.match(text, quote), "Unterminated string literal")
            return self._take("escaped", self._unescape(match.group(1)), match.end())
        match = self._need(_STRING.match(text, quote), "Unterminated string literal")
        kind: TokenKind = "national" if prefix == "N" else "hex"
        return self._take(kind, match.group(1).replace("''", "'"), match.end())

    def _dollar_string(self, opening: re.Match[str]) -> Token:
        end = self.text.find(opening.group(), opening.end())
        if end < 0:
            raise self._error("Unterminated dollar-quoted string", self.position)
        return self._take("dollar", self.text[opening.end() : end], end + len(opening.group()))

    def _skip_blanks(self) -> None:
        text = self.text
        while True:
            if match := _SPACE.match(text, self.position):
                self.position = match.end()
            if text.startswith("--", self.position):
                end = text.find("\n", self.position)
                self.position = len(text) if end < 0 else end + 1
            elif text.startswith("/*", self.position):
                self._skip_comment()
            else:
                return

    def _skip_comment(self) -> None:
        depth, position = 1, self.position + 2
        while depth:
            edge = self._need(
                _COMMENT_EDGE.search(self.text, position),
                "Unexpected EOF while in a multi-line comment",
            )
            depth += 1 if edge.group() == "/*" else -1
            position = edge.end()
        self.position = position

    def _unescape(self, raw: str) -> str:
        def replace(match: re.Match[str]) -> str:
            if match.group() == "''":
                return "'"
            wide = match.group(1) or match.group(2) or match.group(3)
            if wide:
                return chr(int(wide, 16))
            if match.group(4):
                return chr(int(match.group(4), 8))
            return _CONTROL.get(match.group(5), match.group(5))

        try:
            return _ESCAPE.sub(replace, raw)
        except (ValueError, OverflowError):
            raise self._error("invalid unicode sequence", self.position) from None

    def _take(self, kind: TokenKind, value: str, end: int) -> Token:
        token = self.token(kind, value, self.position, end)
        self.position = end
        return token

    def _need(self, match: re.Match[str] | None, message: str) -> re.Match[str]:
        if match is None:
            raise self._error(message, self.position)
        return match

    def _error(self, message: str, position: int) -> SqlSyntaxError:
        line, column = self._place(position)
        return SqlSyntaxError(message, line, column)

    def _place(self, position: int) -> tuple[int, int]:
        # Tokens come in order, so each line break is counted once.
        breaks = self.text.count("\n", self._counted, position)
        if breaks:
            self._line += breaks
            self._line_start = self.text.rfind("\n", 0, position) + 1
        self._counted = max(self._counted, position)
        return self._line, position - self._line_start + 1
