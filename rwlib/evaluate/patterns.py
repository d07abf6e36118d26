"""Wildcards and policy variables, compiled to regular expressions.

A pattern is parsed once into parts: literal text, the wildcards ``*`` and ``?``, and variables
such as ``${aws:username}``. Variables are filled in per request; their values are literal text,
a ``*`` in a value is no wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

Values = Mapping[str, tuple[str, ...]]
"""Context: lower-case condition key to its values, never empty."""


class Wild(Enum):
    """A wildcard character."""

    MANY = "*"
    ONE = "?"


class Variable(NamedTuple):
    """``${key}`` or ``${key, 'default'}``; the key in lower case."""

    key: str
    default: str | None


Part = str | Wild
Template = tuple[str | Wild | Variable, ...]

_TOKEN = re.compile(r"\$\{(?P<variable>[^}]*)\}|(?P<wild>[*?])", re.DOTALL)
_DEFAULT = re.compile(r"\s*(?P<key>[^,']*?)\s*,\s*'(?P<default>[^']*)'\s*", re.DOTALL)
_NEVER = re.compile(r"(?!)")


@lru_cache(maxsize=8192)
def parse(text: str, variables: bool, wildcards: bool = True) -> Template:
    """Split a policy string into literal text, wildcards and variables.

    ``${*}``, ``${?}`` and ``${$}`` stand for the character itself. Variables exist only in
    documents of version 2012-10-17; in older ones ``${…}`` is literal text.
    Source: IAM User Guide, "IAM policy elements: Variables and tags".
    """
    parts: list[str | Wild | Variable] = []
    literal: list[str] = []
    position = 0

    def push(part: Wild | Variable) -> None:
        if literal:
            parts.append("".join(literal))
            literal.clear()
        parts.append(part)

    for token in _TOKEN.finditer(text):
        wild = token["wild"]
        if wild is not None:
            if not wildcards:
                continue
            literal.append(text[position : token.start()])
            push(Wild(wild))
        else:
            if not variables:
                if not wildcards:
                    continue
                # Only the braces are literal: a wildcard between them is still a wildcard.
                literal.append(text[position : token.start()] + "${")
                for character in token["variable"]:
                    if character in "*?":
                        push(Wild(character))
                    else:
                        literal.append(character)
                literal.append("}")
                position = token.end()
                continue
            literal.append(text[position : token.start()])
            name = token["variable"]
            if name in ("*", "?", "$"):
                literal.append(name)
            else:
                push(_variable(name))
        position = token.end()
    literal.append(text[position:])
    rest = "".join(literal)
    if rest or not parts:
        parts.append(rest)
    return tuple(part for part in parts if part != "") or ("",)


def _variable(name: str) -> Variable:
    with_default = _DEFAULT.fullmatch(name)
    if with_default:
        return Variable(with_default["key"].lower(), with_default["default"])
    return Variable(name.strip().lower(), None)


def has_variables(template: Template) -> bool:
    """Whether a template depends on the request."""
    return any(isinstance(part, Variable) for part in template)


@lru_cache(maxsize=8192)
def variables_of(template: Template) -> frozenset[str]:
    """Name the keys that a template asks for, in lower case."""
    return frozenset(part.key for part in template if isinstance(part, Variable))


def fill(template: Template, values: Values) -> tuple[Part, ...] | None:
    """Put the request's values in place of the variables; ``None`` where one has no value.

    A key with several values cannot be a variable.
    Source: IAM User Guide, "Policy variables with no value" and "Single-valued vs. multivalued
    context keys".
    """
    parts: list[Part] = []
    for part in template:
        if isinstance(part, Variable):
            found = values.get(part.key, ())
            if len(found) == 1:
                parts.append(found[0])
            elif part.default is not None:
                parts.append(part.default)
            else:
                return None
        else:
            parts.append(part)
    return tuple(parts)


def unresolved(template: Template, values: Values) -> tuple[str, ...]:
    """Name the keys that `fill` found no value for."""
    return tuple(
        part.key
        for part in template
        if isinstance(part, Variable)
        and part.default is None
        and len(values.get(part.key, ())) != 1
    )


def text_of(parts: tuple[Part, ...]) -> str:
    """Write filled-in parts as text again, for the evidence."""
    return "".join(part.value if isinstance(part, Wild) else part for part in parts)


@lru_cache(maxsize=8192)
def glob(parts: tuple[Part, ...]) -> re.Pattern[str]:
    """Compile a pattern whose ``*`` matches any text and whose ``?`` matches one character."""
    return re.compile(_regex(parts, ".", ".*") + r"\Z", re.DOTALL)


def arn_fields(parts: tuple[Part, ...]) -> list[list[Part]]:
    """Divide an ARN pattern at its first five colons; a wildcard stays in its field."""
    fields: list[list[Part]] = [[]]
    for part in parts:
        if isinstance(part, Wild):
            fields[-1].append(part)
            continue
        first, *others = part.split(":", 6 - len(fields))
        fields[-1].append(first)
        fields.extend([other] for other in others)
    return fields


@lru_cache(maxsize=8192)
def arn_glob(parts: tuple[Part, ...], expand: bool) -> re.Pattern[str]:
    """Compile an ARN pattern: the first five fields keep their wildcards to themselves.

    With ``expand`` (the ``Resource`` element) a ``*`` that ends a field may run on past the
    colon, so ``arn:aws:s3:*`` covers every bucket. Without (the ARN condition operators) each of
    the six fields is compared on its own, and a pattern with fewer than six matches nothing.
    Source: IAM User Guide, "IAM JSON policy elements: Resource" and "Amazon Resource Name (ARN)
    condition operators".
    """
    fields = arn_fields(parts)
    if len(fields) < 6 and not expand:
        return _NEVER
    pieces = []
    for field in fields[:5]:
        ends_wild = expand and [part for part in field if part != ""][-1:] == [Wild.MANY]
        pieces.append(_regex(tuple(field), "[^:]", "[^:]*", ".*" if ends_wild else "[^:]*"))
    pieces.extend(_regex(tuple(field), ".", ".*") for field in fields[5:])
    return re.compile(":".join(pieces) + r"\Z", re.DOTALL)


def _regex(parts: tuple[Part, ...], one: str, many: str, last: str | None = None) -> str:
    """Translate parts; ``last`` stands for the final ``*`` where it differs.

    Between two stars the first place that fits is as good as any later one, so the search is
    made atomic: a pattern of many stars cannot take exponential time.
    """
    runs: list[str] = [""]
    for part in parts:
        if part is Wild.MANY:
            runs.append("")
        elif part is Wild.ONE:
            runs[-1] += one
        else:
            runs[-1] += re.escape(str(part))
    if len(runs) == 1:
        return runs[0]
    middle = "".join(f"(?>{many}?{run})" for run in runs[1:-1] if run)
    return f"{runs[0]}{middle}{last or many}{runs[-1]}"
