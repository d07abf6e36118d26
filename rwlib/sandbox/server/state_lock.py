"""Who serves a sandbox's state: the lock that its server holds as long as it runs."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


class StateLock:
    """The lock of a state folder; the system frees it when its process ends, however it ends.

    The file says who holds it. A symbolic link in its place is never followed.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody has it; give whether it was taken.

        Raises
        ------
        OSError
            The file cannot be opened, or is a symbolic link.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}, since {since}\n".encode(), 0)
        return True

    def holder(self) -> str:
        """Say who took the lock last: the process and since when; empty where nobody said."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return ""
        with os.fdopen(descriptor, "rb") as file:
            text = file.read(200).decode(errors="replace").partition("\n")[0]
        return text if text.isprintable() else ""

    def release(self) -> None:
        """Give the lock back; safe to call again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.ftruncate(descriptor, 0)
            os.close(descriptor)


def forget_state(folder: Path) -> bool:
    """Remove what a sandbox has kept in a folder; False when one serves it, and nothing was done.

    A folder that is reached through a link is left alone, as the sandbox itself leaves it.
    """
    if folder.is_symlink() or not folder.is_dir():
        return True
    lock = StateLock(folder)
    if not lock.acquire():
        return False
    try:
        kept = [folder / "sandbox.json"]
        for inner in (folder / "pieces", folder / "bodies"):
            if not inner.is_symlink() and inner.is_dir():
                kept += inner.iterdir()
        for file in kept:
            if not file.is_dir() or file.is_symlink():
                file.unlink(missing_ok=True)
    finally:
        lock.release()
    return True


def in_use(folder: Path) -> bool:
    """Whether a sandbox serves the state in the folder."""
    lock = StateLock(folder)
    if not lock.acquire():
        return True
    lock.release()
    return False
