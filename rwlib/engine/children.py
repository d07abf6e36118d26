"""A function in a forked child: how a batch gives every target a process of its own."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import NoReturn

from rwlib.engine.process import end_with, finish, forget, lines


class ChildFailed(RuntimeError):  # noqa: N818 - named for what it reports, as its siblings are
    """The function raised an error, or its process died."""


class ChildCall:
    """A function that runs in a forked child of this process.

    The child has this process's imports and none of its clients, exit handlers or signal
    handlers; it leads a process group, which ends with it and with this process. The object can
    be given to `select`: it is readable when the function has returned.

    Parameters
    ----------
    function
        What to call; the bytes it returns come back as the result.
    environment
        Variables added to the child's environment.
    """

    def __init__(
        self, function: Callable[[], bytes], environment: Mapping[str, str] | None = None
    ) -> None:
        self._connection, child_end = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        self.process_id = os.fork()
        if self.process_id == 0:
            self._connection.close()
            _call(function, child_end, parent, environment or {})
        child_end.close()
        lines.add(self._connection)
        self._answer = b""
        self._status: int | None = None

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the function has returned."""
        return self._connection.fileno()

    def result(self) -> bytes:
        """Wait for the function and return what it returned.

        Raises
        ------
        ChildFailed
            The function raised an error, whose traceback is the message, or the child died.
        """
        if self._status is None:
            with contextlib.suppress(ConnectionError):
                while data := self._connection.recv(1 << 16):
                    self._answer += data
            self.kill()
        if self._answer[:1] == b"+":
            return self._answer[1:]
        if self._answer[:1] == b"-":
            raise ChildFailed(self._answer[1:].decode(errors="replace"))
        raise ChildFailed(f"process {self.process_id} ended with status {self._status}")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the function; tell whether it has returned in that time."""
        return self._status is not None or bool(select.select([self], [], [], timeout)[0])

    def kill(self) -> None:
        """End the child and everything it started."""
        if self._status is None:
            # Before it is waited for, while nobody else can have its number.
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    kill(self.process_id, signal.SIGKILL)
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.process_id, 0)[1])
            self._connection.close()


def _call(
    function: Callable[[], bytes],
    connection: socket.socket,
    parent: int,
    environment: Mapping[str, str],
) -> NoReturn:
    lines.add(connection)
    status = 1
    try:
        gc.freeze()
        gc.enable()
        os.setsid()
        forget()
        end_with(parent)
        os.environ.update(environment)
        try:
            answer = b"+" + function()
        except Exception:  # noqa: BLE001 - it is the parent's to judge
            answer = b"-" + traceback.format_exc().encode(errors="replace")
        finish()
        connection.sendall(answer)
        status = 0
    except BaseException:  # noqa: BLE001 - the parent's frames must not see the child's errors
        os.write(2, traceback.format_exc().encode(errors="replace"))
    finally:
        os._exit(status)
