"""The labs' notebooks: each runs under papermill, untouched and solved, and says what it must."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys

import nbformat
import pytest

from rwlib.labs.model import all_labs
from tests.support import places
from tests.support.store_notebooks import EXAMPLE_ACCOUNTS, account_ids

FOLDER = places.ROOT / "notebooks" / "labs"
STORED = places.ROOT / "docs" / "labs"
LABS = all_labs()
NAMES = [lab.file_name for lab in LABS]


def read(name):
    return nbformat.read(FOLDER / name, as_version=4)


def tagged(book, tag):
    return [cell for cell in book.cells if tag in cell.metadata.get("tags", [])]


@pytest.fixture
def environment(sandbox, tmp_path):
    return {
        "RWLIB_LAB_SANDBOX": sandbox.url,
        "RWLIB_LABS": str(tmp_path / "labs"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


def test_every_lab_has_its_notebook_and_every_notebook_its_lab():
    assert sorted(path.name for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.slow
@pytest.mark.parametrize("lab", LABS, ids=NAMES)
def test_notebook_is_solved_when_its_solution_cell_runs(lab, environment, tmp_path, warm_process):
    book = warm_process.execute(
        FOLDER / lab.file_name,
        tmp_path / lab.file_name,
        {"learner": "grace", "solve": True},
        timeout=120,
        environment=environment,
    )
    last = [cell for cell in book.cells if cell.cell_type == "code"][-1]
    assert "Lab solved." in json.dumps(last.outputs)
    results = json.loads((tmp_path / "labs" / "grace" / "results.json").read_text())
    assert results["labs"][str(lab.number)]["passed"]


@pytest.mark.slow
def test_notebook_runs_to_its_end_when_nothing_is_repaired(environment, tmp_path, warm_process):
    book = warm_process.execute(
        FOLDER / NAMES[9], tmp_path / "out.ipynb", timeout=120, environment=environment
    )
    text = json.dumps([cell.get("outputs", []) for cell in book.cells])
    assert text.count("Not solved yet.") >= 2
    assert "no permissions boundary allows the s3:PutObject action" in text


@pytest.mark.slow
def test_nbval_passes_a_notebook_with_a_sandbox_of_its_own(tmp_path):
    """Also what a learner has: nothing given, the sandbox ends with the kernel."""
    environment = {**os.environ, "RWLIB_LABS": str(tmp_path)}
    options = ["--nbval-lax", "-p", "no:cacheprovider", "-p", "no:xdist", "-q", "-o", "addopts="]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(FOLDER / NAMES[2])],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert (tmp_path / "me" / "results.json").exists()


@pytest.mark.parametrize("lab", LABS, ids=NAMES)
def test_notebook_has_what_a_lab_needs(lab):
    book = read(lab.file_name)
    first = book.cells[0].source
    assert first.startswith(f"# Lab {lab.number} - {lab.title}\n")
    assert f"**Time** {lab.minutes} minutes" in first
    for words in (*lab.objectives, "**You need**", "**This changes**", "**Undo**"):
        assert words in first
    text = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    for heading in (
        "## Tasks",
        "## Check",
        "## Solution",
        "## What to remember",
        "## What is next",
    ):
        assert heading in text
    assert "**Pass criterion" in text
    assert text.count("<details>") == text.count("</details>") >= 4
    assert len(tagged(book, "parameters")) == len(tagged(book, "learner")) == 1
    (solution,) = tagged(book, "solution")
    assert solution.source == "lab.solution(apply=solve)"


@pytest.mark.parametrize("name", NAMES)
def test_hints_unfold_one_by_one(name):
    """Hint 2 stands inside hint 1, so that it cannot be opened before it."""
    (cell,) = [cell for cell in read(name).cells if "Hint 1" in cell.source]
    depth = 0
    for line in cell.source.splitlines():
        if line.startswith("<details><summary>Hint"):
            depth += 1
            assert f"Hint {depth}<" in line
    assert depth >= 3
    assert cell.source.rstrip().endswith("</details>")


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_short_and_define_nothing(name):
    for cell in read(name).cells:
        if cell.cell_type != "code":
            continue
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 12, cell.source
        kinds = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
        assert not [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, kinds)]


@pytest.mark.parametrize("name", NAMES)
def test_notebook_of_a_learner_has_no_outputs(name):
    """Whoever works through a lab should not find its end in it."""
    for cell in read(name).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("name", NAMES)
def test_stored_outputs_show_the_symptom_and_example_accounts_alone(name):
    book = nbformat.read(STORED / name, as_version=4)
    shown = json.dumps([cell.get("outputs", []) for cell in book.cells])
    assert "Not solved yet." in shown
    assert "Traceback" not in shown
    assert account_ids(book) <= EXAMPLE_ACCOUNTS
