"""Who serves a sandbox's state: the lock that its server holds as long as it runs."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout


def state_lock(folder: Path) -> FileLock:
    """Return the lock of a state folder; the system frees it if the server dies."""
    return FileLock(folder / "lock")


def in_use(folder: Path) -> bool:
    """Whether a sandbox serves the state in the folder."""
    lock = state_lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
