"""Containment and overlap of patterns, held against random search with the evaluator's matcher."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rwlib.evaluate.containment import (
    arn_tokens,
    cells,
    literal_tokens,
    may_overlap,
    text_tokens,
)
from rwlib.evaluate.patterns import arn_glob, fill, glob, parse


def difference(pattern, others):
    """The shortest text that a pattern matches and none of the others."""
    return cells([pattern], others).get(frozenset())


def is_contained(pattern, others):
    return difference(pattern, others) is None


patterns = st.text("ab/*?", min_size=1, max_size=7)
texts = st.text("abc/", max_size=8)
arn_patterns = st.builds(
    lambda service, rest: f"arn:aws:{service}:::{rest}",
    st.sampled_from(["s3", "s*", "*", "??"]),
    st.text("ab/*?:", min_size=1, max_size=6),
)


def matches(pattern, text):
    return glob(fill(parse(pattern, True), {})).match(text) is not None


def arn_matches(pattern, text):
    return arn_glob(fill(parse(pattern, True), {}), True).match(text) is not None


@settings(max_examples=150, deadline=None)
@given(st.lists(patterns, min_size=1, max_size=3), st.lists(patterns, max_size=3), st.data())
def test_cells_are_every_combination_that_a_text_can_match(inside, beside, data):
    found = cells([text_tokens(each) for each in inside], [text_tokens(each) for each in beside])
    for key, text in found.items():
        assert all(matches(each, text) for each in inside)
        assert {index for index, each in enumerate(beside) if matches(each, text)} == key
    for text in data.draw(st.lists(texts, max_size=30)):
        if all(matches(each, text) for each in inside):
            key = frozenset(index for index, each in enumerate(beside) if matches(each, text))
            assert key in found


@settings(max_examples=100, deadline=None)
@given(arn_patterns, arn_patterns, st.data())
def test_arn_patterns_are_read_as_the_evaluator_reads_them(left, right, data):
    tokens, others = arn_tokens(left), arn_tokens(right)
    text = difference(tokens, [others])
    if text is not None:
        assert arn_matches(left, text)
        assert not arn_matches(right, text)
    rest = data.draw(st.text("abc/:", max_size=6))
    tried = f"arn:aws:{data.draw(st.sampled_from(['s3', 'sx', 's3:x']))}:::{rest}"
    if arn_matches(left, tried):
        assert cells([tokens, literal_tokens(tried)])
        assert arn_matches(right, tried) or text is not None
        assert not arn_matches(right, tried) or may_overlap(tokens, others)
    else:
        assert not cells([tokens, literal_tokens(tried)])


def test_pattern_is_contained_when_no_text_lies_outside():
    assert is_contained(text_tokens("a*b"), [text_tokens("a*")])
    assert is_contained(text_tokens("*"), [text_tokens("?*"), literal_tokens("")])
    assert not is_contained(text_tokens("a*"), [text_tokens("a*b")])
    assert not is_contained(text_tokens("??"), [text_tokens("a?"), text_tokens("?a")])
    assert is_contained(text_tokens("a${*}"), [text_tokens("a?")])


def test_wildcard_in_a_field_of_an_arn_stays_in_it():
    narrow = arn_tokens("arn:aws:s3:::bucket/*")
    assert is_contained(narrow, [arn_tokens("arn:aws:s3:*")])
    assert not is_contained(arn_tokens("arn:*:s3:::b"), [arn_tokens("arn:aws:s3:::*")])
    assert arn_tokens("arn:aws:s3:::b/${aws:username}/*") is None
