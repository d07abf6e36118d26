"""What a machine says that has run out of memory, processes or open files: fewer targets fit."""

from __future__ import annotations

import errno
import math
import re
from dataclasses import dataclass

from rwlib.errors import RunbookError

_WORDS = {
    errno.ENOMEM: "memory ran out",
    errno.EMFILE: "a process could open no more files",
    errno.ENFILE: "the machine could open no more files",
}
NO_PROCESS, _NO_THREAD = "no more processes could be started", "no more threads could be started"
_CUT, _STEP = 0.7, 0.25


class RanOutError(RunbookError):
    """The machine ran out of something; the same goes on where fewer targets are under way.

    Parameters
    ----------
    message
        What could not be done.
    what
        What ran out, in a few words.
    """

    exit_code = 4

    def __init__(self, message: str, what: str) -> None:
        super().__init__(message)
        self.what = what


def shortage(error: BaseException | None) -> str:
    """Return what ran out by an error, in a few words; empty where it has another reason.

    Parameters
    ----------
    error
        What was raised; what it came from is looked at too, and what a cell said it was.
    """
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if found := _ran_out(error):
            return found
        seen.append(error)
        error = error.__cause__ or error.__context__
    return ""


def _ran_out(error: BaseException) -> str:
    if isinstance(error, RanOutError):
        return error.what
    if isinstance(error, OSError):
        return _WORDS.get(error.errno or 0, "")
    # Of what a notebook's cell raised, its name and its message are left.
    name = str(getattr(error, "ename", type(error).__name__))
    return shortage_said(f"{name}: {getattr(error, 'evalue', error)}")


def shortage_said(line: str) -> str:
    """Return what ran out by the last line of a traceback; empty where it says nothing of that."""
    name, _, said = line.partition(": ")
    if name == "MemoryError":
        return _WORDS[errno.ENOMEM]
    if line == "RuntimeError: can't start new thread":  # as CPython's thread module says it
        return _NO_THREAD
    number = re.match(r"\[Errno (\d+)\]", said) if name in ("OSError", "BlockingIOError") else None
    return _WORDS.get(int(number[1]), "") if number else ""


@dataclass
class Bearable:
    """How many targets at once the machine was seen to bear.

    As many as there are, until it runs out of something. From then on the number is lowered by a
    factor for every round in which it does, and raised slowly while it does not.
    """

    most: float = math.inf
    lowest: int = 0
    why: str = ""
    """What ran out last, and how many targets were under way; empty while nothing did."""
    _cut: float = -math.inf

    def ran_out(self, started: float, now: float, running: int, what: str) -> None:
        """Take note of a target for which something ran out, and of those then under way."""
        if started <= self._cut:
            return  # that has been answered for already
        self._cut = now
        self.most = max(1.0, math.floor(min(self.most, running) * _CUT))
        self.lowest = int(min(self.lowest or self.most, self.most))
        self.why = f"{what}; {running} targets ran at once"

    def ended(self) -> None:
        """Take note of a target that ended by itself."""
        self.most += _STEP / self.most
