"""Where the targets run on a Dask cluster, seen from the batch."""

from __future__ import annotations

import contextlib
import importlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, InvalidStateError
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

from rwlib.batch.dask_worker import close_idle_fork_server, end_on_worker, run_on_worker
from rwlib.batch.remote_files import unpack
from rwlib.errors import InputError, RunbookError

Answer = dict[str, Any]

_log = logging.getLogger(__name__)

_PATIENCE = 60.0  # seconds in which a cluster has answered, if it still answers at all
_LOOK_EVERY = 1.0


class Dask:
    """Workers of a Dask scheduler, each with a fork server of its own.

    Credentials stay where they are: a worker uses its own, and assumes operator roles itself.
    Where a worker does not see the batch's folder, the files come back with the answer.

    Parameters
    ----------
    scheduler
        Its address.
    workers
        Targets at once; 0 is as many as the workers have threads.
    patience
        Seconds to wait for the first worker.

    Raises
    ------
    InputError
        There is no scheduler at that address, or it has no worker.
    RunbookError
        The package ``distributed`` is not installed.
    """

    def __init__(self, scheduler: str, workers: int = 0, *, patience: float = 30.0) -> None:
        try:
            make_client: Any = importlib.import_module("distributed").Client
        except ModuleNotFoundError:
            raise RunbookError(
                "the executor dask needs distributed; install it with "
                "`pip install 'risingwave-iam-runbook[dask]'`"
            ) from None
        try:
            self._client = make_client(scheduler, timeout="10s", set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                "scheduler", scheduler, f"does not answer ({error}); start it with `dask scheduler`"
            ) from None
        try:
            self._client.wait_for_workers(1, timeout=patience)
        except TimeoutError:
            self._client.close()
            raise InputError(
                "scheduler",
                scheduler,
                f"has had no worker for {patience:.0f} s; start one with `dask worker {scheduler}`",
            ) from None
        self._batch = f"rwlib-{uuid4().hex}-"
        self._why = f"the Dask scheduler {scheduler} is gone; start it and run this again"
        self._under_way: set[Remote] = set()
        self._numbers = count()
        self.say: Callable[[str], None] = _log.warning
        self._workers = workers
        self._threads = 1
        self._without = False
        self._processed: set[str] = set()
        self._asked = self._looked = -_LOOK_EVERY
        # A job that was half done is safe to repeat; the answers of equal jobs are not shared.
        self._pool = self._client.get_executor(pure=False, retries=3)

    def slots(self) -> int:
        """Return how many targets fit now; workers that came later count too."""
        now = time.monotonic()
        if now - self._asked >= _LOOK_EVERY:
            self._asked = now
            if self._gone:
                self._give_up()
            else:
                with contextlib.suppress(OSError, TimeoutError, RuntimeError):
                    self._threads = sum(self._client.nthreads().values())
                    self._tell(without=not self._threads)
        # Never none: what is handed in waits at the scheduler for a worker.
        return self._workers or max(1, self._threads)

    def submit(self, job: Mapping[str, Any]) -> Future[Answer]:
        """Start a job on one of the workers."""
        name = f"{self._batch}{next(self._numbers):09d}"
        marked = {**job, "id": name}
        folder = marked.get("folder")
        if folder:
            marked["marker"] = str(Path(folder).parent / "state.sqlite")
        if self._gone:
            return _lost(self._why)
        inner: Future[Answer] = self._pool.submit(run_on_worker, marked, key=name)
        outer = Remote(
            inner,
            folder,
            lambda: self._waits(name),
            lambda: self._make_sure_of_end(name),
            self._why,
        )
        self._under_way.add(outer)
        outer.add_done_callback(self._under_way.discard)
        inner.add_done_callback(outer.arrived)
        return outer

    def kill(self) -> None:
        """End this batch's jobs, and wait until they have ended on the workers too."""
        self._patiently(lambda: self._pool.shutdown(wait=False))
        self._patiently(lambda: self._client.run(end_on_worker, self._batch, on_error="ignore"))

    def close(self) -> None:
        """Leave the scheduler; its workers go on without us."""
        if not self._gone:
            with contextlib.suppress(TimeoutError, OSError):
                self._client.run(close_idle_fork_server)
            self._pool.shutdown(wait=False)
        self._client.close()

    @property
    def _gone(self) -> bool:
        # A client closes itself when its scheduler has not come back for some seconds.
        return self._client.status in ("closing", "closed") or self._client.scheduler is None

    def _give_up(self) -> None:
        """End what waits for a scheduler that is gone; nobody else would."""
        if self._under_way:
            self.say(f"{self._why}; the targets it had are given up.")
        for each in list(self._under_way):
            each.give_up()

    def _tell(self, *, without: bool) -> None:
        if without and not self._without:
            address = self._client.scheduler.address
            self.say(f"No worker is left; targets wait until `dask worker {address}` starts one.")
        self._without = without

    def _waits(self, name: str) -> bool:
        """Tell whether no worker has a job, nor its answer."""
        now = time.monotonic()
        with contextlib.suppress(OSError, TimeoutError, RuntimeError):
            if now - self._looked >= _LOOK_EVERY:
                self._looked = now
                self._processed = {
                    key for keys in self._client.processing().values() for key in keys
                }
            if self._gone or name in self._processed:
                return False
            # Asked after it: a job that ended in between is seen here.
            found = self._client.sync(self._client.scheduler.who_has, keys=[name])
            return not found.get(name)
        return False

    def _make_sure_of_end(self, name: str) -> None:
        """End a job that was taken back, should a worker have got it in the meantime."""
        self._patiently(lambda: self._client.run(end_on_worker, name, on_error="ignore"))

    @staticmethod
    def _patiently(ask: Callable[[], object]) -> None:
        """Ask something of the cluster, and give it up when no answer comes."""

        def quietly() -> None:
            with contextlib.suppress(OSError, TimeoutError, RuntimeError):
                ask()

        # In a thread, since this is called while a signal is handled.
        asking = threading.Thread(target=quietly, name="rwlib-dask", daemon=True)
        asking.start()
        asking.join(_PATIENCE)


def _lost(reason: str) -> Future[Answer]:
    found: Future[Answer] = Future()
    found.set_result({"lost": reason})
    return found


class Remote(Future[Answer]):
    """A job on a worker: done when its files are in their folder, cancelled while it waits.

    Parameters
    ----------
    inner
        The executor's own future.
    folder
        Where the files go.
    waits
        True while no worker has the job.
    taken_back
        Called once the job was cancelled.
    why_lost
        What is said of a job that the cluster's end took along.
    """

    def __init__(
        self,
        inner: Future[Answer],
        folder: str | None,
        waits: Callable[[], bool],
        taken_back: Callable[[], None],
        why_lost: str,
    ) -> None:
        super().__init__()
        self._inner = inner
        self._folder = folder
        self._waits = waits
        self._taken_back = taken_back
        self._why_lost = why_lost

    def cancel(self) -> bool:
        """Take the job back, unless a worker has it."""
        if self.done() or not self._waits() or not super().cancel():
            return self.cancelled()
        self.set_running_or_notify_cancel()  # else nobody who waits would notice
        self._inner.cancel()
        self._taken_back()
        return True

    def give_up(self) -> None:
        """End it without an answer."""
        with contextlib.suppress(InvalidStateError):
            self.set_result({"lost": self._why_lost})

    def arrived(self, done: Future[Answer]) -> None:
        """Put the files into their folder and hand on the answer."""
        if self.done() or not self.set_running_or_notify_cancel():
            return
        try:
            answer = dict(done.result())
            files = answer.pop("files", "")
            if files and self._folder:
                unpack(files, Path(self._folder))
            self.set_result(answer)
        except CancelledError:
            # Nobody here took it back: its client has lost the cluster.
            self.set_result({"lost": self._why_lost})
        except BaseException as error:  # noqa: BLE001 - handed to who waits
            self.set_exception(error if isinstance(error, Exception) else RuntimeError(str(error)))
