"""Errors that repeat are one error with a count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rwlib.diagnose.patterns import byte_finder
from rwlib.diagnose.reader import Found, read_block
from rwlib.diagnose.records import leading_time, time_of
from rwlib.diagnose.stream import Block

# More distinct errors than this are counted, but no longer told apart by their resource.
MOST_GROUPS: Final = 1_000
_MOST_SHAPES: Final = 4_096

# What differs from one repetition to the next: never an account, a bucket or a role.
_VOLATILE: Final = byte_finder(
    r"[Ii][Dd](?:-2)?\"?[>:] ?\"?[\w/+=-]+",
    r"[Rr]id [\w/+=-]+",
    r"_id=\d+",
    r"/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}[^\s\",]*",
)
_JSON_TIME: Final = byte_finder(r"\"(?:@?timestamp|time|ts|eventTime)\" ?: ?\"?[^\",}]+")
_VARIABLE_PART: Final = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\d{4}-\d\d-\d\d|[0-9a-f]{16,}|\d+"
)

# What a failure to load credentials comes from: where one of these is said, the failure that
# follows from it is no error of its own.
_LOADING: Final = frozenset(
    (
        "assume_role_denied",
        "explicit_deny",
        "no_base_credentials",
        "invalid_client_token",
        "expired_token",
        "invalid_role_arn",
        "sts_region_disabled",
        "sts_region_mismatch",
        "web_identity_denied",
        "throttled",
        "not_reached",
    )
)

Key = tuple[str, str | None, str | None, str | None]


@dataclass
class Group:
    """One distinct error and where it occurs; ``found`` is its fullest record."""

    found: Found
    count: int
    first_line: int
    last_line: int
    first_time: str | None
    last_time: str | None

    def add(self, line: int, time: str | None) -> None:
        """Count one more occurrence."""
        self.count += 1
        self.last_line = line
        self.last_time = time or self.last_time
        self.first_time = self.first_time or time


class Groups:
    """The distinct errors of an input, with bounded memory whatever its size."""

    def __init__(self, workload_identity_arn: str = "") -> None:
        self._workload = workload_identity_arn
        self._groups: dict[Key, Group] = {}
        self._shapes: dict[bytes, tuple[tuple[Found, int], ...]] = {}

    def add(self, block: Block) -> None:
        """Read one block and count its errors."""
        shape = _shape(block.data)
        known = self._shapes.get(shape)
        if known is None:
            known = tuple(
                (found, found.line - block.line)
                for found in read_block(block.data, block.line, self._workload)
            )
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            self._shapes[shape] = known
            for found, offset in known:
                self._count(found, block.line + offset, found.time)
        elif known:
            time = time_of(block.data)
            for found, offset in known:
                self._count(found, block.line + offset, time)

    def _count(self, found: Found, line: int, time: str | None) -> None:
        key = _key(found)
        group = self._groups.get(key)
        if group is None and len(self._groups) >= MOST_GROUPS:
            key = (found.verdict.error_class, None, found.facts.action, "…")
            group = self._groups.get(key)
        if group is None:
            self._groups[key] = Group(found, 1, line, line, time, time)
        else:
            group.add(line, time)

    def __iter__(self) -> Iterator[Group]:
        """Yield the distinct errors in their order, without those that only follow from one."""
        groups = list(self._groups.values())
        strong = [group for group in groups if not group.found.verdict.weak]
        yield from strong
        if not any(group.found.verdict.error_class in _LOADING for group in strong):
            yield from (group for group in groups if group.found.verdict.weak)


def _shape(data: bytes) -> bytes:
    """What stays of a log entry when it comes again."""
    if data.startswith(b"{"):
        data = _JSON_TIME.sub(b"", data, count=1)
    else:
        data = data[leading_time(data) :]
    return _VOLATILE.sub(b"#", data)


def _key(found: Found) -> Key:
    identity = found.identity
    resource = identity["resource"] or found.facts.bucket_arn
    caller = identity["caller"]
    return (
        found.verdict.error_class,
        _stable(caller) if caller else None,
        identity["action"],
        _stable(resource) if resource else found.facts.bucket,
    )


def _stable(arn: str) -> str:
    """Fold what varies in a name's last parts: keys of objects, names of sessions."""
    head, separator, tail = arn.partition("/")
    if ":role" in head or not separator:
        return arn
    if ":assumed-role" in head:
        name, _, session = tail.partition("/")
        return f"{head}/{name}/{_VARIABLE_PART.sub('*', session)}"
    return f"{head}/{_VARIABLE_PART.sub('*', tail)}"
