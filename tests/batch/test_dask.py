"""Batches on Dask's workers: stopped, without workers, with more of them, and elsewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import nbformat
import pytest

from rwlib.batch import dask_worker as worker
from rwlib.batch.dask import Dask, Remote
from rwlib.batch.remote_files import pack, unpack
from rwlib.errors import InputError
from rwlib.runs.manifest import verify_manifest
from tests.support import places
from tests.support.waiting import is_running, wait_until

pytestmark = pytest.mark.slow

ROOT = places.ROOT
WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="the package distributed is missing"
)


class Cluster:
    """A scheduler on loopback, and workers that are started when a test wants them."""

    def __init__(self, place):
        self.place = place
        self.file = place / "scheduler.json"
        self.processes = []
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        assert wait_until(self.file.is_file)
        self.address = json.loads(self.file.read_text())["address"]

    def add_worker(self, threads=1, **environment):
        return self._start(
            "worker", "--host", "127.0.0.1", "--nthreads", str(threads), "--no-nanny",
            "--death-timeout", "60", "--local-directory", str(self.place / "dask"),
            **environment,
        )  # fmt: skip

    def close(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def _start(self, what, *arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments,
             "--no-dashboard", "--scheduler-file", str(self.file)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT,
            env={**os.environ, **environment},
        )  # fmt: skip
        self.processes.append(process)
        return process


@pytest.fixture
def cluster(aws_environment, tmp_path):
    running = Cluster(tmp_path)
    yield running
    running.close()


@pytest.fixture
def pids(tmp_path, monkeypatch):
    """Where the notebook that runs until it is told to end says that it runs."""
    place = tmp_path / "pids"
    place.mkdir()
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }  # fmt: skip
    book.cells = [
        nbformat.v4.new_code_cell("name: str = ''", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            "import os, pathlib, threading\n"
            f"place = pathlib.Path({str(place)!r})\n"
            "(place / name).write_text(f'{os.getpid()} {os.getppid()}')\n"
            "while not (place / 'end').exists():\n"
            "    threading.Event().wait(0.05)\n"
            "raise RuntimeError('ended as told')"
        ),
    ]
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    nbformat.write(book, notebooks / "runbook.ipynb")
    monkeypatch.setenv("RWLIB_NOTEBOOKS", str(notebooks))
    return place


def running(pids):
    """The names of the targets that run, with the process of each and its fork server's."""
    found = {}
    for path in pids.glob("t*"):
        words = path.read_text().split()
        if len(words) == 2 and is_running(int(words[0])):
            found[path.name] = (int(words[0]), int(words[1]))
    return found


def write_targets(path, count):
    rows = [
        {"name": f"t{n}", "workload_identity_arn": WORKLOAD, "bucket": "acme-analytics",
         "role_name": f"role-{n}", "connectors": ["s3_sink"]}
        for n in range(count)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def next_line(process, patience=20.0):
    """Return the next line that a batch says; empty when it says nothing for so long."""
    found = []
    reading = threading.Thread(target=lambda: found.append(process.stderr.readline()), daemon=True)
    reading.start()
    reading.join(patience)
    return "".join(found)


@pytest.fixture
def start_batch(cluster, tmp_path):
    """Start `rwlib batch` on the cluster; none is left at the end."""
    started = []

    def start(count, *arguments, name="orders"):
        path = write_targets(tmp_path / f"{name}.jsonl", count)
        process = subprocess.Popen(
            [sys.executable, "-m", "rwlib", "batch", str(path), "--executor", "dask",
             "--scheduler", cluster.address, *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@needs_dask
def test_scheduler_without_workers_is_refused_when_none_comes_in_time(cluster):
    with pytest.raises(InputError, match="no worker for 1 s; start one with `dask worker tcp:"):
        Dask(cluster.address, patience=1.0)


@needs_dask
def test_worker_is_waited_for_when_it_comes_a_little_later(cluster):
    cluster.add_worker(threads=3)
    dask = Dask(cluster.address)
    try:
        assert dask.slots() == 3
    finally:
        dask.close()


@needs_dask
def test_targets_run_on_a_worker_when_it_came_late(cluster, start_batch, pids):
    cluster.add_worker()
    batch = start_batch(4)
    assert wait_until(lambda: running(pids))
    assert len(running(pids)) == 1
    cluster.add_worker(threads=2)
    assert wait_until(lambda: len(running(pids)) == 3)
    (pids / "end").touch()
    assert "[4/4]" in batch.communicate(timeout=60)[1]


@needs_dask
def test_slots_are_those_that_were_asked_for_when_workers_are_given(cluster):
    cluster.add_worker(threads=3)
    dask = Dask(cluster.address, 2)
    try:
        assert dask.slots() == 2
    finally:
        dask.close()


@needs_dask
def test_batch_says_so_and_ends_when_no_worker_is_left(cluster, start_batch, pids, tmp_path):
    worker = cluster.add_worker()
    batch = start_batch(3)
    assert wait_until(lambda: running(pids))
    worker.kill()
    assert next_line(batch).startswith("No worker is left; targets wait until `dask worker")
    batch.send_signal(signal.SIGINT)
    _, told = batch.communicate(timeout=30)
    assert batch.returncode == 130
    assert told.startswith("stopped")
    assert "No worker" not in told
    assert "Traceback" not in told
    (summary,) = (tmp_path / "runs").glob("*/summary.json")
    assert json.loads(summary.read_text())["counts"] == {"not run": 3}


@needs_dask
def test_batch_goes_on_when_a_worker_comes_back(cluster, start_batch, pids):
    worker = cluster.add_worker()
    batch = start_batch(2)
    assert wait_until(lambda: running(pids))
    worker.kill()
    assert "No worker is left" in next_line(batch)
    cluster.add_worker()
    (pids / "end").touch()
    assert "[2/2]" in batch.communicate(timeout=60)[1]


@needs_dask
def test_what_runs_is_finished_when_a_batch_is_stopped_once(cluster, start_batch, pids):
    cluster.add_worker()
    batch = start_batch(3, "--workers", "2")
    assert wait_until(lambda: running(pids))
    batch.send_signal(signal.SIGINT)
    assert "what is running is finished" in next_line(batch)
    threading.Event().wait(1.0)  # time for several looks at what can be cancelled
    assert len(running(pids)) == 1
    (pids / "end").touch()
    _, told = batch.communicate(timeout=60)
    assert "ended as told" in told


@needs_dask
def test_job_is_not_taken_back_when_its_answer_is_on_the_way(cluster, pids, tmp_path, monkeypatch):
    cluster.add_worker()
    dask = Dask(cluster.address)
    monkeypatch.setattr(Remote, "arrived", lambda self, done: None)
    try:
        (pids / "end").touch()
        book = tmp_path / "notebooks" / "runbook.ipynb"
        (tmp_path / "batch").mkdir()
        future = dask.submit(
            {"kind": "run", "target": {"name": "t0"}, "notebook": str(book), "timeout": 60.0,
             "folder": str(tmp_path / "batch" / "t0")}
        )  # fmt: skip
        assert wait_until(lambda: future._inner.done())
        assert not future.cancel()
        monkeypatch.undo()
        future.arrived(future._inner)
        assert "ended as told" in future.result(timeout=60)["problem"]
    finally:
        dask.close()


@needs_dask
def test_job_that_was_taken_back_never_runs_when_a_worker_comes(cluster, pids, tmp_path):
    worker = cluster.add_worker()
    dask = Dask(cluster.address)
    try:
        worker.kill()
        assert wait_until(lambda: not dask._client.nthreads())
        (tmp_path / "batch").mkdir()
        book = tmp_path / "notebooks" / "runbook.ipynb"
        job = {"kind": "run", "target": {"name": "t0"}, "notebook": str(book), "timeout": 60.0,
               "folder": str(tmp_path / "batch" / "t0")}  # fmt: skip
        future = dask.submit(job)
        assert future.cancel()
        assert future.cancelled()
        cluster.add_worker()
        (pids / "end").touch()
        other = dask.submit({**job, "target": {"name": "t1"}})
        assert "ended as told" in other.result(timeout=60)["problem"]
        assert not (pids / "t0").exists()
    finally:
        dask.close()


@needs_dask
def test_jobs_on_workers_have_ended_when_a_batch_was_stopped_twice(
    cluster, start_batch, pids, tmp_path
):
    worker = cluster.add_worker(threads=2)
    batch = start_batch(3)
    assert wait_until(lambda: len(running(pids)) == 2)
    jobs = [each[0] for each in running(pids).values()]
    batch.send_signal(signal.SIGINT)
    assert "what is running is finished" in next_line(batch)
    batch.send_signal(signal.SIGINT)
    _, told = batch.communicate(timeout=60)
    assert [job for job in jobs if is_running(job)] == []
    assert (batch.returncode, worker.poll()) == (130, None)
    assert "Traceback" not in told
    (manifest,) = (tmp_path / "runs").glob("*/manifest.json")
    assert verify_manifest(manifest.parent)[0] == []


@needs_dask
def test_jobs_of_another_batch_go_on_when_a_batch_was_stopped_twice(cluster, start_batch, pids):
    cluster.add_worker(threads=2)
    first = start_batch(1)
    assert wait_until(lambda: "t0" in running(pids))
    (job, _) = running(pids)["t0"]
    (pids / "t0").unlink()
    second = start_batch(1, name="others")
    assert wait_until(lambda: "t0" in running(pids))
    (other, _) = running(pids)["t0"]
    first.send_signal(signal.SIGINT)
    next_line(first)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    assert not is_running(job)
    assert is_running(other)
    (pids / "end").touch()
    assert "ended as told" in second.communicate(timeout=60)[1]


def on_workers(cluster, function):
    """Call a function on every worker, and return the answers."""
    from distributed import Client

    with Client(cluster.address, set_as_default=False) as client:
        return list(client.run(function).values())


@needs_dask
def test_fork_server_of_a_worker_ends_when_its_batch_was_killed(cluster, start_batch, pids):
    cluster.add_worker()
    batch = start_batch(1)
    assert wait_until(lambda: running(pids))
    ((_, fork_server),) = running(pids).values()
    on_workers(cluster, lambda: setattr(worker.on_worker, "idle_seconds", 0.2))
    batch.kill()
    batch.wait()
    (pids / "end").touch()
    assert wait_until(lambda: not is_running(fork_server), patience=20)
    assert wait_until(
        lambda: on_workers(cluster, lambda: worker.on_worker._fork_server is None) == [True]
    )


class Silent:
    """A fork server whose jobs end when the test says so."""

    def __init__(self):
        self.end = threading.Event()
        self.started = threading.Event()
        self.closed = threading.Event()

    def run(self, job):
        self.started.set()
        assert self.end.wait(10)
        return {"done": True}

    def close(self):
        self.closed.set()


@pytest.fixture
def busy():
    """A worker's keeper with a job that runs, its fork server, and how the job is let go."""
    fork_server = Silent()
    keeper = worker.OnWorker(lambda: fork_server)
    job = threading.Thread(target=keeper.run, args=[{"id": "rwlib-a-1"}], daemon=True)
    job.start()
    assert fork_server.started.wait(10)

    def let_go():
        fork_server.end.set()
        job.join(10)

    yield keeper, fork_server, let_go
    let_go()


def test_fork_server_is_closed_after_the_last_job_when_closing_was_put_off(busy):
    keeper, fork_server, let_go = busy
    keeper.close()
    assert not fork_server.closed.is_set()
    let_go()
    assert fork_server.closed.is_set()


def test_fork_server_is_closed_when_nobody_used_it_for_some_time(busy):
    keeper, fork_server, let_go = busy
    keeper.idle_seconds = 0.05
    let_go()
    assert fork_server.closed.wait(10)


def test_fork_server_is_kept_when_a_job_came_in_time(busy):
    keeper, fork_server, let_go = busy
    let_go()
    before = keeper._jobs
    keeper.run({"id": "rwlib-a-2"})
    keeper._leave_after(before)
    assert not fork_server.closed.is_set()
    keeper._leave_after(keeper._jobs)
    assert fork_server.closed.is_set()


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
    return pack(folder)


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
    worker.remove_leftovers()
    left = {path.name for path in temporary.iterdir()}
    assert f"rwlib-{host}-{ended.pid}-left" not in left
    assert len(left) == 4


def test_temporary_folder_names_its_worker_when_the_folder_is_elsewhere(temporary):
    places = []

    def run(job):
        places.append(Path(job["folder"]))
        return {}

    job = {"kind": "run", "folder": "/nowhere/t1", "marker": "/nowhere/state.sqlite"}
    worker._run_here(run, job)
    (place,) = places
    assert place.name == "t1"
    assert place.parent.name.startswith(f"rwlib-{socket.gethostname()}-{os.getpid()}-")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_evidence_is_as_readable_as_any_other_when_it_came_back(tmp_path, umask):
    files = packed(tmp_path)
    before = os.umask(umask)
    try:
        unpack(files, tmp_path / "t1")
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
            assert as_nobody(lambda: worker._shared(marker)) == shared
        finally:
            folder.chmod(0o755)


@needs_dask
def test_batch_ends_with_its_summary_when_the_scheduler_dies(cluster, start_batch, pids, tmp_path):
    cluster.add_worker()
    batch = start_batch(3)
    assert wait_until(lambda: running(pids))
    cluster.processes[0].kill()
    _, told = batch.communicate(timeout=90)
    assert batch.returncode == 4, told
    assert "Traceback" not in told
    assert "is gone; start it and run this again" in told
    (summary,) = (tmp_path / "runs").glob("*_orders/summary.json")
    targets = json.loads(summary.read_text())["targets"]
    assert {each["status"] for each in targets} == {"error"}
    assert [each["problem"] for each in targets if "is gone; start it" not in each["problem"]] == []
