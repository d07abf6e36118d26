"""However many targets run at once, and however AWS throttles: the same executed notebooks."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.batch import NOTEBOOK, target, write_targets
from benchmarks.same_notebook import plain
from rwlib.batch.options import Options
from rwlib.batch.runner import run_batch
from tests.support.places import ROOT

pytestmark = pytest.mark.slow

TARGETS = 2


def run(way, tmp_path, **more):
    path = write_targets(tmp_path / f"{way}.jsonl", way, TARGETS)
    result = run_batch(Options(targets=path, notebook=NOTEBOOK, apply=True, **more))
    assert dict(result.counts) == {"done": TARGETS}, result.headline
    names = [f"{way}-{number}" for number in range(TARGETS)]
    found = [plain(result.folder / name / "runbook.ipynb", way) for name in names]
    return found, json.loads((result.folder / "summary.json").read_text())


@pytest.fixture
def alone(runs, one_fork_server, tmp_path):
    """The notebooks of targets that ran one after the other."""
    found, _ = run("alone", tmp_path, workers=1)
    assert found[0] != found[1], "their names are still in them"
    return found


def test_notebooks_are_the_same_however_many_run_at_once(alone, tmp_path):
    for way, workers in (("two", 2), ("chosen", 0)):
        found, summary = run(way, tmp_path, workers=workers)
        assert found == alone, way
    assert summary["workers"]["highest"] > 2


def test_notebooks_are_the_same_where_aws_throttles(alone, aws_environment, tmp_path):
    aws_environment.set_faults(rates="iam:read=15/4,iam:write=4/2,iam:simulate=4/1")
    found, _ = run("throttled", tmp_path)
    refused = [call for call in aws_environment.calls() if call["error"] == "Throttling"]
    assert refused
    assert found == alone


@pytest.mark.long
def test_notebooks_are_those_that_papermill_makes(alone, tmp_path):
    path = tmp_path / "papermill.ipynb"
    program = [sys.executable, "-m", "papermill", "--no-progress-bar", "-k", "python3"]
    values = json.dumps(target("papermill", 0))
    done = subprocess.run(
        [*program, "-y", values, str(NOTEBOOK), str(path)], cwd=ROOT, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert plain(path, "papermill") == alone[0]
