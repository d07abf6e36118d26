"""What the rules look at, and what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from rwlib.sql.connectors import Connector
from rwlib.sql.language.option_values import OptionValue
from rwlib.sql.language.versions import DEFAULT_VERSION, is_since

_PLACEHOLDER = re.compile(r"<[A-Za-z][^<>\n]*>|\.{3,}|\u2026|\$\{[\w.:-]+\}|\{\{[^{}\n]*\}\}")

Severity = Literal["error", "warning", "info"]


def placeholder_in(value: object) -> str:
    """Return the first part of a text that only holds a place, or an empty text.

    It is written ``<…>``, as three dots, or as ``${…}`` and ``{{…}}`` of a template.
    """
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
    reads_from
        Whether a sink reads ``FROM`` a table rather than ``AS`` a query.
    version
        The version of RisingWave it is for, one of `rwlib.sql.language.versions.VERSIONS`.
    """

    connector: Connector
    options: Mapping[str, Given]
    format: str = ""
    encode: str = ""
    encode_options: Mapping[str, Given] = field(default_factory=dict)
    line: int = 0
    expected: Expected = Expected()
    reads_from: bool = False
    version: str = DEFAULT_VERSION

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

    @property
    def names_a_role(self) -> bool:
        """Whether an option names a role, this connector's or another one's."""
        return any("role" in name or name == "arn" for name in self.options)

    @property
    def needs_no_role(self) -> bool:
        """Whether the files are reached without any AWS role, so that none is asked for.

        A warehouse in another cloud, an endpoint that is no AWS one (MinIO), and a REST catalog
        that hands out credentials of its own (``vended_credentials``).
        """
        warehouse = self.text("warehouse.path") or ""
        scheme, found, _ = warehouse.partition("://")
        if found and scheme.lower() not in ("s3", "s3a", "s3n"):
            return True
        catalog = self.text("catalog.type") or ""
        if self.is_on("vended_credentials") and catalog.startswith("rest"):
            return True
        endpoint = self.text("s3.endpoint") or self.text("s3.endpoint_url") or ""
        return bool(endpoint) and "amazonaws.com" not in endpoint.lower()


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
        What is wrong with it, as in "is not an ARN".
    fix
        The next move, as one sentence without its full stop.
    refused_by
        The versions of RisingWave for which it holds; empty for every version.
    """

    id: str
    severity: Severity
    option: str
    given: str
    clause: str
    fix: str
    line: int = 0
    refused_by: tuple[str, ...] = ()


Problems = Iterator[Problem]


def held_for(problem: Problem, chosen: str, stated: bool) -> Problem | None:
    """Return a problem as serious as it is for the version that the statement is for.

    A version that nobody stated is the newest release: then what only an older one refuses is a
    warning, and what the next one refuses stays an error.
    """
    if not problem.refused_by or problem.severity != "error":
        return problem
    if chosen in problem.refused_by:
        if stated or "main" in problem.refused_by:
            return problem
        return replace(problem, severity="warning")
    newer = any(is_since(version, chosen) for version in problem.refused_by)
    if not newer and "3.0" not in problem.refused_by:
        return None  # only versions before the one it is for
    named = "3.0" if not newer else problem.refused_by[0]
    if problem.id != "version_dependent":
        version = named if named == "main" else f"RisingWave {named}"
        problem = replace(problem, clause=f"{problem.clause} on {version}, not on {chosen}")
    return problem if newer and not stated else replace(problem, severity="warning")
