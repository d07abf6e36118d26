"""The condition operators: one comparison of a request's value with a policy's value each.

Every function takes the request's value and the policy's value, and answers whether they match
in the positive sense; the negated operators (``StringNotEquals`` …) are the same comparisons,
turned round by the caller.
Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Literal

Family = Literal["string", "like", "arn", "plain", "null"]
Compare = Callable[[str, str], bool]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?")
_YEAR = re.compile(r"(?P<year>\d{4})(-(?P<month>\d{2}))?")
_EPOCH = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Operator:
    """A condition operator without its set prefix and its ``IfExists``.

    ``family`` says how the policy's values are prepared: ``string`` and ``like`` and ``arn``
    take variables, the last two wildcards as well; ``plain`` ones are taken as they stand.
    """

    name: str
    family: Family
    compare: Compare | None = None
    negated: bool = False
    variables: bool = False


@lru_cache(maxsize=4096)
def number(text: str) -> Decimal | None:
    """Read an integer or decimal number; ``None`` when it is none."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=4096)
def moment(text: str) -> Decimal | None:
    """Read a date: a W3C form of ISO 8601, or seconds since 1970; ``None`` when it is neither.

    Four digits alone are a year, as in W3C's note. A time without a zone is UTC.
    """
    short = _YEAR.fullmatch(text)
    try:
        if short:
            found = datetime(int(short["year"]), int(short["month"] or 1), 1, tzinfo=UTC)
        elif _EPOCH.fullmatch(text):
            return Decimal(text)
        else:
            found = datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return _seconds(found)


def _seconds(when: datetime) -> Decimal:
    past = when - datetime(1970, 1, 1, tzinfo=UTC)
    return Decimal(past.days * 86400 + past.seconds) + Decimal(past.microseconds) / 1_000_000


@lru_cache(maxsize=4096)
def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Read an address range; one without a prefix length is that one address."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an IP address; ``None`` when it is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _same(actual: str, wanted: str) -> bool:
    return actual == wanted


def _same_ignoring_case(actual: str, wanted: str) -> bool:
    return actual.lower() == wanted.lower()


def _same_bool(actual: str, wanted: str) -> bool:
    lower = wanted.lower()
    return lower in ("true", "false") and actual.lower() == lower


def _same_bytes(actual: str, wanted: str) -> bool:
    if actual == wanted:
        return True
    left = _decoded(actual)
    return left is not None and left == _decoded(wanted)


def _inside(actual: str, wanted: str) -> bool:
    ip, net = address(actual), network(wanted)
    return ip is not None and net is not None and ip in net


def _numeric(test: Callable[[Decimal, Decimal], bool]) -> Compare:
    def compare(actual: str, wanted: str) -> bool:
        left, right = number(actual), number(wanted)
        return left is not None and right is not None and test(left, right)

    return compare


def _dated(test: Callable[[Decimal, Decimal], bool]) -> Compare:
    def compare(actual: str, wanted: str) -> bool:
        left, right = moment(actual), moment(wanted)
        return left is not None and right is not None and test(left, right)

    return compare


def _table() -> dict[str, Operator]:
    equal: Callable[[Decimal, Decimal], bool] = lambda left, right: left == right  # noqa: E731
    operators = [
        Operator("StringEquals", "string", _same, variables=True),
        Operator("StringNotEquals", "string", _same, negated=True, variables=True),
        Operator("StringEqualsIgnoreCase", "string", _same_ignoring_case, variables=True),
        Operator("StringNotEqualsIgnoreCase", "string", _same_ignoring_case, True, True),
        Operator("StringLike", "like", variables=True),
        Operator("StringNotLike", "like", negated=True, variables=True),
        Operator("Bool", "string", _same_bool, variables=True),
        Operator("BinaryEquals", "plain", _same_bytes),
        Operator("IpAddress", "plain", _inside),
        Operator("NotIpAddress", "plain", _inside, negated=True),
        Operator("Null", "null"),
    ]
    for name in ("ArnEquals", "ArnLike"):
        operators.append(Operator(name, "arn", variables=True))
    for name in ("ArnNotEquals", "ArnNotLike"):
        operators.append(Operator(name, "arn", negated=True, variables=True))
    for prefix, make in (("Numeric", _numeric), ("Date", _dated)):
        operators.extend(
            (
                Operator(f"{prefix}Equals", "plain", make(equal)),
                Operator(f"{prefix}NotEquals", "plain", make(equal), negated=True),
                Operator(f"{prefix}LessThan", "plain", make(lambda left, right: left < right)),
                Operator(f"{prefix}LessThanEquals", "plain", make(lambda a, b: a <= b)),
                Operator(f"{prefix}GreaterThan", "plain", make(lambda left, right: left > right)),
                Operator(f"{prefix}GreaterThanEquals", "plain", make(lambda a, b: a >= b)),
            )
        )
    return {operator.name.lower(): operator for operator in operators}


OPERATORS = _table()
"""Operators by lower-case name."""
