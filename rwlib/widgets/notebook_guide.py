"""What a notebook's cells call: one method a cell, a panel where somebody can click."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rwlib.display import (
    Shown,
    show_access_map,
    show_caller,
    show_chain,
    show_checks,
    show_export,
    show_note,
    show_sql,
    show_step,
    show_tear_down,
)
from rwlib.errors import RunbookError
from rwlib.runbook import Runbook
from rwlib.steps import VERIFY
from rwlib.target import parameter_values
from rwlib.widgets.diagnosis import DiagnosisPanel
from rwlib.widgets.downloads import DownloadsPanel
from rwlib.widgets.form import TargetForm
from rwlib.widgets.guide_state import Guide, look_at
from rwlib.widgets.live_test import LiveTestPanel
from rwlib.widgets.panel import is_guided
from rwlib.widgets.panels import ApplyPanel, PlacePanel, PreviewPanel, ProgressPanel, ViewPanel
from rwlib.widgets.step_states import step_states
from rwlib.widgets.tear_down import TearDownPanel
from rwlib.widgets.verdicts import VerdictPanel

STEP_OF_OPTIONS = 5
FIELDS = ("cluster_id", "workload_identity_arn", "bucket", "prefix", "connectors", "role_name")
"""The inputs that nearly every step needs."""
FIELDS_OF_STEP = {
    4: ("cluster_id", "workload_identity_arn", "allowed_principal_confirmed_by"),
    STEP_OF_OPTIONS: ("connectors", "sql_options", "run_sql"),
}


class NotebookGuide(Guide):
    """The guide with what a notebook's cells call, one method a cell.

    Guided, each returns a panel and never raises for an ordinary mistake. Headless, each does
    what it says and raises `rwlib.errors.RunbookError` where the notebook must stop.
    """

    def progress(self) -> Any:
        """Show the line of all steps; headless, that needs the inputs and a look at AWS."""
        if not self.guided:
            runbook = self.runbook
            try:
                runbook.look()
            except RunbookError as error:
                if not self.tolerant:
                    raise
                self.problem = str(error)
            self.states = step_states(runbook, self.problem)
        return ProgressPanel(self)

    def form(self, *fields: str) -> TargetForm:
        """Show the inputs, seeded from the parameters.

        Parameters
        ----------
        fields
            Names of the inputs that stand above the others; those that the step needs by default.
        """
        fields = fields or FIELDS_OF_STEP.get(self.step, FIELDS)
        folded = self.guided and self.step > 0 and self.step != STEP_OF_OPTIONS
        made = TargetForm(
            self.values,
            fields,
            guided=self.guided,
            on_edit=lambda values: self.edit(values, came=made.edited_at),
            folded=folded,
            account=self.account,
        )
        if not self.guided:
            return made
        if made.values != self.values:  # what was detected while the form was made
            self.values = made.values
            self.look()

        seen = [self.written, self.begun]

        def follow() -> None:
            if self.is_writing:
                return
            if self.begun != seen[1]:
                made.begin_again(self.values)
            elif self.written != seen[0] and not self.waits:
                made.offer_roles_again()
            seen[:] = [self.written, self.begun]
            if made.values != self.values:
                made.replace(self.values)
            for name, problem in self.blamed.items():
                made.blame(name, problem)

        self.listen(follow)
        follow()
        return made

    def place_choice(self) -> Any:
        """Show who is asking, and the choice between the sandbox and a real account."""
        return PlacePanel(self) if self.guided else show_caller(self.runbook)

    def preview(self, *numbers: int) -> Any:
        """Show what this notebook's step, or the given ones, would change."""
        chosen = numbers or (self.step,)
        if self.guided:
            return PreviewPanel(self, chosen)
        steps = [self.runbook.preview(number) for number in chosen]
        shown = [show_step(step) for step in steps]
        shown += [show_sql(self.runbook.sql)] if 5 in chosen else []
        return _joined(shown)

    def show(self, view: Callable[[Runbook], Any]) -> Any:
        """Show a view of the runbook, such as `rwlib.display.show_access_map`."""
        return ViewPanel(self, view) if self.guided else view(self.runbook)

    def export(self) -> Any:
        """Show the set-up as files for Terraform, CloudFormation and the AWS CLI."""
        return self.show(show_export)

    def apply(self) -> Any:
        """Write what was previewed: with a click, or headless when ``apply`` is true."""
        if self.guided:
            return ApplyPanel(self)
        return show_step(self.runbook.run_step(self.step))

    def check(self, *ids: str, picture: bool = False) -> Any:
        """Show the verdicts; headless, a failed one raises after it was shown.

        Raises
        ------
        CheckFailedError
            Headless: names the first failing check and its fix.
        """
        if self.guided:
            panel = VerdictPanel(self, ids, picture=picture)
            if self.step == VERIFY:
                panel.downloads = DownloadsPanel(self)
                panel.box.children = [*panel.box.children, panel.downloads.box]
            return panel
        from IPython.display import display as show_now

        runbook, show = self.runbook, show_now
        if self.step == 6:
            runbook.verify_live()
        else:
            look_at(runbook)
        checks = runbook.checks
        chosen = [each for each in checks if not ids or each.id in ids]
        if picture:
            for each in (show_chain(runbook), show_access_map(runbook)):
                show(each)  # type: ignore[no-untyped-call]
        show(show_checks(chosen))  # type: ignore[no-untyped-call]
        if self.step == 6:
            runbook.finish()
        runbook.require_checks(*(each.id for each in chosen))
        return None

    def live(self) -> Any:
        """Offer to let RisingWave itself try; headless it is left to ``rwlib verify --live``."""
        if self.guided:
            return LiveTestPanel(self)
        return show_note("Not tried: `rwlib verify --live` lets RisingWave itself try.")

    def diagnosis(self, log_file: str = "") -> DiagnosisPanel:
        """Show a place to paste an error; a log file is read where nothing is pasted."""
        return DiagnosisPanel(self, log_file)

    def tear_down(self) -> Any:
        """Take back what was made: with a click, or headless when ``apply`` is true.

        Raises
        ------
        CheckFailedError
            Headless: something of ours is left.
        """
        if self.guided:
            return TearDownPanel(self)
        shown = show_tear_down(self.runbook.tear_down())
        self.runbook.require_torn_down(self.runbook.tear_down())
        return shown


def _joined(parts: list[Shown]) -> Shown:
    first, *rest = parts
    return sum(rest, first)


def guide(
    parameters: Mapping[str, Any],
    *,
    step: int = 0,
    tolerant: bool = False,
    guided: bool | None = None,
) -> NotebookGuide:
    """Return the guide of a notebook, seeded from its parameters (its ``globals()``)."""
    return NotebookGuide(parameters, step=step, tolerant=tolerant, guided=guided)


def form(parameters: Mapping[str, Any], *fields: str) -> TargetForm:
    """Show a form for the given fields, seeded from the notebook's parameters."""
    from rwlib.target import Target

    shown = fields or tuple(name for name in Target.model_fields if name != "apply")
    return TargetForm(parameter_values(parameters), shown, guided=is_guided())
