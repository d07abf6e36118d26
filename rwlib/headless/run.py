"""One target through ``runbook.ipynb`` without a browser: papermill, a run folder, a report."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rwlib.environment import changed_environment
from rwlib.errors import EvidenceError, RunbookError, ServiceError
from rwlib.headless.sandboxed import in_sandbox
from rwlib.runbook import leave_report
from rwlib.runs import seal
from rwlib.target import Target, refuse_options

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
    refuse_options(target)
    with ExitStack() as until_the_end:
        if sandbox:
            until_the_end.enter_context(in_sandbox())
        from rwlib.aws import session_begun

        # What follows imports for longer than the first answers take to come.
        until_the_end.enter_context(session_begun(target))
        from rwlib.headless.engine import execute
        from rwlib.runs import new_run_dir

        run_dir = new_run_dir(target.name)
        executed = run_dir / "runbook.ipynb"
        written = run_dir / "report.json"
        began, problem, exit_code = datetime.now(UTC), "it was stopped", 1
        try:
            with changed_environment({"RWLIB_RUN_DIR": str(run_dir)}):
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
                known = own_error(error) or foreign_error(error)
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
    kind = _kinds().get(str(name))
    if kind is None:
        return None
    found = RunbookError(message)
    found.exit_code = kind.exit_code
    return found


def _kinds() -> dict[str, type[RunbookError]]:
    """Return every kind of this package's errors by its name."""
    from rwlib.cloud import AllowedRolesFailedError, WaitTimeoutError
    from rwlib.runs import BusyError

    # Imported, so that they are among the kinds below.
    kinds: dict[str, type[RunbookError]] = {
        kind.__name__: kind
        for kind in (RunbookError, AllowedRolesFailedError, WaitTimeoutError, BusyError)
    }
    waiting = [RunbookError]
    while waiting:
        below = waiting.pop().__subclasses__()
        kinds |= {kind.__name__: kind for kind in below}
        waiting += below
    return kinds


def foreign_error(error: BaseException) -> RunbookError | None:
    """Turn what a cell raised and nobody foresaw into one sentence; None where no cell did."""
    from rwlib.masking import mask_output

    if isinstance(error, OSError):
        return _unwritten(str(error))
    name, said = str(getattr(error, "ename", "")), str(getattr(error, "evalue", "")).strip()
    if not name:
        return None
    said = mask_output(said.splitlines()[0] if said else "it said nothing")
    if name == "ClientError":
        return ServiceError(f"AWS refused a call: {said}; run it again, or see what that means")
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, OSError):
        return _unwritten(said)
    found = RunbookError(f"a cell of the notebook ended with {name}: {said}")
    found.exit_code = 1
    return found


def _unwritten(said: str) -> EvidenceError:
    return EvidenceError(
        f"what a run keeps cannot be written ({said}); make room or name another folder in "
        "RWLIB_RUNS, then run it again"
    )
