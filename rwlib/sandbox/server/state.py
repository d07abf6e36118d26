"""The folder that survives a restart."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from filelock import Timeout

from rwlib.errors import ConflictError, InputError
from rwlib.sandbox.moto_seam.pickling import UnreadableStateError
from rwlib.sandbox.moto_seam.world import MOTO_VERSION, World
from rwlib.sandbox.server.state_lock import state_lock

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
        self.path = path.resolve()
        try:
            for folder in (self.path, self._pieces, self._bodies):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InputError("state", str(path), f"cannot be used as a folder: {error}") from error
        self._lock = state_lock(self.path)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ConflictError(
                f"state: {path} is in use by another sandbox; stop it, or take another folder"
            ) from None
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
        if not self._manifest.exists():
            return None
        try:
            manifest = json.loads(self._manifest.read_bytes())
            if manifest["format"] != FORMAT or manifest["moto"] != _series(MOTO_VERSION):
                raise UnreadableStateError(
                    f"it was kept by format {manifest['format']} with moto {manifest['moto']}"
                )
            with world.entered():
                for file in sorted(self._pieces.iterdir()):
                    if file.suffix != ".tmp":
                        world.read_piece(file.name, file.read_bytes(), self._body)
        except (UnreadableStateError, ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(
                "state", str(self.path), f"cannot be read: {error}; take an empty folder"
            ) from error
        own: dict[str, Any] = manifest["own"]
        return own

    def save(
        self, world: World, own: dict[str, Any], services: frozenset[str] | None = None
    ) -> None:
        """Write what has changed; the world must be entered."""
        for name, backend in world.pieces(services):
            data = world.write_piece(backend, self._store)
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

    def _store(self, digest: str, body: bytes) -> None:
        file = self._bodies / digest
        if not file.exists():
            _replace(file, body)

    def _body(self, digest: str) -> bytes:
        return (self._bodies / digest).read_bytes()

    def _write_changed(self, file: Path, data: bytes) -> None:
        digest = hashlib.sha256(data).hexdigest()
        if self._written.get(file.name) != digest:
            _replace(file, data)
            self._written[file.name] = digest


def _replace(file: Path, data: bytes) -> None:
    temporary = file.with_name(f"{file.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
    temporary.replace(file)


def _series(version: str) -> str:
    return ".".join(version.split(".")[:2])


def text_of(secret: bytes) -> str:
    """Write a secret for the manifest."""
    return base64.b64encode(secret).decode()


def secret_of(text: str) -> bytes:
    """Read a secret from the manifest."""
    return base64.b64decode(text)
