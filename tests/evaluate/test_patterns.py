"""Patterns of policies: what is made of one is made once."""

from __future__ import annotations

import re

from rwlib.evaluate.patterns import arn_fields, arn_glob, fill, glob, parse


def parts_of(text):
    return fill(parse(text, True), {})


def test_a_pattern_that_comes_again_is_not_compiled_again():
    for text in ("arn:aws:s3:::acme-*/a/*", "arn:aws:iam::1111*:role/?"):
        first = arn_glob(parts_of(text), True), glob(parts_of(text))
        re.purge()  # or Python's own cache would give the same one
        assert arn_glob(parts_of(text), True) is first[0]
        assert glob(parts_of(text)) is first[1]


def test_fields_of_a_pattern_may_be_changed_by_who_asked():
    parts = parts_of("arn:aws:s3:::acme-*")
    arn_fields(parts)[0].append("changed")
    assert "changed" not in arn_fields(parts)[0]
