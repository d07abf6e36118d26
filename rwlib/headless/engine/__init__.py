"""Run notebooks with papermill, without the cost of starting a kernel.

The engine is known to papermill as ``rwlib`` (``papermill --engine rwlib in.ipynb out.ipynb``).
Cells run with ipykernel's own shell in a child forked from the calling process, so imports that
were made before, by `warm`, need not be made again; see `rwlib.headless.engine.plugin`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

from rwlib.headless.engine.startup import quick_imports

Progress = Callable[[int, int, str], None]


class Engine:
    """What papermill's entry point names; the engine itself is imported when it is used.

    papermill loads every registered engine whenever it is imported, and an engine needs papermill:
    this class needs nothing.
    """

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Execute a notebook; see `rwlib.headless.engine.plugin.RwlibEngine`."""
        return _engine().execute_notebook(nb, kernel_name, **options)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> Any:
        """Return the name of the notebook's kernel."""
        return _engine().nb_kernel_name(nb, name)

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> Any:
        """Return the notebook's language."""
        return _engine().nb_language(nb, language)


def _engine() -> Any:
    from rwlib.headless.engine.plugin import RwlibEngine

    return RwlibEngine


def register() -> None:
    """Make the engine known to papermill, where the package's entry point is not installed."""
    quick_imports()
    from papermill.engines import papermill_engines  # type: ignore[import-untyped]

    papermill_engines.register("rwlib", Engine)


def execute(
    notebook: str | PathLike[str],
    output: str | PathLike[str] | None,
    parameters: Mapping[str, Any] | None = None,
    *,
    in_process: bool = False,
    timeout: int | None = None,
    progress: Progress | None = None,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> Any:
    """Execute a notebook and write the executed copy.

    No other notebook's variables, environment, clients or credentials are seen by this one, and
    no process is left when this returns, but those that a cell put into a session of their own.

    Parameters
    ----------
    notebook
        Path of the notebook; it is not changed.
    output
        Path of the executed copy, written after every cell; None writes nothing.
    parameters
        Values for the notebook's ``parameters`` cell. They are in clear text in the output.
    in_process
        Run the cells in this process instead of a forked child. For a process that was itself
        forked for this one notebook.
    timeout
        Seconds that a cell may take.
    progress
        Called with the index of the cell that starts, the number of cells, and the last heading
        before it; and once more with both numbers equal at the end.
    environment
        Variables added to the environment in which the cells run.
    **options
        Passed on to `papermill.execute_notebook`: ``cwd``, ``kernel_name``, ``log_output``, ...

    Returns
    -------
    nbformat.NotebookNode
        The executed notebook.

    Raises
    ------
    papermill.exceptions.PapermillExecutionError
        A cell raised an error; the output is written, with the error and its place.
    nbclient.exceptions.CellTimeoutError
        A cell took longer than ``timeout``.
    nbclient.exceptions.DeadKernelError
        The process that runs the cells died.
    KeyboardInterrupt
        This process was interrupted; the output is written as far as it is.
    """
    register()
    from papermill.execute import execute_notebook  # type: ignore[import-untyped]

    from rwlib.headless.engine.progress import Reporter

    reporter = Reporter(progress) if progress is not None else None
    if reporter is not None:
        options.update(reporter.hooks())
    options.setdefault("progress_bar", False)
    executed = execute_notebook(
        notebook,
        output,
        parameters=dict(parameters or {}),
        engine_name="rwlib",
        execution_timeout=timeout,
        in_process=in_process,
        environment=environment,
        **options,
    )
    if reporter is not None:
        reporter.end()
    return executed
