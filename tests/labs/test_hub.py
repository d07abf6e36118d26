"""The documented JupyterHub configuration, run as JupyterHub runs it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest
from traitlets.config.loader import PyFileConfigLoader

from rwlib.labs.class_server import ClassServer
from rwlib.labs.scores import read_class
from rwlib.labs.seal import class_key, make_key
from rwlib.labs.session import start_lab
from tests.support import places

pytestmark = pytest.mark.slow

FILE = places.ROOT / "docs" / "training" / "jupyterhub_config.py"


@pytest.fixture
def config(monkeypatch, tmp_path):
    monkeypatch.setenv("RWLIB_CLASS", str(tmp_path))
    return PyFileConfigLoader(FILE.name, path=str(FILE.parent)).load_config()


def spawner(name):
    user = SimpleNamespace(name=name)
    return SimpleNamespace(user=user, environment={}, log=logging.getLogger("test"))


def test_service_is_a_command_that_exists_and_keeps_the_key_off_the_command_line(config, tmp_path):
    from click.testing import CliRunner

    from rwlib.cli.lab import command

    (service,) = config.JupyterHub.services.get_value([])
    assert service["command"][1:3] == ["lab", "serve"]
    (tmp_path / "key").write_text("a key of this class, long enough")
    assert "a key of this class" not in " ".join(service["command"])
    # Every option is one of the command; that there are no names yet is what it says.
    result = CliRunner().invoke(command, service["command"][2:], standalone_mode=False)
    assert "cannot be read as a list of names" in str(result.exception)
    assert "AWS_ACCESS_KEY_ID" not in config.Spawner.env_keep


def test_user_of_the_hub_opens_labs_at_the_own_seat(config, monkeypatch, tmp_path):
    hook = config.Spawner.pre_spawn_hook
    with ClassServer(["ada", "grace"], tmp_path / "learners", workers=1) as served:
        seats = {}
        for name in ("ada", "grace", "nobody", "../ada"):
            server = spawner(name)
            server.environment["RWLIB_SEAT"] = "of somebody else"
            hook(server)
            seats[name] = server.environment.get("RWLIB_SEAT")
        assert seats["nobody"] is seats["../ada"] is None
        assert json.loads(seats["ada"])["token"] != json.loads(seats["grace"])["token"]
        monkeypatch.setenv("RWLIB_SEAT", seats["grace"])
        lab = start_lab(1, environment=False)
        assert lab.place.learner == "grace"
        assert not lab.check().passed
        assert served.seats[1].token == json.loads(seats["grace"])["token"]


# Beside this Python, for the one on the path may be of another environment.
HUB = shutil.which(
    "jupyterhub", path=os.pathsep.join([f"{sys.exec_prefix}/bin", os.environ["PATH"]])
)
needs_hub = pytest.mark.skipif(HUB is None, reason="no JupyterHub; pip install '.[hub]'")


@needs_hub
def test_jupyterhub_itself_takes_the_configuration(config):
    from jupyterhub.app import JupyterHub
    from jupyterhub.spawner import Spawner

    for name, owner in (("JupyterHub", JupyterHub), ("Spawner", Spawner)):
        assert set(config[name]) <= set(owner.class_trait_names(config=True))
    services = config.JupyterHub.services.get_value([])
    assert JupyterHub(config=config).services == services


def test_services_that_a_hub_has_already_stay(monkeypatch, tmp_path):
    """The Littlest JupyterHub sets its list of services before it loads files like this one."""
    monkeypatch.setenv("RWLIB_CLASS", str(tmp_path))
    hub = tmp_path / "hub.py"
    hub.write_text(
        "c = get_config()\n"
        "c.JupyterHub.services = []\n"
        'c.JupyterHub.services.append({"name": "cull-idle"})\n'
        f"load_subconfig({str(FILE)!r})\n"
    )
    found = PyFileConfigLoader(hub.name, path=str(tmp_path)).load_config().JupyterHub.services
    assert [each["name"] for each in found] == ["cull-idle", "labs"]


def test_name_in_capitals_is_its_users_as_the_hub_writes_them(config, tmp_path):
    folder = tmp_path / "learners" / "Zoë Grace"
    folder.mkdir(parents=True)
    (folder / "seat.json").write_text(json.dumps({"learner": "Zoë Grace", "token": "hers"}))
    (tmp_path / "learners" / "half").mkdir()
    (tmp_path / "learners" / "half" / "seat.json").write_text("{")
    hook = config.Spawner.pre_spawn_hook
    for name, normalize, seated in (
        ("zoë grace", str.lower, True),
        ("zoë grace", str, False),
        ("zoë", str.lower, False),
    ):
        server = spawner(name)
        server.authenticator = SimpleNamespace(normalize_username=normalize)
        hook(server)
        assert ("RWLIB_SEAT" in server.environment) is seated


# What a test needs beside the documented file: no users of the machine, and ports of its own.
TRIED = """
load_subconfig({file!r})
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.bind_url = "http://127.0.0.1:{ports[0]}"
c.JupyterHub.hub_port = {ports[1]}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{ports[2]}"
c.JupyterHub.services.append({{"name": "trainer", "api_token": {token!r}}})
scopes = ["admin:users", "admin:servers", "access:servers"]
c.JupyterHub.load_roles = [{{"name": "trainer", "services": ["trainer"], "scopes": scopes}}]
c.Spawner.args = ["--allow-root"]
c.Spawner.start_timeout = c.Spawner.http_timeout = 240
"""
LEARNS = """
from rwlib.labs import start_lab
lab = start_lab(3)
lab.solution(apply=True)
print(lab.place.learner, repr(lab.check())[-11:])
"""


class Hub:
    """A running hub, asked as its trainer."""

    def __init__(self, port, token):
        self._place = f"127.0.0.1:{port}"
        self._token = token

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://{self._place}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self._token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            text = answer.read()
            return json.loads(text) if text else {}

    def run(self, user, code):
        """Run code in a new kernel of a user, and give what it printed."""
        import websocket

        kernel = self.ask("POST", f"/user/{user}/api/kernels", {})["id"]
        line = websocket.create_connection(
            f"ws://{self._place}/user/{user}/api/kernels/{kernel}/channels",
            header=[f"Authorization: token {self._token}"],
            timeout=240,
        )
        header = {"msg_id": "1", "msg_type": "execute_request", "username": "", "session": "s"}
        message = {"header": {**header, "version": "5.3"}, "parent_header": {}, "metadata": {}}
        content = {"code": code, "silent": False}
        line.send(json.dumps({**message, "content": content, "channel": "shell", "buffers": []}))
        printed = ""
        while True:
            found = json.loads(line.recv())
            if found["parent_header"].get("msg_id") != "1":
                continue
            printed += found["content"].get("text", "")
            printed += "\n".join(found["content"].get("traceback", []))
            if found["content"].get("execution_state") == "idle":
                line.close()
                return printed


def until(done, seconds=240):
    """Ask again until something is there."""
    end = time.monotonic() + seconds
    while True:
        try:
            if found := done():
                return found
        except OSError:
            pass
        assert time.monotonic() < end
        time.sleep(0.5)


@pytest.mark.long
@needs_hub
def test_hub_with_the_documented_file_serves_two_learners(tmp_path):
    """A hub, its proxy, two servers and two kernels: a lab is solved in each and signed for."""
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "names").write_text("ada\ngrace\n")
    make_key(folder / "key")
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [each.getsockname()[1] for each in doors]
    for each in doors:
        each.close()
    token = "token-of-the-trainer"
    text = TRIED.format(file=str(FILE), ports=ports, token=token)
    (tmp_path / "config.py").write_text(text)
    binaries = os.pathsep.join([f"{sys.exec_prefix}/bin", str(places.ROOT / ".venv" / "bin")])
    environment = {
        **os.environ,
        "RWLIB_CLASS": str(folder),
        "PATH": os.pathsep.join([binaries, os.environ["PATH"]]),
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [HUB, "-f", "config.py"], cwd=tmp_path, env=environment, stdout=log, stderr=log
        )
    hub = Hub(ports[0], token)
    try:
        until(lambda: hub.ask("GET", "/hub/api/"))
        until((folder / "learners" / "grace" / "seat.json").exists)
        for name in ("ada", "grace"):
            hub.ask("POST", f"/hub/api/users/{name}")
            hub.ask("POST", f"/hub/api/users/{name}/server")
        for name in ("ada", "grace"):
            until(lambda: hub.ask("GET", f"/hub/api/users/{name}")["servers"][""]["ready"])  # noqa: B023
            assert hub.run(name, LEARNS).strip() == f"{name} Lab solved."
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=120)
    learners, broken = read_class([folder / "learners"], class_key(folder / "key"))
    assert not broken
    found = {(each.name, each.passed, each.trust) for each in learners}
    assert found == {("ada", 1, "signed"), ("grace", 1, "signed")}
