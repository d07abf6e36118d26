"""What a watch's last look saw, and what is handed on from it to the next one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rwlib.batch.folders import earlier_folders
from rwlib.batch.state import STATE_FILE, State


@dataclass(frozen=True)
class LastLook:
    """What the last look that finished saw of each target; nothing at the first one.

    Parameters
    ----------
    folder
        The name of its folder.
    seen
        The targets that were in its file.
    """

    folder: str = ""
    seen: State | None = None

    def known(self, name: str) -> dict[str, Any]:
        """Return what is known of a target; empty for nothing."""
        return (self.seen.result(name) if self.seen else None) or {}

    def results(self) -> Iterator[dict[str, Any]]:
        """Yield what is known of every target."""
        if self.seen:
            yield from self.seen.results()


@contextmanager
def last_look(name: str) -> Iterator[LastLook]:
    """Open what the last look of this name saw that has written its report.

    One that was killed said nothing of what it saw, so nothing is compared with it.
    """
    folder = next((path for path in earlier_folders(name) if _finished(path)), None)
    if folder is None:
        yield LastLook()
        return
    with State(folder / STATE_FILE) as seen:
        yield LastLook(folder.name, seen)


def _finished(folder: Path) -> bool:
    with State(folder / STATE_FILE) as state:
        return bool(state.recall("finished")) and state.recall("mode") == "watch"
