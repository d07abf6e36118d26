"""Reading a request's body off its connection, within limits."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from typing import BinaryIO

from rwlib.sandbox.answer import AwsError

LARGEST_BODY = 512 * 1024 * 1024
"""Bytes of one request that are read; more is refused as S3 refuses an object that is too big."""

MOST_AT_ONCE = 1024 * 1024 * 1024
"""Bytes of all requests that are being read or answered; beyond them S3's ``SlowDown`` is given."""

COLLECT_EVERY = 64 * 1024 * 1024
"""Bytes of bodies after which what moto has left behind in circles is collected."""

_PIECE = 1024 * 1024
_LONGEST_LINE = 4096
_LONGEST_TRAILER = 64 * 1024


class Bodies:
    """Reads bodies, and knows how much of them there is at the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._there = 0
        self._since_collected = 0

    @contextmanager
    def read(self, headers: Message, stream: BinaryIO) -> Iterator[bytes]:
        """Give the whole body, which may be forgotten when the block ends.

        Raises
        ------
        AwsError
            The body is too large, has no readable length, or ended before its length; no more of
            it was read than the limit.
        """
        held = 0
        try:
            if "chunked" in (headers.get("Transfer-Encoding") or "").lower():
                pieces = []
                for piece in _transfer_chunks(stream):
                    self._hold(len(piece))
                    held += len(piece)
                    pieces.append(piece)
                body = b"".join(pieces)
            else:
                length = content_length(headers)
                self._hold(length)
                held = length
                body = _exactly(stream, length)
            yield body
        finally:
            self._let_go(held)

    def _hold(self, size: int) -> None:
        with self._lock:
            if self._there + size > MOST_AT_ONCE:
                raise AwsError("SlowDown", "Please reduce your request rate.", 503)
            self._there += size

    def _let_go(self, size: int) -> None:
        if not size:
            return
        with self._lock:
            self._there -= size
            self._since_collected += size
            due = self._since_collected >= COLLECT_EVERY
            if due:
                self._since_collected = 0
        if due:
            # moto's request objects refer to themselves, and hold the body with them; a process
            # that lets the collector run seldom would keep hundreds of them.
            gc.collect(1)


def content_length(headers: Message) -> int:
    """Read the length of a body, 0 when there is none.

    Raises
    ------
    AwsError
        It is not a number, or larger than any body that is read.
    """
    given = (headers.get("Content-Length") or "0").strip()
    if not (given.isascii() and given.isdigit()):
        raise AwsError("InvalidArgument", "The Content-Length header is not a number.")
    length = int(given) if len(given) <= 19 else LARGEST_BODY + 1
    if length > LARGEST_BODY:
        raise too_large(given)
    return length


def too_large(proposed: str = "") -> AwsError:
    """Build S3's refusal of an object that is too large."""
    fields = {"ProposedSize": proposed} if proposed else {}
    return AwsError(
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
        fields={**fields, "MaxSizeAllowed": str(LARGEST_BODY)},
    )


def _exactly(stream: BinaryIO, length: int) -> bytes:
    if length <= _PIECE:
        body = stream.read(length) if length else b""
        if len(body) < length:
            raise _incomplete()
        return body
    pieces, left = [], length
    while left:
        piece = stream.read(min(left, _PIECE))
        if not piece:
            raise _incomplete()
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _transfer_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the content of a chunked transfer.

    Source: RFC 9112, section 7.1, "Chunked Transfer Coding".
    """
    total = 0
    while True:
        line = stream.readline(_LONGEST_LINE)
        text = line.partition(b";")[0].strip()
        if not line.endswith(b"\n") or not text:
            raise _incomplete()
        try:
            size = int(text, 16) if len(text) <= 16 and text.isalnum() else -1
        except ValueError:
            size = -1
        if size < 0:
            raise _incomplete()
        if size == 0:
            break
        total += size
        if total > LARGEST_BODY:
            raise too_large()
        left = size
        while left:
            piece = stream.read(min(left, _PIECE))
            if not piece:
                raise _incomplete()
            left -= len(piece)
            yield piece
        if stream.read(2) != b"\r\n":
            raise _incomplete()
    trailer = 0
    while (line := stream.readline(_LONGEST_LINE)) not in (b"\r\n", b"\n"):
        trailer += len(line)
        if not line or trailer > _LONGEST_TRAILER:
            raise _incomplete()


def _incomplete() -> AwsError:
    return AwsError(
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    )
