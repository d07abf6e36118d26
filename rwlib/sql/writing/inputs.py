"""Turn what a user wrote under ``sql_options`` into values that a statement can hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rwlib.errors import InputError
from rwlib.sql.connectors import Connector, Option, load_connector, nearest, owners_of
from rwlib.sql.language.option_values import OptionValue, SecretRef
from rwlib.sql.rules.options import unknown_options, url_carries_secret
from rwlib.sql.rules.problems import Definition, Given, Problem
from rwlib.sql.rules.roles import is_static_key, static_keys
from rwlib.sql.writing.columns import TypedColumn, read_columns
from rwlib.sql.writing.quoting import identifier, object_name

RESERVED = {
    "name": "name of the sink, source, table or connection",
    "from": "what a sink reads: a table, a source or a materialized view",
    "kind": "source or table for S3; sink, source, table or connection for Iceberg",
    "columns": "a source's or table's columns: a mapping or list of name and type",
    "primary_key": "key columns: of the target for an upsert sink, of the rows for a table",
    "format": "FORMAT, where the connector takes one",
    "encode": "ENCODE, where the connector takes one",
    "encode_options": "options inside ENCODE (…)",
    "force_append_only": "drop updates and deletes of what a sink reads",
    "if_not_exists": "write IF NOT EXISTS, which also silently keeps an old definition",
    "connection": "an existing Iceberg connection, for an Iceberg table",
}
_ALIASES = {"from_name": "from", "schema_columns": "columns"}
_SECRET_FORM = re.compile(r"(?i)secret\s+(\S.*)")


@dataclass(frozen=True)
class Inputs:
    """A user's choices for one connector, checked one by one.

    Attributes
    ----------
    options
        The ``WITH`` options by their own names, in the user's order.
    omitted
        Options set to null: not to be written although the runbook would.
    secrets
        Plain values that the platform wants as secrets although they are none, by option.
    """

    connector: Connector
    name: str
    from_name: str = ""
    columns: tuple[TypedColumn, ...] = ()
    primary_key: tuple[str, ...] = ()
    format: str = ""
    encode: str = ""
    encode_options: Mapping[str, str] = field(default_factory=dict)
    force_append_only: bool | None = None
    if_not_exists: bool = False
    connection: str = ""
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    omitted: frozenset[str] = frozenset()
    secrets: Mapping[str, str] = field(default_factory=dict)


def read_inputs(connector_name: str, options: Mapping[str, object]) -> Inputs:
    """Check a connector's options and return them sorted by what they are.

    Raises
    ------
    InputError
        An option that the connector does not define, a value it cannot have, or a secret in plain
        text; the message never repeats a secret.
    """
    reserved: dict[str, object] = {}
    given: dict[str, object] = {}
    for key, value in options.items():
        if reserved_name := reserved_key(str(key)):
            reserved[reserved_name] = value
        else:
            given[str(key).strip().lower()] = value
    connector = with_kind(load_connector(connector_name), reserved.pop("kind", None))
    _refuse_reserved(connector, reserved)
    refuse_unknown(connector, given)
    values, omitted, secrets = _with_options(connector, given)
    return Inputs(
        connector=connector,
        name=_text("name", reserved.get("name")) or _default_name(connector),
        from_name=_text("from", reserved.get("from")),
        columns=read_columns(reserved.get("columns")),
        primary_key=_names("primary_key", reserved.get("primary_key")),
        format=_text("format", reserved.get("format")).upper(),
        encode=_text("encode", reserved.get("encode")).upper(),
        encode_options=_encode_options(connector, reserved.get("encode_options")),
        force_append_only=_switch("force_append_only", reserved.get("force_append_only")),
        if_not_exists=bool(_switch("if_not_exists", reserved.get("if_not_exists"))),
        connection=_text("connection", reserved.get("connection")),
        options=values,
        omitted=frozenset(omitted),
        secrets=secrets,
    )


def refuse_unknown(connector: Connector, options: Mapping[str, object]) -> None:
    """Raise for the first option that the connector does not define.

    Raises
    ------
    InputError
        Naming the nearest option, or the connector that the option belongs to.
    """
    definition = Definition(connector, {name: Given("") for name in options})
    for problem in unknown_options(definition):
        if not problem.refused_by:  # what only some versions know is judged with the rest
            raise refusal(_with_own_names(connector, problem))
    for name in options:
        canonical = connector.canonical(name)
        if canonical not in connector.options:
            raise InputError(
                "sql_options", name, f"is not an option of {connector.name}; leave it out"
            )
        if is_static_key(canonical):
            role = Given("arn:aws:iam::111122223333:role/any")
            keyed = {name: Given(""), connector.role_options[0]: role}
            for problem in static_keys(Definition(connector, keyed)):
                raise refusal(problem)


def option_names(connector: Connector) -> list[str]:
    """Return every name that a user may write for a connector: its options and the runbook's."""
    own = [key for key in RESERVED if takes_reserved(connector, key)]
    return [*own, *connector.options, *connector.aliases]


def _with_own_names(connector: Connector, problem: Problem) -> Problem:
    """Offer the runbook's own names too for an option that no connector has."""
    name = problem.option
    if problem.id != "unknown_option" or owners_of(name) or name in connector.format_encode.options:
        return problem
    near = nearest(name, option_names(connector))
    return replace(problem, fix=f"did you mean {' or '.join(near)}?") if near else problem


def refusal(problem: Problem) -> InputError:
    """Return a problem as the error of an input, without the value where it may be a secret."""
    hint = f"{problem.clause}; {problem.fix}"
    if problem.given:
        return InputError(f"sql_options.{problem.option}", problem.given, hint)
    return InputError("sql_options", problem.option, hint)


def _default_name(connector: Connector) -> str:
    suffix = f"_{connector.kind}"
    return connector.name if connector.name.endswith(suffix) else connector.name + suffix


def reserved_key(key: str) -> str:
    """Return the key of `RESERVED` that this one stands for, or an empty text."""
    name = _ALIASES.get(key, key)
    return name if name in RESERVED else ""


def with_kind(connector: Connector, kind: object) -> Connector:
    """Return the connector of another kind, as in an S3 table for the S3 source.

    Raises
    ------
    InputError
        The connector has no such kind.
    """
    if kind is None or kind == connector.kind:
        return connector
    if not isinstance(kind, str) or kind not in connector.other_kinds:
        kinds = ", ".join(connector.other_kinds or (connector.kind,))
        raise InputError(
            "sql_options.kind", kind, f"is not a kind of {connector.name}; it has {kinds}"
        )
    return load_connector(connector.other_kinds[kind])


def takes_reserved(connector: Connector, key: str) -> bool:
    """Tell whether one of the keys of `RESERVED` means anything to a connector."""
    takes_clause = connector.format_encode.rule != "forbidden"
    reads_files = connector.sql_connector == "s3" and connector.kind in ("source", "table")
    if key in ("name", "if_not_exists"):
        return True
    if key == "kind":
        return bool(connector.other_kinds)
    if key in ("from", "force_append_only"):
        return connector.kind == "sink"
    if key == "columns":
        return reads_files or connector.name == "iceberg_table"
    if key == "primary_key":
        return connector.kind == "table" or "primary_key" in connector.options
    if key == "connection":
        return connector.name == "iceberg_table"
    return takes_clause


def _refuse_reserved(connector: Connector, reserved: Mapping[str, object]) -> None:
    for key, value in reserved.items():
        if takes_reserved(connector, key):
            continue
        if key in ("format", "encode", "encode_options"):
            why = f"is refused: {connector.name} takes no FORMAT … ENCODE …; leave it out"
        elif key == "primary_key" and connector.name == "s3_source":
            why = "is for tables; leave it out, or add kind: table"
        else:
            why = f"does not apply to {connector.name} ({RESERVED[key]}); leave it out"
        raise InputError(f"sql_options.{key}", value, why)


def _with_options(
    connector: Connector, given: Mapping[str, object]
) -> tuple[dict[str, OptionValue], set[str], dict[str, str]]:
    values: dict[str, OptionValue] = {}
    omitted: set[str] = set()
    secrets: dict[str, str] = {}
    for key, value in given.items():
        option = connector.options[connector.canonical(key)]
        if option.name in values or option.name in omitted or option.name in secrets:
            raise InputError("sql_options", key, f"is given twice, as {option.name} too; keep one")
        if value is None:
            omitted.add(option.name)
            continue
        converted = _value(option, value)
        if option.secret and isinstance(converted, str):
            _refuse_plain(option, converted)
            secrets[option.name] = converted
        else:
            values[option.name] = converted
    return values, omitted, secrets


def _value(option: Option, value: object) -> OptionValue:
    if isinstance(value, Mapping):
        secret = value.get("secret")
        if len(value) == 1 and isinstance(secret, str):
            return SecretRef(object_name(secret, field=f"sql_options.{option.name}"))
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, int | float):
        return str(value)
    elif isinstance(value, str):
        if option.secret and (match := _SECRET_FORM.fullmatch(value.strip())):
            return SecretRef(object_name(match.group(1), field=f"sql_options.{option.name}"))
        if option.type == "boolean" and value.strip().lower() in ("true", "false"):
            return value.strip().lower()  # some are read in lower case only
        return value
    elif isinstance(value, Sequence) and option.type == "list":
        return ",".join(_names(option.name, value))
    hint = "has a value that is not text, a number, true or false; write one, or {secret: NAME}"
    raise InputError("sql_options", option.name, hint)


def _refuse_plain(option: Option, value: str) -> None:
    if option.secret == "confidential" or url_carries_secret(value):
        raise InputError(
            "sql_options",
            option.name,
            "is a secret in plain text, which this runbook never takes; run CREATE SECRET yourself "
            f"and write {option.name}: secret NAME",
        )


def _text(key: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"sql_options.{key}", value, "is not text; write a name")
    return value.strip()


def _switch(key: str, value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise InputError(
        f"sql_options.{key}",
        value,
        "is neither true nor false; write one of them",
        reason="wrong_type",
    )


def _names(key: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, Sequence) or not all(isinstance(item, str) for item in items):
        raise InputError(f"sql_options.{key}", value, "is not a list of column names; write one")
    names = tuple(item.strip() for item in items)
    for name in names:
        identifier(name, field=f"sql_options.{key}")
        if "," in name:
            raise InputError(f"sql_options.{key}", name, "holds a comma, which ends a column here")
    if not names:
        raise InputError(
            f"sql_options.{key}", value, "is empty; name at least one column", reason="empty"
        )
    return names


def _encode_options(connector: Connector, value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError("sql_options.encode_options", value, "is not a mapping; write name: value")
    known = connector.format_encode.options
    options = {}
    for key, item in value.items():
        name = str(key).strip().lower()
        if name not in known:
            raise InputError(
                f"sql_options.encode_options.{name}",
                item,
                f"is not an option of ENCODE here; {connector.name} takes {', '.join(known)}",
            )
        if not isinstance(item, str | bool | int):
            raise InputError(
                f"sql_options.encode_options.{name}", item, "is not text, a number, true or false"
            )
        text = str(item)
        options[name] = text.lower() if text.lower() in ("true", "false") else text
    return options
