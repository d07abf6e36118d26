"""The command line as a whole: its help, and errors as JSON."""

from __future__ import annotations

import json

from tests.support.command_line import options, rwlib


def test_help_lists_the_commands():
    code, out, _ = rwlib("--help")
    assert code == 0
    for name in ("run", "verify", "sql", "teardown", "sandbox"):
        assert name in out


def test_errors_are_json_when_asked_for(example):
    code, out, _ = rwlib("run", *options(example, bucket="Bad"), "--json")
    assert code == 2
    assert json.loads(out)["exit_code"] == 2
