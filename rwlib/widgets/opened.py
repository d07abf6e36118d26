"""When somebody opens a page that was made ahead of the request.

Voilà runs a notebook before anybody asks for it, and gives the page away when somebody does. By
then the inputs, the accounts and the choice of the place may be others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from comm import get_comm_manager
from ipywidgets import Widget

_TARGET = "jupyter.widget.control"
_MADE_AHEAD = "VOILA_PREHEAT"


def when_opened(begin_again: Callable[[], None]) -> None:
    """Call a function when a page that was made ahead is opened, before anything of it is shown.

    A page that opens asks its kernel first for the state of all widgets, over a line that it
    opens for that (``jupyter.widget.control``).
    """
    if os.environ.get(_MADE_AHEAD) != "True":
        return
    manager: Any = get_comm_manager()

    def opened(comm: Any, message: Any) -> None:
        manager.register_target(_TARGET, Widget.handle_control_comm_opened)
        try:
            begin_again()
        finally:
            Widget.handle_control_comm_opened(comm, message)

    manager.register_target(_TARGET, opened)
