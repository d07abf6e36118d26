"""``rwlib export``: files for somebody else's pipeline, and nothing written in AWS."""

from __future__ import annotations

import json
import os

import boto3
import pytest
from click.testing import CliRunner

from rwlib.cli import cli
from rwlib.errors import CredentialsError, InputError
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


GIVEN = ("--target", EXAMPLE, "--format", "terraform", "--region-name", "us-east-1")


@pytest.mark.parametrize("found", ["file", "not text", "folder", "link to nowhere", "in the way"])
def test_what_others_have_in_the_folder_is_left_alone(found, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    place = out / "outputs.tf"
    if found == "file":
        place.write_text("mine")
    elif found == "not text":
        place.write_bytes(b"\xff\xfe")
    elif found == "folder":
        place.mkdir()
    elif found == "link to nowhere":
        place.symlink_to(tmp_path / "elsewhere")
    else:
        out.rmdir()
        out.write_text("mine")
        out = out / "inside"
    before = sorted(tmp_path.rglob("*"))
    done = run(*GIVEN, "--offline", "--out", str(out))
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith("out: ")
    assert sorted(tmp_path.rglob("*")) == before


def test_without_credentials_it_is_made_of_the_target_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    asked = run(*GIVEN)
    assert asked.exception is None, asked.output
    assert asked.stderr == "Nobody looked at what is there already; the files say so\n"
    assert asked.stdout == run(*GIVEN, "--offline").stdout
    assert "Nobody looked at AWS" in asked.stdout
    # Where something has to be looked up there is no way without.
    refused = run("--target", EXAMPLE, "--format", "terraform")
    assert isinstance(refused.exception, CredentialsError)


@pytest.mark.slow
def test_another_account_has_nothing_of_the_caller_s(aws_environment, monkeypatch, tmp_path):
    for key, value in aws_environment.environment().items():
        monkeypatch.setenv(key, value)
    boto3.client("iam").create_role(
        RoleName="risingwave-redshift",
        Path="/theirs/",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "ec2.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    }
                ],
            }
        ),
    )
    here = run(*GIVEN)
    assert "import {" in here.stdout
    assert "/theirs/" in here.stdout
    there = run(*GIVEN, "--account-id", "777788889999")
    assert there.exception is None, there.output
    assert "import {" not in there.stdout
    assert "/theirs/" not in there.stdout
    assert 'allowed_account_ids = ["777788889999"]' in there.stdout
    assert "Nobody looked at AWS" in there.stdout
    assert "is not an account id" in str(run(*GIVEN, "--account-id", "1").exception)
    # Credentials that AWS refuses are no reason to make it without a look.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    assert isinstance(run(*GIVEN).exception, CredentialsError)


@pytest.mark.slow
def test_bucket_of_another_account_is_refused_in_one_sentence(aws_environment, monkeypatch):
    for key, value in aws_environment.environment().items():
        monkeypatch.setenv(key, value)
    theirs = boto3.client("s3", aws_access_key_id="777788889999", aws_secret_access_key="test")
    theirs.create_bucket(Bucket="their-bucket")
    done = run(*GIVEN, "--bucket", "their-bucket")
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith("bucket: 'their-bucket' is not in account 111122223333; ")
    # For the account of the bucket it is made, of what is given.
    made = run(*GIVEN, "--bucket", "their-bucket", "--account-id", "777788889999")
    assert made.exception is None, made.output
    assert "arn:aws:s3:::their-bucket" in made.stdout
