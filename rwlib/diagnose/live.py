"""The live state, asked check by check, settles what a text leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rwlib.diagnose.deciders import DECIDERS, Decider
from rwlib.diagnose.model import CheckResult, LiveFacts, SaidByCheck
from rwlib.masking import mask

_MOST_LINES = 3


@dataclass(frozen=True)
class Settled:
    """What the checks say about one cause, and the lines that say it.

    Attributes
    ----------
    by_hand
        What mends it, where the check says that no step does; empty where a step may.
    """

    verdict: Literal["confirmed", "excluded"]
    evidence: tuple[str, ...]
    by_hand: str = ""


class Answers:
    """The checks, each asked once, over all the causes of a diagnosis run."""

    def __init__(self, live: LiveFacts) -> None:
        self._live = live
        self._seen: dict[str, CheckResult | None] = {}

    def get(self, check_id: str) -> CheckResult | None:
        """Return the check's answer; None when there is no such check here."""
        if check_id not in self._seen:
            self._seen[check_id] = self._live.check(check_id)
        return self._seen[check_id]

    def settle(self, cause: str, action: str | None = None) -> Settled | None:
        """Say whether the live state confirms or excludes a cause; None leaves it open.

        Parameters
        ----------
        action
            The refused action; what is said of other actions is no evidence.
        """
        decider = DECIDERS.get(cause)
        if decider is None:
            return None
        other: tuple[str, ...] = ()
        for check_id in decider.confirms:
            failed = self._failed(check_id)
            if failed is None:
                continue
            said = [each for each in _said(failed, decider, action) if each.reason]
            telling = [each for each in said if each.reason in decider.reasons]
            if telling:
                return Settled("confirmed", _shown(failed, telling), _by_hand(failed))
            other += _shown(failed, said) if said else ()
        if other:
            return Settled("excluded", other)
        return self._passed(decider, action)

    def open_checks(self, causes: Iterable[str]) -> tuple[str, ...]:
        """Name the checks that would decide between the causes and have no answer."""
        lines = []
        for check_id in checks_for(causes):
            answer = self.get(check_id)
            if answer is None:
                lines.append(f"{check_id}: there is no such check here")
            elif answer.status == "unknown":
                lines.append(f"{check_id}: {'; '.join(answer.evidence) or 'unknown'}")
            elif answer.status == "manual":
                lines.append(f"{check_id}: a person said so, nobody looked")
        return tuple(map(mask, lines))

    def _failed(self, check_id: str) -> CheckResult | None:
        answer = self.get(check_id)
        return answer if answer is not None and answer.status == "fail" else None

    def _passed(self, decider: Decider, action: str | None) -> Settled | None:
        answers = [self.get(check_id) for check_id in decider.excludes or decider.confirms]
        evidence: tuple[str, ...] = ()
        for answer in answers:
            if answer is None or answer.status != "pass":
                return None
            said = _said(answer, decider, action)
            if decider.per_action and not said:
                return None
            evidence += _shown(answer, said)
        return Settled("excluded", evidence)


def checks_for(causes: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the checks that decide between the causes, each once."""
    deciders = (DECIDERS[cause] for cause in causes if cause in DECIDERS)
    return tuple(dict.fromkeys(check_id for each in deciders for check_id in each.checks))


def unasked(causes: Iterable[str]) -> tuple[str, ...]:
    """Say which checks would decide, when there is no live state to ask."""
    return tuple(f"{check_id}: the live state was not asked" for check_id in checks_for(causes))


@dataclass(frozen=True)
class _Said:
    """A line of a check that says one thing."""

    reason: str
    evidence: str
    action: str = ""


def _said(answer: CheckResult, decider: Decider, action: str | None) -> Sequence[SaidByCheck]:
    """Return what a check says, line by line; of one action where that is asked for."""
    said = answer.grounds or tuple(_Said(answer.reason, line) for line in answer.evidence or ("",))
    if not decider.per_action or not action:
        return said
    return [each for each in said if each.action.lower() == action.lower()]


def _by_hand(failed: CheckResult) -> str:
    """Return the fix of a check that a person has to mend, with the command for it."""
    pastes = getattr(failed, "pastes", ())
    if not pastes and not getattr(failed, "refused", ""):
        return ""
    fix = str(getattr(failed, "fix", ""))
    return mask(f"{fix}: {pastes[-1].text}" if pastes else fix)


def _shown(answer: CheckResult, said: Iterable[SaidByCheck]) -> tuple[str, ...]:
    lines = [f"check {answer.id}: {each.evidence}" for each in said if each.evidence]
    return tuple(map(mask, lines[:_MOST_LINES] or [f"check {answer.id}: {answer.status}"]))
