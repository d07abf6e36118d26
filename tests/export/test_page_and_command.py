"""The notebook's cell and the guided page show the files that the command writes."""

from __future__ import annotations

import html
import re

import pytest
import yaml
from click.testing import CliRunner

from rwlib.cli import cli
from rwlib.display import TOOLS
from rwlib.widgets import guide
from tests.export.test_round_trips import world
from tests.support.exported import EXAMPLES, book, values_of

__all__ = ["world"]


def shown_files(page: str) -> list[str]:
    """The texts of the files on a page, in their order."""
    return [html.unescape(each) for each in re.findall(r"<pre[^>]*><code>(.*?)</code>", page, re.S)]


@pytest.mark.slow
@pytest.mark.parametrize("there", [False, True], ids=["nothing there", "set up already"])
def test_page_shows_what_the_command_writes(there, world, tmp_path):
    values = values_of(EXAMPLES[3])
    if there:
        run = book(values, apply=True)
        for number in (1, 2, 3):
            run.run_step(number)
    target = tmp_path / "target.yaml"
    target.write_text(yaml.safe_dump(values))
    written = []
    for name in TOOLS:
        out = tmp_path / name
        done = CliRunner().invoke(
            cli, ["export", "--target", str(target), "--format", name, "--out", str(out)]
        )
        assert done.exit_code == 0, done.output
        places = re.findall(r"^Wrote (.+)$", done.output, re.M)
        written += [(tmp_path / each).read_text(encoding="utf-8") for each in places]
    assert len(written) >= len(TOOLS)
    headless = guide(values, step=0).export().html
    assert shown_files(headless) == written
    panel = guide(values, step=0, guided=True).export()
    assert shown_files(panel.body.value) == written
