"""The versions of RisingWave that a statement can be held against."""

from __future__ import annotations

import re

from rwlib.errors import InputError

VERSIONS = ("2.8", "3.0", "3.1", "main")
# The newest release; 3.1 is an alpha version (risingwavelabs/risingwave, tags of 2026-11-29).
DEFAULT_VERSION = "3.0"


def known_version(text: str) -> str:
    """Return the version of `VERSIONS` that a number, an image tag or ``version()`` names.

    An empty text gives the newest release. Between two known versions the older one holds, and
    whatever is newer than the newest number is ``main``.

    Raises
    ------
    InputError
        No version of RisingWave is in the text.

    Examples
    --------
    >>> known_version("v3.0.3")
    '3.0'
    >>> known_version("PostgreSQL 13.14.0-RisingWave-2.8.5 (8f9b)")
    '2.8'
    """
    text = text.strip()
    if not text:
        return DEFAULT_VERSION
    if re.match(r"(?:main|nightly|latest)\b", text.lower()):
        return "main"
    _, marker, behind = text.partition("RisingWave-")
    match = re.match(r"v?([0-9]+)(?:\.([0-9]+))?", behind if marker else text)
    if match is None:
        hint = f"is not a version of RisingWave; write one of {', '.join(VERSIONS)}"
        raise InputError("risingwave_version", text, hint)
    number = (int(match.group(1)), int(match.group(2) or 0))
    if number > (3, 1):
        return "main"
    fitting = [each for each in VERSIONS[:-1] if _number(each) <= number]
    return fitting[-1] if fitting else VERSIONS[0]


def is_since(version: str, since: str) -> bool:
    """Tell whether a version has what came with another one.

    Examples
    --------
    >>> is_since("3.0", "3.1"), is_since("main", "3.1")
    (False, True)
    """
    return VERSIONS.index(version) >= VERSIONS.index(since)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def versions_before(first: str) -> tuple[str, ...]:
    """Return the known versions that are older than one."""
    return tuple(version for version in VERSIONS if not is_since(version, first))
