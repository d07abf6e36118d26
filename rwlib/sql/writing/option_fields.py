"""A connector's options as a form offers them: which are needed, their help and an example."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rwlib.connectors import connector_profile
from rwlib.sql.connectors import Connector, Option, load_connector
from rwlib.sql.rules.roles import is_static_key
from rwlib.sql.writing.inputs import RESERVED, takes_reserved, with_kind
from rwlib.sql.writing.statements import build_statements

_CHOICES = {"boolean": ("true", "false")}
_SWITCHES = ("force_append_only", "if_not_exists")
# Mappings, which a field of one line does not hold.
_NESTED = ("encode_options",)
_TYPES = {"integer": "A whole number", "list": "Names with commas between them"}
_PLAIN = {"boolean": "true or false", "string": "A text"}
# What a person names that no connector's file can know.
_NAMED = {"from": "orders"}
_SECRET = {
    "confidential": "Name of a secret in RisingWave; the value itself is never taken",
    "enforced": "The value, which becomes a secret in RisingWave; or write: secret NAME",
}


@dataclass(frozen=True)
class OptionField:
    """One option of a connector as a form offers it.

    Attributes
    ----------
    needed
        Whether a statement without it has something for a person to fill in.
    choices
        The values that it takes, where they can be counted.
    by_name
        Whether it is given as the name of a secret alone, and never as a value.
    """

    name: str
    help: str
    example: str = ""
    needed: bool = False
    choices: tuple[str, ...] = ()
    by_name: bool = False


def option_fields(name: str, kind: object = None) -> tuple[OptionField, ...]:
    """Return the options that a person may give a connector, those that are needed first.

    What the runbook writes itself (the role, the region, the bucket) and keys that RisingWave
    must not be given are left out.

    Raises
    ------
    InputError
        The connector, or such a kind of it, is not known.
    """
    connector = with_kind(load_connector(name), kind)
    left_open = _left_open(name, kind)
    example = connector_profile(name).example
    fields = [
        OptionField(
            key,
            _sentence(words),
            str(example.get(key, "") or _NAMED.get(key, "")),
            needed=key in left_open,
            choices=_reserved_choices(connector, key),
        )
        for key, words in RESERVED.items()
        if takes_reserved(connector, key) and key not in _NESTED
    ]
    taken = {each.name for each in fields} | set(_written(connector))
    fields += [
        _field(connector, option, str(example.get(option.name, "")), option.name in left_open)
        for option in connector.options.values()
        if option.name not in taken and not is_static_key(option.name)
    ]
    return tuple(sorted(fields, key=lambda each: not each.needed))


def _left_open(name: str, kind: object) -> set[str]:
    """Return what the statements have in angle brackets when nothing is given."""
    statements = build_statements(
        name,
        role_arn="arn:aws:iam::111122223333:role/any",
        bucket="any-bucket",
        prefix="",
        region_name="us-east-1",
        options={"kind": kind} if kind else {},
    )
    return {option for each in statements for option in each.placeholders}


def _written(connector: Connector) -> tuple[str, ...]:
    return (
        *connector.role_options,
        *connector.catalog_role_options,
        connector.region_option,
        connector.bucket_option,
    )


def _reserved_choices(connector: Connector, key: str) -> tuple[str, ...]:
    if key in _SWITCHES:
        return ("true", "false")
    if key == "kind":
        return tuple(connector.other_kinds)
    return connector.format_encode.encodes if key == "encode" else ()


def _field(connector: Connector, option: Option, example: str, needed: bool) -> OptionField:
    said = [_SECRET[option.secret]] if option.secret else []
    said += [_TYPES[option.type]] if not option.secret and option.type in _TYPES else []
    said += [f"{option.default} when left empty"] if option.default else []
    said += [f"from RisingWave {option.since}"] if option.since != "2.8" else []
    choices = connector.types if option.name == "type" else _CHOICES.get(option.type, ())
    if not said and option.placeholder:
        own = connector.sql_connector.partition("_")[0]
        words = option.placeholder.strip("<>").replace("-", " ").split()
        said = [" ".join(each.capitalize() if each == own else each for each in words)]
    if not said:
        said = [f"One of {', '.join(choices)}" if choices else _PLAIN.get(option.type, "A text")]
        said += [] if option.required else ["RisingWave's own default when left empty"]
    return OptionField(
        option.name,
        _sentence("; ".join(said)),
        example or _example_of(option, needed),
        needed,
        tuple(choices),
        by_name=option.secret == "confidential",
    )


def _example_of(option: Option, needed: bool) -> str:
    """Return what may stand in a needed field: a secret's name, or what its placeholder says."""
    if not needed:
        return ""
    if option.secret == "confidential":
        return re.sub(r"\W+", "_", option.name)
    return option.placeholder.strip("<>")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
