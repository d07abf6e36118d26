"""What one kind of policy says about a request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from rwlib.evaluate.documents import Compiled, PolicyStatement
from rwlib.evaluate.matching import Subject, covers, mismatches
from rwlib.evaluate.model import Layer, Reason
from rwlib.evaluate.principals import Grant, not_principal_caution, not_principal_note


@dataclass(frozen=True, slots=True)
class LayerMatch:
    """The statements of one layer that cover the request, and the best grant among them.

    ``note`` tells which level of the organization this is.
    """

    layer: Layer
    policies: tuple[Compiled, ...]
    subject: Subject
    denies: tuple[tuple[Compiled, PolicyStatement], ...] = ()
    allows: tuple[tuple[Compiled, PolicyStatement, Grant], ...] = ()
    grant: Grant = Grant.NONE
    note: str = ""

    @property
    def allowed(self) -> bool:
        """Whether some Allow statement covers the request."""
        return self.grant is not Grant.NONE

    def denial(self) -> tuple[Reason, ...]:
        """Name the Deny statements that matched."""
        return tuple(
            self._reason("denied", policy, statement, self._why(statement))
            for policy, statement in self.denies
        )

    def approval(self, at_least: Grant = Grant.ACCOUNT) -> tuple[Reason, ...]:
        """Name the Allow statements that matched, from a grade of directness upwards."""
        return tuple(
            self._reason("allowed", policy, statement, self.note)
            for policy, statement, grant in self.allows
            if grant >= at_least
        )

    def delegation(self) -> tuple[Reason, ...]:
        """Name the Allow statements that leave the decision to the caller's account."""
        note = "it names the account: an identity-based policy of the account must allow as well"
        return tuple(
            replace(self._reason("allowed", policy, statement, note), outcome="rule")
            for policy, statement, grant in self.allows
            if grant is Grant.ACCOUNT
        )

    def shortfall(self) -> tuple[Reason, ...]:
        """Explain why no Allow statement covers the request, nearest miss first."""
        near: list[tuple[tuple[bool, int], Reason]] = []
        statements = [(policy, each) for policy in self.policies for each in policy.statements]
        allows = [(policy, each) for policy, each in statements if not each.deny]
        if not allows:
            return (Reason(self.layer, "no-policy", note=self.note),)
        for policy, statement in allows:
            misses = mismatches(statement, self.subject)
            if misses:
                other_action = misses[0].element in ("Action", "NotAction")
                reason = Reason(
                    self.layer,
                    "near-miss",
                    policy.index,
                    policy.name,
                    statement.index,
                    statement.sid,
                    misses,
                    self.note,
                )
                near.append(((other_action, len(misses)), reason))
        near.sort(key=lambda pair: pair[0])
        return tuple(reason for _, reason in near)

    def cautions(self) -> tuple[str, ...]:
        """Name Deny statements that spare the caller in a way AWS's documentation warns of."""
        warnings: list[str] = []
        for policy in self.policies:
            for statement in policy.statements:
                element = statement.principals
                if not statement.deny or element is None or not element.negated:
                    continue
                misses = mismatches(statement, self.subject)
                if len(misses) == 1 and misses[0].element == "NotPrincipal":
                    text = not_principal_caution(element, self.subject.caller)
                    where = self._reason("denied", policy, statement, "").statement
                    warnings.extend([f"{where}: {text}"] if text else [])
        return tuple(warnings)

    def _why(self, statement: PolicyStatement) -> str:
        element, subject = statement.principals, self.subject
        if element is None or not element.negated:
            return self.note
        return not_principal_note(
            element, subject.caller, subject.canonical_user, subject.has_boundary
        )

    def _reason(
        self,
        outcome: Literal["allowed", "denied"],
        policy: Compiled,
        statement: PolicyStatement,
        note: str,
    ) -> Reason:
        return Reason(
            self.layer,
            outcome,
            policy.index,
            policy.name,
            statement.index,
            statement.sid,
            note=note,
        )


def look(
    layer: Layer, policies: tuple[Compiled, ...], subject: Subject, note: str = ""
) -> LayerMatch:
    """Match every statement of a layer."""
    denies: list[tuple[Compiled, PolicyStatement]] = []
    allows: list[tuple[Compiled, PolicyStatement, Grant]] = []
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
    return LayerMatch(layer, policies, subject, tuple(denies), tuple(allows), best, note)


def look_at_levels(
    layer: Layer, levels: tuple[tuple[Compiled, ...], ...], subject: Subject
) -> list[LayerMatch]:
    """Match every level of an organization, from the root down."""
    if len(levels) == 1:
        return [look(layer, levels[0], subject)]
    return [
        look(layer, level, subject, f"level {number} of {len(levels)}")
        for number, level in enumerate(levels, 1)
    ]
