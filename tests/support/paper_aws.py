"""Targets on paper: their calls, the way to AWS, its token buckets, and the CPUs that they share.

What adapts is the real code: the rates of the calls, the limits of the accounts, and the number of
targets at once. The clock is simulated.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from concurrent.futures import Future
from itertools import count

from rwlib.aws.pacing import Rates
from rwlib.batch.schedule import AccountLimit, Scheduler, TargetWork
from rwlib.batch.worker_count import MOST, Room, WorkerCount

CALLS = [
    *("sts:read", *["s3:read"] * 4, *["iam:read"] * 6, "accessanalyzer:read"),
    *(*["iam:write"] * 5, *["iam:read"] * 5, *["iam:simulate"] * 2),
]
"""What a target calls, one after the other."""


class PaperAws:
    """AWS and a machine.

    Parameters
    ----------
    way
        Gives the seconds to AWS and back for a class of call and a time.
    rates
        Gives a bucket's rate and size for an account, a class of call, a time, and the number of
        targets that have started; None where nothing is throttled.
    cpu
        Seconds that a target needs of one of ``cpus``.
    """

    def __init__(self, way, rates, *, cpu=0.1, cpus=2, seed=1):
        self.now = 0.0
        self.sent, self.refused, self.tries = Counter(), Counter(), Counter()
        self.started = self.ended = 0
        self.numbers = []
        self._way, self._allowed = way, rates
        self._cpu, self._free = cpu, [0.0] * cpus
        self._random, self._order = random.Random(seed), count()
        # Its own clock begins later: a time of 0 means that nothing has happened.
        self._rates = Rates(lambda: self.now + 1000.0)
        self._buckets, self._events, self._fired = {}, [], False

    def run(self, accounts, workers=None):
        """Run a target in each of these accounts, one for each time it is named; return seconds."""
        self.workers = workers or WorkerCount(
            cpus=len(self._free), room=lambda running: Room(MOST, "plenty")
        )
        self.limits = {name: (AccountLimit(False), AccountLimit(True)) for name in accounts}

        def works():
            for row, name in enumerate(accounts):
                reads, writes = self.limits[name]
                uses = {("account reads", name): reads, ("account", name): writes}
                yield TargetWork(row, str(row), "", {"account": name}, uses)

        def finished(work, answer):
            assert answer["status"] == "done"
            self.ended += 1
            self.numbers.append(self.workers if isinstance(self.workers, int) else self.workers())

        Scheduler(
            self._submit, self.workers, finished, lambda: False, self._tick, lambda: self.now
        ).drive(works())
        return self.now

    @property
    def share_refused(self):
        return self.refused.total() / self.sent.total()

    def _at(self, seconds, what):
        heapq.heappush(self._events, (self.now + seconds, next(self._order), what))

    def _tick(self, _=0):
        """Go on until a target ends."""
        self._fired = False
        while self._events and not self._fired:
            self.now, _, what = heapq.heappop(self._events)
            what()

    def _submit(self, job):
        self.started += 1
        return _Target(self, job["account"]).future

    def _gives(self, account, kind):
        rates = self._allowed(account, kind, self.now, self.started)
        if rates is None:
            return True
        rate, size = rates
        tokens, at = self._buckets.get((account, kind), (size, self.now))
        tokens = min(size, tokens + (self.now - at) * rate)
        self._buckets[account, kind] = (tokens - 1 if tokens >= 1 else tokens, self.now)
        return tokens >= 1


class _Target:
    """One target: thinks, waits for its turn, calls, and calls again where it is refused."""

    def __init__(self, world, account):
        self.world, self.account, self.future = world, account, Future()
        self.began, self.made = world.now, 0
        self.waited = self.queued = 0.0
        self.refused = Counter()
        self.think()

    def think(self):
        world = self.world
        begins = max(world.now, heapq.heappop(world._free))
        ends = begins + world._cpu / len(CALLS)
        heapq.heappush(world._free, ends)
        self.queued += begins - world.now
        world._at(ends - world.now, lambda: self.want(0, 0, False, ends))

    def want(self, again, tries, waited, since):
        world, kind = self.world, CALLS[self.made]
        asked = world.now + 1000.0
        wait, has_turn = world._rates.reserve(self.account, kind, 0.5 * (1 + tries))

        def taken():
            if not wait or world._rates.stands(self.account, kind, asked):
                self.waited += world.now - since
                self.send(again, waited or wait > 0, asked)
            else:
                self.want(again, tries + 1, True, since)

        if has_turn and not wait:
            taken()
        elif has_turn:
            world._at(wait, taken)
        else:
            pause = world._random.uniform(0.25, 0.5)
            world._at(pause, lambda: self.want(again, tries + 1, True, since))

    def send(self, again, waited, asked):
        world, kind = self.world, CALLS[self.made]
        half = world._way(kind, world.now) / 2

        def arrives():
            given = world._gives(self.account, kind)
            world.sent[kind] += 1
            world.refused[kind] += not given
            world._at(half, lambda: self.answered(given, again, waited, asked))

        world._at(half, arrives)

    def answered(self, given, again, waited, asked):
        world, kind = self.world, CALLS[self.made]
        if given:
            world._rates.answered(self.account, kind, waited=waited)
            self.made += 1
            self.think() if self.made < len(CALLS) else self.end()
            return
        self.refused[kind] += 1
        world.tries[again + 1] += 1
        world._rates.refused(self.account, kind, asked)
        pause = world._random.random() * min(20, 2**again)  # as botocore's standard mode
        world._at(pause, lambda: self.want(again + 1, 0, True, world.now))

    def end(self):
        world = self.world
        world._fired = True
        self.future.set_result(
            {
                "status": "done",
                "seconds": world.now - self.began,
                "cpu_seconds": world._cpu,
                "queued_seconds": self.queued,
                "waited_seconds": self.waited,
                "refused": dict(self.refused),
            }
        )
