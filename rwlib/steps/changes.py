"""What would be written and what was: changes, their differences, and the ledger.

Every function that writes returns a `Change`. The ledger is an append-only file in the run's
folder: each entry is on disk before its call is made, so that a run that was stopped at any
point can be undone, and undo takes back nothing else.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Literal

from rwlib.errors import EvidenceError

Action = Literal["create", "update", "delete", "none"]


class ChangeSubject(StrEnum):
    """What a change is about; the value is its name in ledgers and reports."""

    POLICY = "IAM policy"
    POLICY_VERSION = "policy version"
    ROLE = "IAM role"
    TRUST_POLICY = "trust policy"
    TRUST_STATEMENT = "trust statement"
    ATTACHMENT = "attachment"
    CLAIM = "claim"
    ALLOWED_PRINCIPAL = "allowed principal"
    SINK = "RisingWave sink"
    SOURCE = "RisingWave source"
    TABLE = "RisingWave table"
    CONNECTION = "RisingWave connection"
    SECRET = "RisingWave secret"


SQL_SUBJECTS = {
    "sink": ChangeSubject.SINK,
    "source": ChangeSubject.SOURCE,
    "table": ChangeSubject.TABLE,
    "connection": ChangeSubject.CONNECTION,
    "secret": ChangeSubject.SECRET,
}
"""What each kind of statement makes in RisingWave."""

_VERBS = {
    "create": ("Would create", "Created"),
    "update": ("Would update", "Updated"),
    "delete": ("Would delete", "Deleted"),
    "none": ("Unchanged:", "Unchanged:"),
}


_REFUSED = {
    "create": "Could not create",
    "update": "Could not update",
    "delete": "Could not delete",
    "none": "Unchanged:",
}


@dataclass(frozen=True)
class Change:
    """One change to one resource, previewed or applied.

    Parameters
    ----------
    action
        ``create``, ``update``, ``delete`` or ``none``.
    resource
        What kind of thing.
    name
        Its ARN where it has one, else its name.
    before, after
        The document or settings before and after; None where there is nothing.
    calls
        The writing API calls that the change makes, as ``service:Operation``.
    notes
        What a reviewer should know: what is kept, what is flagged, why it was refused.
    refused
        It was tried and refused; the first note has the words of whoever refused it.
    """

    action: Action
    resource: ChangeSubject
    name: str
    detail: str = ""
    before: Any = None
    after: Any = None
    calls: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    applied: bool = False
    refused: bool = False

    @property
    def sentence(self) -> str:
        """The change in one sentence, in the same words before and after applying."""
        verb = _REFUSED[self.action] if self.refused else _VERBS[self.action][self.applied]
        text = f"{verb} {self.resource} {self.name}"
        return f"{text} ({self.detail})" if self.detail else text

    @property
    def writes(self) -> bool:
        """True when applying this change calls AWS."""
        return self.action != "none"

    def done(self) -> Change:
        """Return this change as applied."""
        return replace(self, applied=True)

    def diff(self) -> str:
        """Unified difference of the documents before and after, empty when equal."""
        return document_diff(self.before, self.after)

    def to_dict(self) -> dict[str, Any]:
        """Return the change as plain JSON values, for reports."""
        lists = {"calls": list(self.calls), "notes": list(self.notes)}
        return {**asdict(self), **lists, "sentence": self.sentence}


def canonical(document: Any) -> str:
    """Canonical JSON text of a document: equal documents give equal text.

    A list of one element and the element alone are equal in IAM's policy grammar, and the order
    of actions, resources and values has no meaning, so both are normalised; the order of
    statements is kept.
    """
    return json.dumps(_normal(document), sort_keys=True, separators=(",", ":"))


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _member(name, item) for name, item in value.items()}
    if isinstance(value, list):
        items = [_normal(item) for item in value]
        if len(items) == 1:
            return items[0]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    return value


def _member(name: str, value: Any) -> Any:
    if name == "Statement":
        return [_normal(item) for item in (value if isinstance(value, list) else [value])]
    return _normal(value)


def document_diff(before: Any, after: Any) -> str:
    """Unified difference of two documents as indented JSON."""
    left, right = (
        [] if value is None else json.dumps(value, indent=2).splitlines()
        for value in (before, after)
    )
    return "\n".join(difflib.unified_diff(left, right, "before", "after", lineterm="", n=99))


@dataclass
class Ledger:
    """Append-only record of what this runbook created or replaced.

    Parameters
    ----------
    path
        The file; None keeps the entries in memory only (previews).
    places
        Folders of runs, whose ledgers are this runbook's memory too.
    target
        Name of the target that the run is for.
    """

    path: Path | None = None
    entries: list[dict[str, Any]] = field(default_factory=list)
    places: tuple[Path, ...] = ()
    target: str = ""

    def intend(self, change: Change, **facts: str) -> None:
        """Record that the change is about to be made; on disk before this returns.

        Parameters
        ----------
        facts
            What tells the thing from another of its name: its ``id`` (``RoleId``, ``PolicyId``),
            or the ``nonce`` that it is going to carry until it has one.
        """
        self._add("intended", change, facts)

    def done(self, change: Change, **facts: str) -> None:
        """Record that the change was made."""
        self._add("done", change, facts)

    def abandoned(self, change: Change) -> None:
        """Record that an intended change was not made: refused, or somebody else had made it."""
        self._add("abandoned", change, {})

    def history(self, name: str) -> list[dict[str, Any]]:
        """Return what this run and all others recorded about one thing, oldest first."""
        found = list(self.entries) if self.path is None else []
        paths = {path for place in self.places for path in _ledgers(place)}
        if self.path is not None and self.path.is_file():
            paths.add(self.path.resolve())
        entries = [each for each in found if each["name"] == name]
        entries += [each for path in paths for each in _entries_about(path, name)]
        return sorted(entries, key=_time)

    def own_entries(self, name: str) -> list[dict[str, Any]]:
        """Return what this process recorded about one thing, oldest first."""
        return [each for each in self.entries if each["name"] == name]

    def recorded(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield what this process recorded about one thing, then what all runs did.

        Who finds what is looked for among the first spares reading the ledgers of all runs.
        """
        yield from self.own_entries(name)
        yield from self.history(name)

    def _add(self, phase: str, change: Change, facts: Mapping[str, str]) -> None:
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="microseconds"),
            "phase": phase,
            "action": change.action,
            "resource": change.resource,
            "name": change.name,
            "before": change.before,
            "after": change.after if phase == "intended" else None,
            **({"target": self.target} if self.target else {}),
            **facts,
        }
        self.entries.append(entry)
        if self.path is None:
            return
        try:
            self._write(self.path, entry)
        except OSError as error:
            raise EvidenceError(
                f"the ledger {self.path} cannot be written ({error.strerror or error}); nothing "
                "is changed without it: make room or correct that, then run it again"
            ) from None

    def _write(self, path: Path, entry: Mapping[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            # A run that was killed while writing left half a line; it must not spoil this one.
            if file.tell() and _last_byte(file) != b"\n":
                file.write(b"\n")
            file.write(json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _last_byte(file: BinaryIO) -> bytes:
    file.seek(-1, os.SEEK_END)
    return file.read(1)


def _ledgers(runs_dir: Path) -> list[Path]:
    """Return the ledgers below a folder, with their real paths.

    A batch asks for each of its targets, so this is done without pathlib's pattern.
    """
    found, waiting = [], [os.path.realpath(runs_dir)]
    while waiting:
        # A folder that is gone or that may not be read holds nothing that could be read.
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for each in entries:
                # Only files: a pipe of that name would never end.
                if each.name == LEDGER and each.is_file():
                    found.append(os.path.realpath(each) if each.is_symlink() else each.path)
                elif each.is_dir(follow_symlinks=False):
                    waiting.append(each.path)
    return [Path(path) for path in sorted(found)]


def _entries_about(path: Path, name: str) -> Iterator[dict[str, Any]]:
    for entry in _entries(path, name):
        if entry.get("name") == name:
            yield entry


LEDGER = "ledger.jsonl"

# What each entry has; a line without it is none of a run's.
_EVERY_ENTRY = ("time", "phase", "action", "resource", "name")


def _entries(path: Path, said: str = "") -> Iterator[dict[str, Any]]:
    """Yield a ledger's entries; none is parsed where no line says a certain text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EvidenceError(
            f"the ledger {path} cannot be read ({error.strerror}); it records what this runbook "
            "made: correct that, then run it again"
        ) from None
    forms = {json.dumps(said).encode(), f'"{said}"'.encode()}
    if said and not any(form in data for form in forms):
        return
    for line in data.decode("utf-8", "replace").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:  # the last line of a run that was killed while writing
            continue
        if isinstance(entry, dict) and all(isinstance(entry.get(k), str) for k in _EVERY_ENTRY):
            yield entry


def _time(entry: Mapping[str, Any]) -> str:
    return str(entry.get("time", ""))


def ledger_history(runs_dir: Path, name: str) -> Iterator[dict[str, Any]]:
    """Yield all ledger entries about one resource, oldest first, over all runs in a folder."""
    entries = [each for path in _ledgers(runs_dir) for each in _entries_about(path, name)]
    yield from sorted(entries, key=_time)


def ledger_of_target(places: Iterable[Path], target: str) -> list[dict[str, Any]]:
    """Return all that runs for one target recorded, oldest first."""
    paths = {path for place in places for path in _ledgers(place)}
    entries = [
        each for path in paths for each in _entries(path, target) if each.get("target") == target
    ]
    return sorted(entries, key=_time)
