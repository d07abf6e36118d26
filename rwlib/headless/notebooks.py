"""Where the notebooks are."""

from __future__ import annotations

import os
from pathlib import Path

from rwlib.errors import InputError

_PACKAGE = Path(__file__).resolve().parent.parent


def notebook_path(name: str) -> Path:
    """Return the path of one of the notebooks: those of a checkout, else the packaged ones.

    ``RWLIB_NOTEBOOKS`` names another folder.

    Raises
    ------
    InputError
        The notebooks are not where the package expects them.
    """
    given = os.environ.get("RWLIB_NOTEBOOKS", "")
    folders = [Path(given)] if given else [_PACKAGE.parent / "notebooks", _PACKAGE / "notebooks"]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    if given:
        raise InputError("RWLIB_NOTEBOOKS", given, f"has no {name}; name the folder that has it")
    raise InputError(
        "RWLIB_NOTEBOOKS",
        given,
        f"is empty and {name} is not installed; install the package again",
        reason="empty",
    )
