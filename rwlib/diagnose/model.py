"""What a diagnosis is made of, and what it asks of the live state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

Confidence = Literal["certain", "likely", "possible"]
RANK: dict[str, int] = {"certain": 0, "likely": 1, "possible": 2}


@dataclass(frozen=True)
class Fix:
    """What to do: one sentence, and the command, SQL, clicks or person.

    Attributes
    ----------
    summary
        What will be true afterwards.
    how
        A command of this package, an SQL statement, exact clicks, or whom to ask.
    """

    summary: str
    how: str


@dataclass(frozen=True)
class Cause:
    """One possible reason, with what speaks for it.

    Attributes
    ----------
    id
        An id of `rwlib.diagnose.ids.CAUSES`.
    confidence
        ``certain`` only when the text alone, or a check that looked, settles it.
    evidence
        Spans of the text and live facts, secrets masked.
    fix
        What to do about it.
    """

    id: str
    confidence: Confidence
    evidence: tuple[str, ...]
    fix: Fix

    def with_confidence(self, confidence: Confidence, *evidence: str) -> Cause:
        """Return this cause with another confidence and further evidence."""
        return replace(self, confidence=confidence, evidence=self.evidence + evidence)


@dataclass(frozen=True)
class Diagnosis:
    """One distinct error of the input, and its causes, the most probable first.

    Attributes
    ----------
    error_class
        An id of `rwlib.diagnose.ids.CLASSES`; ``class`` in `to_dict`.
    caller, action, resource
        Whose ARN the message names, what it tried, and on what; None when not said.
    causes
        Ranked ``certain``, ``likely``, ``possible``.
    not_looked_at
        Which checks would decide, and why their answer is not here.
    excluded
        Causes that the text or a check rules out, each with its reason.
    count
        How often the error occurs in the input.
    first_line, last_line
        Line numbers, from 1; 0 when there was no text.
    first_time, last_time
        The log's own timestamps, as written.
    details
        What else the text says: region, request id, bucket, connector.
    """

    error_class: str
    caller: str | None
    action: str | None
    resource: str | None
    causes: tuple[Cause, ...]
    not_looked_at: tuple[str, ...] = ()
    excluded: tuple[tuple[str, str], ...] = ()
    count: int = 1
    first_line: int = 0
    last_line: int = 0
    first_time: str | None = None
    last_time: str | None = None
    excerpt: str = ""
    details: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of ``rwlib diagnose --json``."""
        result: dict[str, Any] = {
            "class": self.error_class,
            "caller": self.caller,
            "action": self.action,
            "resource": self.resource,
            "causes": [
                {
                    "id": cause.id,
                    "confidence": cause.confidence,
                    "evidence": list(cause.evidence),
                    "fix": {"summary": cause.fix.summary, "how": cause.fix.how},
                }
                for cause in self.causes
            ],
            "not_looked_at": list(self.not_looked_at),
            "excluded": [{"id": name, "because": reason} for name, reason in self.excluded],
            "count": self.count,
        }
        if self.first_line:
            result["first"] = {"line": self.first_line, "time": self.first_time}
            result["last"] = {"line": self.last_line, "time": self.last_time}
        if self.excerpt:
            result["excerpt"] = self.excerpt
        if self.details:
            result["details"] = dict(self.details)
        return result


class SaidByCheck(Protocol):
    """One line of a check, and the code of what it says."""

    @property
    def reason(self) -> str:
        """A code of the verification's table of reasons; empty where nothing is wrong."""

    @property
    def evidence(self) -> str:
        """The line, for people."""

    @property
    def action(self) -> str:
        """The request that it is about; empty where it is about none."""


class CheckResult(Protocol):
    """What a live check answers: the shape of the verification's own checks."""

    @property
    def id(self) -> str:
        """Which check it is."""

    @property
    def status(self) -> str:
        """``pass``, ``fail``, ``unknown`` or ``manual``."""

    @property
    def reason(self) -> str:
        """Why it does not pass: a code of the verification's table of reasons."""

    @property
    def evidence(self) -> Sequence[str]:
        """What was seen, for people."""

    @property
    def grounds(self) -> Sequence[SaidByCheck]:
        """What each line is about, where it fails for several reasons; empty for one reason."""


class LiveFacts(Protocol):
    """The live state, asked one read-only check at a time."""

    def check(self, check_id: str, /) -> CheckResult | None:
        """Run the check, or return None when there is no such check here."""
