"""Write values and names so that they can never change a statement's structure.

RisingWave's tokenizer (``src/sqlparser/src/tokenizer.rs``) knows one escape inside ``'…'``, the
doubled quote; a backslash is an ordinary character there. Inside ``"…"`` it knows none: a name
that holds a double quote cannot be written and is refused here.
"""

from __future__ import annotations

import re

from rwlib.errors import InputError

_SIMPLE_NAME = re.compile(r"[a-z_][a-z0-9_]*")

# Words that RisingWave reserves for no column or table (src/sqlparser/src/keywords.rs), and those
# that begin a clause of the statements written here.
_WORDS = """
all analyse analyze and any array as asc asymmetric authorization binary both by case cast check
collate collation column concurrently connection constraint create cross current_catalog
current_date current_role current_schema current_time current_timestamp current_user default
deferrable delete desc distinct do drop else emit encode end engine except exists explain false
fetch for foreign format freeze from full function grant group having if ilike in include index
initially inner insert intersect into is isnull join key lateral leading left like limit localtime
localtimestamp materialized natural not notnull null offset on only or order outer overlaps
placing primary references returning right row schema secret select session_user set similar sink
some source symmetric system table tablesample then to trailing true union unique update user
using values variadic verbose view watermark when where window with
"""
_RESERVED = frozenset(_WORDS.split())
_MAX_NAME_PARTS = 3


def string_literal(value: str, *, field: str = "value") -> str:
    """Return ``value`` as an SQL string; whatever it holds stays data.

    Parameters
    ----------
    value
        Any text without NUL characters.
    field
        Name used in the error.

    Raises
    ------
    InputError
        The text holds a NUL character or an unpaired surrogate, which no SQL text can carry.
    """
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InputError(field, value, "holds a character that SQL text cannot carry; remove it")
    return "'" + value.replace("'", "''") + "'"


def identifier(name: str, *, field: str = "name") -> str:
    """Return one name, quoted when RisingWave would read it differently without quotes.

    Raises
    ------
    InputError
        The name is empty, holds a double quote (RisingWave's tokenizer has no escape for it) or a
        control character.
    """
    if not name:
        raise InputError(field, name, "is empty; give a name", reason="empty")
    if '"' in name:
        raise InputError(field, name, 'holds a " which RisingWave cannot quote; rename the object')
    if any(ord(character) < 32 or "\ud800" <= character <= "\udfff" for character in name):
        raise InputError(field, name, "holds a control character; rename the object")
    if _SIMPLE_NAME.fullmatch(name) and name not in _RESERVED:
        return name
    return f'"{name}"'


def object_name(name: str, *, field: str = "name") -> str:
    """Return a possibly qualified name: ``table``, ``schema.table`` or ``database.schema.table``.

    Parts are separated by dots; a part in double quotes may hold dots of its own.

    Raises
    ------
    InputError
        More than three parts, an empty part, or a part that cannot be quoted.
    """
    parts = split_name(name, field=field)
    return ".".join(identifier(part, field=field) for part in parts)


def split_name(name: str, *, field: str = "name") -> tuple[str, ...]:
    """Split a qualified name at the dots outside double quotes, without the quotes.

    Raises
    ------
    InputError
        An empty part, more than three, or quotes that do not enclose a whole part.
    """
    parts = []
    rest = name
    while True:
        if rest.startswith('"'):
            closing = rest.find('"', 1)
            if closing < 0 or rest[closing + 1 : closing + 2] not in ("", "."):
                raise InputError(field, name, 'has a " that does not enclose a whole name')
            part, rest = rest[1:closing], rest[closing + 1 :]
            more = bool(rest)
            rest = rest[1:]
        else:
            part, dot, rest = rest.partition(".")
            more = bool(dot)
        parts.append(part)
        if not more:
            break
    if not all(parts) or len(parts) > _MAX_NAME_PARTS:
        raise InputError(field, name, "is not a name of the form [[database.]schema.]object")
    return tuple(parts)
