"""The notebook's cell, the guided page and its downloads hold the files that the commands write."""

from __future__ import annotations

import html
import re

import pytest
import yaml
from click.testing import CliRunner

from rwlib.cli import cli
from rwlib.display import TOOLS
from rwlib.widgets import guide, page
from tests.export.test_round_trips import world
from tests.support.exported import EXAMPLES, book, values_of
from tests.widgets.test_downloads import links

__all__ = ["world"]


def shown_files(body: str) -> list[str]:
    """The texts of the files on a page, in their order."""
    return [html.unescape(each) for each in re.findall(r"<pre[^>]*><code>(.*?)</code>", body, re.S)]


@pytest.mark.slow
@pytest.mark.parametrize("there", [False, True], ids=["nothing there", "set up already"])
def test_page_shows_what_the_command_writes(there, world, tmp_path, monkeypatch):
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
    monkeypatch.setenv("RWLIB_GUIDED", "1")
    one_page = page(values)
    one_page.plan()
    shown = one_page.export()
    assert shown_files(shown.body.value) == []
    shown.button.click()
    assert shown_files(shown.body.value) == written
    # What is handed over is what the command hands over, and holds the same files.
    end = one_page.finish()
    end.downloads.button.click()
    done = CliRunner().invoke(
        cli, ["hand-over", "--target", str(target), "--out", str(tmp_path / "handed")]
    )
    assert done.exit_code == 0, done.output
    handed = {
        each.name: each.read_text(encoding="utf-8")
        for each in (tmp_path / "handed").rglob("*.html")
    }
    assert len(handed) == 2
    assert links(end.downloads).items() >= handed.items()
    inside = shown_files(handed["for-the-aws-administrator.html"])
    assert [text for text in written if not text.startswith("{")] == [
        text for text in inside if text in written
    ]
