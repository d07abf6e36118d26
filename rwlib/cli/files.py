"""Files that a command writes for a person: never over others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rwlib.errors import InputError


def write_files(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write the files; one of that name with other contents is never written over.

    Raises
    ------
    InputError
        There is such a file, or the folder cannot be used; nothing was written.
    """
    try:
        for name, text in files.items():
            _refuse_others(folder, name, text)
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            if name.endswith(".sh"):
                path.chmod(0o755)
    except (FileExistsError, NotADirectoryError):
        raise InputError("out", str(folder), "is not a folder; give one") from None
    return [folder / name for name in files]


def _refuse_others(folder: Path, name: str, text: str) -> None:
    """Refuse a file that is there and holds something else, and what is no file at all."""
    path = folder / name
    for parent in (folder / above for above in Path(name).parents):
        if parent.exists() and not parent.is_dir():
            raise InputError("out", str(parent), "is not a folder; give another one")
    if path.is_symlink() and not path.exists():
        # Writing would make a file wherever it leads.
        raise InputError("out", str(path), "is a link that leads nowhere; give another folder")
    if not path.exists():
        return
    if not path.is_file():
        raise InputError("out", str(path), "exists and is not a file; give another folder")
    try:
        same = path.read_text(encoding="utf-8") == text
    except UnicodeDecodeError:
        same = False
    if not same:
        raise InputError("out", str(path), "exists with other contents; give another folder")
