"""The documented JupyterHub configuration, run as JupyterHub runs it."""

from __future__ import annotations

import json
import logging
import shutil
from types import SimpleNamespace

import pytest
from traitlets.config.loader import PyFileConfigLoader

from rwlib.labs.class_server import ClassServer
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

    (service,) = config.JupyterHub.services
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


@pytest.mark.skipif(shutil.which("jupyterhub") is None, reason="JupyterHub is not installed")
def test_jupyterhub_itself_takes_the_configuration(config):
    from jupyterhub.app import JupyterHub
    from jupyterhub.spawner import Spawner

    for name, owner in (("JupyterHub", JupyterHub), ("Spawner", Spawner)):
        assert set(config[name]) <= set(owner.class_trait_names(config=True))
    assert JupyterHub(config=config).services == config.JupyterHub.services
