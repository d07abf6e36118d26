"""No code reads a sentence that is meant for a person: no pattern, no `in`, no comparison.

What other code has to know stands beside the sentence as a code: `Check.reason`,
`InputError.reason`, `Change.resource`, the id of a finding.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator

import pytest

from tests.support import tree

# What holds a sentence, whatever object it stands on.
SENTENCES = {
    *("evidence", "fix", "hint", "clause", "todo", "sentence", "detail", "dependency", "why_not"),
    *("meaning", "headline", "summary", "how", "notes", "note", "instructions", "cautions"),
    *("title", "message", "problem", "plan_problem", "status_words", "phrase", "text"),
}
# Whose ``text`` is a statement in SQL.
SQL = {"statement", "self"}
ERRORS = {"error", "problem", "exc", "refusal", "failure"}
READERS = {
    *("startswith", "endswith", "removeprefix", "removesuffix", "find", "rfind", "index", "rindex"),
    *("partition", "rpartition", "split", "rsplit", "count", "replace"),
}
PATTERNS = {"search", "match", "fullmatch", "findall", "finditer", "sub"}

# Texts of AWS and of psycopg, which give nothing but words. No sentence of our own is among them.
THEIRS = {
    ("aws/errors.py", "_translated"): "botocore's texts about clocks and endpoints have no code",
    ("aws/errors.py", "what_is_missing"): "AWS says only in its text which policy refuses",
    ("batch/shortage.py", "shortage_said"): "CPython names the lack of a thread in its text only",
    ("steps/step2_role.py", "_create"): "IAM names the principal in its text only",
    ("steps/step5_sql.py", "_said_about"): "takes a connection string out, whatever the sentence",
}
# The engine's stand-in and the diagnosis read what AWS and RisingWave say: that is their work.
READS_OTHERS = ("sandbox", "diagnose")


_PROSE = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")


def _is_prose(node: ast.AST) -> bool:
    """A literal of several words, or several of them."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(_is_prose(each) for each in node.elts)
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and bool(_PROSE.search(node.value))
    )


def _is_sentence(node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, ast.Subscript):
        return _is_sentence(node.value, names)
    if isinstance(node, ast.List | ast.Tuple):
        return any(_is_sentence(each, names) for each in node.elts)
    if isinstance(node, ast.Attribute):
        of = node.value.id if isinstance(node.value, ast.Name) else ""
        if node.attr == "args" and of in ERRORS:
            return True
        return node.attr in SENTENCES and not (node.attr == "text" and of in SQL)
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.JoinedStr):
        values = [each.value for each in node.values if isinstance(each, ast.FormattedValue)]
        return len(node.values) == 1 and bool(values) and _is_spoken(values[0], names)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
            return _is_spoken(node.args[0], names)
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("lower", "strip", "join"):
            return _is_sentence(node.func.value, names)
    return False


def _is_spoken(node: ast.AST, names: set[str]) -> bool:
    """Whether a value is a sentence when it is made text: an error is."""
    return (isinstance(node, ast.Name) and node.id in ERRORS) or _is_sentence(node, names)


def _names_of_sentences(function: ast.AST) -> set[str]:
    """The variables that a function fills with sentences."""
    names: set[str] = set()
    for _ in range(2):
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and _is_sentence(node.value, names):
                names |= {each.id for each in node.targets if isinstance(each, ast.Name)}
            if isinstance(node, ast.NamedExpr) and _is_sentence(node.value, names):
                names.add(node.target.id)
            if isinstance(node, ast.For | ast.comprehension) and _is_sentence(node.iter, names):
                names |= {node.target.id} if isinstance(node.target, ast.Name) else set()
    return names


def readings(function: ast.AST) -> Iterator[ast.AST]:
    """The places at which a function reads a sentence."""
    names = _names_of_sentences(function)
    for node in ast.walk(function):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            empty = all(
                isinstance(each, ast.Constant) and not each.value
                for each in sides
                if not _is_sentence(each, names)
            )
            prose = any(map(_is_prose, sides))
            if prose or (any(_is_sentence(each, names) for each in sides) and not empty):
                yield node
        elif isinstance(node, ast.Match) and _is_sentence(node.subject, names):
            yield node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            read = node.func.attr in READERS and (
                _is_sentence(node.func.value, names) or any(map(_is_prose, node.args[:1]))
            )
            matched = node.func.attr in PATTERNS and any(
                _is_sentence(each, names) for each in node.args
            )
            if read or matched:
                yield node


@functools.cache
def all_readings() -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for path in tree.modules():
        where = path.relative_to(tree.PACKAGE).as_posix()
        if where.partition("/")[0] in READS_OTHERS:
            continue
        for node in ast.walk(tree.parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for each in readings(node):
                    found.setdefault((where, node.name), []).append(ast.unparse(each))
    return found


@pytest.mark.slow
def test_no_code_reads_a_sentence():
    assert {place: what for place, what in all_readings().items() if place not in THEIRS} == {}


@pytest.mark.slow
def test_what_is_left_out_reads_words_of_others():
    assert set(THEIRS) - set(all_readings()) == set()


WAYS = {
    "in": "'apply' in {0}",
    "not in": "'apply' not in {0}",
    "==": "{0} == 'something'",
    "!=": "'something' != {0}",
    "startswith": "{0}.startswith('there')",
    "endswith": "{0}.endswith('there')",
    "partition": "{0}.partition(': ')",
    "split": "{0}.split()[0]",
    "replace": "{0}.replace('be', 'was')",
    "lower": "'apply' in {0}.lower()",
    "re.search": "re.search('external', {0})",
    "re.match": "re.match('external', {0})",
    "re.sub": "re.sub('external', '', {0})",
    "compiled": "PATTERN.findall({0})",
}
HOLDERS = (
    *("error.message", "check.evidence[0]", "check.title", "check.fix", "shown.text"),
    *("refusal.detail", "str(error)", "error.args[0]"),
)


@pytest.mark.parametrize("held", HOLDERS)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_read_every_sentence_is_found(way, held):
    said = WAYS[way].format("said")
    for code in (
        f"def f(error, check):\n    return {WAYS[way].format(held)}",
        f"def f(error, check):\n    said = {held}\n    return {said}",
        f"def f(error, check):\n    said = f'{{{held}}}'\n    return {said}",
        f"def f(error, check):\n    if (said := {held}) and {said}:\n        return 1",
        f"def f(error, check):\n    return [said for said in [{held}] if {said}]",
        f"class A:\n    async def f(self, error, check):\n        return {WAYS[way].format(held)}",
    ):
        (tree_of_code,) = ast.parse(code).body
        assert list(readings(tree_of_code)), code


@pytest.mark.parametrize("held", HOLDERS)
def test_match_statement_over_a_sentence_is_found(held):
    code = (
        f"def f(error, check):\n    match {held}:\n        case 'is empty':\n            return 1"
    )
    (function,) = ast.parse(code).body
    assert list(readings(function))


@pytest.mark.parametrize(
    "code",
    [
        "def f(check):\n    return 'apply' in check.fix",
        "def f(check):\n    for line in check.evidence:\n        if line.startswith('there is'):\n"
        "            return 1",
        "def f(error):\n    message = str(error)\n    return 'does not exist' in message",
        "def f(check):\n    return re.search('external', check.evidence[0])",
        "def f(each):\n    return each.title == 'The bucket exists'",
        "def f(error):\n    return str(error).lower().partition(':')",
        "def f(text):\n    return text.startswith(('is empty', 'is not'))",
        "def f(resource):\n    return resource == 'the role itself'",
    ],
)
def test_reading_of_a_sentence_is_found(code):
    (function,) = ast.parse(code).body
    assert list(readings(function))


@pytest.mark.parametrize(
    "code",
    [
        "def f(check):\n    return check.reason == 'role_missing'",
        "def f(check):\n    return check.fix != ''",
        "def f(check):\n    return [line for line in check.evidence]",
        "def f(name):\n    return name.startswith('arn:')",
    ],
)
def test_what_reads_no_sentence_is_left_alone(code):
    (function,) = ast.parse(code).body
    assert not list(readings(function))
