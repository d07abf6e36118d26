"""Everything that a cell writes: ``print``, ``os.write(1, ...)``, and its child processes.

A kernel's ``sys.stdout`` and ``sys.stderr`` gather text for a fifth of a second and publish it
as one message, or at once when they are flushed; this is what ipykernel does, so that a notebook
gets the same stream outputs. What arrives on the file descriptors is put in its place: it is
read before anything else is written or published, so nothing overtakes it, and a last time when
the cell ends, so nothing is lost.
"""

from __future__ import annotations

import codecs
import contextlib
import contextvars
import io
import os
import selectors
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TextIO

FLUSH_SECONDS = 0.2

Header = dict[str, Any]
Publish = Callable[[str, str, Header], None]


class OutStream(io.TextIOBase):
    """A text stream whose text is published with the header of the request that caused it."""

    def __init__(self, name: str, number: int, capture: Capture) -> None:
        self.name = name
        self._number = number
        self._capture = capture
        self._decode = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending: dict[str, tuple[Header, list[str]]] = {}
        self._parent: contextvars.ContextVar[Header] = contextvars.ContextVar(f"{name}_parent")
        self._latest_parent: Header = {}
        self.due: float | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Name of the encoding, as ipykernel spells it."""
        return "UTF-8"

    @property
    def parent_header(self) -> Header:
        """Header of the request that the running thread or task works for."""
        return self._parent.get(self._latest_parent)

    def set_parent(self, parent: Header) -> None:
        """Attribute what is written from now on to this request."""
        self._latest_parent = parent.get("header", parent)
        self._parent.set(self._latest_parent)

    def fileno(self) -> int:
        """Return 1 or 2: what a child process writes there is shown as well."""
        return self._number

    def isatty(self) -> bool:
        """Return False: a notebook is no terminal."""
        return False

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Keep the text until the next flush."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        self._capture.write(self, text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        """Write each of the lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Publish what was written."""
        self._capture.flush(self)

    def add(self, text: str, parent: Header) -> None:
        """Append to what is kept; the capture's lock is held."""
        if text:
            self._pending.setdefault(parent.get("msg_id", ""), (parent, []))[1].append(text)
            if self.due is None:
                self.due = time.monotonic() + FLUSH_SECONDS

    def add_bytes(self, data: bytes) -> None:
        """Append what came over the file descriptor, for the latest request."""
        self.add(self._decode.decode(data), self._latest_parent)

    def take(self) -> list[tuple[str, Header]]:
        """Return and forget what is kept; the capture's lock is held."""
        pending, self._pending, self.due = self._pending, {}, None
        return [("".join(texts), parent) for parent, texts in pending.values()]


class Capture:
    """File descriptors 1 and 2 of this process and the two streams above them.

    Parameters
    ----------
    publish
        Called with a stream's name, the text and the header of the request it belongs to.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._lock = threading.RLock()
        self._forked = False
        self.stdout = OutStream("stdout", 1, self)
        self.stderr = OutStream("stderr", 2, self)
        self._ends: dict[int, tuple[int, int]] = {}
        for number in (1, 2):
            read_end, write_end = os.pipe()
            os.set_blocking(read_end, False)
            self._ends[number] = (read_end, write_end)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._nothing = os.open(os.devnull, os.O_RDONLY)
        self._stdin: TextIO | None = None
        self._saved: tuple[Any, Any, Any, int, int, int] | None = None
        self._stopped = False
        os.register_at_fork(after_in_child=self._after_fork)

    def start(self) -> None:
        """Start the thread that reads and flushes while a cell is busy."""
        threading.Thread(target=self._run, name="rwlib-output", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end."""
        self._stopped = True
        self._wake()

    def redirect(self) -> None:
        """Make the pipes file descriptors 1 and 2, and nothing descriptor 0."""
        sys.stdout.flush()
        sys.stderr.flush()
        saved = (os.dup(0), os.dup(1), os.dup(2))
        self._saved = (sys.stdin, sys.stdout, sys.stderr, *saved)
        os.dup2(self._nothing, 0)
        if not _usable(self._stdin):
            self._stdin = open(0, closefd=False)  # noqa: SIM115 - the descriptor stays open
        sys.stdin = self._stdin
        for number, (_, write_end) in self._ends.items():
            os.dup2(write_end, number)
        sys.stdout, sys.stderr = self.stdout, self.stderr

    def restore(self) -> None:
        """Publish what is left and give the process its own descriptors back."""
        if self._saved is None:
            return
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        self.stdout.flush()
        self.stderr.flush()
        sys.stdin, sys.stdout, sys.stderr, *saved = self._saved
        for number, descriptor in enumerate(saved):
            os.dup2(descriptor, number)
            os.close(descriptor)
        self._saved = None

    def write(self, stream: OutStream, text: str) -> None:
        """Keep text of a stream behind everything that is already in the pipes."""
        if self._forked:
            os.write(stream.fileno(), text.encode(errors="replace"))
            return
        with self._lock:
            self._read_pipes()
            idle = stream.due is None
            stream.add(text, stream.parent_header)
            if idle and stream.due is not None:
                self._wake()

    def flush(self, stream: OutStream) -> None:
        """Publish what a stream keeps."""
        if self._forked:
            return
        with self._lock:
            self._read_pipes()
            self._send(stream)

    def _send(self, stream: OutStream) -> None:
        for text, parent in stream.take():
            self._publish(stream.name, text, parent)

    def _read_pipes(self) -> None:
        for number, stream in ((1, self.stdout), (2, self.stderr)):
            with contextlib.suppress(BlockingIOError):
                while data := os.read(self._ends[number][0], 65536):
                    stream.add_bytes(data)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for read_end, _ in self._ends.values():
                selector.register(read_end, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            while not self._stopped:
                ready = {key.fd for key, _ in selector.select(self._patience())}
                if self._wake_read in ready:
                    os.read(self._wake_read, 65536)
                with self._lock:
                    self._read_pipes()
                    for stream in (self.stdout, self.stderr):
                        if stream.due is not None and stream.due <= time.monotonic():
                            self._send(stream)

    def _patience(self) -> float | None:
        due = [stream.due for stream in (self.stdout, self.stderr) if stream.due is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _after_fork(self) -> None:
        # A process forked by a cell has no watching thread and must not publish: it writes to
        # the pipes like any other child process.
        self._forked = True
        self._lock = threading.RLock()
        self.stdout.take()
        self.stderr.take()


def _usable(stream: TextIO | None) -> bool:
    try:
        return stream is not None and not stream.closed
    except ValueError:  # a cell has detached its buffer
        return False
