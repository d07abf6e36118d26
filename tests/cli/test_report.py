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
    assert (code, out.split(" (")[0]) == (0, "1 file is as it was written")


def test_changed_file_is_named(run_dir):
    (run_dir / "report.json").write_text("{} ")
    code, out, _ = rwlib("report", "--verify", run_dir)
    assert (code, "report.json: changed" in out) == (1, True)
    assert "1 file is not as it was written (1 compared)" in out
    (run_dir / "another.json").write_text("")
    assert "2 files are not as they were written" in rwlib("report", "--verify", run_dir)[1]


def test_folder_without_manifest_is_one_sentence(tmp_path):
    code, _, err = rwlib("report", "--verify", tmp_path)
    assert code == 2
    assert "has no readable manifest.json" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--verify: '' is empty; give the folder of a run or a batch"),
        (["--verify"], "--verify: '' is empty; give the folder of a run or a batch"),
        (["--verify", "--json"], "--verify: '' is empty"),
        (["--verify", "no-such-folder"], "--verify: 'no-such-folder' is not a folder; give the"),
        (["--sha256"], "`rwlib report --help` lists"),
    ],
)
def test_report_without_a_folder_is_one_sentence(arguments, words):
    code, _, err = rwlib("report", *arguments)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1


def test_answer_is_json_when_asked_for(run_dir):
    code, out, _ = rwlib("report", "--verify", run_dir, "--json")
    assert code == 0
    answer = json.loads(out)
    assert (answer["compared"], answer["problems"]) == (1, [])
