"""``rwlib app``: the notebooks served outside a checkout, on copies that are nobody else's."""

from __future__ import annotations

import shutil

from click.testing import CliRunner

from rwlib.cli import cli
from rwlib.headless.notebooks import notebook_path
from rwlib.launcher import copy_notebooks


def test_app_says_what_it_does_and_starts_nothing_for_a_wrong_port():
    shown = CliRunner().invoke(cli, ["app", "--help"])
    assert shown.exit_code == 0
    assert "not written over" in " ".join(shown.output.split())
    refused = CliRunner().invoke(cli, ["app", "--port", "70000"])
    assert refused.exit_code == 2
    assert "70000" in refused.output


def test_copy_that_was_edited_stays_when_the_notebook_changes(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "copies"
    source.mkdir()
    for name in ("edited.ipynb", "left.ipynb"):
        shutil.copyfile(notebook_path("00_start_here.ipynb"), source / name)
    copy_notebooks(source, folder)
    (folder / "edited.ipynb").write_text("mine")
    for name in ("edited.ipynb", "left.ipynb"):
        (source / name).write_text("new")
    copy_notebooks(source, folder)
    assert (folder / "edited.ipynb").read_text() == "mine"
    assert (folder / "edited.new.ipynb").read_text() == "new"
    assert (folder / "left.ipynb").read_text() == "new"
    copy_notebooks(source, folder)
    assert (folder / "edited.ipynb").read_text() == "mine"
