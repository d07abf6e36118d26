"""The sections of the one page: each step with its preview, its Apply and its check.

A section opens when the step before it is done, and folds to one line when it is done itself.
Opening one never moves the focus and never applies anything.
"""

from __future__ import annotations

import html
from functools import cached_property
from typing import TYPE_CHECKING, Any

import ipywidgets

from rwlib.display import page_parts, show_note
from rwlib.steps import STEPS, VERIFY, State
from rwlib.widgets.downloads import DownloadsPanel
from rwlib.widgets.panel import fill, marked, note, page, style
from rwlib.widgets.panels import (
    ApplyPanel,
    GuidePanel,
    PreviewPanel,
    ProgressPanel,
    together,
)
from rwlib.widgets.step_states import anchor_of
from rwlib.widgets.tear_down import TearDownPanel
from rwlib.widgets.verdicts import VerdictPanel, checks_of, summary_of

if TYPE_CHECKING:
    from rwlib.widgets.guide_state import Guide

CHECKS = {
    1: ("policy_documents", "requests_allowed", "requests_refused"),
    2: ("role_exists", "policy_attached", "boundary"),
    3: ("trust_principal", "trust_conditions", "trust_deny", "trust", "redshift_trust"),
    4: ("allowed_principal",),
    5: ("sql_options",),
    VERIFY: (),
}


class StartPanel(ProgressPanel):
    """The line of all steps with the button that looks at everything."""

    def __init__(self, guide: Guide) -> None:
        super().__init__(guide)
        self.button = ipywidgets.Button(
            description="Preview", button_style="primary", tooltip="Reads only; writes nothing"
        )
        self.button.on_click(self._clicked)
        self.why = page()
        self.box.children = [style(), self.button, self.why, self.line]
        self.refresh()

    def refresh(self) -> None:
        """Show the state of every step, and what is missing for a preview."""
        super().refresh()
        if hasattr(self, "why"):
            guide = self.guide
            self.button.disabled = bool(guide.errors)
            said = "; ".join(guide.blockers) if guide.waits else ""
            body = note(said, "bad" if guide.problem else "")
            # What was pressed folds away with what was read; what goes on is the button here.
            fill(self.why, body + str(page_parts().scroll_here()) if guide.halted else body)

    def _clicked(self, button: Any) -> None:
        with self.busy("Looking at AWS …"):
            self.work(self.guide.look_as_asked, self.why, self.button)


class SectionPanel(GuidePanel):
    """One step on the page that has them all.

    Parameters
    ----------
    number
        1 to 5, or 6 for the verification with its picture.
    """

    def __init__(self, guide: Guide, number: int) -> None:
        super().__init__(guide, follows=False)
        self.number = number
        self.head = page()
        self.fold = ipywidgets.ToggleButton(value=False, description="Show")
        self.fold.observe(self._folded, names="value")
        self.parts: list[Any] = []
        self.body = ipywidgets.VBox()
        self.box.children = [style(), self.head, self.fold, self.body]
        guide.listen(self.refresh)
        self.refresh()

    @cached_property
    def verdict(self) -> VerdictPanel:
        """The step's checks."""
        ids, picture = CHECKS[self.number], self.number == VERIFY
        return VerdictPanel(self.guide, ids, picture=picture, step=self.number, follows=False)

    @cached_property
    def preview(self) -> PreviewPanel:
        """What the step would change."""
        return PreviewPanel(self.guide, (self.number,), follows=False)

    @cached_property
    def apply(self) -> ApplyPanel:
        """The one click that writes it."""
        made = ApplyPanel(self.guide, self.number, follows=False)
        made.result.observe(lambda change: self._draw(), names="value")
        return made

    def _unfold(self) -> None:
        """Make what is inside, the first time that it is seen."""
        if not self.parts:
            step = [] if self.number == VERIFY else [self.preview, self.apply]
            self.parts = [*step, self.verdict]
            self.body.children = [each.box for each in self.parts]

    @property
    def open(self) -> bool:
        """True when the section shows more than its line."""
        state = self.guide.state_of(self.number).state
        if self.number == VERIFY and self.guide.refused_check is not None:
            return True
        if self.guide.waits or state is State.INIT:
            return False
        if state is State.SUCCESS and self.number != VERIFY:
            return bool(self.fold.value)
        return True

    @property
    def done(self) -> bool:
        """True when the step is folded to its line."""
        guide, state = self.guide, self.guide.state_of(self.number).state
        return state is State.SUCCESS and self.number != VERIFY and not guide.waits

    def refresh(self) -> None:
        """Open or fold the section as its step stands."""
        if not self.done and self.fold.value:
            self.fold.value = False  # what was opened by hand folds again when it is done again
        for each in self.parts:
            each.refresh()
        self._draw()

    def _draw(self) -> None:
        """Show the section's line, and what is inside where it is open."""
        state, done = self.guide.state_of(self.number), self.done
        if self.open:
            self._unfold()
        self.fold.layout.display = "" if done else "none"
        self.body.layout.display = "" if self.open else "none"
        title = f"Step {self.number}: {STEPS[self.number]}" if self.number in STEPS else "Verdict"
        rest = state.sentence
        if done:
            said = self.apply.result.text if self.parts else ""
            rest += f". {self._verdict()} {said}".rstrip()
        said = f"{state.state.face} {state.state.word}; {rest}"
        fill(
            self.head,
            f'<p id="{anchor_of(self.number)}" class="rw-section rw-s-{state.state.value}">'
            f"<strong>{html.escape(state.state.face)} {state.state.word}:</strong> "
            f"<span>{marked(rest)}</span></p>",
        )
        shown = [each.shown for each in self.parts] if self.open else []
        self.show(together([show_note(f"{title}: {said}"), *shown]))

    def _verdict(self) -> str:
        checks = checks_of(self.guide, CHECKS[self.number], self.number)
        failed = sum(each.status == "fail" for each in checks)
        return summary_of(checks, failed, self.guide.planned_for(self.number))[0] if checks else ""

    def _folded(self, change: Any) -> None:
        self.fold.description = "Hide" if change["new"] else "Show"
        self._draw()


class TakeBackPanel(GuidePanel):
    """The end of the page: the files to take away, and tear-down behind a question."""

    def __init__(self, guide: Guide) -> None:
        super().__init__(guide)
        self.ask = ipywidgets.ToggleButton(
            value=False,
            description="Take it all back …",
            tooltip="Show what would be deleted; nothing is deleted before you confirm it",
        )
        self.ask.observe(self._asked, names="value")
        self.inside, self.said = ipywidgets.VBox([]), page()
        self.panel: TearDownPanel | None = None
        self.downloads = DownloadsPanel(guide)
        self.box.children = [style(), self.downloads.box, self.ask, self.said, self.inside]
        self.refresh()

    def _make(self) -> None:
        self.panel = TearDownPanel(self.guide)

    def refresh(self) -> None:
        """Offer it as soon as there is something to look at."""
        self.ask.disabled = bool(self.guide.errors)
        self.show(show_note("Nothing is taken back until you ask for it."))

    def _asked(self, change: Any) -> None:
        if change["new"] and self.panel is None:
            self.work(self._make, self.said, self.ask)
        self.inside.children = [self.panel.box] if change["new"] and self.panel else []
