"""What a click waits for, said below it, with the button that ends the wait.

A kernel handles one message after the other, so that a click on Stop would be handled when there
is nothing left to stop. ipykernel 7 receives messages in a thread of its own; there the click is
heard before it has its turn. Where no such thread is, interrupting the kernel does the same.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets

from rwlib.waiting import SOON, Watch, watched
from rwlib.widgets.panel import fill, looking_alike, note, page

INTERRUPT = "To stop, interrupt the kernel."


class WaitLine:
    """The line that says what is waited for; seen only where a wait takes long."""

    def __init__(self) -> None:
        self.stop = looking_alike(ipywidgets.Button)
        self.stop.description, self.stop.tooltip = "Stop", "Wait no longer; send nothing more"
        self.stop.on_click(lambda pressed: self._stop())
        self.said = page()
        self.box = ipywidgets.HBox([self.stop, self.said])
        self.box.add_class("rw-waiting")
        self.text = ""
        self._watch: Watch | None = None

    @contextmanager
    def watching(
        self, show: Callable[[ipywidgets.Widget], None], *, soon: float = SOON
    ) -> Iterator[Watch]:
        """Show what the block waits for, and let a person stop it.

        Parameters
        ----------
        show
            Puts the line onto the page; called once, when a wait takes long.
        """
        hears = _listen(self.stop.comm, self._stop)
        self.text = ""

        def tell(sentence: str) -> None:
            self.box.layout.display = None
            self.text = sentence
            fill(self.said, note(sentence if hears else f"{sentence}. {INTERRUPT}"))
            if not shown:
                shown.append(True)
                show(self.box)

        shown: list[bool] = []
        with watched(tell, soon=soon) as self._watch:
            self.stop.description, self.stop.disabled = "Stop", False
            self.stop.layout.display = None if hears else "none"
            try:
                yield self._watch
            finally:
                self._watch = None

    def hide(self) -> None:
        """Show nothing where the line stands."""
        self.box.layout.display = "none"

    def _stop(self) -> None:
        watch = self._watch
        if watch is not None:
            watch.stop()


def put_below(box: ipywidgets.Box, control: Any, line: ipywidgets.Widget) -> None:
    """Put a line after a control, wherever in the box that stands; at the end without one."""
    place = _place_of(box, control) or box
    rest = [each for each in place.children if each is not line]
    at = rest.index(control) + 1 if control in rest else len(rest)
    place.children = [*rest[:at], line, *rest[at:]]


def take_out(box: ipywidgets.Box, line: ipywidgets.Widget) -> None:
    """Take a line out of a box, wherever it stands."""
    place = _place_of(box, line)
    if place is not None:
        place.children = [each for each in place.children if each is not line]


def _place_of(box: Any, wanted: Any) -> Any:
    for each in getattr(box, "children", ()):
        if each is wanted:
            return box
        found = _place_of(each, wanted)
        if found is not None:
            return found
    return None


_heard: dict[str, Callable[[], None]] = {}
_listening: list[Any] = []


def _listen(comm: Any, do: Callable[[], None]) -> bool:
    """Do something when a button is clicked, whatever the kernel is at; False where it cannot."""
    from IPython.core.getipython import get_ipython

    kernel: Any = getattr(get_ipython(), "kernel", None)
    if kernel is None:  # nobody clicks but a program, which calls the button itself
        return True
    receiving = getattr(kernel, "shell_channel_thread", None)
    stream = getattr(kernel, "shell_stream", None)
    if receiving is None or stream is None or comm is None:
        return False
    _heard[comm.comm_id] = do
    if kernel not in _listening:
        _listening.append(kernel)
        handle = kernel.shell_channel_thread_main

        async def received(message: Any) -> None:
            try:
                _hear(kernel.session, message)
            finally:
                await handle(message)

        receiving.io_loop.add_callback(lambda: stream.on_recv(received, copy=False))
    return True


def _hear(session: Any, message: Any) -> None:
    """Look whether a message is a click on a button that is listened to, and act on it.

    Source: Jupyter's messaging protocol, "The wire protocol": after the delimiter come signature,
    header, parent, metadata and content.
    """
    frames = [bytes(getattr(each, "bytes", each)) for each in message]
    start = frames.index(b"<IDS|MSG>") + 1
    signature, parts = frames[start], frames[start + 1 : start + 5]
    if b'"comm_msg"' not in parts[0]:
        return
    content = session.unpack(parts[3])
    do = _heard.get(content.get("comm_id", ""))
    data = content.get("data") or {}
    if do is None or (data.get("content") or {}).get("event") != "click":
        return
    if session.auth is None or hmac.compare_digest(session.sign(parts), signature):
        do()
