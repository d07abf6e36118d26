"""From the answers of single statements to the answer for the request."""

from __future__ import annotations

from dataclasses import dataclass

from rwlib.evaluate.documents import Compiled, Statement
from rwlib.evaluate.matching import Subject, covers, mismatches
from rwlib.evaluate.model import Layer, Reason
from rwlib.evaluate.principals import Grant


@dataclass(frozen=True, slots=True)
class Found:
    """What one layer says: its matching Deny and Allow statements, and the best grant."""

    layer: Layer
    policies: tuple[Compiled, ...]
    denies: tuple[tuple[Compiled, Statement], ...] = ()
    allows: tuple[tuple[Compiled, Statement, Grant], ...] = ()
    grant: Grant = Grant.NONE

    @property
    def allowed(self) -> bool:
        """Whether some Allow statement covers the request."""
        return self.grant is not Grant.NONE

    def denial(self) -> tuple[Reason, ...]:
        """Name the Deny statements that matched."""
        return tuple(
            _reason(self.layer, "denied", policy, statement) for policy, statement in self.denies
        )

    def approval(self, at_least: Grant = Grant.ACCOUNT) -> tuple[Reason, ...]:
        """Name the Allow statements that matched."""
        return tuple(
            _reason(self.layer, "allowed", policy, statement)
            for policy, statement, grant in self.allows
            if grant >= at_least
        )

    def shortfall(self, subject: Subject) -> tuple[Reason, ...]:
        """Explain why no Allow statement covers the request, nearest miss first."""
        found: list[tuple[tuple[bool, int], Reason]] = []
        for policy in self.policies:
            for statement in policy.statements:
                if statement.deny:
                    continue
                misses = mismatches(statement, subject)
                if misses:
                    nearness = (misses[0].element in ("Action", "NotAction"), len(misses))
                    reason = Reason(
                        self.layer,
                        "near-miss",
                        policy.index,
                        policy.name,
                        statement.index,
                        statement.sid,
                        misses,
                    )
                    found.append((nearness, reason))
        found.sort(key=lambda pair: pair[0])
        if not any(not s.deny for policy in self.policies for s in policy.statements):
            return (Reason(self.layer, "no-policy"),)
        return tuple(reason for _, reason in found)


def look(layer: Layer, policies: tuple[Compiled, ...], subject: Subject) -> Found:
    """Match every statement of a layer."""
    denies: list[tuple[Compiled, Statement]] = []
    allows: list[tuple[Compiled, Statement, Grant]] = []
    best = Grant.NONE
    for policy in policies:
        for statement in policy.statements:
            grant = covers(statement, subject)
            if grant is Grant.NONE:
                continue
            if statement.deny:
                denies.append((policy, statement))
            else:
                allows.append((policy, statement, grant))
                best = max(best, grant)
    return Found(layer, policies, tuple(denies), tuple(allows), best)


def _reason(layer: Layer, outcome: str, policy: Compiled, statement: Statement) -> Reason:
    return Reason(
        layer,
        "denied" if outcome == "denied" else "allowed",
        policy.index,
        policy.name,
        statement.index,
        statement.sid,
    )
