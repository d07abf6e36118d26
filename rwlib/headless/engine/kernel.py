"""ipykernel's own kernel and shell, fed through a function call instead of network sockets.

Because the classes are ipykernel's, everything that a notebook can see is what it sees under
JupyterLab: magics, tracebacks, display and widget messages, ``get_ipython().kernel``. What is
left out is what a notebook must not leave behind: the shell's history, its data base and its
profile directory are never written.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from ipykernel.zmqshell import ZMQInteractiveShell as KernelShell
from IPython.core import interactiveshell
from IPython.core.interactiveshell import InteractiveShellABC
from IPython.core.shellapp import InteractiveShellApp
from tornado.ioloop import IOLoop
from traitlets import Type

from rwlib.headless.engine.profile import MemoryStore, ReadOnlyProfile, ipython_dir, profile_config
from rwlib.headless.engine.streams import Capture, Header
from rwlib.headless.engine.wire import Channel, Deliver, new_session
from rwlib.imports import without_modules

with without_modules("debugpy"):
    # No debugger can attach, and its import takes longer than that of everything else here.
    import ipykernel.debugger  # noqa: F401


class ZMQInteractiveShell(KernelShell):
    """ipykernel's shell under its own name, by which libraries recognise a notebook."""

    def init_ipython_dir(self, _: str | None) -> None:
        """Note where IPython's directory would be, without the observer that creates it."""
        self._trait_values["ipython_dir"] = str(ipython_dir())

    def transform_cell(self, raw_cell: str) -> str:
        """Turn a cell into Python; ipykernel asks for it, and IPython a second time."""
        before, self._transformed = self._transformed, ("", "")
        if raw_cell and before[0] == raw_cell:
            return before[1]
        found = str(super().transform_cell(raw_cell))  # type: ignore[no-untyped-call]
        self._transformed = (raw_cell, found)
        return found

    _transformed = ("", "")

    def know(self, cells: Iterable[str]) -> None:
        """Read cells ahead, so far as that does not depend on what runs before them.

        It counts as long as nobody adds or removes a transformer.
        """
        manager: Any = self.input_transformer_manager
        read = manager.transform_cell

        def transformers() -> list[object]:
            return [
                *manager.cleanup_transforms, *manager.line_transforms, *manager.token_transformers
            ]  # fmt: skip

        known, known_by = {cell: read(cell) for cell in cells}, transformers()

        def transform_cell(cell: str) -> Any:
            found = known.get(cell)
            return found if found is not None and transformers() == known_by else read(cell)

        manager.transform_cell = transform_cell

    @property
    def db(self) -> MemoryStore:
        """Aliases and bookmarks of this run."""
        if not hasattr(self, "_memory"):
            self._memory = MemoryStore()
        return self._memory

    @db.setter
    def db(self, _: object) -> None: ...


InteractiveShellABC.register(ZMQInteractiveShell)


class _Kernel(IPythonKernel):
    shell_class = Type(ZMQInteractiveShell)

    def _abort_queues(self, *_: object) -> None:
        # One request at a time is ever under way: there is nothing to abort.
        pass

    @property
    def _supports_kernel_subshells(self) -> bool:
        return False


class _ShellApp(InteractiveShellApp):
    """What ipykernel's application does to a new shell: path, extensions, startup files."""

    def __init__(self, kernel: Any) -> None:
        super().__init__(parent=kernel)
        self.shell = kernel.shell
        self.log = kernel.log
        self.profile_dir = kernel.profile_dir
        self.ipython_dir = kernel.shell.ipython_dir
        self.extra_args: list[str] = []

    def prepare(self) -> None:
        # The same order as IPKernelApp.initialize.
        app: Any = self
        app.init_path()
        os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        app.init_gui_pylab()
        app.init_extensions()
        app.init_code()

    def init_code(self) -> None:
        """Run the user's start-up files, in the order of IPython's own method.

        That one also copies the names of all modules: in a process that was forked, each page of
        memory that has one. The shell of such a process has them from before it was forked.
        """
        app: Any = self
        app._run_startup_files()
        app._run_exec_lines()
        app._run_exec_files()
        if app.hide_initial_ns:
            app.shell.user_ns_hidden.update(app.shell.user_ns)
        sys.stdout.flush()
        sys.stderr.flush()
        note_modules(self.shell)


def note_modules(shell: Any) -> None:
    """Let a shell know the modules that are there, for ``%reset -f aggressive``."""
    if len(getattr(shell, "_sys_modules_keys", ())) != len(sys.modules):
        shell._sys_modules_keys = set(sys.modules)


def _recall(history: Any) -> Callable[..., Iterator[Any]]:
    """Return what ``%history -l`` asks, answered from memory instead of from a data base."""

    def get_tail(
        n: int = 10, raw: bool = True, output: bool = False, include_latest: bool = False
    ) -> Iterator[Any]:
        lines = list(history.get_range(0, raw=raw, output=output))
        return iter((lines if include_latest else lines[:-1])[-n:])

    return get_tail


class CellRunner:
    """A kernel without sockets: it takes requests and delivers messages.

    It is made in three steps, so that the first and longest can be made before a process is
    forked: `prepare`, `connect`, `start`.
    """

    def __init__(self) -> None:
        self._session: Any = new_session()
        self._shell_channel = Channel("shell", self._reply)
        self._iopub = Channel("iopub", self._deliver)
        self._receive: Deliver | None = None
        self._log = logging.Logger("rwlib.headless.engine.kernel", logging.WARNING)
        self._replied = False
        self.interrupted = False
        self.on_interrupt: Any = signal.default_int_handler
        self.capture: Any = None
        self.kernel: Any = None

    def prepare(self) -> None:
        """Create the kernel and its shell, which run nothing of the user's yet."""
        if hasattr(interactiveshell, "PickleShareDB"):
            interactiveshell.PickleShareDB = MemoryStore
        profile = ipython_dir() / "profile_default"
        config = profile_config(profile)
        # ``%gui`` and ``%matplotlib`` look for the kernel at its application, which starts nothing
        # until it is initialised.
        app: Any = IPKernelApp.instance(config=config, log=self._log)
        kernel: Any = _Kernel.instance(
            parent=app,
            config=config,
            session=self._session,
            log=self._log,
            profile_dir=ReadOnlyProfile(str(profile)),
            iopub_socket=self._iopub,
        )
        app.kernel = kernel
        kernel._execute_sleep = 0
        kernel.shell.exit_now = False
        kernel.shell.history_manager.get_tail = _recall(kernel.shell.history_manager)
        note_modules(kernel.shell)
        self.kernel = kernel

    def connect(self, deliver: Deliver) -> None:
        """Take this process's output; messages go to ``deliver``.

        Parameters
        ----------
        deliver
            Called from any thread with the parts of each message, its channel's name first.
        """
        self._receive = deliver
        # A session refuses to speak for the process that it was made before.
        self._session.pid = os.getpid()
        self._session.session = str(uuid.uuid4())
        # The kernel's own complaints go where this process's errors go, not into a cell.
        self._log.addHandler(logging.StreamHandler(os.fdopen(os.dup(2), "w")))
        self.capture = Capture(self._publish_stream)

    def start(self) -> None:
        """Be ready for requests; the loop that will run the cells is the current one."""
        if self.kernel is None:
            self.prepare()
        kernel = self.kernel
        kernel.io_loop = IOLoop.current()
        # ipykernel asks for the thread of its shell channel before it runs an asynchronous cell.
        kernel.shell_channel_thread = SimpleNamespace(parent_thread=threading.current_thread())
        sys.displayhook = kernel.shell.displayhook
        _ShellApp(kernel).prepare()

    def _deliver(self, parts: list[bytes]) -> None:
        if self._receive is not None:
            self._receive(parts)

    def _reply(self, parts: list[bytes]) -> None:
        self._deliver(parts)
        # Not before: an interrupt in between would leave the request without any reply.
        self._replied = True

    def _publish_stream(self, name: str, text: str, parent: Header) -> None:
        content = {"name": name, "text": text}
        self._session.send(self._iopub, "stream", content, parent={"header": parent})

    async def handle(self, parts: list[bytes]) -> None:
        """Answer one request, between a "busy" and an "idle" as every kernel does.

        A request is answered even when an interrupt arrives in ipykernel's own code, which would
        send no reply: nbclient would wait for it for ever. ``interrupted`` is true from then on,
        and while it is, cells are answered with the interrupt and not run.
        """
        _, message = self._session.feed_identities(parts)
        request = self._session.deserialize(message)
        self.kernel.set_parent([], request, channel="shell")
        self._status("busy", request)
        kind = request["header"]["msg_type"]
        handler = self.kernel.shell_handlers.get(kind)
        if handler is not None and kind == "kernel_info_request":
            # Nothing of the user's runs, and an error would be no answer.
            await self._call(handler, request)
        elif handler is not None:
            self._replied = False
            await self._run(handler, request)
            if os.getpid() != self._session.pid:
                # A child that a cell forked has come to the cell's end; what follows is its
                # parent's, whose line it holds too.
                os._exit(0)
            if self.interrupted and kind == "execute_request" and not self._replied:
                self._answer_interrupted(request)
        self.capture.stdout.flush()
        self.capture.stderr.flush()
        self._status("idle", request)

    async def _call(self, handler: Callable[..., Any], request: dict[str, Any]) -> None:
        answer = handler(self._shell_channel, [], request)
        if asyncio.iscoroutine(answer):
            await answer

    async def _run(self, handler: Callable[..., Any], request: dict[str, Any]) -> None:
        before = _at_interrupt(self.on_interrupt)
        try:
            if self.interrupted:
                raise KeyboardInterrupt
            await self._call(handler, request)
            # Here and not only below: an interrupt that comes before it is still caught.
            _at_interrupt(before)
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            _at_interrupt(before)

    def _answer_interrupted(self, request: dict[str, Any]) -> None:
        name = KeyboardInterrupt.__name__
        error = {"ename": name, "evalue": "", "traceback": [name]}
        self._session.send(self._iopub, "error", error, parent=request)
        reply = {
            **error,
            "status": "error",
            "execution_count": self.kernel.execution_count,
            "user_expressions": {},
            "payload": [],
        }
        self._session.send(self._shell_channel, "execute_reply", reply, parent=request)

    def _status(self, state: str, request: dict[str, Any]) -> None:
        self._session.send(self._iopub, "status", {"execution_state": state}, parent=request)


def _at_interrupt(handler: Any) -> Any:
    """Set what an interrupt does, where that can be set, and return what it did before."""
    if threading.current_thread() is threading.main_thread():
        return signal.signal(signal.SIGINT, handler)
    return None
