"""Where the contents of S3's objects lie: small ones in memory, large ones in a file.

moto keeps a content in a temporary file of its own once it has grown to 5 MB, and in memory before:
four hundred objects of 4 MB fill the memory, and a thousand larger ones use up what a process may
have open. Here all that is not small lies in one file without a name, so that the process holds
one more thing open however much it keeps, and leaves nothing behind however it ends.
"""

from __future__ import annotations

import bisect
import hashlib
import io
import os
import tempfile
import threading
import weakref
from collections import deque
from typing import Any

from moto.s3 import models

KEPT_IN_MEMORY = 64 * 1024
"""Bytes of a content up to which it stays in memory."""


class Extents:
    """A file without a name, parts of which are lent and given back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._file: Any = None
        self._end = 0
        self._free: list[tuple[int, int]] = []
        """Start and size of what is not lent, by start; no two of them touch."""
        self._returned: deque[tuple[int, int]] = deque()
        """What was given back while the file was in use."""

    def put(self, content: bytes) -> tuple[int, int]:
        """Write a content; give its place."""
        with self._lock:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open for good
            self._take_back()
            start = self._take(len(content))
        written, view = 0, memoryview(content)
        try:
            while written < len(content):
                written += os.pwrite(self._file.fileno(), view[written:], start + written)
        except OSError:
            self.give_back(start, len(content))
            raise
        return start, len(content)

    def get(self, start: int, size: int) -> bytes:
        """Read what lies at a place."""
        pieces = []
        while size:
            piece = os.pread(self._file.fileno(), size, start)
            if not piece:
                raise OSError("the file with the contents of objects is cut short")
            pieces.append(piece)
            start, size = start + len(piece), size - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def give_back(self, start: int, size: int) -> None:
        """Let a place be used again; the file gets shorter when it was the last.

        A forked process that forgets a content of its parent's leaves the parent's file alone.
        """
        if os.getpid() != self._owner:
            return
        self._returned.append((start, size))
        # The garbage collector can call this in the midst of `put`, by the same thread.
        if self._lock.acquire(blocking=False):
            try:
                self._take_back()
            finally:
                self._lock.release()

    @property
    def size(self) -> int:
        """Bytes from the start of the file to its end."""
        return self._end

    def _take_back(self) -> None:
        while self._returned:
            start, size = self._returned.popleft()
            at = bisect.bisect_left(self._free, (start, 0))
            if at < len(self._free) and start + size == self._free[at][0]:
                size += self._free.pop(at)[1]
            if at and sum(self._free[at - 1]) == start:
                start, before = self._free.pop(at - 1)
                size, at = size + before, at - 1
            if start + size < self._end:
                self._free.insert(at, (start, size))
            else:
                self._end = start
                os.ftruncate(self._file.fileno(), start)

    def _take(self, size: int) -> int:
        """Give the smallest free place that is large enough, or one at the end."""
        fitting = [(free, start) for start, free in self._free if free >= size]
        if not fitting:
            self._end += size
            return self._end - size
        free, start = min(fitting)
        at = bisect.bisect_left(self._free, (start, 0))
        self._free[at : at + 1] = [(start + size, free - size)] if free > size else []
        return start


EXTENTS = Extents()


def _begin_anew() -> None:
    """Keep a forked process from writing into its parent's file."""
    global EXTENTS
    EXTENTS = Extents()


os.register_at_fork(after_in_child=_begin_anew)


class Content:
    """One object's content, as the file that moto takes it for."""

    def __init__(self, max_size: int = 0) -> None:
        self._bytes: bytes | None = b""
        self._place: tuple[Extents, int, int] | None = None
        self._release: Any = None
        self._position = 0
        self._digest = ""

    def write(self, data: bytes) -> int:
        """Put data at the position; what lies behind it is kept."""
        if not data:
            return 0
        before, after = b"", b""
        if self._position or self._size:
            whole = self.whole()
            before = whole[: self._position].ljust(self._position, b"\0")
            after = whole[self._position + len(data) :]
        self._set(bytes(data) if not (before or after) else b"".join((before, data, after)))
        self._position += len(data)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Give what follows the position, or so many bytes of it."""
        left = max(0, self._size - self._position)
        count = left if size < 0 else min(size, left)
        if self._bytes is not None:
            found = self._bytes[self._position : self._position + count]
        else:
            assert self._place is not None
            extents, start, _ = self._place
            found = extents.get(start + self._position, count) if count else b""
        self._position += count
        return found

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        """Set the position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + position)
        return self._position

    def tell(self) -> int:
        """Give the position."""
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Cut the content off at the position, or at a size."""
        size = self._position if size is None else size
        if size < self._size:
            self._set(self.whole()[:size] if size else b"")
        return size

    def close(self) -> None:
        """Forget the content."""
        self._set(b"")

    def digest(self) -> str:
        """Give the SHA-256 of the content, computed once."""
        if not self._digest:
            self._digest = hashlib.sha256(self.whole()).hexdigest()
        return self._digest

    @property
    def _size(self) -> int:
        return len(self._bytes) if self._bytes is not None else self._place[2]  # type: ignore[index]

    def whole(self) -> bytes:
        """Give all of the content, wherever the position is."""
        if self._bytes is not None:
            return self._bytes
        assert self._place is not None
        extents, start, size = self._place
        return extents.get(start, size)

    def _set(self, content: bytes) -> None:
        if self._release is not None:
            self._release()
        self._digest, self._release, self._place = "", None, None
        if len(content) <= KEPT_IN_MEMORY:
            self._bytes = content
            return
        extents = EXTENTS
        start, size = extents.put(content)
        self._bytes, self._place = None, (extents, start, size)
        self._release = weakref.finalize(self, extents.give_back, start, size)
        self._release.atexit = False


class _Files:
    """What moto's S3 takes for the module ``tempfile``."""

    SpooledTemporaryFile = Content


models.tempfile = _Files  # type: ignore[attr-defined,assignment]
