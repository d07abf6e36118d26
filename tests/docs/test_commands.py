"""Commands that the README and the docs show are commands, with options that exist."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from rwlib.cli import cli
from tests.support import places

ROOT = places.ROOT
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
LINE = re.compile(r"^(?:\s{4}|\$ )(?:\.?venv/bin/|\.venv/bin/)?(rwlib .*?)(?:\s{2,}#.*)?$", re.M)


def shown():
    for page in PAGES:
        for line in LINE.findall(page.read_text(encoding="utf-8")):
            yield pytest.param(line, id=f"{page.relative_to(ROOT)}: {line[:60]}")


@pytest.mark.parametrize("line", list(shown()))
def test_command_and_its_options_exist(line):
    words = shlex.split(line)[1:]
    command: click.Command = cli
    with click.Context(cli) as context:
        while isinstance(command, click.Group) and words:
            found = command.get_command(context, words.pop(0))
            assert found is not None, line
            command = found
    known = {name for each in command.params for name in [*each.opts, *each.secondary_opts]}
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used - known == set()


def test_commands_are_found_in_the_pages():
    assert len(list(shown())) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_and_paths_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= targets
    named = re.findall(r"`((?:rwlib|docs|tests|benchmarks|examples|notebooks)/[\w./-]+)`", text)
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == []
