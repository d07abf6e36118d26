"""The two ways to a kernel, each with the faces that nbclient knows: a client and a manager."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import signal
import time
from collections.abc import Mapping
from typing import Any

from rwlib.headless.engine.process import start_kernel
from rwlib.headless.engine.wire import Unpacker, new_session, pack, readable

STOP_SECONDS = 5.0


class Link:
    """Requests go out, messages come in; who runs the cells is the subclass's business."""

    allow_stdin = False
    has_kernel = True
    ipykernel = False
    interrupted = False

    def __init__(self) -> None:
        self.session = new_session()
        self.shell_channel = _Inbox(self)
        self.iopub_channel = _Inbox(self)
        self.died = asyncio.Event()

    def receive(self, parts: list[bytes]) -> None:
        """Put a message into its channel's inbox."""
        _, message = self.session.feed_identities(parts[1:])
        inbox = self.shell_channel if parts[0] == b"shell" else self.iopub_channel
        inbox.messages.put_nowait(self.session.deserialize(message))

    def send(self, message: dict[str, Any]) -> Any:
        """Send a request."""
        raise NotImplementedError

    def execute(self, code: str, store_history: bool = True, stop_on_error: bool = True) -> Any:
        """Send a cell and return the id of the request, or an awaitable of it."""
        content = {
            "code": code,
            "silent": False,
            "store_history": store_history,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": stop_on_error,
        }
        return self._request("execute_request", content)

    def kernel_info(self) -> Any:
        """Ask for the kernel's description."""
        return self._request("kernel_info_request", {})

    async def attend(self, timeout: float | None) -> None:
        """See to it that the messages come; called before anybody waits for a reply."""

    def is_alive(self) -> bool:
        """Tell whether there is still somebody to answer."""
        return not self.died.is_set()

    def _request(self, kind: str, content: dict[str, Any]) -> Any:
        message = self.session.msg(kind, content)
        self.send(message)
        return message["header"]["msg_id"]


class _Inbox:
    def __init__(self, link: Link) -> None:
        self._link = link
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        if self is self._link.shell_channel:
            await self._link.attend(timeout)
        if timeout is None:
            return await self.messages.get()
        if not self._link.is_alive() and self.messages.empty():
            raise queue.Empty
        try:
            return await asyncio.wait_for(self.messages.get(), timeout)
        except TimeoutError:
            raise queue.Empty from None

    def send(self, message: dict[str, Any]) -> None:
        self._link.send(message)


class ChildLink(Link):
    """A kernel in a child process."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._process_id, self._connection = start_kernel(environment)
        self._connection.setblocking(False)
        self._process_fd = _open_pidfd(self._process_id)
        self._unpacker = Unpacker()
        self._outgoing = bytearray()
        self._loop: asyncio.AbstractEventLoop | None = None

    def send(self, message: dict[str, Any]) -> None:
        """Send a request without ever waiting: the child may itself be waiting to be read."""
        self._outgoing += pack([b"request", *self.session.serialize(message)])
        if self._loop is not None:
            self._write()

    def interrupt_kernel(self) -> None:
        """Interrupt the cell that is running, and the processes it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process_id, signal.SIGINT)

    def stop(self, *, now: bool, busy: bool = False) -> None:
        """End the child and everything it started; nothing is left when this returns.

        Parameters
        ----------
        now
            Do not let it end by itself.
        busy
            A cell may still be running, and is interrupted.
        """
        self._detach()
        try:
            if not now and self.is_alive():
                if busy:
                    self.interrupt_kernel()
                self._ask_to_stop(time.monotonic() + STOP_SECONDS)
        finally:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    kill(self._process_id, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._process_id, 0)
            self._connection.close()
            if self._process_fd is not None:
                os.close(self._process_fd)
                self._process_fd = None

    def _ask_to_stop(self, deadline: float) -> None:
        self._connection.settimeout(STOP_SECONDS)
        with contextlib.suppress(OSError):
            self._connection.sendall(bytes(self._outgoing) + pack([b"stop"]))
            # The child closes its end when it is done; what it still says is not for a cell.
            while (patience := deadline - time.monotonic()) > 0:
                if readable(self._connection, patience) and (not self._connection.recv(1 << 20)):
                    return

    async def attend(self, timeout: float | None) -> None:
        """Listen to the child, and send what is still to be sent."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop and self.is_alive():
            self._detach()
            self._loop = loop
            loop.add_reader(self._connection, self._read)
            if self._process_fd is not None:
                # A process that the notebook started can hold the line open after the death
                # of the child.
                loop.add_reader(self._process_fd, self._exited)
            if self._outgoing:
                self._write()

    def _detach(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._connection)
            self._loop.remove_writer(self._connection)
            if self._process_fd is not None:
                self._loop.remove_reader(self._process_fd)
        self._loop = None

    def _read(self) -> None:
        try:
            data = self._connection.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        for parts in self._unpacker.feed(data):
            self.receive(parts)
        if not data:
            self._detach()
            self.died.set()

    def _exited(self) -> None:
        while self._loop is not None and readable(self._connection, 0):
            self._read()
        self._detach()
        self.died.set()

    def _write(self) -> None:
        try:
            sent = self._connection.send(self._outgoing)
        except BlockingIOError:
            sent = 0
        except ConnectionError:
            sent = len(self._outgoing)
        del self._outgoing[:sent]
        if self._loop is not None:
            if self._outgoing:
                self._loop.add_writer(self._connection, self._write)
            else:
                self._loop.remove_writer(self._connection)


def _open_pidfd(process_id: int) -> int | None:
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(process_id)
    except OSError:
        return None
