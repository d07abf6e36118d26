"""``rwlib run``: exit codes, one sentence for a mistake, and files of a run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import boto3
import nbformat
import pytest
from nbformat.v4 import new_code_cell

from rwlib.report.schema import validate_report
from tests.support.command_line import options, rwlib
from tests.support.places import ROOT


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("workload_identity_arn", "arn:aws:iam::444455556666:user/ada", "is a user"),
        ("workload_identity_arn", "arn:aws:iam::444455556666:root", "is a whole account"),
        ("workload_identity_arn", "arn:aws:sts::444455556666:assumed-role/r/s", "is a session"),
        ("workload_identity_arn", "arn:aws-cn:iam::444455556666:role/r", "partition aws-cn"),
        ("workload_identity_arn", "arn:aws:iam::44445555666:role/r", "exactly 12 digits"),
        ("bucket", "Acme", "no capital letters"),
        ("bucket", "s3://acme-analytics/x/y", "names another prefix"),
        ("prefix", "/risingwave", "begins with a slash"),
        ("prefix", "/", "begins with a slash"),
        ("prefix", "a/../b", "'.' or '..' segment"),
        ("prefix", "a\x07b", "control character"),
        ("prefix", "x" * 1025, "1,025 bytes"),
        ("role_name", "r" * 65, "at most 64"),
        ("role_name", "my role", "does not allow"),
        ("role_name", "arn:aws:iam::111122223333:role/r", "is an ARN"),
        ("connectors", "redshfit", "did you mean redshift"),
        ("max_session_duration", "60", "3600 to 43200"),
        ("policy_style", "loose", "recommended, documented"),
    ],
)
def test_bad_input_is_one_sentence_and_creates_nothing(
    aws_environment, example, field, value, words
):
    aws_environment.forget_calls()
    code, out, err = rwlib("run", *options(example, **{field: value}, apply=True))
    assert code == 2
    assert words in err
    assert err.startswith(f"error: {field}: ")
    assert err.count("\n") == 1
    assert "Traceback" not in out + err
    assert aws_environment.calls() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "does not exist"),
        ("- a\n- b\n", "is not a mapping"),
        ("bucket: [\n", "is not valid YAML"),
        ("bukcet: x\n", "did you mean bucket"),
        ("prefix: 2024\n", "put it in quotes"),
        ("connectors: []\nbucket: acme-analytics\n", "is empty"),
    ],
)
def test_bad_target_file_is_one_sentence(tmp_path, text, words):
    path = tmp_path / "target.yaml"
    if text is not None:
        path.write_text(text)
    code, _, err = rwlib("run", "--target", path)
    assert code == 2
    assert words in err or ("put it in quotes" in words and "is empty" in err)
    assert err.count("\n") == 1


@pytest.mark.slow
def test_unknown_profile_is_bad_input(aws_environment, example):
    code, _, err = rwlib("run", *options(example, aws_profile="nobody"))
    assert code == 2
    assert "aws_profile: 'nobody' does not exist" in err


@pytest.mark.slow
def test_unreadable_credentials_file_is_bad_input(aws_environment, example, tmp_path, monkeypatch):
    path = tmp_path / "config"
    path.write_text("[profile x\nthis is no ini file")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    code, _, err = rwlib("run", *options(example))
    assert code == 2
    assert "cannot be read" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_run_verify_and_teardown_follow_each_other(aws_environment, example, tmp_path):
    code, out, err = rwlib("run", *options(example, apply=True), "--json")
    assert code == 0, err
    done = json.loads(out)
    validate_report(done)
    run_dir = next((tmp_path / "runs").iterdir())
    names = {path.name for path in run_dir.iterdir()}
    written = {"runbook.ipynb", "report.json", "report.html", "ledger.jsonl"}
    assert names == {*written, "manifest.json"}
    code, out, _ = rwlib("report", "--verify", run_dir)
    assert (code, out.split(" (")[0]) == (0, "4 files are as they were written")
    assert json.loads((run_dir / "report.json").read_text()) == done
    page = (run_dir / "report.html").read_text()
    assert "<script src" not in page
    assert "http://" not in page.replace(os.environ["AWS_ENDPOINT_URL"], "").replace(
        "http://www.w3.org/", ""
    )
    (run_dir / "report.html").write_text("")
    code, out, _ = rwlib("report", "--verify", run_dir)
    assert (code, "report.html: changed" in out) == (1, True)

    code, out, _ = rwlib("verify", *options(example), "--json")
    assert code == 0
    assert json.loads(out)["applied"] is False

    code, out, _ = rwlib("teardown", *options(example))
    assert code == 0
    assert "Would delete IAM role" in out
    code, out, _ = rwlib("teardown", *options(example, apply=True))
    assert "Deleted IAM role" in out
    names = [role["RoleName"] for role in boto3.client("iam").list_roles()["Roles"]]
    assert "risingwave-s3-access" not in names
    code, out, _ = rwlib("verify", *options(example))
    assert code == 1
    assert "✗ fail" in out
    assert "Role risingwave-s3-access exists [role_missing]" in out


@pytest.mark.slow
def test_run_asks_for_a_person_when_nobody_confirmed_step_4(aws_environment, example):
    values = options(example, apply=True, allowed_principal_confirmed_by="")
    code, out, _ = rwlib("run", *values)
    assert code == 3
    assert "Allowed Principals" in out
    assert "manual" in out
    assert "A person does this step" in out.split("Step 4 - ")[1].split("Verdict")[0]


@pytest.mark.slow
def test_run_in_the_sandbox_needs_no_credentials(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "rwlib", "run", "--target", ROOT / "examples/redshift.yaml",
         "--sandbox", "--apply", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "AWS_PROFILE": "somebody"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["exit_code"] == 0
    assert len(list((tmp_path / "runs").iterdir())) == 1


@pytest.mark.slow
def test_refused_run_leaves_no_folder(aws_environment, example, tmp_path):
    code, _, err = rwlib("run", *options(example, bucket="no-such-bucket-here", apply=True))
    assert code == 2
    assert "does not exist" in err
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.slow
def test_run_that_fails_half_way_keeps_its_evidence(aws_environment, example, tmp_path):
    arn = "arn:aws:iam::444455556666:role/misspelt-role"
    code, _, err = rwlib("run", *options(example, workload_identity_arn=arn, apply=True))
    assert code == 2
    assert "does not exist in AWS" in err
    (run_dir,) = (tmp_path / "runs").iterdir()
    assert {path.name for path in run_dir.iterdir()} == {
        "runbook.ipynb", "ledger.jsonl", "report.json", "report.html", "manifest.json",
    }  # fmt: skip
    left = json.loads((run_dir / "report.json").read_text())
    assert left["headline"].startswith("No verdict: workload_identity_arn: 'arn:aws:iam::4444")
    assert left["exit_code"] == 2


# click ends the line in which the terminal shows ^C.
STOPPED = "\nerror: stopped; run it again to go on\n"


@pytest.fixture
def interrupted_runbook(tmp_path, monkeypatch):
    """Return a function that makes a notebook with these cells the runbook."""

    def write(*sources):
        runbook = nbformat.read(ROOT / "notebooks/runbook.ipynb", 4)
        parameters = [
            cell for cell in runbook.cells if "parameters" in cell.metadata.get("tags", [])
        ]
        runbook.cells = [*parameters, *map(new_code_cell, sources)]
        (tmp_path / "notebooks").mkdir()
        nbformat.write(runbook, tmp_path / "notebooks/runbook.ipynb")
        monkeypatch.setenv("RWLIB_NOTEBOOKS", str(tmp_path / "notebooks"))
        monkeypatch.setenv("RWLIB_RUNS", str(tmp_path / "runs"))

    return write


WRITE = "import os, pathlib\npathlib.Path(os.environ['RWLIB_RUN_DIR'], {!r}).write_text('{{}}\\n');"


@pytest.mark.parametrize(
    ("files", "kept"),
    [
        ([], None),
        (
            ["ledger.jsonl"],
            {"runbook.ipynb", "ledger.jsonl", "report.json", "report.html", "manifest.json"},
        ),
        (["report.json"], {"runbook.ipynb", "report.json", "manifest.json"}),
    ],
    ids=["nothing-written", "applied", "reported"],
)
def test_run_is_stopped_when_a_cell_is_interrupted(
    interrupted_runbook, example, tmp_path, files, kept
):
    interrupted_runbook(*map(WRITE.format, files), "raise KeyboardInterrupt", "1")
    code, out, err = rwlib("run", *options(example), "--json")
    assert (code, err) == (130, STOPPED)
    assert json.loads(out)["exit_code"] == 130
    folders = [{path.name for path in folder.iterdir()} for folder in (tmp_path / "runs").iterdir()]
    assert folders == ([kept] if kept else [])


@pytest.mark.slow
def test_run_is_stopped_when_the_process_is_interrupted_in_a_cell(
    interrupted_runbook, example, tmp_path
):
    ready = tmp_path / "ready"
    wait = f"import time\npathlib.Path({str(ready)!r}).touch()\ntime.sleep(600)"
    interrupted_runbook(WRITE.format("ledger.jsonl"), wait, "1")
    run = subprocess.Popen(
        [sys.executable, "-m", "rwlib", "run", *options(example), "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not ready.exists() and run.poll() is None:
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    finally:
        run.kill()
    assert (run.returncode, err) == (130, STOPPED)
    assert json.loads(out)["exit_code"] == 130
    (run_dir,) = (tmp_path / "runs").iterdir()
    assert {path.name for path in run_dir.iterdir()} == {
        "runbook.ipynb", "ledger.jsonl", "report.json", "report.html", "manifest.json",
    }  # fmt: skip
    left = json.loads((run_dir / "report.json").read_text())
    assert left["headline"] == "No verdict: it was stopped"
    executed = nbformat.read(run_dir / "runbook.ipynb", 4)
    errors = [output.ename for cell in executed.cells for output in cell.get("outputs", [])]
    assert errors == ["KeyboardInterrupt"]
    assert executed.cells[-1].execution_count is None


@pytest.mark.slow
def test_preview_shows_the_documents_and_one_line_of_progress(aws_environment, example):
    code, out, err = rwlib("run", *options(example), "--show", "documents")
    # The cells of the notebook, and the one with the parameters that papermill puts in.
    cells = len(nbformat.read(ROOT / "notebooks" / "runbook.ipynb", as_version=4).cells) + 1
    assert (code, err) == (0, f"Running Steps 1-5 and the verification: {cells} cells\n")
    policy, trust = (
        json.loads(textwrap.dedent(text))
        for text in re.findall(r"^      \{\n.*?^      \}\n", out, re.S | re.M)
    )
    exported = json.loads(rwlib("export", *options(example), "--format", "json")[1])
    assert policy == exported["policy"]["document"]
    assert trust == exported["role"]["trust_policy"]
    code, out, _ = rwlib("run", *options(example))
    assert (code, '"Version"' in out) == (0, False)


@pytest.mark.slow
def test_what_is_read_otherwise_than_written_is_said(aws_environment, example):
    given = {**example, "bucket": "s3://acme-analytics/risingwave/", "prefix": ""}
    code, _, err = rwlib("sql", *options(given))
    assert code == 0
    said = "'s3://acme-analytics/risingwave/' is read as bucket 'acme-analytics' and prefix"
    assert err.startswith(f"note: {said} 'risingwave'\n")


@pytest.mark.slow
def test_wrong_connector_option_is_refused_before_anybody_is_asked(aws_environment, example):
    aws_environment.forget_calls()
    given = {**example, "connectors": ["s3_sink"], "sql_options": "frm=orders"}
    for command in ("run", "verify"):
        code, out, err = rwlib(command, *options(given))
        assert (code, out) == (2, "")
        assert "did you mean from" in err
    assert aws_environment.calls() == []
