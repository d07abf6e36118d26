"""Batches in the sandbox: whole, stopped, disturbed, planned, watched, and on Dask's workers."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

import boto3
import nbformat
import pytest

from rwlib.batch import executors
from rwlib.batch.folders import only_batch
from rwlib.batch.options import Options
from rwlib.batch.runner import run_batch
from rwlib.batch.watch import watch_targets
from rwlib.cli import main
from rwlib.errors import RunbookError
from rwlib.runs.manifest import verify_manifest
from tests.support import places
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

ROOT = places.ROOT
NOTEBOOK = ROOT / "notebooks" / "runbook.ipynb"
WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"


def write_targets(path, count, **more):
    rows = [
        {"name": f"t{n}", "workload_identity_arn": WORKLOAD, "bucket": "acme-analytics",
         "prefix": f"risingwave/{n}", "role_name": f"role-{n}", "connectors": ["s3_sink"],
         "allowed_principal_confirmed_by": "Ada Example", **more}
        for n in range(count)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def options(path, **more):
    return Options(targets=path, notebook=NOTEBOOK, workers=2, **more)


def account_state():
    """What the customer's IAM holds, without ids and times."""
    iam = boto3.client("iam")
    found = {}
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        tags = iam.list_role_tags(RoleName=name)["Tags"]
        found[f"role {name}"] = [
            role["AssumeRolePolicyDocument"],
            sorted(each["PolicyArn"] for each in attached),
            sorted(re.sub(r"AROA[A-Z0-9]+", "AROA", str(each)) for each in tags),
        ]
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        versions = iam.list_policy_versions(PolicyArn=policy["Arn"])["Versions"]
        document = iam.get_policy_version(
            PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"]
        )["PolicyVersion"]["Document"]
        found[f"policy {policy['PolicyName']}"] = [document, len(versions)]
    return json.loads(json.dumps(found))


def made(sandbox):
    """The calls that created, attached or put something."""
    return [
        call["action"] for call in sandbox.calls()
        if re.match("Create|Attach|Put|Update|Delete|Tag", call["action"])
    ]  # fmt: skip


def start_batch(path, *arguments, **environment):
    command = [sys.executable, "-m", "rwlib", "batch", str(path), "--apply", "--workers", "2"]
    return subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def processes_of(runs):
    """The processes that were started with this folder for runs."""
    marker = f"RWLIB_RUNS={runs}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (entry / "environ").read_bytes().split(b"\0") and int(entry.name) != (
                os.getpid()
            ):
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


def test_batch_sets_targets_up_once_and_looks_again_later(
    aws_environment, runs, one_fork_server, tmp_path
):
    path = write_targets(tmp_path / "orders.jsonl", 3)
    first = run_batch(options(path, apply=True))
    assert (first.exit_code, dict(first.counts)) == (0, {"done": 3})
    assert sorted(made(aws_environment)) == sorted(
        ["CreatePolicy", "TagPolicy", "CreateRole", "TagRole", "AttachRolePolicy"] * 3
    )
    after = account_state()

    for name in ("t0", "t1", "t2"):
        executed = nbformat.read(first.folder / name / "runbook.ipynb", 4)
        assert executed.metadata.papermill.exception is None
        assert executed.metadata.papermill.parameters.name == name
        report = json.loads((first.folder / name / "report.json").read_text())
        assert (report["exit_code"], report["applied"]) == (0, True)
        assert len(report["request_ids"]) == 5
    with (first.folder / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["status"], row["trust"]) for row in rows] == [
        (f"t{n}", "done", "pass") for n in range(3)
    ]
    suite = ET.parse(first.folder / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), len(suite)) == ("3", "0", 3)
    summary = json.loads((first.folder / "summary.json").read_text())
    assert summary["counts"] == {"done": 3}
    page = (first.folder / "summary.html").read_text()
    assert page.count("<tr data-status=") == 3
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)
    problems, compared = verify_manifest(first.folder, first.manifest)
    assert problems == []
    assert compared == 4 + 3 * 5

    # Again: a few reads each, no notebook, the evidence is still the first batch's.
    aws_environment.forget_calls()
    second = run_batch(options(path, apply=True))
    assert (second.exit_code, dict(second.counts)) == (0, {"unchanged": 3})
    assert second.folder != first.folder
    assert made(aws_environment) == []
    assert len(aws_environment.calls()) < 3 * 15
    assert list(second.folder.glob("*/runbook.ipynb")) == []
    summary = json.loads((second.folder / "summary.json").read_text())
    place = second.folder / summary["targets"][0]["evidence"]
    assert place.resolve() == first.folder / "t0"

    # What somebody took away is noticed although the state says "done", and put back.
    boto3.client("iam").detach_role_policy(
        RoleName="role-1", PolicyArn=json.loads((place.parent / "t1" / "report.json").read_text())
        ["steps"][0]["changes"][0]["name"],
    )  # fmt: skip
    third = run_batch(options(path, apply=True))
    assert dict(third.counts) == {"done": 1, "unchanged": 2}
    assert [each.parent.name for each in third.folder.glob("*/runbook.ipynb")] == ["t1"]
    assert account_state() == after


def test_batch_ends_as_an_undisturbed_one_when_killed_and_disturbed(
    aws_environment, runs, tmp_path, monkeypatch
):
    spec = importlib.util.spec_from_file_location("flaky", ROOT / "benchmarks" / "flaky.py")
    flaky = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(flaky)
    path = write_targets(tmp_path / "orders.jsonl", 5)
    direct = os.environ["AWS_ENDPOINT_URL"]
    with flaky.FlakyProxy(direct, lose=0.04, seed=3) as proxy:
        aws_environment.set_faults(throttle=0.05, seed=1)
        running = start_batch(path, AWS_ENDPOINT_URL=proxy.url)
        told = iter(running.stderr.readline, "")
        assert any(line.startswith("[2/5]") for line in told)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        assert wait_until(lambda: not processes_of(runs)), "processes are left"
        assert not list(Path(runs).glob("*/summary.html"))

        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        result = run_batch(options(path, apply=True))
        assert proxy.lost > 0
    monkeypatch.setenv("AWS_ENDPOINT_URL", direct)
    aws_environment.set_faults(throttle=0)
    assert result.exit_code == 0, result
    assert sum(result.counts.values()) == 5
    assert len(list(Path(runs).glob("*/state.sqlite"))) == 1, "it went on in the same folder"
    assert verify_manifest(result.folder)[0] == []
    disturbed = account_state()

    aws_environment.reset()
    undisturbed = run_batch(options(path, apply=True, name="again"))
    assert undisturbed.exit_code == 0
    assert disturbed == account_state()


def test_ctrl_c_finishes_what_runs_and_the_next_batch_goes_on(
    aws_environment, runs, one_fork_server, tmp_path
):
    path = write_targets(tmp_path / "orders.jsonl", 5)
    running = start_batch(path)
    first = running.stderr.readline()
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert first.startswith("[1/5]")
    assert running.returncode == 130
    assert "what is running is finished" in told
    assert "Traceback" not in told
    assert processes_of(runs) == []
    (folder,) = (each.parent for each in Path(runs).glob("*/summary.json"))
    stopped = json.loads((folder / "summary.json").read_text())
    assert 1 <= stopped["counts"]["done"] < 5
    assert stopped["counts"]["done"] + stopped["counts"]["not run"] == 5
    waiting = [each for each in stopped["targets"] if each["status"] == "not run"]
    assert len(waiting) == stopped["counts"]["not run"]
    assert {each["problem"] for each in waiting} == {"not reached: stopped"}
    assert len(list(folder.glob("*/manifest.json"))) == stopped["counts"]["done"]

    aws_environment.forget_calls()
    result = run_batch(options(path, apply=True))
    assert (result.exit_code, result.folder) == (0, folder)
    # What the batch did before it was stopped is told as what it did, and only looked at again.
    assert dict(result.counts) == {"done": 5}
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["skipped"] == stopped["counts"]["done"]
    assert [len(each["changes"]) for each in summary["targets"]] == [3] * 5
    assert made(aws_environment).count("CreateRole") == stopped["counts"]["not run"]


def test_second_batch_is_refused_while_one_runs(aws_environment, runs, tmp_path):
    path = write_targets(tmp_path / "orders.jsonl", 1)
    with (
        only_batch("orders"),
        pytest.raises(RunbookError, match="another batch named 'orders' is running"),
    ):
        run_batch(options(path))
    assert aws_environment.calls() == []


def test_plan_reads_only_and_one_approval_is_for_all(
    aws_environment, runs, one_fork_server, tmp_path
):
    path = write_targets(tmp_path / "orders.jsonl", 2)
    before = account_state()
    asked = []

    def refuse(planned):
        asked.append((planned.changes, planned.changing, dict(planned.counts)))
        return False

    result = run_batch(options(path, apply=True, plan=True, approve=refuse))
    assert asked == [(6, 2, {"previewed": 2})]
    assert account_state() == before
    assert made(aws_environment) == []
    assert (result.folder / "summary.html").is_file()
    assert not list(Path(runs).glob("**/runbook.ipynb"))

    applied = run_batch(options(path, apply=True, plan=True, approve=lambda planned: True))
    assert dict(applied.counts) == {"done": 2}
    assert applied.folder == result.folder.parent


def test_batch_says_so_and_runs_when_the_platform_cannot_fork(
    aws_environment, runs, tmp_path, monkeypatch
):
    monkeypatch.setattr(executors, "can_fork", lambda: False)
    said = io.StringIO()
    result = run_batch(options(write_targets(tmp_path / "o.jsonl", 1), apply=True), said)
    assert dict(result.counts) == {"done": 1}
    assert said.getvalue().startswith("This platform cannot fork")
    assert verify_manifest(result.folder)[0] == []


def test_plan_with_apply_is_refused_when_nobody_can_answer(aws_environment, runs, tmp_path):
    path = write_targets(tmp_path / "orders.jsonl", 1)
    with pytest.raises(SystemExit) as ended:
        main(["batch", str(path), "--plan", "--apply"])
    assert ended.value.code == 2
    assert aws_environment.calls() == []


def test_nothing_new_starts_when_too_many_failed(
    aws_environment, runs, one_fork_server, tmp_path, capsys
):
    path = write_targets(tmp_path / "orders.jsonl", 6, bucket="acme-missing")
    with pytest.raises(SystemExit) as ended:
        main(["batch", str(path), "--apply", "--max-failures", "2", "--workers", "1", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert ended.value.code == result["exit_code"] == 2
    assert result["counts"] == {"error": 2, "not run": 4}
    assert "2 targets failed" in result["headline"]
    suite = ET.parse(Path(result["folder"]) / "junit.xml").getroot()
    # What was not run is no pass either.
    assert (suite.get("tests"), suite.get("errors"), len(suite)) == ("6", "6", 6)
    assert "acme-missing" in suite[0][0].get("message")
    assert made(aws_environment) == []


def test_operator_role_is_assumed_once_for_its_targets(
    aws_environment, runs, tmp_path, monkeypatch
):
    third = dict(aws_environment.environment("777788889999"))
    iam = boto3.client("iam", aws_access_key_id=third["AWS_ACCESS_KEY_ID"],
                       aws_secret_access_key="test")  # fmt: skip
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
             "Principal": {"AWS": "arn:aws:iam::111122223333:root"}}]}  # fmt: skip
    everything = {"Version": "2012-10-17",
                  "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}  # fmt: skip
    iam.create_role(RoleName="operator", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(
        RoleName="operator", PolicyName="all", PolicyDocument=json.dumps(everything)
    )
    own = boto3.client("iam")
    own.create_user(UserName="platform")
    own.put_user_policy(
        UserName="platform", PolicyName="all", PolicyDocument=json.dumps(everything)
    )
    key = own.create_access_key(UserName="platform")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    aws_environment.forget_calls()

    operator = "arn:aws:iam::777788889999:role/operator"
    path = write_targets(tmp_path / "o.jsonl", 2, operator_role_arn=operator,
                         bucket="thirdparty-data")  # fmt: skip
    result = run_batch(options(path, apply=True))
    assert dict(result.counts) == {"done": 2}
    assumed = [call for call in aws_environment.calls() if call["action"] == "AssumeRole"]
    assert len(assumed) == 1
    report = json.loads((result.folder / "t1" / "report.json").read_text())
    assert report["caller_identity"]["account_id"] == "777788889999"
    assert report["target"]["operator_role_arn"] == operator
    written = b"".join(each.read_bytes() for each in Path(runs).rglob("*") if each.is_file())
    assert key["SecretAccessKey"].encode() not in written


def test_one_cluster_gets_its_principals_one_after_the_other(
    aws_environment, runs, tmp_path, monkeypatch
):
    for name, value in aws_environment.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    cluster = "019d023e-68a6-74db-b73c-e18859fc5171"
    path = write_targets(tmp_path / "o.jsonl", 3, cluster_id=cluster)
    result = run_batch(options(path, apply=True))
    assert dict(result.counts) == {"done": 3}
    listed = [
        json.loads((result.folder / f"t{n}" / "report.json").read_text())["steps"][3]["changes"][0]
        for n in range(3)
    ]
    # Each saw the list with all that were added before it: nothing was lost, nothing overlapped.
    assert sorted(len(change["after"]) - len(change["before"]) for change in listed) == [1, 1, 1]
    from rwlib.cloud.client import Cloud

    allowed = Cloud.from_environment().allowed_iam_roles(cluster).role_arns
    assert {f"arn:aws:iam::111122223333:role/role-{n}" for n in range(3)} <= set(allowed)


def test_watch_reports_what_changed_since_the_last_look(
    aws_environment, runs, one_fork_server, tmp_path, capsys
):
    path = write_targets(tmp_path / "orders.jsonl", 3)
    assert run_batch(options(path, apply=True)).exit_code == 0
    aws_environment.forget_calls()
    first = watch_targets(options(path))
    assert (first.exit_code, dict(first.counts)) == (0, {"first look": 3})
    assert made(aws_environment) == []

    iam = boto3.client("iam")
    trust = iam.get_role(RoleName="role-0")["Role"]["AssumeRolePolicyDocument"]
    trust["Statement"].append(
        {"Sid": "Extra", "Effect": "Allow", "Principal": {"AWS": "111122223333"},
         "Action": "sts:AssumeRole"}
    )  # fmt: skip
    iam.update_assume_role_policy(RoleName="role-0", PolicyDocument=json.dumps(trust))
    for policy in iam.list_attached_role_policies(RoleName="role-1")["AttachedPolicies"]:
        iam.detach_role_policy(RoleName="role-1", PolicyArn=policy["PolicyArn"])
    before = account_state()
    with pytest.raises(SystemExit) as ended:
        main(["verify", "--targets", str(path), "--workers", "2", "--json"])
    second = json.loads(capsys.readouterr().out)
    assert ended.value.code == 1
    assert second["counts"] == {"as before": 1, "changed": 1, "failed": 1}
    assert account_state() == before
    drift = json.loads((Path(second["folder"]) / "drift.json").read_text())
    found = {each["name"]: [change["fact"] for change in each["drift"]]
             for each in drift["targets"]}  # fmt: skip
    assert found["t0"] == ["the trust policy"]
    assert any(fact.startswith("policy arn:") for fact in found["t1"])
    assert "Extra" in (Path(second["folder"]) / "drift.html").read_text()

    # What was reported is not reported again, but what is broken still fails.
    third = watch_targets(options(path))
    assert (third.exit_code, dict(third.counts)) == (1, {"as before": 2, "failed": 1})


def test_targets_of_a_batch_run_on_dask_when_a_worker_is_killed(aws_environment, runs, tmp_path):
    pytest.importorskip("distributed")
    place = tmp_path / "scheduler.json"
    common = ["--no-dashboard", "--scheduler-file", str(place)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
             "--port", "0", *common], **quiet,
        )
    ]  # fmt: skip
    try:
        assert wait_until(place.is_file)
        processes += [
            subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_worker", "--host", "127.0.0.1",
                 "--nthreads", "1", "--no-nanny", "--death-timeout", "60",
                 "--local-directory", str(tmp_path / "dask"), *common], **quiet,
            )
            for _ in range(2)
        ]  # fmt: skip
        address = json.loads(place.read_text())["address"]
        from distributed import Client

        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        path = write_targets(tmp_path / "orders.jsonl", 6)
        result = []
        batch = threading.Thread(
            target=lambda: result.append(
                run_batch(
                    Options(targets=path, notebook=NOTEBOOK, apply=True, executor="dask",
                            scheduler=address, workers=2)
                )
            )
        )  # fmt: skip
        batch.start()
        assert wait_until(lambda: list(Path(runs).glob("*/*/report.json")))
        processes[1].send_signal(signal.SIGKILL)
        batch.join(timeout=120)
        assert result[0].exit_code == 0, result
        assert sum(result[0].counts.values()) == 6
        assert verify_manifest(result[0].folder)[0] == []
        state = account_state()
        for n in range(6):
            (attached,) = state[f"role role-{n}"][1]
            assert state[f"policy {attached.rpartition('/')[2]}"][1] == 1
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()
    assert wait_until(lambda: not processes_of(runs)), "processes are left"
