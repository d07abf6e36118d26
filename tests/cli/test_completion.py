"""``rwlib completion``: scripts that shells read, and what they are then offered."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from rwlib.cli import VARIABLE
from tests.support.command_line import rwlib


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_asks_this_program(shell):
    code, out, _ = rwlib("completion", shell)
    assert code == 0
    assert VARIABLE in out
    assert "rwlib" in out


def completed(words):
    """What bash is offered after these words, the last of which is begun."""
    text = " ".join(["rwlib", *words])
    code, out, _ = rwlib(**{
        VARIABLE: "bash_complete", "COMP_WORDS": text, "COMP_CWORD": str(len(words))
    })  # fmt: skip
    assert code == 0
    return [line.partition(",")[2] for line in out.splitlines()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ver"], ["verify"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["run", "--role-n"], ["--role-name"]),
        (["sql", "--connectors", "snow"], ["snowflake_v2", "snowflake"]),
        (["run", "--policy-style", ""], ["recommended", "documented"]),
        (["run", "--no-run"], ["--no-run-sql"]),
    ],
)
def test_shell_is_offered_what_exists(words, offered):
    assert completed(words) == offered


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_completion_script_is_one_that_bash_reads(tmp_path):
    _, script, _ = rwlib("completion", "bash")
    done = subprocess.run(
        ["bash", "-c", script + "\ncomplete -p rwlib"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "rwlib" in done.stdout
