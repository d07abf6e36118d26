"""A process that has everything imported and forks a child for each job.

The fork server is a new interpreter, so it holds nothing of the process that started it but the
environment: no credentials of another target, no thread, no open file. A child runs one job and
ends. When the process that uses the fork server ends, for whatever reason, the fork server, every
child and what they started end too.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

from rwlib.batch.shortage import NO_PROCESS, RanOutError, shortage, shortage_said
from rwlib.errors import RunbookError

_TRIES = 5
_KILLED = "a process was killed, as the system does where memory runs out"


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
        self._failed: list[RunbookError] = []

    def run(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Run a job in a child of its own and return its answer.

        A child that died, or that took longer than the job's ``timeout`` seconds, answers
        ``{"lost": reason}``, and ``ran_out`` with what the machine ran out of, where it did.

        Raises
        ------
        RunbookError
            The fork server cannot be started.
        """
        mine, theirs = socket.socketpair()
        with mine:
            with theirs:
                server = self._hand_over(theirs)
            child = 0
            try:
                mine.sendall(json.dumps(job).encode() + b"\n")
                mine.shutdown(socket.SHUT_WR)
                mine.settimeout(job.get("timeout"))
                answer: dict[str, Any] | None = None
                for line in _lines(mine):
                    said = _read(line)
                    if "process_id" in said:
                        child = int(said["process_id"])
                        self._running[child] = str(job.get("id", ""))
                    elif "ended" in said:
                        answer = answer or _lost("of this target", int(said["ended"]))
                    else:
                        answer = said or answer
                return answer or self._without_answer(server, child)
            except TimeoutError:
                self._kill(child)
                return {"lost": f"it took longer than {job['timeout']:.0f} s and was stopped"}
            except OSError:
                return self._without_answer(server, child)
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

    def _hand_over(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        with self._lock:
            for attempt in (1, 2):
                if self._closed:
                    raise RunbookError("the batch is stopping")
                if self._socket is None:
                    self._start_again()
                assert self._socket is not None
                assert self._process is not None
                try:
                    socket.send_fds(self._socket, [b"j"], [theirs.fileno()])
                except OSError:
                    self._stop()
                    if attempt == 2:
                        raise RunbookError("the process that forks the targets' ended") from None
                else:
                    return self._process
        raise AssertionError

    def _start_again(self) -> None:
        """Start, unless that has failed so often that it is not tried any more."""
        if len(self._failed) >= _TRIES:
            raise self._failed[-1]
        try:
            self._start()
        except RunbookError as error:
            self._failed.append(error)
            raise
        self._failed.clear()

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
            try:
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
            except OSError as error:
                mine.close()
                self._stop()
                raise _no_process(error) from error
        if mine.recv(1) != b"r":
            mine.close()
            status = self._process.wait()
            self._errors.seek(0)
            told = self._errors.read().decode(errors="replace").strip().splitlines()
            self._stop()
            failed = "no process could be warmed up"
            what = _KILLED if status == -signal.SIGKILL else shortage_said(told[-1] if told else "")
            why = told[-1] if told else _ended(status)
            raise (
                RanOutError(f"{failed}: {why}", what) if what else RunbookError(f"{failed}: {why}")
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
    def _without_answer(server: subprocess.Popen[bytes], child: int) -> dict[str, Any]:
        """Return the answer of a job of which the fork server did not tell how it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return _lost("that forks the targets'", server.wait(timeout=2))
        if not child:  # what was handed over did not arrive: the fork server had no room for it
            return {"lost": "no process was started for this target", "ran_out": NO_PROCESS}
        return {"lost": "the process of this target ended without an answer"}

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


def _read(line: bytes) -> dict[str, Any]:
    """Read a line; one that a child was killed in the middle of says nothing."""
    try:
        said: dict[str, Any] = json.loads(line or b"{}")
    except ValueError:
        return {}
    return said


def _no_process(error: OSError) -> OSError | RanOutError:
    """Return an error that says so where a process could not be started for lack of room."""
    if error.errno not in (errno.EAGAIN, errno.ENOMEM):  # fork(2)
        return error
    return RanOutError(f"{NO_PROCESS} ({error.strerror})", NO_PROCESS)


def _lost(who: str, status: int) -> dict[str, Any]:
    """Return the answer of a job whose process ended with a status and without an answer."""
    killed = {"ran_out": _KILLED} if status == -signal.SIGKILL else {}
    return {"lost": f"the process {who} ended without an answer: {_ended(status)}", **killed}


def _ended(status: int) -> str:
    if status == -signal.SIGKILL:
        return "it was killed (signal 9), as the system does where memory runs out"
    return f"it got signal {-status}" if status < 0 else f"it ended with status {status}"


def serve(descriptor: int) -> NoReturn:
    """Be the fork server: warm up, then fork a child for each connection that arrives."""
    from rwlib.batch.warm_up import warm_up

    warm_up()
    connection = socket.socket(fileno=descriptor)
    # Holding the writing end of this pipe is how the children see that the fork server is there.
    alive, held = os.pipe()
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    # Children are waited for in the loop: a handler might run between a fork and what follows it.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    watched = selectors.DefaultSelector()
    watched.register(connection, selectors.EVENT_READ)
    watched.register(ended, selectors.EVENT_READ)
    children: dict[int, int] = {}
    connection.sendall(b"r")
    while True:
        ready = {key.fd for key, _ in watched.select()}
        if ended in ready:
            os.read(ended, 1 << 12)
            _reap(children)
        if connection.fileno() not in ready:
            continue
        data, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
        if not data:
            os._exit(0)
        for received in descriptors:
            try:
                child = os.fork()
            except OSError as error:
                no_process = _no_process(error)
                _tell(received, {"lost": str(no_process), "ran_out": shortage(no_process)})
                continue
            if child == 0:
                signal.set_wakeup_fd(-1)
                watched.close()
                connection.close()
                for other in (held, ended, wake, *children.values()):
                    os.close(other)
                _child(received, alive)
            children[child] = received


def _reap(children: dict[int, int]) -> None:
    """Wait for the children that have ended, and tell those who wait for them how.

    Waited for, and not left to the system, so that their CPU time counts as the fork server's.
    """
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            child, status = found
            if (received := children.pop(child, None)) is not None:
                _tell(received, {"ended": os.waitstatus_to_exitcode(status)})


def _tell(descriptor: int, said: Mapping[str, Any]) -> None:
    with socket.socket(fileno=descriptor) as connection, contextlib.suppress(OSError):
        # After what the child may have been killed in the middle of.
        connection.sendall(b"\n" + json.dumps(said).encode() + b"\n")
        # Who closes what was not read to its end resets the connection, and takes this line along.
        connection.setblocking(False)
        while connection.recv(1 << 16):
            pass


def _child(descriptor: int, alive: int) -> NoReturn:
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection = socket.socket(fileno=descriptor)
        connection.sendall(json.dumps({"process_id": os.getpid()}).encode() + b"\n")
        try:
            answer = _do(connection, alive)
        except Exception as error:
            what = shortage(error)
            if not what:
                raise
            answer = {"lost": f"this target was not run: {what}", "ran_out": what}
        connection.sendall(json.dumps(answer).encode() + b"\n")
        status = 0
    finally:
        # Not even an error of this module unwinds into the fork server's loop.
        os._exit(status)


def _do(connection: socket.socket, alive: int) -> dict[str, Any]:
    """Do what is asked for, as a process that ends with the fork server and prints nowhere."""
    threading.Thread(target=_end_with, args=(alive,), name="rwlib-fork-server", daemon=True).start()
    # Where memory runs out, the system ends one target and not the process of all of them.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")  # proc(5)
    with Path(os.devnull).open("r+b", buffering=0) as nowhere:
        for number in (1, 2):
            os.dup2(nowhere.fileno(), number)
    request = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    from rwlib.batch.job import perform

    return perform(json.loads(request))


def _end_with(alive: int) -> None:
    os.read(alive, 1)
    os.killpg(0, signal.SIGKILL)
