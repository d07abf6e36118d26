"""The outputs that the README and the pages show are what the commands print."""

from __future__ import annotations

import functools
import re

import pytest

from tests.docs.loaded import script
from tests.support import places

samples = script("samples")
FOUND = list(samples.samples())
ran = functools.cache(samples.output)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sample", FOUND, ids=[f"{each.page.name}: {each.command}" for each in FOUND]
)
def test_shown_output_is_what_the_command_prints(sample):
    printed = samples.cut(ran(sample.command), sample.first, sample.until)
    assert sample.text == printed, "run `python docs/samples.py`"


def test_every_output_of_a_command_is_a_sample():
    """A block of text that shows what rwlib prints has its comment; measurements have theirs."""
    assert len(FOUND) >= 5
    known = {(each.page, each.text) for each in FOUND}
    measured = {places.ROOT / "docs" / "speed.md"}
    unnamed = [
        (page.name, text.splitlines()[0])
        for page in samples.pages()
        if page not in measured
        for text in re.findall(r"```text\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
        if (page, text) not in known
    ]
    assert unnamed == []


def test_sample_is_cut_at_its_lines():
    text = "a\nb 1\nc\nb 2\nd\n"
    assert samples.cut(text, "b", "d") == "b 1\nc\nb 2\n"
    assert samples.cut(text, "", "") == text
    assert samples.cut(text, "c", "b") == "c\n"
