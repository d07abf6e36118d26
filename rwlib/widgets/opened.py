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


def when_opened(close: Callable[[], None], begin_again: Callable[[], None]) -> None:
    """Close a page that was made ahead when it is opened, and look again once it is shown.

    A page that opens asks its kernel first for the state of all widgets, over a line that it
    opens for that (``jupyter.widget.control``). It waits four seconds for the answer, which on a
    busy machine are fewer than a look at AWS takes; so the answer shows nothing of the earlier
    look, and the look comes after it.

    Parameters
    ----------
    close
        Takes what was seen earlier off the page; makes no call.
    begin_again
        Looks at everything again.
    """
    if os.environ.get(_MADE_AHEAD) != "True":
        return
    manager: Any = get_comm_manager()
    widget: Any = Widget

    def opened(comm: Any, message: Any) -> None:
        manager.register_target(_TARGET, widget.handle_control_comm_opened)
        try:
            close()
        finally:
            widget.handle_control_comm_opened(comm, message)
        answer = widget._handle_control_comm_msg

        def asked(question: Any) -> None:
            comm.on_msg(answer)
            answer(question)
            begin_again()

        comm.on_msg(asked)

    manager.register_target(_TARGET, opened)
