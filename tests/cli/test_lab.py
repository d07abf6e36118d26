"""``rwlib lab``: learners' folders, the sandbox in the background, and the score sheet."""

from __future__ import annotations

import csv
import gc
import json
import os
import subprocess
import sys

import boto3
import pytest
from click.testing import CliRunner

from rwlib.cli.lab import command
from rwlib.errors import InputError, RunbookError
from rwlib.labs.learner_folder import workplace
from rwlib.labs.model import all_labs, find_lab
from rwlib.labs.scores import Learner, Score, as_csv, as_html, find_results, merge, read_results
from rwlib.labs.session import open_lab, start_lab

pytestmark = pytest.mark.slow


@pytest.fixture
def given(shared_sandbox, monkeypatch, tmp_path):
    """Labs of this process use the sandbox of the session."""
    monkeypatch.setenv("RWLIB_LAB_SANDBOX", shared_sandbox.url)
    monkeypatch.setenv("RWLIB_LABS", str(tmp_path / "labs"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "labs"


def run(*arguments):
    """Run a command in this process; its errors are raised, as the command line's main wants."""
    result = CliRunner().invoke(command, list(arguments), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def rwlib(home, *arguments):
    environment = {**os.environ, "RWLIB_LABS": str(home), "XDG_STATE_HOME": str(home / "state")}
    return subprocess.run(
        [sys.executable, "-m", "rwlib", "lab", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_lab_keeps_its_sandbox_between_commands_until_it_is_stopped(tmp_path):
    started = rwlib(tmp_path, "start", "3", "--learner", "ada", "--json")
    try:
        assert started.returncode == 0, started.stderr
        facts = json.loads(started.stdout)
        url = facts["environment"]["AWS_ENDPOINT_URL"]
        iam = boto3.client(
            "iam",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="111122223333",
            aws_secret_access_key="test",
        )
        role = iam.get_role(RoleName="risingwave-s3-access")["Role"]
        trust = role["AssumeRolePolicyDocument"]
        assert "other-cluster-role" in json.dumps(trust)
        checked = rwlib(tmp_path, "check", "3", "--learner", "ada")
        assert checked.returncode == 1
        assert "Not solved yet." in checked.stdout
        assert checked.stderr == ""
        right = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"
        trust["Statement"][1]["Principal"] = {"AWS": right}
        iam.update_assume_role_policy(
            RoleName="risingwave-s3-access", PolicyDocument=json.dumps(trust)
        )
    finally:
        stopped = rwlib(tmp_path, "stop", "--learner", "ada", "--json")
    assert json.loads(stopped.stdout) == {"stopped": [3]}
    # Nothing serves any more, and what was repaired is still there.
    checked = rwlib(tmp_path, "check", "3", "--learner", "ada", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert json.loads(checked.stdout)["passed"]
    assert checked.stderr.count("\n") == 1
    assert "was not running" in checked.stderr
    assert "`rwlib lab start 3 --learner ada`" in checked.stderr
    folder = workplace("ada", tmp_path).folder(find_lab(3))
    assert folder.exists()
    assert not (folder / "address.json").exists()


def test_set_up_cell_of_a_notebook_can_run_again(monkeypatch, tmp_path):
    """The second start goes on in the sandbox of the first, which nothing else refers to."""
    monkeypatch.setenv("RWLIB_LABS", str(tmp_path))
    lab = start_lab(3, "ada", environment=False)
    url = lab.setup.endpoint.url
    try:
        lab.solution(apply=True)
        lab = start_lab(3, "ada", environment=False)
        gc.collect()
        assert lab.setup.endpoint.url == url
        assert lab.check().passed
    finally:
        assert run("stop", "3", "--learner", "ada").output == "Stopped: 3.\n"
    # Its state is in the folder, for the next kernel.
    with open_lab(3, "ada") as lab:
        assert lab.setup.endpoint.url != url
        assert lab.check().passed


def test_list_says_how_far_the_learner_is(given):
    start_lab(1, "ada", environment=False)
    lines = run("list", "--learner", "ada").output.splitlines()
    assert len(lines) == len(all_labs())
    assert "open" in lines[0]
    assert "not started" in lines[1]
    assert json.loads(run("list", "--json").output)[0]["status"] == "not started"


def test_commands_check_symptom_and_reset_answer_for_a_started_lab(given):
    lab = start_lab(4, "ada", environment=False)
    assert run("check", "4", "--learner", "ada").return_value == 1
    assert "sts:AssumeRole" in run("symptom", "4", "--learner", "ada").output
    # What it says of Python runs as it stands, and is this learner's lab.
    told = run("tasks", "4", "--learner", "ada").output.partition("In Python, lab is: ")[2]
    names = {}
    exec(told.replace(")", ", environment=False)"), names)
    assert names["lab"].place == lab.place
    lab.solution(apply=True)
    assert run("check", "4", "--learner", "ada").return_value == 0
    assert run("reset", "4", "--learner", "ada").return_value == 0
    assert run("check", "4", "--learner", "ada").return_value == 1


def test_commands_refuse_a_lab_that_was_not_started(given):
    with pytest.raises(InputError, match="was not started by ada"):
        run("check", "4", "--learner", "ada")
    given.mkdir()
    with pytest.raises(InputError, match="start a lab first"):
        run("score")


def test_state_that_cannot_be_read_is_one_sentence(given):
    start_lab(4, "ada", environment=False)
    (workplace("ada", given).folder(find_lab(4)) / "lab.json").write_text("{")
    with pytest.raises(RunbookError, match="reset the lab"):
        run("check", "4", "--learner", "ada")


@pytest.mark.parametrize(
    "broken",
    [
        *("lab.json", "sandbox/pieces"),
        *(
            pytest.param(f"sandbox/{each}", marks=pytest.mark.long)
            for each in ("sandbox.json", "bodies")
        ),
    ],
)
def test_lab_whose_state_is_broken_is_begun_anew_by_what_the_sentence_says(
    monkeypatch, tmp_path, broken
):
    monkeypatch.setenv("RWLIB_LABS", str(tmp_path))
    with start_lab(3, "ada", seed=2, how="here", environment=False) as lab:
        bucket = lab.bucket
        lab.solution(apply=True)
        assert lab.check().passed
    place = workplace("ada", tmp_path)
    file = place.folder(find_lab(3)) / broken
    if file.is_dir():
        for each in file.iterdir():
            each.write_bytes(each.read_bytes()[:10]) if broken[-6:] == "pieces" else each.unlink()
    else:
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="reset the lab with `rwlib lab reset 3 --learner ada`"):
        run("check", "3", "--learner", "ada")
    with pytest.raises(InputError, match="reset the lab with"):
        start_lab(3, "ada", how="here", environment=False)
    assert run("reset", "3", "--learner", "ada").output == "Lab 3 is as at its start.\n"
    with open_lab(3, "ada") as lab:
        assert lab.bucket == bucket  # the same seed
        assert not lab.check().passed
    score = read_results(place.results_file).of(3)
    assert score.passed
    assert (score.solution, score.resets) == ("applied", 1)


@pytest.mark.parametrize(
    "stop",
    [
        "history",
        *(pytest.param(each, marks=pytest.mark.long) for each in ("keep_history", "set_network")),
    ],
)
def test_lab_that_was_killed_while_it_was_set_up_is_set_up_again(monkeypatch, tmp_path, stop):
    """In the middle of a reset: neither the old world is there nor the new one."""
    monkeypatch.setenv("RWLIB_LABS", str(tmp_path))
    with start_lab(21, "ada", seed=2, how="here", environment=False) as lab:
        lab.solution(apply=False)
        lab.setup.make(lab.lab.repair)
        lab.check()
        lab.next_round()
        with monkeypatch.context() as patch:
            patch.setattr(type(lab.setup.endpoint), stop, killed)
            with pytest.raises(KeyboardInterrupt):
                lab.next_round()
    with pytest.raises(InputError, match="its set-up was interrupted; reset the lab with"):
        run("check", "21", "--learner", "ada")
    with start_lab(21, "ada", how="here", environment=False) as lab:
        assert (lab.seed, lab.round) == (2, 3)
        assert lab.check().findings[-1].evidence[0].startswith("1 of 5 are")


def test_lab_with_rounds_is_one_in_two_kernels(given):
    lab = start_lab(21, "ada", seed=2, environment=False)
    other = open_lab(21, "ada")
    lab.setup.make(lab.lab.repair)
    lab.check()
    lab.next_round()
    assert other.check().findings[-1].evidence == ("1 of 5 are, and this is round 2",)
    assert other.lab.faults == lab.lab.faults
    other.setup.make(other.lab.repair)
    other.check()
    assert other.next_round().round == 3
    assert lab.check().findings[-1].evidence[0].startswith("2 of 5 are")


def killed(*arguments, **named):
    raise KeyboardInterrupt


def result(name, **labs):
    return {
        "format": 1,
        "learner": name,
        "labs": {
            number.removeprefix("lab"): {
                "started": "2026-01-01T10:00:00+00:00",
                "passed": passed,
                "checks": checks,
                "resets": 0,
                "missed": ["Nobody else may assume the role"] if checks > 1 else [],
            }
            for number, (passed, checks) in labs.items()
        },
    }


@pytest.fixture
def class_results(tmp_path):
    files = {
        "one": result("ada", lab1=("2026-01-01T10:08:30+00:00", 2), lab3=("", 4)),
        "two": result("grace", lab1=("2026-01-01T10:05:00+00:00", 1)),
        "three": result("ada", lab1=("", 1), lab3=("2026-01-01T10:12:00+00:00", 5)),
        "four": result("<b>eve</b>", lab2=("", 0)),
    }
    for folder, content in files.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "results.json").write_text(json.dumps(content))
    return tmp_path


def test_score_merges_the_files_of_a_class(class_results):
    out = class_results / "out"
    shown = run(
        "score", str(class_results), "--html", str(out / "s.html"), "--csv", str(out / "s.csv")
    )
    lines = shown.output.splitlines()
    assert [line.split()[0] for line in lines] == ["learner", "ada", "grace", "<b>eve</b>"]
    assert lines[1].endswith(f"2/{len(all_labs())}")
    rows = list(csv.DictReader((out / "s.csv").open()))
    assert len(rows) == 3 * len(all_labs())
    first = rows[0]
    assert (first["learner"], first["status"], first["minutes"]) == ("ada", "passed", "8.5")
    third = rows[2]
    assert (third["status"], third["checks"], third["minutes"]) == ("passed", "5", "12.0")
    page = (out / "s.html").read_text()
    assert "&lt;b&gt;eve" in page
    assert "<b>eve" not in page
    assert "Nobody else may assume the role (1)" in page
    assert "http" not in page.replace("http-equiv", "")


def test_merge_takes_the_better_result_of_a_lab():
    early = Score(1, "2026-01-01T10:00:00+00:00", "2026-01-01T10:05:00+00:00", 1)
    late = Score(1, "2026-01-01T10:00:00+00:00", "2026-01-01T11:00:00+00:00", 9)
    missed = Score(1, "2026-01-01T09:00:00+00:00", "", 3)
    for scores in ([late, missed, early], [early, late, missed]):
        (learner,) = merge(Learner("ada", {1: score}) for score in scores)
        assert learner.of(1) == early


def test_score_refuses_a_file_that_is_no_result(tmp_path):
    file = tmp_path / "results.json"
    for text in ("", "[]", '{"format": 2}', '{"format": 1, "learner": "a", "labs": {"x": {}}}'):
        file.write_text(text)
        with pytest.raises(InputError, match=r"is not a learner's results\.json"):
            read_results(file)
    with pytest.raises(InputError, match="neither a file nor a folder"):
        find_results([tmp_path / "nowhere"])


def test_csv_keeps_a_spreadsheet_from_running_a_name():
    text = as_csv([Learner("=cmd()", {})])
    assert "\n=cmd()" not in text
    assert "'=cmd()" in text


def test_score_sheet_is_written_for_nobody_yet():
    page = as_html([])
    assert "0 learners" in page
