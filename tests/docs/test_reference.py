"""The reference pages are what the code's tables say."""

from __future__ import annotations

import functools

import pytest

from rwlib.cli import COMMANDS
from rwlib.diagnose.ids import CAUSES, CLASSES
from rwlib.target import Target
from rwlib.verify.reasons import REASONS
from tests.docs.loaded import script
from tests.support import places

DOCS = places.ROOT / "docs"


@functools.cache
def made():
    return script("make_reference").pages()


@pytest.mark.parametrize("name", sorted(made()))
def test_stored_page_is_what_the_code_says(name):
    stored = (DOCS / name).read_text(encoding="utf-8")
    assert stored == made()[name], "run `python docs/make_reference.py`"


def test_every_command_field_check_and_cause_has_its_line():
    pages = made()
    assert [n for n in COMMANDS if f"## rwlib {n}\n" not in pages["reference/commands.md"]] == []
    assert [n for n in Target.model_fields if f"`{n}`" not in pages["reference/target.md"]] == []
    assert [n for n in REASONS if f"### {n}\n" not in pages["reference/checks.md"]] == []
    reference = script("make_reference")
    assert reference.codes_of_the_code() == set(reference.EXIT_CODES)
    ids = [*CLASSES, *CAUSES]
    assert [n for n in ids if f"`{n}`" not in pages["reference/causes.md"]] == []


def test_every_room_notebook_and_lab_has_its_line():
    pages = made()
    library = script("make_reference")
    for door in (places.ROOT / "rwlib").glob("*/__init__.pyi"):
        if door.parent.name not in library._NO_LIBRARY:
            assert f"## rwlib.{door.parent.name}\n" in pages["reference/python.md"]
    for path in places.NOTEBOOKS.glob("*.ipynb"):
        assert f"| `{path.name}` | " in pages["reference/notebooks.md"]
    labs = pages["reference/notebooks.md"].partition("## Labs")[2]
    assert labs.count("\n| ") == len(list((places.NOTEBOOKS / "labs").glob("*.ipynb"))) + 1
