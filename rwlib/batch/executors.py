"""Where the targets run: children of a forge on this machine, or of forges on Dask's workers."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import logging
import os
import re
import shutil
import socket
import tarfile
import tempfile
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import uuid4

from rwlib.batch.forge import Forge
from rwlib.batch.operators import OperatorSessions
from rwlib.engine.process import can_fork
from rwlib.errors import InputError, RunbookError

Answer = dict[str, Any]

_log = logging.getLogger(__name__)

_PATIENCE = 60.0  # seconds in which a cluster has answered, if it still answers at all
_LOOK_EVERY = 1.0


class Local:
    """Children of one forge on this machine.

    Where the platform cannot fork, each job has a new interpreter of its own.
    """

    def __init__(self, slots: int) -> None:
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


class Dask:
    """Workers of a Dask scheduler, each with a forge of its own.

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
            with contextlib.suppress(OSError, TimeoutError):
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
        inner: Future[Answer] = self._pool.submit(run_on_worker, marked, key=name)
        outer = Remote(
            inner, folder, lambda: self._waits(name), lambda: self._make_sure_of_end(name)
        )
        inner.add_done_callback(outer.arrived)
        return outer

    def kill(self) -> None:
        """End this batch's jobs, and wait until they have ended on the workers too."""
        self._patiently(lambda: self._pool.shutdown(wait=False))
        self._patiently(lambda: self._client.run(end_on_worker, self._batch, on_error="ignore"))

    def close(self) -> None:
        """Leave the scheduler; its workers go on without us."""
        with contextlib.suppress(TimeoutError, OSError):
            self._client.run(close_idle_forge)
        self._pool.shutdown(wait=False)
        self._client.close()

    def _tell(self, *, without: bool) -> None:
        if without and not self._without:
            address = self._client.scheduler.address
            self.say(f"No worker is left; targets wait until `dask worker {address}` starts one.")
        self._without = without

    def _waits(self, name: str) -> bool:
        """Tell whether no worker has a job, nor its answer."""
        now = time.monotonic()
        with contextlib.suppress(OSError, TimeoutError):
            if now - self._looked >= _LOOK_EVERY:
                self._looked = now
                self._processed = {
                    key for keys in self._client.processing().values() for key in keys
                }
            if name in self._processed:
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
            with contextlib.suppress(OSError, TimeoutError):
                ask()

        # In a thread, since this is called while a signal is handled.
        asking = threading.Thread(target=quietly, name="rwlib-dask", daemon=True)
        asking.start()
        asking.join(_PATIENCE)


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
    """

    def __init__(
        self,
        inner: Future[Answer],
        folder: str | None,
        waits: Callable[[], bool],
        taken_back: Callable[[], None],
    ) -> None:
        super().__init__()
        self._inner = inner
        self._folder = folder
        self._waits = waits
        self._taken_back = taken_back

    def cancel(self) -> bool:
        """Take the job back, unless a worker has it."""
        if self.done() or not self._waits() or not super().cancel():
            return self.cancelled()
        self.set_running_or_notify_cancel()  # else nobody who waits would notice
        self._inner.cancel()
        self._taken_back()
        return True

    def arrived(self, done: Future[Answer]) -> None:
        """Put the files into their folder and hand on the answer."""
        if self.cancelled() or not self.set_running_or_notify_cancel():
            return
        try:
            answer = dict(done.result())
            files = answer.pop("files", "")
            if files and self._folder:
                unpack(files, Path(self._folder))
            self.set_result(answer)
        except BaseException as error:  # noqa: BLE001 - handed to who waits
            self.set_exception(error if isinstance(error, Exception) else RuntimeError(str(error)))


class OnWorker:
    """What a Dask worker keeps between jobs: a forge, its operator sessions, and what runs.

    Parameters
    ----------
    make_forge
        Makes the forge at the first job.
    idle_seconds
        How long a forge that nobody uses is kept, when no batch told that it has ended.
    """

    def __init__(
        self, make_forge: Callable[[], Forge] = Forge, *, idle_seconds: float = 60.0
    ) -> None:
        self.idle_seconds = idle_seconds
        self._make_forge = make_forge
        self._guard = threading.Lock()
        self._forge: Forge | None = None
        self._operators: OperatorSessions | None = None
        self._running: list[str] = []
        self._ended: set[str] = set()
        self._jobs = 0
        self._timer = threading.Timer(0, self._leave)
        self._leaving = False

    def run(self, job: Answer) -> Answer:
        """Run a job in a child of the forge."""
        name = job.get("id", "")
        with self._guard:
            if self._forge is None or self._operators is None:
                remove_leftovers()
                self._forge = self._make_forge()
                self._operators = OperatorSessions(self._forge.run)
            forge, operators = self._forge, self._operators
            self._running.append(name)
            self._jobs += 1
            self._timer.cancel()
        try:
            return _run_here(lambda job: self._start(forge, operators.with_keys(job)), job)
        finally:
            with self._guard:
                self._running.remove(name)
                if not self._running:
                    self._rest()

    async def end(self, start: str) -> None:
        """End the jobs whose id starts so, wait for that, and refuse those that come later."""
        self._ended.add(start)
        while any(name.startswith(start) for name in list(self._running)):
            # Again and again: a child is known only a moment after its job was given to it.
            if (forge := self._forge) is not None:
                forge.kill_children(start)
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """End the forge and forget its sessions; while it is in use, once it is not."""
        with self._guard:
            self._leaving = bool(self._running)
            if not self._running:
                self._leave()

    def _rest(self) -> None:
        if self._leaving:
            self._leave()
            return
        # A batch that was killed tells nothing, and the sessions must not outlive it for long.
        self._timer = threading.Timer(self.idle_seconds, self._leave_after, [self._jobs])
        self._timer.daemon = True
        self._timer.start()

    def _leave_after(self, jobs: int) -> None:
        with self._guard:
            if self._jobs == jobs:
                self._leave()

    def _leave(self) -> None:
        self._leaving = False
        if self._forge is not None:
            self._forge.close()
            self._forge = self._operators = None

    def _start(self, forge: Forge, job: Answer) -> Answer:
        if any(job.get("id", "").startswith(start) for start in list(self._ended)):
            return {"lost": "its batch was ended"}
        return forge.run(job)


on_worker = OnWorker()


def run_on_worker(job: Answer) -> Answer:
    """Run a job in a child of this Dask worker's forge."""
    return on_worker.run(job)


async def end_on_worker(start: str) -> None:
    """End this Dask worker's jobs whose id starts so."""
    await on_worker.end(start)


def close_idle_forge() -> None:
    """End this Dask worker's forge; while another batch is using it, once it is not."""
    on_worker.close()


def _run_here(run: Callable[[Answer], Answer], job: Answer) -> Answer:
    job = {**job, "notebook": _notebook_here(job.get("notebook", ""))}
    marker = job.pop("marker", "")
    if not job.get("folder") or _shared(Path(marker)):
        return run(job)
    with tempfile.TemporaryDirectory(prefix=_own_prefix()) as place:
        mine = Path(place) / Path(job["folder"]).name
        answer = run({**job, "folder": str(mine)})
        return {**answer, **({"files": pack(mine)} if mine.is_dir() else {})}


def _shared(marker: Path) -> bool:
    """Tell whether this process sees the batch's folder and may write there."""
    try:
        return marker.exists() and os.access(marker.parent, os.W_OK | os.X_OK)
    except OSError:
        return False


def _own_prefix() -> str:
    # With the machine's name, for a temporary folder that containers share.
    return f"rwlib-{socket.gethostname()}-{os.getpid()}-"


def remove_leftovers() -> None:
    """Remove the temporary folders of this machine's workers that were killed."""
    named = re.compile(rf"rwlib-{re.escape(socket.gethostname())}-(\d+)-")
    for path in Path(tempfile.gettempdir()).glob("rwlib-*"):
        found = named.match(path.name)
        if found and not _is_alive(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True


def _notebook_here(path: str) -> str:
    """Return the notebook where this machine has it."""
    if path and not Path(path).is_file():
        from rwlib.commands.options import notebook_path

        return str(notebook_path(Path(path).name))
    return path


def pack(folder: Path) -> str:
    """Return a folder's files as text."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    return b64encode(buffer.getvalue()).decode()


def unpack(files: str, folder: Path) -> None:
    """Write packed files into a folder; what was there stays beside them as an attempt."""
    part = folder.parent / f".{folder.name}.{uuid4().hex}"
    part.mkdir()  # readable as every other folder, which one of mkdtemp is not
    try:
        with tarfile.open(fileobj=io.BytesIO(b64decode(files)), mode="r:gz") as archive:
            archive.extractall(part, filter="data")
        if folder.exists():
            _merge(folder, part)
        part.replace(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _merge(folder: Path, part: Path) -> None:
    ledger = folder / "ledger.jsonl"
    if ledger.exists():
        new = part / "ledger.jsonl"
        text = new.read_bytes() if new.exists() else b""
        new.write_bytes(ledger.read_bytes() + text)
    earlier = sorted(folder.glob("attempt-*"))
    for path in earlier:
        path.rename(part / path.name)
    if any(path != ledger for path in folder.iterdir()):
        # With its ledger, which the attempt's own manifest names.
        folder.rename(part / f"attempt-{len(earlier) + 1}")
    else:
        ledger.unlink(missing_ok=True)
        folder.rmdir()
