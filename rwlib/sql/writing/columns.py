"""Read the columns of a source or table from what a user wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rwlib.errors import InputError
from rwlib.sql.language.tokens import SqlSyntaxError, tokenize
from rwlib.sql.writing.quoting import identifier

_WORDS = """
smallint int integer bigint int2 int4 int8 int16 int32 int64 float float4 float8 float32 float64
real double precision numeric decimal boolean bool varchar character varying char text string
bytea date time timestamp timestamptz with without zone interval jsonb json rw_int256 rw_uint256
struct map vector serial uuid array
"""
_TYPE_WORDS = frozenset(_WORDS.split())


@dataclass(frozen=True)
class TypedColumn:
    """A column's name as given and its type, checked."""

    name: str
    type: str


def read_columns(value: object) -> tuple[TypedColumn, ...]:
    """Return the columns of a mapping, a list or a text such as ``id bigint, name varchar``.

    A type may hold names, sizes and brackets only, so that nothing in it can end the column.

    Raises
    ------
    InputError
        Something that is no column, a name that cannot be quoted, or a type that is none.
    """
    if value is None:
        return ()
    pairs: list[tuple[object, object]] = []
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, str):
        pairs = [_pair(item) for item in _split_items(value)]
    elif isinstance(value, Sequence):
        for item in value:
            if isinstance(item, Mapping) and {"name", "type"} == set(item):
                pairs.append((item["name"], item["type"]))
            else:
                pairs.append(_pair(item))
    columns = tuple(TypedColumn(*_column(name, type_)) for name, type_ in pairs)
    if not columns:
        raise InputError("sql_options.columns", value, "names no column; write name: type")
    if len({column.name for column in columns}) < len(columns):
        raise InputError("sql_options.columns", value, "names a column twice; keep one")
    return columns


def _pair(item: object) -> tuple[object, object]:
    if not isinstance(item, str):
        raise InputError("sql_options.columns", item, "is no column; write name: type")
    name, _, type_ = item.strip().partition(" ")
    return name, type_


def _column(name: object, type_: object) -> tuple[str, str]:
    if not isinstance(name, str) or not isinstance(type_, str):
        raise InputError("sql_options.columns", {name: type_}, "is no column; write name: type")
    identifier(name, field="sql_options.columns")
    return name, _checked_type(name, type_.strip())


def _checked_type(column: str, type_: str) -> str:
    """Return a data type of which nothing can end the column: names, sizes and brackets only."""
    field_name = f"sql_options.columns.{column}"
    try:
        tokens = tokenize(type_)[:-1]
    except SqlSyntaxError:
        tokens = []
    depth = 0
    in_struct = any(token.is_word("STRUCT") for token in tokens)
    fine = bool(tokens) and "--" not in type_ and "/*" not in type_
    for token in tokens:
        if token.kind == "word":
            fine = fine and (token.value.lower() in _TYPE_WORDS or (in_struct and depth > 0))
        elif token.kind == "symbol":
            fine = fine and token.value in "()<>[],"
            depth += (token.value in "(<[") - (token.value in ")>]")
            fine = fine and depth >= 0 and (token.value != "," or depth > 0)
        else:
            fine = fine and token.kind == "number" and depth > 0
    if not fine or depth:
        raise InputError(
            field_name, type_, "is no data type; write one such as bigint, varchar or timestamptz"
        )
    return type_


def _split_items(text: str) -> list[str]:
    items, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in "(<[") - (character in ")>]")
        if character == "," and not depth:
            items.append(text[start:index])
            start = index + 1
    return [*items, text[start:]]
