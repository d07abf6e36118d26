"""What a batch does where the machine runs out of memory, processes or open files."""

from __future__ import annotations

import errno
import math
import os
import random
import signal
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from rwlib.aws.calls import Aws
from rwlib.batch import folders, fork_server, job, worker_count
from rwlib.batch.driving import workers_chosen
from rwlib.batch.executors import Local
from rwlib.batch.folders import batch_folder
from rwlib.batch.fork_server import ForkServer
from rwlib.batch.options import Options
from rwlib.batch.results import STATE_FILE, BatchState
from rwlib.batch.schedule import Scheduler, TargetWork
from rwlib.batch.shortage import Bearable, RanOutError, shortage
from rwlib.batch.worker_count import MOST, Room, WorkerCount
from rwlib.errors import RunbookError, ServiceError

NO_THREAD = "can't start new thread"


class CellError(Exception):
    """As papermill tells of a cell that raised."""

    def __init__(self, ename, evalue):
        super().__init__(evalue)
        self.ename, self.evalue = ename, evalue


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "memory ran out"),
        (OSError(errno.EMFILE, "x"), "a process could open no more files"),
        (OSError(errno.ENFILE, "x"), "the machine could open no more files"),
        (RuntimeError(NO_THREAD), "no more threads could be started"),
        (CellError("RuntimeError", NO_THREAD), "no more threads could be started"),
        (CellError("OSError", "[Errno 12] Cannot allocate memory"), "memory ran out"),
        (CellError("MemoryError", ""), "memory ran out"),
        (RanOutError("no process could be warmed up", "memory ran out"), "memory ran out"),
        (RuntimeError("anything else"), ""),
        (OSError(errno.ENOSPC, "No space left on device"), ""),
        (ServiceError("AWS refused a call"), ""),
        (None, ""),
    ],
)  # fmt: skip
def test_what_ran_out_is_told_by_the_error(error, told):
    assert shortage(error) == told


def test_what_ran_out_is_found_behind_another_error():
    error = ServiceError("AWS could not be reached")
    error.__cause__ = ServiceError("no connection")
    error.__cause__.__context__ = OSError(errno.EMFILE, "Too many open files")
    assert shortage(error) == "a process could open no more files"


def test_target_that_ran_out_of_something_did_not_fail(monkeypatch, tmp_path):
    def full(_):
        raise RuntimeError(NO_THREAD)

    monkeypatch.setitem(job._KINDS, "look", full)
    answer = job.perform({"kind": "look", "target": {}})
    assert (answer["exit_code"], answer["ran_out"]) == (4, "no more threads could be started")
    assert answer["lost"] == "this target was not finished: no more threads could be started"


RAN_OUT = {"lost": "x", "ran_out": "memory ran out"}


class Machine:
    """Runs jobs on paper; one that begins while ``most`` are running runs out of memory."""

    def __init__(self, most, seed=0, lost=RAN_OUT):
        self.lost = lost
        self.most, self.now, self.highest = most, 0.0, 0
        self.running, self.chance, self.ran_out = [], random.Random(seed), 0

    def submit(self, _):
        future = Future()
        self.running.append((future, len(self.running) < self.most))
        self.highest = max(self.highest, len(self.running))
        return future

    def tick(self, _=0):
        self.now += 1.0
        for _ in range(max(1, len(self.running) // 3)):
            if not self.running:
                return
            place = self.chance.randrange(len(self.running))
            future, fits = self.running.pop(place)
            self.ran_out += not fits
            answer = {"seconds": 2.0, "cpu_seconds": 0.1, "status": "done"}
            future.set_result(answer if fits else self.lost)

    def drive(self, slots, count, stopping=lambda: False):
        ended = []

        def finished(work, answer):
            ended.append((work.name, answer))

        def works():
            for number in range(count):
                yield TargetWork(number, str(number), "", {}, {})

        scheduler = Scheduler(
            self.submit, slots, finished, stopping, self.tick, clock=lambda: self.now,
            bearable=slots.bearable if isinstance(slots, WorkerCount) else Bearable(),
        )  # fmt: skip
        scheduler.drive(works())
        return ended, scheduler.bearable


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("rwlib.batch.schedule._TICK", 0.0)


@pytest.mark.parametrize("most", [1, 3, 11, 40])
@pytest.mark.parametrize("seed", range(3))
def test_batch_goes_on_with_as_many_targets_as_the_machine_bears(quick, most, seed):
    workers = WorkerCount(cpus=2, room=lambda running: Room(MOST, "plenty"))
    machine = Machine(most, seed)
    ended, bearable = machine.drive(workers, 300)
    assert len(ended) == 300
    assert all(answer["status"] == "done" for _, answer in ended if "lost" not in answer)
    assert not [answer for _, answer in ended if "lost" in answer], "none was lost"
    assert workers.number <= most * 1.5 + 1
    assert machine.ran_out < 300 / 4, "it was not tried again and again"
    local = Local()
    local.slots = workers
    why = workers_chosen(Options(Path("rows.csv"), Path("runbook.ipynb")), local, bearable)["why"]
    assert ("memory ran out; " in why) == (machine.ran_out > 0), why


def test_given_number_is_kept_and_the_summary_says_what_ran_out(quick):
    ended, bearable = Machine(5).drive(20, 100)
    assert len(ended) == 100
    assert not [answer for _, answer in ended if "lost" in answer]
    options = Options(Path("rows.csv"), Path("runbook.ipynb"), workers=20)
    chosen = workers_chosen(options, None, bearable)
    assert (chosen["number"], chosen["highest"]) == (20, 20)
    assert chosen["why"].startswith("as given, but for a while only ")
    assert "memory ran out; " in chosen["why"]
    assert workers_chosen(options, None, Bearable())["why"] == "as given"


def test_target_for_which_there_is_no_room_at_all_ends_with_the_reason(quick):
    ended, bearable = Machine(0).drive(4, 3)
    assert [answer["lost"] for _, answer in ended] == ["x"] * 3
    assert bearable.lowest == 1


def test_number_is_lowered_once_for_what_was_under_way():
    bearable = Bearable()
    assert bearable.most == math.inf
    for _ in range(5):
        bearable.ran_out(0.0, 1.0, 20, "memory ran out")
    assert (bearable.most, bearable.why) == (14, "memory ran out; 20 targets ran at once")
    bearable.ran_out(1.5, 2.0, 14, "memory ran out")
    assert bearable.most == 9
    for _ in range(36):
        bearable.ended()
    assert 9.9 < bearable.most < 10.1, "one more after four rounds"


def test_lost_target_is_not_taken_for_one_that_waits_for_aws(quick):
    workers = WorkerCount(cpus=2, room=lambda running: Room(MOST, "plenty"))
    ended, _ = Machine(0, lost={"lost": "died"}).drive(workers, 100)
    assert (len(ended), workers.highest) == (100, 16)


def test_job_for_which_no_thread_can_be_started_is_not_run_later(monkeypatch):
    local = Local(2)
    ran = []
    monkeypatch.setattr(local._fork_server, "run", lambda job: ran.append(job) or {})
    start = threading.Thread.start

    def full(self):
        if self.name.startswith("rwlib-target"):
            raise RuntimeError(NO_THREAD)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", full)
    assert shortage(local.submit({"number": 1}).exception(10)) == "no more threads could be started"
    monkeypatch.undo()
    monkeypatch.setattr(local._fork_server, "run", lambda job: ran.append(job) or {})
    local.submit({"number": 2}).result(10)
    local.close()
    assert ran == [{"number": 2}]


def test_reads_are_made_one_after_the_other_where_no_thread_can_be_started(monkeypatch, aws):
    from rwlib.aws.calls import Read

    def full(self):
        raise RuntimeError(NO_THREAD)

    own = Aws(aws.session)
    monkeypatch.setattr(threading.Thread, "start", full)
    own.read_ahead(*(
        Read("iam", "get_role", parameters={"RoleName": f"none-{number}"}) for number in range(3)
    ))  # fmt: skip
    assert len(own.calls) == 3


@pytest.fixture(scope="module")
def small_fork_server():
    """A fork server that warms nothing up."""
    with pytest.MonkeyPatch.context() as patch, ForkServer() as server:
        start = fork_server.subprocess.Popen

        def quickly(command, **more):
            cold = "import rwlib.batch.warm_up as w; w.warm_up = lambda: None; from rwlib"
            return start([*command[:2], command[2].replace("from rwlib", cold, 1)], **more)

        patch.setattr(fork_server.subprocess, "Popen", quickly)
        yield server


LOOK = {"kind": "look", "target": {}}


def test_process_that_is_killed_is_told_from_one_that_failed(small_fork_server, monkeypatch):
    assert "lost" not in small_fork_server.run(LOOK)
    found = []

    class Sees(dict):
        def __setitem__(self, child, name):
            super().__setitem__(child, name)
            os.kill(child, found.pop())

    monkeypatch.setattr(small_fork_server, "_running", Sees())
    found.append(signal.SIGKILL)
    answer = small_fork_server.run(LOOK)
    assert "ended without an answer: it was killed (signal 9)" in answer["lost"]
    assert answer["ran_out"].startswith("a process was killed")
    found.append(signal.SIGSEGV)
    answer = small_fork_server.run(LOOK)
    assert answer == {
        "lost": "the process of this target ended without an answer: it got signal 11"
    }


def test_fork_server_that_can_start_no_process_says_so_and_goes_on(small_fork_server):
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("needs prlimit(2)")
    assert "lost" not in small_fork_server.run(LOOK)
    process = small_fork_server._process.pid
    before = resource.prlimit(process, resource.RLIMIT_NOFILE)
    try:
        resource.prlimit(process, resource.RLIMIT_NOFILE, (1, before[1]))
        answer = small_fork_server.run(LOOK)
    finally:
        resource.prlimit(process, resource.RLIMIT_NOFILE, before)
    assert answer["ran_out"] == "no more processes could be started"
    assert "lost" not in small_fork_server.run(LOOK)
    assert small_fork_server._process.pid == process


def test_fork_server_that_never_warms_up_is_not_tried_for_every_target(monkeypatch):
    tried = []

    def fail(self):
        tried.append(1)
        raise RunbookError("no process could be warmed up: MemoryError")

    monkeypatch.setattr(ForkServer, "_start", fail)
    with ForkServer() as server:
        for _ in range(20):
            with pytest.raises(RunbookError, match="no process could be warmed up: MemoryError"):
                server.run(LOOK)
    assert len(tried) == 5


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize("unified", [True, False], ids=["v2", "v1"])
def test_room_is_that_of_the_control_groups_that_hold_the_batch(monkeypatch, tmp_path, unified):
    own = Path("/proc/self/cgroup")
    said = "0::/user.slice/batch.scope\n"
    if not unified:
        said = "".join(
            f"{number}:{name}:/user.slice/batch.scope\n"
            for number, name in enumerate(("memory", "cpuacct,cpu", "pids"), start=2)
        )
    read = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda self, *a, **k: said if self == own else read(self, *a, **k)
    )
    monkeypatch.setattr(worker_count, "_CGROUP", tmp_path)

    def group(name):
        return (tmp_path if unified else tmp_path / name) / "user.slice" / "batch.scope"

    stat = "total_inactive_file" if not unified else "inactive_file"
    most, used = ("memory.max", "memory.current") if unified else (
        "memory.limit_in_bytes", "memory.usage_in_bytes"
    )  # fmt: skip
    write(group("memory"), **{most: str(400 << 20), used: str(300 << 20)})
    write(group("memory"), **{"memory.stat": f"anon 1\n{stat} {20 << 20}\n"})
    assert worker_count.free_memory() == 120 << 20, "what the cache holds would be given back"
    write(group("memory").parent, **{most: str(350 << 20), used: str(300 << 20)})
    assert worker_count.free_memory() == 50 << 20, "the group above bounds it too"
    write(group("pids"), **{"pids.max": "100", "pids.current": "60"})
    assert worker_count.free_tasks() == 40
    assert worker_count.find_room(2).most <= 2 + 40 // 8
    if unified:
        write(group("cpu"), **{"cpu.max": "150000 100000"})
    else:
        write(group("cpu"), **{"cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "100000"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert worker_count.usable_cpus() == 1.5


@pytest.mark.parametrize("batch", ["orders", "orders_7"])
def test_batch_goes_on_in_its_folder_when_the_clock_was_set_back(batch, runs, monkeypatch):
    def clock(text):
        class Now(folders.datetime):
            @classmethod
            def now(cls, tz=None):
                return cls.fromisoformat(f"{text}+00:00")

        monkeypatch.setattr(folders, "datetime", Now)

    def begin(finished=""):
        folder, _ = batch_folder(batch, "apply")
        with BatchState(folder / STATE_FILE) as state:
            for name, value in (("name", batch), ("mode", "apply"), ("finished", finished)):
                state.remember(name, value)
        return folder

    clock("2026-05-01T12:00:00")
    first = begin("yes")
    clock("2026-05-01T09:00:00")
    stopped = begin()
    assert stopped != first
    clock("2026-05-01T08:00:00")
    assert begin() == stopped
    for _ in range(11):
        begin("yes")
    assert begin() == begin()
