"""A text, a list of lines or a log file of any size into the blocks worth reading.

The file is read in chunks and never held as a whole. What fits one small chunk is read word by
word; of anything bigger only the lines around a marker are, found with `bytes.find`, which is
several times faster than an alternation of `re`.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from rwlib.diagnose.markers import MARKERS, Telling
from rwlib.diagnose.records import starts_record
from rwlib.diagnose.structured import HEAD, Rewound, events_prefix, read_events
from rwlib.errors import InputError

CHUNK: Final = 4 << 20
SMALL: Final = 1 << 20
# A record longer than this is cut: no error needs more, and a file without line ends would
# otherwise be one record.
LONGEST_RECORD: Final = 64 << 10
_BEFORE: Final = 16 << 10
_BEFORE_IN_LINE: Final = 2 << 10


@dataclass(frozen=True)
class Block:
    """Whole lines around a marker, and the number of the first of them."""

    data: bytes
    line: int


def read_blocks(source: BinaryIO, chunk_size: int = CHUNK, small: int = SMALL) -> Iterator[Block]:
    """Yield the blocks of a binary stream that may hold an error, in their order.

    Memory is bounded by the chunk size, not by the stream.

    Parameters
    ----------
    small
        Up to this many bytes every line is looked at; markers choose the lines of more.
    """
    head = source.read(HEAD)
    prefix = events_prefix(head)
    source = Rewound(head, source)  # type: ignore[assignment]
    if prefix:
        for event in read_events(source, prefix):
            yield Block(event, 1)
        return
    carry = source.read(small + 1)
    if len(carry) <= small:
        more = source.read(1)
        carry += more
        if not more:
            yield from _all_blocks(carry)
            return
    line = 1
    telling = Telling()
    while True:
        fresh = source.read(chunk_size)
        data = carry + fresh
        if not data:
            return
        end = _safe_end(data) if fresh else len(data)
        yield from _marked_blocks(data, end, line, telling)
        line += data.count(b"\n", 0, end)
        carry = data[end:]
        if not fresh:
            return


def open_source(source: str | Path | bytes | Iterable[str]) -> BinaryIO:
    """Open a text, a path or an iterable of lines as a binary stream.

    A string is a path only when it names an existing file and is one line.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if isinstance(source, str):
        if not _is_file(source):
            return io.BytesIO(source.encode("utf-8", "surrogateescape"))
        source = Path(source)
    if isinstance(source, Path):
        return _open_file(source)
    return _Lines(iter(source))  # type: ignore[return-value]


def _is_file(text: str) -> bool:
    if not text or "\n" in text or len(text) > 1024 or "\0" in text:
        return False
    try:
        return Path(text).is_file()
    except OSError:
        return False


def _open_file(path: Path) -> BinaryIO:
    try:
        file = path.open("rb")
    except OSError as error:
        reason = error.strerror or "it cannot be opened"
        raise InputError(
            "log", str(path), f"cannot be read: {reason}", reason="cannot_be_read"
        ) from error
    if file.read(2) == b"\x1f\x8b":
        file.seek(0)
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    file.seek(0)
    return file


class _Lines:
    """Lines of text as a stream of bytes, without joining them all."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def read(self, size: int = CHUNK) -> bytes:
        parts: list[bytes] = []
        length = 0
        for line in self._lines:
            part = line.encode("utf-8", "surrogateescape")
            parts.append(part if part.endswith(b"\n") else part + b"\n")
            length += len(parts[-1])
            if length >= size:
                break
        return b"".join(parts)

    def close(self) -> None:
        """Nothing to close."""


def _safe_end(data: bytes) -> int:
    """Where to cut a chunk so that the last record, which may go on, stays whole."""
    position = len(data)
    limit = max(0, len(data) - LONGEST_RECORD)
    while position > limit:
        start = data.rfind(b"\n", 0, position - 1) + 1
        if start <= limit:
            break
        if starts_record(data[start : start + 200]):
            return start
        position = start
    last = data.rfind(b"\n", limit) + 1
    return last or (limit if limit else len(data))


def _hits(data: bytes, end: int) -> list[int]:
    """Where the lines begin that hold a marker, or near the marker in a line without end."""
    lines: set[int] = set()
    find, rfind = data.find, data.rfind
    for marker in MARKERS:
        position = find(marker, 0, end)
        while position != -1:
            start = rfind(b"\n", max(0, position - _BEFORE), position) + 1
            lines.add(start or max(0, position - _BEFORE_IN_LINE))
            following = find(b"\n", position, position + LONGEST_RECORD)
            if following == -1:
                following = position + LONGEST_RECORD
            position = find(marker, following, end)
    return sorted(lines)


def _all_blocks(data: bytes) -> Iterator[Block]:
    start = line = 0
    position = 0
    while position < len(data):
        following = data.find(b"\n", position) + 1 or len(data)
        head = data[following : following + 200]
        too_long = following - start >= LONGEST_RECORD
        if following == len(data) or too_long or starts_record(head):
            yield Block(data[start:following], line + 1)
            line += data.count(b"\n", start, following)
            start = following
        position = following


def _marked_blocks(data: bytes, end: int, first_line: int, telling: Telling) -> Iterator[Block]:
    done = 0
    counted, line = 0, first_line
    for hit in _hits(data, end):
        if hit < done:
            continue
        start = _block_start(data, hit, done)
        done = _block_end(data, hit, end)
        block = data[start:done]
        if not telling(block):
            continue
        line += data.count(b"\n", counted, start)
        counted = start
        yield Block(block, line)


def _block_start(data: bytes, hit: int, floor: int) -> int:
    """Go back from the beginning of a line to the beginning of its log entry."""
    lowest = max(floor, hit - _BEFORE)
    position = max(hit, floor)
    if position and data[position - 1 : position] != b"\n":
        return position
    while position > lowest and not starts_record(data[position : position + 200]):
        position = max(lowest, data.rfind(b"\n", lowest, position - 1) + 1)
    return position


def _block_end(data: bytes, hit: int, end: int) -> int:
    """Go forward from a line to the end of its log entry."""
    highest = min(end, hit + LONGEST_RECORD)
    position = data.find(b"\n", hit, highest)
    while position != -1:
        line = data[position + 1 : position + 201]
        if not line or starts_record(line):
            return min(position + 1, highest)
        position = data.find(b"\n", position + 1, highest)
    return highest
