"""What `make test-fast` says is what the tests did, whichever worker ran them."""

import os
import sys
from pathlib import Path
from subprocess import run

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

EACH_WAY = """
import os, warnings
import pytest

@pytest.fixture(scope="session")
def kept():
    yield os.getpid()
    raise ValueError("at the end")

def test_passes(kept): warnings.warn("said once")
def test_fails(): print("printed"); assert [1] == [2]
@pytest.mark.skip(reason="no need")
def test_skipped(): pass
def test_last(kept): pass
"""
DIES = """
import os

def test_dies(): os._exit(0)
def test_after(): pass
"""


def outcome(folder, *arguments):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(folder), "-rA"]
    command += ["-p", "tests.support.forked_workers", "-p", "no:cacheprovider", *arguments]
    return run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def test_outcomes_are_those_of_the_tests_and_a_dead_worker_is_no_pass(tmp_path):
    (tmp_path / "test_each_way.py").write_text(EACH_WAY, encoding="utf-8")
    (tmp_path / "test_dies.py").write_text(DIES, encoding="utf-8")
    (tmp_path / "test_other.py").write_text("def test_other(): pass\n", encoding="utf-8")
    ended = outcome(tmp_path)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    said = ended.stdout
    assert "3 failed, 3 passed, 1 skipped, 1 warning, 1 error" in said
    assert "PASSED test_other.py::test_other" in said
    assert "FAILED test_each_way.py::test_fails - assert [1] == [2]" in said
    assert "FAILED test_dies.py::test_after - A worker ended" in said
    assert "ERROR test_each_way.py::test_last - ValueError: at the end" in said
    assert "UserWarning: said once" in said
    assert said.count("printed") >= 2  # in the source shown, and as what was caught
    assert "1 failed" in outcome(tmp_path, "-x", "test_each_way.py").stdout
