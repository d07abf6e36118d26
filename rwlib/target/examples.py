"""The examples that come with the package, so that a page's command works in any folder."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
FIRST_EXAMPLE = "examples/redshift.yaml"


def example_path(path: str | Path) -> Path:
    """Return the path, or the package's own example where a file below ``examples`` is missing.

    An existing file always goes before it, and no other path is touched.
    """
    given = Path(path)
    if given.parts[:-1] == ("examples",) and not given.exists():
        # In a checkout the folder stands beside the package (setup.py).
        for folder in (_PACKAGE, _PACKAGE.parent):
            if (folder / given).is_file() and (folder / "examples" / "batch.csv").is_file():
                return folder / given
    return given
