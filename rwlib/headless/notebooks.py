"""Where the notebooks are."""

from __future__ import annotations

from pathlib import Path

from rwlib.errors import InputError


def notebook_path(name: str) -> Path:
    """Return the path of one of the notebooks.

    Raises
    ------
    InputError
        The notebooks are not where the package expects them.
    """
    import os

    here = Path(__file__).resolve().parent.parent
    folders = [
        Path(os.environ["RWLIB_NOTEBOOKS"]) if "RWLIB_NOTEBOOKS" in os.environ else None,
        here.parent.parent / "notebooks",
        here.parent / "notebooks",
    ]
    for folder in folders:
        if folder is not None and (folder / name).is_file():
            return folder / name
    raise InputError("RWLIB_NOTEBOOKS", str(folders[0] or ""), f"has no {name}; name its folder")
