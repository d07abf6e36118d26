"""A target's files as text: how they come back from a machine that does not see the folder."""

from __future__ import annotations

import io
import shutil
import tarfile
from base64 import b64decode, b64encode
from pathlib import Path
from uuid import uuid4


def pack(folder: Path) -> str:
    """Return a folder's files as text."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    return b64encode(buffer.getvalue()).decode()


def unpack(files: str, folder: Path) -> None:
    """Write packed files into a folder; what was there stays beside them as an attempt."""
    part = folder.parent / f".{folder.name}.{uuid4().hex}"
    part.mkdir()  # readable as every other folder, which one of mkdtemp is not
    try:
        with tarfile.open(fileobj=io.BytesIO(b64decode(files)), mode="r:gz") as archive:
            archive.extractall(part, filter="data")
        if folder.exists():
            _merge(folder, part)
        part.replace(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _merge(folder: Path, part: Path) -> None:
    ledger = folder / "ledger.jsonl"
    if ledger.exists():
        new = part / "ledger.jsonl"
        text = new.read_bytes() if new.exists() else b""
        new.write_bytes(ledger.read_bytes() + text)
    earlier = sorted(folder.glob("attempt-*"))
    for path in earlier:
        path.rename(part / path.name)
    if any(path != ledger for path in folder.iterdir()):
        # With its ledger, which the attempt's own manifest names.
        folder.rename(part / f"attempt-{len(earlier) + 1}")
    else:
        ledger.unlink(missing_ok=True)
        folder.rmdir()
