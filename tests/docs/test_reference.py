"""The reference pages are what the code's tables say."""

from __future__ import annotations

import pytest

from rwlib.cli import COMMANDS
from rwlib.diagnose.ids import CAUSES, CLASSES
from rwlib.target import Target
from rwlib.verify.reasons import REASONS
from tests.docs.loaded import script
from tests.support import places

DOCS = places.ROOT / "docs"


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
