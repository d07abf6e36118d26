"""Notebook 07: an error text, pasted or from a file, into causes and fixes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets

from rwlib.diagnose import NOTHING, Watched, cause_title, diagnose, heading, worded
from rwlib.display import Shown, page_parts, show_note
from rwlib.report import template
from rwlib.runbook import LiveChecks
from rwlib.target import Target
from rwlib.widgets.guide_state import Guide
from rwlib.widgets.panel import fill, note, page, style
from rwlib.widgets.panels import GuidePanel

_ASK = "Paste what RisingWave or AWS said, then press Diagnose. It is sent nowhere."


class DiagnosisPanel(GuidePanel):
    """A place to paste an error, and what it means for this target.

    Parameters
    ----------
    log_file
        Read instead of what is pasted, when nothing is pasted.
    """

    def __init__(self, guide: Guide, log_file: str = "") -> None:
        super().__init__(guide)
        self.log_file = log_file
        self.text = ipywidgets.Textarea(
            placeholder=_ASK,
            description="Error text",
            layout=ipywidgets.Layout(width="100%", height="9rem"),
        )
        self.button = ipywidgets.Button(
            description="Diagnose", button_style="primary", tooltip="Reads only"
        )
        self.button.on_click(self._clicked)
        self.body = page()
        self.box.children = [style(), self.text, self.button, self.body]
        if guide.guided and not log_file:
            self.show(show_note(_ASK))
        else:
            self.look()

    def _clicked(self, button: Any) -> None:
        self.button.disabled = True
        self.button.description = "Looking …"
        try:
            self.work(self.look, self.body, self.button)
        finally:
            self.button.description = "Diagnose"
            self.button.disabled = False

    def look(self) -> None:
        """Diagnose what is pasted, else the file, else the live state alone."""
        guide = self.guide
        pasted = str(self.text.value).strip()
        source: Any = pasted.splitlines() or (Path(self.log_file) if self.log_file else None)
        # What keeps a step from writing, or AWS from being read, leaves the inputs usable.
        target = Target(**guide.values) if guide.guided and not guide.errors else None
        if not guide.guided:
            target = guide.runbook.target
        live = LiveChecks(target.model_dump()) if target is not None else None
        found = diagnose(source, target=target, live=live)
        nothing = NOTHING if found or source is None else Watched(source).nothing_found()
        shown = show_diagnoses((each.to_dict() for each in found), nothing)
        if live is not None and live.problem is not None:
            shown = shown + show_note(f"The live state could not be looked at: {live.problem}")
        if live is None:
            shown = shown + show_note("The form is not filled in: only the text was looked at.")
        fill(self.body, shown.html)
        self.show(shown)


def show_diagnoses(rows: Iterable[Mapping[str, Any]], nothing: str = NOTHING) -> Shown:
    """Show diagnoses: who, what, and the causes with evidence and fix."""
    found = [dict(row) for row in rows]
    lines = [line for each in found for line in worded(each)]
    parts: Any = template("diagnosis.html.j2").module
    body = str(parts.diagnoses(found, nothing, heading, cause_title))
    html = f'{page_parts().style()}<div class="rw">{body}</div>'
    return Shown("\n".join(lines) or note("nothing found"), html)
