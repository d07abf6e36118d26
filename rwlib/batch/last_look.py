"""What a watch's last look saw, and what is handed on from it to the next one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rwlib.batch.folders import earlier_folders
from rwlib.batch.results import GONE, STATE_FILE, BatchState

AWAY = "away"  # the subfolder for the targets that are no longer in the file


@dataclass(frozen=True)
class Away:
    """A target that is not in the watch's file any more.

    Parameters
    ----------
    last_looked_at
        The name of the folder of the look that saw it last.
    since_last_look
        True when it left the file between the last look and this one.
    """

    name: str
    role_arn: str
    last_looked_at: str
    since_last_look: bool


@dataclass(frozen=True)
class LastLook:
    """What the last look that finished saw of each target; nothing at the first one.

    Parameters
    ----------
    folder
        The name of its folder.
    seen, away
        The targets that were in its file, and those that had been in an earlier one.
    """

    folder: str = ""
    seen: BatchState | None = None
    away: BatchState | None = None

    def known(self, name: str) -> dict[str, Any]:
        """Return what is known of a target; empty for nothing."""
        for state in (self.seen, self.away):
            found = state.result(name) if state else None
            if found is not None:
                return found
        return {}

    def was_away(self, name: str) -> bool:
        """Return whether a target had been in an earlier file and was not in the last one."""
        return self.away is not None and self.away.result(name) is not None

    def hand_on(self, folder: Path, state: BatchState, stamp: str) -> list[Away]:
        """Keep what is known of the targets that are not in the file now, apart from the others.

        They are no targets of this look, so they are in none of its counts.

        Returns
        -------
        list
            These targets, those that left the file since the last look first.
        """
        gone: list[Away] = []
        with ExitStack() as stack:
            kept: BatchState | None = None
            for result in self._results():
                name, looked = result["name"], result.get("looked", "")
                if state.result(name) is not None:
                    continue
                if kept is None:
                    (folder / AWAY).mkdir(exist_ok=True)
                    kept = stack.enter_context(BatchState(folder / AWAY / STATE_FILE))
                answer = {
                    "status": GONE,
                    "exit_code": 0,
                    "changes": [],
                    "facts": result.get("facts", {}),
                    "role_arn": result.get("role_arn", ""),
                    "looked": looked,
                }
                kept.keep(stamp, result["row"], name, "", answer)
                gone.append(Away(name, answer["role_arn"], looked, not self.was_away(name)))
        return gone

    def _results(self) -> Iterator[dict[str, Any]]:
        for state in (self.seen, self.away):
            if state:
                yield from state.results()


@contextmanager
def last_look(name: str) -> Iterator[LastLook]:
    """Open what the last look of this name saw that has written its report.

    One that was killed said nothing of what it saw, so nothing is compared with it.
    """
    folder = next((path for path in earlier_folders(name) if _finished(path)), None)
    if folder is None:
        yield LastLook()
        return
    with ExitStack() as stack:
        seen, away = (
            stack.enter_context(BatchState(path)) if path.is_file() else None
            for path in (folder / STATE_FILE, folder / AWAY / STATE_FILE)
        )
        yield LastLook(folder.name, seen, away)


def _finished(folder: Path) -> bool:
    with BatchState(folder / STATE_FILE) as state:
        return bool(state.recall("finished")) and state.recall("mode") == "watch"
