"""Where things stand in the text of a JSON document: for messages that point at a statement."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]

_SPACE = re.compile(r"\s*")
_DECODER = json.JSONDecoder()

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Position:
    """A place in a text; lines count from 1, columns and offsets from 0."""

    line: int
    column: int
    offset: int


def position(text: str, offset: int) -> Position:
    """Give line and column of an offset."""
    line = text.count("\n", 0, offset)
    return Position(line + 1, offset - (text.rfind("\n", 0, offset) + 1), offset)


def spans(text: str) -> dict[Path, tuple[int, int]]:
    """Map every value's path in a valid JSON document to where it starts and ends."""
    found: dict[Path, tuple[int, int]] = {}
    _walk(text, _skip(text, 0), (), found)
    return found


def statement_span(text: str, index: int) -> tuple[Position, Position]:
    """Give start and end of a policy's statement; of the whole text where it is not found."""
    try:
        found = spans(text)
    except (ValueError, IndexError):
        found = {}
    start, end = found.get(("Statement", index)) or found.get(("Statement",)) or (0, len(text))
    return position(text, start), position(text, end)


def _walk(text: str, at: int, path: Path, found: dict[Path, tuple[int, int]]) -> int:
    start = at
    if text[at] == "{":
        at = _skip(text, at + 1)
        while text[at] != "}":
            key, at = scanstring(text, at + 1, True)
            at = _skip(text, _skip(text, at) + 1)
            at = _skip(text, _walk(text, at, (*path, key), found))
            if text[at] == ",":
                at = _skip(text, at + 1)
        at += 1
    elif text[at] == "[":
        at = _skip(text, at + 1)
        index = 0
        while text[at] != "]":
            at = _skip(text, _walk(text, at, (*path, index), found))
            index += 1
            if text[at] == ",":
                at = _skip(text, at + 1)
        at += 1
    else:
        _, at = _DECODER.raw_decode(text, at)
    found[path] = (start, at)
    return at


def _skip(text: str, at: int) -> int:
    blank = _SPACE.match(text, at)
    return blank.end() if blank else at
