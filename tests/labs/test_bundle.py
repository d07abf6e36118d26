"""The bundle of a class without a network: made with one, installed and used without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import places

# A new namespace has no network but its own loopback, which has to be switched on.
ALONE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
USED = """set -e
{rwlib} lab start 3 --learner ada
{rwlib} lab solution 3 --learner ada --apply
{rwlib} lab check 3 --learner ada
{rwlib} lab stop --learner ada
{rwlib} lab score
{rwlib} lab material handed-out
{rwlib} app --copy notebooks
test -f notebooks/labs/03_copied_from_the_console.ipynb
{python} -c "import jupyterlab"
"""


def is_alone():
    """Whether a process can be put where there is no network."""
    if not (shutil.which("unshare") and shutil.which("ip") and shutil.which("make")):
        return False
    return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.long
@pytest.mark.skipif(not is_alone(), reason="needs make, ip and unshare --net")
def test_bundle_is_installed_and_a_lab_solved_without_a_network(tmp_path):
    bundle, folder = tmp_path / "bundle", tmp_path / "class"
    make = ["make", "bundle", f"BUNDLE={bundle}", f"BIN={Path(sys.executable).parent}"]
    subprocess.run(make, cwd=places.ROOT, check=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    unreachable = [*ALONE, sys.executable, "-m", "pip", "download", "-q", "--retries", "0", "click"]
    assert subprocess.run(unreachable, cwd=tmp_path, env=environment, check=False).returncode

    def alone(*command):
        done = subprocess.run(
            [*ALONE, *command],
            cwd=tmp_path,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "Five errors" in alone("sh", str(bundle / "install.sh"), str(folder))
    binaries = folder / "bin"
    script = USED.format(rwlib=binaries / "rwlib", python=binaries / "python")
    assert "Lab solved." in alone("sh", "-c", script)
