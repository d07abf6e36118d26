"""Wheel and sdist, installed into an empty environment and used where there is no checkout.

Nothing of the environment that runs the tests is in the new one: uv installs from the registry,
or pip where uv reaches none. Where no registry answers, this is skipped with the reason, unless
``RWLIB_WHEEL_TESTS=required``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import urllib.request
import venv
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import places
from tests.support.waiting import wait_until

ROOT = places.ROOT
REQUIRED = os.environ.get("RWLIB_WHEEL_TESTS", "") == "required"
CONSTRAINTS = ROOT / "constraints.txt"
UV = Path(sys.executable).with_name("uv")
EXTRAS = "sandbox,lab,app"
FOLDERS = ("notebooks", "notebooks/labs", "examples", "rwlib/data/connectors")
pytestmark = pytest.mark.slow


def build(what, source, folder):
    """Build a wheel or an sdist from a folder, without asking a registry for anything."""
    program = f"import sys; from setuptools.build_meta import build_{what}; "
    done = subprocess.run(
        [sys.executable, "-c", f"{program}print(build_{what}(sys.argv[1]))", folder],
        cwd=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    source = folder / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    for name in filter(None, tracked.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    return build("sdist", source, folder)


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """The wheel as an installation from the sdist builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as packed:
        packed.extractall(folder, filter="data")
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    return build("wheel", source, folder)


def outside():
    """An environment in which nothing leads back to this one or to a checkout."""
    left_out = ("RWLIB_", "PYTHON", "VIRTUAL_ENV", "AWS_", "RWC_", "RW_", "JUPYTER")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


def install(place, wanted):
    """Install into an empty environment; return what went wrong, or an empty string."""
    python = place / "bin" / "python"
    common = ["install", "--quiet", "--constraint", CONSTRAINTS, wanted]
    way = {**outside(), **json.loads(os.environ["RWLIB_PROXIES"])}
    said = ""
    if UV.exists():
        command = [UV, "pip", *common, "--python", python]
        done = subprocess.run(command, env=way, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return ""
        said = done.stderr
    command = [sys.executable, "-m", "pip", "--python", python, *common]
    done = subprocess.run(command, env=way, capture_output=True, text=True, check=False)
    return f"{said}\n{done.stderr}" if done.returncode else ""


def registry_answers(folder):
    """Tell whether pip, as it is configured here, gets anything at all."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    return subprocess.run([*command, "click"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The folder of an environment that holds the wheel and what it asks for, nothing else."""
    place = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(place, with_pip=False)
    wrong = install(place, f"{wheel}[{EXTRAS}]")
    if wrong and not REQUIRED and not registry_answers(place / "asked"):
        pytest.skip(f"no registry answers: {wrong.strip().splitlines()[-1]}")
    assert not wrong, wrong
    folders = [path for path in place.rglob("*") if path.is_dir() and not path.is_symlink()]
    for path in folders:
        path.chmod(0o555)
    before = contents(place)
    yield place
    assert contents(place) == before, "something was written beside the installed package"
    for path in folders:
        path.chmod(0o755)


def contents(place):
    """Every file with its size and time; root may write where a mode says no."""
    found = (path for path in place.rglob("*") if path.is_file())
    return {path: ((state := path.stat()).st_size, state.st_mtime_ns) for path in found}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def rwlib(environment, compiled, tmp_path):
    """Call the installed command in an empty folder."""

    def run(*arguments):
        return subprocess.run(
            [environment / "bin" / "rwlib", *map(str, arguments)],
            cwd=tmp_path,
            # Read-only, and installed without bytecode: kept elsewhere from one call to the next.
            env={**outside(), "PYTHONPYCACHEPREFIX": str(compiled)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


def packaged(environment, name):
    (found,) = environment.rglob(f"site-packages/rwlib/{name}")
    return found


def test_wheel_and_sdist_hold_notebooks_labs_examples_and_doors(wheel, sdist):
    names = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as packed:
        in_sdist = {name.partition("/")[2] for name in packed.getnames()}
    for folder in FOLDERS:
        source = sorted(path for path in (ROOT / folder).glob("*.*") if path.is_file())
        assert source
        inside = folder if folder.startswith("rwlib/") else f"rwlib/{folder}"
        for path in source:
            if path.name != "target.yaml":
                assert f"{inside}/{path.name}" in names
                assert f"{folder}/{path.name}" in in_sdist
    doors = {path.relative_to(ROOT).as_posix() for path in (ROOT / "rwlib").rglob("*.pyi")}
    assert doors
    assert doors <= names
    assert doors <= in_sdist


def test_every_module_comes_from_the_new_environment(environment, tmp_path):
    program = (
        "import json, sys, importlib.metadata, rwlib; "
        "found = [str(each._path) for each in importlib.metadata.distributions()]; "
        "print(json.dumps([sys.path[1:], rwlib.__file__, found]))"
    )
    done = subprocess.run(
        [environment / "bin" / "python", "-B", "-c", program],
        cwd=tmp_path, env=outside(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    path, package, distributions = json.loads(done.stdout)
    assert package.startswith(f"{environment}/")
    assert len(distributions) > 50
    assert [each for each in distributions if not each.startswith(f"{environment}/")] == []
    assert [each for each in path if "site-packages" in each and str(environment) not in each] == []


def test_run_in_the_sandbox_works_without_a_checkout(rwlib, tmp_path):
    # The batch below has the other connectors.
    assert not (tmp_path / "examples").exists()
    done = rwlib("run", "--target", "examples/iceberg_sink.yaml", "--sandbox", "--apply")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "is set up and verified" in done.stdout
    assert list((tmp_path / "runs").glob("*/report.html"))


def test_batch_in_the_sandbox_works_without_a_checkout(environment, rwlib, tmp_path):
    rows = packaged(environment, "examples/batch.csv").read_text().splitlines(keepends=True)
    (tmp_path / "two.csv").write_text("".join([rows[0], *rows[-2:]]))
    done = rwlib("batch", "two.csv", "--sandbox", "--apply")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "2 targets: 2 set up and verified" in done.stdout


def test_lab_is_started_checked_and_scored_without_a_checkout(rwlib, tmp_path):
    place = ("--state", tmp_path / "labs")
    listed = rwlib("lab", "list", *place)
    assert listed.returncode == 0, listed.stderr
    assert len(listed.stdout.splitlines()) >= 15
    started = rwlib("lab", "start", "3", *place)
    try:
        assert started.returncode == 0, started.stderr
        checked = rwlib("lab", "check", "3", *place)
        assert checked.returncode == 1, checked.stderr
        assert "Traceback" not in checked.stdout + checked.stderr
    finally:
        rwlib("lab", "stop", "3", *place)
    assert (tmp_path / "labs" / "me" / "results.json").is_file()


@contextmanager
def served(environment, compiled, folder, *options):
    """Serve the notebooks until the block ends; gives the printed address."""
    output = folder / "served.txt"
    with output.open("w") as file:
        server = subprocess.Popen(
            [environment / "bin" / "rwlib", "app", "--no-browser", *options],
            cwd=folder, stdout=file, stderr=subprocess.STDOUT,
            env={**outside(), "PYTHONPYCACHEPREFIX": str(compiled)},
        )  # fmt: skip
    try:
        address = wait_until(
            lambda: re.search(r"http://\S+token=[\w-]{20,}", output.read_text()), 240
        )
        assert address, output.read_text()
        yield address[0]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)


def answer(address):
    # What the address's token buys is a cookie.
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    try:
        with opener.open(address, timeout=120) as page:
            return page.read().decode()
    except OSError:
        return ""


def test_app_and_lab_open_copies_and_never_write_over_an_edited_one(
    environment, compiled, tmp_path
):
    copies = tmp_path / "runs" / "lab" / "notebooks"
    with served(environment, compiled, tmp_path, "--lab") as address:
        content = address.replace("/lab/tree/", "/api/contents/")
        assert wait_until(lambda: answer(content), 240)
        assert json.loads(answer(content))["name"] == "runbook.ipynb"
    assert len(list(copies.rglob("*.ipynb"))) >= 25
    edited, left = copies / "runbook.ipynb", copies / "06_verify_setup.ipynb"
    assert os.access(edited, os.W_OK)
    edited.write_text(edited.read_text().replace("RisingWave", "MINE"))
    mine, theirs = edited.read_text(), left.read_text()
    with served(environment, compiled, tmp_path) as address:
        # The page as it is after its cells have run.
        assert wait_until(lambda: "Workload Identity" in answer(address), patience=200)
    assert edited.read_text() == mine
    assert left.read_text() == theirs


@pytest.mark.skipif(not UV.exists(), reason="uv is not installed")
def test_uvx_runs_the_command_without_an_installation(environment, wheel, tmp_path):
    # After the environment, so that nothing has to be fetched.
    command = [UV, "tool", "run", "--constraints", CONSTRAINTS, "--from", f"{wheel}[sandbox]"]
    done = subprocess.run(
        [*command, "rwlib", "lab", "list", "--state", tmp_path / "labs"],
        cwd=tmp_path, env=outside(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 15
