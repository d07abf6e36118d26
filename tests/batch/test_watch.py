"""The watch: what it compares with, what it hands on, and what its report says."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import boto3
import pytest

from rwlib.batch import executors
from rwlib.batch.fork_server import ForkServer
from rwlib.batch.options import Options
from rwlib.batch.summary import write_summary
from rwlib.batch.watch import watch_targets
from rwlib.cli import main
from rwlib.runs.manifest import verify_manifest
from tests.support import places

pytestmark = pytest.mark.slow

ROOT = places.ROOT
WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"


def write_targets(path, names):
    rows = [
        {"name": name, "workload_identity_arn": WORKLOAD, "bucket": "acme-analytics",
         "prefix": f"risingwave/{name}", "role_name": f"role-{name}", "connectors": ["s3_sink"],
         "allowed_principal_confirmed_by": "Ada Example"}
        for name in names
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def options(path, **more):
    return Options(targets=path, notebook=Path(), **{"workers": 2, **more})


def set_up(path):
    """Make what the targets of the file ask for, without notebooks."""
    from rwlib.runbook.runbook import Runbook

    for line in path.read_text().splitlines():
        book = Runbook.start({**json.loads(line), "apply": True})
        for number in range(1, 6):
            book.run_step(number)


def edit_trust(name, sid="Extra"):
    iam = boto3.client("iam")
    trust = iam.get_role(RoleName=f"role-{name}")["Role"]["AssumeRolePolicyDocument"]
    trust["Statement"].append(
        {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": "111122223333"},
         "Action": "sts:AssumeRole"}
    )  # fmt: skip
    iam.update_assume_role_policy(RoleName=f"role-{name}", PolicyDocument=json.dumps(trust))


def drift_of(result):
    return json.loads((result.folder / "drift.json").read_text())


@pytest.fixture(scope="module")
def refused_fork_server(shared_sandbox):
    """A fork server whose children AWS refuses."""
    wrong = {**os.environ, **shared_sandbox.environment(), "AWS_SECRET_ACCESS_KEY": "wrong"}
    with ForkServer(wrong) as fork_server:
        yield fork_server


@pytest.fixture
def refused(refused_fork_server):
    """Let AWS refuse whoever asks, for as long as the context lasts."""

    class Refused:
        run = staticmethod(refused_fork_server.run)
        kill_children = staticmethod(refused_fork_server.kill_children)

        def close(self):
            pass

    @contextlib.contextmanager
    def refused():
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
            patched.setattr(executors, "ForkServer", Refused)
            yield

    return refused


def test_change_is_reported_when_the_watch_that_saw_it_was_killed(runs, one_fork_server, tmp_path):
    path = write_targets(tmp_path / "orders.jsonl", ["w0", "w1"])
    set_up(path)
    first = watch_targets(options(path))
    edit_trust("w0")
    killed = subprocess.Popen(
        [sys.executable, "-m", "rwlib", "verify", "--targets", str(path), "--workers", "1"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert any(line.startswith("[1/2] w0: changed") for line in iter(killed.stderr.readline, ""))
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(list(runs.glob("*/state.sqlite"))) == 2

    result = watch_targets(options(path))
    assert (result.exit_code, dict(result.counts)) == (1, {"as before": 1, "changed": 1})
    assert drift_of(result)["last_look"] == first.folder.name
    assert [each["name"] for each in drift_of(result)["targets"]] == ["w0"]


def test_change_is_reported_again_when_its_report_could_not_be_written(
    runs, one_fork_server, tmp_path, monkeypatch
):
    path = write_targets(tmp_path / "orders.jsonl", ["w0"])
    set_up(path)
    watch_targets(options(path))
    edit_trust("w0")

    def full(*_):
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("rwlib.batch.watch.write_drift", full)
        with pytest.raises(OSError, match="No space"):
            watch_targets(options(path))
    assert dict(watch_targets(options(path)).counts) == {"changed": 1}
    assert dict(watch_targets(options(path)).counts) == {"as before": 1}


def test_change_is_told_once_when_a_target_changed(runs, one_fork_server, tmp_path):
    path = write_targets(tmp_path / "orders.jsonl", ["w0"])
    set_up(path)
    watch_targets(options(path))
    edit_trust("w0")
    told = io.StringIO()
    watch_targets(options(path), told)
    assert told.getvalue() == "[1/1] w0: changed, the trust policy\n"


def test_first_look_claims_no_comparison_when_nothing_failed(runs, one_fork_server, tmp_path):
    path = write_targets(tmp_path / "orders.jsonl", ["w0", "w1"])
    set_up(path)
    first = watch_targets(options(path))
    assert (first.exit_code, dict(first.counts)) == (0, {"first look": 2})
    assert first.headline == "2 targets: 2 looked at for the first time"
    page = (first.folder / "drift.html").read_text()
    assert "at the last look" not in page
    assert "nothing was compared, because this is the first look" in page
    assert 'class="rw-headline rw-code-0"' not in page

    second = watch_targets(options(path))
    assert second.headline == "2 targets: 2 as they were"
    assert "nothing has changed since the last look" in (second.folder / "drift.html").read_text()


def test_target_is_compared_with_nothing_when_it_could_not_be_looked_at_before(
    runs, one_fork_server, tmp_path, refused
):
    path = write_targets(tmp_path / "orders.jsonl", ["w0"])
    set_up(path)
    with refused():
        result = watch_targets(options(path))
    assert dict(result.counts) == {"error": 1}
    assert "its documents are not compared" in (result.folder / "drift.html").read_text()
    assert dict(watch_targets(options(path)).counts) == {"first look": 1}


def junit_of(folder):
    """The suite's counts, and what each target is in it with what is said."""
    suite = ET.parse(folder / "junit.xml").getroot()
    counts = {key: int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")}
    cases = {case.get("name"): [(each.tag, each.get("message")) for each in case] for case in suite}
    return counts, cases


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("done", None),
        ("unchanged", None),
        ("previewed", None),
        ("as before", None),
        ("first look", None),
        ("manual", "skipped"),
        ("failed", "failure"),
        ("changed", "failure"),
        ("error", "error"),
        ("not reached", "error"),
        ("not run", "error"),
        ("not in the file", "skipped"),
    ],
)
def test_junit_has_a_message_when_a_status_is_no_pass(tmp_path, status, kind):
    row = {"row": 1, "name": "t", "status": status, "exit_code": 0, "headline": "what was said",
           "problem": "", "hops": {}, "changes": []}  # fmt: skip
    head = {"name": "b", "mode": "watch", "total": 1, "source": "t.csv", "headline": "",
            "counts": {}, "exit_code": 0, "seconds": 1.0, "started": "", "finished": "",
            "made_by": "", "endpoint": ""}  # fmt: skip
    write_summary(tmp_path, head, lambda: [row])
    counts, cases = junit_of(tmp_path)
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    assert counts == {"tests": 1, **{name: int(kind == kinds[name]) for name in kinds}}
    assert [each for each, _ in cases["t"]] == ([kind] if kind else [])
    assert all("what was said" in message for _, message in cases["t"])


def test_targets_that_were_not_reached_are_no_pass_when_a_watch_stops(
    runs, one_fork_server, tmp_path, monkeypatch
):
    path = write_targets(tmp_path / "orders.jsonl", ["w0", "w1", "w2"])
    set_up(path)
    watch_targets(options(path))
    edit_trust("w2")
    write_targets(path, ["missing", "w0", "w1", "w2"])
    stopped = watch_targets(options(path, max_failures=1, workers=1))
    assert stopped.exit_code == 1
    assert dict(stopped.counts) == {"failed": 1, "not reached": 3}
    counts, cases = junit_of(stopped.folder)
    assert counts == {"tests": 4, "failures": 1, "errors": 3, "skipped": 0}
    assert cases["w1"] == [("error", "not reached: 1 target failed")]
    with (stopped.folder / "summary.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert rows["missing"]["role"] == "fail"
    assert "1 of 4 targets from orders.jsonl" in (stopped.folder / "drift.html").read_text()
    assert set(rows["w1"].values()).isdisjoint({"pass", "fail", "unknown", "manual"})

    # The change that was not reached is still found by the next look.
    write_targets(path, ["w0", "w1", "w2"])
    result = watch_targets(options(path))
    assert dict(result.counts) == {"as before": 2, "changed": 1}
    counts, cases = junit_of(result.folder)
    assert counts == {"tests": 3, "failures": 1, "errors": 0, "skipped": 0}
    assert cases["w2"] == [("failure", "changed since the last look: the trust policy")]


def test_target_is_compared_again_when_it_is_back_in_the_file(runs, one_fork_server, tmp_path):
    path = write_targets(tmp_path / "orders.jsonl", ["w0", "w1", "w2"])
    set_up(path)
    first = watch_targets(options(path))
    write_targets(path, ["w0", "w3"])
    set_up(path)
    edit_trust("w1")
    second = watch_targets(options(path))
    assert (second.exit_code, second.total) == (0, 2)
    assert dict(second.counts) == {"as before": 1, "first look": 1}
    assert second.headline.endswith("; 2 no longer in the file")
    told = drift_of(second)
    assert told["new"] == ["w3"]
    assert [each["name"] for each in told["not_in_file"]] == ["w1", "w2"]
    assert told["targets"] == []
    page = (second.folder / "drift.html").read_text()
    assert "New: nothing to compare with" in page
    assert "role/role-w1" in page
    assert verify_manifest(second.folder, second.manifest)[0] == []

    # One more night without them; what was told is not told again in the headline.
    third = watch_targets(options(path))
    assert "file" not in third.headline
    assert [each["last_looked_at"] for each in drift_of(third)["not_in_file"]] == [
        first.folder.name
    ] * 2

    write_targets(path, ["w0", "w1", "w3"])
    fourth = watch_targets(options(path))
    assert dict(fourth.counts) == {"as before": 2, "changed": 1}
    assert fourth.headline.endswith("; 1 back in the file")
    told = drift_of(fourth)
    assert (told["new"], told["back"]) == ([], ["w1"])
    assert [(each["name"], each["compared_with"]) for each in told["targets"]] == [
        ("w1", first.folder.name)
    ]
    assert [each["name"] for each in told["not_in_file"]] == ["w2"]


def exit_code_of(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code


def test_printed_hash_vouches_for_the_report_when_a_watch_ends(
    runs, one_fork_server, tmp_path, capsys
):
    path = write_targets(tmp_path / "orders.jsonl", ["w0"])
    set_up(path)
    assert exit_code_of("verify", "--targets", str(path)) == 0
    printed = capsys.readouterr().out
    (sha256,) = re.findall(r"^Evidence: sha256 (\w{64}) of its manifest.json$", printed, re.M)
    (folder,) = (found.parent for found in runs.glob("*/drift.json"))
    verify = ("report", "--verify", str(folder), "--sha256")
    assert exit_code_of(*verify, sha256) == 0
    assert exit_code_of(*verify, "0" * 64) == 1


def test_json_names_the_targets_that_drifted_when_asked_for(
    runs, one_fork_server, tmp_path, capsys
):
    path = write_targets(tmp_path / "orders.jsonl", ["w0", "w1", "w2"])
    set_up(path)
    first = watch_targets(options(path))
    edit_trust("w1")
    write_targets(path, ["w1", "w2", "missing"])
    assert exit_code_of("verify", "--targets", str(path), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["counts"] == {"as before": 1, "changed": 1, "failed": 1}
    changed, failed = told["targets"]
    assert changed == {
        "name": "w1",
        "status": "changed",
        "problem": "the trust policy",
        "compared_with": first.folder.name,
        "changed": ["the trust policy"],
    }
    assert (failed["name"], failed["status"], failed["changed"]) == ("missing", "failed", [])
    assert failed["problem"]
    assert told["new"] == ["missing"]
    assert [each["name"] for each in told["not_in_file"]] == ["w0"]
    whole = json.loads(Path(told["drift"]).read_text())
    assert whole["targets"][0]["drift"][0]["now"]["Statement"][1]["Sid"] == "Extra"


def test_problem_that_was_seen_is_no_change_when_a_service_refuses(
    runs, one_fork_server, tmp_path, refused
):
    path = write_targets(tmp_path / "orders.jsonl", ["w0"])
    set_up(path)
    watch_targets(options(path))
    row = json.loads(path.read_text())
    path.write_text(json.dumps({**row, "bucket": "acme-missing"}) + "\n")
    gone = watch_targets(options(path))
    assert [each["fact"] for each in drift_of(gone)["targets"][0]["drift"]] == [
        "what kept it from being looked at"
    ]
    assert (
        "<p>Was <code>none</code>, is now <code>bucket: "
        in (gone.folder / "drift.html").read_text()
    )
    with refused():
        result = watch_targets(options(path))
    assert dict(result.counts) == {"error": 1}
    assert drift_of(result)["targets"][0]["drift"] == []
    path.write_text(json.dumps(row) + "\n")
    assert dict(watch_targets(options(path)).counts) == {"changed": 1}
