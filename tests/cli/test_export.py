"""``rwlib export``: files for somebody else's pipeline, and nothing written in AWS."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from rwlib.cli import cli
from tests.support import places

CUSTOMER = "111122223333"
EXAMPLE = str(places.ROOT / "examples" / "redshift.yaml")


def run(*arguments):
    return CliRunner().invoke(cli, ["export", *arguments], standalone_mode=False)


@pytest.mark.parametrize("name", ["terraform", "cloudformation", "cli", "json"])
def test_export_writes_files_and_makes_no_writing_call(
    name, aws_environment, monkeypatch, tmp_path
):
    for key, value in aws_environment.environment().items():
        monkeypatch.setenv(key, value)
    aws_environment.forget_calls()
    done = run("--target", EXAMPLE, "--format", name, "--out", str(tmp_path / "out"))
    assert done.exception is None, done.output
    assert list((tmp_path / "out").iterdir())
    written = [
        call["action"] for call in aws_environment.calls() if call["account"] == "111122223333"
    ]
    assert written
    assert [
        each for each in written if each.startswith(("Create", "Put", "Attach", "Update"))
    ] == []


def test_file_that_is_there_with_other_contents_is_kept(aws_environment, tmp_path):
    place = tmp_path / "set_up.json"
    place.write_text("mine")
    done = run("--target", EXAMPLE, "--format", "json", "--out", str(tmp_path),
               "--workload-identity-arn", "arn:aws:iam::444455556666:role/x",
               "--cluster-id", "", "--region-name", "us-east-1", "--offline")  # fmt: skip
    assert "exists with other contents" in str(done.exception)
    assert place.read_text() == "mine"


def test_offline_export_asks_nobody(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    done = run("--target", EXAMPLE, "--format", "json", "--offline", "--json",
               "--workload-identity-arn", "arn:aws:iam::444455556666:role/x",
               "--region-name", "us-east-1")  # fmt: skip
    assert done.exception is None, done.output
    assert "set_up.json" in json.loads(done.output)
