"""What is approved is what is run, and a batch's evidence says what became of every row."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import boto3
import pytest

from rwlib.batch.folders import batch_folder, only_batch
from rwlib.batch.results import STATE_FILE, BatchState
from rwlib.batch.runner import run_batch
from rwlib.cli import main
from rwlib.errors import EvidenceError, InputError
from rwlib.report.schema import validate_report
from rwlib.runs.manifest import verify_manifest
from tests.batch.test_runner import made, options, write_targets

pytestmark = pytest.mark.slow


def summary_of(result):
    return json.loads((result.folder / "summary.json").read_text())


def rwlib(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in arguments])
    return ended.value.code


def test_row_that_was_not_planned_is_not_run(aws_environment, runs, one_fork_server, tmp_path):
    path = write_targets(tmp_path / "orders.jsonl", 2)

    def approve_and_edit(planned):
        assert (planned.changes, planned.total) == (6, 2)
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        rows[0]["prefix"] = "elsewhere"
        rows.append({**rows[1], "name": "late", "prefix": "late", "role_name": "late"})
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return True

    result = run_batch(options(path, apply=True, plan=True, approve=approve_and_edit))
    assert (result.exit_code, dict(result.counts)) == (2, {"done": 1, "error": 2})
    assert made(aws_environment) == [
        "CreatePolicy",
        "TagPolicy",
        "CreateRole",
        "TagRole",
        "AttachRolePolicy",
    ]
    said = {each["name"]: each["problem"] for each in summary_of(result)["targets"]}
    assert said["t0"] == said["late"] == "it was changed after the plan was made; plan again"


def test_target_that_could_not_be_planned_is_not_run(
    aws_environment, runs, one_fork_server, tmp_path
):
    path = write_targets(tmp_path / "orders.jsonl", 2)
    text = path.read_text().replace("acme-analytics", "acme-not-yet", 1)
    path.write_text(text)
    s3 = boto3.client("s3")
    asked = []

    def approve(planned):
        asked.append(dict(planned.counts))
        s3.create_bucket(Bucket="acme-not-yet")
        aws_environment.forget_calls()
        return True

    try:
        result = run_batch(options(path, apply=True, plan=True, approve=approve))
    finally:
        s3.delete_bucket(Bucket="acme-not-yet")
    assert asked == [{"error": 1, "previewed": 1}]
    assert (result.exit_code, dict(result.counts)) == (2, {"done": 1, "error": 1})
    assert "CreateRole" in made(aws_environment)
    (failed,) = (each for each in summary_of(result)["targets"] if each["status"] == "error")
    assert failed["problem"].startswith("it could not be planned: bucket: 'acme-not-yet' does not")


@pytest.mark.parametrize(
    ("plan", "answer", "asks"),
    [
        ({"changes": 0, "counts": {"unchanged": 2}}, None, ""),
        ({"changes": 6, "counts": {"previewed": 2}}, "y", "Make 6 changes for 2 targets?"),
        ({"changes": 0, "counts": {"error": 2}}, "n", "2 of 2 targets could not be planned"),
        ({"changes": 3, "counts": {"previewed": 1, "not run": 1}}, "n", "1 of 2 targets could not"),
    ],
)
def test_question_is_asked_unless_all_is_planned_and_nothing_would_change(
    monkeypatch, capsys, plan, answer, asks
):
    from rwlib.batch.options import BatchResult
    from rwlib.cli.batch import _approval

    said = []

    def confirm(question, err):
        said.append(question)
        return answer == "y"

    monkeypatch.setattr("click.confirm", confirm)
    planned = BatchResult(Path("plan"), "planned", 0, 2, changing=2, seconds=1, manifest="", **plan)
    assert _approval(False, False)(planned) is (answer != "n")
    assert bool(said) is bool(asks)
    assert not asks or asks in said[0]
    assert _approval(True, True)(planned) is True
    out, err = capsys.readouterr()
    assert out == ""
    assert "planned" in err


def test_plan_shows_what_would_be_written_and_is_kept_with_its_approval(
    aws_environment, runs, one_fork_server, tmp_path, capsys
):
    path = write_targets(tmp_path / "orders.jsonl", 1)
    refused = run_batch(options(path, apply=True, plan=True, approve=lambda _: False))
    assert (refused.refused, refused.exit_code, made(aws_environment)) == (True, 3, [])
    assert refused.headline.endswith("the plan was not approved, nothing was written")
    page = (refused.folder / "summary.html").read_text()
    assert page.count("Would create") == 3
    assert "+        &#34;s3:PutObject" in page
    assert "a verdict is about what would be there" in page

    done = run_batch(options(path, apply=True, plan=True, approve=lambda _: True))
    assert done.folder == refused.folder.parent
    assert sorted(each.name for each in done.folder.glob("plan*")) == ["plan", "plan-1"]
    approval = summary_of(done)["approval"]
    assert set(approval) == {"by", "at", "plan_manifest_sha256"}
    assert verify_manifest(done.folder / "plan", approval["plan_manifest_sha256"])[0] == []
    assert approval["plan_manifest_sha256"] in (done.folder / "summary.html").read_text()
    assert verify_manifest(done.folder, done.manifest)[0] == []


def test_output_is_json_alone_when_a_plan_is_approved(
    aws_environment, runs, one_fork_server, tmp_path, capsys
):
    path = write_targets(tmp_path / "orders.jsonl", 1)
    code = rwlib("batch", path, "--plan", "--apply", "--yes", "--json")
    out, err = capsys.readouterr()
    assert (code, json.loads(out)["counts"]) == (0, {"done": 1})
    assert "Plan: " in err
    assert rwlib("batch", path, "--yes") == 2
    assert "approves a plan" in capsys.readouterr().err


def test_row_that_left_the_file_is_told_of(aws_environment, runs, one_fork_server, tmp_path):
    path = write_targets(tmp_path / "orders.jsonl", 2)
    good = path.read_text()
    path.write_text(good.replace("acme-analytics", "acme-nowhere", 1))
    first = run_batch(options(path, apply=True))
    assert first.exit_code == 2
    path.write_text(good.splitlines(keepends=True)[1])
    second = run_batch(options(path, apply=True))
    assert (second.folder, second.exit_code) == (first.folder, 0)
    assert dict(second.counts) == {"done": 1, "not in the file": 1}
    (gone,) = (each for each in summary_of(second)["targets"] if each["name"] == "t0")
    assert gone["problem"].startswith("no longer in the file; it was: bucket: 'acme-nowhere'")
    assert "1 no longer in the file" in second.headline


def test_file_of_the_same_name_elsewhere_is_another_batch(
    aws_environment, runs, one_fork_server, tmp_path
):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    one = write_targets(tmp_path / "a" / "targets.jsonl", 2, bucket="acme-nowhere")
    other = write_targets(tmp_path / "b" / "targets.jsonl", 1)
    first = run_batch(options(one, apply=True))
    second = run_batch(options(other, apply=True))
    assert first.folder != second.folder
    assert len(summary_of(first)["targets"]) == 2
    # Under a name that was given it is the same, wherever its file is.
    named = run_batch(options(one, name="orders"))
    moved = shutil.move(one, tmp_path / "moved.jsonl")
    assert run_batch(options(moved, name="orders")).folder == named.folder


def test_preview_in_between_does_not_make_the_next_batch_run_everything_again(
    aws_environment, runs, one_fork_server, tmp_path
):
    path = write_targets(tmp_path / "orders.jsonl", 2)
    assert dict(run_batch(options(path, apply=True)).counts) == {"done": 2}
    assert dict(run_batch(options(path, plan=True)).counts) == {"unchanged": 2}
    assert dict(run_batch(options(path)).counts) == {"unchanged": 2}
    again = run_batch(options(path, apply=True))
    assert summary_of(again)["skipped"] == 2


def test_manifest_vouches_for_the_evidence_of_an_earlier_batch(
    aws_environment, runs, one_fork_server, tmp_path
):
    path = write_targets(tmp_path / "orders.jsonl", 1)
    first = run_batch(options(path, apply=True))
    second = run_batch(options(path, apply=True))
    problems, compared = verify_manifest(second.folder, second.manifest)
    assert (problems, compared) == ([], 4 + 5)
    page = first.folder / "t0" / "report.html"
    page.write_text(page.read_text().replace("pass", "fail"))
    (changed,) = verify_manifest(second.folder)[0]
    assert str(changed) == f"../{first.folder.name}/t0/report.html: changed"
    shutil.rmtree(first.folder)
    (gone,) = verify_manifest(second.folder)[0]
    assert str(gone) == f"../{first.folder.name}/t0/manifest.json: missing"


@pytest.mark.parametrize("command", ["batch", "run", "verify"])
def test_unusable_folder_for_runs_is_one_sentence(
    aws_environment, tmp_path, monkeypatch, capsys, command, example
):
    blocked = tmp_path / "file"
    blocked.write_text("")
    path = write_targets(tmp_path / "orders.jsonl", 1)
    single = tmp_path / "target.yaml"
    single.write_text(json.dumps(example))
    given = {
        "batch": ("batch", path, "--apply"),
        "run": ("run", "--target", single, "--apply"),
        "verify": ("verify", "--targets", path),
    }[command]
    for place in (blocked, blocked / "below"):
        monkeypatch.setenv("RWLIB_RUNS", str(place))
        assert rwlib(*given) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert f"RWLIB_RUNS: '{place}' cannot hold the evidence" in said
    assert made(aws_environment) == []


def test_name_of_a_batch_can_be_too_long(aws_environment, runs, tmp_path):
    with pytest.raises(InputError, match=r"batch_name: .* is longer than 200 characters"):
        run_batch(options(write_targets(tmp_path / "o.jsonl", 1), name="x" * 300))
    assert not runs.exists()


def test_memory_that_cannot_be_written_says_what_to_do(tmp_path):
    with BatchState(tmp_path / STATE_FILE) as state:
        state.remember("name", "x")
        state._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(EvidenceError, match="make room, then run the same command again"):
            state.remember("name", "y")
    assert sqlite3.connect(tmp_path / STATE_FILE).execute("SELECT value FROM facts").fetchall() == [
        ("x",)
    ]


def test_no_lock_file_is_left_when_a_batch_is_over(runs):
    with only_batch("orders"):
        assert [path.name for path in runs.iterdir()] == [".orders.lock"]
    assert list(runs.iterdir()) == []


def test_failed_check_is_told_in_a_sentence():
    from rwlib.batch.job import _problem_of

    def check(name, title, *evidence, status="fail"):
        return {"id": name, "title": title, "evidence": list(evidence), "status": status}

    attached = check("policy_attached", "The policy is attached", "x is not attached to r")
    gone = check("role_exists", "Role r exists", "arn:aws:iam::111122223333:role/r")
    other = check(
        "policy_documents", "Policy p is the one this target asks for", "@@ -1 +1 @@", "-a"
    )
    assert _problem_of([check("identity", "AWS knows who is asking", status="pass")]) == ""
    assert _problem_of([attached, gone]) == (
        "not so: Role r exists (arn:aws:iam::111122223333:role/r), and 1 more"
    )
    assert _problem_of([other]) == "not so: Policy p is the one this target asks for"


def test_batches_of_other_modes_and_files_are_passed_over(runs):
    made = []
    for mode, source, finished in (
        ("apply", "/a", "yes"), ("preview", "/a", "yes"), ("apply", "/b", ""),
    ):  # fmt: skip
        folder, _ = batch_folder("orders", mode, source, new=True)
        with BatchState(folder / STATE_FILE) as state:
            for name, value in (("name", "orders"), ("mode", mode), ("source", source),
                                ("finished", finished)):  # fmt: skip
                state.remember(name, value)
        made.append(folder)
    assert batch_folder("orders", "apply", "/a")[1] == made[0]
    assert batch_folder("orders", "preview", "/a")[1] == made[1]
    assert batch_folder("orders", "apply", "/b") == (made[2], None)
    assert batch_folder("orders", "apply", "/c")[1] is None


def test_target_that_ended_with_an_error_has_a_report(
    aws_environment, runs, one_fork_server, tmp_path
):
    path = write_targets(tmp_path / "orders.jsonl", 1, bucket="acme-nowhere")
    result = run_batch(options(path, apply=True))
    report = json.loads((result.folder / "t0" / "report.json").read_text())
    validate_report(report)
    assert report["headline"].startswith("No verdict: bucket: 'acme-nowhere' does not exist")
    assert (report["exit_code"], report["checks"], report["applied"]) == (2, [], True)
    page = (result.folder / "t0" / "report.html").read_text()
    assert "The error came before any hop was judged" in page
    assert "rw-code-2" in page
    assert 'href="t0/report.html"' in (result.folder / "summary.html").read_text()
    assert verify_manifest(result.folder)[0] == []
