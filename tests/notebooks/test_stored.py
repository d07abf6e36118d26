"""The stored notebooks: readable without running, and true when they are run again."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import nbformat
import pytest

from rwlib.errors import RunbookError
from tests.support import places
from tests.support.store_notebooks import (
    EXAMPLE_ACCOUNTS,
    account_ids,
    check_accounts,
    example_world,
    settle,
    settled,
)

ROOT = places.ROOT
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SANITIZE = ROOT / "tests" / "data" / "nbval_sanitize.cfg"
NAMES = [path.name for path in NOTEBOOKS]


def read(name):
    return nbformat.read(ROOT / "notebooks" / name, as_version=4)


def outputs(book):
    return [output for cell in book.cells for output in cell.get("outputs", [])]


@pytest.mark.parametrize("name", NAMES)
def test_stored_outputs_hold_example_accounts_only(name):
    found = account_ids(read(name))
    assert found
    assert found <= EXAMPLE_ACCOUNTS


def test_an_account_that_is_no_example_stops_the_storing():
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x")])
    book.cells[0].outputs = [nbformat.v4.new_output("stream", text="account 498765432101")]
    with pytest.raises(RunbookError, match="498765432101"):
        check_accounts("x.ipynb", book)


@pytest.mark.parametrize("name", NAMES)
def test_stored_notebook_reads_without_widgets_and_without_errors(name):
    book = read(name)
    assert "widgets" not in book.metadata
    kinds = {kind for output in outputs(book) for kind in output.get("data", {})}
    assert not {kind for kind in kinds if "widget" in kind}
    assert "error" not in {output.output_type for output in outputs(book)}
    shown = [cell for cell in book.cells if cell.cell_type == "code" and cell.outputs]
    assert len(shown) >= 3
    for output in outputs(book):
        assert output.output_type == "stream" or output.data.get("text/plain")


@pytest.mark.parametrize("name", NAMES)
def test_stored_notebook_brings_its_style_once(name):
    html = "".join(output.get("data", {}).get("text/html", "") for output in outputs(read(name)))
    assert html.count("<style>") == 1


def test_stored_outputs_ask_nothing_of_the_internet():
    for name in NAMES:
        for output in outputs(read(name)):
            for kind in ("text/html", "image/svg+xml"):
                text = output.get("data", {}).get(kind, "")
                assert not re.search(r"""(?:src|href)=["']|url\(|@import|<script""", text), name


def test_settling_takes_out_what_every_run_makes_anew():
    text = "at http://127.0.0.1:41239 on 2026-11-24T01:52:03+00:00 by AROA2ABCDEFGHIJKLMNOP"
    assert settle(text) == (
        "at http://127.0.0.1:4566 on 2026-01-01T00:00:00+00:00 by AROAEXAMPLEEXAMPLE12"
    )
    assert settle("account 111122223333 port 4566") == "account 111122223333 port 4566"


def test_settling_twice_changes_nothing():
    for name in NAMES:
        book = read(name)
        assert nbformat.writes(settled(book)) == nbformat.writes(read(name))


@pytest.mark.slow
def test_notebooks_run_again_give_what_is_stored(tmp_path):
    """nbval runs every notebook with its defaults; the example inputs come from the file."""
    with example_world(tmp_path):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "--nbval", "-q", "-x", "--no-header"),
                *("--nbval-sanitize-with", str(SANITIZE), "-p", "no:cacheprovider"),
                *("-c", os.devnull, "--rootdir", str(ROOT / "notebooks")),
                *map(str, NOTEBOOKS),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=600,
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert re.search(r"\d+ passed", done.stdout)
