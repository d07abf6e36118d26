"""The Action, NotAction, Resource and NotResource elements."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rwlib.evaluate.patterns import (
    Template,
    Values,
    Variable,
    arn_glob,
    fill,
    glob,
    has_variables,
    parse,
    text_of,
    unresolved,
)


@dataclass(frozen=True, slots=True)
class Patterns:
    """The values of one of these elements.

    ``exact`` and ``compiled`` need nothing from the request; ``templates`` hold variables.
    """

    shown: tuple[str, ...]
    negated: bool
    everything: bool
    exact: frozenset[str]
    compiled: tuple[re.Pattern[str], ...]
    templates: tuple[Template, ...] = ()


def compile_actions(shown: tuple[str, ...], negated: bool) -> Patterns:
    """Prepare actions; prefix and name are not case-sensitive."""
    lower = [text.lower() for text in shown]
    wild = [text for text in lower if "*" in text or "?" in text]
    return Patterns(
        shown,
        negated,
        "*" in lower,
        frozenset(text for text in lower if text not in wild),
        tuple(glob(fill(parse(text, False), {}) or ("",)) for text in wild if text != "*"),
    )


def compile_resources(shown: tuple[str, ...], negated: bool, variables: bool) -> Patterns:
    """Prepare resources, which are case-sensitive and may hold variables."""
    exact: list[str] = []
    compiled: list[re.Pattern[str]] = []
    templates: list[Template] = []
    for text in shown:
        template = parse(text, variables)
        if has_variables(template):
            if not _misplaced(template):
                templates.append(template)
            continue
        parts = fill(template, {}) or ("",)
        if len(parts) == 1 and isinstance(parts[0], str):
            exact.append(parts[0])
        elif text != "*":
            compiled.append(arn_glob(parts, True))
    return Patterns(
        shown, negated, "*" in shown, frozenset(exact), tuple(compiled), tuple(templates)
    )


def _misplaced(template: Template) -> bool:
    """Tell whether a variable stands before the fifth colon, where IAM fills in none.

    Source: IAM User Guide, "IAM policy elements: Variables and tags", Resource element.
    """
    colons = 0
    for part in template:
        if isinstance(part, Variable):
            return colons < 5
        if isinstance(part, str):
            colons += part.count(":")
    return False


def action_matches(patterns: Patterns, action: str) -> bool:
    """Match an action given in lower case.

    An empty list matches nothing, under NotAction as well.
    Source: IAM User Guide, "Access Analyzer policy check reference", "Empty array action".
    """
    found = (
        patterns.everything
        or action in patterns.exact
        or any(pattern.match(action) for pattern in patterns.compiled)
    )
    return found is not patterns.negated and bool(patterns.shown)


def resource_matches(patterns: Patterns, resource: str, values: Values) -> bool:
    """Match a resource.

    A pattern with a variable that has no value matches no resource, so under NotResource it
    excludes none. An empty list matches nothing, as for actions.
    """
    found = (
        patterns.everything
        or resource in patterns.exact
        or any(pattern.match(resource) for pattern in patterns.compiled)
    )
    if not found and patterns.templates:
        for template in patterns.templates:
            parts = fill(template, values)
            if parts is not None and arn_glob(parts, True).match(resource):
                found = True
                break
    return found is not patterns.negated and bool(patterns.shown)


def filled_in(patterns: Patterns, values: Values) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write the patterns for the evidence, variables filled in, and the keys without a value."""
    if not patterns.templates:
        return patterns.shown, ()
    filled = [text for text in patterns.shown if "${" not in text]
    missing: list[str] = []
    for template in patterns.templates:
        parts = fill(template, values)
        if parts is None:
            missing.extend(unresolved(template, values))
        else:
            filled.append(text_of(parts))
    return tuple(filled), tuple(missing)
