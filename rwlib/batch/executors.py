"""Where the targets run on this machine: children of a forge."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

from rwlib.batch.forge import Forge
from rwlib.batch.operators import OperatorSessions
from rwlib.engine.process import can_fork

Answer = dict[str, Any]


class Local:
    """Children of one forge on this machine.

    Where the platform cannot fork, each job has a new interpreter of its own.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.forks = can_fork()
        self._forge = Forge()
        self._operators = OperatorSessions(self._forge.run)
        self._pool: Executor = (
            ThreadPoolExecutor(slots, thread_name_prefix="rwlib-target")
            if self.forks
            else ProcessPoolExecutor(slots, get_context("spawn"), max_tasks_per_child=1)
        )

    def submit(self, job: Mapping[str, Any]) -> Future[Answer]:
        """Start a job."""
        if self.forks:
            return self._pool.submit(self._run, dict(job))
        from rwlib.batch.job import perform

        return self._pool.submit(perform, dict(job))

    def kill(self) -> None:
        """End what is running, at once."""
        self._forge.kill_children()

    def close(self) -> None:
        """Leave no process behind."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._forge.close()

    def _run(self, job: Answer) -> Answer:
        return self._forge.run(self._operators.with_keys(job))
