"""Commands and calls that the training's pages and the labs' notebooks print are ones."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import subprocess
import sys

import click
import pytest

from rwlib.cli import cli
from rwlib.cli import lab as lab_commands
from rwlib.labs.material import PAGES, source
from rwlib.labs.session import OpenLab
from tests.support import places

NOTEBOOKS = places.ROOT / "notebooks" / "labs"
COMMAND = re.compile(r"(?:^|[\s`(])(?:[\w./$\"]*/)?(?<![-.])rwlib\"? +((?:lab|verify)\b[^`\"#\n]*)")
CALL = re.compile(r"\blab\.\w+(?:\([^()\n]*\))?")
# What stands for something of the reader's own.
ANY = "..."
WORDS = {"N": "3", "NAME": "ada", "FOLDER": "collected", "FILE": "file", "…": ANY}
# Files that are called as the notebooks' variable is.
FILES = {"lab.json"}


def pages():
    """Give every page of the training and its text."""
    yield "class", (places.ROOT / "docs" / "how-to" / "class.md").read_text()
    yield "guide", (NOTEBOOKS / "trainers_guide.md").read_text()
    yield "install", (places.ROOT / "docs" / "training" / "install.sh").read_text()
    yield from ((name, source(name)) for name in PAGES)
    for file in sorted(NOTEBOOKS.glob("*.ipynb")):
        cells = json.loads(file.read_text())["cells"]
        yield file.stem, "\n".join("".join(cell["source"]) for cell in cells)


def commands(text):
    """Give the words of each command in a text, with something in the place of placeholders."""
    # Inline code may go on in the next line.
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    parts = re.split(r"(```.*?```)", text, flags=re.DOTALL)
    parts[::2] = [re.sub(r"`[^`]*`", lambda m: " ".join(m[0].split()), each) for each in parts[::2]]
    for found in COMMAND.findall("".join(parts)):
        words = shlex.split(found.strip().rstrip(".,;:"), comments=True)
        words = words[: words.index("<")] if "<" in words else words
        yield [WORDS.get(word.rstrip(".,"), word) for word in words]


def calls(text):
    return {each for each in CALL.findall(text) if each not in FILES}


PRINTED = {name: text for name, text in pages() if list(commands(text)) or calls(text)}


@pytest.mark.parametrize("name", PRINTED)
def test_printed_commands_can_be_given_as_they_stand(name):
    for words in commands(PRINTED[name]):
        command, rest, context = cli, list(words), click.Context(cli)
        while isinstance(command, click.Group) and rest and rest[0] != ANY:
            found = command.get_command(context, rest.pop(0))
            assert found is not None, words
            command = found
        # Parsed as if it were run: what is missing, unknown or of another kind raises. A command
        # without anything behind it may be its name alone.
        if rest and rest[0] != ANY:
            command.make_context("rwlib", rest)


@pytest.mark.parametrize("name", PRINTED)
def test_printed_calls_of_a_lab_can_be_made_as_they_stand(name):
    for call in calls(PRINTED[name]):
        tree = ast.parse(call.replace("…", "..."), mode="eval").body
        node = tree.func if isinstance(tree, ast.Call) else tree
        assert isinstance(node, ast.Attribute)
        there = inspect.getattr_static(OpenLab, node.attr, None)
        assert there is not None or node.attr in ("setup", "place", "lab"), call
        if isinstance(tree, ast.Call):
            named = {each.arg: each.value for each in tree.keywords}
            inspect.signature(there).bind(None, *tree.args, **named)


def test_pages_print_commands_and_calls():
    assert sum(len(list(commands(text))) for text in PRINTED.values()) > 15
    assert sum(len(calls(text)) for text in PRINTED.values()) > 100


@pytest.mark.long
@pytest.mark.parametrize("name", ["class", "guide"])
def test_printed_commands_run_one_after_the_other(name, tmp_path, monkeypatch):
    """As a trainer types them, in one folder; what serves on is looked at and ended."""
    monkeypatch.setenv("RWLIB_LABS", str(tmp_path / "labs"))
    run = [sys.executable, "-m", "rwlib"]
    for who in ("me", "ada"):
        subprocess.run([*run, "lab", "start", "3", "--learner", who], cwd=tmp_path, check=True)
    (tmp_path / "collected").symlink_to(tmp_path / "labs")
    try:
        run_one_after_the_other(run, PRINTED[name], tmp_path)
    finally:
        for who in ("me", "ada"):
            subprocess.run([*run, "lab", "stop", "--learner", who], cwd=tmp_path, check=True)


def run_one_after_the_other(run, text, tmp_path):
    for words in commands(text):
        needed = lab_commands.command.commands.get(words[-1]) if len(words) == 2 else None
        named = needed is not None and any(each.required for each in needed.params)
        if words[0] != "lab" or len(words) == 1 or ANY in words or named:
            continue
        here = [re.sub(r"^/(srv|shared)", str(tmp_path), word) for word in words]
        if here[1] in ("serve", "live"):
            with subprocess.Popen([*run, *here], cwd=tmp_path, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                assert process.stdout.readline()
                process.terminate()
                assert process.wait(timeout=60) == 0
            continue
        if here[1] == "key":
            (tmp_path / here[2]).parent.mkdir(exist_ok=True)
            (tmp_path / here[2]).unlink(missing_ok=True)
        done = subprocess.run([*run, *here], cwd=tmp_path, capture_output=True, text=True)
        wanted = (0, 1) if here[1] == "check" else (0,)
        assert done.returncode in wanted, (here, done.stderr)
