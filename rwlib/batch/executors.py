"""Where the targets run on this machine: children of a fork server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

from rwlib.batch.fork_server import ForkServer
from rwlib.batch.operator_sessions import OperatorSessions
from rwlib.batch.worker_count import MOST, WorkerCount
from rwlib.headless import can_fork

Answer = dict[str, Any]


class Local:
    """Children of one fork server on this machine.

    Where the platform cannot fork, each job has a new interpreter of its own.

    Parameters
    ----------
    slots
        Jobs at once; 0 finds out how many are worth it where the platform forks, and is twice
        the number of CPUs elsewhere.
    """

    def __init__(self, slots: int = 0) -> None:
        self.forks = can_fork()
        fixed = slots if slots or self.forks else 2 * (os.cpu_count() or 1)
        self.slots: int | WorkerCount = fixed or WorkerCount()
        self._fork_server = ForkServer()
        self._operators = OperatorSessions(self._fork_server.run)
        self._pool: Executor = (
            ThreadPoolExecutor(fixed or MOST, thread_name_prefix="rwlib-target")
            if self.forks
            else ProcessPoolExecutor(fixed, get_context("spawn"), max_tasks_per_child=1)
        )

    def submit(self, job: Mapping[str, Any]) -> Future[Answer]:
        """Start a job."""
        if self.forks:
            return self._pool.submit(self._run, dict(job))
        from rwlib.batch.job import perform

        return self._pool.submit(perform, dict(job))

    def kill(self) -> None:
        """End what is running, at once."""
        self._fork_server.kill_children()

    def close(self) -> None:
        """Leave no process behind."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._fork_server.close()

    def _run(self, job: Answer) -> Answer:
        return self._fork_server.run(self._operators.with_keys(job))
