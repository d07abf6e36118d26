"""`runbook.ipynb`: all steps in one kernel, as a page for a person and as a run for papermill.

Headless nothing of the widgets is loaded; a cell does what it says and shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rwlib.widgets.guided import is_guided

if TYPE_CHECKING:
    from rwlib.display import Shown
    from rwlib.runbook import Runbook
    from rwlib.widgets.notebook_guide import NotebookGuide

FORM = ("cluster_id", "workload_identity_arn", "bucket", "prefix", "connectors", "role_name")


class HeadlessPage:
    """The page without a person: every cell does its part and shows it."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        from rwlib.runbook import Runbook

        self.runbook: Runbook = Runbook.start(parameters)

    def who(self) -> Shown:
        """Show who the calls are made as, and where."""
        from rwlib.display import show_caller

        return show_caller(self.runbook)

    def inputs(self) -> None:
        """Show nothing: the parameters stand above."""

    def plan(self) -> Shown:
        """Look at what is there and judge the plan; writes nothing."""
        from rwlib.display import show_checks

        self.runbook.look()
        return show_checks(self.runbook.checks)

    def section(self, number: int) -> Shown:
        """Do a step as far as ``apply`` says, and show what it changes."""
        from rwlib.display import show_document, show_sql, show_step

        step = self.runbook.run_step(number)
        if number == 5:
            return show_sql(self.runbook.sql)
        shown = show_step(step)
        return show_document(self.runbook.policy_document) + shown if number == 1 else shown

    def verdict(self) -> Any:
        """Judge every hop and show the chain, the checks and the access map."""
        from IPython.display import display

        from rwlib.display import show_access_map, show_chain, show_checks

        self.runbook.verify()
        show: Any = display
        show(show_chain(self.runbook))
        show(show_checks(self.runbook.checks))
        return show_access_map(self.runbook)

    def export(self) -> Shown:
        """Say how the set-up is had as files; the page shows them."""
        from rwlib.display import TOOLS, show_note

        ways = "|".join(TOOLS)
        return show_note(
            f"rwlib export --target FILE --format {ways} writes this set-up as files; on the page "
            "they are shown here."
        )

    def finish(self) -> None:
        """Write the report and show its headline.

        Raises
        ------
        CheckFailedError
            A check failed; the report is written all the same.
        """
        from IPython.display import display

        from rwlib.display import show_note

        show: Any = display
        show(show_note(str(self.runbook.finish()["headline"])))
        self.runbook.require()


class GuidedPage:
    """The page with a person before it: one guide, and a panel for every cell."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    @cached_property
    def guide(self) -> NotebookGuide:
        """The one guide of all panels."""
        from rwlib.steps import STEPS
        from rwlib.widgets.notebook_guide import NotebookGuide
        from rwlib.widgets.opened import when_opened

        guide = NotebookGuide(self._parameters, acting=tuple(STEPS), tolerant=False, guided=True)
        when_opened(guide.close, guide.begin_again)
        return guide

    def who(self) -> Any:
        """Show the choice between the sandbox and a real account, and who asks."""
        return self.guide.place_choice()

    def inputs(self) -> Any:
        """Show the inputs, once for all steps."""
        return self.guide.form(*FORM)

    def plan(self) -> Any:
        """Show how far every step is, with the button that looks at everything."""
        from rwlib.widgets.sections import StartPanel

        return StartPanel(self.guide)

    def section(self, number: int) -> Any:
        """Show a step: its preview, its Apply and its check, or its line when it is done."""
        from rwlib.widgets.sections import SectionPanel

        return SectionPanel(self.guide, number)

    def verdict(self) -> Any:
        """Show the picture and the verdict of every hop."""
        return self.section(6)

    def export(self) -> Any:
        """Show the set-up as files for somebody else's pipeline."""
        from rwlib.widgets.downloads import ExportPanel

        return ExportPanel(self.guide)

    def finish(self) -> Any:
        """Offer the files to take away, and to take it all back."""
        from rwlib.widgets.sections import TakeBackPanel

        return TakeBackPanel(self.guide)


def page(parameters: Mapping[str, Any]) -> HeadlessPage | GuidedPage:
    """Return the page of `runbook.ipynb`, seeded from its parameters (its ``globals()``)."""
    return GuidedPage(parameters) if is_guided() else HeadlessPage(parameters)
