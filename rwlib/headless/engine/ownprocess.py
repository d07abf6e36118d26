"""A kernel in the process that reads and writes the notebook: one process for one notebook."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging
import os
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from rwlib.headless.engine.kernel import CellRunner
from rwlib.headless.engine.link import Link
from rwlib.headless.engine.process import look_like_a_kernel, wake_at_signals
from rwlib.headless.engine.startup import uncollected

_used = False
_prepared: CellRunner | None = None


def prepare(cells: Iterable[str] = ()) -> None:
    """Make the kernel of this process's children ahead; each child has it for itself.

    Parameters
    ----------
    cells
        What it will be asked to run: read ahead, and not run.
    """
    global _prepared
    with uncollected():
        _prepared = CellRunner()
        _prepared.prepare()
        # The patterns with which a cell is read are compiled at the first one.
        _prepared.kernel.shell.know(("_ = f'{1}'\n", *cells))


def _take_prepared() -> CellRunner:
    global _prepared
    found, _prepared = _prepared, None
    return found or CellRunner()


def usable() -> bool:
    """Tell whether this process can run a notebook's cells itself.

    It can do so once, in its main thread, because a time-out needs signals, and where no event
    loop is running, because the cells need it.
    """
    if _used or threading.current_thread() is not threading.main_thread():
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


class TimedOut(BaseException):
    """Raised inside a cell whose time is over."""


class OwnProcessLink(Link):
    """A kernel without a process of its own; its messages arrive when the cell is done."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        global _used
        _used = True
        super().__init__()
        self._before = (
            dict(os.environ),
            Path.cwd(),
            sys.displayhook,
            sys.excepthook,
            sys.modules["__main__"],
            sys.path[:],
            sys.argv,
        )
        os.environ.update(environment or {})
        look_like_a_kernel(os.getppid())
        self._requests: deque[list[bytes]] = deque()
        self._arrived: deque[list[bytes]] = deque()
        self._runner = _take_prepared() if not environment else CellRunner()
        self._runner.connect(self._arrived.append)
        self._runner.capture.start()
        self._context = contextvars.copy_context()
        self._logging: tuple[list[logging.Handler], int] = ([], logging.WARNING)
        self._started = False
        self._runner.on_interrupt = self._interrupt_cell
        self._at_interrupt = signal.getsignal(signal.SIGINT)
        if self._at_interrupt is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note_interrupt)

    @property
    def interrupted(self) -> bool:  # type: ignore[override]
        """Whether an interrupt came: the run is to end."""
        return self._runner.interrupted

    def _interrupt_cell(self, number: int, frame: FrameType | None) -> None:
        # Noted as well, because the exception can be lost on its way out of the cell, in a
        # destructor for one, or become another: Python's RuntimeError about __set_name__.
        self._runner.interrupted = True
        signal.default_int_handler(number, frame)

    def _note_interrupt(self, number: int, frame: FrameType | None) -> None:
        # Between cells an exception would leave the event loop, with tasks waiting in it. Who
        # interrupts twice is not kept waiting.
        if self._runner.interrupted:
            signal.default_int_handler(number, frame)
        self._runner.interrupted = True

    def send(self, message: dict[str, Any]) -> None:
        """Keep the request until somebody waits for its answer."""
        self._requests.append(self.session.serialize(message))

    def interrupt_kernel(self) -> None:
        """Do nothing: a cell whose time is over has been interrupted already."""

    async def attend(self, timeout: float | None) -> None:
        """Run what was requested, here and now."""
        with self._redirected():
            if not self._started:
                self._started = True
                wake_at_signals(asyncio.get_running_loop())
                with uncollected():
                    self._context.run(self._runner.start)
                # This process is for one notebook: what it has by now stays.
                gc.freeze()
            while self._requests:
                handling = self._runner.handle(self._requests.popleft())
                task = asyncio.get_running_loop().create_task(handling, context=self._context)
                with _alarm(timeout, task) as rang:
                    await task
                if rang:
                    await self._give_up()
        self._collect()

    def stop(self, *, now: bool, busy: bool = False) -> None:
        """Give the process back what the cells have replaced; nothing else can be undone."""
        signal.set_wakeup_fd(-1)
        if self._at_interrupt is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._at_interrupt)
        self._runner.capture.stop()
        kernel = self._runner.kernel
        if kernel is not None:
            for single in (kernel.shell, kernel, kernel.parent):
                type(single).clear_instance()
        environment, folder, sys.displayhook, sys.excepthook, main, path, sys.argv = self._before
        sys.modules["__main__"] = main
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)

    async def _give_up(self) -> None:
        # What was written until then belongs to the cell; how it ended is the time-out's matter.
        while self._arrived:
            parts = self._arrived.popleft()
            _, message = self.session.feed_identities(parts[1:])
            content = self.session.deserialize(message)["content"]
            ended = "traceback" in content or content.get("execution_state") == "idle"
            if parts[0] == b"iopub" and not ended:
                self.receive(parts)
        while not self.iopub_channel.messages.empty():
            await asyncio.sleep(0)
        raise queue.Empty

    def _collect(self) -> None:
        while self._arrived:
            self.receive(self._arrived.popleft())

    @contextlib.contextmanager
    def _redirected(self) -> Iterator[None]:
        self._swap_logging()
        self._runner.capture.redirect()
        try:
            yield
        finally:
            self._runner.capture.restore()
            self._swap_logging()

    def _swap_logging(self) -> None:
        root = logging.getLogger()
        mine, self._logging = self._logging, (root.handlers[:], root.level)
        root.handlers[:] = mine[0]
        if root.level != mine[1]:
            # Every logger's cache of what is enabled is emptied by this.
            root.setLevel(mine[1])


@contextlib.contextmanager
def _alarm(timeout: float | None, task: asyncio.Task[None]) -> Iterator[list[bool]]:
    """Stop the task when its time is over, again and again until it does."""
    rang: list[bool] = []
    if timeout is None:
        yield rang
        return
    loop = asyncio.get_running_loop()

    def ring(_: int, __: FrameType | None) -> None:
        rang.append(True)
        if asyncio.current_task(loop) is None:
            loop.call_soon_threadsafe(task.cancel)
        else:
            raise TimedOut

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, timeout, 1.0)
    try:
        yield rang
    except (TimedOut, asyncio.CancelledError):
        if not rang:
            raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
