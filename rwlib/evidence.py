"""Evidence that can be checked later: a manifest of every file, and no secret in any of them.

A manifest names each file of its folder with its size and SHA-256. Of a subfolder that has a
manifest itself only that manifest is named, so that one hash at the top stands for all files.
"""

from __future__ import annotations

import getpass
import hashlib
import html
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

from rwlib import __version__
from rwlib.errors import InputError

MANIFEST = "manifest.json"
MASK = b"********"
_MIN_LENGTH = 8  # of a value that is looked for; a shorter one stands in many a text by chance

# Files that a later run goes on writing; they are memory, not evidence.
_LIVING = re.compile(r"state\.sqlite(-\w+)?|\..*\.part")

_SECRET_NAME = re.compile(
    r"(?i)secret|passw|token|api_?key|credential|private_?key|_dsn$|^dsn$|jdbc|database_url"
)
# Variables whose name says "token" or "credential" and whose value is the path of a file, and
# AWS's switches.
_PLAIN_NAME = re.compile(r"(?i)_(file|path|dir|uri|url|cache|mode)s?$|^AWS_ROLE_|^AWS_EC2_")
# Two patterns, since one that begins with a plain text is found several times as fast; the other
# is not looked for where none of its endings is.
_IN_URL = re.compile(rb"://[^\s/:@'\"<>]{1,80}:([^\s/@'\"<>*]{4,})@")
_IN_PAIR = re.compile(
    rb"(?:(?<!\w)[Pp](?:assword|ASSWORD|asswd|wd)|[Ss]ecret(?:_access_key|AccessKey))"
    rb"(?:=|%3D)([^\s&;'\"<>\\,)}*]{4,})"
)
_PAIR_ENDINGS = tuple(
    name + equals
    for name in (b"assword", b"ASSWORD", b"wd", b"access_key", b"AccessKey")
    for equals in (b"=", b"%3D")
)


@dataclass(frozen=True)
class Problem:
    """A file that is not as its manifest says: ``changed``, ``missing`` or ``added``."""

    path: str
    problem: Literal["changed", "missing", "added"]

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
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


def verify_manifest(folder: Path, sha256: str = "") -> tuple[list[Problem], int]:
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
    given = folder / MANIFEST
    try:
        listed = json.loads(given.read_text(encoding="utf-8"))
        wanted = {str(name): str(entry["sha256"]) for name, entry in listed["files"].items()}
        elsewhere = {str(name): str(sha256) for name, sha256 in listed.get("elsewhere", {}).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            "verify", str(folder), "has no readable manifest.json; give the folder of a batch"
        ) from None
    problems: list[Problem] = []
    if sha256 and file_hash(given) != sha256.lower().strip():
        problems.append(Problem(MANIFEST, "changed"))
    there = {path.relative_to(folder).as_posix() for path in _files(folder)}
    compared = 0
    for name, recorded in wanted.items():
        if name not in there:
            problems.append(Problem(name, "missing"))
            continue
        compared += 1
        if file_hash(folder / name) != recorded:
            problems.append(Problem(name, "changed"))
        if Path(name).name == MANIFEST:
            below, more = verify_manifest((folder / name).parent)
            prefix = Path(name).parent.as_posix()
            problems += [Problem(f"{prefix}/{each.path}", each.problem) for each in below]
            compared += more
    problems += [Problem(name, "added") for name in sorted(there - set(wanted))]
    for place, recorded in elsewhere.items():
        try:
            found, more = verify_manifest(folder / place, recorded)
        except InputError:
            problems.append(Problem(f"{place}/{MANIFEST}", "missing"))
            continue
        problems += [Problem(f"{place}/{each.path}", each.problem) for each in found]
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


def secret_values(environ: Mapping[str, str] | None = None) -> list[bytes]:
    """Return the secrets of an environment in each form in which they could be written.

    Passwords inside connection strings are secrets of their own. The longest comes first, so that
    masking one leaves no part of another.
    """
    values = os.environ if environ is None else environ
    plain: set[str] = set()
    for name, value in values.items():
        if _SECRET_NAME.search(name) and not _PLAIN_NAME.search(name):
            plain.add(value)
        if "://" in value or "password=" in value.lower():
            plain |= set(_passwords(value))
    return secret_forms(plain)


def secret_forms(values: Iterable[str]) -> list[bytes]:
    """Return each value as it is and as JSON, HTML, URLs and Python write it, longest first."""
    forms = {
        form.encode()
        for value in values
        if len(value) >= _MIN_LENGTH
        for form in (
            value,
            json.dumps(value)[1:-1],
            json.dumps(json.dumps(value)[1:-1])[1:-1],
            html.escape(value),
            quote(value, safe=""),
            repr(value)[1:-1],
        )
    }
    return sorted(forms, key=len, reverse=True)


def _passwords(text: str) -> Iterator[str]:
    try:
        found = urlsplit(text.removeprefix("jdbc:")).password or ""
    except ValueError:
        found = ""
    for match in re.finditer(r"(?i)password=('[^']*'|[^\s&;]+)", text):
        yield from (match.group(1).strip("'"), unquote(match.group(1)))
    yield from (found, unquote(found))


def mask(data: bytes, secrets: Iterable[bytes]) -> bytes:
    """Replace the secrets, and passwords inside connection strings, by asterisks."""
    for secret in secrets:
        if secret in data:
            data = data.replace(secret, MASK)
    data = _IN_URL.sub(_masked_match, data)
    if any(ending in data for ending in _PAIR_ENDINGS):
        data = _IN_PAIR.sub(_masked_match, data)
    return data


def _masked_match(match: re.Match[bytes]) -> bytes:
    # RisingWave's way to say "from a secret" is no secret.
    if match.group(1).lower() in (b"secret", b"..."):
        return match.group()
    start, end = (at - match.start() for at in match.span(1))
    return match.group()[:start] + MASK + match.group()[end:]


def mask_folder(folder: Path, secrets: Iterable[bytes]) -> list[str]:
    """Replace secrets in every file of a folder; return the names of those that held one."""
    known = list(secrets)
    masked = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            before = path.read_bytes()
            after = mask(before, known)
            if after != before:
                part = path.with_name(f".{path.name}.{os.getpid()}.part")
                part.write_bytes(after)
                part.replace(path)
                masked.append(path.relative_to(folder).as_posix())
    return masked


def find_secrets(folder: Path, secrets: Iterable[bytes]) -> list[str]:
    """Return the names of the files below a folder that hold one of the secrets."""
    known = list(secrets)
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(secret in path.read_bytes() for secret in known)
    ]
