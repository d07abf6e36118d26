"""What surrounds a command may be broken: one sentence, the right exit code, never a traceback."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

from rwlib.environment import FOLDER, SANDBOX, prepare_switch
from rwlib.errors import EvidenceError
from rwlib.labs.learner_folder import GIVEN
from rwlib.steps.changes import Change, ChangeSubject, Ledger, ledger_history
from tests.support.command_line import options, rwlib
from tests.support.places import ROOT

pytestmark = pytest.mark.slow


def shell(command, **environment):
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


RWLIB = f"{shlex.quote(sys.executable)} -m rwlib"


def one_sentence(err):
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, err
    return lines[0]


# Output -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("{rwlib} sql --help >/dev/full", 4, "the output cannot be written (No space left"),
        ("{rwlib} sql --help >&-", 0, ""),
        ("PYTHONIOENCODING=ascii {rwlib} sql --help", 0, ""),
    ],
)
def test_output_that_is_full_closed_or_ascii_is_no_traceback(command, code, words):
    done = shell(command.format(rwlib=RWLIB))
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode == code
    assert words in done.stderr


def test_command_whose_reader_goes_away_ends_as_other_tools_do():
    done = shell(
        f"{shlex.quote(sys.executable)} -c {shlex.quote(_ENDLESS)} | head -1; "
        "exit ${PIPESTATUS[0]}"
    )
    assert (done.returncode, done.stderr) == (141, "")
    assert done.stdout.count("\n") == 1


_ENDLESS = """
import click, rwlib.cli
@click.command("endless")
def endless():
    for number in range(1_000_000):
        click.echo(f"line {number} " + "x" * 80)
rwlib.cli.cli.get_command = lambda ctx, name: endless
rwlib.cli.main(["endless"])
"""


# AWS and what is between ------------------------------------------------------------------------


@pytest.fixture
def answering():
    """A server that gives one answer to everything, as AWS, RisingWave Cloud or a proxy."""
    servers = []

    def serve(status, body, content_type="text/xml"):
        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("content-length") or 0)
                self.rfile.read(length)
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_POST = do_PUT = do_HEAD = do_CONNECT = answer  # noqa: N815

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def error_body(code, message):
    return (
        f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>1</RequestId></ErrorResponse>"
    )


@pytest.mark.parametrize(
    ("status", "code", "message", "words"),
    [
        (400, "Throttling", "Rate exceeded", "throttles this account's calls"),
        (503, "ServiceUnavailable", "later", "a fault of its own"),
        (
            403,
            "SignatureDoesNotMatch",
            "Signature expired: 20200101T000000Z is now earlier than 20261130T000000Z",
            "the clock of this machine",
        ),
        (403, "RequestTimeTooSkewed", "The difference is too large", "the clock of this machine"),
        (403, "SignatureDoesNotMatch", "The request signature", "does not accept the credentials"),
        (403, "InvalidClientTokenId", "The security token", "does not accept the credentials"),
    ],
)
def test_what_aws_answers_to_everything_is_one_sentence(
    aws_environment, example, monkeypatch, answering, status, code, message, words
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", answering(status, error_body(code, message)))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    ended, _, err = rwlib("verify", *options(example))
    assert ended == 4
    assert words in one_sentence(err)


def test_proxy_that_answers_502_is_one_sentence(aws_environment, example, monkeypatch, answering):
    monkeypatch.setenv("AWS_ENDPOINT_URL", answering(502, "<html>Bad Gateway</html>", "text/html"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    ended, _, err = rwlib("verify", *options(example))
    assert ended == 4
    assert "HTTPS_PROXY" in one_sentence(err)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("/bin/false", "no usable AWS credentials"),
        ("/no/such/program", "/no/such/program"),
        ("echo AKIA-half-a-key", "did not print JSON"),
        ("echo {}", "no usable AWS credentials"),
    ],
)
def test_broken_credential_process_is_one_sentence(
    aws_environment, example, monkeypatch, tmp_path, program, words
):
    config = tmp_path / "config"
    config.write_text(f"[profile broken]\nregion = us-east-1\ncredential_process = {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    ended, _, err = rwlib("verify", *options(example, aws_profile="broken"))
    assert ended == 4
    assert words in one_sentence(err)
    assert "half-a-key" not in err


def test_role_of_the_same_name_in_other_letters_is_one_sentence(
    aws_environment, example, monkeypatch, tmp_path
):
    from rwlib.aws.errors import refused
    from tests.support.interference import client_error

    said = str(refused(client_error("EntityAlreadyExists"), "creating role risingwave-s3-access"))
    assert "IAM ignores case in names" in said


# Folders ----------------------------------------------------------------------------------------


def test_ledger_that_is_damaged_is_read_as_far_as_it_goes(tmp_path):
    good = {"name": "a", "time": "1", "phase": "done", "action": "create", "resource": "IAM role"}
    first, second, third = (tmp_path / name for name in ("one", "two", "three"))
    for folder in (first, second, third):
        folder.mkdir()
    no_entries = b'\xff\xfe{"half\n[1]\nnull\n{"name": "a"}\n{"name": "a", "target": "orders"}\n'
    (first / "ledger.jsonl").write_bytes(
        no_entries + json.dumps(good).encode() + b'\n{"name": "a", "ti'
    )
    os.mkfifo(second / "ledger.jsonl")
    (third / "ledger.jsonl").mkdir()
    assert [dict(each) for each in ledger_history(tmp_path, "a")] == [good]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/full")])
def test_ledger_that_cannot_be_written_stops_the_change(tmp_path, make):
    path = tmp_path / "ledger.jsonl"
    make(path)
    with pytest.raises(EvidenceError, match=r"the ledger .* cannot be written") as refused:
        Ledger(path).intend(Change("create", ChangeSubject.ROLE, "r"))
    assert refused.value.exit_code == 4


def test_lock_folder_that_is_no_folder_is_one_sentence(
    aws_environment, runs, example, monkeypatch, tmp_path
):
    (tmp_path / "rwlib").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    ended, _, err = rwlib("run", *options(example), "--apply")
    assert ended == 4
    assert "set XDG_STATE_HOME to a folder that is yours" in one_sentence(err)


def test_lock_folder_of_another_user_is_refused(monkeypatch, tmp_path):
    from rwlib.runs.lock import UnusableLockError, exclusive

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    mine = os.getuid()
    monkeypatch.setattr("os.getuid", lambda: mine + 1)
    with pytest.raises(UnusableLockError, match="belongs to another user"), exclusive("x"):
        pass


# Signals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_run_that_is_ended_leaves_a_sealed_folder(aws_environment, runs, example, number, code):
    command = [sys.executable, "-m", "rwlib", "run", *map(str, options(example)), "--apply"]
    running = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not list(runs.glob("*/ledger.jsonl")) and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(number)
    running.send_signal(number)
    _, err = running.communicate(timeout=60)
    assert running.returncode == code, err
    assert "Traceback" not in err
    (folder,) = runs.iterdir()
    assert (folder / "manifest.json").is_file()


# The real world ---------------------------------------------------------------------------------


@pytest.fixture
def listener():
    """A port on loopback that counts who comes."""
    came = []
    server = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            came.append(connection.recv(200))
            connection.close()

    threading.Thread(target=accept, daemon=True).start()
    yield server.getsockname()[1], came
    server.close()


def real_world(port, folder):
    """Every kind of variable that leads out of a sandbox, pointed at one place."""
    place = f"http://127.0.0.1:{port}"
    token = folder / "token"
    token.write_text("token")
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), place)
    return {
        **proxies,
        **{name.lower(): value for name, value in proxies.items()},
        "NO_PROXY": "",
        "RW_DSN": f"postgres://root:secret-password@127.0.0.1:{port}/dev",
        "RWC_ENDPOINT": place,
        "RWC_API_KEY": "real-key",
        "RWC_API_SECRET": "real-secret",
        **{
            f"AWS_ENDPOINT_URL{suffix}": place
            for suffix in ("", "_S3", "_IAM", "_STS", "_KMS", "_REDSHIFT", "_ACCESSANALYZER")
        },
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/real",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": place,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": place,
        "AWS_CA_BUNDLE": str(token),
        "AWS_PROFILE": "real",
    }


@pytest.mark.parametrize("command", ["run", "batch", "lab"])
def test_sandbox_reaches_nothing_of_the_real_world(listener, example, tmp_path, command):
    port, came = listener
    environment = {**os.environ, **real_world(port, tmp_path), "RWLIB_RUNS": str(tmp_path / "runs")}
    environment |= {"XDG_STATE_HOME": str(tmp_path / "state"), "RWLIB_LABS": str(tmp_path / "labs")}
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({**example, "name": "orders"}) + "\n")
    arguments = {
        "run": ["run", *map(str, options(example)), "--sandbox", "--apply"],
        "batch": ["batch", str(rows), "--sandbox", "--apply", "--workers", "1"],
        "lab": ["lab", "start", "1"],
    }[command]

    def rwlib(*words):
        return subprocess.run(
            [sys.executable, "-m", "rwlib", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    done = rwlib(*arguments)
    if command == "lab":
        assert rwlib("lab", "stop", "1").returncode == 0
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 3), done.stderr
    assert came == []


@pytest.mark.parametrize("name", ["00_start_here.ipynb", "labs/01_read_a_trust_policy.ipynb"])
def test_notebook_in_the_sandbox_reaches_nothing_of_the_real_world(
    sandbox, listener, example, tmp_path, name
):
    """A notebook as a person has it: in a kernel that JupyterLab started with their variables.

    The runbook's stands beside a sandbox, as `make lab` leaves it, and a lab's goes into one.
    """
    port, came = listener
    environment = {**os.environ, **real_world(port, tmp_path), "RWLIB_LABS": str(tmp_path / "labs")}
    environment |= {"XDG_STATE_HOME": str(tmp_path / "state"), GIVEN: sandbox.url}
    values = {**example, "solve": True}
    if not name.startswith("labs/"):
        environment[FOLDER] = str(tmp_path / "lab")
        prepare_switch(tmp_path / "lab", sandbox.environment(), SANDBOX)
    book = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    parameters, *cells = [cell.source for cell in book.cells if cell.cell_type == "code"]
    given = "\n".join(f"{field} = {value!r}" for field, value in values.items())
    sandbox.forget_calls()
    said = cells_in_a_kernel([parameters, given, *cells], environment, tmp_path)
    assert {"iam", "s3", "sts"} <= {call["service"] for call in sandbox.calls()}, said
    assert came == []


def cells_in_a_kernel(cells, environment, folder):
    """Run cells as JupyterLab does, which lets them ask for input; give what came out."""
    manager, kernel = start_new_kernel(kernel_name="python3", env=environment, cwd=str(folder))
    said = []
    try:
        for cell in cells:
            done = kernel.execute_interactive(
                cell, allow_stdin=True, timeout=120, output_hook=said.append
            )
            assert done["content"]["status"] == "ok", done["content"]
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
    return str([message["content"] for message in said])


def test_title_of_the_served_notebooks_holds_no_token(tmp_path):
    environment = {**os.environ, "JUPYTER_TOKEN": "not-for-other-users"}
    serving = subprocess.Popen(
        [*(sys.executable, "-m", "rwlib.launcher", "--no-browser", "--sandbox"),
         *("--runs", str(tmp_path / "runs"))],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        assert serving.stdout is not None
        assert "token=not-for-other-users" in serving.stdout.readline()
        time.sleep(1)
        titles = []
        for each in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if os.getpgid(int(each.name)) == serving.pid:
                    titles.append((each / "cmdline").read_bytes())
        assert any(b"jupyterlab" in title for title in titles)
        assert not any(b"not-for-other-users" in title for title in titles)
    finally:
        serving.terminate()
        serving.wait(timeout=60)
        assert serving.stdout is not None
        serving.stdout.close()
