"""Where the calls go is chosen once, seen everywhere, and never mixed up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import jinja2
import pytest

from rwlib import widgets
from rwlib.environment import AWS, SANDBOX, EndpointSwitch, describe_endpoint, prepare_switch
from rwlib.errors import RunbookError
from rwlib.launcher import (
    app_command,
    copy_notebooks,
    join_scripts,
    jupyter_environment,
    lab_command,
    sandbox_beside,
)
from rwlib.page_scripts import APP, LAB, joined_scripts
from rwlib.widgets.panel import is_guided

RECORD = Path(widgets.__file__).parents[1] / "data" / "page_scripts.json"

OWN = {"AWS_PROFILE": "mine", "RWC_API_KEY": "own-key", "HOME": "/home/ada"}


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "runs" / "lab"
    prepare_switch(place, {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "RWC_API_KEY": "sandbox"})
    return place


@pytest.fixture
def places(aws_environment, tmp_path, monkeypatch):
    """What ``make lab`` leaves: a sandbox beside the notebooks, and no other credentials."""
    place = tmp_path / "runs" / "lab"
    prepare_switch(place, aws_environment.environment())
    for name in [name for name in os.environ if name.startswith(("AWS_", "RWC_", "RWLIB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("RWLIB_PLACES", str(place))
    kept = dict(os.environ)
    yield place
    os.environ.clear()
    os.environ.update(kept)


def test_the_sandbox_is_the_place_until_somebody_chooses(folder):
    values = dict(OWN)
    switch = EndpointSwitch(folder, values)
    assert switch.chosen == SANDBOX
    switch.follow()
    assert values["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert values["RWC_API_KEY"] == "sandbox"
    assert "AWS_PROFILE" not in values
    assert values["HOME"] == "/home/ada"


def test_choosing_aws_gives_ones_own_environment_back(folder):
    values = dict(OWN)
    switch = EndpointSwitch(folder, values)
    switch.choose(SANDBOX)
    switch.choose(AWS)
    assert {name: values[name] for name in OWN} == OWN
    assert "AWS_ENDPOINT_URL" not in values
    assert EndpointSwitch(folder, dict(OWN)).chosen == AWS


def test_each_place_keeps_its_own_inputs_and_runs(folder):
    values = dict(OWN)
    switch = EndpointSwitch(folder, values)
    switch.choose(SANDBOX)
    sandbox = (values["RWLIB_TARGET"], values["RWLIB_RUNS"])
    switch.choose(AWS)
    assert values["RWLIB_TARGET"] != sandbox[0]
    assert values["RWLIB_RUNS"] != sandbox[1]


def test_preparing_again_keeps_what_was_typed(folder):
    (folder / "aws.yaml").write_text("bucket: typed\n")
    prepare_switch(folder, {"AWS_ENDPOINT_URL": "http://127.0.0.1:4567"})
    assert (folder / "aws.yaml").read_text() == "bucket: typed\n"


@pytest.mark.parametrize(
    ("endpoint", "real", "words"),
    [
        ("http://127.0.0.1:4566", False, "Sandbox on this machine"),
        ("", True, "Real AWS account 111122223333"),
        ("https://aws.internal.example", True, "Another endpoint"),
        ("http://127.0.0.1.example.com", True, "Another endpoint"),
    ],
)
def test_a_place_says_whether_it_is_real(endpoint, real, words):
    place = describe_endpoint("arn:aws:iam::111122223333:user/ada", {"AWS_ENDPOINT_URL": endpoint})
    assert place.real is real
    assert words in place.title
    assert "arn:aws:iam::111122223333:user/ada" in place.text


def test_the_caller_is_shown_before_anything_is_filled_in(places):
    guide = widgets.guide({}, step=0, guided=True)
    panel = guide.place_choice()
    assert "arn:aws:iam::111122223333:root" in repr(panel)
    assert "arn:aws:iam::111122223333:root" in repr(guide.progress())


def test_choosing_aws_without_credentials_says_so_and_shows_no_sandbox_input(places):
    guide = widgets.guide({}, step=0, guided=True)
    form = guide.form("bucket", "prefix")
    form.fields["bucket"].value = "acme-analytics"
    panel = guide.place_choice()
    panel.buttons.value = AWS
    assert "credentials" in repr(panel)
    assert "AWS_ENDPOINT_URL" not in os.environ
    assert form.fields["bucket"].input.value == ""
    assert "Real AWS account" in repr(guide.progress())
    panel.buttons.value = SANDBOX
    assert form.fields["bucket"].input.value == "acme-analytics"
    assert "111122223333" in repr(panel)


def test_apply_names_a_real_account(places, example, monkeypatch):
    guide = widgets.guide(example, step=1, guided=True)
    apply = guide.apply()
    assert apply.button.description == "Apply 1 change"
    monkeypatch.setattr(
        sys.modules["rwlib.widgets.guide_state"],
        "describe_endpoint",
        lambda caller: describe_endpoint(caller, {"AWS_ENDPOINT_URL": ""}),
    )
    guide.tell()
    assert apply.button.description == "Apply 1 change in the real account"
    assert apply.button.button_style == "warning"


def test_headless_notebooks_do_not_follow_the_switch(places, example):
    before = dict(os.environ)
    guide = widgets.guide(example, step=1, guided=False)
    assert guide.switch is None
    assert dict(os.environ) == before


class Kernel:
    """A kernel whose running cell came with the given permission to ask for input."""

    def __init__(self, allow_stdin):
        self.allow_stdin = allow_stdin

    def get_parent(self, channel):
        return {"content": {"allow_stdin": self.allow_stdin}}


@pytest.mark.parametrize(
    ("kernel", "environment", "guided"),
    [
        (None, {}, False),
        (Kernel(True), {}, True),
        (Kernel(False), {}, False),
        (Kernel(False), {"SERVER_SOFTWARE": "voila/0.5.13"}, True),
        (Kernel(True), {"RWLIB_GUIDED": "0"}, False),
        (None, {"RWLIB_GUIDED": "1"}, True),
    ],
)
def test_a_notebook_is_guided_where_somebody_can_click(kernel, environment, guided, monkeypatch):
    shell = type("Shell", (), {"kernel": kernel})()
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: shell)
    for name in ("SERVER_SOFTWARE", "RWLIB_GUIDED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_guided() is guided


@pytest.mark.parametrize("make", [lab_command, app_command])
def test_servers_listen_on_loopback_and_show_no_token_in_their_title(make, tmp_path):
    command = make(tmp_path, 8888, browser=False)
    text = " ".join(command)
    assert "ip=127.0.0.1" in text
    assert "token=" not in text.replace("auto_token=True", "")
    assert "0.0.0.0" not in text


def test_jupyter_has_folders_of_its_own_and_no_announcements(tmp_path):
    values = jupyter_environment(tmp_path)
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        assert values[name].startswith(str(tmp_path))
    page = tmp_path / "lab" / "jupyter" / "config" / "labconfig" / "page_config.json"
    assert "announcements" in page.read_text()


def test_notebooks_are_copied_when_they_are_new_or_changed_and_never_over_an_edit(tmp_path):
    source, folder = tmp_path / "notebooks", tmp_path / "copies"
    (source / "labs").mkdir(parents=True)
    (source / "runs").mkdir()
    (source / "runs" / "evidence.ipynb").write_text("not a notebook of ours")
    (source / "a.ipynb").write_text("first")
    (source / "labs" / "b.ipynb").write_text("lab")
    copies = copy_notebooks(source, folder)
    assert copies == [folder / "a.ipynb", folder / "labs" / "b.ipynb"]
    (folder / "a.ipynb").write_text("run by a person")
    copy_notebooks(source, folder)
    assert (folder / "a.ipynb").read_text() == "run by a person"
    (source / "a.ipynb").write_text("second")
    (source / "labs" / "b.ipynb").write_text("another lab")
    copy_notebooks(source, folder)
    assert (folder / "a.ipynb").read_text() == "run by a person"
    assert (folder / "a.new.ipynb").read_text() == "second"
    assert (folder / "labs" / "b.ipynb").read_text() == "another lab"
    assert (source / "a.ipynb").read_text() == "second"


@pytest.mark.slow
def test_the_app_beside_the_lab_shares_its_sandbox(tmp_path, capsys):
    with sandbox_beside(tmp_path) as first, sandbox_beside(tmp_path) as second:
        assert second == first
        assert "Shares the sandbox" in capsys.readouterr().err


@pytest.mark.slow
def test_a_sandbox_that_no_server_of_the_folder_started_is_left_alone(tmp_path):
    with sandbox_beside(tmp_path):
        (tmp_path / "lab" / "sandbox.json").unlink()  # as beside `rwlib sandbox --state`
        began = time.monotonic()
        with (
            pytest.raises(RunbookError, match=r"in use by another sandbox .*another folder"),
            sandbox_beside(tmp_path),
        ):
            raise AssertionError("two sandboxes write the same state")
        assert time.monotonic() - began < 25


def test_pages_ask_for_one_script_and_only_of_the_versions_that_were_recorded(
    tmp_path, monkeypatch
):
    pytest.importorskip("voila")
    pytest.importorskip("jupyterlab")
    for page in (APP, LAB):
        recorded = json.loads(RECORD.read_text())[page]
        assert recorded["version"] == metadata.version(page), "run benchmarks/record_scripts.py"
        text = joined_scripts(page)
        assert text.count(b"\n(()=>{") + 1 == len(recorded["scripts"])
    options = join_scripts(tmp_path, LAB)
    pages = next(each for each in options if each.startswith("--LabApp.templates_dir="))
    index = (Path(pages.partition("=")[2]) / "index.html").read_text()
    assert 0 < index.index("rwlib/scripts.js") < index.index("/main.")
    extensions = [{"name": "wanted"}, {"name": "disabled"}]
    config = {"federated_extensions": extensions, "disabledExtensions": ["disabled"]}
    shown = jinja2.Template(index).render(page_config=config, base_url="/", ws_url="")
    given = shown.partition('type="application/json">')[2].partition("</script>")[0]
    assert json.loads(given)["federated_extensions"] == [{"name": "wanted"}]
    assert json.loads(given)["baseUrl"] == "/"
    monkeypatch.setattr(metadata, "version", lambda name: "0.0.1")
    assert joined_scripts(LAB) == b""
    assert join_scripts(tmp_path, LAB) == []
    assert join_scripts(tmp_path, APP) == []


def test_installed_packages_are_read_once_where_pages_are_served():
    code = (
        "from importlib import metadata; from rwlib.kernels.serving import read_entry_points_once;"
        "read_entry_points_once(); a = metadata.entry_points(group='console_scripts');"
        "assert a and metadata.entry_points(group='console_scripts') is a"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
