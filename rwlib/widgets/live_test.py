"""The button with which RisingWave itself assumes the role and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from rwlib.display import show_checks, show_note
from rwlib.widgets.panel import fill, note, page, style
from rwlib.widgets.panels import GuidePanel

if TYPE_CHECKING:
    from rwlib.widgets.guide_state import Guide

EXPLAINED = (
    "RisingWave creates a temporary source, which assumes the role and lists the prefix, and "
    "drops it again. This needs cluster_id with RWC_API_KEY and RWC_API_SECRET, or RW_DSN."
)


class LiveTestPanel(GuidePanel):
    """One click, and what RisingWave's answer says about STS and about S3."""

    def __init__(self, guide: Guide) -> None:
        super().__init__(guide)
        self.button = ipywidgets.Button(description="Let RisingWave try", tooltip=EXPLAINED)
        self.button.on_click(self._clicked)
        self.result = page()
        self.box.children = [style(), self.button, self.result]
        self.refresh()

    def refresh(self) -> None:
        """Open the button as soon as the inputs are complete."""
        self.button.disabled = self.guide.waits
        text = "; ".join(self.guide.blockers) if self.guide.waits else EXPLAINED
        fill(self.result, note(text))
        self.show(show_note(text))

    def _clicked(self, button: Any) -> None:
        self.button.disabled = True
        fill(self.result, note("RisingWave is trying …"))
        try:
            self.work(self._try, self.result, self.button)
        finally:
            self.button.disabled = self.guide.waits

    def _try(self) -> None:
        checks = self.guide.runbook.verify_by_risingwave()
        shown = show_checks([each for each in checks if each.id.startswith("live_")])
        fill(self.result, shown.html)
        self.show(shown)
