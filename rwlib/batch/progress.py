"""How far a batch is: one line that is rewritten on a terminal, one line a target elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

BAD = ("failed", "error")


def duration(seconds: float) -> str:
    """Write a time as minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@dataclass
class Progress:
    """The count, the rate, the failures and the time left of a batch.

    Parameters
    ----------
    total
        Number of targets.
    doing
        What is done with them, in one word: ``plan``, ``run`` ...
    out
        Where to write; nothing is written when it is None.
    """

    total: int
    doing: str
    out: TextIO | None = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    bad: int = 0
    skipped: int = 0
    _started: float = 0.0
    _shown: float = -1.0
    _name: str = ""

    def __post_init__(self) -> None:
        self._started = self.clock()
        self._live = self.out is not None and self.out.isatty()

    def finished(self, name: str, answer: Mapping[str, Any]) -> None:
        """Count a target; a failure is always told in a line of its own."""
        self.done += 1
        self.bad += answer["status"] in BAD
        self.skipped += bool(answer.get("skipped"))
        self._name = name
        if self.out is None:
            return
        more = answer["problem"] or ("looked at again" if answer.get("skipped") else "")
        words = f"{answer['status']}, {more}" if more else answer["status"]
        if self._live:
            if answer["status"] in BAD:
                self.say(f"{name}: {words}")
            self.show(0)
        else:
            self.say(f"[{self.done}/{self.total}] {name}: {words}")

    def say(self, text: str) -> None:
        """Write a line of its own."""
        if self.out is not None:
            self.out.write(("\r\x1b[K" if self._live else "") + text + "\n")
            self.out.flush()

    def show(self, running: int) -> None:
        """Write the line again, at most ten times a second."""
        now = self.clock()
        if not self._live or self.out is None or now - self._shown < 0.1:
            return
        self._shown = now
        width = shutil.get_terminal_size().columns - 1
        line = f"{self.line()}  {f'{running} running' if running else self._name}"
        self.out.write(f"\r\x1b[K{line[:width]}")
        self.out.flush()

    def line(self) -> str:
        """Say how far it is."""
        elapsed = self.clock() - self._started
        rate = self.done / elapsed if elapsed > 0 else 0.0
        left = f"  {duration((self.total - self.done) / rate)} left" if rate and self.done else ""
        return (
            f"{self.doing} {self.done}/{self.total}  {rate * 60:.0f} a minute  "
            f"{self.bad} failed{left}"
        )

    def end(self) -> None:
        """Leave the terminal as it was."""
        if self._live and self.out is not None:
            self.out.write("\r\x1b[K")
            self.out.flush()
