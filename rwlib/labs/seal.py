"""The seal on a learner's results: a MAC under a key that the class's trainer has.

The key is never printed, never part of a result and never on a command line: it comes from a file
or from the environment. A result without a key is kept all the same, and is called unsigned.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from rwlib.errors import InputError

KEY = "RWLIB_CLASS_KEY"
"""Environment variable with the key itself."""
KEY_FILE = "RWLIB_CLASS_KEY_FILE"
"""Environment variable with the path of a file that holds the key."""
_SHORTEST = 16

Trust = Literal["signed", "unsigned", "altered", "another key", "not checked", "nothing yet"]
TRUST_WORDS: Mapping[Trust, str] = {
    "signed": "signed with the class's key",
    "unsigned": "not signed: anybody could have written it",
    "altered": "changed after it was signed, or begun without the key",
    "another key": "signed with another key",
    "not checked": "signed, and not checked: no key was given",
    "nothing yet": "a seat of the class where no lab was started",
}


def class_key(file: Path | None = None) -> bytes | None:
    """Return the class's key; None when there is none.

    A file may hold several, one a line: the first signs, and what an older one below has signed is
    known as signed too. So a key can be changed while a class goes on.

    Parameters
    ----------
    file
        Where it is; by default what ``RWLIB_CLASS_KEY_FILE`` names, else the text of
        ``RWLIB_CLASS_KEY``.

    Raises
    ------
    InputError
        The file cannot be read, or the key is too short to be one. The key is not quoted.
    """
    named = os.environ.get(KEY_FILE, "")
    if file is None and named:
        file = Path(named)
    if file is None:
        text = os.environ.get(KEY, "").strip()
        return _checked(text.encode(), KEY) if text else None
    try:
        content = file.read_bytes().strip()
    except OSError as error:
        raise InputError(
            "class key",
            str(file),
            f"cannot be read: {error.strerror}; make one with `rwlib lab key FILE`",
        ) from error
    return _checked(content, str(file))


def _checked(key: bytes, where: str) -> bytes:
    if min(map(len, _keys(key))) < _SHORTEST:
        raise InputError(
            "class key",
            where,
            f"holds fewer than {_SHORTEST} characters; make one with `rwlib lab key FILE`",
        )
    return key


def _keys(key: bytes) -> list[bytes]:
    """Return the keys of a file: its lines, where it is text."""
    lines = [each.strip() for each in key.splitlines() if each.strip()]
    return lines if lines and all(each.isascii() for each in lines) else [key]


def make_key(file: Path) -> None:
    """Write a new key into a file that only its owner can read.

    Raises
    ------
    InputError
        The file is there already: results signed with its key would be lost.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise InputError(
            "class key", str(file), "is there already; take another name, or go on with it"
        ) from error
    except OSError as error:
        raise InputError("class key", str(file), f"cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(secrets.token_urlsafe(32) + "\n")


def sealed(data: Mapping[str, Any], key: bytes | None) -> dict[str, Any]:
    """Return results with their seal; without a key as they are."""
    plain = {name: value for name, value in data.items() if name != "seal"}
    if key is None:
        return plain
    first = _keys(key)[0]
    return {**plain, "seal": {"key": _name_of(first), "mac": _mac(plain, first)}}


def trust_of(data: Mapping[str, Any], key: bytes | None) -> Trust:
    """Say what the seal of results is worth."""
    seal = data.get("seal")
    if not isinstance(seal, Mapping):
        return "unsigned"
    if key is None:
        return "not checked"
    known = {_name_of(each): each for each in _keys(key)}
    if str(seal.get("key")) not in known:
        return "another key"
    plain = {name: value for name, value in data.items() if name != "seal"}
    mac = _mac(plain, known[str(seal["key"])])
    same = hmac.compare_digest(str(seal.get("mac", "")).encode(), mac.encode())
    # What was begun without the key, or changed on the way, stays so: see `scores.record`.
    return "signed" if same and not data.get("altered") else "altered"


def _mac(plain: Mapping[str, Any], key: bytes) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.new(key, b"results of labs\0" + text.encode(), hashlib.sha256).hexdigest()


def _name_of(key: bytes) -> str:
    """Name a key without giving it away: two files of one key can be told from two keys."""
    return hashlib.sha256(b"name of a class key\0" + key).hexdigest()[:12]
