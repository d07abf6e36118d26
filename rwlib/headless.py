"""One target through ``runbook.ipynb`` without a browser: papermill, a run folder, a report."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rwlib import errors
from rwlib.errors import RunbookError
from rwlib.target import Target

Progress = Callable[[int, int, str], None]


def run_target(
    target: Target,
    notebook: Path,
    *,
    sandbox: bool = False,
    progress: Progress | None = None,
    engine: str = "rwlib",
) -> tuple[dict[str, Any], Path]:
    """Execute the runbook for one target and return its report and the run's folder.

    Raises
    ------
    RunbookError
        The run ended before a verdict; as a notebook's own error says it.
    """
    from rwlib.engine import execute
    from rwlib.runbook import new_run_dir

    with _sandbox(sandbox):
        run_dir = new_run_dir(target.name, make=False)
        with _environment({"RWLIB_RUN_DIR": str(run_dir)}):
            part = run_dir.with_name(f".{run_dir.name}.ipynb")
            part.parent.mkdir(parents=True, exist_ok=True)
            try:
                execute(
                    notebook,
                    part,
                    target.model_dump(),
                    in_process=True,
                    progress=progress,
                    save_every=2.0,
                )
            except Exception as error:
                known = _own_error(error)
                if not (run_dir / "report.json").is_file():
                    if known is None:
                        raise
                    part.unlink(missing_ok=True)
                    raise known from None
            part.replace(run_dir / "runbook.ipynb")
    report = json.loads((run_dir / "report.json").read_text(encoding="utf-8"))
    return report, run_dir


def _own_error(error: BaseException) -> RunbookError | None:
    """Turn a notebook's error back into this package's, from its name and message."""
    name, message = getattr(error, "ename", ""), str(getattr(error, "evalue", ""))
    kind = getattr(errors, str(name), None)
    if not (isinstance(kind, type) and issubclass(kind, RunbookError)):
        return None
    found = RunbookError(message)
    found.exit_code = kind.exit_code
    return found


@contextmanager
def _environment(values: dict[str, str], without: tuple[str, ...] = ()) -> Iterator[None]:
    before = dict(os.environ)
    for name in without:
        os.environ.pop(name, None)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _sandbox(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    try:
        from rwlib.sandbox import Sandbox
    except ModuleNotFoundError as error:
        raise RunbookError(
            f"the sandbox needs {error.name}; install it with "
            "`pip install 'risingwave-iam-runbook[sandbox]'`"
        ) from None
    real = tuple(name for name in os.environ if name.startswith("AWS_"))
    with _environment({}, without=real), Sandbox.spawn() as box:
        os.environ.update(box.environment())
        yield
