"""The SQL of a whole target: its connectors, and what each is given of ``sql_options``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rwlib.errors import InputError
from rwlib.sql.connectors import Connector, connector_names, load_connector, nearest
from rwlib.sql.language.versions import VERSIONS
from rwlib.sql.writing.inputs import (
    option_names,
    refuse_unknown,
    reserved_key,
    takes_reserved,
    with_kind,
)
from rwlib.sql.writing.rendering import Statement
from rwlib.sql.writing.statements import build_statements

# Target fields that are options of an Iceberg catalog.
_GLUE_OPTIONS = {
    "glue_database": "database.name",
    "glue_table": "table.name",
    "glue_catalog_id": "glue.id",
    "glue_region": "glue.region",
    "glue_region_name": "glue.region",
}


class SqlTarget(Protocol):
    """What the SQL needs of a `rwlib.target.Target`; its ``glue_*`` fields are read if present."""

    @property
    def connectors(self) -> Sequence[str]:
        """Names of the connectors."""

    @property
    def bucket(self) -> str:
        """Name of the bucket."""

    @property
    def prefix(self) -> str:
        """The prefix the role may reach; empty for the whole bucket."""

    @property
    def sql_options(self) -> Mapping[str, Any]:
        """Options by name, or by connector and name."""


@dataclass(frozen=True)
class ConnectorSql:
    """The statements of one connector, in the order to run them.

    Attributes
    ----------
    sql
        All of them as one text.
    version
        The version of RisingWave they were written for; empty where nobody knew it.
    """

    connector: str
    sql: str
    statements: tuple[Statement, ...]
    notes: tuple[str, ...]
    version: str = ""

    @property
    def placeholders(self) -> dict[str, str]:
        """What a person must fill in before the statements can run."""
        return {
            option: text
            for statement in self.statements
            for option, text in statement.placeholders.items()
        }


def statements_for(
    target: SqlTarget, role_arn: str, region_name: str, *, version: str | None = None
) -> list[ConnectorSql]:
    """Return the SQL of every connector of a target.

    Parameters
    ----------
    target
        Its ``sql_options`` are either options by name, which go to the connectors that know them,
        or mappings by connector name; of both, the connector's own win.
    role_arn
        The role of Step 2.
    region_name
        The bucket's real region.
    version
        The version of RisingWave that will run it; without it the newest release.

    Raises
    ------
    InputError
        An option that none of the target's connectors knows, and whatever `build_statements`
        refuses.
    """
    shared, own = _split(target)
    results = []
    for name in target.connectors:
        chosen = dict(own.get(name, {}))
        connector = load_connector(name)
        if "kind" not in chosen and shared.get("kind") in connector.other_kinds:
            chosen["kind"] = shared["kind"]
        connector = with_kind(connector, chosen.get("kind"))
        known = {key: value for key, value in shared.items() if _knows(connector, key)}
        known.pop("kind", None)
        options = {**_glue_options(target, connector), **known, **chosen}
        statements = build_statements(
            name,
            role_arn=role_arn,
            bucket=target.bucket,
            prefix=target.prefix,
            region_name=region_name,
            options=options,
            version=version,
        )
        sql = "\n\n".join(statement.sql for statement in statements)
        notes = dict.fromkeys(note for statement in statements for note in statement.notes)
        results.append(ConnectorSql(name, sql, tuple(statements), tuple(notes), version or ""))
    return results


def refuse_options(target: SqlTarget, role_arn: str, region_name: str) -> None:
    """Refuse options with which no version of RisingWave can be given a statement.

    What one of them takes is left to whoever knows the version.

    Raises
    ------
    InputError
        What the newest release says.
    """
    first: InputError | None = None
    for version in (None, *VERSIONS):
        try:
            statements_for(target, role_arn, region_name, version=version)
        except InputError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first


def _split(target: SqlTarget) -> tuple[dict[str, Any], dict[str, Mapping[str, Any]]]:
    shared: dict[str, Any] = {}
    own: dict[str, Mapping[str, Any]] = {}
    for given, value in target.sql_options.items():
        key = str(given)
        if key in connector_names() and (value is None or isinstance(value, Mapping)):
            if key not in target.connectors:
                near = ", ".join(target.connectors)
                raise InputError(
                    "sql_options",
                    key,
                    f"is not one of the target's connectors ({near}); leave it out",
                )
            own[key] = {str(name): item for name, item in (value or {}).items()}
        else:
            shared[key] = value
    for key in shared:
        _refuse_unknown_to_all(target, key)
    kinds = {kind for name in target.connectors for kind in load_connector(name).other_kinds}
    if "kind" in shared and shared["kind"] not in kinds:
        hint = (
            f"is not a kind of {', '.join(target.connectors)}; write {' or '.join(sorted(kinds))}"
        )
        raise InputError("sql_options.kind", shared["kind"], hint)
    if "name" in shared and len(target.connectors) > 1:
        raise InputError(
            "sql_options.name", shared["name"], "would name several objects; give one per connector"
        )
    return shared, own


def _refuse_unknown_to_all(target: SqlTarget, key: str) -> None:
    connectors = [load_connector(name) for name in target.connectors]
    kinds = [load_connector(kind) for one in connectors for kind in one.other_kinds.values()]
    if any(_knows(connector, key) for connector in [*connectors, *kinds]):
        return
    if len(connectors) == 1:
        refuse_unknown(connectors[0], {key: None})  # says which connector the option belongs to
    known = {option for connector in connectors for option in option_names(connector)}
    near = nearest(key, known)
    hint = f"did you mean {' or '.join(near)}?" if near else "leave it out"
    names = ", ".join(target.connectors)
    raise InputError("sql_options", key, f"is not an option of {names}; {hint}")


def _knows(connector: Connector, key: str) -> bool:
    if reserved := reserved_key(key):
        return takes_reserved(connector, reserved)
    return connector.canonical(key.strip().lower()) in connector.options


def _glue_options(target: SqlTarget, connector: Connector) -> dict[str, Any]:
    if connector.sql_connector != "iceberg":
        return {}
    found = ((option, getattr(target, name, None)) for name, option in _GLUE_OPTIONS.items())
    return {option: value for option, value in found if value and option in connector.options}
