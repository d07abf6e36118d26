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


def runs_folders(run_dir: Path | None) -> tuple[Path, ...]:
    """Return the folders that hold what runs remember: that of all runs, and this run's own.

    A row of a batch is two folders deep: its batch's folder stands among the others.
    """
    folders = [Path(os.environ.get("RWLIB_RUNS", "runs")).resolve()]
    if run_dir is not None:
        parent = run_dir.resolve().parent
        folders.append(parent)
        if _STAMPED.match(parent.name):
            folders.append(parent.parent)
    # The outermost alone: what is below it is found with it.
    return tuple(
        each
        for each in dict.fromkeys(folders)
        if not any(other != each and other in each.parents for other in folders)
    )


_STAMPED = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z_")


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
