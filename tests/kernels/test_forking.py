"""Kernels that are forks: they run code, are interrupted, and end with whoever asked for them."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from rwlib.headless import can_fork
from rwlib.kernels import kernels_beside
from rwlib.kernels.asking import ask, stand_for
from rwlib.kernels.beside import NAME

jupyter_client = pytest.importorskip("jupyter_client")
pytestmark = pytest.mark.skipif(not can_fork(), reason="kernels are forked where a process can be")
PATIENCE = 120


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    with kernels_beside(folder) as variables:
        yield folder, variables


@pytest.fixture
def start(beside, monkeypatch, tmp_path):
    for name, value in beside[1].items():
        monkeypatch.setenv(name, value)
    started = []

    def kernel(**options):
        manager = jupyter_client.KernelManager(kernel_name=NAME)
        manager.start_kernel(cwd=str(tmp_path), **options)
        client = manager.client()
        client.start_channels()
        started.append((manager, client))
        client.wait_for_ready(timeout=PATIENCE)
        return manager, client

    yield kernel
    for manager, client in started:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def said(client, code):
    """Run code and return what it printed, or the name of its error."""
    found = []
    client.execute_interactive(
        code,
        timeout=PATIENCE,
        output_hook=lambda m: found.append(m["content"].get("text") or m["content"].get("ename")),
    )
    return "".join(filter(None, found)).strip()


def is_there(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(process_id):
    for _ in range(200):
        if not is_there(process_id):
            return
        time.sleep(0.05)
    raise AssertionError(f"process {process_id} is still there")


@pytest.mark.slow
def test_a_kernel_is_there_with_its_imports_and_is_somebody_elses_fork(start, tmp_path):
    environment = {**os.environ, "OF_THIS_KERNEL": "yes"}
    manager, client = start(env=environment)
    loaded = said(client, "import sys; print('rwlib.widgets.sections' in sys.modules)")
    assert loaded == "True"
    assert said(client, "import os; print(os.getcwd(), os.environ['OF_THIS_KERNEL'])") == (
        f"{tmp_path} yes"
    )
    mine = int(said(client, "print(os.getpid())"))
    assert mine != manager.provisioner.pid
    other = start()[1]
    assert said(other, "import os; print(os.environ.get('OF_THIS_KERNEL'))") == "None"
    assert int(said(other, "print(os.getpid())")) != mine


@pytest.mark.slow
def test_an_interrupt_reaches_the_cell_and_a_restart_forgets(start):
    manager, client = start()
    said(client, "kept = 1")
    threading.Timer(1, manager.interrupt_kernel).start()
    assert said(client, "import time; time.sleep(100)") == "KeyboardInterrupt"
    assert said(client, "print(kept)") == "1"
    manager.restart_kernel(now=True)
    client.wait_for_ready(timeout=PATIENCE)
    assert said(client, "print(kept)") == "NameError"


@pytest.mark.slow
def test_a_kernel_ends_when_what_stands_for_it_is_killed(start):
    manager, client = start()
    process_id = int(said(client, "import os; print(os.getpid())"))
    os.kill(manager.provisioner.pid, signal.SIGKILL)
    wait_until_gone(process_id)


@pytest.mark.slow
def test_an_ordinary_kernel_starts_where_nobody_forks(beside, start):
    spec = Path(beside[0]) / "kernels" / NAME / "kernel.json"
    described = json.loads(spec.read_text(encoding="utf-8"))
    address = described["argv"].index("-f") - 1
    there = described["argv"][address]
    try:
        described["argv"][address] = f"{there}-of-nobody"
        spec.write_text(json.dumps(described), encoding="utf-8")
        client = start()[1]
    finally:
        described["argv"][address] = there
        spec.write_text(json.dumps(described), encoding="utf-8")
    assert said(client, "import sys; print('rwlib.widgets.sections' in sys.modules)") == "False"


@pytest.mark.slow
def test_who_asks_with_another_python_configuration_gets_an_ordinary_kernel(start):
    client = start(env={**os.environ, "PYTHONHASHSEED": "7"})[1]
    assert said(client, "import sys; print('rwlib.widgets.sections' in sys.modules)") == "False"


@pytest.mark.slow
def test_nobody_else_can_ask_and_nothing_is_left(tmp_path):
    with kernels_beside(tmp_path) as variables:
        assert str(tmp_path) in variables["JUPYTER_PATH"].split(os.pathsep)
        spec = json.loads((tmp_path / "kernels" / NAME / "kernel.json").read_text())
        assert spec["argv"][0] == sys.executable
        place = Path(spec["argv"][spec["argv"].index("-f") - 1]).parent
        assert place.stat().st_mode & 0o077 == 0
    assert not place.exists()


def test_there_is_no_fork_where_nobody_answers(tmp_path):
    assert ask(str(tmp_path / "nobody"), []) is None
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "no"))
        door.listen()
        refusing = threading.Thread(target=lambda: door.accept()[0].sendall(b"0"))
        refusing.start()
        assert ask(str(tmp_path / "no"), []) is None
        refusing.join()


def test_waiting_ends_with_the_fork():
    here, there = socket.socketpair()
    ends = threading.Timer(0.1, there.close)
    ends.start()
    before = signal.getsignal(signal.SIGINT)
    try:
        with here:
            stand_for(here, os.getpid())
    finally:
        signal.signal(signal.SIGINT, before)
    ends.join()
    assert there.fileno() == -1


SESSION = """
from rwlib.aws import open_session
from rwlib.target import Target
target = Target(
    workload_identity_arn="arn:aws:iam::123456789012:role/cluster",
    bucket="acme-analytics",
    connectors=["s3_source"],
)
aws = open_session(target)
print(aws.ahead is not None, aws.client("sts").meta.endpoint_url)
"""


@pytest.mark.slow
def test_a_kernel_has_clients_for_the_place_that_it_is_pointed_to(start, monkeypatch):
    for place in ("http://127.0.0.1:9", "http://127.0.0.1:10"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", place)
        _, client = start()
        assert said(client, SESSION) == f"True {place}"
    elsewhere = "http://127.0.0.1:11"
    there = f"import os; os.environ['AWS_ENDPOINT_URL'] = '{elsewhere}'"
    assert said(client, f"{there}\n{SESSION}") == f"False {elsewhere}"


@pytest.mark.slow
def test_a_kernel_answers_which_widgets_it_has_before_any_cell(start):
    _, client = start()
    about = {"comm_id": "asks", "target_name": "jupyter.widget.control", "data": {}}
    asks = {"comm_id": "asks", "data": {"method": "request_states"}}
    for kind, content in (("comm_open", about), ("comm_msg", asks)):
        message = client.session.msg(kind, content, metadata={"version": "1.0.0"})
        client.shell_channel.send(message)
    answer = {"msg_type": ""}
    while not answer["msg_type"].startswith("comm_"):
        answer = client.get_iopub_msg(timeout=PATIENCE)
    assert answer["msg_type"] == "comm_msg"
    assert answer["content"]["data"]["method"] == "update_states"
