"""Does a statement cover the request, and if not, which of its elements does not?"""

from __future__ import annotations

from dataclasses import dataclass

from rwlib.evaluate.caller import RequestCaller
from rwlib.evaluate.conditions import all_hold, holds, mismatch
from rwlib.evaluate.documents import PolicyStatement
from rwlib.evaluate.elements import Patterns, action_matches, filled_in, resource_matches
from rwlib.evaluate.model import Mismatch
from rwlib.evaluate.patterns import Values
from rwlib.evaluate.principals import (
    Grant,
    PrincipalElement,
    not_principal_applies,
    principal_grant,
    principal_hint,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """The request in the form that statements are matched against.

    ``action`` is in lower case, ``has_boundary`` matters to NotPrincipal alone.
    """

    caller: RequestCaller
    action: str
    shown_action: str
    resource: str
    values: Values
    canonical_user: str | None
    has_boundary: bool


def covers(statement: PolicyStatement, subject: Subject) -> Grant:
    """Tell how a statement covers the request: `Grant.NONE` when it does not.

    A statement without a Principal element speaks of whoever its policy is attached to.
    """
    if not action_matches(statement.actions, subject.action):
        return Grant.NONE
    resources = statement.resources
    if resources is not None and not resource_matches(resources, subject.resource, subject.values):
        return Grant.NONE
    grant = Grant.DIRECT
    if statement.principals is not None:
        grant = grant_of(statement.principals, statement.deny, subject)
        if grant is Grant.NONE:
            return grant
    if statement.conditions and not all_hold(statement.conditions, subject.values):
        return Grant.NONE
    return grant


def grant_of(element: PrincipalElement, deny: bool, subject: Subject) -> Grant:
    """Tell how a Principal or NotPrincipal element covers the caller."""
    if not element.negated:
        return principal_grant(element, subject.caller, subject.canonical_user)
    applies = not_principal_applies(
        element,
        subject.caller,
        subject.canonical_user,
        deny=deny,
        has_boundary=subject.has_boundary,
    )
    return Grant.DIRECT if applies else Grant.NONE


def mismatches(statement: PolicyStatement, subject: Subject) -> tuple[Mismatch, ...]:
    """List every element of a statement that does not fit the request."""
    found: list[Mismatch] = []
    actions, resources, element = statement.actions, statement.resources, statement.principals
    if not action_matches(actions, subject.action):
        asked = subject.shown_action
        found.append(_mismatch("Action", actions, actions.shown, asked, ()))
    if resources is not None and not resource_matches(resources, subject.resource, subject.values):
        wanted, missing = filled_in(resources, subject.values)
        found.append(_mismatch("Resource", resources, wanted, subject.resource, missing))
    if element is not None and grant_of(element, statement.deny, subject) is Grant.NONE:
        name = "NotPrincipal" if element.negated else "Principal"
        hint = principal_hint(element, subject.caller)
        found.append(Mismatch(name, element.words(), _identities(subject.caller), hint))
    found.extend(
        mismatch(test, subject.values)
        for test in statement.conditions
        if not holds(test, subject.values)
    )
    return tuple(found)


def _mismatch(
    element: str,
    patterns: Patterns,
    wanted: tuple[str, ...],
    actual: str,
    missing: tuple[str, ...],
) -> Mismatch:
    if not patterns.shown:
        hint = "an empty list matches nothing"
    elif patterns.negated:
        hint = "only what is not listed would match"
    else:
        hint = f'"{actual}" or a pattern for it would match'
    if missing:
        hint += f"; the request has no {', '.join(missing)} to fill in the variable with"
    name = f"Not{element}" if patterns.negated else element
    return Mismatch(name, wanted, (actual,), hint)


def _identities(caller: RequestCaller) -> tuple[str, ...]:
    if caller.kind == "session" and caller.entity_arn:
        return (caller.name, caller.entity_arn)
    return (caller.name,)
