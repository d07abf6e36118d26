"""The verdict table: a row for every check, its evidence folded, and its "Fix it"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import ipywidgets

from rwlib.display import (
    Shown,
    facts_of,
    page_parts,
    show_access_map,
    show_chain,
    show_checks,
    show_note,
)
from rwlib.steps import VERIFY
from rwlib.verify import Check
from rwlib.widgets.panel import fill, note, page, style
from rwlib.widgets.panels import GuidePanel, Message, guarded, together

if TYPE_CHECKING:
    from rwlib.aws import Call
    from rwlib.widgets.downloads import DownloadsPanel
    from rwlib.widgets.guide_state import Guide


def step_that_fixes(check: Check) -> int:
    """Return the step of 1-4 that puts a failed check right, 0 when a person has to."""
    if check.status != "fail" or check.fixed_by not in (1, 2, 3, 4):
        return 0
    return check.fixed_by


def failures_first(checks: Iterable[Check]) -> list[Check]:
    """Return the checks with those that fail before all others, each in the order of the way."""
    return sorted(checks, key=lambda each: each.status != "fail")


class VerdictPanel(GuidePanel):
    """The verdict of every hop, from what AWS shows now.

    Parameters
    ----------
    ids
        Ids of the checks to show; all of them when none is given.
    picture
        Show the chain and the access map above the table.
    step
        The step that is judged; the notebook's own when none is given.
    """

    def __init__(
        self,
        guide: Guide,
        ids: tuple[str, ...],
        *,
        picture: bool,
        step: int = 0,
        follows: bool = True,
    ) -> None:
        super().__init__(guide, follows=follows)
        self.ids, self.picture, self.step = ids, picture, step or guide.step
        self.button = ipywidgets.Button(description="Check again", tooltip="Look at AWS again")
        self.button.on_click(self._clicked)
        self.summary, self.drawing, self.fix = page(), page(), Message(guide)
        self.rows = ipywidgets.VBox([])
        self.fix_buttons: dict[str, ipywidgets.Button] = {}
        self.apply_fix = ipywidgets.Button(description="Apply the fix", button_style="primary")
        self.apply_fix.layout.display = "none"
        self.apply_fix.on_click(self._fix)
        self._fixing: tuple[int, ...] = ()
        self.downloads: DownloadsPanel | None = None
        self.place = ipywidgets.VBox([self.fix, self.apply_fix])
        self.place.add_class("rw-fix-place")
        self.box.children = [
            style(), self.button, self.summary, self.place, self.drawing, self.rows
        ]  # fmt: skip
        if guide.step == VERIFY and not guide.waits:
            guide.judge()
        self.refresh()

    @property
    def checks(self) -> list[Check]:
        """The checks that the panel shows, those that fail first."""
        return checks_of(self.guide, self.ids, self.step)

    def refresh(self) -> None:
        """Show the verdicts, or what is missing for one."""
        guide = self.guide
        if guide.is_writing:
            return  # what is shown stays until something else is known
        self.button.disabled = bool(guide.errors)
        if self.fix.grow_old():
            self._fixing = ()
            self._put_fix(None)
            self.apply_fix.layout.display = "none"
        if guide.waits:
            self._show_nothing("; ".join(guide.blockers), bool(guide.problem))
            if guide.refused_check:
                self._show_refused(guide.refused_check)
            return
        failed = [each for each in self.checks if each.status == "fail"]
        planned = guide.planned_for(self.step)
        text, kind = summary_of(self.checks, len(failed), planned)
        fill(self.summary, note(text, kind))
        self._put_first(self.rows if failed else self.drawing)
        parts = [show_note(text), show_checks(self.checks)]
        if self.picture:
            drawn = show_chain(guide.runbook)
            grid = show_access_map(guide.runbook)
            fill(self.drawing, _drawing(guide))
            parts += [Shown(drawn.text, drawn.html), grid]
        self._lay_out_rows(planned)
        self.show(together(parts))

    def _put_first(self, first: ipywidgets.Widget) -> None:
        """Show what fails above the picture; where nothing fails the picture comes first."""
        parts = [self.drawing, self.rows]
        shown = [each for each in self.box.children if each in parts]
        if shown and shown[0] is not first:
            turned = iter(reversed(shown))
            self.box.children = [
                next(turned) if each in parts else each for each in self.box.children
            ]

    def _show_nothing(self, text: str, bad: bool) -> None:
        fill(self.summary, note(text, "bad" if bad else ""))
        fill(self.drawing, "")
        self.rows.children = []
        self.show(show_note(text))

    def _show_refused(self, check: Check) -> None:
        """Show the one hop that keeps all others from being looked at."""
        self.rows.children = [page(str(page_parts().verdict_table([check.to_dict()], True)))]
        self.show(together([self.shown, show_checks([check])]))

    def _lay_out_rows(self, planned: bool) -> None:
        """Put the checks into tables; a check that can be fixed here ends one with its button."""
        parts = page_parts()
        children: list[Any] = []
        group: list[dict[str, Any]] = []
        self.fix_buttons = {}
        for check in self.checks:
            number = 0 if planned else step_that_fixes(check)
            row = check.to_dict()
            if number:
                row["fix"] = f"press “Fix it” below: Step {number} puts this right"
            elif check.status == "fail" and check.fixed_by:
                row["fix"] = f"Step {check.fixed_by} puts this right when it is applied"
            group.append(row)
            if not number:
                continue
            children.append(page(str(parts.verdict_table(group, True, not children))))
            group = []
            button = ipywidgets.Button(
                description="Fix it", tooltip=f"Preview what Step {number} changes: {check.title}"
            )
            button.on_click(
                lambda pressed, number=number: guarded(
                    lambda: self._preview(number, pressed), self.fix
                )
            )
            self.fix_buttons[check.id] = button
            children.append(button)
        if group:
            children.append(page(str(parts.verdict_table(group, True, not children))))
        self.rows.children = children

    def _put_fix(self, below: ipywidgets.Button | None) -> None:
        """Open the fix below the button that was pressed; without one, below the summary."""
        rows = [each for each in self.rows.children if each is not self.place]
        rest = [each for each in self.box.children if each is not self.place]
        if below in rows:
            rows.insert(rows.index(below) + 1, self.place)
        else:
            rest.insert(rest.index(self.summary) + 1, self.place)
        self.box.children, self.rows.children = rest, rows

    def _preview(self, number: int, pressed: Any = None) -> None:
        pending = self.guide.pending(number)
        self._fixing = tuple(pending)
        steps = [self.guide.runbook.steps[each] for each in self._fixing]
        body = "".join(str(page_parts().step(step.to_dict(), True)) for step in steps)
        body = f"<h3>The fix</h3>{body}" if body else ""
        self.fix.say_html((body or note("Nothing is left to change.")) + _scroll_here())
        self._put_fix(pressed)
        self.apply_fix.layout.display = "" if body else "none"
        self.apply_fix.disabled = not body

    def _fix(self, button: Any) -> None:
        chosen, self._fixing = self._fixing, ()
        if not chosen:
            return
        self.apply_fix.disabled = True
        self.work(lambda: self._apply(chosen), self.fix, self.apply_fix, self.place)

    def _apply(self, chosen: tuple[int, ...]) -> None:
        def progress(call: Call) -> None:
            self.fix.say(f"working: {call.service} {call.operation.replace('_', ' ')}")

        done = self.guide.write(chosen, progress=progress)
        self.apply_fix.layout.display = "none"
        failure = self.guide.failure
        self._judge()
        if failure:
            self.fix.say_html(note(failure, "bad") + _scroll_here(), failure)
            return
        said = ". ".join(each.sentence for step in done for each in step.changes)
        said = f"Done. {said}."
        self.fix.say_html(note(said, "good") + _scroll_here(), said)

    def _judge(self) -> None:
        """Read everything again; only the verification leaves the plan out."""
        if self.step == VERIFY:
            self.guide.judge()
        else:
            self.guide.look()

    def _clicked(self, button: Any) -> None:
        with self.busy("Looking at AWS …"):
            self.work(self._judge, self.summary, self.button)


def checks_of(guide: Guide, ids: tuple[str, ...], step: int) -> list[Check]:
    """Return the checks with these ids, all where none is given, those that fail first."""
    found = guide.runbook.checks
    runs = [each for each in found if step == 5 and each.id.startswith("runs_")]
    return failures_first(each for each in found if not ids or each.id in ids or each in runs)


def summary_of(checks: list[Check], failed: int, planned: bool) -> tuple[str, str]:
    """Say in one sentence what the checks come to, and whether that is good or bad."""
    how = " of the plan" if planned else ""
    if len(checks) == 1:
        one = {"fail": "fails", "pass": "passes"}.get(checks[0].status, "could not be decided")
        said = f"The check{how} {'would pass' if planned and one == 'passes' else one}."
        kind = {"fail": "bad", "pass": "" if planned else "good"}.get(checks[0].status, "")
        return said, kind
    if failed:
        return f"{failed} of {len(checks)} checks{how} {'fails' if failed == 1 else 'fail'}.", "bad"
    depends = sum(each.reason == "depends_on_context" for each in checks)
    if depends:
        word = "depends" if depends == 1 else "depend"
        said = f"None of {len(checks)} checks{how} fails; {depends} {word} on what only "
        return f"{said}RisingWave's request shows.", ""
    unknown = sum(each.status in ("unknown", "manual") for each in checks)
    rest = f"; {unknown} could not be looked at or are taken on a person's word" if unknown else ""
    return f"None of {len(checks)} checks{how} fails{rest}.", "" if planned else "good"


def _scroll_here() -> str:
    """Return what brings a message into sight when it comes onto the page."""
    return str(page_parts().scroll_here())


def _drawing(guide: Guide) -> str:
    return str(page_parts().picture(facts_of(guide.runbook)))
