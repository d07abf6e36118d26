"""Who runs next: as many targets at once as there are slots, and no more of one kind than bearable.

Each target names what it uses: its account (whose IAM bears few writers at once), its role (one
writer), its cluster. Allowed Principals of one cluster are changed strictly one after the other,
which the client of the management API sees to; here it only matters that waiting for that keeps
nobody else from a slot.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from typing import Any

from rwlib.batch.shortage import Bearable, shortage
from rwlib.batch.worker_count import WorkerCount
from rwlib.errors import RunbookError
from rwlib.target import Target

LOOK_AHEAD = 256
"""How many targets may be passed over while they wait for something in use."""

_TICK = 0.25
_PUT_OFF = 8
_WAITED = 0.25


@dataclass(frozen=True)
class TargetWork:
    """One target on its way: its row, its name, its job, and what it uses with how many others."""

    row: int
    name: str
    digest: str
    job: Mapping[str, Any]
    uses: Mapping[tuple[str, str], int | AccountLimit]
    attempt: int = 1
    put_off: int = 0
    """How often the machine had no room for it beside the others."""


@dataclass
class AccountLimit:
    """How many targets may make one class of calls in an account, where nobody said.

    As many as there are, until AWS throttles one of them. From then on the number is lowered by a
    factor for every round in which a call was refused and the targets waited much for their turns,
    and raised by one for every round in which none was.

    Parameters
    ----------
    writes
        Whether it is about calls that change something, or about those that read.
    """

    writes: bool
    limit: float = math.inf
    lowest: float = math.inf
    refused: int = 0
    _cut: float = -math.inf

    def ended(
        self,
        started: float,
        now: float,
        running: int,
        refused: Mapping[str, int] | None,
        *,
        waited: float = 1.0,
    ) -> None:
        """Take note of a target that ended.

        Parameters
        ----------
        running
            Targets that were under way with this limit, this one among them.
        refused
            Number of throttled calls by class, as `rwlib.aws.pacing.Pacing` counts them.
        waited
            Share of its time in which the target waited for its turn to call. Where that is small,
            the rate of the calls is found with these targets, and fewer would not reach it.
        """
        count = sum(
            number
            for kind, number in (refused or {}).items()
            if kind.endswith(":write") == self.writes
        )
        self.refused += count
        if not count:
            self.limit += 1 / self.limit
        elif started > self._cut and waited > _WAITED:
            # What started before has been answered for already.
            self._cut = now
            # As many as would do without waiting, and some more.
            needed = min(1.0, 1.3 * (1 - waited))
            self.limit = max(2.0, min(self.limit, running) * max(0.7, needed))
            self.lowest = min(self.lowest, self.limit)


@dataclass
class Limits:
    """How many targets may use one thing at once.

    Parameters
    ----------
    per_account
        Targets of one account that may write at once; 0 adapts to what AWS bears, for reads and
        for writes.
    per_cluster
        Targets of one cluster: while one changes its Allowed Principals, others prepare.
    """

    per_account: int = 0
    per_cluster: int = 3
    accounts: dict[str, str] = field(default_factory=dict)
    adapting: dict[tuple[str, str], AccountLimit] = field(default_factory=dict)

    def uses(self, target: Target) -> dict[tuple[str, str], int | AccountLimit]:
        """Return what a target uses; a preview only reads."""
        way = account_key(target)
        account = self.accounts.get(way, way)
        found: dict[tuple[str, str], int | AccountLimit] = {}
        if not self.per_account:
            found["account reads", account] = self._adapting("account reads", account)
        if not target.apply:
            return found
        found["account", account] = self.per_account or self._adapting("account", account)
        found["role", f"{account}/{target.role_name}"] = 1
        if target.cluster_id:
            found["cluster", target.cluster_id] = self.per_cluster
        return found

    def _adapting(self, kind: str, account: str) -> AccountLimit:
        limit = self.adapting.get((kind, account))
        if limit is None:
            limit = self.adapting[kind, account] = AccountLimit(writes=kind == "account")
        return limit

    def learn(self, target: Mapping[str, Any], account_id: str) -> None:
        """Remember which account a profile leads to, so that two ways to it count as one."""
        way = _key(target["operator_role_arn"], target["aws_profile"])
        if not account_id or self.accounts.get(way) == account_id:
            return
        self.accounts[way] = account_id
        for kind in ("account", "account reads"):
            # What was learned under way goes on under the account's id.
            known = self.adapting.pop((kind, way), None) if way != account_id else None
            if known is not None:
                self.adapting.setdefault((kind, account_id), known)


def account_key(target: Target) -> str:
    """Return how the target's account is reached: its id where it is known, else the profile."""
    return _key(target.operator_role_arn, target.aws_profile)


def _key(operator_role_arn: str, aws_profile: str) -> str:
    if operator_role_arn:
        return operator_role_arn.split(":")[4]
    return f"profile {aws_profile}"


@dataclass
class Scheduler:
    """Keeps the slots filled until the targets or the patience are at an end.

    Parameters
    ----------
    submit
        Starts a job and returns its future.
    slots
        Targets at once, or what is asked for that whenever one could be started. A `WorkerCount`
        is told how long each one took.
    finished
        Called with each target and its answer, in this thread.
    stopping
        True once nothing new may start; what runs is waited for, what only waits to run is
        cancelled.
    tick
        Called several times a second with the number of targets that are running.
    bearable
        What the machine was seen to bear: no more than that run at once, whatever ``slots`` says.
    """

    submit: Callable[[Mapping[str, Any]], Future[dict[str, Any]]]
    slots: int | Callable[[], int] | WorkerCount
    finished: Callable[[TargetWork, dict[str, Any]], None]
    stopping: Callable[[], bool]
    tick: Callable[[int], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    bearable: Bearable = field(default_factory=Bearable)
    _running: dict[Future[dict[str, Any]], TargetWork] = field(default_factory=dict)
    _started: dict[Future[dict[str, Any]], tuple[float, int]] = field(default_factory=dict)
    _waiting: deque[TargetWork] = field(default_factory=deque)
    _in_use: Counter[tuple[str, str]] = field(default_factory=Counter)

    def drive(self, works: Iterator[TargetWork]) -> None:
        """Run all targets; returns when the last one that was started has ended."""
        exhausted = False
        while True:
            while self._has_slot() and not self.stopping():
                work = self._next_waiting()
                if work is None and not exhausted and len(self._waiting) < LOOK_AHEAD:
                    work = next(works, None)
                    exhausted = work is None
                    if work is not None and not self._fits(work):
                        self._waiting.append(work)
                        continue
                if work is None:
                    break
                self._start(work)
            if not self._running:
                return
            if self.stopping():
                for future in self._running:
                    future.cancel()
            done, _ = wait(self._running, timeout=_TICK, return_when=FIRST_COMPLETED)
            for future in done:
                self._end(future)
            self.tick(len(self._running))

    def waiting(self) -> Iterator[TargetWork]:
        """Yield the targets that were passed over and never started."""
        yield from self._waiting

    def _has_slot(self) -> bool:
        slots = self.slots() if callable(self.slots) else self.slots
        return len(self._running) < slots and len(self._running) + 1 <= self.bearable.most

    def _next_waiting(self) -> TargetWork | None:
        for index, work in enumerate(self._waiting):
            if self._fits(work):
                del self._waiting[index]
                return work
        return None

    def _fits(self, work: TargetWork) -> bool:
        return all(
            self._in_use[used] + 1 <= (limit.limit if isinstance(limit, AccountLimit) else limit)
            for used, limit in work.uses.items()
        )

    def _start(self, work: TargetWork) -> None:
        self._in_use.update(work.uses.keys())
        mark = self.slots.mark if isinstance(self.slots, WorkerCount) else 0
        future = self.submit(work.job)
        self._running[future], self._started[future] = work, (self.clock(), mark)

    def _measure(self, work: TargetWork, started: float, mark: int, answer: dict[str, Any]) -> None:
        """Tell what adapts how a target went that is still counted as under way."""
        if "lost" in answer:
            return  # how long it would have taken nobody knows
        self.bearable.ended()
        refused, waited = answer.get("refused"), answer.get("waited_seconds", 0.0)
        seconds = answer.get("seconds") or self.clock() - started
        share = waited / seconds if seconds else 0.0
        for used, limit in work.uses.items():
            if isinstance(limit, AccountLimit):
                limit.ended(started, self.clock(), self._in_use[used], refused, waited=share)
        if isinstance(self.slots, WorkerCount):
            self.slots.ended(
                mark,
                len(self._running),
                seconds,
                cpu_seconds=answer.get("cpu_seconds", 0.0),
                queued=answer.get("queued_seconds", 0.0),
                waited=waited,
                refused=sum(refused.values()) if refused else 0,
                accounts=self._accounts(),
            )

    def _accounts(self) -> int:
        """Return of how many accounts targets are running."""
        return len(
            {
                account
                for work in self._running.values()
                for (_, account), limit in work.uses.items()
                if isinstance(limit, AccountLimit)
            }
        )

    def _end(self, future: Future[dict[str, Any]]) -> None:
        work = self._running[future]
        started, mark = self._started.pop(future)
        answer: dict[str, Any] | None = None
        if not future.cancelled():
            answer = self._answer(future)
            self._measure(work, started, mark, answer)
        del self._running[future]
        self._in_use.subtract(work.uses.keys())
        if answer is None:
            self._waiting.append(work)
        elif "lost" not in answer or self.stopping() or not self._again(work, started, answer):
            self.finished(work, answer)

    @staticmethod
    def _answer(future: Future[dict[str, Any]]) -> dict[str, Any]:
        """Return what a job answered, or why it has no answer."""
        error = future.exception()
        if error is None:
            return future.result()
        if not isinstance(error, Exception):
            raise error
        said = str(error) if isinstance(error, RunbookError) else f"{type(error).__name__}: {error}"
        return {"lost": said, "ran_out": shortage(error)}

    def _again(self, work: TargetWork, started: float, answer: Mapping[str, Any]) -> bool:
        """Put a target back whose answer was lost, unless that has been tried.

        It is safe to do again, whatever had been done: every step looks before it writes.
        """
        others = len(self._running)
        if what := answer.get("ran_out"):
            self.bearable.ran_out(started, self.clock(), others + 1, what)
            if isinstance(self.slots, WorkerCount):
                self.slots.ran_out()
        if what and others and work.put_off < _PUT_OFF:
            # With fewer beside it, it may find the room; what it got was no chance of its own.
            work = replace(work, put_off=work.put_off + 1)
        elif work.attempt == 1:
            work = replace(work, attempt=2)
        else:
            return False
        self._waiting.appendleft(work)
        return True
