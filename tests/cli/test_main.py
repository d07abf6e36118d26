"""The command line as a whole: its help, and errors as JSON."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys

import click
import pytest

from rwlib.cli import COMMANDS, cli
from rwlib.cli.groups import FIELDS, GROUPS
from rwlib.target import Target
from tests.support.command_line import options, rwlib
from tests.support.places import ROOT


def test_help_lists_the_commands():
    code, out, _ = rwlib("--help")
    assert code == 0
    for name in ("run", "verify", "sql", "teardown", "sandbox"):
        assert name in out


def test_errors_are_json_when_asked_for(example):
    code, out, _ = rwlib("run", *options(example, bucket="Bad"), "--json")
    assert code == 2
    assert json.loads(out)["exit_code"] == 2


COMMANDS_WITH_TARGET = (
    "run", "batch", "verify", "sql", "export", "teardown", "diagnose", "operator-policy"
)  # fmt: skip


def sections(text):
    """The options of a help text by their section's title."""
    found, title = {}, ""
    for line in text.splitlines():
        if line and not line.startswith(" ") and line.endswith(":"):
            title = line.rstrip(":")
        elif title and (option := re.match(r"  (?:-\w, )?(--[\w-]+)", line)):
            found.setdefault(title, []).append(option[1])
    return found


@pytest.mark.parametrize("name", COMMANDS_WITH_TARGET)
def test_help_has_every_option_once_in_its_group(name):
    code, out, _ = rwlib(name, "--help")
    assert code == 0
    found = sections(out)
    assert set(found) <= set(GROUPS)
    assert {"Inputs", "AWS", "RisingWave", "This run"} - {"This run"} <= set(found)
    shown = [option for options in found.values() for option in options]
    command = cli.get_command(click.Context(cli), name)
    known = [each.opts[-1] for each in command.params if isinstance(each, click.Option)]
    assert sorted(shown) == sorted([*known, "--help"])
    assert "--bucket" in found["Inputs"]
    assert "--role-name" in found["AWS"]
    assert "--cluster-id" in found["RisingWave"]


def test_every_field_of_a_target_has_a_group():
    placed = [name for names in FIELDS.values() for name in names]
    assert sorted(placed) == sorted(Target.model_fields)


def test_no_option_is_spelled_with_an_underscore():
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        for each in command.params:
            assert [one for one in [*each.opts, *each.secondary_opts]
                    if one.startswith("-") and "_" in one] == []  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--nosuch"], "No such option '--nosuch'; `rwlib run --help`"),
        (["nosuch"], "No such command 'nosuch'; `rwlib --help`"),
        (["export"], "Choose from: terraform, cloudformation, cli, json; `rwlib export"),
        (["lab", "start"], "Missing argument 'NUMBER'; `rwlib lab start --help`"),
    ],
)
def test_wrong_command_line_is_one_sentence_that_says_where_to_look(arguments, words):
    code, out, err = rwlib(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize("arguments", [[], ["lab"]])
def test_command_is_asked_for_where_none_is_given(arguments):
    code, _, err = rwlib(*arguments)
    assert code == 2
    assert err.startswith("Usage: rwlib")
    assert err.endswith("error: no command is given; choose one of the commands above\n")


@pytest.mark.parametrize(("value", "coloured"), [("", True), ("1", False)])
def test_no_colour_on_a_terminal_where_the_user_wants_none(value, coloured):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "rwlib", "diagnose", "InvalidClientTokenId"]
    surroundings = {**os.environ, "NO_COLOR": value, "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=surroundings, stdout=theirs, stderr=theirs, check=False)
    os.close(theirs)
    with os.fdopen(ours, "rb") as terminal:
        said = terminal.read1(1 << 16).decode()
    assert done.returncode == 0, said
    assert "invalid_client_token" in said
    assert ("\x1b[" in said) == coloured


def test_options_are_written_with_hyphens_also_where_they_say_no():
    code, out, _ = rwlib("run", "--help")
    assert code == 0
    assert "--no-run-sql" in out
    assert "_sql" not in out
