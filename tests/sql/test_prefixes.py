"""What a source lists, from its match_pattern."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rwlib.sql.prefixes import has_wildcards, is_inside, listed_prefix


@pytest.mark.parametrize(
    "pattern, prefix",
    [
        ("rw/in/*.json", "rw/in/"),
        ("rw/in/2026-0[1-3]/x", "rw/in/"),
        ("a/b/c/hello*", "a/b/c/"),
        ("rw/2026-0?/x", "rw/2026-0?/"),
        ("rw/{a,b}/x", "rw/"),
        ("rw/in/file.json", "rw/in/"),
        ("rw/in/", "rw/in/"),
        (r"rw/a\*b/x*", "rw/a*b/"),
        ("rw*/x", None),
        ("*.json", None),
        ("file.json", None),
        ("", None),
        (None, None),
    ],
)
def test_listed_prefix_is_the_directory_before_the_first_wildcard(pattern, prefix):
    assert listed_prefix(pattern) == prefix


@pytest.mark.parametrize(
    "prefix, path, inside",
    [
        ("rw/orders", "rw/orders", True),
        ("rw/orders", "rw/orders/", True),
        ("rw/orders", "rw/orders/2026/", True),
        ("rw/orders/", "rw/orders/2026/", True),
        ("rw/orders", "rw/orders2/", False),
        ("rw/orders", "rw/", False),
        ("rw/orders", None, False),
        ("", None, True),
        ("", "anything/", True),
    ],
)
def test_inside_ends_at_a_slash(prefix, path, inside):
    assert is_inside(prefix, path) is inside


@given(st.text(min_size=1).filter(lambda p: p.strip("/") == p and not has_wildcards(p)), st.text())
def test_pattern_below_a_plain_prefix_lists_inside_it(prefix, rest):
    assert is_inside(prefix, listed_prefix(f"{prefix}/*{rest}"))
