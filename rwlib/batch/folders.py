"""Where a batch keeps its evidence, and that only one batch of a name does so at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from rwlib.batch.results import STATE_FILE, BatchState
from rwlib.batch.rows import folder_name
from rwlib.errors import InputError, RunbookError
from rwlib.runs import BusyError, exclusive, usable_folder

_STAMP = len("2026-11-30T120000Z")
_LONGEST = 200  # a file's name may have 255 bytes, and a date stands before this one


def runs_folder() -> Path:
    """Return the folder of all runs; ``RWLIB_RUNS`` names another one than ``runs``."""
    return Path(os.environ.get("RWLIB_RUNS", "") or "runs").resolve()


@contextmanager
def only_batch(name: str) -> Iterator[None]:
    """Keep a second batch of this name out while the block runs, even if this process is killed.

    Raises
    ------
    InputError
        The folder of all runs cannot be used, or the name is too long for a file.
    RunbookError
        There is a batch of this name already.
    """
    safe = folder_name(name)
    if len(safe.encode()) > _LONGEST:
        raise InputError("batch_name", name, f"is longer than {_LONGEST} characters; shorten it")
    runs = runs_folder()
    with ExitStack() as stack:
        with usable_folder(runs):
            runs.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(exclusive(f".{safe}", folder=runs, timeout=0))
            except BusyError:
                what, option = ("watch", "--name") if name.startswith("watch-") else (
                    "batch", "--batch-name"
                )  # fmt: skip
                raise RunbookError(
                    f"another {what} named {name!r} is running on {runs}; wait for it, or give "
                    f"{option}"
                ) from None
        yield


def earlier_folders(name: str, source: str = "") -> Iterator[Path]:
    """Yield the folders of the batches of this name, the latest first.

    Parameters
    ----------
    source
        Path of the targets' file: a batch over another file of that name is another batch. Empty
        for a batch that was given its name.
    """
    named = re.compile(rf"\d{{4}}-\d\d-\d\dT\d{{6}}Z_{re.escape(folder_name(name))}(_\d+)?")
    found: list[tuple[str, int, Path]] = []
    for state_file in runs_folder().glob(f"*/{STATE_FILE}"):
        folder = state_file.parent
        if told := named.fullmatch(folder.name):
            found.append((folder.name[:_STAMP], int((told[1] or "_1")[1:]), folder))
    for *_, folder in sorted(found, reverse=True):
        with BatchState(folder / STATE_FILE) as state:
            if state.recall("name") == name and state.recall("source") == source:
                yield folder


def batch_folder(
    name: str, mode: str, source: str = "", *, new: bool = False
) -> tuple[Path, Path | None]:
    """Return the folder to work in, and that of the last batch of this mode before it.

    An unfinished batch goes on in its folder; after a finished one, and when ``new``, there is a
    new folder.

    Parameters
    ----------
    mode
        ``apply``, ``preview``, ``plan`` or ``watch``: what was begun as one goes on as the same.
    source
        As `earlier_folders` takes it.

    Raises
    ------
    InputError
        The folder of all runs cannot be used.
    """
    with usable_folder(runs_folder()):
        latest, before = None, None
        for folder in earlier_folders(name, source):
            with BatchState(folder / STATE_FILE) as state:
                was, finished = state.recall("mode"), state.recall("finished")
            if latest is None:
                latest = folder
                if not new and not finished and was in ("", mode):
                    continue
                latest = _new_folder(name, folder.name)
            if was == mode:
                before = folder
                break
        return latest or _new_folder(name), before


def _new_folder(name: str, latest: str = "") -> Path:
    # Never before the latest, whatever the clock says by now: it would not be found as the latest.
    stamp = max(datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ"), latest[:_STAMP])
    for number in count(1):
        ending = f"_{number}" if number > 1 else ""
        path = runs_folder() / f"{stamp}_{folder_name(name)}{ending}"
        with suppress(FileExistsError):
            path.mkdir(parents=True)
            return path
    raise AssertionError
