"""The Condition element."""

from __future__ import annotations

import base64
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal

from rwlib.errors import InputError
from rwlib.evaluate.model import Mismatch
from rwlib.evaluate.operators import OPERATORS, Operator
from rwlib.evaluate.patterns import (
    Part,
    Template,
    Values,
    arn_glob,
    fill,
    glob,
    parse,
    text_of,
    unresolved,
    variables_of,
)

SetOperator = Literal["ForAllValues", "ForAnyValue"]
_SETS: dict[str, SetOperator] = {"forallvalues": "ForAllValues", "foranyvalue": "ForAnyValue"}


@dataclass(frozen=True, slots=True)
class Test:
    """One operator, one key, and the values that it may have: a line of a Condition element."""

    shown_operator: str
    shown_key: str
    key: str
    operator: Operator
    set_operator: SetOperator | None
    if_exists: bool
    templates: tuple[Template, ...]


def compile_conditions(element: object, where: str, variables: bool) -> tuple[Test, ...]:
    """Check a Condition element and prepare it.

    Raises
    ------
    InputError
        It is no map of operators to maps of keys, or an operator does not exist.
    """
    if not isinstance(element, Mapping):
        raise InputError(where, element, "must map operators to condition keys")
    tests: list[Test] = []
    for operator_name, keys in element.items():
        operator, set_operator, if_exists = _operator(operator_name, where)
        if not isinstance(keys, Mapping):
            raise InputError(f"{where}.{operator_name}", keys, "must map condition keys to values")
        for key, given in keys.items():
            values = given if isinstance(given, list) else [given]
            wildcards = operator.family in ("like", "arn")
            templates = tuple(
                parse(
                    _policy_value(value, f"{where}.{operator_name}.{key}"),
                    variables and operator.variables,
                    wildcards,
                )
                for value in values
            )
            tests.append(
                Test(operator_name, key, key.lower(), operator, set_operator, if_exists, templates)
            )
    return tuple(tests)


def _operator(name: str, where: str) -> tuple[Operator, SetOperator | None, bool]:
    prefix, colon, rest = name.partition(":")
    base = (rest if colon else name).lower()
    set_operator = _SETS.get(prefix.lower()) if colon else None
    if_exists = base.endswith("ifexists")
    base = base.removesuffix("ifexists")
    operator = OPERATORS.get(base)
    if operator is None or (colon and set_operator is None):
        near = difflib.get_close_matches(base, OPERATORS, n=1)
        hint = f"; did you mean {OPERATORS[near[0]].name}?" if near else ""
        raise InputError(where, name, f"is not a condition operator of IAM{hint}")
    if operator.family == "null" and if_exists:
        raise InputError(
            where,
            name,
            "does not exist: Null takes no IfExists; write Null",
            reason="does_not_exist",
        )
    return operator, set_operator, if_exists


def _policy_value(value: object, where: str) -> str:
    text = _scalar(value)
    if text is None:
        raise InputError(where, value, "must be a string, number or boolean, or a list of them")
    return text


def _scalar(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return re.sub(r"\.0\Z", "", repr(value))
    return None


def context_values(key: str, value: Any) -> tuple[str, ...]:
    """Write a context value as the strings that IAM compares; empty when there is none.

    Raises
    ------
    InputError
        The value is neither a string, number, boolean, date, address, bytes, nor a list of them.
    """
    if isinstance(value, str):
        return (value,)
    if value is None:
        return ()
    if isinstance(value, (list, tuple, set, frozenset)):
        members = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return tuple(_context_value(key, member) for member in members if member is not None)
    return (_context_value(key, value),)


def _context_value(key: str, value: object) -> str:
    text = _scalar(value)
    if text is not None:
        return text
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (IPv4Address, IPv6Address)):
        return str(value)
    raise InputError(
        f"context.{key}", value, "must be a string, number, boolean or date, or a list of them"
    )


def hangs_on(test: Test) -> frozenset[str]:
    """Name the keys on whose values a line of a Condition element hangs, in lower case."""
    if test.operator.family == "null" and test.set_operator is not None:
        return frozenset()
    keys = frozenset((test.key,))
    if not test.operator.variables:
        return keys
    return keys.union(*(variables_of(template) for template in test.templates))


def without_variables(test: Test, keys: frozenset[str] | set[str]) -> Test:
    """Leave out the values of a line in which one of these keys is a variable."""
    kept = tuple(each for each in test.templates if not variables_of(each) & keys)
    return test if len(kept) == len(test.templates) else replace(test, templates=kept)


def may_hold(test: Test, open_keys: frozenset[str] | set[str], values: Values) -> bool | None:
    """Evaluate one line whose variables of ``open_keys`` may stand for any text.

    None where they decide: a value of the policy with such a variable may match whatever it is
    compared with, or nothing; where both give the same, that is what the line is.
    """
    at_least = without_variables(test, open_keys)
    actual = values.get(test.key, ())
    least = holds(at_least, values)
    if at_least is test or not actual or (test.set_operator and not any(actual)):
        return least
    alone = test.set_operator is not None or len(actual) == 1
    most = alone and not test.operator.negated
    return least if most is least else None


def all_hold(tests: tuple[Test, ...], values: Values) -> bool:
    """Evaluate a whole Condition element: every line must be true."""
    return all(holds(test, values) for test in tests)


def holds(test: Test, values: Values) -> bool:
    """Evaluate one line of a Condition element.

    A missing key: false, but true for a negated operator, for ``IfExists`` and for
    ``ForAllValues``; ``ForAnyValue`` is false whatever stands behind it, ``IfExists`` included.
    Several values of a key are compared only by a set operator, without one nothing matches.
    Source: IAM User Guide, "Condition operators" and "Single-valued vs. multivalued context keys".
    """
    actual = values.get(test.key, ())
    operator = test.operator
    if operator.family == "null":
        if test.set_operator is not None:
            # Source: Access Analyzer policy check reference, "Null with qualifier".
            return test.set_operator == "ForAllValues"
        absent = "false" if actual else "true"
        return any(text_of(_plain(wanted)).lower() == absent for wanted in test.templates)
    if not actual:
        if test.set_operator is not None:
            return test.set_operator == "ForAllValues"
        return test.if_exists or operator.negated
    if test.set_operator is None:
        return len(actual) == 1 and _matches(test, actual[0], values) is not operator.negated
    if not any(actual):
        # "A null dataset, such as an empty string": nothing to compare.
        return test.set_operator == "ForAllValues"
    results = (_matches(test, value, values) is not operator.negated for value in actual)
    return all(results) if test.set_operator == "ForAllValues" else any(results)


def _matches(test: Test, actual: str, values: Values) -> bool:
    """Tell whether a value of the request matches any value of the policy, negation aside."""
    family, compare = test.operator.family, test.operator.compare
    for template in test.templates:
        parts = fill(template, values) if test.operator.variables else _plain(template)
        if parts is None:
            # A variable without a value equals nothing and is like nothing.
            continue
        if compare is not None:
            if compare(actual, text_of(parts)):
                return True
        elif (glob(parts) if family == "like" else arn_glob(parts, False)).match(actual):
            return True
    return False


def _plain(template: Template) -> tuple[Part, ...]:
    return tuple(part for part in template if not isinstance(part, tuple))


def mismatch(test: Test, values: Values) -> Mismatch:
    """Describe a line that is not true."""
    wanted: list[str] = []
    missing: list[str] = []
    for template in test.templates:
        parts = fill(template, values) if test.operator.variables else _plain(template)
        if parts is None:
            missing.extend(unresolved(template, values))
        else:
            wanted.append(text_of(parts))
    actual = values.get(test.key)
    return Mismatch(
        "Condition",
        tuple(wanted),
        actual or None,
        _hint(test, tuple(wanted), actual or (), missing),
        test.shown_operator,
        test.shown_key,
    )


def _hint(test: Test, wanted: tuple[str, ...], actual: tuple[str, ...], missing: list[str]) -> str:
    listed = " or ".join(f'"{value}"' for value in wanted) or "nothing"
    if missing:
        return f"the request has no {', '.join(missing)} to fill in the variable with"
    if test.operator.family == "null":
        if test.set_operator:
            return "ForAnyValue:Null is never true; write Null"
        return f"it matches when {test.shown_key} is {'absent' if actual else 'present'}"
    if len(actual) > 1 and test.set_operator is None:
        return (
            "several values are compared only with ForAnyValue or ForAllValues before the operator"
        )
    if not test.templates:
        return "an empty list of values matches nothing"
    if not actual:
        return f"the request would have to send {test.shown_key} as {listed}"
    if test.operator.negated:
        return f"{test.shown_key} other than {listed} would match"
    if len(wanted) == 1 and test.operator.family == "plain":
        return f"{test.shown_key} would have to satisfy {test.shown_operator} {listed}"
    like = "like " if test.operator.compare is None else ""
    return f"{test.shown_key} {like}{listed} would match"
