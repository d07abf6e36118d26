"""No line of somebody else's source stands in front of a user: it is in docstrings and data."""

from __future__ import annotations

import ast
import re

import pytest
import yaml

from tests.support import places, tree

SOURCE = re.compile(r"[\w/]+\.(?:rs|go|java|scala|proto)\b(?::\d+)?")
# Keys of the data files that a reader of the data is meant to follow.
FOR_THE_READER = {"src", "source", "issue"}
PAGES = [
    *sorted((places.ROOT / "docs").glob("*.md")),
    *sorted((places.ROOT / "docs" / "how-to").glob("*.md")),
    *sorted((places.ROOT / "docs" / "reference").glob("*.md")),
    *sorted((places.ROOT / "notebooks").glob("*.ipynb")),
    *sorted((places.ROOT / "notebooks" / "labs").glob("*.*")),
    *sorted((tree.PACKAGE / "templates").glob("*.j2")),
    *sorted((tree.PACKAGE / "data" / "training").glob("*.md")),
    places.ROOT / "README.md",
]
DATA = sorted((tree.PACKAGE / "data").rglob("*.yaml"))


def sentences(code):
    """The texts of a module that are no docstrings."""
    notes = set()
    for node in ast.walk(code):
        for body in (getattr(node, "body", None),):
            for each in body if isinstance(body, list) else ():
                # A docstring, or the text below a constant that documents it.
                if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
                    notes.add(id(each.value))
    for node in ast.walk(code):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes:
            yield node.value


def words(value, key=""):
    """The texts of a data file that somebody may be shown."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from words(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from words(each, key)
    elif isinstance(value, str) and key not in FOR_THE_READER:
        yield value


@pytest.mark.slow
def test_no_sentence_of_the_code_names_a_source_line():
    found = {
        path.relative_to(tree.PACKAGE).as_posix(): texts
        for path in tree.modules()
        # What the stand-in says is what RisingWave says, its source lines included.
        if path.relative_to(tree.PACKAGE).parts[0] not in ("sandbox", "diagnose")
        and (texts := [text for text in sentences(tree.parsed(path)) if SOURCE.search(text)])
    }
    assert found == {}


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.name)
def test_no_sentence_of_the_data_names_a_source_line(path):
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [text for text in words(value) if SOURCE.search(text)] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_page_names_a_source_line(path):
    assert SOURCE.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text", ["see src/sink/redshift.rs:135", "(create_secret.rs)", "internal/provider.go:21"]
)
def test_source_line_is_found(text):
    assert SOURCE.search(text)
    (said,) = sentences(ast.parse(f"raise ValueError({text!r})"))
    assert said == text
    assert list(words({"note": text, "src": text})) == [text]
