"""Where a batch keeps its evidence, and that only one batch of a name does so at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from rwlib.batch.rows import folder_name
from rwlib.batch.state import STATE_FILE, State
from rwlib.errors import RunbookError


def runs_folder() -> Path:
    """Return the folder of all runs; ``RWLIB_RUNS`` names another one than ``runs``."""
    return Path(os.environ.get("RWLIB_RUNS", "") or "runs").resolve()


@contextmanager
def only_batch(name: str) -> Iterator[None]:
    """Keep a second batch of this name out while the block runs, even if this process is killed.

    Raises
    ------
    RunbookError
        There is one already.
    """
    from filelock import FileLock, Timeout

    runs = runs_folder()
    runs.mkdir(parents=True, exist_ok=True)
    path = runs / f".{folder_name(name)}.lock"
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunbookError(
            f"another batch named {name!r} is running on {runs}; wait for it, or give --name"
        ) from None
    try:
        yield
    finally:
        lock.release()


def earlier_folders(name: str) -> Iterator[Path]:
    """Yield the folders of the batches of this name, the latest first."""
    named = re.compile(rf"\d{{4}}-\d\d-\d\dT\d{{6}}Z_{re.escape(folder_name(name))}(_\d+)?")
    found = [path.parent for path in runs_folder().glob(f"*/{STATE_FILE}")]
    for folder in sorted((path for path in found if named.fullmatch(path.name)), reverse=True):
        with State(folder / STATE_FILE) as state:
            if state.recall("name") == name:
                yield folder


def batch_folder(name: str, mode: str, *, new: bool = False) -> tuple[Path, Path | None]:
    """Return the folder to work in, and that of the batch before it.

    An unfinished batch goes on in its folder; after a finished one, and when ``new``, there is a
    new folder.

    Parameters
    ----------
    mode
        ``apply``, ``preview``, ``plan`` or ``watch``: what was begun as one goes on as the same.
    """
    earlier = earlier_folders(name)
    latest = next(earlier, None)
    if latest and not new:
        with State(latest / STATE_FILE) as state:
            if not state.recall("finished") and state.recall("mode") in ("", mode):
                return latest, next(earlier, None)
    return _new_folder(name), latest


def _new_folder(name: str) -> Path:
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    for number in count(1):
        ending = f"_{number}" if number > 1 else ""
        path = runs_folder() / f"{stamp}_{folder_name(name)}{ending}"
        with suppress(FileExistsError):
            path.mkdir(parents=True)
            return path
    raise AssertionError
