"""Read the columns of a source or table from what a user wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rwlib.errors import InputError
from rwlib.sql.language.data_types import data_type_of
from rwlib.sql.language.tokens import SqlSyntaxError
from rwlib.sql.rules.column_types import refused_type
from rwlib.sql.writing.quoting import identifier

_NEEDS_MORE = {
    "map": "map(varchar, varchar), with the types of its key and value",
    "struct": "struct<name varchar>, with its fields",
    "record": "struct<name varchar>, with its fields",
    "vector": "vector(3), with its size",
    "array": "varchar[], with the type of its elements",
}


@dataclass(frozen=True)
class TypedColumn:
    """A column's name as given and its type, checked."""

    name: str
    type: str


def read_columns(value: object) -> tuple[TypedColumn, ...]:
    """Return the columns of a mapping, a list or a text such as ``id bigint, name varchar``.

    A type is read as RisingWave's parser and binder read it, so nothing in it can end the column.

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
        raise InputError("sql_options.columns", value, "does not name a column; write name: type")
    if len({column.name for column in columns}) < len(columns):
        raise InputError("sql_options.columns", value, "names a column twice; keep one")
    return columns


def _pair(item: object) -> tuple[object, object]:
    if not isinstance(item, str):
        raise InputError("sql_options.columns", item, "is not a column; write name: type")
    name, _, type_ = item.strip().partition(" ")
    return name, type_


def _column(name: object, type_: object) -> tuple[str, str]:
    if not isinstance(name, str) or not isinstance(type_, str):
        raise InputError("sql_options.columns", {name: type_}, "is not a column; write name: type")
    identifier(name, field="sql_options.columns")
    return name, _checked_type(name, type_.strip())


def _checked_type(column: str, type_: str) -> str:
    """Return a data type that RisingWave takes, in which nothing can end the column."""
    field_name = f"sql_options.columns.{column}"
    try:
        data_type = data_type_of(type_)
    except SqlSyntaxError:
        data_type = None
    if data_type is None or "--" in type_ or "/*" in type_:
        meant = _meant(type_)
        hint = f"write {meant}" if meant else "write one such as bigint, varchar or timestamptz"
        raise InputError(field_name, type_, f"is not a RisingWave data type; {hint}")
    if refused := refused_type(data_type):
        named, why, instead = refused
        part = "" if data_type.names == (named,) else f": {named.name}"
        hint = f"write {instead}" if instead else "write one such as bigint, varchar or jsonb"
        raise InputError(field_name, type_, f"{why}{part}; {hint}")
    return type_


def _meant(type_: str) -> str:
    """Return the type to write in place of one that RisingWave's parser refuses."""
    text = type_.strip().lower()
    if match := re.fullmatch(r"(?:array|list)\s*[<(]\s*(.+?)\s*[>)]", text):
        text = f"{match.group(1)}[]"
    elif text in _NEEDS_MORE:
        return _NEEDS_MORE[text]
    text = re.sub(r"\[[^]]*]", "[]", text)
    without_sizes = re.sub(r"\([^()]*\)", "", text) if not text.startswith("map") else text
    for candidate in (text, without_sizes, " ".join(without_sizes.split())):
        try:
            data_type = data_type_of(candidate)
        except SqlSyntaxError:
            continue
        refused = refused_type(data_type)
        if refused is None:
            return candidate
        if len(data_type.names) == 1:
            return refused[2]
    return ""


def _split_items(text: str) -> list[str]:
    items, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in "(<[") - (character in ")>]")
        if character == "," and not depth:
            items.append(text[start:index])
            start = index + 1
    return [*items, text[start:]]
