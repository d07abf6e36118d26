"""Rooms take from each other what stands in a door, and a door is no wider than what is taken."""

from __future__ import annotations

import importlib
import tomllib

import pytest

from tests.support import tree

# Taken by programs of users; nothing of this project's own needs to.
PUBLIC = {("sql", "parse_statements")}
# Tables of modules that are imported ahead, and nothing is taken from.
IMPORT_AHEAD = {"batch/warm_up.py", "kernels/forking.py"}
# Run as a program of its own.
STARTED = {("launcher.py", "kernels.serving")}
DOORS = sorted(
    ".".join(stub.parent.relative_to(tree.PACKAGE).parts)
    for stub in tree.PACKAGE.glob("*/**/__init__.pyi")
)


def is_through_a_door(taken):
    if taken.module in tree.SUB_DOORS and taken.by not in tree.SUB_DOORS[taken.module]:
        return False
    if "." in taken.module and taken.module not in tree.SUB_DOORS:
        return False
    return taken.name in tree.door(taken.module) and not taken.name.startswith("_")


@pytest.mark.slow
def test_rooms_take_from_each_other_through_doors_only():
    outside = [str(each) for each in tree.taken_by_modules() if not is_through_a_door(each)]
    assert outside == []


def test_notebooks_take_what_stands_in_a_door():
    outside = [
        str(each)
        for each in tree.taken_by_notebooks()
        if each.name != "*" and not is_through_a_door(each)
    ]
    assert outside == []


def test_lazy_and_typing_imports_count_as_taken():
    source = tree.ast.parse(
        "if TYPE_CHECKING:\n    from rwlib.cloud.client import Cloud\n"
        "def f():\n    from rwlib.aws import Aws\n    import rwlib.sql.tokens\n"
    )
    found = [(each.module, each.name) for each in tree.taken(source, "x", "steps")]
    assert sorted(found) == [("aws", "Aws"), ("cloud.client", "Cloud"), ("sql.tokens", "*")]
    through = [is_through_a_door(each) for each in tree.taken(source, "x", "steps")]
    assert sorted(through) == [False, False, True]


def test_rooms_and_files_taken_whole_count_by_what_is_taken_of_them():
    source = tree.ast.parse(
        "from rwlib import masking\nimport rwlib as r\nimport rwlib.sql.tokens as z\n"
        "masking._IN_URL\nr.steps.quotas.check_size\n"
    )
    found = [(each.module, each.name) for each in tree.taken(source, "x", "verify")]
    expected = [("masking", "*"), ("masking", "_IN_URL"), ("sql.tokens", "*"), ("steps", "*")]
    assert sorted(found) == expected
    assert not any(is_through_a_door(each) for each in tree.taken(source, "x", "verify"))


def test_module_named_in_a_text_is_read():
    source = tree.ast.parse(
        'import_module("rwlib.verify.check")\nimport_module(f"rwlib.{room}")\n'
        'import_module(f"rwlib.cli.{name}")\nf("rwlib.steps is a room")\n'
    )
    assert [each.module for each in tree.named(source, "x", "steps")] == ["verify.check", "cli"]


@pytest.mark.slow
def test_modules_are_named_only_to_have_them_in_memory_and_in_the_one_direction():
    project = tree.ROOT / "pyproject.toml"
    (layers,) = [
        contract["layers"]
        for contract in tomllib.loads(project.read_text())["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    height = {
        name.strip().removeprefix("rwlib."): -place
        for place, layer in enumerate(layers)
        for name in layer.split("|")
    }
    outside = [
        str(each)
        for path in tree.modules()
        for each in tree.named(
            tree.parsed(path), str(path.relative_to(tree.PACKAGE)), tree.room_of(path)
        )
        if height[each.room] >= height[each.by]
        or (
            (each.where.partition(":")[0], each.module) not in STARTED
            and each.where.partition(":")[0] not in IMPORT_AHEAD
        )
    ]
    assert outside == []


@pytest.mark.slow
def test_imports_name_rooms_whole_and_not_from_where_they_stand():
    relative = [
        f"{path.relative_to(tree.ROOT)}:{node.lineno}"
        for path in tree.modules()
        for node in tree.ast.walk(tree.parsed(path))
        if isinstance(node, tree.ast.ImportFrom) and node.level
    ]
    assert relative == []


@pytest.mark.parametrize("room", DOORS)
def test_every_name_of_a_door_is_there(room):
    module = importlib.import_module(f"rwlib.{room}")
    missing = [name for name in sorted(tree.door(room)) if not hasattr(module, name)]
    assert missing == []


@pytest.mark.slow
@pytest.mark.parametrize("room", DOORS)
def test_door_gives_public_names_that_somebody_takes(room):
    used = {(each.module, each.name) for each in tree.taken_by_modules()}
    used |= {(each.module, each.name) for each in tree.taken_by_notebooks()}
    used |= tree.taken_by_pages() | PUBLIC
    assert sorted(name for name in tree.door(room) if name.startswith("_")) == []
    assert sorted(name for name in tree.door(room) if (room, name) not in used) == []
