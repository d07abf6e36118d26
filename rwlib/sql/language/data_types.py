"""Read a data type the way RisingWave's parser does (``src/sqlparser/src/parser_v2/data_type.rs``).

Names that the parser does not know pass: the binder refuses most of them, which is
`rwlib.sql.rules.column_types`'s to say.
"""

from __future__ import annotations

from dataclasses import dataclass

from rwlib.sql.language.cursor import RESERVED, Cursor
from rwlib.sql.language.tokens import Token, tokenize
from rwlib.sql.language.versions import DEFAULT_VERSION

_PLAIN_WORDS = """
BOOLEAN BOOL REAL SMALLINT INT INTEGER BIGINT STRING VARCHAR UUID DATE INTERVAL TEXT BYTEA
"""
_PLAIN = frozenset(_PLAIN_WORDS.split())


@dataclass(frozen=True)
class TypeName:
    """One type named somewhere in a data type, an element's or a field's included.

    Attributes
    ----------
    name
        In lower case, as in ``numeric``; a time with its zone is ``time with time zone``.
    sizes
        The numbers in parentheses behind it.
    known
        Whether the name is a word of the parser's grammar; another one may be the user's own.
    """

    name: str
    token: Token
    sizes: tuple[int, ...] = ()
    known: bool = True


@dataclass(frozen=True)
class DataType:
    """A data type as it was written, with every type that is named in it."""

    text: str
    names: tuple[TypeName, ...]

    @property
    def outer(self) -> TypeName:
        """The type that the others stand in."""
        return self.names[0]


def read_data_type(cursor: Cursor) -> DataType:
    """Move past a data type and return it.

    Raises
    ------
    SqlSyntaxError
        No type that RisingWave's parser would read stands there.
    """
    return _Reader(cursor).read()


class _Reader:
    """Reads one type; it remembers how much of a ``>>`` is still to be used."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.names: list[TypeName] = []
        self._open_angles = 0

    def read(self) -> DataType:
        start = self.cursor.at
        self._type()
        if self._open_angles:
            last = self.cursor.tokens[self.cursor.at - 1]
            raise self.cursor.error("unconsumed `>>`", last, "leave out a >")
        return DataType(self.cursor.text(start), tuple(self.names))

    def _type(self) -> None:
        cursor = self.cursor
        cursor.deeper()
        self._base()
        while not self._open_angles and cursor.symbol("["):
            cursor.need_symbol("]")
        cursor.higher()

    def _base(self) -> None:
        cursor, token = self.cursor, self.cursor.peek()
        word = token.value.upper() if token.kind == "word" else ""
        if word in _PLAIN:
            cursor.at += 1
            self._named(token, word)
        elif word in ("FLOAT", "CHAR", "CHARACTER", "NUMERIC", "DECIMAL", "DEC"):
            cursor.at += 1
            self._sized(token, word)
        elif word == "DOUBLE":
            cursor.at += 1
            cursor.word("PRECISION")
            self._named(token, "double precision")
        elif word in ("TIMESTAMP", "TIME"):
            cursor.at += 1
            zoned = cursor.words("WITH", "TIME", "ZONE")
            if not zoned:
                cursor.words("WITHOUT", "TIME", "ZONE")
            self._named(token, f"{word} with time zone" if zoned else word)
        elif word == "STRUCT":
            cursor.at += 1
            self._named(token, word)
            self._fields()
        else:
            self._other(token)

    def _named(self, token: Token, name: str, sizes: tuple[int, ...] = ()) -> None:
        self.names.append(TypeName(name.lower(), token, sizes))

    def _sized(self, token: Token, word: str) -> None:
        cursor = self.cursor
        if word in ("CHAR", "CHARACTER") and cursor.word("VARYING"):
            return self._named(token, "varchar")
        sizes: list[int] = []
        if cursor.symbol("("):
            sizes.append(int(cursor.integer()))
            if word in ("NUMERIC", "DECIMAL", "DEC") and cursor.symbol(","):
                sizes.append(int(cursor.integer()))
            cursor.need_symbol(")")
        if word == "FLOAT" and sizes and not 1 <= sizes[0] <= 53:
            raise cursor.error("precision must be in range 1..54", token)
        self._named(token, {"CHARACTER": "char", "DEC": "decimal"}.get(word, word), tuple(sizes))

    def _fields(self) -> None:
        cursor = self.cursor
        if not cursor.symbol("<"):
            raise cursor.error(
                "invalid struct_data_type", cursor.peek(), "write struct<name type, …>"
            )
        first = True
        while first or (not self._open_angles and cursor.symbol(",")):
            if first and self._closes():
                return
            first = False
            cursor.name(reserved=False)
            self._type()
        if not self._closes():
            raise cursor.error(
                "invalid struct_data_type", cursor.peek(), "write struct<name type, …>"
            )

    def _closes(self) -> bool:
        if self._open_angles:
            self._open_angles -= 1
            return True
        token = self.cursor.peek()
        if token.kind == "symbol" and token.value and set(token.value) == {">"}:
            self.cursor.at += 1
            self._open_angles = len(token.value) - 1
            return True
        return False

    def _other(self, token: Token) -> None:
        cursor = self.cursor
        parts = [cursor.name(reserved=False)]
        while cursor.peek().is_symbol(".") and _is_free_name(cursor.peek(1)):
            cursor.at += 1
            parts.append(cursor.name(reserved=False))
        name = ".".join(parts)
        if token.kind == "word" and name == "map":
            self._named(token, name)
            cursor.need_symbol("(")
            self._base()
            if not self.names[-1].known:
                raise cursor.error("invalid map key", token, "a map's key is varchar or a number")
            cursor.need_symbol(",")
            self._type()
            cursor.need_symbol(")")
        elif token.kind == "word" and name == "vector":
            cursor.need_symbol("(")
            size = int(cursor.integer())
            cursor.need_symbol(")")
            self._named(token, name, (size,))
        elif token.kind == "word" and (
            name in ("jsonb", "regclass", "regproc") or (name == "variant" and cursor.since("3.1"))
        ):
            self._named(token, name)
        else:
            self.names.append(TypeName(name, token, known=False))


def _is_free_name(token: Token) -> bool:
    return token.is_name and not (token.kind == "word" and token.value.upper() in RESERVED)


def data_type_of(text: str, *, version: str = DEFAULT_VERSION) -> DataType:
    """Return the data type that a whole text is.

    Raises
    ------
    SqlSyntaxError
        The text is no type that RisingWave's parser would read, or more than one.
    """
    cursor = Cursor(text, tokenize(text, version=version), version=version)
    data_type = read_data_type(cursor)
    if cursor.peek().kind != "end":
        raise cursor.expected("the end of the type")
    return data_type
