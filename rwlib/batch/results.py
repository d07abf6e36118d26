"""What a batch remembers of its targets, in one SQLite file in its folder.

It saves work and never decides: whether a target is done is asked of AWS. Results are written as
they come, so that a batch that was killed has lost none, and read one by one, so that it does
not matter how many there are.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rwlib.errors import EvidenceError, InputError

STATE_FILE = "state.sqlite"
NOT_RUN, GONE = "not run", "not in the file"
"""Statuses of a target that a stopped batch did not reach, and of one whose row is gone."""

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS results (
    name TEXT PRIMARY KEY, run TEXT NOT NULL, row INTEGER NOT NULL, digest TEXT NOT NULL,
    status TEXT NOT NULL, exit_code INTEGER NOT NULL, changes INTEGER NOT NULL,
    seconds REAL NOT NULL, answer TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_row ON results (row, name);
"""


class BatchState:
    """The results of a folder's batch, by the targets' names.

    Parameters
    ----------
    path
        The file; made when it is not there.

    Raises
    ------
    InputError
        The file is there and is none of ours.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
            # A result that is lost with the power is found again by asking AWS.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            raise InputError(
                "state",
                str(path),
                f"cannot be used ({error}); remove it: AWS itself shows what is done",
            ) from None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> BatchState:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def recall(self, name: str) -> str:
        """Return a remembered word about the whole batch, empty when there is none."""
        found = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,))
        row = found.fetchone()
        return str(row[0]) if row else ""

    def remember(self, name: str, value: str) -> None:
        """Remember a word about the whole batch."""
        with self._writing():
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise EvidenceError(
                f"the batch's memory in {self._path.parent} cannot be written ({error}); make "
                "room, then run the same command again: it goes on"
            ) from None

    def result(self, name: str, digest: str | None = None) -> dict[str, Any] | None:
        """Return what is remembered of a target, if it was asked for the same as now."""
        found = self._connection.execute(
            "SELECT answer, digest FROM results WHERE name = ?", (name,)
        ).fetchone()
        if found is None or (digest is not None and found[1] != digest):
            return None
        answer: dict[str, Any] = json.loads(found[0])
        return answer

    def keep(self, run: str, row: int, name: str, digest: str, answer: Mapping[str, Any]) -> None:
        """Remember a target's answer in place of an older one."""
        values = (
            name,
            run,
            row,
            digest,
            answer["status"],
            answer["exit_code"],
            len(answer["changes"]),
            answer.get("seconds", 0.0),
            json.dumps(answer),
        )
        with self._writing():
            self._connection.execute(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values
            )

    def results(self) -> Iterator[dict[str, Any]]:
        """Yield the answers in the order of the rows, each with ``name`` and ``row``."""
        for name, row, answer in self._connection.execute(
            "SELECT name, row, answer FROM results ORDER BY row, name"
        ):
            yield {"name": name, "row": row, **json.loads(answer)}

    def retire_others(self, run: str) -> None:
        """Mark the targets that a run, which saw all rows, did not see: their rows are gone."""
        found = self._connection.execute(
            "SELECT name, answer FROM results WHERE run <> ? AND status <> ?", (run, GONE)
        )
        for name, text in found.fetchall():
            answer = json.loads(text)
            said = f"no longer in the file; it was: {answer['problem'] or answer['status']}"
            answer |= {"status": GONE, "exit_code": 0, "problem": said, "hops": {}, "changes": []}
            with self._writing():
                self._connection.execute(
                    "UPDATE results SET status = ?, exit_code = 0, changes = 0, digest = '', "
                    "answer = ? WHERE name = ?",
                    (GONE, json.dumps(answer), name),
                )

    def counts(self) -> dict[str, int]:
        """Return how many targets ended in each status."""
        found = self._connection.execute(
            "SELECT status, count(*) FROM results GROUP BY status ORDER BY status"
        )
        return {str(status): int(count) for status, count in found}

    def unseen(self, statuses: Iterable[str]) -> dict[str, dict[str, int]]:
        """Return of the targets of each status how many have a ``manual`` or ``unknown`` hop."""
        found: dict[str, dict[str, int]] = {}
        for status in statuses:
            for verdict in ("manual", "unknown"):
                (count,) = self._connection.execute(
                    "SELECT count(*) FROM results WHERE status = ? AND EXISTS (SELECT 1 FROM "
                    "json_each(answer, '$.hops') AS hop WHERE hop.value = ?)",
                    (status, verdict),
                ).fetchone()
                found.setdefault(status, {})[verdict] = int(count)
        return found

    def totals(self) -> tuple[int, int]:
        """Return how many changes there are, and in how many targets."""
        changes, targets = self._connection.execute(
            "SELECT total(changes), count(CASE WHEN changes > 0 THEN 1 END) FROM results"
        ).fetchone()
        return int(changes), int(targets)

    def exit_codes(self) -> set[int]:
        """Return the exit codes that the targets ended with."""
        found = self._connection.execute("SELECT DISTINCT exit_code FROM results")
        return {int(code) for (code,) in found}


def digest_of(target: Mapping[str, Any]) -> str:
    """Return a short hash of what was asked for a target."""
    text = json.dumps(target, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
