"""Does a statement cover the request, and if not, which of its elements does not?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from rwlib.evaluate.caller import RequestCaller
from rwlib.evaluate.conditions import Test, all_hold, hangs_on, holds, may_hold, mismatch
from rwlib.evaluate.documents import PolicyStatement
from rwlib.evaluate.elements import Patterns, action_matches, filled_in, resource_matches
from rwlib.evaluate.model import Mismatch
from rwlib.evaluate.patterns import Values, variables_of
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

    ``action`` is in lower case, ``has_boundary`` matters to NotPrincipal alone. ``unknown`` holds
    keys that may have any value: a statement that hangs on one of them counts as covering the
    request where that makes for more access (``lean`` is ``open``) or for less (``shut``).
    ``open`` holds the keys that may have any value where they are variables in a line on which two
    or more of them meet, also while single values of them are tried elsewhere. ``lines`` holds for
    a line the one without the values that cannot match, whatever the unknown keys are.
    """

    caller: RequestCaller
    action: str
    shown_action: str
    resource: str
    values: Values
    canonical_user: str | None
    has_boundary: bool
    unknown: frozenset[str] = frozenset()
    open: frozenset[str] = frozenset()
    lines: Mapping[Test, Test] = field(default_factory=dict)
    lean: Literal["open", "shut"] = "shut"


def covers(statement: PolicyStatement, subject: Subject) -> Grant:
    """Tell how a statement covers the request: `Grant.NONE` when it does not.

    A statement without a Principal element speaks of whoever its policy is attached to.
    """
    if subject.unknown or subject.open:
        grant, hangs = may_cover(statement, subject)
        return Grant.NONE if hangs and statement.deny is (subject.lean == "open") else grant
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


def may_cover(statement: PolicyStatement, subject: Subject) -> tuple[Grant, bool]:
    """Tell how a statement may cover the request, and whether that hangs on unknown keys.

    `Grant.NONE` and False: it does not, whatever the unknown keys are.
    """
    never = (Grant.NONE, False)
    if not action_matches(statement.actions, subject.action):
        return never
    hangs = False
    fits: bool | None
    if statement.resources is not None:
        fits = _may_fit(statement.resources, subject)
        if fits is False:
            return never
        hangs = fits is None
    grant = Grant.DIRECT
    if statement.principals is not None:
        grant = grant_of(statement.principals, statement.deny, subject)
        if grant is Grant.NONE:
            return never
    for test in statement.conditions:
        fits = _may_hold(test, subject)
        if fits is False:
            return never
        hangs = hangs or fits is None
    return grant, hangs


def open_keys(test: Test, subject: Subject) -> frozenset[str]:
    """Name the keys that may stand for any text where they are variables of a line.

    Where one line looks at two or more keys that have no value or may have any, single values of
    them do not stand for the others: the line is bounded instead.
    """
    met = hangs_on(test) & subject.open
    return (met if len(met) > 1 else met & subject.unknown) - {test.key}


def _may_hold(test: Test, subject: Subject) -> bool | None:
    """Evaluate a line of a condition; None where an unknown key decides."""
    if test.key in subject.unknown:
        return None
    test = subject.lines.get(test, test)
    return may_hold(test, open_keys(test, subject), subject.values)


def _may_fit(patterns: Patterns, subject: Subject) -> bool | None:
    """Match the resource; None where an unknown variable decides."""
    certain = tuple(
        template for template in patterns.templates if not variables_of(template) & subject.unknown
    )
    if len(certain) == len(patterns.templates):
        return resource_matches(patterns, subject.resource, subject.values)
    rest = replace(patterns, templates=certain)
    fits = resource_matches(rest, subject.resource, subject.values)
    # What the certain patterns match is matched; what they do not, an uncertain one may.
    return fits if fits is not patterns.negated else None


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
    misses: list[Mismatch] = []
    actions, resources, element = statement.actions, statement.resources, statement.principals
    if not action_matches(actions, subject.action):
        asked = subject.shown_action
        misses.append(_mismatch("Action", actions, actions.shown, asked, ()))
    if resources is not None and not resource_matches(resources, subject.resource, subject.values):
        wanted, missing = filled_in(resources, subject.values)
        misses.append(_mismatch("Resource", resources, wanted, subject.resource, missing))
    if element is not None and grant_of(element, statement.deny, subject) is Grant.NONE:
        name = "NotPrincipal" if element.negated else "Principal"
        hint = principal_hint(element, subject.caller)
        misses.append(Mismatch(name, element.words(), _identities(subject.caller), hint))
    misses.extend(
        mismatch(test, subject.values)
        for test in statement.conditions
        if not holds(test, subject.values)
    )
    return tuple(misses)


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
