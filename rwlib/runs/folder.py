"""The folder that keeps a run's evidence."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rwlib.errors import InputError


def new_run_dir(name: str, *, make: bool = True) -> Path:
    """Return a new folder ``runs/<date>_<name>`` for evidence.

    ``RWLIB_RUNS`` names another place than ``runs``.
    """
    base = Path(os.environ.get("RWLIB_RUNS", "runs"))
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    safe = re.sub(r"[^\w.@+=,-]", "-", name)
    path = base / f"{stamp}_{safe}"
    number = 1
    while not _take(path, make):
        number += 1
        path = base / f"{stamp}_{safe}_{number}"
    return path


def _take(path: Path, make: bool) -> bool:
    """Make the folder, or see that it is free; two runs of one second get two folders."""
    if not make:
        return not path.exists()
    with usable_folder(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.mkdir()
        except FileExistsError:
            return False
    return True


@contextmanager
def usable_folder(folder: Path) -> Iterator[None]:
    """Say in one sentence that evidence cannot be kept in a folder of runs, when that is so.

    Raises
    ------
    InputError
        The block could not make or write something in the folder.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            "RWLIB_RUNS",
            str(folder),
            f"cannot hold the evidence ({error.strerror}); name a folder that can be written",
        ) from None
