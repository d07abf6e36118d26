"""Does a statement cover the request, and if not, which of its elements does not?"""

from __future__ import annotations

from dataclasses import dataclass

from rwlib.evaluate.caller import Caller
from rwlib.evaluate.conditions import first_failure, holds, mismatch
from rwlib.evaluate.documents import Patterns, Statement
from rwlib.evaluate.model import Mismatch
from rwlib.evaluate.patterns import Values, arn_glob, fill, text_of
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

    caller: Caller
    action: str
    shown_action: str
    resource: str
    values: Values
    canonical_user: str | None
    has_boundary: bool


def covers(statement: Statement, subject: Subject) -> Grant:
    """Tell how a statement covers the request: `Grant.NONE` when it does not.

    A statement without a Principal element speaks of whoever its policy is attached to.
    """
    if not action_matches(statement.actions, subject.action):
        return Grant.NONE
    if statement.resources is not None and not resource_matches(statement.resources, subject):
        return Grant.NONE
    grant = Grant.DIRECT
    if statement.principals is not None:
        grant = _grant(statement.principals, statement.deny, subject)
        if grant is Grant.NONE:
            return grant
    if statement.conditions and first_failure(statement.conditions, subject.values) is not None:
        return Grant.NONE
    return grant


def action_matches(patterns: Patterns, action: str) -> bool:
    """Match an action in lower case: prefix and name are not case-sensitive."""
    found = (
        patterns.everything
        or action in patterns.exact
        or any(pattern.match(action) for pattern in patterns.compiled)
    )
    return found is not patterns.negated


def resource_matches(patterns: Patterns, subject: Subject) -> bool:
    """Match a resource, case-sensitively.

    A pattern with a variable that has no value matches no resource, under NotResource as well.
    """
    resource = subject.resource
    found = (
        patterns.everything
        or resource in patterns.exact
        or any(pattern.match(resource) for pattern in patterns.compiled)
    )
    if not found and patterns.templates:
        for template in patterns.templates:
            parts = fill(template, subject.values)
            if parts is not None and arn_glob(parts, True).match(resource):
                found = True
                break
    return found is not patterns.negated


def _grant(element: PrincipalElement, deny: bool, subject: Subject) -> Grant:
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


def mismatches(statement: Statement, subject: Subject) -> tuple[Mismatch, ...]:
    """List every element of a statement that does not fit the request."""
    found: list[Mismatch] = []
    actions, resources = statement.actions, statement.resources
    if not action_matches(actions, subject.action):
        hint = _pattern_hint("action", actions.negated, subject.shown_action)
        found.append(
            Mismatch(_name("Action", actions), actions.shown, (subject.shown_action,), hint)
        )
    if resources is not None and not resource_matches(resources, subject):
        wanted, unresolved = _shown_resources(resources, subject.values)
        hint = _pattern_hint("resource", resources.negated, subject.resource)
        if unresolved:
            hint += f"; the request has no {', '.join(unresolved)} to fill in the variable with"
        found.append(Mismatch(_name("Resource", resources), wanted, (subject.resource,), hint))
    element = statement.principals
    if element is not None and _grant(element, statement.deny, subject) is Grant.NONE:
        name = "NotPrincipal" if element.negated else "Principal"
        found.append(
            Mismatch(
                name, element.words(), _identities(subject), principal_hint(element, subject.caller)
            )
        )
    found.extend(
        mismatch(test, subject.values)
        for test in statement.conditions
        if not holds(test, subject.values)
    )
    return tuple(found)


def _identities(subject: Subject) -> tuple[str, ...]:
    caller = subject.caller
    if caller.kind == "session" and caller.entity_arn:
        return (caller.name, caller.entity_arn)
    return (caller.name,)


def _name(element: str, patterns: Patterns) -> str:
    return f"Not{element}" if patterns.negated else element


def _pattern_hint(noun: str, negated: bool, actual: str) -> str:
    if negated:
        article = "an" if noun == "action" else "a"
        return f"{article} {noun} that is not listed would match"
    return f'"{actual}" or a pattern for it would match'


def _shown_resources(patterns: Patterns, values: Values) -> tuple[tuple[str, ...], list[str]]:
    if not patterns.templates:
        return patterns.shown, []
    unresolved: list[str] = []
    filled: list[str] = [text for text in patterns.shown if "${" not in text]
    for template in patterns.templates:
        parts = fill(template, values)
        if parts is not None:
            filled.append(text_of(parts))
        else:
            unresolved.extend(
                part.key
                for part in template
                if isinstance(part, tuple) and part.default is None and part.key not in values
            )
    return tuple(filled), unresolved
