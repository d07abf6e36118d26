"""Rooms take from each other what stands in a door, and a door is no wider than what is taken."""

from __future__ import annotations

import importlib

import pytest

from tests.support import tree

# Taken by programs of users; nothing of this project's own needs to.
PUBLIC = {("sql", "parse_statements")}
DOORS = sorted(
    ".".join(stub.parent.relative_to(tree.PACKAGE).parts)
    for stub in tree.PACKAGE.glob("*/**/__init__.pyi")
)


def is_through_a_door(taken):
    if taken.module in tree.SUB_DOORS and taken.by not in tree.SUB_DOORS[taken.module]:
        return False
    if "." in taken.module and taken.module not in tree.SUB_DOORS:
        return False
    return taken.name in tree.door(taken.module)


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
