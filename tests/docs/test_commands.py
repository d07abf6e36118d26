"""Commands that the README and the docs show are commands, with options that exist."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from rwlib.cli import COMMANDS, cli
from rwlib.diagnose.ids import CAUSES, CLASSES
from rwlib.target import Target
from rwlib.verify.reasons import REASONS
from tests.support import places

ROOT = places.ROOT
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
LINE = re.compile(r"^(?:\s{4}|\$ )(?:\.?venv/bin/)?(rwlib .*?)(?:\s{2,}#.*)?$", re.M)


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
    assert missing_paths(text) == []


def missing_paths(text):
    named = re.findall(r"`((?:rwlib|docs|tests|benchmarks|examples|notebooks)/[\w./-]+)`", text)
    return [name for name in named if not (ROOT / name).exists()]


def test_paths_that_the_code_names_exist():
    sources = [path for folder in ("rwlib", "tests") for path in (ROOT / folder).rglob("*.py")]
    found = {path.relative_to(ROOT): missing_paths(path.read_text("utf-8")) for path in sources}
    assert {path: missing for path, missing in found.items() if missing} == {}


def known_options(command=cli, context=None):
    """Every option of every command, also of those inside a group."""
    context = context or click.Context(command)
    found = {name for each in command.params for name in [*each.opts, *each.secondary_opts]}
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found |= known_options(command.get_command(context, name))
    return found


OTHERS = ("python", "make", "papermill", "docker", "kubectl", "pip", "wsl", "jupyter")
# Options of other programs that pages name.
OF_OTHERS = {"--engine", "--strict"} | {
    option
    for folder in ("benchmarks", "rwlib", "docs", "notebooks", "tests")
    for path in (ROOT / folder).rglob("*.py")
    for option in re.findall(r'add_argument\(\s*"(--[\w-]+)"', path.read_text(encoding="utf-8"))
}
# Names in prose that are in no table: of AWS, papermill, Kubernetes and Python.
NO_NAMES = {"max_map_length", "pull_request"}


def inline_code(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    return set(re.findall(r"`([^`\n]+)`", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_that_prose_names_exist(page):
    named = {
        option
        for code in inline_code(page)
        if not code.startswith(
            ("python", "make", "papermill", "docker", "kubectl", "pip", "wsl", "jupyter")
        )
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", code)
    }
    assert named - known_options() - OF_OTHERS - {"--help"} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_prose_names_exist(page):
    found = (re.match(r"rwlib ([a-z][a-z-]*)", code) for code in inline_code(page))
    named = {match[1] for match in found if match is not None}
    assert named - set(COMMANDS) == set()


def page_names():
    """Names that a page may hold: fields, reasons, causes, modules, and words of the code."""
    modules = [*(ROOT / "rwlib").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    texts = [path.read_text("utf-8") for path in (*modules, *(ROOT / "rwlib").rglob("*.yaml"))]
    words = set(re.findall(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+", " ".join(texts)))
    words |= {path.stem for path in modules}
    return words | set(Target.model_fields) | set(REASONS) | set(CAUSES) | set(CLASSES)


def test_names_that_prose_uses_are_in_the_code():
    known = page_names()
    unknown = {
        (page.name, code)
        for page in PAGES
        for code in inline_code(page)
        if re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", code) and code not in known | NO_NAMES
    }
    assert unknown == set()
