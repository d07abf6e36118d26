"""Evidence: a manifest that notices every change, and no secret in any byte that is written."""

from __future__ import annotations

import html
import json
import os
from urllib.parse import quote

import boto3
import nbformat
import pytest

from rwlib.batch.fork_server import ForkServer
from rwlib.batch.options import Options
from rwlib.batch.runner import run_batch
from rwlib.cli import main
from rwlib.masking import mask_folder, mask_known, secret_forms, secret_values
from rwlib.runs.manifest import file_hash, verify_manifest, write_manifest
from tests.support import places

ROOT = places.ROOT
WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"


@pytest.fixture
def folder(tmp_path):
    """A folder as a batch leaves it: files, a target's folder, and what is no evidence."""
    place = tmp_path / "2026-01-01T000000Z_orders"
    (place / "t1").mkdir(parents=True)
    (place / "t1" / "report.json").write_text("{}")
    (place / "t1" / "attempt-1").mkdir()
    (place / "t1" / "attempt-1" / "runbook.ipynb").write_text("before")
    (place / "summary.csv").write_text("row,name\n")
    (place / "state.sqlite").write_text("memory")
    write_manifest(place / "t1", {"target": "t1"})
    write_manifest(place)
    return place


def test_manifest_says_who_and_with_what(folder):
    listed = json.loads((folder / "manifest.json").read_text())
    assert set(listed["files"]) == {"summary.csv", "t1/manifest.json"}
    assert "@" in listed["made_by"]
    assert {"rwlib", "python", "boto3", "papermill"} <= set(listed["versions"])
    assert listed["files"]["summary.csv"]["size"] == 9


def test_folder_is_as_it_was_when_only_the_state_changed(folder):
    (folder / "state.sqlite").write_text("more")
    assert verify_manifest(folder) == ([], 4)


CHANGES = {
    "t1/report.json: changed": lambda f: (f / "t1/report.json").write_text("{} "),
    "t1/attempt-1/runbook.ipynb: changed": lambda f: (f / "t1/attempt-1/runbook.ipynb").write_text(
        "after!"
    ),
    "summary.csv: missing": lambda f: (f / "summary.csv").unlink(),
    "t1/more.txt: added": lambda f: (f / "t1/more.txt").write_text("x"),
    "notes.txt: added": lambda f: (f / "notes.txt").write_text("x"),
}


@pytest.mark.parametrize("said", CHANGES)
def test_report_verify_names_the_file_when_it_is_not_as_written(folder, capsys, said):
    CHANGES[said](folder)
    with pytest.raises(SystemExit) as ended:
        main(["report", "--verify", str(folder)])
    assert ended.value.code == 1
    assert said in capsys.readouterr().out


def test_rewritten_manifest_is_found_by_its_hash(folder, capsys):
    printed = file_hash(folder / "manifest.json")
    (folder / "summary.csv").write_text("forged")
    write_manifest(folder)
    assert verify_manifest(folder)[0] == []
    with pytest.raises(SystemExit) as ended:
        main(["report", "--verify", str(folder), "--sha256", printed, "--json"])
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out)["problems"] == [
        {"path": "manifest.json", "problem": "changed"}
    ]


def test_report_verify_is_bad_input_when_there_is_no_manifest(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["report", "--verify", str(tmp_path)])
    assert ended.value.code == 2
    assert "manifest.json" in capsys.readouterr().err


PLANTED = {
    "AWS_SECRET_ACCESS_KEY": "wJalr/XUtnFEMI+K7MDENG&bPxRfiCYSECRETKEY",
    "AWS_SESSION_TOKEN": 'IQoJb3JpZ2luX2VjEQ"quoted"//token==',
    "RWC_API_SECRET": "rwc-secret-4711-0815",
    "RW_DSN": "postgresql://reader:dsn%2Fpass-word@127.0.0.1:4566/dev",
    "WAREHOUSE_JDBC_URL": "jdbc:redshift://h:5439/dev?user=u&password=jdbc-pass-1234",
    "BI_PASSWORD": "correct horse <battery>",
}
ALONE = ["dsn%2Fpass-word", "dsn/pass-word", "jdbc-pass-1234"]


def spellings(value):
    return {value, json.dumps(value)[1:-1], html.escape(value), quote(value, safe="")}


def test_secrets_are_masked_in_every_spelling(tmp_path):
    known = secret_values(PLANTED)
    for value in [*PLANTED.values(), *ALONE]:
        for written in spellings(value):
            masked = mask_known(f'{{"said": "{written}"}}'.encode(), known)
            assert written.encode() not in masked, written
            assert masked.startswith(b'{"said": "'), masked
    (tmp_path / "a.txt").write_text("password is jdbc-pass-1234.")
    (tmp_path / "b.txt").write_text("nothing")
    held = [
        path.name
        for path in sorted(tmp_path.iterdir())
        if any(secret in path.read_bytes() for secret in known)
    ]
    assert held == ["a.txt"]
    assert mask_folder(tmp_path, known) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "password is ********."


def test_password_in_a_connection_string_is_masked_when_nobody_knows_it():
    text = b"url=postgresql://u:unknown1@h/d&x jdbc:redshift://h:5439/dev?password=unknown2;a=b"
    masked = mask_known(text, [])
    assert b"unknown" not in masked
    assert b"u:********@h/d" in masked
    assert (
        mask_known(b"password=secret redshift_password", []) == b"password=secret redshift_password"
    )


def test_what_is_no_secret_is_left_alone():
    plain = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/token-file",
        "AWS_ACCESS_KEY_ID": "111122223333",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "SHORT_PASSWORD": "test",
        "PATH": "/usr/bin:/bin",
    }
    assert secret_values(plain) == []
    assert secret_forms(["test"]) == []


def write_notebook(path):
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }  # fmt: skip
    book.cells = [
        nbformat.v4.new_code_cell("label: str = ''", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            "import os, pathlib, IPython.display\n"
            f"planted = [os.environ[name] for name in {list(PLANTED)}]\n"
            "print(*planted)\n"
            "IPython.display.display(IPython.display.HTML(' '.join(planted)), {'all': planted})\n"
            "place = pathlib.Path(os.environ['RWLIB_RUN_DIR'])\n"
            "place.joinpath('ledger.jsonl').write_text(repr(planted))\n"
        ),
        nbformat.v4.new_code_cell("raise RuntimeError(planted)"),
    ]
    nbformat.write(book, path)
    return path


@pytest.mark.slow
def test_no_secret_is_written_even_when_a_notebook_shows_them_all(tmp_path):
    path = write_notebook(tmp_path / "n.ipynb")
    place = tmp_path / "runs" / "t"
    with ForkServer({**os.environ, **PLANTED}) as fork_server:
        answer = fork_server.run(
            {"kind": "run", "target": {}, "folder": str(place), "notebook": str(path)}
        )
    assert answer["masked"] == ["ledger.jsonl", "runbook.ipynb"]
    written = {each.name: each.read_bytes() for each in place.iterdir()}
    written["answer"] = json.dumps(answer).encode()
    assert "manifest.json" in written
    for value in [*PLANTED.values(), *ALONE]:
        for form in spellings(value):
            assert [name for name, data in written.items() if form.encode() in data] == []
    nbformat.validate(nbformat.read(place / "runbook.ipynb", 4))
    assert verify_manifest(place)[0] == []


@pytest.mark.slow
def test_batch_writes_no_secret_when_they_are_in_every_source(
    aws_environment, tmp_path, monkeypatch, capfd
):
    iam = boto3.client("iam")
    iam.create_user(UserName="platform")
    everything = {"Version": "2012-10-17",
                  "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}  # fmt: skip
    iam.put_user_policy(UserName="platform", PolicyName="a", PolicyDocument=json.dumps(everything))
    key = iam.create_access_key(UserName="platform")["AccessKey"]
    for name, value in aws_environment.environment().items():
        monkeypatch.setenv(name, value)
    planted = {name: value for name, value in PLANTED.items() if not name.startswith("AWS_")}
    planted.pop("RWC_API_SECRET")
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "locks"))
    credentials = tmp_path / "credentials"
    profile_secret = "profile-secret-0123456789abcdef"
    credentials.write_text(
        f"[other]\naws_access_key_id = {key['AccessKeyId']}\n"
        f"aws_secret_access_key = {profile_secret}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))

    common = {"workload_identity_arn": WORKLOAD, "bucket": "acme-analytics", "prefix": "risingwave"}
    rows = [
        {**common, "name": "good", "role_name": "a", "connectors": ["redshift"],
         "cluster_id": "019d023e-68a6-74db-b73c-e18859fc5171",
         "sql_options": {"jdbc.url": "jdbc:redshift://h.example.com:5439/dev",
                         "password": "secret redshift_password"}},
        {**common, "name": "refused", "role_name": "b", "connectors": ["s3_sink"],
         "aws_profile": "other"},
        {**common, "name": "broken", "role_name": "c", "connectors": ["s3_sink"],
         "bucket": "acme-missing"},
    ]  # fmt: skip
    path = tmp_path / "orders.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    import sys

    result = run_batch(
        Options(targets=path, notebook=ROOT / "notebooks" / "runbook.ipynb", apply=True),
        sys.stderr,
    )
    assert set(result.counts) == {"done", "error"}, result
    told = "".join(capfd.readouterr())
    secrets = [*planted.values(), *ALONE, key["SecretAccessKey"], profile_secret,
               os.environ["RWC_API_SECRET"]]  # fmt: skip
    files = [each for each in (tmp_path / "runs").rglob("*") if each.is_file()]
    assert len(files) > 12
    for secret in secrets:
        for form in spellings(secret):
            assert form not in told
            assert [str(each) for each in files if form.encode() in each.read_bytes()] == []
