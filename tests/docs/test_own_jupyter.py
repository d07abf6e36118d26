"""What a notebook needs where nobody prepared anything: the cell that pages and notebooks show."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.support import places
from tests.support.command_line import rwlib

NOTEBOOKS = sorted(places.NOTEBOOKS.glob("*.ipynb"))
PAGE = places.ROOT / "docs" / "how-to" / "own-jupyter.md"
BLOCK = re.compile(r"```python\n(.*?)\n?```", re.S)


def cells(name):
    notebook = json.loads((places.NOTEBOOKS / name).read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"]]


def shown():
    (code,) = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return code


@pytest.mark.parametrize("name", ["00_start_here.ipynb", "runbook.ipynb"])
def test_notebook_shows_the_cell_of_the_page(name):
    assert [BLOCK.findall(cell) for cell in cells(name) if "```python" in cell] == [[shown()]]


@pytest.mark.parametrize(
    "path", sorted(places.NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem
)
def test_notebook_says_what_to_do_without_the_package(path):
    before = next(cell for cell in cells(path.name) if "Set-up" in cell)
    assert "no module `rwlib`" in before
    assert "%pip install 'risingwave-iam-runbook[sandbox]'" in before


@pytest.mark.slow
def test_cell_of_the_page_leads_to_one_sandbox_and_nowhere_else(tmp_path):
    program = (
        f"{shown()}\nprint(stay_in_sandbox())\nimport boto3, os\n"
        "print(boto3.client('sts').get_caller_identity()['Account'])\n"
        "print(sorted(name for name in os.environ if name.startswith(('AWS_P', 'RWC_'))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "AWS_PROFILE": "real", "PYTHONPATH": str(places.ROOT)},
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    joined, account, names = done.stdout.splitlines()
    assert joined.startswith("joined the sandbox at http://127.0.0.1:")
    assert account == "111122223333"
    assert "AWS_PROFILE" not in names
    assert "RWC_API_KEY" in names
    assert (tmp_path / "sandbox").is_dir()


def test_notebooks_are_copied_and_an_edited_one_stays(tmp_path):
    folder = tmp_path / "mine"
    code, out, _ = rwlib("app", "--copy", folder)
    assert code == 0
    assert f"begin with {folder / 'runbook.ipynb'}" in out
    assert (folder / "labs" / "03_copied_from_the_console.ipynb").is_file()
    (folder / "runbook.ipynb").write_text("mine")
    assert rwlib("app", "--copy", folder)[0] == 0
    assert (folder / "runbook.ipynb").read_text() == "mine"
