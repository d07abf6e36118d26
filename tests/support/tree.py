"""What stands where in rwlib, read from the source and not from what is imported."""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.places import NOTEBOOKS, ROOT

PACKAGE = ROOT / "rwlib"
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
FILES = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__"))
# Doors inside a room, for those who need a part of it only.
SUB_DOORS = {"sql.language": {"sandbox", "labs"}, "cloud.identity": {"sandbox"}}


@dataclass(frozen=True)
class Taken:
    """A name that a file takes from a room."""

    where: str
    by: str
    module: str
    name: str

    @property
    def room(self) -> str:
        return self.module.split(".")[0]

    def __str__(self) -> str:
        return f"{self.where}: {self.name} from rwlib.{self.module}"


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def modules(room: str = "") -> list[Path]:
    """The Python files of a room, or of all of rwlib."""
    return sorted((PACKAGE / room).rglob("*.py"))


def room_of(path: Path) -> str:
    """The room in which a file stands; a file at the top is a room of its own."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@functools.cache
def door(room: str) -> frozenset[str]:
    """The names that a room (or a sub-door such as ``sql.language``) gives to others."""
    folder = PACKAGE.joinpath(*room.split("."))
    stub = folder / "__init__.pyi"
    if stub.is_file():
        return frozenset(
            given.asname or given.name
            for node in parsed(stub).body
            if isinstance(node, ast.ImportFrom)
            for given in node.names
        )
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    return frozenset(_defined(parsed(file)))


def _defined(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (
                each.id
                for target in targets
                for each in ast.walk(target)
                if isinstance(each, ast.Name)
            )


def taken(source: ast.Module, where: str, by: str) -> Iterator[Taken]:
    """Every import from a room of rwlib, wherever in the file it stands."""
    whole, packages = {}, set()
    for node in ast.walk(source):
        if isinstance(node, ast.Import):
            for given in node.names:
                top, _, module = given.name.partition(".")
                if top == "rwlib" and module:
                    yield Taken(f"{where}:{node.lineno}", by, module, "*")
                elif top == "rwlib":
                    packages.add(given.asname or top)
        elif isinstance(node, ast.ImportFrom):
            top, _, module = (node.module or "").partition(".")
            if node.level or top != "rwlib":
                continue
            for given in node.names:
                if module:
                    yield Taken(f"{where}:{node.lineno}", by, module, given.name)
                elif given.name in ROOMS or given.name in FILES:
                    whole[given.asname or given.name] = given.name
                    yield Taken(f"{where}:{node.lineno}", by, given.name, "*")
    for node in ast.walk(source):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            room = whole.get(node.value.id)
            if room:
                yield Taken(f"{where}:{node.lineno}", by, room, node.attr)
            elif node.value.id in packages and (node.attr in ROOMS or node.attr in FILES):
                yield Taken(f"{where}:{node.lineno}", by, node.attr, "*")


_A_MODULE = re.compile(r"rwlib\.([a-z_0-9.]*[a-z_0-9])\.?")


def named(source: ast.Module, where: str, by: str) -> Iterator[Taken]:
    """Every module of another room whose name a text of this file is, or begins with."""
    for node in ast.walk(source):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = _A_MODULE.fullmatch(node.value)
            if found and found[1].split(".")[0] != by:
                yield Taken(f"{where}:{node.lineno}", by, found[1], "*")


@functools.cache
def taken_by_modules() -> list[Taken]:
    """What the rooms take from each other."""
    return [
        each
        for path in modules()
        for each in taken(parsed(path), str(path.relative_to(ROOT)), room_of(path))
        if each.room != each.by
    ]


@functools.cache
def taken_by_notebooks() -> list[Taken]:
    """What the cells of the notebooks take."""
    return [
        each
        for path in sorted(NOTEBOOKS.rglob("*.ipynb"))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
        for each in taken(_cell("".join(cell["source"])), path.name, "notebooks")
    ]


def _cell(source: str) -> ast.Module:
    # Magics and shell lines are not Python.
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE))


def taken_by_pages() -> set[tuple[str, str]]:
    """Rooms and names that README and docs show, and what writes the stored notebooks takes."""
    found = set()
    pages = [path for path in (ROOT / "docs").rglob("*") if path.suffix in {".md", ".py"}]
    for path in [ROOT / "README.md", ROOT / "tests/support/store_notebooks.py", *pages]:
        for room, names in re.findall(
            r"from rwlib\.(\w+) import ([\w, ]+)", path.read_text(encoding="utf-8")
        ):
            found |= {(room, name.strip()) for name in names.split(",")}
    return found
