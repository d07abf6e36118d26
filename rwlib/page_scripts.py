"""The scripts of JupyterLab and of Voilà in one file each, so that a page asks for one.

Both fetch about eighty small scripts, one after the other's answer, before they show anything;
on a loopback port the asking takes longer than the reading. webpack takes a chunk that stands in
the page before its own runtime as loaded: https://webpack.js.org/concepts/under-the-hood/
Which scripts a page asks for is recorded by ``benchmarks/record_scripts.py`` for one version; any
other version fetches its scripts as it always did.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

APP = "voila"
LAB = "jupyterlab"


def joined_scripts(page: str) -> bytes:
    """Return the scripts that a page asks for as one, empty where they are not known.

    Parameters
    ----------
    page
        `APP` or `LAB`, the package whose page it is.
    """
    recorded = _recorded().get(page, {})
    if not recorded or metadata.version(page) != recorded["version"]:
        return b""
    found = [_found(page, name) for name in recorded["scripts"]]
    # Each in a function of its own, which leaves its "use strict" to itself.
    return b"".join(b"(()=>{%b\n})();\n" % each.read_bytes() for each in found if each)


@cache
def _recorded() -> dict[str, Any]:
    path = resources.files("rwlib").joinpath("data", "page_scripts.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def lab_folder() -> Path | None:
    """Return the folder of the installed JupyterLab's own pages, None where there is none."""
    from jupyter_core.paths import jupyter_path

    places = (Path(each) for each in jupyter_path("lab"))
    return next((each for each in places if (each / "static" / "index.html").is_file()), None)


def _found(page: str, name: str) -> Path | None:
    """Return the installed script of that name, as the two servers look for it."""
    from jupyter_core.paths import jupyter_path

    kind, _, rest = name.partition("/")
    if kind == "labextensions":
        places = [*jupyter_path("labextensions"), *jupyter_path("voila", "labextensions")]
    elif page == APP:
        places = jupyter_path("voila", "templates", "base", "static")
    else:
        folder = lab_folder()
        places = [str(folder / "static")] if folder else []
    return next((path for place in places if (path := Path(place) / rest).is_file()), None)
