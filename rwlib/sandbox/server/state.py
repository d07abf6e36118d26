"""The folder that survives a restart."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rwlib.errors import ConflictError, InputError
from rwlib.sandbox.moto_seam.pickling import UnreadableStateError
from rwlib.sandbox.moto_seam.world import MOTO_VERSION, World
from rwlib.sandbox.server.state_lock import StateLock

FORMAT = 1


class StateFolder:
    """Keeps a world in a folder: a manifest, a piece per service and account, bodies by digest.

    Every file is replaced in one step, so a process that dies leaves the last complete state.
    Nothing outside the folder is read or written, and its names never come from a request.

    Parameters
    ----------
    path
        Made when it is not there.

    Raises
    ------
    InputError
        The path is a file, or cannot be written.
    ConflictError
        Another sandbox uses the folder.
    """

    def __init__(self, path: Path) -> None:
        # The parents may be reached through links; what is kept may not.
        self.path = path.parent.resolve() / path.name
        try:
            for folder in (self.path, self._pieces, self._bodies):
                _make_folder(folder)
            self._lock = StateLock(self.path)
            taken = self._lock.acquire()
        except OSError as error:
            raise InputError("state", str(path), f"cannot be used as a folder: {error}") from error
        if not taken:
            holder = self._lock.holder()
            raise ConflictError(
                f"state: {path} is in use by another sandbox{f' ({holder})' if holder else ''}; "
                "stop it, or take another folder"
            )
        self._written: dict[str, str] = {}

    @property
    def _pieces(self) -> Path:
        return self.path / "pieces"

    @property
    def _bodies(self) -> Path:
        return self.path / "bodies"

    @property
    def _manifest(self) -> Path:
        return self.path / "sandbox.json"

    def load(self, world: World) -> dict[str, Any] | None:
        """Put the kept state into an empty world.

        Returns
        -------
        dict or None
            What `save` was given besides; None for a new folder.

        Raises
        ------
        InputError
            The folder holds something that this version does not read.
        """
        try:
            text = _read(self._manifest)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            manifest = json.loads(text)
            if manifest["format"] != FORMAT or manifest["moto"] != _series(MOTO_VERSION):
                raise UnreadableStateError(
                    f"it was kept by format {manifest['format']} with moto {manifest['moto']}"
                )
            with world.entered():
                for file in sorted(self._pieces.iterdir()):
                    if file.suffix != ".tmp":
                        world.read_piece(file.name, _read(file), self._body)
            own: dict[str, Any] = manifest["own"]
            secret_of(own["secret"])
        except (UnreadableStateError, ValueError, KeyError, TypeError, OSError) as error:
            raise self._unreadable(error) from error
        return own

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(
            "state",
            str(self.path),
            f"cannot be read: {error}",
            reason="cannot_be_read",
            todo="take an empty folder",
        )

    def save(
        self, world: World, own: dict[str, Any], services: frozenset[str] | None = None
    ) -> None:
        """Write what has changed; the world must be entered.

        A piece that could not be read again is not written: the one before it stays, and the log
        says what was left out. So a folder is readable whatever was called.
        """
        for name, backend in world.pieces(services):
            try:
                data = world.write_piece(backend, self._store)
                if self._written.get(name) == _digest(data):
                    continue
                world.check_piece(name, data)
            except Exception as error:  # noqa: BLE001 - a call must not fail for its state's sake
                logging.getLogger(__name__).error("%s was not kept: %r", name, error)
                continue
            self._write_changed(self._pieces / name, data)
        manifest = {"format": FORMAT, "moto": _series(MOTO_VERSION), "own": own}
        self._write_changed(self._manifest, json.dumps(manifest).encode())

    def tidy(self, world: World) -> None:
        """Remove bodies of objects that are no more; the world must be entered."""
        used: set[str] = set()
        for _, backend in world.pieces(frozenset({"s3"})):
            world.write_piece(backend, lambda digest, _: used.add(digest))
        for file in self._bodies.iterdir():
            if file.name not in used:
                file.unlink()

    def empty(self) -> None:
        """Forget everything that is kept."""
        self._manifest.unlink(missing_ok=True)
        for folder in (self._pieces, self._bodies):
            for file in folder.iterdir():
                file.unlink()
        self._written.clear()

    def close(self) -> None:
        """Let other sandboxes use the folder."""
        self._lock.release()

    def _store(self, digest: str, body: Callable[[], bytes]) -> None:
        file = self._bodies / digest
        if file.is_symlink() or not file.is_file():
            _replace(file, body())

    def _body(self, digest: str) -> bytes:
        return _read(self._bodies / digest)

    def _write_changed(self, file: Path, data: bytes) -> None:
        digest = _digest(data)
        if self._written.get(file.name) != digest:
            _replace(file, data)
            self._written[file.name] = digest


def _make_folder(folder: Path) -> None:
    """Make a folder that is really there and really ours.

    Raises
    ------
    OSError
        It is a symbolic link, something else than a folder, or another user's.
    """
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise OSError(f"{folder.name} is a symbolic link; name the folder itself")
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{folder.name} is not a folder")
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{folder.name} belongs to another user")


def _read(file: Path) -> bytes:
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as opened:
        return opened.read()


def _replace(file: Path, data: bytes) -> None:
    """Put a file in place in one step; a symbolic link in its place is replaced, not followed."""
    temporary = file.with_name(f"{file.name}.tmp")
    temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600), "wb") as out:
        out.write(data)
    temporary.replace(file)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _series(version: str) -> str:
    return ".".join(version.split(".")[:2])


def text_of(secret: bytes) -> str:
    """Write a secret for the manifest."""
    return base64.b64encode(secret).decode()


def secret_of(text: str) -> bytes:
    """Read a secret from the manifest."""
    return base64.b64decode(text)
