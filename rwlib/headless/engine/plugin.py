"""The papermill engine "rwlib": papermill's own, with a kernel that is there at once."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_core.paths import jupyter_path
from nbclient.exceptions import CellExecutionError
from nbclient.util import run_hook, run_sync
from nbformat import from_dict
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient  # type: ignore[import-untyped]
from papermill.engines import Engine, NBClientEngine  # type: ignore[import-untyped]
from papermill.iorw import load_notebook_node  # type: ignore[import-untyped]
from papermill.log import logger  # type: ignore[import-untyped]
from papermill.parameterize import parameterize_notebook  # type: ignore[import-untyped]
from papermill.utils import merge_kwargs, remove_args  # type: ignore[import-untyped]

from rwlib.headless.engine.process import can_fork
from rwlib.headless.engine.profile import ipython_dir
from rwlib.headless.engine.startup import uncollected

Progress = Callable[[int, int, str], None]

# Options of nbclient that speak to a kernel's own process or to its manager.
_FOREIGN_OPTIONS = ("extra_arguments", "kernel_manager_class", "km")


class RwlibEngine(Engine):  # type: ignore[misc]
    """Run the cells with IPython in a child forked from this process.

    Outputs, metadata, time-outs and errors are those of papermill's engine, because its client
    handles them: only the kernel behind it is another. Where the platform cannot fork, or the
    notebook wants another kernel than this interpreter's, papermill's engine runs it and a
    warning says so.
    """

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the managed notebook's cells.

        Parameters
        ----------
        in_process
            Run the cells in this very process, once; see `rwlib.headless.engine.execute`.
        environment
            Variables added to the environment of the process that runs the cells.
        save_every
            Seconds between two saves of the output while it runs; 0 saves before and after every
            cell, as papermill does.
        **kwargs
            As papermill's engine takes them: options of nbclient's client.
        """
        in_process = kwargs.pop("in_process", False)
        environment = kwargs.pop("environment", None)
        save = _save_less(nb_man, kwargs.pop("save_every", 0.0))
        reason = _foreign(kernel_name, kwargs)
        if reason:
            logger.warning("The engine rwlib leaves this notebook to papermill's own: %s.", reason)
            return NBClientEngine.execute_managed_notebook(
                nb_man,
                kernel_name,
                log_output=log_output,
                stdout_file=stdout_file,
                stderr_file=stderr_file,
                start_timeout=start_timeout,
                execution_timeout=execution_timeout,
                **kwargs,
            )
        options = merge_kwargs(
            remove_args(["input_path", "timeout", "startup_timeout"], **kwargs),
            timeout=execution_timeout if execution_timeout else kwargs.get("timeout"),
            startup_timeout=start_timeout,
            kernel_name=kernel_name,
            log=logger,
            log_output=log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
        )
        nb_man.cell_complete = partial(_complete_cell, nb_man)
        client = _Client(nb_man, **options)
        client.in_process = in_process
        client.environment = {**_spec(kernel_name).env, **(environment or {})}
        try:
            return client.execute()
        except BaseException:
            # papermill writes the end itself, but for an end like this one.
            nb_man.save = save
            raise


def _complete_cell(nb_man: Any, cell: Any, cell_index: int | None = None, **_: object) -> None:
    """Note the end of a cell as papermill does, whose parser guesses how a date is written."""
    ended, told = nb_man.now(), cell.metadata.papermill
    if nb_man.log_output:
        number = "" if cell_index is None else cell_index + 1
        logger.info(f"Ending Cell {number:-<43}")
        sys.stdout.flush()
        sys.stderr.flush()
    told["end_time"] = ended.isoformat()
    if told.get("start_time"):
        started = datetime.fromisoformat(told["start_time"])
        told["duration"] = (ended - started).total_seconds()
    if told["status"] != nb_man.FAILED:
        told["status"] = nb_man.COMPLETED
    nb_man.save()
    if nb_man.pbar:
        nb_man.pbar.update(1)


def _save_less(nb_man: Any, seconds: float) -> Callable[..., None]:
    """Let saves within some seconds of the last one pass; return what always saves."""
    save: Callable[..., None] = nb_man.save
    last = [0.0]
    if not seconds:
        return save

    def save_seldom(**kwargs: Any) -> None:
        if time.monotonic() - last[0] >= seconds:
            save(**kwargs)
            last[0] = time.monotonic()

    nb_man.save = save_seldom
    return save


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    in_process = False
    environment: Mapping[str, str] = {}
    _polling: Sequence[asyncio.Task[Any]] = ()

    @contextlib.contextmanager
    def setup_kernel(self, **_: Any) -> Iterator[None]:
        """Have a kernel for the block, and none of its processes after it."""
        link = self._link()
        self.km = self.kc = link
        finished = False
        try:
            run_sync(run_hook)(self.on_notebook_start, notebook=self.nb)
            yield
            finished = True
        finally:
            # A cell that is still busy, after a time-out, is interrupted first: what it has to put
            # back, it puts back.
            link.stop(now=self.shutdown_kernel == "immediate", busy=not finished)
            self.km = self.kc = None
            run_sync(self._end_polling)()
        if link.interrupted:
            raise KeyboardInterrupt

    def execute_cell(self, cell: Any, cell_index: int) -> Any:
        """Execute a cell; the run ends here when the link was interrupted."""
        if cell.cell_type != "code" and self.on_cell_start is None and not self.kc.interrupted:
            return cell  # an event loop would run to find that there is nothing to do
        try:
            executed = super().execute_cell(cell, cell_index)
        except CellExecutionError as error:
            _show_interrupt(cell, error)
            raise
        if self.kc.interrupted:
            raise KeyboardInterrupt
        return executed

    def output(self, outs: Any, msg: Any, display_id: Any, cell_index: int) -> Any:
        """Append an output to a cell.

        nbclient holds each against the notebook format's schema. Whether one of the usual kinds
        fits can be seen faster, and the whole notebook is held against it when it is written.
        """
        hooked = self.output_hook_stack[msg["parent_header"].get("msg_id")]
        output = plain_output(msg["msg_type"], msg["content"])
        if output is None or hooked or display_id or self.clear_before_next_output:
            return super().output(outs, msg, display_id, cell_index)
        outs.append(output)
        return output

    async def _end_polling(self) -> None:
        # A cell that ended by an exception of nbclient's leaves these tasks behind.
        waiting = [task for task in self._polling if not task.done()]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def _link(self) -> Any:
        if self.in_process and not self.interrupt_on_timeout:
            with uncollected():
                from rwlib.headless.engine.ownprocess import OwnProcessLink, usable

            if usable():
                return OwnProcessLink(self.environment)
            self.log.info("This process cannot run the notebook itself; a child does.")
        from rwlib.headless.engine.link import ChildLink

        return ChildLink(self.environment)

    async def _async_poll_output_msg(self, *arguments: Any) -> None:
        self._note_polling()
        await super()._async_poll_output_msg(*arguments)

    async def _async_poll_kernel_alive(self) -> None:
        # nbclient asks once a second; this one hears of it, when all that was said is read.
        self._note_polling()
        link = self.kc
        await link.died.wait()
        while not (link.iopub_channel.messages.empty() and link.shell_channel.messages.empty()):
            await asyncio.sleep(0)
        self.log.error("Kernel died while waiting for execute reply.")
        if self.task_poll_for_reply is not None:
            self.task_poll_for_reply.cancel()

    def _note_polling(self) -> None:
        current = asyncio.current_task()
        assert current is not None
        self._polling = [*(task for task in self._polling if not task.done()), current]


def plain_output(kind: str, content: Mapping[str, Any]) -> Any:
    """Return a stream, or data that consist of texts, as an output; None for anything else.

    These fit the format's schema (nbformat, "The notebook file format", output types).
    """
    if kind == "stream":
        said = {"name": content["name"], "text": content["text"]}
        texts: Iterable[Any] = said.values()
    elif kind in ("display_data", "execute_result"):
        said = {"metadata": content["metadata"], "data": content["data"]}
        if not (isinstance(said["metadata"], dict) and isinstance(said["data"], dict)):
            return None
        if kind == "execute_result":
            said["execution_count"] = content["execution_count"]
        texts = said["data"].values()
    else:
        return None
    if not all(isinstance(text, str) for text in texts):
        return None
    return from_dict({"output_type": kind, **said})  # type: ignore[no-untyped-call]


def _show_interrupt(cell: Any, error: CellExecutionError) -> None:
    """Let the cell say that it was interrupted where IPython could not format the traceback.

    papermill reads from the cell's outputs which error it was.
    """
    name = KeyboardInterrupt.__name__
    shown = any(output.output_type == "error" for output in cell.outputs)
    if error.ename == name and not shown:
        shown_error = {"ename": name, "evalue": "", "traceback": [name]}
        cell.outputs.append(new_output("error", **shown_error))  # type: ignore[no-untyped-call]


def warm_up() -> None:
    """Import what a child needs, find the kernel, compile the notebook format's schema."""
    import rwlib.headless.engine.kernel
    import rwlib.headless.engine.link  # noqa: F401

    with contextlib.suppress(NoSuchKernel):
        _spec("python3")
    for minor in (4, 5):
        nbformat.validate({"nbformat": 4, "nbformat_minor": minor, "metadata": {}, "cells": []})


def rehearse_notebook(path: Path) -> None:
    """Read a notebook, give it parameters and write it, as a run does before and after its cells.

    Nothing runs and nothing is kept but what Python computes at the first time: patterns, which
    classes belong together, which modules there are.
    """
    nb = load_notebook_node(str(path))
    kernel = "python3" if "kernelspec" not in nb.metadata else None
    nb = parameterize_notebook(nb, {"name": "x"}, kernel_name=kernel, engine_name="rwlib")
    plain_output("execute_result", {"metadata": {}, "data": {}, "execution_count": 1})
    nbformat.writes(nb)  # type: ignore[no-untyped-call]


def _foreign(kernel_name: str, options: Mapping[str, Any]) -> str | None:
    """Return why papermill's own engine has to run this notebook, or None."""
    if not can_fork():
        return "this platform cannot fork"
    given = [name for name in _FOREIGN_OPTIONS if options.get(name)]
    if given:
        return f"the option {given[0]} needs a kernel of its own"
    try:
        spec = _spec(kernel_name)
    except NoSuchKernel:
        return f"there is no kernel named {kernel_name!r}"
    if not _is_this_interpreter(spec):
        return f"the kernel {kernel_name!r} is not IPython on {sys.executable}"
    return None


@lru_cache
def _spec(kernel_name: str) -> KernelSpec:
    # The manager's default would create IPython's directory.
    folders = [*jupyter_path("kernels"), str(ipython_dir() / "kernels")]
    return KernelSpecManager(kernel_dirs=folders).get_kernel_spec(kernel_name)


def _is_this_interpreter(spec: KernelSpec) -> bool:
    if not spec.argv or "kernel_provisioner" in spec.metadata:
        return False
    program = spec.argv[0]
    version = ".".join(str(part) for part in sys.version_info[:2])
    # jupyter_client replaces these names with the running interpreter's path.
    mine = program in {"python", "python3", f"python{version}"} or (
        Path(program).parent == Path(sys.executable).parent
        and Path(program).resolve() == Path(sys.executable).resolve()
    )
    modules = {"ipykernel", "ipykernel_launcher"}
    return mine and any(argument in modules for argument in spec.argv[1:])
