"""The five steps by name, and how far each has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from rwlib.steps.changes import Change

StepStatus = Literal["open", "previewed", "done", "unchanged", "manual", "failed"]

STEPS = {
    1: "Create an IAM policy for S3 access",
    2: "Create an IAM role with the policy attached",
    3: "Configure the trust policy",
    4: "Register the role in Allowed Principals",
    5: "Use the role in RisingWave",
}


@dataclass
class Step:
    """One of the five steps: its changes and how far it has come."""

    number: int
    title: str
    status: StepStatus = "open"
    changes: list[Change] = field(default_factory=list)
    instructions: list[str] = field(default_factory=list)

    def record(self, change: Change) -> None:
        """Put a change in its place: what was applied is not hidden by a later "unchanged"."""
        for index, known in enumerate(self.changes):
            if known.resource == change.resource and known.name == change.name:
                if not (known.applied and not change.writes):
                    self.changes[index] = change
                return
        self.changes.append(change)

    def to_dict(self) -> dict[str, Any]:
        """Return the step as plain JSON values."""
        return {
            "number": self.number,
            "title": self.title,
            "status": self.status,
            "changes": [change.to_dict() for change in self.changes],
            "instructions": self.instructions,
        }


VERIFY = 6
TITLES = {
    **{1: "Policy", 2: "Role", 3: "Trust policy", 4: "Allowed Principal", 5: "SQL"},
    VERIFY: "Verify",
}


class State(StrEnum):
    """The states of a step, in the order of its life.

    ``INIT`` not open yet, ``READY`` open, ``CONFIGURED`` previewed and not written, ``ACTIVE``
    being written, ``SUCCESS`` there as asked, ``UNDECIDED`` nothing stands in the way as far as
    can be known, ``FAIL`` something does.
    """

    INIT = "init"
    READY = "ready"
    CONFIGURED = "configured"
    ACTIVE = "active"
    SUCCESS = "success"
    UNDECIDED = "undecided"
    FAIL = "fail"

    @property
    def face(self) -> str:
        """A mark that tells the state without colour."""
        return {
            State.INIT: "·",
            State.READY: "○",
            State.CONFIGURED: "◐",
            State.ACTIVE: "…",
            State.SUCCESS: "✓",
            State.UNDECIDED: "?",
            State.FAIL: "✗",
        }[self]

    @property
    def word(self) -> str:
        """The state in a word or two."""
        return {
            State.INIT: "not open",
            State.READY: "to do",
            State.CONFIGURED: "previewed",
            State.ACTIVE: "working",
            State.SUCCESS: "done",
            State.UNDECIDED: "undecided",
            State.FAIL: "failed",
        }[self]


@dataclass(frozen=True)
class StepState:
    """One step on the progress line.

    Parameters
    ----------
    number
        1 to 5, and 6 for the verification.
    sentence
        Why the step is in this state, and what comes next.
    """

    number: int
    state: State
    sentence: str

    @property
    def title(self) -> str:
        """The step in a word or two."""
        return TITLES[self.number]
