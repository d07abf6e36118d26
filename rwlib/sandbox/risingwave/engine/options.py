"""Read and check a statement's options as the engine does: names, values, secrets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rwlib.sandbox.risingwave.engine.failures import (
    RefusedStatementError,
    failure,
    not_found,
    unknown_fields,
)
from rwlib.sandbox.risingwave.engine.objects import Database, plain_name
from rwlib.sandbox.risingwave.engine.platform import Options, Platform
from rwlib.sql import Connector, Definition, Given, other_connectors, out_of_scope, unknown_options
from rwlib.sql.language import ConnectionRef, CreateStatement, SecretRef, SqlOption


@dataclass(frozen=True)
class ReadOptions:
    """A statement's options under their own names.

    ``values`` hold what secrets hold; ``shown`` what may be read in the catalog.
    """

    values: Options
    shown: Options


def read_options(database: Database, options: Sequence[SqlOption]) -> ReadOptions:
    """Resolve secrets and connections.

    Raises
    ------
    RefusedStatementError
        One of them does not exist, or an option is given twice.
    """
    values: Options = {}
    shown: Options = {}
    for option in options:
        if option.name in values:
            raise failure(f"Invalid input syntax: Duplicated option: {option.name}")
        if isinstance(option.value, SecretRef):
            name = plain_name(option.value.name)
            if name not in database.secrets:
                raise not_found("secret", name)
            values[option.name] = database.secrets[name]
            shown[option.name] = f"secret {name}"
        elif isinstance(option.value, ConnectionRef):
            name = plain_name(option.value.name)
            if name not in database.connections:
                raise not_found("connection", name)
            values[option.name] = shown[option.name] = name
        elif isinstance(option.value, str):
            values[option.name] = shown[option.name] = option.value
        else:
            # psql fills its variables in before it sends a statement.
            raise failure("sql parser error: expected a value, found: :")
    return ReadOptions(values, shown)


def canonical(connector: Connector, options: Options) -> Options:
    """Give the options under the names that the connector's data has for them."""
    return {connector.canonical(name): value for name, value in options.items()}


def enforce_secrets(connector: Connector, statement: CreateStatement, platform: Platform) -> None:
    """Refuse a secret that stands in the statement (``src/connector/src/enforce_secret.rs:20``)."""
    if not platform.enforce_secret:
        return
    for option in statement.options:
        known = connector.options.get(connector.canonical(option.name))
        if known is None or not known.secret or isinstance(option.value, SecretRef):
            continue
        raise failure(
            "connector error",
            f"{option.name} is enforced to be a SECRET on RisingWave Cloud, please use "
            "`CREATE SECRET` first",
        )


def unknown_option_text(connector: Connector, options: Options) -> str:
    """Name the options that the connector does not have; empty when it has them all."""
    definition = Definition(connector, {name: Given(value) for name, value in options.items()})
    problems = unknown_options(definition)
    unknown = {problem.option for problem in problems if not problem.refused_by}
    fields = [(name, value) for name, value in options.items() if name in unknown]
    return unknown_fields(fields) if fields else ""


def bad_value_text(connector: Connector, options: Options) -> str:
    """Say the first thing that serde would say of the values; empty when all can be read."""
    for option in connector.options.values():
        value = options.get(option.name)
        if value is None:
            if option.required:
                return f"missing field `{option.name}`"
        elif option.type == "boolean" and value.lower() not in ("true", "false"):
            return f'invalid value: string "{value}", expected true or false'
        elif option.type == "integer" and not re.fullmatch(r"\+?[0-9]{1,20}", value):
            return "invalid digit found in string"
    return ""


def connection_options(database: Database, options: Options) -> Options:
    """Give what a statement takes over from the connection that it names."""
    name = options.get("connection", "")
    return dict(database.connections[name]) if name else {}


def no_such_connector(name: str, kind: str) -> RefusedStatementError:
    """Refuse a connector that RisingWave or this sandbox does not have."""
    if name in out_of_scope() or name in other_connectors():
        return failure(f"Feature is not yet implemented: connector {name} is not in this sandbox")
    if kind == "sink":
        return failure("Sink error", "config error", f"unsupported sink connector {name}")
    return failure(f'connector "{name}" is not supported')
