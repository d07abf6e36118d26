"""Evidence that can be checked later: a manifest of every file, and no secret in any of them.

A manifest names each file of its folder with its size and SHA-256. Of a subfolder that has a
manifest itself only that manifest is named, so that one hash at the top stands for all files.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from rwlib import __version__
from rwlib.errors import InputError
from rwlib.masking import (
    mask_folder,
    secret_values,
)

MANIFEST = "manifest.json"

# Files that a later run goes on writing; they are memory, not evidence.
_LIVING = re.compile(r"state\.sqlite(-\w+)?|\..*\.part")


@dataclass(frozen=True)
class FileProblem:
    """A file that is not as its manifest says: ``changed``, ``missing`` or ``added``."""

    path: str
    problem: Literal["changed", "missing", "added"]

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def write_manifest(
    folder: Path,
    facts: Mapping[str, Any] | None = None,
    elsewhere: Iterable[tuple[str, str]] = (),
) -> str:
    """Write ``manifest.json`` for what is in the folder and return its SHA-256.

    Parameters
    ----------
    facts
        More to say in it, such as whose run this is.
    elsewhere
        Other folders, seen from this one, on whose evidence this one rests, each with the SHA-256
        of its manifest.
    """
    head = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "made_by": made_by(),
        "versions": versions(),
        **(facts or {}),
    }
    part = folder / f".{MANIFEST}.{os.getpid()}.part"
    # Line by line: a batch has thousands of folders, and they are not all kept in memory.
    with part.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head, indent=2)[:-2] + ',\n  "files": {')
        comma = ""
        for path in _files(folder):
            name = path.relative_to(folder).as_posix()
            entry = {"size": path.stat().st_size, "sha256": file_hash(path)}
            file.write(f"{comma}\n    {json.dumps(name)}: {json.dumps(entry)}")
            comma = ","
        file.write('\n  },\n  "elsewhere": {')
        comma = ""
        for place, sha256 in elsewhere:
            file.write(f"{comma}\n    {json.dumps(place)}: {json.dumps(sha256)}")
            comma = ","
        file.write("\n  }\n}\n")
    part.replace(folder / MANIFEST)
    return file_hash(folder / MANIFEST)


def seal(
    folder: Path, facts: Mapping[str, Any], secrets: Iterable[bytes] | None = None
) -> tuple[list[str], str]:
    """Mask the secrets in a run's folder, then write its manifest.

    Parameters
    ----------
    facts
        As `write_manifest` takes them.
    secrets
        What to mask; those of the environment by default.

    Returns
    -------
    tuple
        The names of the files that held a secret, and the SHA-256 of the manifest.
    """
    masked = mask_folder(folder, secret_values() if secrets is None else secrets)
    return masked, write_manifest(folder, facts)


def verify_manifest(folder: Path, sha256: str = "") -> tuple[list[FileProblem], int]:
    """Compare a folder with its manifest, and those below it and elsewhere that it names.

    Parameters
    ----------
    sha256
        What the manifest's own hash must be, as it was printed when it was written.

    Returns
    -------
    tuple
        What is not as it was, and how many files were compared.

    Raises
    ------
    InputError
        The folder has no manifest that could be read.
    """
    manifest = folder / MANIFEST
    try:
        listed = json.loads(manifest.read_text(encoding="utf-8"))
        wanted = {str(name): str(entry["sha256"]) for name, entry in listed["files"].items()}
        elsewhere = {str(name): str(sha256) for name, sha256 in listed.get("elsewhere", {}).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        is_folder = folder.is_dir()
        wrong = "has no readable manifest.json" if is_folder else "is not a folder"
        raise InputError(
            "--verify",
            str(folder),
            f"{wrong}; give the folder of a run or a batch",
            reason="cannot_be_read" if is_folder else "does_not_exist",
        ) from None
    problems: list[FileProblem] = []
    if sha256 and file_hash(manifest) != sha256.lower().strip():
        problems.append(FileProblem(MANIFEST, "changed"))
    there = {path.relative_to(folder).as_posix() for path in _files(folder)}
    compared = 0
    for name, recorded in wanted.items():
        if name not in there:
            problems.append(FileProblem(name, "missing"))
            continue
        compared += 1
        if file_hash(folder / name) != recorded:
            problems.append(FileProblem(name, "changed"))
        if Path(name).name == MANIFEST:
            below, more = verify_manifest((folder / name).parent)
            prefix = Path(name).parent.as_posix()
            problems += [FileProblem(f"{prefix}/{each.path}", each.problem) for each in below]
            compared += more
    problems += [FileProblem(name, "added") for name in sorted(there - set(wanted))]
    for place, recorded in elsewhere.items():
        try:
            found, more = verify_manifest(folder / place, recorded)
        except InputError:
            problems.append(FileProblem(f"{place}/{MANIFEST}", "missing"))
            continue
        problems += [FileProblem(f"{place}/{each.path}", each.problem) for each in found]
        compared += more + 1
    return problems, compared


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            inner = path / MANIFEST
            yield from [inner] if inner.is_file() else _files(path)
        elif path.name != MANIFEST and not _LIVING.fullmatch(path.name):
            yield path


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def made_by() -> str:
    """Who runs this, as ``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


@cache
def _installed() -> tuple[tuple[str, str], ...]:
    import platform
    from importlib import metadata

    found = [("rwlib", __version__), ("python", platform.python_version())]
    for name in ("boto3", "papermill", "ipykernel", "pydantic"):
        found.append((name, metadata.version(name)))
    return tuple(found)


def versions() -> dict[str, str]:
    """Versions of what made the evidence."""
    return dict(_installed())
