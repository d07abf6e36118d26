"""The process that runs a notebook's cells: how it begins and how it ends.

It leads a process group of its own, which ends with its parent whatever happens to either.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import gc
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from rwlib.headless.engine.forgetting import forget
from rwlib.headless.engine.startup import uncollected
from rwlib.headless.engine.wire import Unpacker, readable, socket_delivery

# Lines of this process to its parent and to its children. Whoever is forked from it closes them,
# or the other end would not see that this process has ended.
lines: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def can_fork() -> bool:
    """Tell whether this platform can run cells in a forked child."""
    return hasattr(os, "fork") and hasattr(os, "setsid") and sys.platform != "emscripten"


def start_kernel(environment: Mapping[str, str] | None = None) -> tuple[int, socket.socket]:
    """Start a child that runs cells; return its process id and this end of the line to it.

    The child is forked. Where this process has other threads, whose locks a forked child would
    inherit without the threads, a new interpreter is started instead.
    """
    parent_end, child_end = socket.socketpair()
    with child_end:
        if _other_threads():
            process_id = _spawn(child_end, environment)
        else:
            sys.stdout.flush()
            sys.stderr.flush()
            parent = os.getpid()
            process_id = os.fork()
            if process_id == 0:
                parent_end.close()
                _run_child(child_end, parent, environment)
    lines.add(parent_end)
    return process_id, parent_end


def _close_lines() -> None:
    for connection in list(lines):
        connection.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_lines)


def _other_threads() -> bool:
    # tqdm's monitor sleeps; a child starts with a tqdm of its own (see `forgetting`). The
    # threads of this package hold no lock that a child needs.
    mine = threading.current_thread()
    return any(
        thread is not mine
        and type(thread).__module__ != "tqdm._monitor"
        and not thread.name.startswith("rwlib-")
        for thread in threading.enumerate()
    )


def _spawn(child_end: socket.socket, environment: Mapping[str, str] | None) -> int:
    root = str(Path(__file__).parents[3])
    program = (
        f"import sys; sys.path.append({root!r}); "
        "from rwlib.headless.engine import process; "
        f"process.main({child_end.fileno()}, {os.getpid()})"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        pass_fds=[child_end.fileno()],
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    # The caller waits for the process id, as it does for a forked child.
    child.returncode = 0
    return child.pid


def main(descriptor: int, parent: int) -> NoReturn:
    """Run cells in this newly started interpreter."""
    _serve_and_exit(socket.socket(fileno=descriptor), parent)


def _run_child(
    connection: socket.socket, parent: int, environment: Mapping[str, str] | None
) -> NoReturn:
    try:
        gc.freeze()
        gc.enable()
        os.setsid()
        forget()
        os.environ.update(environment or {})
        context = contextvars.Context()
    except BaseException:  # noqa: BLE001 - the parent's frames must not see the child's errors
        traceback.print_exc()
        os._exit(1)
    context.run(_serve_and_exit, connection, parent)
    os._exit(1)


def _serve_and_exit(connection: socket.socket, parent: int) -> NoReturn:
    lines.add(connection)
    errors = os.dup(2)
    status = 1
    try:
        look_like_a_kernel(parent)
        _serve(connection, parent)
        finish()
        status = 0
    except BaseException:  # noqa: BLE001 - see above
        os.write(errors, traceback.format_exc().encode(errors="replace"))
    finally:
        os._exit(status)


def finish() -> None:
    """Do what the interpreter does at its end, but for the frames that belong to the parent."""
    getattr(threading, "_shutdown", lambda: None)()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def look_like_a_kernel(parent: int) -> None:
    """Show the command line, import path and parent of ``python -m ipykernel_launcher``."""
    os.environ["JPY_PARENT_PID"] = str(parent)
    script = Path(sys.argv[0]).parent if sys.argv and sys.argv[0] else Path()
    listed = list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    if (
        sys.path
        and sys.path[0] not in listed
        and Path(sys.path[0]).resolve() in {script.resolve(), Path.cwd()}
    ):
        del sys.path[0]
    launcher = importlib.util.find_spec("ipykernel_launcher")
    sys.argv = [str(launcher.origin) if launcher else "ipykernel_launcher.py"]


def _serve(connection: socket.socket, parent: int) -> None:
    with uncollected():
        from rwlib.headless.engine.kernel import CellRunner

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    runner = CellRunner()
    runner.connect(socket_delivery(connection))
    _end_with(parent)
    runner.capture.redirect()
    runner.capture.start()
    requests: asyncio.Queue[list[bytes]] = asyncio.Queue()
    unpacker = Unpacker()

    def read() -> None:
        try:
            data = connection.recv(1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            _end_group()
        for parts in unpacker.feed(data):
            requests.put_nowait(parts)

    async def answer() -> None:
        with uncollected():
            runner.start()
        loop.add_reader(connection, read)
        while (parts := await requests.get())[0] != b"stop":
            await runner.handle(parts[1:])
            # The reply says so; whether more cells are to run is for the parent to decide.
            runner.interrupted = False

    wake_at_signals(loop)
    answering = loop.create_task(answer())
    answering.add_done_callback(lambda _: loop.stop())
    loop.run_forever()
    if answering.done():
        answering.result()
    runner.capture.stdout.flush()
    runner.capture.stderr.flush()


def wake_at_signals(loop: asyncio.AbstractEventLoop) -> None:
    """Let an interrupt reach a cell that awaits something while nothing else happens.

    ipykernel cancels such a cell from its signal handler, of which a sleeping loop learns nothing.
    """
    waker, sleeper = socket.socketpair()
    waker.setblocking(False)
    sleeper.setblocking(False)
    loop.add_reader(sleeper, sleeper.recv, 4096)
    signal.set_wakeup_fd(waker.detach(), warn_on_full_buffer=False)


def _end_group() -> NoReturn:
    os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _end_with(parent: int) -> None:
    """End this process group when the parent ends, be it by a signal that nobody can catch."""
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(parent)

    def wait() -> None:
        if hasattr(os, "pidfd_open"):
            readable(descriptor, None)
        while os.getppid() == parent:
            time.sleep(0.5)
        _end_group()

    if os.getppid() != parent:
        _end_group()
    threading.Thread(target=wait, name="rwlib-parent", daemon=True).start()
