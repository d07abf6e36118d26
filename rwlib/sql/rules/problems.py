"""What the rules look at, and what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from rwlib.sql.connectors import Connector
from rwlib.sql.language.syntax import OptionValue

_PLACEHOLDER = re.compile(r"<[A-Za-z][^<>\n]*>")

Severity = Literal["error", "warning", "info"]


def placeholder_in(value: object) -> str:
    """Return the first ``<…>`` of a text that only holds a place, or an empty text."""
    match = _PLACEHOLDER.search(value) if isinstance(value, str) else None
    return match.group() if match else ""


@dataclass(frozen=True)
class Given:
    """One option as it was given, with the line it stands in (0 when there is none).

    Attributes
    ----------
    is_placeholder
        Whether the value only holds a place, as in ``<your-table>``: nothing is said about it.
    """

    value: OptionValue
    line: int = 0
    is_placeholder: bool = False


@dataclass(frozen=True)
class Expected:
    """What a target says a statement must hold; None where nothing is known.

    Attributes
    ----------
    role_name
        Looked at where the role's ARN is not known.
    """

    role_arn: str | None = None
    bucket: str | None = None
    prefix: str | None = None
    region_name: str | None = None
    role_name: str | None = None


@dataclass(frozen=True)
class Definition:
    """A connector and everything that was said about it, whoever said it.

    Attributes
    ----------
    options
        By the name that was written, lower case; aliases are not resolved.
    """

    connector: Connector
    options: Mapping[str, Given]
    format: str = ""
    encode: str = ""
    encode_options: Mapping[str, Given] = field(default_factory=dict)
    line: int = 0
    expected: Expected = Expected()

    def text(self, option: str) -> str | None:
        """Return an option's plain value, found under its own name or an alias."""
        for name, given in self.options.items():
            if self.connector.canonical(name) != option or given.is_placeholder:
                continue
            if isinstance(given.value, str):
                return given.value
        return None

    def line_of(self, option: str) -> int:
        """Return the line of an option, or of the statement when it is not given."""
        for name, given in self.options.items():
            if self.connector.canonical(name) == option:
                return given.line
        return self.line

    def has(self, option: str) -> bool:
        """Tell whether an option is given in any form."""
        return any(self.connector.canonical(name) == option for name in self.options)

    def is_on(self, option: str) -> bool:
        """Tell whether a switch is given as true."""
        return (self.text(option) or "").lower() == "true"

    @property
    def uses_connection(self) -> bool:
        """Whether ``connection = NAME`` supplies what is not given here."""
        return "connection" in self.options


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, as a clause about one option.

    Attributes
    ----------
    option
        What the clause is about: an option's name, or a clause of the statement.
    given
        The value as it may be shown; empty for a secret and for what is missing.
    clause
        What is wrong with it, as in "is no ARN".
    fix
        The next move, as one sentence without its full stop.
    """

    id: str
    severity: Severity
    option: str
    given: str
    clause: str
    fix: str
    line: int = 0


Problems = Iterator[Problem]
