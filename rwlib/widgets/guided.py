"""Whether a person sits before the notebook; knows no widget, so that headless runs load none."""

from __future__ import annotations

import os
from typing import Any

GUIDED = "RWLIB_GUIDED"


def is_guided() -> bool:
    """Say whether a person sits before this notebook, who can click.

    A notebook's own frontends let a cell ask for input; papermill, nbclient and nbval do not.
    Voilà does not either, and says who it is. ``RWLIB_GUIDED`` (``1`` or ``0``) decides over both.
    """
    given = os.environ.get(GUIDED, "")
    if given:
        return given != "0"
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila/"):
        return True
    return bool(_request().get("content", {}).get("allow_stdin", False))


def _request() -> Any:
    """Return the message that the running cell came with, empty outside a kernel."""
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    kernel = getattr(shell, "kernel", None)
    get_parent = getattr(kernel, "get_parent", None)
    return (get_parent("shell") or {}) if get_parent else {}
