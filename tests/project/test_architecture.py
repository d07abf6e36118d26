"""The page of the rooms is the tree: each room with its door, each arrow an import."""

from __future__ import annotations

import fnmatch
import re
import tomllib

import pytest

from tests.support import tree

PAGE = (tree.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted([*tree.ROOMS, *tree.FILES])
PICTURE = re.search(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)[1]


def doors_of(page):
    """The names that the page gives as the door of each room."""
    starts = list(re.finditer(r"^\*\*`(\w+)`\*\*", page, re.MULTILINE))
    found = {}
    for start in starts:
        paragraph = page[start.end() :].split("\n\n", 1)[0]
        _, _, door = paragraph.partition("Door:")
        found.setdefault(start[1], []).extend(re.findall(r"`([\w*]+)`", door))
    return found


def arrows_of(picture):
    """Who points at whom."""
    found = set()
    for line in picture.splitlines():
        if "-->" in line:
            sources, _, targets = line.partition("-->")
            found |= {
                (s.strip(), t.strip()) for s in sources.split("&") for t in targets.split("&")
            }
    return found


def test_every_room_has_its_paragraph_and_no_other_has():
    assert sorted(doors_of(PAGE)) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_door_on_the_page_is_the_door_of_the_room(room):
    named = doors_of(PAGE)[room]
    assert named
    missing = [name for name in named if not fnmatch.filter(tree.door(room), name)]
    assert missing == []


def test_picture_shows_every_room():
    assert {room for arrow in arrows_of(PICTURE) for room in arrow} == set(ROOMS)


@pytest.mark.slow
def test_every_arrow_of_the_picture_is_an_import():
    imports = {(each.by, each.room) for each in tree.taken_by_modules()}
    assert arrows_of(PICTURE) - imports == set()


def test_every_room_stands_in_a_layer():
    project = tomllib.loads((tree.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = [
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    given = [name.strip() for layer in layers for name in layer.split("|")]
    assert sorted(given) == sorted(f"rwlib.{room}" for room in [*ROOMS, "__main__"])


def test_paragraph_without_a_door_and_arrow_are_read():
    page = "**`a`** - x. Door: `f`,\n`g_*`.\n\n**`b`** - y.\n"
    assert doors_of(page) == {"a": ["f", "g_*"], "b": []}
    assert arrows_of("    a & b --> c\n") == {("a", "c"), ("b", "c")}
