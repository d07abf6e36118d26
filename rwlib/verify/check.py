"""A verdict: on one hop, and on one request."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rwlib.evaluate import Decision
    from rwlib.verify.probes import Probe

Status = Literal["pass", "fail", "unknown", "manual"]

APPLY = "run it again with apply: the step puts this right"


@dataclass(frozen=True)
class Hop:
    """One stage of the way from RisingWave to the bucket.

    Parameters
    ----------
    box
        Which box of the chain's picture it belongs to, from 0; None for what is not on the way.
    step
        The step that puts it right, 0 where a person has to.
    """

    title: str
    box: int | None
    step: int = 0


HOPS = {
    hop.title: hop
    for hop in (
        Hop("identity", None),
        Hop("policy", 3, 1),
        Hop("role", 2, 2),
        Hop("boundary", 3, 2),
        Hop("trust", 2, 3),
        Hop("allowed principal", 1, 4),
        Hop("bucket", 4),
        Hop("KMS", 5, 1),
        # The requests are judged by all policies together.
        Hop("requests", 3),
        Hop("SQL", 0),
        Hop("connector", 0, 3),
    )
}


@dataclass(frozen=True)
class Check:
    """The verdict on one hop.

    Parameters
    ----------
    id
        Stable id.
    hop
        Where on the way: one of `HOPS`.
    status
        ``pass``, ``fail``, ``unknown`` (could not be looked at) or ``manual`` (a person says so).
    evidence
        What was seen, one line each.
    fix
        What to do, empty when nothing is to be done.
    reason
        Why it does not pass: a code of `rwlib.verify.reasons.REASONS`, empty for a pass.
    fixed_by
        Number of the step that mends it when it is applied; None where none does.
    """

    id: str
    hop: str
    title: str
    status: Status
    evidence: tuple[str, ...] = ()
    fix: str = ""
    reason: str = ""
    fixed_by: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the check as plain JSON values."""
        return {**asdict(self), "evidence": list(self.evidence)}


@dataclass(frozen=True)
class Verdict:
    """A probe and what came of it."""

    probe: Probe
    decision: Decision

    @property
    def as_expected(self) -> bool:
        """True when an allowed request is allowed, or a forbidden one is refused."""
        return (self.decision.effect == "allowed") == self.probe.allow

    @property
    def line(self) -> str:
        """The verdict in one line of evidence."""
        reason = str(self.decision.reasons[0]) if self.decision.reasons else ""
        mark = "allowed" if self.decision.effect == "allowed" else "refused"
        return f"{self.probe.title} ({self.probe.action} on {self.probe.place}): {mark}; {reason}"

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values."""
        return {
            "id": self.probe.id,
            "title": self.probe.title,
            "action": self.probe.action,
            "resource": self.probe.resource,
            "should_be": "allowed" if self.probe.allow else "refused",
            "is": "allowed" if self.decision.effect == "allowed" else "refused",
            "reason": str(self.decision.reasons[0]) if self.decision.reasons else "",
        }
