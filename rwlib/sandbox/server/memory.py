"""What keeps a process that serves sandboxes small."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from rwlib.environment import without_real_world

_SMALL = {
    # One heap for all threads: each of them would keep its own, and one runs at a time anyway.
    # https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html
    "MALLOC_ARENA_MAX": "1",
    # Arrow's own pool keeps what it has had once.
    # https://arrow.apache.org/docs/cpp/env_vars.html
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


def environment_of_server() -> dict[str, str]:
    """Return the environment for a process of one's own that serves sandboxes.

    Nothing of it leads to a real account; what the user has set about memory stays.
    """
    return {**_SMALL, **without_real_world(os.environ)}


@cache
def _trim() -> Callable[[int], Any] | None:
    try:
        found: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None  # not glibc
    return found


class MemoryKeeper:
    """Gives memory that is free again back to the system, whenever there is a pause.

    Parameters
    ----------
    work
        Says how much was done until now; another answer than the last time means: something was.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._seen: object = None
        self._kept: object = None

    def look(self) -> None:
        """Look at the work; give memory back where there was some, and none since last looked."""
        done = self._work()
        if done == self._seen and done != self._kept:
            trim = _trim()
            if trim is not None:
                trim(0)
            self._kept = done
        self._seen = done

    def watch(self, stopped: threading.Event, pause: float = 1.0) -> None:
        """Look again and again, until something is stopped."""
        while not stopped.wait(timeout=pause):
            self.look()
