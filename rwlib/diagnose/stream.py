"""A text, a list of lines or a log file of any size into the blocks worth reading.

The file is read in chunks and never held as a whole. What fits one small chunk is read word by
word; of anything bigger only the lines around a marker are, found with `bytes.find`, which is
several times faster than an alternation of `re`.
"""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from rwlib.diagnose.markers import MARKERS, Telling
from rwlib.diagnose.records import starts_record
from rwlib.diagnose.structured import (
    HEAD,
    Rewound,
    events_prefix,
    events_within,
    read_events,
)
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
    if len(head) < HEAD and (events := events_within(head)):
        for event in events:
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


def open_source(source: str | Path | bytes | Iterable[str | bytes]) -> BinaryIO:
    """Open a text, a path or an iterable of lines as a binary stream.

    A string is a path only when it names an existing file and is one line.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    if isinstance(source, bytes):
        return _plain(io.BytesIO(source))
    if isinstance(source, str):
        if not _is_file(source):
            return io.BytesIO(source.encode("utf-8", "surrogateescape"))
        source = Path(source)
    if isinstance(source, Path):
        return _open_file(source)
    return _plain(_Lines(iter(source)))  # type: ignore[arg-type]


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
    return _plain(file)


# The byte order marks of files that Windows writes, PowerShell's ``>`` among them.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_GZIP: Final = b"\x1f\x8b"
_MOST_WRAPPINGS: Final = 3


def _plain(file: BinaryIO) -> BinaryIO:
    """Return a stream as UTF-8 without a mark, whatever it was packed or encoded in."""
    stream: BinaryIO = file
    for _ in range(_MOST_WRAPPINGS):
        head = stream.read(len(_GZIP))
        stream = _again(head, stream)
        if head != _GZIP:
            break
        stream = _Unzipped(stream)  # type: ignore[assignment]
    head = stream.read(3)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            stream = _again(head[len(mark) :], stream)
            return stream if encoding == "utf-8" else _Recoded(stream, encoding)  # type: ignore[return-value]
    return _again(head, stream)


def _again(head: bytes, stream: BinaryIO) -> BinaryIO:
    return Rewound(head, stream) if head else stream  # type: ignore[return-value]


class _Changed:
    """A stream of which each piece is changed while it is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ready = b""
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, fewer only at the end."""
        parts = [self._ready]
        length = len(self._ready)
        while not self._ended and (size < 0 or length < size):
            parts.append(self._next())
            length += len(parts[-1])
        data = b"".join(parts)
        cut = len(data) if size < 0 else size
        self._ready = data[cut:]
        return data[:cut]

    def _next(self) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        """Close the stream behind."""
        self._stream.close()


class _Unzipped(_Changed):
    """What a gzip stream holds, as far as it goes: one that was cut off is read up to there."""

    _PIECE: Final = 256 << 10

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._member = zlib.decompressobj(31)
        self._packed = b""

    def _next(self) -> bytes:
        packed = self._packed or self._stream.read(self._PIECE)
        if not packed:
            self._ended = True
            return b""
        try:
            data = self._member.decompress(packed, 4 * self._PIECE)
        except zlib.error:
            self._ended = True
            return b""
        self._packed = self._member.unconsumed_tail
        if self._member.eof:
            self._packed = self._member.unused_data
            self._member = zlib.decompressobj(31)
        return data


class _Recoded(_Changed):
    """A stream in another encoding as UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        super().__init__(stream)
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")

    def _next(self) -> bytes:
        piece = self._stream.read(SMALL)
        self._ended = not piece
        return self._decoder.decode(piece, final=self._ended).encode("utf-8", "replace")


class _Lines(_Changed):
    """Lines of text or of bytes as a stream of bytes, without joining them all."""

    def __init__(self, lines: Iterator[str | bytes]) -> None:
        super().__init__(io.BytesIO())
        self._lines = lines

    def _next(self) -> bytes:
        line = next(self._lines, None)
        if line is None:
            self._ended = True
            return b""
        if isinstance(line, bytes):
            return line
        part = line.encode("utf-8", "surrogateescape")
        return part if part.endswith(b"\n") else part + b"\n"


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
