"""One guess: steps, checks, commands and tests stand where their name says, and once."""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest

from rwlib.cli import COMMANDS
from rwlib.runbook import Runbook
from rwlib.steps import STEPS
from rwlib.target.rules.names import CONNECTORS
from rwlib.verify import HOPS
from tests.conftest import LONGEST, MARKED_WHOLE, WORKLOAD_IDENTITY_ARN, marks_left_out
from tests.support import tree

ROOT = tree.ROOT
# Rooms of tests that are not rooms of rwlib.
OTHER_TESTS = {
    "docs",
    "notebooks",
    "browser",
    "conformance",
    "project",
    "support",
    "data",
    "clients",
}


def names(folder, pattern):
    return sorted(path.name for path in (ROOT / folder).glob(pattern))


@pytest.mark.parametrize("number", STEPS)
def test_step_has_one_notebook_its_modules_and_their_tests(number):
    assert len(names("notebooks", f"{number:02}_*.ipynb")) == 1
    modules = names("rwlib/steps", f"step{number}_*.py")
    tests = names("tests/steps", f"test_step{number}_*.py")
    assert modules != []
    assert tests != []
    assert {name.removeprefix("test_") for name in tests} <= set(modules)


@pytest.mark.parametrize("number", STEPS)
def test_modules_of_a_step_stand_nowhere_else(number):
    here = [path.relative_to(tree.PACKAGE).parts[0] for path in tree.modules()
            if path.name.startswith(f"step{number}_")]  # fmt: skip
    assert set(here) == {"steps"}


def test_steps_have_no_module_without_a_step():
    numbered = {name[4] for name in names("rwlib/steps", "step[0-9]*_*.py")}
    assert numbered == {str(number) for number in STEPS}


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_one_module_and_one_test_file(command):
    module = command.replace("-", "_")
    assert names("rwlib/cli", f"{module}.py") == [f"{module}.py"]
    assert names("tests/cli", f"test_{module}.py") == [f"test_{module}.py"]


def test_modules_with_a_command_are_those_of_the_group():
    with_command = {
        path.stem for path in tree.modules("cli") if "command" in tree.door(f"cli.{path.stem}")
    }
    assert with_command == {command.replace("-", "_") for command in COMMANDS}


@pytest.mark.slow
def test_checks_are_made_in_verify_only():
    made = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in tree.modules()
        if tree.room_of(path) != "verify"
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Check"
    }
    assert made == set()


def ids_made_in(path):
    """The ids of the checks that a module makes.

    They are written where a check is made, or are the keys of the module's table, or what it gives
    to a function of its own that makes them.
    """
    body = tree.parsed(path).body
    tables = {
        key.value
        for node in body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for key in node.value.keys
        if isinstance(key, ast.Constant)
    }
    own = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    calls = [
        (ast.unparse(node.func), node.args[0])
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.Call) and node.args
    ]
    given = {
        argument.value
        for called, argument in calls
        if called in own and isinstance(argument, ast.Constant)
    }
    found = set()
    for called, argument in calls:
        if called == "Check":
            found |= {argument.value} if isinstance(argument, ast.Constant) else tables | given
    return found


@pytest.fixture(scope="module")
def checks(shared_sandbox):
    """The checks of a target with every connector, previewed and verified in the sandbox."""
    with pytest.MonkeyPatch.context() as patch:
        shared_sandbox.reset()
        for name, value in shared_sandbox.environment().items():
            patch.setenv(name, value)
        runbook = Runbook.start(
            {"name": "orders", "workload_identity_arn": WORKLOAD_IDENTITY_ARN,
             "bucket": "acme-analytics", "prefix": "risingwave", "connectors": list(CONNECTORS),
             "allowed_principal_confirmed_by": "Ada Example"}
        )  # fmt: skip
        for number in STEPS:
            runbook.preview(number)
        return runbook.verify()


@pytest.mark.slow
def test_check_is_made_by_one_module(checks):
    found = {
        check.id: [path.stem for path in tree.modules("verify") if check.id in ids_made_in(path)]
        for check in checks
    }
    assert len(found) > 15
    assert {check_id: where for check_id, where in found.items() if len(where) != 1} == {}


def test_modules_that_make_checks_are_those_that_the_architecture_names():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (said,) = re.findall(r"^\*\*`verify`\*\* (.*?) Beside them ", text, re.M | re.S)
    made = {path.stem for path in tree.modules("verify") if "Check(" in path.read_text()}
    assert set(re.findall(r"`(\w+)`", said)) == made


def test_hops_of_checks_are_those_of_the_table():
    made = {
        node.args[1].value
        for path in tree.modules("verify")
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "Check"
        and isinstance(node.args[1], ast.Constant)
    }
    assert made == set(HOPS)


def packages():
    return [path.parent.relative_to(tree.PACKAGE) for path in tree.PACKAGE.rglob("__init__.py")
            if path.parent != tree.PACKAGE]  # fmt: skip


def test_name_of_a_room_is_given_once():
    # The sandbox's own folders say which service they stand in for.
    inner = {each.name for each in packages() if len(each.parts) > 1 and each.parts[0] != "sandbox"}
    files = {path.stem for path in tree.PACKAGE.glob("*.py")}
    assert set(tree.ROOMS) & (inner | files) == set()


@pytest.mark.slow
def test_name_of_a_public_class_is_given_once():
    classes = Counter(
        node.name
        for path in tree.modules()
        for node in tree.parsed(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert sorted(name for name, count in classes.items() if count > 1) == []


def test_tests_stand_in_the_rooms_of_what_they_test():
    folders = {
        path.relative_to(ROOT / "tests").parts[0]
        for path in (ROOT / "tests").rglob("test_*.py")
        if len(path.relative_to(ROOT / "tests").parts) > 1
    }
    assert folders - set(tree.ROOMS) - OTHER_TESTS == set()
    assert set(tree.ROOMS) - folders == set()


def test_files_that_begin_first_are_there():
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


@pytest.mark.parametrize(
    ("expression", "left_out"),
    [
        ("not slow and not long", {"slow", "long"}),
        ("not long", {"long"}),
        ("", set()),
        ("slow", set()),
        ("not slow or long", set()),
        ("not (slow and long)", set()),
        ("long and not slow", set()),
    ],
)
def test_file_is_left_unread_only_where_its_mark_alone_leaves_it_out(expression, left_out):
    assert marks_left_out(expression) == left_out


def test_mark_of_a_whole_file_is_read_where_it_is_one_line_of_its_own():
    assert MARKED_WHOLE.search("import x\n\npytestmark = pytest.mark.slow\n")[1] == "slow"
    others = (
        *("# pytestmark = pytest.mark.slow", "pytestmark = [pytest.mark.slow]"),
        *("    pytestmark = pytest.mark.slow", "pytestmark = pytest.mark.skipif(x)"),
    )
    for other in others:
        assert not MARKED_WHOLE.search(f"\n{other}\n")


def is_slow(node):
    return any("pytest.mark.slow" in ast.unparse(each) for each in node)


def fast_tests(path):
    """The tests of a file that are not marked slow, one by one or all."""
    body = tree.parsed(path).body
    if is_slow(each.value for each in body if isinstance(each, ast.Assign)
               and ast.unparse(each.targets[0]) == "pytestmark"):  # fmt: skip
        return []
    return [
        node.name
        for node in body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not is_slow(node.decorator_list)
    ]


@pytest.mark.parametrize("room", tree.ROOMS)
def test_fast_tests_reach_every_room(room):
    files = (ROOT / "tests" / room).rglob("test_*.py")
    assert [name for path in files for name in fast_tests(path)] != []
