"""Batches on Dask's workers: stopped, without workers, with more of them, and elsewhere."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rwlib.batch import executors

ROOT = Path(__file__).parent.parent


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def packed(tmp_path):
    folder = tmp_path / "packed"
    folder.mkdir()
    (folder / "report.json").write_text("{}")
    return executors.pack(folder)


def test_folders_of_killed_workers_are_removed_when_a_worker_starts(temporary):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = socket.gethostname()
    for name in (
        f"rwlib-{host}-{ended.pid}-left",
        f"rwlib-{host}-{os.getpid()}-running",
        f"rwlib-{host}-{os.getppid()}-another",
        f"rwlib-elsewhere-{ended.pid}-another",
        "rwlib-sandbox",
    ):
        (temporary / name / "t1").mkdir(parents=True)
    executors.remove_leftovers()
    left = {path.name for path in temporary.iterdir()}
    assert f"rwlib-{host}-{ended.pid}-left" not in left
    assert len(left) == 4


def test_temporary_folder_names_its_worker_when_the_folder_is_elsewhere(temporary):
    places = []

    class Forge:
        def run(self, job):
            places.append(Path(job["folder"]))
            return {}

    class Operators:
        def with_keys(self, job):
            return job

    job = {"kind": "run", "folder": "/nowhere/t1", "marker": "/nowhere/state.sqlite"}
    executors._run_here(Forge(), Operators(), job)
    (place,) = places
    assert place.name == "t1"
    assert place.parent.name.startswith(f"rwlib-{socket.gethostname()}-{os.getpid()}-")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_evidence_is_as_readable_as_any_other_when_it_came_back(tmp_path, umask):
    files = packed(tmp_path)
    before = os.umask(umask)
    try:
        executors.unpack(files, tmp_path / "t1")
    finally:
        os.umask(before)
    assert (tmp_path / "t1").stat().st_mode & 0o777 == 0o777 & ~umask
    assert (tmp_path / "t1" / "report.json").is_file()


def as_nobody(function):
    """Call a function in a child that is nobody, where this process may become that."""
    child = os.fork()
    if child == 0:
        status = 9
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            status = int(function())
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(
    "mode, shared", [(0o777, 1), (0o555, 0), (0o000, 0)], ids=["open", "read-only", "closed"]
)
def test_folder_is_shared_only_when_the_worker_may_write_there(mode, shared):
    with tempfile.TemporaryDirectory(prefix="rwlib-test-", dir="/tmp") as top:
        Path(top).chmod(0o755)
        folder = Path(top) / "batch"
        folder.mkdir()
        marker = folder / "state.sqlite"
        marker.touch()
        folder.chmod(mode)
        try:
            assert as_nobody(lambda: executors._shared(marker)) == shared
        finally:
            folder.chmod(0o755)
