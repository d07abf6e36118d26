"""Where the targets run on a Dask cluster, seen from a worker: children of its fork server."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rwlib.batch.fork_server import ForkServer
from rwlib.batch.operator_sessions import OperatorSessions
from rwlib.batch.remote_files import pack

Answer = dict[str, Any]


class OnWorker:
    """What a Dask worker keeps between jobs: a fork server, its operator sessions, and what runs.

    Parameters
    ----------
    make_fork_server
        Makes the fork server at the first job.
    idle_seconds
        How long a fork server that nobody uses is kept, when no batch told that it has ended.
    """

    def __init__(
        self, make_fork_server: Callable[[], ForkServer] = ForkServer, *, idle_seconds: float = 60.0
    ) -> None:
        self.idle_seconds = idle_seconds
        self._make_fork_server = make_fork_server
        self._guard = threading.Lock()
        self._fork_server: ForkServer | None = None
        self._operators: OperatorSessions | None = None
        self._running: list[str] = []
        self._ended: set[str] = set()
        self._jobs = 0
        self._timer = threading.Timer(0, self._leave)
        self._leaving = False

    def run(self, job: Answer) -> Answer:
        """Run a job in a child of the fork server."""
        name = job.get("id", "")
        with self._guard:
            if self._fork_server is None or self._operators is None:
                remove_leftovers()
                self._fork_server = self._make_fork_server()
                self._operators = OperatorSessions(self._fork_server.run)
            fork_server, operators = self._fork_server, self._operators
            self._running.append(name)
            self._jobs += 1
            self._timer.cancel()
        try:
            return _run_here(lambda job: self._start(fork_server, operators.with_keys(job)), job)
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
            if (fork_server := self._fork_server) is not None:
                fork_server.kill_children(start)
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """End the fork server and forget its sessions; while it is in use, once it is not."""
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
        if self._fork_server is not None:
            self._fork_server.close()
            self._fork_server = self._operators = None

    def _start(self, fork_server: ForkServer, job: Answer) -> Answer:
        if any(job.get("id", "").startswith(start) for start in list(self._ended)):
            return {"lost": "its batch was ended"}
        return fork_server.run(job)


on_worker = OnWorker()


def run_on_worker(job: Answer) -> Answer:
    """Run a job in a child of this Dask worker's fork server."""
    return on_worker.run(job)


async def end_on_worker(start: str) -> None:
    """End this Dask worker's jobs whose id starts so."""
    await on_worker.end(start)


def close_idle_fork_server() -> None:
    """End this Dask worker's fork server; while another batch is using it, once it is not."""
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
        from rwlib.headless import notebook_path

        return str(notebook_path(Path(path).name))
    return path
