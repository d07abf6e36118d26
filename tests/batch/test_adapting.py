"""How a batch adapts: to the machine, to the way to AWS, and to throttling."""

from __future__ import annotations

import heapq
import math
import os
import random
from concurrent.futures import Future
from pathlib import Path

import pytest

from rwlib.batch import worker_count
from rwlib.batch.driving import per_account_chosen
from rwlib.batch.job import perform, queued_seconds
from rwlib.batch.options import Options
from rwlib.batch.schedule import AccountLimit, Limits, Scheduler, TargetWork
from rwlib.batch.worker_count import MOST, Room, WorkerCount, find_room
from rwlib.target.target import Target


def plenty(running):
    return Room(MOST, "plenty")


def simulate(workers, count, *, waits, cpu=0.1, cpus=2, seed=1, bears=math.inf, **seen):
    """Run targets on paper: each waits, and shares the CPUs with the others; return the seconds.

    ``bears`` is how many targets a second what they wait for can answer.
    """
    rng = random.Random(seed)
    now, started, ended = 0.0, 0, 0
    running = []
    while ended < count:
        while len(running) < workers() and started < count:
            crowded = max(cpu, cpu * (len(running) + 1) / cpus)
            answered = (len(running) + 1) / bears
            took = max(waits + cpu, crowded, answered) * rng.uniform(0.85, 1.15)
            heapq.heappush(running, (now + took, started, took, workers.mark))
            started += 1
        now, _, took, mark = running[0]
        answer = {key: value(took) if callable(value) else value for key, value in seen.items()}
        workers.ended(mark, len(running), took, cpu_seconds=cpu, **answer)
        heapq.heappop(running)
        ended += 1
    return now


@pytest.mark.parametrize("waits", [0.3, 1.4, 5.0])
@pytest.mark.parametrize("seed", range(5))
def test_workers_grow_until_the_cpus_are_busy(waits, seed):
    workers = WorkerCount(cpus=2, room=plenty)
    assert workers.number == 16
    count = 600
    took = simulate(workers, count, waits=waits, seed=seed)
    fastest = count * 0.1 / 2 + waits
    # What the first rounds take, in which it is not known how much is worth it, comes on top.
    assert took < fastest / 0.85 + 2 * waits, (took, fastest, workers)
    assert "targets a minute" in workers.why


def test_workers_stay_few_where_more_bring_nothing():
    workers = WorkerCount(cpus=2, room=plenty)
    simulate(workers, 600, waits=0.0)
    assert workers.highest <= 24, workers


def test_workers_go_back_where_what_they_wait_for_is_the_limit():
    # Each target needs little of the CPUs here, so these would bear 250 of them.
    workers = WorkerCount(cpus=2, room=plenty)
    simulate(workers, 1500, waits=2.0, cpu=0.01, bears=10)
    assert workers.highest > 150 > 100 > workers.number, workers
    free = WorkerCount(cpus=2, room=plenty)
    simulate(free, 1500, waits=2.0, cpu=0.01)
    assert free.number > 150, free


@pytest.mark.parametrize("seed", range(3))
def test_number_is_found_anew_where_what_is_waited_for_becomes_slower_or_faster(seed):
    workers = WorkerCount(cpus=2, room=plenty)
    simulate(workers, 300, waits=0.0, seed=seed)
    assert workers.number <= 24, workers
    took = simulate(workers, 600, waits=5.0, seed=seed)
    assert workers.number > 60, workers
    assert took < 600 * 0.1 / 2 + 5 * 8, "it was found out within few rounds"
    simulate(workers, 600, waits=0.0, seed=seed)
    assert "CPUs busy" in workers.why or workers.number < 60, workers


def test_cpus_are_those_that_this_process_may_use(monkeypatch, tmp_path):
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
        assert WorkerCount(room=plenty).number == 8
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    else:
        monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(worker_count, "_CGROUP", tmp_path)
    for said, cpus in (("150000 100000", 1.5), ("max 100000", 8), ("20000 100000", 1), ("", 8)):
        (tmp_path / "cpu.max").write_text(said)
        assert worker_count.usable_cpus() == cpus


def test_workers_that_wait_for_a_cpu_are_not_taken_for_workers_that_wait_for_aws():
    # Others work on the machine: a target takes ten times as long, and is ready nearly always.
    crowded = WorkerCount(cpus=2, room=plenty)
    simulate(crowded, 60, waits=0.9, queued=lambda took: took - 0.12)
    assert crowded.highest == 16, crowded
    waiting = WorkerCount(cpus=2, room=plenty)
    simulate(waiting, 60, waits=0.9, queued=0.0)
    assert waiting.highest > 16, waiting


def test_target_says_how_long_it_waited_for_a_cpu(tmp_path, monkeypatch):
    told = {"kind": "run", "target": {}, "folder": str(tmp_path / "x"), "notebook": "none.ipynb"}
    before = iter([1.25, 3.5])
    monkeypatch.setattr("rwlib.batch.job.queued_seconds", lambda: next(before))
    assert perform(told)["queued_seconds"] == 2.25
    monkeypatch.undo()
    if Path("/proc/self/schedstat").exists():
        assert queued_seconds() > 0
    monkeypatch.setattr("rwlib.batch.job.Path", lambda _: tmp_path / "missing")
    assert queued_seconds() == 0


def test_workers_grow_as_far_as_the_machine_bears():
    workers = WorkerCount(cpus=2, room=lambda running: Room(19, "700 MB of memory were free"))
    simulate(workers, 300, waits=5.0)
    assert (workers.number, workers.highest, workers.why) == (19, 19, "700 MB of memory were free")
    crowded = WorkerCount(cpus=2, room=lambda running: Room(3, "12 file descriptors were left"))
    assert (crowded.number, crowded.why) == (3, "12 file descriptors were left")


def test_workers_become_fewer_when_memory_becomes_scarce():
    left = [100]
    workers = WorkerCount(cpus=2, room=lambda running: Room(left[0], "memory"))
    simulate(workers, 300, waits=5.0)
    before = workers.number
    left[0] = 5
    simulate(workers, 300, waits=5.0)
    assert (before > 50, workers.number, workers.why) == (True, 5, "memory")


def test_workers_become_fewer_while_aws_throttles():
    workers = WorkerCount(cpus=2, room=plenty)
    simulate(workers, 300, waits=5.0)
    before = workers.number
    simulate(workers, 600, waits=5.0, refused=1)
    assert workers.number < before / 2
    assert workers.why == "AWS throttled the calls"


def test_workers_become_fewer_when_they_only_wait_for_their_turn():
    workers = WorkerCount(cpus=2, room=plenty)
    simulate(workers, 300, waits=5.0)
    before = workers.number
    simulate(workers, 200, waits=5.0, waited=lambda took: 0.6 * took)
    assert workers.number < before


def test_room_is_bounded_by_what_is_left_of_memory_and_descriptors(monkeypatch):
    resource = pytest.importorskip("resource")
    module = "rwlib.batch.worker_count"
    monkeypatch.setattr(f"{module}.free_memory", lambda: 960 << 20)
    monkeypatch.setattr(f"{module}.free_descriptors", lambda: 4000)
    assert find_room(4) == Room(14, "960 MB of memory were free")
    monkeypatch.setattr(f"{module}.free_descriptors", lambda: 20)
    assert find_room(1) == Room(6, "20 file descriptors were left")
    monkeypatch.setattr(f"{module}.free_memory", lambda: 0)
    assert find_room(0).most == 1
    monkeypatch.undo()
    room = find_room()
    assert 1 <= room.most <= MOST
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0


def test_account_limit_is_cut_once_a_round_and_grows_by_one_a_round():
    limit = AccountLimit(writes=True)
    limit.ended(0.0, 1.0, 30, None)
    assert limit.limit == math.inf
    limit.ended(0.0, 1.0, 30, {"iam:read": 3})
    assert limit.limit == math.inf, "reads are another limit's"
    limit.ended(0.0, 1.0, 20, {"iam:write": 2})
    assert limit.limit == 14
    limit.ended(0.5, 1.1, 20, {"iam:write": 2})
    assert limit.limit == 14, "it had started before"
    for _ in range(14):
        limit.ended(1.5, 2.0, 14, {})
    assert 14.8 < limit.limit < 15.1
    for round_ in range(20):
        limit.ended(3.0 + round_, 3.5 + round_, 2, {"iam:write": 1})
    assert limit.limit == 2, "some always go on"
    assert (limit.lowest, limit.refused) == (2, 24)


def test_throttled_account_holds_up_no_other():
    values = {"workload_identity_arn": "arn:aws:iam::444455556666:role/x", "bucket": "acme-a",
              "connectors": ["s3_sink"], "apply": True}  # fmt: skip
    limits = Limits()
    first, second = (
        Target(**values, operator_role_arn=f"arn:aws:iam::{account}:role/operator")
        for account in ("111122223333", "777788889999")
    )
    limits.uses(first)["account", "111122223333"].ended(0.0, 1.0, 3, {"iam:write": 1})
    works = [
        TargetWork(number, name, "", {"name": name}, limits.uses(
            target.model_copy(update={"role_name": f"role-{number}"})))
        for number, (name, target) in enumerate([("a", first)] * 5 + [("b", second)] * 5)
    ]  # fmt: skip
    running, most = [], {"a": 0, "b": 0}

    def submit(job):
        future = Future()
        running.append((job["name"], future))
        for name in most:
            most[name] = max(most[name], [each for each, _ in running].count(name))
        return future

    def feed():
        yield from works
        end()

    def end(*_):
        while running:
            running.pop(0)[1].set_result({})

    Scheduler(submit, 10, lambda *_: None, lambda: False, end).drive(feed())
    assert most == {"a": 2, "b": 5}, "3 * 0.7, and never below 2"


def test_numbers_that_are_given_are_kept():
    assert (Options.workers, Options.per_account) == (0, 0)
    limits = Limits(per_account=3)
    target = Target(workload_identity_arn="arn:aws:iam::444455556666:role/x", bucket="acme-a",
                    connectors=["s3_sink"], apply=True)  # fmt: skip
    assert 3 in limits.uses(target).values()
    assert not any(isinstance(each, AccountLimit) for each in limits.uses(target).values())


def test_summary_names_what_an_account_was_brought_down_to():
    limits = Limits()
    target = Target(workload_identity_arn="arn:aws:iam::444455556666:role/x", bucket="acme-a",
                    connectors=["s3_sink"], apply=True)  # fmt: skip
    for name, limit in limits.uses(target).items():
        if isinstance(limit, AccountLimit) and name[0] == "account":
            limit.ended(0.0, 1.0, 3, {"iam:write": 2})
            lowest = int(limit.lowest)
    chosen, rest = per_account_chosen(Options(Path("rows.csv"), Path("runbook.ipynb")), limits)
    assert chosen["why"] == f"AWS throttled 2 calls, and the lowest number was {lowest}"
    assert rest["why"] == "AWS throttled no call"


def test_account_that_becomes_known_keeps_what_was_learned_of_it():
    limits = Limits()
    target = Target(workload_identity_arn="arn:aws:iam::444455556666:role/x", bucket="acme-a",
                    connectors=["s3_sink"], apply=True)  # fmt: skip
    before = [each for each in limits.uses(target).values() if isinstance(each, AccountLimit)]
    for limit in before:
        limit.ended(0.0, 1.0, 10, {"iam:write": 2})
    limits.learn(target.model_dump(), "111122223333")
    after = [each for each in limits.uses(target).values() if isinstance(each, AccountLimit)]
    assert all(new is old for new, old in zip(after, before, strict=True))
    options = Options(Path("rows.csv"), Path("runbook.ipynb"))
    told = [each["account"] for each in per_account_chosen(options, limits)]
    assert told == ["111122223333", "every other"]
