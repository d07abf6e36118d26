"""One process of this machine at a time for one thing, and no file left when it is over."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from rwlib.errors import EvidenceError, RunbookError
from rwlib.waiting import rest, waiting_for


class BusyError(RunbookError):
    """Another process of this machine holds what was asked for."""


class UnusableLockError(EvidenceError, OSError):
    """The lock of a run cannot be taken: its file or folder is not this user's to write."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} cannot be locked ({reason}); set XDG_STATE_HOME to a folder that is yours"
        )
        self.strerror = reason


def locks_folder() -> Path:
    """Return the folder that this user's runs share on this machine; it need not exist.

    It is in ``XDG_STATE_HOME`` where that is set, and among the temporary files otherwise.
    """
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if state.is_absolute():
        return state / "rwlib" / "locks"
    return Path(tempfile.gettempdir()) / f"risingwave-iam-runbook-{os.getuid()}"


@contextmanager
def exclusive(
    name: str,
    *,
    folder: Path | None = None,
    timeout: float = 300.0,
    sleep: Callable[[float], None] = rest,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Keep everybody else out of that name while the block runs.

    The system frees it if the holder dies. A thread that holds it already waits for itself.

    Parameters
    ----------
    name
        What it is about, in characters that a file name may have.
    folder
        Where the lock file is meanwhile; a folder of this user's runs by default.
    timeout
        Seconds to wait for it.

    Raises
    ------
    BusyError
        Another process has held it for all that time.
    UnusableLockError
        The lock file cannot be written; an `OSError` too.
    """
    path = (folder or locks_folder()) / f"{name}.lock"
    lock = FileLock(path, mode=0o600)
    until = clock() + timeout
    while not _acquired(lock, path):
        if clock() >= until:
            raise BusyError(
                f"another run has been changing {name} for {timeout:.0f} s; wait for it to end, "
                "then run this again"
            )
        with waiting_for(f"Waiting for another run that is changing {name}"):
            sleep(0.05)
    try:
        yield
    finally:
        # The file goes while it is still locked: FileLock tries again with a new file when the
        # one it had opened is gone by the time it is locked.
        path.unlink(missing_ok=True)
        lock.release()
        if folder is None:
            with suppress(OSError):
                path.parent.rmdir()


def _acquired(lock: FileLock, path: Path) -> bool:
    """Try once to lock the file; False when somebody else has it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_own(path.parent)
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except (FileExistsError, FileNotFoundError):
        if path.parent.is_file():
            raise UnusableLockError(path.parent, "it is a file") from None
        return False  # the folder came or went while another one made or removed it
    except UnusableLockError:
        raise
    except OSError as error:
        raise UnusableLockError(path, error.strerror or str(error)) from None
    return True


def _require_own(folder: Path) -> None:
    """Refuse a folder among the temporary files that somebody else made under this name."""
    if folder == locks_folder() and folder.stat().st_uid != os.getuid():
        raise UnusableLockError(folder, "it belongs to another user")
