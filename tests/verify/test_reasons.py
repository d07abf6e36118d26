"""The table of reasons: every code that is given stands in it, and it has no others."""

from __future__ import annotations

import ast
import re

import pytest

from rwlib.connectors import connector_data, connector_files
from rwlib.diagnose.ids import CAUSES
from rwlib.sql.connectors import iceberg_catalogs
from rwlib.verify.check import HOPS
from rwlib.verify.reasons import REASONS
from tests.support import tree

SOURCE_LINE = re.compile(r"\.rs\b|\.rs:\d+|src/\w+")


def _texts_in(room: str) -> set[str]:
    """Every text constant of a room's modules, but for the table itself."""
    return {
        node.value
        for path in tree.modules(room)
        if path.name != "reasons.py"
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_code_is_given_by_a_check():
    assert set(REASONS) - _texts_in("verify") == set()


def _reasons_given() -> set[str]:
    found: set[str] = set()
    for path in tree.modules("verify"):
        for node in ast.walk(tree.parsed(path)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id == "InputError":  # has codes of its own
                continue
            named = [each.value for each in node.keywords if each.arg == "reason"]
            at = {"Check": 6, "Ground": 0}.get(node.func.id)
            placed = node.args[at : at + 1] if at is not None else []
            found |= {
                each.value
                for each in (*named, *placed)
                if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value
            }
    return found


def test_every_code_that_is_given_stands_in_the_table():
    given = _reasons_given()
    assert len(given) > 15
    assert given - set(REASONS) == set()


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.code)
def test_reason_says_what_it_means_and_how_to_mend_it(reason):
    assert re.fullmatch(r"[a-z0-9_]+", reason.code)
    assert reason.hop in {"", *HOPS}
    assert reason.title
    assert reason.meaning.endswith(".")
    assert reason.fix.endswith(".") or reason.code == "allowed_principal_confirmed"
    assert (
        (reason.fixed_by is None)
        or f"Step {reason.fixed_by}" in reason.fix
        or (reason.code == "trust_too_wide")
    )


def test_nobody_reads_a_line_of_somebody_elses_source():
    shown = [note for name in connector_files() for note in connector_data(name).get("notes", ())]
    shown += [str(entry.get("note", "")) for entry in iceberg_catalogs().values()]
    shown += [text for each in REASONS.values() for text in (each.title, each.meaning, each.fix)]
    shown += list(CAUSES.values())
    assert len(shown) > 100
    assert [text for text in shown if SOURCE_LINE.search(text)] == []
