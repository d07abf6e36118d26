"""The panels of a notebook: progress, place, preview, apply.

Each shows the guide's state and hands its clicks to the guide. A click is answered at once, and
a second one while the first is worked on does nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ipywidgets

from rwlib.display import (
    Shown,
    page_parts,
    show_caller,
    show_note,
    show_progress,
    show_sql,
    show_step,
)
from rwlib.environment import AWS, SANDBOX
from rwlib.errors import RunbookError
from rwlib.steps import State
from rwlib.widgets.fields import label_of
from rwlib.widgets.panel import Panel, fill, note, page, shared_look, style
from rwlib.widgets.sql_fields import SqlFields
from rwlib.widgets.step_states import next_link, step_links

if TYPE_CHECKING:
    from rwlib.aws import Call
    from rwlib.runbook import Runbook
    from rwlib.steps import Step
    from rwlib.widgets.guide_state import Guide


SOMEBODY_ELSE = "Nothing was left to write: somebody else did it after the preview."


class GuidePanel(Panel):
    """A panel that follows a guide.

    Parameters
    ----------
    follows
        False for a panel that another one refreshes.
    """

    button: ipywidgets.Button

    def __init__(self, guide: Guide, *, follows: bool = True) -> None:
        super().__init__(guided=guide.guided)
        self.guide = guide
        self.says_stored, guide.has_panels = not guide.has_panels, True
        self.brings_style = self.says_stored  # for all panels after it, too
        if guide.guided and follows:
            guide.listen(self.refresh)

    def refresh(self) -> None:
        """Show the guide's state."""

    def work(
        self, do: Callable[[], Any], where: ipywidgets.HTML, control: Any = None, place: Any = None
    ) -> None:
        """Do what a click asks for; what it waits for is said below the control, with a Stop.

        Parameters
        ----------
        where
            Shows an error, and what was stopped.
        place
            The box around the control; the panel's own by default.
        """
        said = self.guide.attend(
            lambda: guarded(do, where), self.box if place is None else place, control
        )
        if said:
            say(where, said, "bad")

    @contextmanager
    def busy(self, words: str) -> Iterator[None]:
        """Close the panel's button for a while, and say on it what goes on."""
        button = self.button
        said, button.description, button.disabled = button.description, words, True
        try:
            yield
        finally:
            button.description, button.disabled = said, bool(self.guide.errors)


class Message(ipywidgets.HTML):  # type: ignore[misc]
    """What a click did, shown until something else is found or done.

    A message belongs to the state that made it: the guide's revision.
    """

    def __init__(self, guide: Guide) -> None:
        super().__init__(**shared_look(ipywidgets.HTML))
        self._guide, self._revision = guide, -1
        self.text = ""

    def say(self, text: str, kind: str = "") -> None:
        """Say it about the state as it is now."""
        self.say_html(note(text, kind), text)

    def say_html(self, body: str, text: str = "") -> None:
        """Show a part of the page about the state as it is now."""
        self._revision, self.text = self._guide.revision, text
        fill(self, body)

    def grow_old(self) -> bool:
        """Clear what was said about an earlier state; say whether there was something."""
        old = bool(self.value) and self._revision != self._guide.revision
        if old:
            self.text = ""
            fill(self, "")
        return old


class ProgressPanel(GuidePanel):
    """The line of all steps, and where the calls go."""

    def __init__(self, guide: Guide) -> None:
        super().__init__(guide)
        self.line = page()
        self.box.children = [style(), self.line]
        guide.home = guide.home or self.box
        self.refresh()

    def refresh(self) -> None:
        """Show the state of every step."""
        guide = self.guide
        links = step_links(guide.acting)
        fill(self.line, str(page_parts().progress(guide.states, guide.step, guide.place, links)))
        self.show(show_progress(guide.states, guide.step, guide.place))


class PlacePanel(GuidePanel):
    """The choice between the sandbox and a real account, where there is one."""

    def __init__(self, guide: Guide) -> None:
        super().__init__(guide)
        self.who = page()
        children: list[Any] = [style()]
        if guide.switch:
            self.buttons = ipywidgets.RadioButtons(
                options=[
                    ("Sandbox on this machine: nothing real is touched", SANDBOX),
                    ("AWS: the account of your credentials", AWS),
                ],
                value=guide.switch.chosen,
                description="Work in",
                layout=ipywidgets.Layout(width="auto"),
            )
            self.buttons.observe(self._chosen, names="value")
            children.append(self.buttons)
        self.box.children = [*children, self.who]
        self.refresh()

    def _chosen(self, change: Any) -> None:
        self.guide.choose_place(change["new"])

    def refresh(self) -> None:
        """Say who the calls are made as."""
        guide = self.guide
        caller, why = guide.caller
        if guide.waits:
            text = f"Asking as {caller}." if caller else why
            shown = show_note(text, "" if caller else "bad")
            fill(self.who, note(text, "" if caller else "bad"))
        else:
            shown = show_caller(guide.runbook)
            fill(self.who, shown.html)
        self.show(shown)


class ViewPanel(GuidePanel):
    """Something that is shown of the runbook as soon as there is one.

    Parameters
    ----------
    view
        Makes what is shown; calls nothing that writes.
    """

    def __init__(self, guide: Guide, view: Callable[[Runbook], Shown]) -> None:
        super().__init__(guide)
        self.view = view
        self.body = page()
        self.box.children = [style(), self.body]
        self.refresh()

    def refresh(self) -> None:
        """Show it, or what is missing for it."""
        guide = self.guide
        text = "; ".join(guide.blockers) if guide.waits else ""
        shown = show_note(text) if text else self.view(guide.runbook)
        fill(self.body, note(text) if text else shown.html)
        self.show(shown)


class PreviewPanel(GuidePanel):
    """What the step would change, as a reviewer wants to see it."""

    def __init__(self, guide: Guide, numbers: tuple[int, ...], *, follows: bool = True) -> None:
        super().__init__(guide, follows=follows)
        self.numbers = numbers
        self.button = ipywidgets.Button(description="Preview", tooltip="Look at AWS again")
        self.button.on_click(self._clicked)
        self.body = page()
        self.options = SqlFields(guide) if 5 in numbers else None
        fields = [self.options.box] if self.options else []
        self.box.children = [style(), self.button, *fields, self.body]
        self.refresh()

    def _clicked(self, button: Any) -> None:
        with self.busy("Looking at AWS …"):
            self.work(self.guide.look_as_asked, self.body, self.button)

    def refresh(self) -> None:
        """Show the preview, or what is missing for one."""
        guide = self.guide
        if self.options:
            self.options.refresh()
        self.button.disabled = bool(guide.errors)
        if guide.waits:
            shown = show_note("; ".join(guide.blockers), "bad" if guide.problem else "")
            fill(self.body, note("; ".join(guide.blockers), "bad" if guide.problem else ""))
        else:
            steps = [guide.runbook.steps[number] for number in self.numbers]
            refused = [
                str(guide.runbook.refused[n]) for n in self.numbers if n in guide.runbook.refused
            ]
            shown = together(
                [*map(show_step, steps), *(show_note(each, "bad") for each in refused)]
            )
            html = "".join(str(page_parts().step(step.to_dict(), True)) for step in steps)
            html += "".join(note(each, "bad") for each in refused)
            html += self._as_it_stands()
            fill(self.body, html + self._sql())
            shown = shown + show_sql(guide.runbook.sql) if 5 in self.numbers else shown
        self.show(shown)

    def _as_it_stands(self) -> str:
        """Show the trust policy that Step 3 refuses to change."""
        situation = self.guide.runbook.situation
        refused = 3 in self.numbers and 3 in self.guide.runbook.refused
        if not refused or situation is None or situation.trust_policy is None:
            return ""
        text = json.dumps(situation.trust_policy, indent=2)
        block = page_parts().block(text, "the trust policy as it stands")
        return f"<p>The trust policy as it stands:</p>{block}"

    def _sql(self) -> str:
        if 5 not in self.numbers:
            return ""
        sql = self.guide.runbook.sql
        rows = [{"connector": e.connector, "sql": e.sql, "notes": list(e.notes)} for e in sql]
        return str(page_parts().sql_list(rows, True))


class ApplyPanel(GuidePanel):
    """The one click that writes what was previewed, and what it did.

    Parameters
    ----------
    step
        The step that is applied; the notebook's own when none is given.
    """

    def __init__(self, guide: Guide, step: int = 0, *, follows: bool = True) -> None:
        super().__init__(guide, follows=follows)
        self.step = step or guide.step
        self.button = ipywidgets.Button(description="Apply", button_style="primary")
        self.button.on_click(self._clicked)
        self.why, self.next = page(), page()
        self.result = Message(guide)
        line = ipywidgets.HBox([self.button, self.next])
        self.box.children = [style(), line, self.why, self.result]
        self.done: list[Step] = []
        self.refresh()

    @property
    def by_hand(self) -> bool:
        """True when a person does this step in a console and says so here."""
        guide = self.guide
        return not guide.waits and bool(guide.runbook.steps[self.step].instructions)

    def refresh(self) -> None:
        """Show whether Apply can be clicked, and why not."""
        guide, state = self.guide, self.guide.state_of(self.step).state
        if self.result.grow_old():
            self.done = []
        fill(self.next, next_link(self.step) if state is State.SUCCESS and guide.step else "")
        reasons = list(guide.blockers_of(self.step))
        if self.by_hand:
            self._refresh_by_hand(reasons)
            return
        count = 0 if reasons else len(guide.pending(self.step).get(self.step, []))
        what = "1 change" if count == 1 else f"{count} changes"
        place = " in the real account" if guide.place.real else ""
        self.button.description = f"Apply {what}{place}" if count else "Apply"
        self.button.button_style = "warning" if guide.place.real and count else "primary"
        if state is State.ACTIVE:
            self.button.description = "Applying …"
            reasons = []
        elif not reasons and state is State.SUCCESS:
            reasons = [] if self.done else ["Nothing to apply: AWS shows it as asked for"]
        elif not reasons and self.step == 5 and state is State.READY:
            reasons = [f"Copy the SQL above and run it, or tick: {label_of('run_sql')}"]
        elif not reasons and state is State.FAIL and self.guide.failure:
            reasons = ["Mend what is said below, then press Preview"]
        elif not reasons and state is State.READY:
            reasons = ["Press Preview first"]
        elif not reasons and count:
            reasons = [f"Writes {what} for {self._for_whom()}"]
        self.button.disabled = state is not State.CONFIGURED
        fill(self.why, note(". ".join(reasons)))
        self.show(self._twin_of(reasons))

    def _for_whom(self) -> str:
        runbook = self.guide.runbook
        target = runbook.target
        if self.step in (4, 5):
            return f"the cluster {target.cluster_id or 'of RW_DSN'} and role {target.role_name}"
        return f"role {target.role_name} in account {runbook.aws.account_id}"

    def _refresh_by_hand(self, reasons: list[str]) -> None:
        said = str(self.guide.values.get("allowed_principal_confirmed_by") or "")
        self.button.description = "Record that I added it"
        done = self.guide.state_of(self.step).state is State.SUCCESS
        if not reasons and not said:
            reasons = ["Add the role in the console, then write your name into the form above"]
        elif done:
            reasons = [f"{said} says that the role is listed; nobody looked"]
        self.button.disabled = done or bool(reasons)
        fill(self.why, note(". ".join(reasons)))
        self.show(self._twin_of(reasons))

    def _twin_of(self, reasons: list[str]) -> Shown:
        parts = [show_step(step) for step in self.done]
        text = ". ".join(reasons) or ("" if parts else "Nothing has been written yet.")
        parts += [show_note(text)] if text else []
        return together(parts)

    def _clicked(self, button: Any) -> None:
        if self.by_hand:
            self.work(self.guide.look, self.result, self.button)
            return
        # A second click that was on its way while the first was worked on finds another state.
        if self.guide.state_of(self.step).state is not State.CONFIGURED:
            return
        self.work(self._apply, self.result, self.button)

    def _apply(self) -> None:
        calls: list[str] = []

        def progress(call: Call) -> None:
            word = "wrote" if call.writes else "read"
            calls.append(f"{word} {call.service} {call.operation.replace('_', ' ')}")
            self.result.say(f"{len(calls)} calls, the last: {calls[-1]}")

        self.done = self.guide.write((self.step,), progress=progress)
        made = [c.sentence for step in self.done for c in step.changes if c.applied or not c.writes]
        if self.guide.failure:
            self.result.say(". ".join([*made, self.guide.failure]), "bad")
        elif self.done and not any(c.applied for step in self.done for c in step.changes):
            self.result.say(f"{SOMEBODY_ELSE} " + ". ".join(made) + ".", "good")
        else:
            self.result.say("Done. " + ". ".join(made) + ".", "good")
        self.refresh()


def guarded(do: Callable[[], Any], where: ipywidgets.HTML) -> None:
    """Do what a click asks for; an error is shown where the person looks.

    What a callback raises reaches nobody but the server's log.
    """
    try:
        do()
    except RunbookError as error:
        say(where, str(error), "bad")
    except Exception as error:
        say(where, f"{type(error).__name__}: {error}", "bad")
        raise


def say(where: ipywidgets.HTML, text: str, kind: str = "") -> None:
    """Say something where a panel has its place for it."""
    if isinstance(where, Message):
        where.say(text, kind)
    else:
        fill(where, note(text, kind))


def together(parts: Any) -> Shown:
    """Join what is shown one below the other."""
    joined = Shown("", "")
    for part in parts:
        joined = part if not joined.text else joined + part
    return joined
