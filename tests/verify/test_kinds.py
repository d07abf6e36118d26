"""The table of checks holds every title, and nothing else does."""

from __future__ import annotations

import ast
import re

import pytest

from rwlib.diagnose.ids import CAUSES, CLASSES
from rwlib.verify.check import HOPS
from rwlib.verify.kinds import CHECKS, title_of
from rwlib.verify.reasons import REASONS
from tests.support import tree

TABLES = ("verify/kinds.py", "verify/reasons.py", "diagnose/ids.py")
# The word for a status, which a reason happens to have too.
STATUS = {"could not be looked at"}


def modules():
    for path in tree.modules():
        where = path.relative_to(tree.PACKAGE).as_posix()
        if where not in TABLES and where.partition("/")[0] not in ("labs", "sandbox"):
            yield where, tree.parsed(path)


def texts(node):
    """The literal pieces of a text, with a mark where a value stands."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            each.value if isinstance(each, ast.Constant) else "{}" for each in node.values
        )
    return ""


def own_titles(code):
    """The titles that a module's code gives to checks by itself."""
    known = {re.sub(r"\{\w+\}", "{}", each.title) for each in CHECKS.values()}
    known |= {each.title for each in REASONS.values()} | {*CLASSES.values(), *CAUSES.values()}
    found = []
    for node in ast.walk(code):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Check":
            given = [
                *node.args[2:3],
                *(each.value for each in node.keywords if each.arg == "title"),
            ]
            found += [text for each in given if (text := texts(each))]
        text = texts(node)
        if text in known - STATUS and len(text.split()) > 4:
            found.append(text)
    return found


@pytest.mark.slow
def test_no_module_holds_a_title_beside_the_table():
    assert {where: titles for where, code in modules() if (titles := own_titles(code))} == {}


@pytest.mark.parametrize(
    "code",
    [
        "Check('x', 'role', 'The role is there', 'pass')",
        "Check('x', 'role', f'Role {name} is there', 'pass')",
        "Check(id='x', hop='role', title='The role is there')",
        "title = 'The policy is attached to the role'",
        "title = f'Policy {name} is the one this target asks for'",
        "said = 'the trust policy does not name the Workload Identity'",
        "said = 'no policy of the role allows the action'",
    ],
)
def test_title_of_its_own_is_found(code):
    assert own_titles(ast.parse(code))


@pytest.mark.slow
def test_checks_of_the_code_stand_in_the_table_with_their_hop():
    seen = {}
    for _, code in modules():
        for node in ast.walk(code):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Check":
                first, *more = (texts(each) for each in node.args[:2])
                if first:
                    seen[first] = more[0]
    assert len(seen) > 15
    assert {check_id: CHECKS[check_id].hop for check_id in seen} == seen


def test_tables_are_whole():
    assert {each.hop for each in CHECKS.values()} == set(HOPS)
    assert {each.hop for each in REASONS.values()} <= {"", *HOPS}
    for each in (*CHECKS.values(), *REASONS.values()):
        assert each.title, each
        assert each.meaning.endswith("."), each
    assert title_of("runs", kind="sink", name="orders") == "sink orders works"
