"""``rwlib sandbox``: the environment that it prints is that of a server which answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import boto3
import pytest

from tests.support.command_line import rwlib
from tests.support.places import ROOT

pytestmark = pytest.mark.slow


def test_environment_is_printed_and_serves_until_it_is_interrupted(tmp_path):
    serving = subprocess.Popen(
        [sys.executable, "-m", "rwlib", "sandbox", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        environment = json.loads(serving.stdout.readline())
        sts = boto3.client(
            "sts",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )
        assert sts.get_caller_identity()["Account"] == "111122223333"
        serving.send_signal(signal.SIGINT)
        _, told = serving.communicate(timeout=30)
    finally:
        serving.kill()
    assert "Traceback" not in told


def test_missing_psycopg_is_one_sentence_beside_the_dsn_that_needs_it(tmp_path):
    """The environment on standard output stays as it is."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['psycopg'] = None\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    serving = subprocess.Popen(
        [sys.executable, "-m", "rwlib", "sandbox", "--json"],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert "RW_DSN" in json.loads(serving.stdout.readline())
        serving.send_signal(signal.SIGINT)
        _, told = serving.communicate(timeout=30)
    finally:
        serving.kill()
    assert told.count("\n") == 1
    assert "RW_DSN needs psycopg" in told
    assert "risingwave-iam-runbook[risingwave]" in told


def test_a_shell_gets_no_variable_that_would_stop_the_next_command(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['psycopg'] = None\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    serving = subprocess.Popen(
        [sys.executable, "-m", "rwlib", "sandbox"],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        lines = []
        while not lines or "RW_DSN" not in lines[-1]:
            lines.append(serving.stdout.readline().rstrip())
        serving.send_signal(signal.SIGINT)
        _, told = serving.communicate(timeout=30)
    finally:
        serving.kill()
    assert lines[-1].startswith("# export RW_DSN=postgresql://")
    assert told.count("\n") == 1
    assert "risingwave-iam-runbook[risingwave]" in told
    for opened in ('eval "$(cat printed)"', "eval $(cat printed)"):
        (tmp_path / "printed").write_text("\n".join(lines) + "\n")
        seen = subprocess.check_output(
            ["sh", "-c", f'{opened}; echo "$AWS_ENDPOINT_URL,$RW_DSN"'], cwd=tmp_path, text=True
        )
        assert seen.startswith("http://127.0.0.1:")
        assert seen.endswith(",\n")


def test_unknown_fault_is_one_sentence():
    code, _, err = rwlib("sandbox", "--fault", "no_such_fault=1")
    assert code == 2
    assert "no_such_fault" in err
    assert err.count("\n") == 1
