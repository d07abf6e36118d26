"""What surrounds a command: its output, its signals, and what may fail about both.

A command that is asked to end (SIGTERM, SIGHUP) ends as at Ctrl-C: what was begun is written down,
the run's folder is sealed, and the exit code says which signal it was. Output that nobody reads,
that is full or that cannot hold a character is no reason for a traceback.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

CLOSED = 141
"""Exit code of a command whose reader went away, as a shell shows SIGPIPE."""

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end a command as Ctrl-C does; its exit code is 128 and the signal's number."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_received: list[int] = []


def prepare_output() -> None:
    """Make every write to the standard streams possible, whatever they are.

    A closed one is opened on nothing, so that no file of a run takes its number; a character that
    the encoding of a stream lacks is replaced.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        change = getattr(stream, "reconfigure", None)
        if change is not None:
            change(errors="replace")


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does; who ignores one goes on doing so."""
    taken = []
    _received.clear()
    if threading.current_thread() is threading.main_thread():
        taken = [each for each in ENDING if signal.getsignal(each) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    # A second one is not to stop what the first one made the command write down.
    first = not _received
    _received.append(number)
    if first:
        signal.raise_signal(signal.SIGINT)


def exit_code_of_signal() -> int:
    """Return the exit code of a command that was ended: 128 and the signal's number."""
    return 128 + (_received[0] if _received else signal.SIGINT)


def flush_output() -> None:
    """Write what is buffered, while an error can still be told."""
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def drop_output() -> None:
    """Let nothing more be written: at its end Python would try it again, and complain."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)


def explain(error: OSError) -> str:
    """Say in one sentence what could not be written or read."""
    place = str(error.filename or "the output")
    if error.errno in _FULL:
        return f"{place} cannot be written ({error.strerror}); make room, then run it again"
    return f"{place} cannot be used ({error.strerror or error}); correct that, then run it again"
