"""What RisingWave's connectors take, read from the reviewed files under ``rwlib/data``.

Every option carries the line of RisingWave's source that defines it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import yaml

from rwlib.connectors import connector_data, connector_files
from rwlib.errors import InputError
from rwlib.sql.language.versions import VERSIONS, is_since

Kind = Literal["sink", "source", "table", "connection"]

_DATA = Path(__file__).resolve().parent.parent / "data"


@dataclass(frozen=True)
class Option:
    """One option of a ``WITH`` clause.

    Attributes
    ----------
    secret
        ``confidential`` for passwords and keys, whose value never passes through this package;
        ``enforced`` for what RisingWave Cloud wants as a SECRET although it is none
        (``src/connector/src/enforce_secret.rs``); else empty.
    placeholder
        What stands for the value until the user gives one.
    since, until
        The first version of RisingWave that reads it, and the last one; empty for no last one.
    lower_case
        Whether ``True`` is refused (read with serde's ``DisplayFromStr``).
    without_format
        Whether it stands in ``WITH`` only where there is no ``FORMAT … ENCODE …``.
    source
        The line of RisingWave's source that defines the option.
    """

    name: str
    type: Literal["string", "boolean", "integer", "list"]
    required: bool = False
    recommended: bool = False
    default: str | None = None
    secret: Literal["", "confidential", "enforced"] = ""
    aliases: tuple[str, ...] = ()
    placeholder: str = ""
    since: str = "2.8"
    until: str = ""
    lower_case: bool = False
    without_format: bool = False
    source: str = ""

    def is_read_by(self, version: str) -> bool:
        """Tell whether a version of RisingWave reads the option."""
        return is_since(version, self.since) and (not self.until or is_since(self.until, version))


@dataclass(frozen=True)
class Combination:
    """Options that one version of RisingWave wants together, or refuses together.

    Attributes
    ----------
    type
        The sink's type it is about; empty for all.
    given
        The option whose presence the rule is about; empty for all statements.
    needs, needs_on
        An option that must be there, or be true.
    unless_on, unless_since
        An option that does in place of the needed one when it is true, and since which version.
    refused_when_on
        An option that must not be true beside the given one.
    """

    fix: str
    type: str = ""
    given: str = ""
    needs: str = ""
    needs_on: str = ""
    unless_on: str = ""
    unless_since: str = ""
    refused_when_on: str = ""
    since: str = "2.8"
    until: str = ""

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that have the rule."""
        return tuple(
            version
            for version in VERSIONS
            if is_since(version, self.since) and (not self.until or is_since(self.until, version))
        )


@dataclass(frozen=True)
class FormatEncode:
    """Whether a connector takes ``FORMAT … ENCODE …``, and which."""

    rule: Literal["required", "optional", "forbidden"]
    format: str = ""
    encodes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class Connector:
    """One way in which RisingWave reaches S3 with a role.

    Attributes
    ----------
    name
        The name used in `rwlib.target.Target.connectors`, or a further kind of it.
    sql_connector
        What stands after ``connector =``; a connection has ``type =`` instead.
    role_options
        Options that take the role's ARN for S3.
    catalog_role_options
        Options that take it for the catalog (``glue.iam_role_arn``).
    path_option
        ``s3.path`` (a directory), ``match_pattern`` (a glob) or ``warehouse.path`` (a URL).
    one_of
        Groups of which at least one option must be given.
    upsert_needs
        The same, for ``type = 'upsert'``.
    append_only_forbids, hosted_forbids
        Options that ``type = 'append-only'`` and ``hosted_catalog = 'true'`` refuse.
    append_only_forbids_since
        The first version that refuses them with ``append-only``.
    combinations
        What else goes together, or does not, by version.
    append_only_from_fails
        The version from which ``type = 'append-only'`` fails with ``FROM``, and the issue about it.
    passed_through
        Options that begin so are handed on as they are, whatever their name.
    other_kinds
        The same connector as another kind of object, by kind.
    path_listed_as_written
        Whether the path is listed to the letter, and files are named right with a slash at its
        end: it is then written with one, so that a listing shows nothing beside it.
    s3_at_create
        Whether the CREATE statement itself calls S3, so that a refusal shows at once.
    """

    name: str
    title: str
    sql_connector: str
    kind: Kind
    role_options: tuple[str, ...]
    catalog_role_options: tuple[str, ...]
    region_option: str
    bucket_option: str
    path_option: str
    options: Mapping[str, Option]
    types: tuple[str, ...]
    format_encode: FormatEncode
    one_of: tuple[tuple[str, ...], ...]
    upsert_needs: tuple[tuple[str, ...], ...]
    append_only_forbids: tuple[str, ...]
    hosted_forbids: tuple[str, ...]
    append_only_forbids_since: str
    combinations: tuple[Combination, ...]
    append_only_from_fails: Mapping[str, str]
    passed_through: str
    other_kinds: Mapping[str, str]
    path_listed_as_written: bool
    s3_at_create: bool
    since: str
    license: str
    notes: tuple[str, ...]
    source: str
    aliases: Mapping[str, str] = field(repr=False)

    def canonical(self, option_name: str) -> str:
        """Return the option's own name for one of its aliases, and any other name unchanged."""
        return self.aliases.get(option_name, option_name)


@dataclass(frozen=True)
class OutOfScope:
    """A connector that this runbook does not write SQL for, and what it really takes."""

    name: str
    role_option: str
    external_id_option: str
    reason: str
    source: str
    aliases: tuple[str, ...] = ()


def connector_names() -> tuple[str, ...]:
    """Return the names `load_connector` takes, the target's own first kinds included."""
    return connector_files()


@cache
def load_connector(name: str) -> Connector:
    """Return what RisingWave takes for one connector.

    Raises
    ------
    InputError
        No connector of that name; the hint names the nearest ones, or says why a connector that
        RisingWave has is out of scope.
    """
    if name not in connector_names():
        raise InputError("connectors", name, _unknown_connector_hint(name))
    return _connector(name, connector_data(name))


@cache
def out_of_scope() -> Mapping[str, OutOfScope]:
    """Return the connectors with an AWS role, or none, that the runbook leaves alone."""
    entries = _read("out_of_scope.yaml")["connectors"]
    return MappingProxyType(
        {
            name: OutOfScope(
                name=name,
                role_option=entry.get("role_option", ""),
                external_id_option=entry.get("external_id_option", ""),
                reason=entry["reason"],
                source=entry["src"],
                aliases=tuple(entry.get("aliases", ())),
            )
            for name, entry in entries.items()
        }
    )


@cache
def iceberg_catalogs() -> Mapping[str, Mapping[str, Any]]:
    """Return, by ``catalog.type``, what the role reaches and what the catalog needs."""
    return MappingProxyType(_read("iceberg_catalogs.yaml")["catalogs"])


@cache
def other_connectors() -> frozenset[str]:
    """Return the names of RisingWave's connectors that use no option of this runbook."""
    return frozenset(_read("out_of_scope.yaml")["unrelated"])


def nearest(name: str, candidates: Iterable[str], *, count: int = 3) -> tuple[str, ...]:
    """Return the candidates that look most like ``name``, best first, or none.

    A name that differs only in case, or in dots written as underscores, is the one that is meant.

    Examples
    --------
    >>> nearest("batch_insert_rows", ["batch.insert.rows", "batch.rows"])
    ('batch.insert.rows',)
    """
    by_spelling: dict[str, str] = {}
    for candidate in candidates:
        by_spelling.setdefault(_spelling(candidate), candidate)
    own = _spelling(name)
    if own in by_spelling:
        return (by_spelling[own],)
    near = difflib.get_close_matches(own, by_spelling, n=count, cutoff=0.6)
    return tuple(by_spelling[each] for each in near)


def _spelling(name: str) -> str:
    return re.sub(r"[._\s-]+", ".", name.strip().lower())


def owners_of(option_name: str) -> tuple[str, ...]:
    """Return the connectors that know an option, those out of scope included."""
    owners = []
    for name in connector_names():
        connector = load_connector(name)
        if connector.canonical(option_name) in connector.options:
            owners.append(name)
    for other in out_of_scope().values():
        if option_name in (other.role_option, other.external_id_option, *other.aliases):
            owners.append(other.name)
    return tuple(owners)


@cache
def engine_options() -> frozenset[str]:
    """Return the options that an ``ENGINE = iceberg`` table takes in its own ``WITH`` clause."""
    return frozenset(name for name, _ in _group("iceberg_writing"))


def _group(name: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    groups: Mapping[str, Mapping[str, Any]] = _read("option_groups.yaml")["groups"]
    return groups[name].items()


def _unknown_connector_hint(name: str) -> str:
    other = out_of_scope().get(name)
    if other is not None:
        return f"is out of scope: {other.reason}"
    near = nearest(name, connector_names())
    if near:
        return f"is not a connector of this runbook; did you mean {' or '.join(near)}?"
    return f"is not a connector of this runbook; it knows {', '.join(connector_names())}"


def _connector(name: str, data: Mapping[str, Any]) -> Connector:
    entries = {
        name: entry
        for group in data.get("option_groups", ())
        for name, entry in _group(group)
        if name not in data["options"]
    }
    options = {
        option_name: Option(
            name=option_name,
            type=entry["type"],
            required=entry.get("required", False),
            recommended=entry.get("recommended", False),
            default=entry.get("default"),
            secret=entry.get("secret", ""),
            aliases=tuple(entry.get("aliases", ())),
            placeholder=entry.get("placeholder", ""),
            since=entry.get("since", data.get("read_since", "2.8")),
            until=entry.get("until", ""),
            lower_case=entry.get("lower_case", False),
            without_format=entry.get("without_format", False),
            source=entry["src"],
        )
        for option_name, entry in {**data["options"], **entries}.items()
    }
    clause = data["format_encode"]
    return Connector(
        name=name,
        title=data["title"],
        sql_connector=data["connector"],
        kind=data["kind"],
        role_options=tuple(data["role_options"]),
        catalog_role_options=tuple(data.get("catalog_role_options", ())),
        region_option=data["region_option"],
        bucket_option=data.get("bucket_option", ""),
        path_option=data["path_option"],
        options=MappingProxyType(options),
        types=tuple(data["types"]),
        format_encode=FormatEncode(
            rule=clause["rule"],
            format=clause.get("format", ""),
            encodes=tuple(clause.get("encodes", ())),
            options=tuple(data.get("encode_options", ())),
            source=clause["src"],
        ),
        one_of=tuple(tuple(group) for group in data.get("one_of", ())),
        upsert_needs=tuple(tuple(group) for group in data.get("upsert_needs", ())),
        append_only_forbids=tuple(data.get("append_only_forbids", ())),
        hosted_forbids=tuple(data.get("hosted_forbids", ())),
        append_only_forbids_since=data.get("append_only_forbids_since", "2.8"),
        combinations=tuple(Combination(**each) for each in data.get("combinations", ())),
        append_only_from_fails=MappingProxyType(dict(data.get("append_only_from_fails", {}))),
        passed_through=data.get("passed_through", ""),
        other_kinds=MappingProxyType(dict(data.get("other_kinds", {}))),
        path_listed_as_written=data.get("path_listed_as_written", False),
        s3_at_create=data["s3_at_create"],
        since=data["since"],
        license=data.get("license", ""),
        notes=tuple(data["notes"]),
        source=data["source"],
        aliases=MappingProxyType(
            {alias: option.name for option in options.values() for alias in option.aliases}
        ),
    )


@cache
def _read(relative_path: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (_DATA / relative_path).read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=loader)
    return loaded
