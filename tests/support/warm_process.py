"""Notebooks run in a process of their own that has imported what they need.

The process of the tests serves a sandbox from threads, so the engine cannot fork it and would
start a new interpreter, which imports everything again, for every notebook.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

from rwlib.headless import execute, quick_imports

_WARM = "tests.support.warmed_up"


class WarmProcess:
    """Runs notebooks with the engine, each in a new process forked from a warm one."""

    def __init__(self):
        forking = multiprocessing.get_context("forkserver")
        forking.set_forkserver_preload([_WARM])
        self._pool = ProcessPoolExecutor(1, forking, max_tasks_per_child=1)

    def execute(self, notebook, output, parameters=None, **options):
        """As `rwlib.headless.execute`, with the environment of this process at this moment."""
        quick_imports()
        import nbformat
        from papermill.exceptions import PapermillExecutionError

        environment = {**os.environ, **options.pop("environment", {})}
        given = (str(notebook), str(output), parameters, environment, options)
        error = self._pool.submit(_run, *given).result()
        if error:
            raise PapermillExecutionError(*error)
        return nbformat.read(output, as_version=4)

    def close(self):
        self._pool.shutdown()


def _run(notebook, output, parameters, environment, options):
    from papermill.exceptions import PapermillExecutionError

    os.environ.clear()
    os.environ.update(environment)
    try:
        execute(notebook, output, parameters, **options)
    except PapermillExecutionError as error:
        # It cannot be pickled whole: it says in words what it was made of.
        return (error.cell_index, error.exec_count, error.source, error.ename, error.evalue,
                error.traceback)  # fmt: skip
    return None
