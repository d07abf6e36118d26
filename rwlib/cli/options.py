"""The options that commands share: one for every field of a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from rwlib.errors import InputError
from rwlib.target import Target, input_notes, read_yaml, split_text

Command = TypeVar("Command", bound=Callable[..., Any])


MOST_NOTES = 5
_METAVARS = {"connectors": "NAME", "accept_findings": "ID"}


def target_options(*, without: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Add ``--target`` and an option named like each field of `Target`."""

    def decorate(command: Command) -> Command:
        for name, info in reversed(Target.model_fields.items()):
            if name in without:
                continue
            option = "--" + name.replace("_", "-")
            if info.annotation is bool:
                command = click.option(
                    f"{option}/--no-{option[2:]}", name, default=None, help=info.description
                )(command)
            elif name in ("connectors", "tags", "sql_options", "accept_findings"):
                command = click.option(
                    option,
                    name,
                    multiple=True,
                    metavar=_METAVARS.get(name, "KEY=VALUE"),
                    help=f"{info.description}; may be repeated",
                    shell_complete=_complete(name),
                )(command)
            else:
                command = click.option(
                    option,
                    name,
                    default=None,
                    help=info.description,
                    shell_complete=_complete(name),
                )(command)
        return click.option(
            "--target", "target_file", type=click.Path(), help="YAML file with a target's fields"
        )(command)

    return decorate


def _complete(name: str) -> Callable[..., list[Any]]:
    """Return what offers the values of a field to a shell: those that are known beforehand."""

    def offered(context: click.Context, parameter: click.Parameter, begun: str) -> list[Any]:
        values: tuple[str, ...] = get_args(Target.model_fields[name].annotation)
        if name == "connectors":
            from rwlib.connectors import connector_names

            values = connector_names()
        if name == "aws_profile":
            values = _profiles()
        known = [each for each in values if isinstance(each, str)]
        return [each for each in known if each.startswith(begun)]

    return offered


def _profiles() -> tuple[str, ...]:
    import botocore.session
    from botocore.exceptions import BotoCoreError

    try:
        return tuple(botocore.session.Session().available_profiles)
    except BotoCoreError:
        return ()  # a shell that completes has nobody to tell


def fields_of(target_file: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that a target's file and the options give; an option goes before the file.

    Tags and SQL options go before the file's key by key. Options that are no field, and those that
    were not given, are left out.

    Raises
    ------
    InputError
        The file or an option cannot be read. Whether they make a target is not looked at.
    """
    values: dict[str, Any] = read_yaml(target_file) if target_file else {}
    for name, given in options.items():
        if name not in Target.model_fields or given is None or given == ():
            continue
        if not isinstance(given, tuple):
            values[name] = given
            continue
        parsed = [split_text(name, text) for text in given]
        if name in _METAVARS:
            values[name] = [item for part in parsed for item in part]
        else:
            in_file = values.get(name)
            base = in_file if isinstance(in_file, dict) else {}
            values[name] = {**base, **{key: item for part in parsed for key, item in part.items()}}
    return values


def read_target(target_file: str | None, options: dict[str, Any], **changes: Any) -> Target:
    """Build the target from the file and the options, with changes that go before both.

    Raises
    ------
    InputError
        A value cannot be used.
    """
    values = fields_of(target_file, options)
    if not values:
        raise InputError(
            "target", "", "is empty; give --target FILE.yaml or --bucket and others", reason="empty"
        )
    values = {**values, **changes}
    target = Target(**values)
    say_notes(values)
    return target


def say_notes(values: Mapping[str, Any]) -> None:
    """Say on the standard error what is read otherwise than it may have been meant."""
    for note in input_notes(values):
        click.echo(f"note: {note}", err=True)


def row_fields(target_file: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that stand in where a row has none; never a name nor ``apply``."""
    found = fields_of(target_file, options)
    return {name: value for name, value in found.items() if name not in ("apply", "name")}


def say_row_notes(targets: str | Path, common: Mapping[str, Any]) -> None:
    """Say the first notes on the rows of a file, and that there are more."""
    from rwlib.batch import row_notes

    for number, note in enumerate(row_notes(targets, common)):
        if number == MOST_NOTES:
            click.echo("note: the same holds for other rows", err=True)
            return
        click.echo(f"note: {note}", err=True)
