"""Policy documents: read, checked and prepared for evaluation."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rwlib.errors import InputError
from rwlib.evaluate.conditions import Test, compile_conditions
from rwlib.evaluate.elements import Patterns, compile_actions, compile_resources
from rwlib.evaluate.model import Document, GivenPolicy, Layer
from rwlib.evaluate.principals import PrincipalElement

_VERSIONS = ("2012-10-17", "2008-10-17")
TOP = ("Version", "Id", "Statement")
ELEMENTS = (
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
)
_PRINCIPAL_KINDS = ("AWS", "Service", "Federated", "CanonicalUser")


@dataclass(frozen=True, slots=True)
class PolicyStatement:
    """One statement, ready to be matched."""

    index: int
    sid: str | None
    deny: bool
    actions: Patterns
    resources: Patterns | None
    principals: PrincipalElement | None
    conditions: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """One document, ready to be matched."""

    index: int
    name: str | None
    statements: tuple[PolicyStatement, ...]


def compile_policies(
    given: GivenPolicy | Sequence[GivenPolicy] | None, layer: Layer
) -> tuple[Compiled, ...]:
    """Prepare one policy or a list of them.

    Raises
    ------
    InputError
        A document is not one that AWS would take.
    """
    if given is None:
        return ()
    policies: Sequence[Any] = given if isinstance(given, list) else [given]
    if isinstance(given, tuple) and not _is_named(given):
        policies = given
    return tuple(_compile(policy, layer, index) for index, policy in enumerate(policies))


def compile_levels(
    given: Sequence[GivenPolicy | Sequence[GivenPolicy]] | None, layer: Layer
) -> tuple[tuple[Compiled, ...], ...]:
    """Prepare service or resource control policies: a flat list is one level."""
    if given is None or (isinstance(given, (list, tuple)) and not given):
        return ()
    if isinstance(given, (str, Mapping)) or (isinstance(given, tuple) and _is_named(given)):
        return (compile_policies(given, layer),)
    nested = [isinstance(entry, list) for entry in given]
    if not any(nested):
        return (compile_policies(list(given), layer),)  # type: ignore[arg-type]
    if not all(nested):
        raise InputError(
            layer + "s", given, "must be one list of policies, or a list of lists, not a mixture"
        )
    return tuple(compile_policies(level, layer) for level in given)


def _is_named(entry: tuple[Any, ...]) -> bool:
    return (
        len(entry) == 2
        and isinstance(entry[0], str)
        and isinstance(entry[1], (str, Mapping))
        and not entry[0].lstrip().startswith("{")
    )


def _compile(policy: Any, layer: Layer, index: int) -> Compiled:
    name: str | None = None
    document: Document = policy
    if isinstance(policy, tuple) and _is_named(policy):
        name, document = policy
    where = f"{layer} policy {name or index + 1}"
    if isinstance(document, str):
        text = document
    elif isinstance(document, Mapping):
        try:
            text = json.dumps(document)
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(where, document, f"is not JSON: {error}") from error
    else:
        raise InputError(where, document, "must be a policy document: a JSON object or its text")
    return Compiled(index, name, _statements(text, layer, where))


@lru_cache(maxsize=2048)
def _statements(text: str, layer: Layer, where: str) -> tuple[PolicyStatement, ...]:
    document = _parsed(text, where)
    _known(document, TOP, where)
    version = document.get("Version", "2008-10-17")
    if version not in _VERSIONS:
        raise InputError(f"{where}, Version", version, 'must be "2012-10-17" or "2008-10-17"')
    if "Statement" not in document:
        raise InputError(where, text, "has no Statement; a policy needs a list of statements")
    statements = document["Statement"]
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list):
        raise InputError(f"{where}, Statement", statements, "must be a list of statements")
    variables = version == "2012-10-17"
    return tuple(
        _statement(statement, index, layer, f"{where}, statement {index + 1}", variables)
        for index, statement in enumerate(statements)
    )


def _parsed(text: str, where: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(where, twice, "is written twice in one block; keep one of them")
        return found

    try:
        document = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(where, text, f"is not JSON: {error.msg} at {place}") from error
    except RecursionError as error:
        raise InputError(where, text, "is nested too deeply for a policy") from error
    if not isinstance(document, dict):
        raise InputError(where, text, "must be a JSON object with a Statement")
    return document


def _known(block: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in block:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            near = near or [known for known in names if known.lower() == name.lower()]
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InputError(where, name, f"is not an element of a policy{hint}")


def _statement(
    given: Any, index: int, layer: Layer, where: str, variables: bool
) -> PolicyStatement:
    if not isinstance(given, dict):
        raise InputError(where, given, "must be a JSON object")
    _known(given, ELEMENTS, where)
    if given.get("Effect") not in ("Allow", "Deny"):
        raise InputError(
            f"{where}, Effect", given.get("Effect"), 'must be "Allow" or "Deny", in this case'
        )
    sid = given.get("Sid")
    if sid is not None and not isinstance(sid, str):
        raise InputError(f"{where}, Sid", sid, "must be a string")
    for name in ("Principal", "Action", "Resource"):
        if name in given and f"Not{name}" in given:
            raise InputError(where, name, f"and Not{name} exclude each other; keep one of them")
    actions = _strings(given, "Action", where)
    if actions is None:
        raise InputError(where, given, "has neither Action nor NotAction")
    resources = _strings(given, "Resource", where)
    on_resource = layer in ("resource", "trust", "rcp")
    if resources is None and not on_resource:
        raise InputError(where, given, "has neither Resource nor NotResource")
    return PolicyStatement(
        index,
        sid or None,
        given["Effect"] == "Deny",
        compile_actions(*actions),
        None if resources is None else compile_resources(*resources, variables),
        _principals(given, layer, where),
        compile_conditions(given["Condition"], f"{where}, Condition", variables)
        if "Condition" in given
        else (),
    )


def _strings(
    given: Mapping[str, Any], name: str, where: str
) -> tuple[tuple[str, ...], bool] | None:
    for element, negated in ((name, False), (f"Not{name}", True)):
        if element in given:
            value = given[element]
            values = value if isinstance(value, list) else [value]
            if not all(isinstance(text, str) for text in values):
                raise InputError(f"{where}, {element}", value, "must be a string or a list of them")
            return tuple(values), negated
    return None


def _principals(given: Mapping[str, Any], layer: Layer, where: str) -> PrincipalElement | None:
    element = next((name for name in ("Principal", "NotPrincipal") if name in given), None)
    if layer not in ("resource", "trust", "rcp"):
        if element is not None:
            raise InputError(
                f"{where}, {element}", given[element], "belongs in the policy of a resource only"
            )
        return None
    if element is None:
        raise InputError(where, given, "has no Principal; the policy of a resource needs one")
    value = given[element]
    negated = element == "NotPrincipal"
    if value == "*":
        return PrincipalElement((("*", "*"),), negated)
    if not isinstance(value, dict):
        raise InputError(
            f"{where}, {element}", value, 'must be "*" or map AWS, Service, … to names'
        )
    _known_kinds(value, f"{where}, {element}")
    entries: list[tuple[str, str]] = []
    for kind, names in value.items():
        listed = names if isinstance(names, list) else [names]
        if not all(isinstance(name, str) for name in listed):
            raise InputError(f"{where}, {element}.{kind}", names, "must be a string or a list")
        entries.extend((kind, name) for name in listed)
    return PrincipalElement(tuple(entries), negated)


def _known_kinds(value: Mapping[str, Any], where: str) -> None:
    for kind in value:
        if kind not in _PRINCIPAL_KINDS:
            raise InputError(
                where,
                kind,
                "is not a kind of principal; use AWS, Service, Federated, CanonicalUser",
            )
