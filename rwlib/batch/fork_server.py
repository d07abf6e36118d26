"""A process that has everything imported and forks a child for each job.

The fork server is a new interpreter, so it holds nothing of the process that started it but the
environment: no credentials of another target, no thread, no open file. A child runs one job and
ends. When the process that uses the fork server ends, for whatever reason, the fork server, every
child and what they started end too.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

from rwlib.errors import RunbookError

_LOST = "the process of this target ended without an answer"


class ForkServer:
    """The fork server as its users see it: `run` gives a job to a new child and waits for it.

    May be used by several threads at once. Starting takes a second or two, and happens at the
    first job.

    Parameters
    ----------
    environment
        The environment of the jobs; this process's own by default.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._errors: IO[bytes] | None = None
        self._running: dict[int, str] = {}
        self._closed = False

    def run(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Run a job in a child of its own and return its answer.

        A child that died, or that took longer than the job's ``timeout`` seconds, answers
        ``{"lost": reason}``.

        Raises
        ------
        RunbookError
            The fork server cannot be started.
        """
        mine, theirs = socket.socketpair()
        with mine:
            with theirs:
                self._hand_over(theirs)
            child = 0
            try:
                mine.sendall(json.dumps(job).encode() + b"\n")
                mine.shutdown(socket.SHUT_WR)
                mine.settimeout(job.get("timeout"))
                answer: dict[str, Any] | None = None
                for line in _lines(mine):
                    said = json.loads(line)
                    if "process_id" in said:
                        child = int(said["process_id"])
                        self._running[child] = str(job.get("id", ""))
                    else:
                        answer = said
                return {"lost": _LOST} if answer is None else answer
            except TimeoutError:
                self._kill(child)
                return {"lost": f"it took longer than {job['timeout']:.0f} s and was stopped"}
            except (OSError, ValueError):
                return {"lost": _LOST}
            finally:
                self._running.pop(child, None)

    def kill_children(self, start: str = "") -> None:
        """End every job that is running and whose ``id`` starts so, at once."""
        for child, name in list(self._running.items()):
            if name.startswith(start):
                self._kill(child)

    def close(self) -> None:
        """End the fork server, its children and what they started; safe to call again."""
        with self._lock:
            self._closed = True
            self._stop()

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hand_over(self, theirs: socket.socket) -> None:
        with self._lock:
            for attempt in (1, 2):
                if self._closed:
                    raise RunbookError("the batch is stopping")
                if self._socket is None:
                    self._start()
                assert self._socket is not None
                try:
                    socket.send_fds(self._socket, [b"j"], [theirs.fileno()])
                except OSError:
                    self._stop()
                    if attempt == 2:
                        raise RunbookError("the process that forks the targets' ended") from None
                else:
                    return

    def _start(self) -> None:
        mine, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _stop
        root = str(Path(__file__).parents[2])
        program = (
            f"import sys; sys.path.append({root!r}); from rwlib.batch import fork_server; "
            f"fork_server.serve({theirs.fileno()})"
        )
        environment = dict(os.environ if self._environment is None else self._environment)
        for name in ("RWLIB_TARGET", "RWLIB_RUN_DIR", "RWLIB_APPROVED"):
            environment.pop(name, None)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env=environment,
                # Ctrl-C on a terminal is for the scheduler, which lets the children finish.
                start_new_session=True,
            )
        if mine.recv(1) != b"r":
            self._process.wait()
            self._errors.seek(0)
            told = self._errors.read().decode(errors="replace").strip().splitlines()
            mine.close()
            self._stop()
            raise RunbookError(
                f"no process could be warmed up: {told[-1] if told else 'no reason'}"
            )
        self._socket = mine

    def _stop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    @staticmethod
    def _kill(child: int) -> None:
        if child:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)


def _lines(connection: socket.socket) -> Iterator[bytes]:
    rest = b""
    while data := connection.recv(1 << 16):
        *whole, rest = (rest + data).split(b"\n")
        yield from whole


def serve(descriptor: int) -> NoReturn:
    """Be the fork server: warm up, then fork a child for each connection that arrives."""
    from rwlib.batch.warm_up import warm_up

    warm_up()
    connection = socket.socket(fileno=descriptor)
    # Holding the writing end of this pipe is how the children see that the fork server is there.
    alive, held = os.pipe()
    signal.signal(signal.SIGCHLD, _reap)
    connection.sendall(b"r")
    while True:
        data, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
        if not data:
            os._exit(0)
        for received in descriptors:
            if os.fork() == 0:
                connection.close()
                os.close(held)
                _child(received, alive)
            os.close(received)


def _reap(*_: object) -> None:
    # Waited for, and not left to the system, so that their CPU time counts as the fork server's.
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _child(descriptor: int, alive: int) -> NoReturn:
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection = socket.socket(fileno=descriptor)
        connection.sendall(json.dumps({"process_id": os.getpid()}).encode() + b"\n")
        threading.Thread(
            target=_end_with, args=(alive,), name="rwlib-fork-server", daemon=True
        ).start()
        with Path(os.devnull).open("r+b", buffering=0) as nowhere:
            for number in (1, 2):
                os.dup2(nowhere.fileno(), number)
        request = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        from rwlib.batch.job import perform

        answer = perform(json.loads(request))
        connection.sendall(json.dumps(answer).encode() + b"\n")
        status = 0
    finally:
        # Not even an error of this module unwinds into the fork server's loop.
        os._exit(status)


def _end_with(alive: int) -> None:
    os.read(alive, 1)
    os.killpg(0, signal.SIGKILL)
