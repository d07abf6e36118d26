"""Nothing in rwlib is there for its own tests alone."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support import tree

pytestmark = pytest.mark.slow

WORD = re.compile(r"[A-Za-z_]\w*")
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
# What somebody else calls by its name.
FOR_OTHERS = {
    "_repr_html_": "IPython",
    "_repr_svg_": "IPython",
    "_ipython_display_": "IPython",
    "nb_kernel_name": "papermill",
    "nb_language": "papermill",
    "kernel_info": "nbclient",
    "get_msg": "nbclient",
    "send_multipart": "ipykernel",
    "construct_mapping": "PyYAML",
    "describe_subnets": "moto's Redshift",
    "describe_security_groups": "moto's Redshift",
    "inverse": "SQLite, for a window",
    "set_scps": "a program that uses a sandbox",
    "set_regions": "a program that uses a sandbox",
    "credentials_as_service": "a program that uses a sandbox",
    "classify_line": "a program that reads a log line by line",
    "CONNECTORS": "a program that asks what a target can name",
    "FINDINGS": "who reads a finding's id",
    "HOLDS_FOR": "who changes moto's version",
}


def definitions(code: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Functions, classes, constants and own methods that nothing but a use of the name calls."""
    for node in code.body:
        if isinstance(node, FUNCTIONS | ast.ClassDef) and not node.decorator_list:
            yield node.name, node
        elif isinstance(node, ast.Assign):
            yield from ((each.id, node) for each in node.targets if isinstance(each, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node
        if isinstance(node, ast.ClassDef) and not node.bases:
            for each in node.body:
                if isinstance(each, FUNCTIONS) and is_plain(each):
                    yield each.name, each


def is_plain(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether only its name leads to a method: no decorator registers it."""
    plain = {"property", "classmethod", "staticmethod", "functools.cached_property"}
    return all(ast.unparse(each) in plain for each in function.decorator_list)


def uses(code: ast.AST) -> Counter[str]:
    """How often a piece of code names each name, also in a text such as the one of ``getattr``."""
    found: Counter[str] = Counter()
    for node in ast.walk(code):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found[node.id] += 1
        elif isinstance(node, ast.Attribute):
            found[node.attr] += 1
        elif isinstance(node, ast.keyword) and node.arg:
            found[node.arg] += 1
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 80
        ):
            found.update(WORD.findall(node.value))
    return found


def shown() -> set[str]:
    """The words of what users read and run: pages, notebooks, templates, data, benchmarks."""
    files = [
        *(tree.ROOT / "docs").rglob("*.md"),
        *(tree.ROOT / "docs").rglob("*.py"),
        *(tree.ROOT / "benchmarks").rglob("*.py"),
        *(tree.ROOT / "notebooks").rglob("*.ipynb"),
        *(tree.ROOT / "examples").rglob("*"),
        *(tree.PACKAGE / "templates").rglob("*.j2"),
        *(tree.PACKAGE / "data").rglob("*.yaml"),
        tree.ROOT / "README.md",
        tree.ROOT / "CONTRIBUTING.md",
        tree.ROOT / "pyproject.toml",
    ]
    return {
        word
        for path in files
        if path.is_file()
        for word in WORD.findall(path.read_text(encoding="utf-8"))
    }


def unused(modules: dict[str, ast.Module], words: set[str]) -> list[str]:
    """Names that are defined and used nowhere but in their own definition."""
    everywhere: Counter[str] = Counter()
    for code in modules.values():
        everywhere.update(uses(code))
    return [
        f"{where}: {name}"
        for where, code in modules.items()
        for name, node in definitions(code)
        if not name.startswith("__")
        and name not in words
        and (
            everywhere[name] == 0 or (everywhere[name] < 4 and everywhere[name] == uses(node)[name])
        )
    ]


def test_everything_is_used_by_more_than_its_tests():
    modules = {
        path.relative_to(tree.PACKAGE).as_posix(): tree.parsed(path) for path in tree.modules()
    }
    found = unused(modules, shown())
    assert [each for each in found if each.partition(": ")[2] not in FOR_OTHERS] == []
    assert set(FOR_OTHERS) - {each.partition(": ")[2] for each in found} == set()


def test_function_method_and_constant_without_a_use_are_found():
    code = ast.parse(
        "A = 1\nB = 2\ndef f():\n    return f() + B\ndef g():\n    return h\n"
        "class C:\n    def m(self):\n        pass\n    def n(self):\n        self.n()\n"
        "def h():\n    C().m()\n    getattr(x, 'g')\n"
    )
    assert unused({"a.py": code}, set()) == ["a.py: A", "a.py: f", "a.py: n"]
    assert unused({"a.py": code}, {"f", "n"}) == ["a.py: A"]
