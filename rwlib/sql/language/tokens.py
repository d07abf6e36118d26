"""Split SQL into tokens by the rules of RisingWave's tokenizer.

The rules are those of ``src/sqlparser/src/tokenizer.rs``: ``''`` is the only escape in a plain
string, ``E'…'`` has C escapes, ``$$…$$`` and ``$tag$…$tag$`` have none, comments are ``-- …`` and
nested ``/* … */``, and an unquoted name is ASCII letters, digits, ``_`` and ``$``. A run of
operator characters is one operator, as in Postgres. From 3.1 on ``""`` inside a quoted name is a
quote, and a tagged dollar string may hold a ``$``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from rwlib.errors import RunbookError
from rwlib.sql.language.versions import DEFAULT_VERSION, is_since

_Text = Literal["string", "escaped", "dollar", "national", "hex"]
TokenKind = Literal[_Text, "word", "quoted", "number", "parameter", "variable", "symbol", "end"]

_SPACE = re.compile(r"[ \t\r\n]+")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_NUMBER = re.compile(
    r"0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]-?[0-9]*)?"
)
_STRING = re.compile(r"'([^']*(?:''[^']*)*)'")
_ESCAPED = re.compile(r"'([^'\\]*(?:(?:''|\\.)[^'\\]*)*)'", re.DOTALL)
_QUOTED = re.compile(r'"([^"]*)"')
_QUOTED_WITH_ESCAPE = re.compile(r'"([^"]*(?:""[^"]*)*)"')
_TAG = re.compile(r"\$(\w*)(\$?)")
_TAG_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|")
_OPERATOR = re.compile(r"[-+*/<>=~!@#%^&|`?]+")
_MARKS_AN_OPERATOR = frozenset("~!@#%^&|`?")
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
    advice
        What to write instead, where the place shows it; else empty.
    """

    def __init__(self, message: str, line: int, column: int, advice: str = "") -> None:
        self.message = message
        self.line = line
        self.column = column
        self.advice = advice
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
    kind
        ``parameter`` is ``$1``, ``variable`` what psql puts a value for, ``symbol`` an operator or
        a punctuation character.
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
        return self.kind in ("word", "quoted", "variable")

    @property
    def name(self) -> str:
        """The name RisingWave understands: unquoted names are lower case."""
        return self.value.lower() if self.kind == "word" else self.value

    @property
    def shown(self) -> str:
        """The token as error messages show it; a text may be a secret and is not repeated."""
        if self.kind == "end":
            return self.value or "end of input"
        if self.kind == "symbol" and not self.value.isascii():
            return described(self.value)
        if self.kind in ("string", "escaped", "dollar", "national", "hex"):
            return "a string"
        return self.value


def described(character: str) -> str:
    """Return a character that may not be seen with its number and name.

    Examples
    --------
    >>> described(chr(0xA0))
    'U+00A0 (no-break space)'
    """
    name = unicodedata.name(character, "a control character").lower()
    return f"U+{ord(character):04X} ({name})"


def tokenize(text: str, *, version: str = DEFAULT_VERSION) -> list[Token]:
    """Return the tokens of a text, comments and blanks left out, ended by one ``end`` token.

    Raises
    ------
    SqlSyntaxError
        A string, quoted name or comment that never ends, or a number that runs into a name.
    """
    scanner = _Scanner(text, version)
    tokens: list[Token] = []
    try:
        while (token := scanner.next()) is not None:
            tokens.append(token)
    except SqlSyntaxError as error:
        error.advice = error.advice or _unclosed_advice(text, tokens, scanner.position)
        raise
    tokens.append(scanner.token("end", "", len(text), len(text)))
    return tokens


def _unclosed_advice(text: str, tokens: list[Token], position: int) -> str:
    """Say which text, name or comment has no end; what stands in it may be a secret."""
    opening = text[position : position + 2]
    if opening == "/*":
        return "end the comment that begins here with */"
    if opening[:1] == "$":
        return "end the text that begins here with the same dollars and tag"
    if opening[:1] not in ("'", '"') and opening[1:] != "'":
        return ""
    # A text that lost its quote ends where the next one begins, right before a word.
    quotes = ("string", "escaped", "national", "hex", "quoted")
    for token in tokens:
        glued = text[token.end : token.end + 1]
        if token.kind in quotes and (glued.isalnum() or glued == "_"):
            quote = '"' if token.kind == "quoted" else "'"
            return (
                f"close the text that begins at line {token.line}, column {token.column} "
                f"with {quote} where it ends"
            )
    before = text[position - 1 : position]
    if before.isalnum() or before == "_":
        return f"put {opening[:1]} also where the text before this place begins"
    return f"close what begins here with {opening[:1]}; one inside it is written twice"


class _Scanner:
    """Walks over a text once; it carries the position and the line it is in."""

    def __init__(self, text: str, version: str) -> None:
        self.text = text
        self.escapes_quotes = self.tags_are_names = is_since(version, "3.1")
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
        if second == "'" and first in "eENxX":
            return self._prefixed_string(first.upper())
        if match := _WORD.match(text, start):
            return self._take("word", match.group(), match.end())
        if first == "'":
            match = self._need(_STRING.match(text, start), "Unterminated string literal")
            return self._take("string", match.group(1).replace("''", "'"), match.end())
        if first == '"':
            return self._quoted_name()
        if match := _NUMBER.match(text, start):
            if _WORD.match(text, match.end()):
                raise self._error("trailing junk after numeric literal", match.end())
            return self._take("number", match.group(), match.end())
        if first == "$":
            return self._dollar()
        if match := _OPERATOR.match(text, start):
            return self._operator(match.group())
        if first == ":" and second == ":":
            return self._take("symbol", "::", start + 2)
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

    def _quoted_name(self) -> Token:
        pattern = _QUOTED_WITH_ESCAPE if self.escapes_quotes else _QUOTED
        match = self._need(
            pattern.match(self.text, self.position), "Expected close delimiter '\"' before EOF."
        )
        value = match.group(1)
        if self.escapes_quotes:
            value = value.replace('""', '"')
        return self._take("quoted", value, match.end())

    def _dollar(self) -> Token:
        opening = _TAG.match(self.text, self.position)
        assert opening is not None
        tag, closed = opening.groups()
        if not closed:
            return self._take("parameter", opening.group(), opening.end())
        if self.tags_are_names and not _TAG_NAME.fullmatch(tag):
            raise self._error(f'Invalid dollar-quoted string tag "{tag}"', self.position)
        end = self.text.find(opening.group(), opening.end())
        if tag and not self.tags_are_names:  # up to v3.0 the first $ must begin the closing tag
            first = self.text.find("$", opening.end())
            end = end if first == end else -1
        if end < 0:
            raise self._error("Unterminated dollar-quoted string", self.position)
        return self._take("dollar", self.text[opening.end() : end], end + len(opening.group()))

    def _operator(self, run: str) -> Token:
        cut = min((at for at in (run.find("/*"), run.find("--")) if at >= 0), default=len(run))
        operator = run[:cut]
        if len(operator) > 1 and operator[-1] in "+-" and not _MARKS_AN_OPERATOR & set(operator):
            operator = operator.rstrip("+-") or operator[0]
        return self._take("symbol", operator, self.position + len(operator))

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
            if wide := match.group(1) or match.group(2):
                code = int(wide, 16)
                if 0xD800 <= code <= 0xDFFF:
                    raise ValueError(wide)
                return chr(code)
            if narrow := match.group(3) or match.group(4):
                code = int(narrow, 16 if match.group(3) else 8)
                if code > 0x7F:  # a byte that is no character of its own in UTF-8
                    raise ValueError(narrow)
                return chr(code)
            if match.group(5) in "uU":
                raise ValueError(match.group())
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
