"""What a change does to a policy document, statement by statement."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rwlib.steps import canonical, statements_of

Mark = Literal["added", "removed", "changed", "kept"]

_LISTS = {"attachment": "attached policies", "allowed principal": "allowed principals"}


@dataclass(frozen=True)
class ComparedStatement:
    """One statement before and after; empty text where there is none.

    Parameters
    ----------
    title
        The statement's Sid, or its number.
    """

    mark: Mark
    title: str
    before: str
    after: str


def compare_documents(before: Any, after: Any) -> tuple[ComparedStatement, ...]:
    """Pair the statements of two policy documents by Sid, then by equality.

    Never leaves a statement out: what has no partner is added or removed. The order is that of
    the document afterwards; removed statements stand at the end.
    """
    old, new = statements_of(before or {}), statements_of(after or {})
    rows: list[ComparedStatement] = []
    for number, statement in enumerate(new, 1):
        partner = _partner(statement, old)
        title = str(statement.get("Sid") or f"statement {number}")
        if partner is None:
            rows.append(ComparedStatement("added", title, "", _text(statement)))
            continue
        old.remove(partner)
        same = canonical(partner) == canonical(statement)
        rows.append(
            ComparedStatement(
                "kept" if same else "changed", title, _text(partner), _text(statement)
            )
        )
    rows += [
        ComparedStatement("removed", str(each.get("Sid") or "statement"), _text(each), "")
        for each in old
    ]
    return tuple(rows)


def documents_of(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield a heading and the two policy documents inside a change's ``before`` and ``after``."""
    if _is_policy(before) or _is_policy(after):
        yield "", before, after
        return
    for name in ("trust_policy",):
        left, right = (each.get(name) if isinstance(each, Mapping) else None
                       for each in (before, after))  # fmt: skip
        if _is_policy(left) or _is_policy(right):
            yield "Trust policy", left, right


def other_settings(before: Any, after: Any, resource: str = "") -> tuple[tuple[str, str, str], ...]:
    """Return name, before and after of everything in a change that is no policy document."""
    if _is_policy(before) or _is_policy(after):
        return ()
    if isinstance(before, list | tuple) or isinstance(after, list | tuple):
        name = _LISTS.get(resource, "entries")
        return ((name, ", ".join(map(str, before or ())), ", ".join(map(str, after or ()))),)
    left, right = (each if isinstance(each, Mapping) else {} for each in (before, after))
    names = [name for name in {**right, **left} if name != "trust_policy"]
    return tuple((name, _plain(left.get(name)), _plain(right.get(name))) for name in names)


def _is_policy(value: Any) -> bool:
    return isinstance(value, Mapping) and "Statement" in value


def _partner(statement: Mapping[str, Any], old: list[dict[str, Any]]) -> dict[str, Any] | None:
    sid = statement.get("Sid")
    by_sid = next((each for each in old if sid and each.get("Sid") == sid), None)
    equal = next((each for each in old if canonical(each) == canonical(statement)), None)
    return by_sid or equal


def _text(statement: Mapping[str, Any]) -> str:
    return json.dumps(statement, indent=2)


def _plain(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
