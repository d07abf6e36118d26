"""Turns: one process of this machine at a time for one thing, and no file left when it is over."""


from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from rwlib.errors import RunbookError


class BusyError(RunbookError):
    """Another process of this machine has the turn."""


def locks_folder() -> Path:
    """Return the folder that this user's runs share on this machine; it need not exist."""
    return Path(tempfile.gettempdir()) / f"risingwave-iam-runbook-{os.getuid()}"


@contextmanager
def turn(
    name: str,
    *,
    folder: Path | None = None,
    timeout: float = 300.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Hold the turn of that name while the block runs; the system frees it if the holder dies.

    Parameters
    ----------
    name
        What the turn is about, in characters that a file name may have.
    folder
        Where the lock file is meanwhile; a folder of this user's runs by default.
    timeout
        Seconds to wait for it.

    Raises
    ------
    BusyError
        Another process has held it for all that time.
    OSError
        The lock file cannot be written.
    """
    path = (folder or locks_folder()) / f"{name}.lock"
    until = clock() + timeout
    while (held := _try(path)) is None:
        if clock() >= until:
            raise BusyError(
                f"another run has been changing {name} for {timeout:.0f} s; wait for it to end, "
                "then run this again"
            )
        sleep(0.05)
    try:
        yield
    finally:
        # The file goes while it is still locked: who has it open by then finds that out.
        path.unlink(missing_ok=True)
        os.close(held)
        if folder is None:
            with suppress(OSError):
                path.parent.rmdir()


def _try(path: Path) -> int | None:
    """Return the descriptor of the lock file, locked; None when somebody else has it."""
    with suppress(FileExistsError):
        path.parent.mkdir(mode=0o700)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None  # the folder was removed by the last one out, just now
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None
