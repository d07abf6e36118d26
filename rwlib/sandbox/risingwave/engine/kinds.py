"""The names of RisingWave's types, those made of others included.

A type is known by its short name: ``int4``, ``numeric``, ``int4[]``, ``map(varchar, int4)``,
``struct<a int4, b varchar[]>``. Source: RisingWave's documentation, "Data types", "Struct", "Map".
"""

from __future__ import annotations

import re
from functools import lru_cache

ALIASES = {
    "bool": "bool",
    "boolean": "bool",
    "smallint": "int2",
    "int2": "int2",
    "int": "int4",
    "integer": "int4",
    "int4": "int4",
    "bigint": "int8",
    "int8": "int8",
    "real": "float4",
    "float4": "float4",
    "float": "float8",
    "double precision": "float8",
    "double": "float8",
    "float8": "float8",
    "numeric": "numeric",
    "decimal": "numeric",
    "dec": "numeric",
    "varchar": "varchar",
    "character varying": "varchar",
    "text": "varchar",
    "string": "varchar",
    "date": "date",
    "time without time zone": "time",
    "time": "time",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "interval": "interval",
    "bytea": "bytea",
    "jsonb": "jsonb",
}
_LONG_NAMES = {
    "bool": "boolean",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "varchar": "character varying",
    "time": "time without time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}
_BY_LENGTH = sorted(ALIASES, key=len, reverse=True)
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")
_NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^\W\d][\w$]*))\s*')
_KEYS = frozenset({"int2", "int4", "int8", "varchar"})
"""Types that the keys of a map may have (``map_type.rs``, ``check_key_type_valid``)."""

DEFINED = frozenset(ALIASES.values())
"""The scalar types that are understood."""


@lru_cache(maxsize=2048)
def type_name(definition: str) -> str:
    """Give a type's short name from a column's definition; unknown ones as they are written.

    Examples
    --------
    >>> type_name("double precision NOT NULL"), type_name("int[]"), type_name("bigint PRIMARY KEY")
    ('float8', 'int4[]', 'int8')
    >>> type_name("STRUCT<a int, b map(varchar, double)[]> NOT NULL")
    'struct<a int4, b map(varchar, float8)[]>'
    """
    text = " ".join(definition.split())
    try:
        return _read(text, 0)[0]
    except ValueError:
        return text.lower()


def struct_name(fields: list[tuple[str, str]]) -> str:
    """Give the name of a struct of these names and types."""
    return "struct<" + ", ".join(f"{_quoted(name)} {kind}" for name, kind in fields) + ">"


def map_name(key: str, value: str) -> str:
    """Give the name of a map of these types."""
    return f"map({key}, {value})"


def element_of(kind: str) -> str | None:
    """Give the type of a list's elements; None for what is no list."""
    return kind[:-2] if kind.endswith("[]") else None


@lru_cache(maxsize=2048)
def fields_of(kind: str) -> tuple[tuple[str, str], ...] | None:
    """Give the names and types of a struct's fields; None for what is no struct."""
    if not (kind.startswith("struct<") and kind.endswith(">")):
        return None
    try:
        return tuple(_fields(kind, len("struct<"))[0])
    except ValueError:
        return None


@lru_cache(maxsize=2048)
def entry_of(kind: str) -> tuple[str, str] | None:
    """Give the types of a map's keys and values; None for what is no map."""
    if not (kind.startswith("map(") and kind.endswith(")")):
        return None
    try:
        return _entry(kind, len("map("))[0]
    except ValueError:
        return None


def is_defined(kind: str) -> bool:
    """Whether a type is understood, in all that it is made of."""
    if element := element_of(kind):
        return is_defined(element)
    if fields := fields_of(kind):
        return all(is_defined(inner) for _, inner in fields)
    if entry := entry_of(kind):
        return entry[0] in _KEYS and is_defined(entry[1])
    return kind in DEFINED


def long_name(definition: str) -> str:
    """Give a type's name as ``information_schema`` has it.

    Examples
    --------
    >>> long_name("int8"), long_name("varchar"), long_name("timestamptz")
    ('bigint', 'character varying', 'timestamp with time zone')
    """
    short = type_name(definition)
    if fields := fields_of(short):
        inner = (f"{_quoted(name)} {long_name(kind)}" for name, kind in fields)
        return "struct<" + ", ".join(inner) + ">"
    if entry := entry_of(short):
        return f"map({long_name(entry[0])},{long_name(entry[1])})"
    if element := element_of(short):
        return long_name(element) + "[]"
    return _LONG_NAMES.get(short, short)


def _read(text: str, at: int) -> tuple[str, int]:
    """Read the type that begins there; give its short name and the place after it."""
    begin = text[at:].lower()
    if found := re.match(r"struct\s*<", begin):
        fields, at = _fields(text, at + found.end())
        kind = struct_name(fields)
    elif found := re.match(r"map\s*\(", begin):
        (key, value), at = _entry(text, at + found.end())
        kind = map_name(key, value)
    else:
        alias = next(
            (
                alias
                for alias in _BY_LENGTH
                if begin.startswith(alias) and not re.match(r"\w", begin[len(alias) :])
            ),
            None,
        )
        if alias is None:
            raise ValueError(f"no type begins at {text[at:]!r}")
        kind, at = ALIASES[alias], at + len(alias)
    while found := re.match(r"\s*\[\s*\]", text[at:]):
        kind, at = f"{kind}[]", at + found.end()
    return kind, at


def _fields(text: str, at: int) -> tuple[list[tuple[str, str]], int]:
    fields: list[tuple[str, str]] = []
    while True:
        name = _NAME.match(text, at)
        if name is None:
            raise ValueError(f"no field begins at {text[at:]!r}")
        kind, at = _read(text, name.end())
        plain = name[2].lower() if name[2] else name[1].replace('""', '"')
        fields.append((plain, kind))
        at, closed = _after(text, at, ">")
        if closed:
            return fields, at


def _entry(text: str, at: int) -> tuple[tuple[str, str], int]:
    key, at = _read(text, at + len(text[at:]) - len(text[at:].lstrip()))
    at, closed = _after(text, at, ")")
    if closed:
        raise ValueError("a map has two types")
    value, at = _read(text, at)
    at, closed = _after(text, at, ")")
    if not closed:
        raise ValueError("a map has two types")
    return (key, value), at


def _after(text: str, at: int, end: str) -> tuple[int, bool]:
    """Step over a comma or the end; give the next place, and whether it was the end."""
    found = re.match(r"\s*([,>)])\s*", text[at:])
    if found is None or found[1] not in (",", end):
        raise ValueError(f"{end} is missing at {text[at:]!r}")
    return at + found.end(), found[1] == end


def _quoted(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else '"' + name.replace('"', '""') + '"'
