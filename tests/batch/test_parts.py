"""The parts of a batch by themselves: the fork server, the schedule, sessions, progress, state."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future

import nbformat
import pytest

from rwlib.batch.dask_worker import OnWorker
from rwlib.batch.fork_server import ForkServer
from rwlib.batch.operator_sessions import SECONDS, OperatorSessions
from rwlib.batch.progress import Progress, duration
from rwlib.batch.remote_files import unpack
from rwlib.batch.schedule import Limits, Scheduler, TargetWork
from rwlib.target.target import Target
from tests.support import places
from tests.support.waiting import is_running

pytestmark = pytest.mark.slow

ROOT = places.ROOT


@pytest.fixture(scope="module")
def fork_server():
    with ForkServer() as running:
        yield running


def notebook(path, *sources):
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }  # fmt: skip
    book.cells = [
        nbformat.v4.new_code_cell("label: str = ''", metadata={"tags": ["parameters"]}),
        *(nbformat.v4.new_code_cell(source) for source in sources),
    ]
    nbformat.write(book, path)
    return path


def run(fork_server, path, folder, **more):
    target = {"label": folder.name}
    return fork_server.run(
        {"kind": "run", "target": target, "folder": str(folder), "notebook": str(path), **more}
    )


def test_target_sees_nothing_of_another(fork_server, tmp_path):
    path = notebook(
        tmp_path / "n.ipynb",
        "import os, boto3, rwlib.aws.calls as module, logging, tempfile\n"
        "seen = [os.environ.get('LEFT'), boto3.DEFAULT_SESSION, getattr(module, 'left', None),\n"
        "        'left_variable' in globals(), logging.getLogger().handlers[1:]]\n"
        "seen = [each for each in seen if each]\n",
        "os.environ['LEFT'] = module.left = 'left'\n"
        "left_variable = boto3.setup_default_session(region_name='eu-central-1')\n"
        "os.chdir('/')\n"
        "raise RuntimeError(f'seen {seen} in {os.getpid()}')",
    )
    answers = [run(fork_server, path, tmp_path / name)["problem"] for name in ("a", "b")]
    assert all("seen []" in answer for answer in answers), answers
    assert answers[0] != answers[1]


def test_answer_says_so_when_the_process_died(fork_server, tmp_path):
    path = notebook(tmp_path / "n.ipynb", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert "ended without an answer" in run(fork_server, path, tmp_path / "dies")["lost"]


def test_job_is_stopped_when_it_takes_too_long(fork_server, tmp_path):
    flag = tmp_path / "pids"
    path = notebook(
        tmp_path / "n.ipynb",
        "import os, subprocess, threading\nchild = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(flag)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "threading.Event().wait()",
    )
    assert "longer than 3 s" in run(fork_server, path, tmp_path / "slow", timeout=3.0)["lost"]
    assert_gone(int(number) for number in flag.read_text().split())


def assert_gone(process_ids, patience=10.0):
    until = time.monotonic() + patience
    left = list(process_ids)
    while left and time.monotonic() < until:
        left = [number for number in left if is_running(number)]
        threading.Event().wait(0.02)
    for number in left:
        os.kill(number, signal.SIGKILL)
    assert left == []


def test_nothing_is_left_when_the_user_of_the_fork_server_is_killed(tmp_path):
    flag = tmp_path / "pids"
    path = notebook(
        tmp_path / "n.ipynb",
        "import os, subprocess, threading\nchild = subprocess.Popen(['sleep', '600'])\n"
        f"text = f'{{os.getppid()}} {{os.getpid()}} {{child.pid}}'\n"
        f"open({str(flag)!r} + '.part', 'w').write(text)\n"
        f"os.rename({str(flag)!r} + '.part', {str(flag)!r})\n"
        "threading.Event().wait()",
    )
    code = (
        "import sys; from rwlib.batch.fork_server import ForkServer\n"
        f"ForkServer().run({{'kind': 'run', 'target': {{}}, 'folder': {str(tmp_path / 'f')!r},"
        f" 'notebook': {str(path)!r}}})"
    )
    user = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    until = time.monotonic() + 60
    while not flag.exists() and user.poll() is None and time.monotonic() < until:
        threading.Event().wait(0.02)
    user.send_signal(signal.SIGKILL)
    user.wait()
    processes = [int(number) for number in flag.read_text().split()]
    assert len(processes) == 3
    assert_gone(processes)


def test_fork_server_starts_again_when_it_was_killed(tmp_path):
    path = notebook(tmp_path / "n.ipynb", "import os\nraise RuntimeError(f'parent {os.getppid()}')")
    with ForkServer() as mine:
        first = run(mine, path, tmp_path / "a")["problem"]
        os.kill(int(first.rpartition("parent ")[2].split()[0]), signal.SIGKILL)
        mine._process.wait()
        second = run(mine, path, tmp_path / "b")["problem"]
    assert "parent" in second
    assert first != second


def test_files_come_back_when_a_worker_does_not_see_the_folder(fork_server, tmp_path):
    path = notebook(
        tmp_path / "n.ipynb",
        "import os, pathlib\nplace = pathlib.Path(os.environ['RWLIB_RUN_DIR'])\n"
        "(place / 'ledger.jsonl').write_text('second\\n')\nraise RuntimeError(place)",
    )
    there = tmp_path / "batch" / "t1"
    there.mkdir(parents=True)
    (there / "ledger.jsonl").write_text("first\n")
    (there / "report.json").write_text("of an earlier attempt")
    answer = OnWorker(lambda: fork_server).run(
        {"kind": "run", "target": {}, "folder": str(there), "notebook": str(path),
         "marker": str(tmp_path / "elsewhere" / "state.sqlite")}
    )  # fmt: skip
    assert str(there) not in answer["problem"], "the worker wrote into a folder of its own"
    unpack(answer["files"], there)
    assert (there / "ledger.jsonl").read_text() == "first\nsecond\n"
    assert (there / "attempt-1" / "report.json").read_text() == "of an earlier attempt"
    assert (there / "runbook.ipynb").is_file()
    assert [each.name for each in there.parent.iterdir()] == ["t1"]


class Steered:
    """An executor whose jobs end when the test says so."""

    def __init__(self):
        self.running = {}
        self.order = []

    def submit(self, job):
        future = Future()
        self.running[job["name"]] = future
        self.order.append(job["name"])
        return future


def drive(works, slots, steer):
    executor = Steered()
    ended = []

    def tick(_):
        if executor.running:
            name = steer(executor.running)
            executor.running.pop(name).set_result({"ok": name})

    scheduler = Scheduler(
        executor.submit, slots, lambda work, answer: ended.append(work.name), lambda: False, tick
    )
    # The first tick needs somebody to wait for.
    thread = threading.Thread(target=lambda: scheduler.drive(iter(works)), daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.01)
    return executor.order, ended


def work(name, **uses):
    return TargetWork(1, name, "", {"name": name}, dict.fromkeys(uses.items(), 1))


def test_one_role_has_one_writer_while_others_go_on():
    works = [work("a", role="r"), work("b", role="r"), work("c", role="s"), work("d", role="r")]
    order, ended = drive(works, 2, lambda running: sorted(running)[0])
    assert order[:2] == ["a", "c"]
    assert order.index("b") < order.index("d")
    assert sorted(ended) == ["a", "b", "c", "d"]


def test_more_targets_run_when_there_are_more_slots():
    slots = [1]
    seen = []

    def steer(running):
        seen.append(len(running))
        slots[0] = 3
        return sorted(running)[0]

    drive([work(name) for name in "abcd"], lambda: slots[0], steer)
    assert seen == [1, 2, 2, 1]


def test_targets_that_only_wait_are_given_back_when_the_batch_stops():
    waits, runs = Future(), Future()
    runs.set_running_or_notify_cancel()
    futures = iter([waits, runs])
    stopping = []
    ended = []

    def tick(_):
        if waits.cancelled() and not runs.done():
            runs.set_result({"status": "done"})
        stopping.append(True)

    # What an executor does with a future that was cancelled before it began.
    waits.add_done_callback(lambda future: future.set_running_or_notify_cancel())
    scheduler = Scheduler(
        lambda job: next(futures), 2, lambda work, _: ended.append(work.name),
        lambda: bool(stopping), tick,
    )  # fmt: skip
    works = iter([work("a"), work("b"), work("c")])
    thread = threading.Thread(target=lambda: scheduler.drive(works), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert ended == ["b"]


def test_limits_count_one_account_once_when_two_ways_lead_to_it():
    limits = Limits(per_account=2)
    values = {"workload_identity_arn": "arn:aws:iam::444455556666:role/x", "bucket": "acme-a",
              "connectors": ["s3_sink"], "apply": True}  # fmt: skip
    through_role = Target(**values, operator_role_arn="arn:aws:iam::111122223333:role/operator")
    through_profile = Target(**values, aws_profile="customer")
    assert limits.uses(through_role) != limits.uses(through_profile)
    limits.learn(through_profile.model_dump(), "111122223333")
    assert limits.uses(through_role) == limits.uses(through_profile)
    assert limits.uses(through_role)["account", "111122223333"] == 2
    assert limits.uses(Target(**{**values, "apply": False})) == {}


def test_lost_target_is_run_again_once():
    answers = iter([{"lost": "died"}, {"lost": "died again"}])
    ended = []

    def submit(job):
        future = Future()
        future.set_result(next(answers))
        return future

    Scheduler(submit, 1, lambda work, answer: ended.append(answer), lambda: False).drive(
        iter([work("a")])
    )
    assert ended == [{"lost": "died again"}]


def test_operator_role_is_assumed_once_until_its_session_expires():
    now = [0.0]
    made = []

    def assume(job):
        made.append(job["target"]["operator_role_arn"])
        return {"keys": {"aws_access_key_id": f"k{len(made)}"}}

    sessions = OperatorSessions(assume, clock=lambda: now[0])
    one = {"target": {"operator_role_arn": "arn:aws:iam::111122223333:role/one"}}
    two = {"target": {"operator_role_arn": "arn:aws:iam::111122223333:role/two"}}
    keys = [sessions.with_keys(job)["keys"]["aws_access_key_id"] for job in (one, one, two, one)]
    assert keys == ["k1", "k1", "k2", "k1"]
    now[0] = SECONDS
    assert sessions.with_keys(one)["keys"]["aws_access_key_id"] == "k3"
    assert "keys" not in sessions.with_keys({"target": {}})


class Terminal(io.StringIO):
    def isatty(self):
        return True


def told(out):
    now = [0.0]
    progress = Progress(3, "run", out, clock=lambda: now[0])
    good = {"status": "done", "problem": ""}
    for answer in (good, {"status": "failed", "problem": "no trust"}, {**good, "skipped": True}):
        now[0] += 2.0
        progress.finished(f"t{progress.done}", answer)
    progress.end()
    return out.getvalue()


def test_progress_is_one_line_a_target_when_there_is_no_terminal():
    lines = told(io.StringIO()).splitlines()
    assert lines == [
        "[1/3] t0: done",
        "[2/3] t1: failed, no trust",
        "[3/3] t2: done, looked at again",
    ]


def test_progress_is_one_line_in_all_when_there_is_a_terminal():
    text = told(Terminal())
    assert text.count("\n") == 1
    assert "t1: failed, no trust\n" in text
    assert "run 1/3  30 a minute  0 failed  0:04 left" in text
    assert text.endswith("\r\x1b[K")
    assert duration(3725) == "1:02:05"
