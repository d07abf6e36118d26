"""A verdict: on one hop, and on one request."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from rwlib.verify.reasons import REASONS

if TYPE_CHECKING:
    from rwlib.evaluate import Decision
    from rwlib.verify.probes import Probe

Status = Literal["pass", "fail", "unknown", "manual"]

APPLY = "apply it with `rwlib run --apply`: the step puts this right"


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
class Ground:
    """One line of evidence, and the code of what it says.

    Parameters
    ----------
    reason
        A code of `rwlib.verify.reasons.REASONS`; empty where nothing is wrong.
    evidence
        The line.
    action
        The request that it is about, such as ``s3:PutObject``; empty where it is about none.
    keys
        The condition keys of unknown value on which it depends.
    """

    reason: str
    evidence: str
    action: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Paste:
    """Something to copy and paste as it stands: a document, a command or a letter.

    Parameters
    ----------
    what
        What it is, in a few words, such as ``the corrected trust policy``.
    """

    what: str
    text: str


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
    planned
        True where a plan was judged: it says what would be, were the plan applied.
    grounds
        What each line of evidence is about, where a check can fail for several reasons at once;
        empty where ``reason`` says it all.
    refused
        Why the step that would mend it refuses to write; ``fixed_by`` is then None.
    pastes
        What to copy where a person has to mend it.
    hops
        The hops that refuse, where ``reason`` and ``grounds`` do not say it; see `refusing_hops`.
    """

    id: str
    hop: str
    title: str
    status: Status
    evidence: tuple[str, ...] = ()
    fix: str = ""
    reason: str = ""
    fixed_by: int | None = None
    planned: bool = False
    grounds: tuple[Ground, ...] = ()
    refused: str = ""
    pastes: tuple[Paste, ...] = ()
    hops: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason for which it does not pass, each once."""
        said = dict.fromkeys(each.reason for each in self.grounds if each.reason)
        return tuple(said) or ((self.reason,) if self.reason else ())

    @property
    def refusing_hops(self) -> tuple[str, ...]:
        """The hops that refuse: what is asked at one hop may be refused by another.

        So the requests are refused by the bucket policy, say; and nothing is asked of a role that
        does not exist.
        """
        if self.hops or self.status == "pass":
            return self.hops or (self.hop,)
        known = [REASONS[each] for each in self.reasons if each in REASONS]
        return tuple(dict.fromkeys(e.refuses_at or e.hop or self.hop for e in known)) or (self.hop,)

    @property
    def status_words(self) -> str:
        """The status as a person reads it: a plan would pass, what stands there passes."""
        return status_words(self.status, planned=self.planned)

    @property
    def needs_person(self) -> bool:
        """True where a person has to act, and has not said that it is done."""
        return self.status == "manual" and self.reason == "allowed_principal_unconfirmed"

    def to_dict(self) -> dict[str, Any]:
        """Return the check as plain JSON values."""
        lists = {
            "evidence": list(self.evidence),
            "pastes": [asdict(each) for each in self.pastes],
            "hops": list(self.refusing_hops),
        }
        # Not `asdict`, which copies every text and is a few percent of a target's time.
        values = {key: value for key, value in vars(self).items() if key != "grounds"}
        return {**values, **lists}


def status_words(status: str, *, planned: bool) -> str:
    """Return a status as a person reads it: a plan would pass, what stands there passes."""
    return f"would {status}" if planned and status in ("pass", "fail") else status


@dataclass(frozen=True)
class Verdict:
    """A probe and what came of it."""

    probe: Probe
    decision: Decision

    @property
    def as_expected(self) -> bool:
        """True when an allowed request is allowed, or a forbidden one is refused.

        What depends on an unknown key is as expected in neither case.
        """
        return not self.depends and self.decision.allowed == self.probe.allow

    @property
    def line(self) -> str:
        """The verdict in one line of evidence."""
        asked = f"{self.probe.title} ({self.probe.action} on {self.probe.place})"
        if self.depends:
            return f"{asked}: {self.decision.dependency}"
        reason = str(self.decision.reasons[0]) if self.decision.reasons else ""
        return f"{asked}: {self.answer}; {reason}"

    @property
    def depends(self) -> bool:
        """True when a key decides whose value nobody here can know."""
        return self.decision.effect == "depends"

    @property
    def answer(self) -> str:
        """``allowed``, ``refused`` or ``depends``."""
        if self.depends:
            return "depends"
        return "allowed" if self.decision.allowed else "refused"

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values."""
        return {
            "id": self.probe.id,
            "title": self.probe.title,
            "action": self.probe.action,
            "resource": self.probe.resource,
            "should_be": "allowed" if self.probe.allow else "refused",
            "is": self.answer,
            "reason": self.decision.dependency
            or (str(self.decision.reasons[0]) if self.decision.reasons else ""),
        }
