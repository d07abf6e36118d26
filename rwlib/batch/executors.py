"""Where the targets run on this machine: children of a fork server."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from rwlib.batch.fork_server import ForkServer
from rwlib.batch.operator_sessions import OperatorSessions
from rwlib.batch.worker_count import WorkerCount
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
        self._threads: set[threading.Thread] = set()
        self._pool: Executor | None = (
            None
            if self.forks
            else ProcessPoolExecutor(fixed, get_context("spawn"), max_tasks_per_child=1)
        )

    def submit(self, job: Mapping[str, Any]) -> Future[Answer]:
        """Start a job."""
        if self._pool is not None:
            from rwlib.batch.job import perform

            return self._pool.submit(perform, dict(job))
        # Not a pool's thread: that keeps a job for which it could start none, and runs it later.
        future: Future[Answer] = Future()
        future.set_running_or_notify_cancel()
        thread = threading.Thread(target=self._run, args=(future, job), name="rwlib-target")
        try:
            thread.start()
        except RuntimeError as error:
            future.set_exception(error)
        else:
            self._threads = {each for each in self._threads if each.is_alive()} | {thread}
        return future

    def kill(self) -> None:
        """End what is running, at once."""
        self._fork_server.kill_children()

    def close(self) -> None:
        """Leave no process behind."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        for thread in self._threads:
            thread.join()
        self._fork_server.close()

    def _run(self, future: Future[Answer], job: Mapping[str, Any]) -> None:
        try:
            future.set_result(self._fork_server.run(self._operators.with_keys(job)))
        except BaseException as error:  # noqa: BLE001 - whoever waits for the future is told
            future.set_exception(error)
