"""One target through ``runbook.ipynb`` without a browser: papermill, a run folder, a report."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rwlib import errors
from rwlib.errors import RunbookError
from rwlib.evidence import seal
from rwlib.report import leave_report
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

    The folder holds the executed notebook, the report, the ledger and a manifest of them.

    Raises
    ------
    RunbookError
        The run ended before a verdict; as a notebook's own error says it.
    KeyboardInterrupt
        The run was interrupted, in a cell or between two of them.
    """
    from rwlib.engine import execute
    from rwlib.runbook import new_run_dir

    with sandbox_environment() if sandbox else nullcontext():
        run_dir = new_run_dir(target.name)
        executed = run_dir / "runbook.ipynb"
        written = run_dir / "report.json"
        began, problem, exit_code = datetime.now(UTC), "it was stopped", 1
        try:
            with _environment({"RWLIB_RUN_DIR": str(run_dir)}):
                execute(
                    notebook,
                    executed,
                    target.model_dump(),
                    in_process=True,
                    progress=progress,
                    save_every=2.0,
                )
        except BaseException as error:
            if not written.is_file():
                _leave_no_trace(run_dir, executed)
            if _interrupted(error):
                raise KeyboardInterrupt from None
            if not written.is_file():
                known = own_error(error)
                if known is None:
                    problem = f"{type(error).__name__} in a cell"
                    raise
                problem, exit_code = str(known), known.exit_code
                raise known from None
        finally:
            if run_dir.is_dir():
                leave_report(run_dir, target.model_dump(), problem, exit_code, began)
                seal(run_dir, {"target": target.name})
    report = json.loads(written.read_text(encoding="utf-8"))
    return report, run_dir


def _leave_no_trace(run_dir: Path, executed: Path) -> None:
    """Remove the folder of a run that ended before it wrote anything in AWS."""
    if not (run_dir / "ledger.jsonl").exists():
        executed.unlink(missing_ok=True)
        with suppress(OSError):
            run_dir.rmdir()


def _interrupted(error: BaseException) -> bool:
    # A cell's own interrupt comes as papermill's error, as every error of a cell does.
    return isinstance(error, KeyboardInterrupt) or (
        getattr(error, "ename", "") == KeyboardInterrupt.__name__
    )


def own_error(error: BaseException) -> RunbookError | None:
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
def sandbox_environment() -> Iterator[None]:
    """Run a sandbox for the block, with its endpoints and keys in this process's environment.

    Raises
    ------
    RunbookError
        A package that the sandbox needs is not installed.
    """
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
