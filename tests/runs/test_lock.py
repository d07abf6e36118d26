"""One process at a time, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rwlib.errors import RunbookError
from rwlib.runs.lock import exclusive, locks_folder
from tests.support import places

HOLD = """
import sys, threading
from rwlib.runs.lock import exclusive
with exclusive("role"):
    print("held", flush=True)
    threading.Event().wait()
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return locks_folder()


def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(places.ROOT)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"held\n"
    return process


def test_nothing_is_left_when_it_is_over(folder):
    with exclusive("role"), exclusive("other"):
        assert sorted(path.name for path in folder.iterdir()) == ["other.lock", "role.lock"]
    assert not folder.exists()


def test_lock_is_refused_in_a_sentence_when_another_process_keeps_it(tmp_path):
    process = holder(tmp_path)
    waits = []
    try:
        busy = exclusive("role", timeout=1, sleep=waits.append, clock=lambda: len(waits) / 4)
        with pytest.raises(RunbookError, match="has been changing role for 1 s; wait"), busy:
            pytest.fail("two hold it")
        assert len(waits) == 4
        with exclusive("other"):
            pass
    finally:
        process.kill()
        process.wait()


def test_lock_is_free_when_its_holder_was_killed(tmp_path, folder):
    process = holder(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / "role.lock").exists()
    with exclusive("role", timeout=5):
        pass
    assert not folder.exists()


def test_one_at_a_time_holds_it_when_many_want_it(folder):
    inside, most, entered = [], [], []
    guard = threading.Lock()

    def enter(number):
        with exclusive("role", timeout=30, sleep=lambda _: None):
            with guard:
                inside.append(number)
                most.append(len(inside))
            entered.append(number)
            with guard:
                inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(200)))
    assert max(most) == 1
    assert sorted(entered) == list(range(200))
    assert not folder.exists()
