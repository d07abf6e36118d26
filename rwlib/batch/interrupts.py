"""Ctrl-C: finish what is running and start nothing new; a second time, end it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any


@dataclass
class Stopper:
    """Listens to SIGINT, SIGTERM and SIGHUP while it is entered, in the main thread only.

    Parameters
    ----------
    say
        Called with what happens now.
    kill
        Called the second time.
    """

    say: Callable[[str], None]
    kill: Callable[[], None]
    reason: str = ""
    signalled: int = 0
    first: int = 0
    _before: dict[int, Any] = field(default_factory=dict)

    def stop(self, reason: str, advice: str = "") -> None:
        """Start nothing new from now on."""
        if not self.reason:
            self.reason = reason
            self.say(f"{reason}{advice}: what is running is finished")

    @property
    def stopping(self) -> bool:
        """True when nothing new may start."""
        return bool(self.reason)

    def __enter__(self) -> Stopper:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is signal.SIG_IGN:
                    continue  # as nohup asks for
                self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _received(self, number: int, frame: FrameType | None) -> None:
        self.signalled += 1
        self.first = self.first or number
        if self.signalled == 1:
            self.stop("stopped", " (again to end it at once)")
        else:
            self.kill()
