"""The options that commands share: one for every field of a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from rwlib.errors import InputError
from rwlib.target import Target, read_yaml, split_text

Command = TypeVar("Command", bound=Callable[..., Any])


def target_options(*, without: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Add ``--target`` and an option named like each field of `Target`."""

    def decorate(command: Command) -> Command:
        for name, info in reversed(Target.model_fields.items()):
            if name in without:
                continue
            option = "--" + name.replace("_", "-")
            if info.annotation is bool:
                command = click.option(
                    f"{option}/--no-{name}", name, default=None, help=info.description
                )(command)
            elif name in ("connectors", "tags", "sql_options"):
                command = click.option(
                    option,
                    name,
                    multiple=True,
                    metavar="NAME" if name == "connectors" else "KEY=VALUE",
                    help=f"{info.description}; may be repeated",
                )(command)
            else:
                command = click.option(option, name, default=None, help=info.description)(command)
        return click.option(
            "--target", "target_file", type=click.Path(), help="YAML file with a target's fields"
        )(command)

    return decorate


def read_target(target_file: str | None, fields: dict[str, Any], **changes: Any) -> Target:
    """Build the target from the file and the options; an option goes before the file.

    Raises
    ------
    InputError
        A value cannot be used.
    """
    values: dict[str, Any] = read_yaml(target_file) if target_file else {}
    for name, value in fields.items():
        if name not in Target.model_fields or value is None or value == ():
            continue
        if isinstance(value, tuple):
            parsed = [split_text(name, text) for text in value]
            if name == "connectors":
                value = [item for part in parsed for item in part]
            else:
                base = values.get(name) if isinstance(values.get(name), dict) else {}
                value = {**(base or {}), **{k: v for part in parsed for k, v in part.items()}}
        values[name] = value
    if not values:
        raise InputError("target", "", "is empty; give --target FILE.yaml or --bucket and others")
    return Target(**{**values, **changes})
