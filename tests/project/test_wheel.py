"""The wheel, installed where there is no checkout and nothing may be written beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile

import pytest

from tests.support import places

ROOT = places.ROOT
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    for name in filter(None, tracked.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index",
         "--no-build-isolation", "--wheel-dir", folder, source],
        check=True,
    )  # fmt: skip
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel; what it needs is taken from this one."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    site = place / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--target", site, wheel],
        check=True,
    )  # fmt: skip
    shared = sysconfig.get_path("purelib")
    (site / "shared.pth").write_text(f"{shared}\n")
    for path in [site / "rwlib", *(site / "rwlib").rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield place / "bin" / "python"
    for path in [site / "rwlib", *(site / "rwlib").rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def run(python, *arguments, cwd):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RWLIB_", "PYTHONPATH"))
    }
    return subprocess.run(
        [python, "-m", "rwlib", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_wheel_holds_notebooks_labs_examples_and_doors(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("notebooks", "notebooks/labs", "examples", "rwlib/data/connectors"):
        source = sorted(path for path in (ROOT / folder).glob("*.*") if path.is_file())
        assert source
        inside = folder if folder.startswith("rwlib/") else f"rwlib/{folder}"
        for path in source:
            if path.name != "target.yaml":
                assert f"{inside}/{path.name}" in names
    doors = [path.relative_to(ROOT).as_posix() for path in (ROOT / "rwlib").rglob("*.pyi")]
    assert doors
    assert set(doors) <= set(names)


def test_package_is_the_installed_one(installed, tmp_path):
    where = subprocess.run(
        [installed, "-c", "import rwlib; print(rwlib.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(installed.parent.parent) in where.stdout


def test_run_in_the_sandbox_works_without_a_checkout(installed, tmp_path):
    example = next(installed.parent.parent.rglob("examples/s3_sink.yaml"))
    done = run(installed, "run", "--target", str(example), "--sandbox", "--apply", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "is set up and verified" in done.stdout
    assert list((tmp_path / "runs").glob("*/report.html"))


def test_batch_in_the_sandbox_works_without_a_checkout(installed, tmp_path):
    example = next(installed.parent.parent.rglob("examples/batch.csv"))
    done = run(installed, "batch", str(example), "--sandbox", "--apply", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "set up and verified" in done.stdout


def test_labs_work_without_a_checkout(installed, tmp_path):
    done = run(installed, "lab", "list", "--state", str(tmp_path / "labs"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 15


def test_app_copies_the_packaged_notebooks(installed, tmp_path):
    program = (
        "from pathlib import Path; from rwlib.launcher import START, copy_notebooks; "
        "from rwlib.headless import notebook_path; "
        "print(len(copy_notebooks(notebook_path(START).parent, Path('copies'))))"
    )
    done = subprocess.run(
        [installed, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) >= 25
    assert os.access(tmp_path / "copies" / "00_start_here.ipynb", os.W_OK)
