"""``rwlib report``: evidence is as it was written, or is said not to be."""

from __future__ import annotations

import json

import pytest

from rwlib.runs import write_manifest
from tests.support.command_line import rwlib


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "report.json").write_text("{}")
    write_manifest(folder)
    return folder


def test_untouched_evidence_is_said_to_be_so(run_dir):
    code, out, _ = rwlib("report", "--verify", run_dir)
    assert (code, out.split(" (")[0]) == (0, "1 files are as they were written")


def test_changed_file_is_named(run_dir):
    (run_dir / "report.json").write_text("{} ")
    code, out, _ = rwlib("report", "--verify", run_dir)
    assert (code, "report.json: changed" in out) == (1, True)


def test_folder_without_manifest_is_one_sentence(tmp_path):
    code, _, err = rwlib("report", "--verify", tmp_path)
    assert code == 2
    assert "has no readable manifest.json" in err
    assert err.count("\n") == 1


def test_answer_is_json_when_asked_for(run_dir):
    code, out, _ = rwlib("report", "--verify", run_dir, "--json")
    assert code == 0
    answer = json.loads(out)
    assert (answer["compared"], answer["problems"]) == (1, [])
