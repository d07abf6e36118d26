r"""Rows as psql prints them: a value that goes on in the next line is one value again.

Source: psql's reference page, ``\\pset format`` (``aligned`` ends a line of a value with ``+``,
``wrapped`` with ``.``; the row's other columns stand empty beside it).
"""

from __future__ import annotations

import re
from typing import Final

# A row of rw_catalog.rw_event_logs, or of any table whose first column is a time.
ROW: Final = rb"\s*\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S*\s*\|"
_ROW: Final = re.compile(ROW)
_EMPTY_BESIDE: Final = re.compile(rb"\s+\|(?:\s*\|)*")
_END: Final = re.compile(rb"(?:\s*\+|\.)\s*$")
_RULER: Final = re.compile(rb"-+(?:\+-+)+\s*$|\(\d+ rows?\)\s*$")


def is_row(line: bytes) -> bool:
    """Tell whether a line is the first of a row whose first column is a time."""
    return bool(_ROW.match(line))


def joined_rows(block: bytes) -> bytes:
    """Return the lines with each row of a psql table on one line; others as they are.

    What was joined leaves empty lines, so that a line keeps its number.
    """
    lines = block.split(b"\n")
    if not any(map(is_row, lines)):
        return block
    out: list[bytes] = []
    mark, row = b"", 0
    for raw in lines:
        line = raw.rstrip(b"\r")
        value, found = _cut(line)
        beside = _EMPTY_BESIDE.match(value) if mark else None
        if beside:
            value = value[beside.end() :].removeprefix(b" ")
            # ``+`` stands for a line end inside the value, ``.`` for none.
            out[row] += value.removeprefix(b".") if mark == b"." else b" " + value.strip()
            out.append(b"")
            mark = found
        elif is_row(line):
            row, mark = len(out), found
            out.append(value)
        else:
            mark = b""
            out.append(b"" if _RULER.match(line) else line)
    return b"\n".join(out)


def _cut(line: bytes) -> tuple[bytes, bytes]:
    """Return a line without the mark that its value goes on, and that mark."""
    end = _END.search(line)
    return (line[: end.start()], end[0].strip()) if end else (line, b"")
