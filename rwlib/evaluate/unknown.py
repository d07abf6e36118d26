"""Evaluation when the values of some condition keys are not known.

Two evaluations bound the answer: one in which every statement that hangs on an unknown key counts
for more access, one in which it counts for less. Where they agree, the answer holds whatever the
keys are. Where they do not, one value of each class of values (`rwlib.evaluate.values`) is tried
for each key, in every combination; that decides exactly. Where there are too many combinations,
or a key's values cannot be divided into classes, the answer is that it depends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import Any

from rwlib.evaluate.caller import RequestCaller
from rwlib.evaluate.conditions import Test, hangs_on, without_variables
from rwlib.evaluate.documents import PolicyStatement, compile_levels, compile_policies
from rwlib.evaluate.elements import Patterns, resource_matches
from rwlib.evaluate.matching import Subject, may_cover, open_keys
from rwlib.evaluate.model import Decision, Policies, Request, Unknown
from rwlib.evaluate.patterns import Template, Values, variables_of
from rwlib.evaluate.values import (
    Uses,
    ValueCell,
    cells,
    could_be,
    could_match,
    inserted_texts,
    parts_that_fit,
)
from rwlib.evaluate.weighing import decide, subject_of

_COMPLETE_KEYS = 3
_MOST_COMBINATIONS = 3000
_MOST_COMPLETE = 60_000
_ANYTHING = Unknown()


def evaluate_unknown(
    request: Request, policies: Policies, unknown: Mapping[str, Unknown | None] | Collection[str]
) -> Decision:
    """Decide about a request some of whose keys are unknown; see `rwlib.evaluate.evaluate`."""
    caller, subject, account = subject_of(request, policies)
    policies = _written(policies)
    known_of = _described(unknown)
    spelled = {key.lower(): key for key in unknown}
    statements = list(_statements(policies, subject))
    names = _names(statements, known_of, spelled, subject)
    values = {key: value for key, value in subject.values.items() if key not in names}
    subject = replace(
        subject,
        values=values,
        unknown=frozenset(names),
        open=frozenset(names),
        lines=_possible_lines(statements, names, values),
    )
    deciding = _Deciding(policies, caller, subject, account)
    certain = deciding.certain(subject)
    if certain is not None:
        return certain
    return _divide(deciding, statements, names)


@dataclass(frozen=True)
class _Deciding:
    """The policies and the caller, asked about one subject after the other."""

    policies: Policies
    caller: RequestCaller
    subject: Subject
    account: str | None

    def certain(self, subject: Subject) -> Decision | None:
        """Return the decision when it is the same whatever the unknown keys are."""
        shut = self._decide(replace(subject, lean="shut"))
        if shut.allowed or not (subject.unknown or subject.open):
            return shut
        opened = self._decide(replace(subject, lean="open"))
        return None if opened.allowed else opened

    def _decide(self, subject: Subject) -> Decision:
        return decide(self.policies, self.caller, subject, self.account)


def _written(policies: Policies) -> Policies:
    """Write every document as the text by which its statements are remembered, once."""

    def text(given: Any) -> Any:
        if isinstance(given, Mapping):
            with suppress(TypeError, ValueError, RecursionError):
                return json.dumps(given)
        elif isinstance(given, (list, tuple)):
            entries = [text(each) for each in given]
            return tuple(entries) if isinstance(given, tuple) else entries
        return given

    return Policies(**{each.name: text(getattr(policies, each.name)) for each in fields(policies)})


def _described(
    unknown: Mapping[str, Unknown | None] | Collection[str],
) -> dict[str, Unknown | None]:
    if isinstance(unknown, Mapping):
        return {key.lower(): about for key, about in unknown.items()}
    return {key.lower(): _ANYTHING for key in unknown}


def _statements(policies: Policies, subject: Subject) -> Iterator[PolicyStatement]:
    """Yield every statement of every policy that may concern the request."""
    trust = subject.action.startswith("sts:")
    for level in (
        *compile_levels(policies.scps, "scp"),
        *compile_levels(policies.rcps, "rcp"),
        compile_policies(policies.resource, "trust" if trust else "resource"),
        compile_policies(policies.identity, "identity"),
        compile_policies(policies.boundary, "boundary"),
        compile_policies(policies.session, "session"),
    ):
        for policy in level:
            yield from policy.statements


@dataclass
class _Name:
    """An unknown key that a policy names: as it is written there, and what is known of it."""

    shown: str
    about: Unknown
    tests: list[Test] = field(default_factory=list)
    inserted: list[tuple[tuple[str, ...], bool]] = field(default_factory=list)
    divisible: bool = True
    bounded: bool = False

    @property
    def used(self) -> bool:
        """Whether a value of the key alone can decide something."""
        return bool(self.tests or self.inserted)


def _names(
    statements: Iterable[PolicyStatement],
    known_of: Mapping[str, Unknown | None],
    spelled: Mapping[str, str],
    subject: Subject,
) -> dict[str, _Name]:
    """Return the unknown keys that the policies name; only these can matter."""
    families = {key[:-1]: about for key, about in known_of.items() if key.endswith("*")}
    families = {start: families[start] for start in sorted(families, key=len, reverse=True)}
    names: dict[str, _Name] = {}

    def add(key: str, shown: str) -> None:
        about = known_of.get(key)
        if key not in known_of and key not in subject.values:
            about = next((each for start, each in families.items() if key.startswith(start)), None)
        usual = spelled.get(key, key)
        if about is not None and (key not in names or names[key].shown == usual):
            names[key] = _Name(usual if shown == key else shown, about)

    for statement in statements:
        for test in statement.conditions:
            for key in hangs_on(test):
                add(key, test.shown_key if key == test.key else key)
        if statement.resources is not None:
            for template in statement.resources.templates:
                for key in variables_of(template):
                    add(key, key)
    return names


def _possible_lines(
    statements: Iterable[PolicyStatement], names: Mapping[str, _Name], values: Values
) -> dict[Test, Test]:
    """Take from the lines on two or more unknown keys the values that can match none of theirs."""
    known_of = {key: name.about for key, name in names.items()}
    found: dict[Test, Test] = {}
    for statement in statements:
        for test in statement.conditions:
            if test.operator.family not in ("string", "like", "arn") or test in found:
                continue
            if len(hangs_on(test) & known_of.keys()) < 2:
                continue
            about = known_of.get(test.key, Unknown())
            texts = about.like if test.key in known_of else values.get(test.key, ())
            kept = tuple(
                each
                for each in test.templates
                if not variables_of(each) & known_of.keys()
                or could_match(each, texts, about, known_of)
            )
            if len(kept) < len(test.templates):
                found[test] = replace(test, templates=kept)
    return found


def _divide(
    deciding: _Deciding, statements: Sequence[PolicyStatement], names: Mapping[str, _Name]
) -> Decision:
    subject = deciding.subject
    relevant = _uses(statements, names, subject)
    divided: dict[str, tuple[ValueCell, ...]] = {}
    for key, name in relevant.items():
        uses = Uses(tuple(dict.fromkeys(name.tests)), tuple(name.inserted))
        alone = name.divisible and name.used
        found = cells(key, uses, name.about, subject.values) if alone else None
        if found is not None:
            divided[key] = _distinct(key, found)
    combinations = 1
    for found in divided.values():
        combinations *= len(found)
    most = _MOST_COMPLETE if len(relevant) <= _COMPLETE_KEYS else _MOST_COMBINATIONS
    if not divided or combinations > most:
        return _depends(deciding, relevant, list(relevant), ())
    return _try_all(deciding, relevant, divided)


def _uses(
    statements: Iterable[PolicyStatement], names: Mapping[str, _Name], subject: Subject
) -> dict[str, _Name]:
    """Return the unknown keys on which a statement that may cover the request hangs, with how."""
    uses: dict[str, _Name] = {}

    def of(key: str) -> _Name:
        if key not in uses:
            uses[key] = _Name(names[key].shown, names[key].about)
        return uses[key]

    for statement in statements:
        _, hangs = may_cover(statement, subject)
        if not hangs:
            continue
        for test in statement.conditions:
            _note_test(test, subject, of)
        for template in statement.resources.templates if statement.resources else ():
            keys = variables_of(template) & subject.unknown
            for key in keys:
                parts = _parts_for(template, key, subject) if len(keys) == 1 else None
                _insert(of(key), None if parts is None else (parts, False))
    return uses


def _note_test(test: Test, subject: Subject, of: Callable[[str], _Name]) -> None:
    """Note how a line of a condition hangs on the unknown keys.

    A line on two or more of them divides the values of its own key as far as the policy's values
    without the others tell them apart; the others bound it.
    """
    test = subject.lines.get(test, test)
    others = open_keys(test, subject)
    if test.key in subject.unknown:
        of(test.key).tests.append(without_variables(test, others))
        of(test.key).bounded |= bool(others)
    elif not others or test.key not in subject.values:
        # Nothing is compared, so what fills in the variables does not matter.
        return
    elif len(others) == 1:
        (key,) = others
        found, name = inserted_texts(test, key, subject.values), of(key)
        if found is None or any(could_be(name.about, text) for text in found[0]):
            _insert(name, found)
        return
    for key in others:
        of(key).bounded = True


def _insert(name: _Name, texts: tuple[tuple[str, ...], bool] | None) -> None:
    """Note the texts that make a pattern with the key's variable match; None for no such list."""
    if texts is None or name.about.many:
        name.divisible = False
    else:
        name.inserted.append(texts)


def _parts_for(template: Template, key: str, subject: Subject) -> tuple[str, ...] | None:
    """Return the values of a variable that make a resource's pattern match the request's."""
    alone = Patterns((key,), False, False, frozenset(), (), (template,))

    def fits(text: str) -> bool:
        return resource_matches(alone, subject.resource, {**subject.values, key: (text,)})

    return parts_that_fit(subject.resource, fits)


def _distinct(key: str, found: Iterable[ValueCell]) -> tuple[ValueCell, ...]:
    return tuple({each.values: each for each in found}.values())


def _try_all(
    deciding: _Deciding, relevant: Mapping[str, _Name], divided: Mapping[str, tuple[ValueCell, ...]]
) -> Decision:
    subject = deciding.subject
    keys = list(divided)
    rest = subject.unknown - set(keys)
    outcomes: dict[tuple[int, ...], bool | None] = {}
    allowed: list[tuple[tuple[int, ...], Decision]] = []
    refused: list[Decision] = []

    def assign(chosen: tuple[int, ...]) -> None:
        """Try values of the first keys; of the others only where those do not decide."""
        given = {key: divided[key][index].values for key, index in zip(keys, chosen, strict=False)}
        values = {**subject.values, **{key: each for key, each in given.items() if each}}
        left = keys[len(chosen) :]
        decision = None
        if chosen:
            tried = replace(subject, values=values, unknown=rest.union(left))
            decision = deciding.certain(tried)
        if decision is None and left:
            for index in range(len(divided[left[0]])):
                assign((*chosen, index))
            return
        for more in product(*(range(len(divided[key])) for key in left)):
            outcomes[*chosen, *more] = None if decision is None else decision.allowed
            if decision is not None and decision.allowed:
                allowed.append(((*chosen, *more), decision))
        if decision is not None and not decision.allowed:
            refused.append(decision)

    assign(())
    if len(allowed) == len(outcomes):
        return allowed[0][1]
    if all(each is False for each in outcomes.values()):
        mild = [each for each in refused if each.effect == "implicit-deny"]
        return (mild or refused)[0]
    matters = _mattering(outcomes, [len(divided[key]) for key in keys])
    deciders = [key for key, does in zip(keys, matters, strict=True) if does]
    if None in outcomes.values():
        left = [key for key, name in relevant.items() if name.bounded or key not in divided]
        deciders += [key for key in left if key not in deciders]
    ways: dict[tuple[tuple[str, str], ...], int] = {}
    for choice, _ in allowed:
        cells = [
            (relevant[key].shown, divided[key][index])
            for key, index, does in zip(keys, choice, matters, strict=True)
            if does
        ]
        way = tuple((shown, cell.words) for shown, cell in cells)
        ways.setdefault(way, sum(cell.excludes for _, cell in cells))
    # Those first that name a value rather than what a value must not be.
    named_first = sorted(ways, key=ways.__getitem__)
    return _depends(deciding, relevant, deciders, [dict(way) for way in named_first])


def _mattering(outcomes: Mapping[tuple[int, ...], object], sizes: Sequence[int]) -> list[bool]:
    """Tell of each key whether another value of it alone can change the outcome."""

    def differs(choice: tuple[int, ...], position: int, other: int) -> bool:
        changed = (*choice[:position], other, *choice[position + 1 :])
        return outcomes[choice] is not outcomes[changed]

    return [
        any(
            differs(choice, position, other)
            for choice in outcomes
            if choice[position] == 0
            for other in range(1, size)
        )
        for position, size in enumerate(sizes)
    ]


def _depends(
    deciding: _Deciding,
    relevant: Mapping[str, _Name],
    deciders: Sequence[str],
    ways: Sequence[Mapping[str, str]],
) -> Decision:
    subject = deciding.subject
    shut = decide(
        deciding.policies, deciding.caller, replace(subject, lean="shut"), deciding.account
    )
    keys = tuple(relevant[key].shown for key in deciders)
    return replace(shut, effect="depends", depends_on=keys, would_allow=tuple(ways))
