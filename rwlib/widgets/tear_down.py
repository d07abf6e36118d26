"""Taking back what was made, with its preview and its one click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from rwlib.display import show_note, show_tear_down
from rwlib.widgets.panel import fill, note, page, style
from rwlib.widgets.panels import GuidePanel, Message, guarded

if TYPE_CHECKING:
    from rwlib.widgets.guide_state import Guide


class TearDownPanel(GuidePanel):
    """What is taken back, the click that does it, and what is left."""

    def __init__(self, guide: Guide) -> None:
        super().__init__(guide)
        self.preview = page()
        self.button = ipywidgets.Button(description="Take it back", button_style="warning")
        self.button.on_click(self._clicked)
        self.result = Message(guide)
        self.box.children = [style(), self.preview, self.button, self.result]
        self.left: Any = None
        self.refresh()

    def refresh(self) -> None:
        """Preview what would be taken back."""
        guide = self.guide
        self.result.grow_old()
        if guide.waits:
            text = "; ".join(guide.blockers)
            self.left, self.button.disabled = None, True
            fill(self.preview, note(text, "bad" if guide.problem else ""))
            self.show(show_note(text))
            return
        guarded(self._look, self.result)

    def _look(self) -> None:
        runbook = self.guide.runbook
        runbook.target = runbook.target.model_copy(update={"apply": False})
        runbook.aws.forget()
        self.left = runbook.tear_down()
        shown = show_tear_down(self.left)
        self.button.disabled = not self.left.changes
        fill(self.preview, shown.html)
        self.show(shown)

    def _clicked(self, button: Any) -> None:
        if self.left is None or not self.left.changes:
            return
        self.left, self.button.disabled = None, True
        self.result.say("Taking it back …")
        self.work(self._take_back, self.result, self.button)

    def _take_back(self) -> None:
        runbook = self.guide.runbook
        runbook.target = runbook.target.model_copy(update={"apply": True})
        self.guide.written += 1
        done = runbook.tear_down()
        self.guide.look()
        self.result.say_html(show_tear_down(done).html)
