"""What can be taken away from the page: the report, the documents, the SQL, and the hand-over.

The files are made when somebody asks for them, from what the page knows then, and travel inside
the links: nothing is served, and nothing is kept beside the run's own folder.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import ipywidgets

from rwlib.display import page_parts, show_export, show_note
from rwlib.errors import RunbookError
from rwlib.widgets.panel import fill, note, page, style
from rwlib.widgets.panels import GuidePanel, Message

if TYPE_CHECKING:
    from rwlib.widgets.guide_state import Guide

EXPLAINED = (
    "The report and the documents, to keep or to send; and for somebody without rights in IAM one "
    "page for the administrator of the AWS account and one for the owner of the RisingWave cluster."
)
EXPORTED = (
    "The same set-up as files for Terraform, CloudFormation and the AWS CLI, where a page may not "
    "write IAM; `rwlib export --target FILE --format terraform --out FOLDER` writes them."
)
_KINDS = {"html": "text/html", "json": "application/json", "sql": "application/sql"}


class FilesPanel(GuidePanel):
    """A button that makes files of the inputs, what it is for, and below it what it made."""

    def __init__(self, guide: Guide, label: str, explained: str) -> None:
        super().__init__(guide)
        self.explained = explained
        self.files: dict[str, tuple[str, str]] = {}
        self.button = ipywidgets.Button(description=label, tooltip=explained)
        self.button.on_click(self._clicked)
        self.why = page()
        self.body = Message(guide)
        self.box.children = [style(), self.button, self.why, self.body]
        self.refresh()

    def refresh(self) -> None:
        """Open the button as soon as the inputs are right; what was made of earlier ones goes."""
        if self.body.grow_old():
            self.files = {}
        self.button.disabled = bool(self.guide.errors)
        text = "; ".join(self.guide.blockers) if self._waits() else self.explained
        fill(self.why, note(text))
        self.show(show_note(text))

    def _waits(self) -> bool:
        return bool(self.guide.errors)

    def _clicked(self, button: Any) -> None:
        with self.busy("Making the files …"):
            self.work(self._make, self.body, self.button)

    def _make(self) -> None:
        raise NotImplementedError


class DownloadsPanel(FilesPanel):
    """One click makes the files; then each has a link.

    The pages to hand over need the inputs alone, so that they are there also where AWS refuses.
    """

    def __init__(self, guide: Guide) -> None:
        super().__init__(guide, "Make the files", EXPLAINED)

    def _make(self) -> None:
        guide = self.guide
        self.files = files_of_the_run(guide) if not guide.waits else {}
        said = ""
        try:
            self.files |= files_to_hand_over(guide)
        except RunbookError as error:
            said = note(f"No pages to hand over: {error}", "bad")
        rows = [(name, what, _address(name, text)) for name, (text, what) in self.files.items()]
        self.body.say_html(said + str(page_parts().downloads(rows)), ", ".join(self.files))


class ExportPanel(FilesPanel):
    """One click shows the set-up as files for Terraform, CloudFormation and the AWS CLI.

    What is there already is looked at then, and not with every key that is pressed.
    """

    def __init__(self, guide: Guide) -> None:
        super().__init__(guide, "Show the files", EXPORTED)

    def _waits(self) -> bool:
        return self.guide.waits

    def _make(self) -> None:
        guide = self.guide
        if guide.waits:
            guide.look()
        if not guide.waits:
            shown = show_export(guide.runbook)
            self.body.say_html(shown.html, shown.text)
            self.show(shown)


def files_of_the_run(guide: Guide) -> dict[str, tuple[str, str]]:
    """Return the report, the documents and the SQL by name, each with what it is."""
    from rwlib.report import render_html
    from rwlib.steps import ChangeSubject

    runbook = guide.runbook
    report = runbook.finish()
    files = {
        "report.html": (render_html(report), "every verdict with its evidence, to read"),
        "report.json": (_json(report), "the same for programs"),
        "permission-policy.json": (_json(runbook.policy_document), "Step 1's policy"),
    }
    trust = next(
        (
            change.after
            for change in runbook.steps[3].changes
            if change.resource is ChangeSubject.TRUST_POLICY
        ),
        None,
    )
    if trust:
        files["trust-policy.json"] = (_json(trust), "Step 3's trust policy")
    if runbook.sql:
        sql = "\n\n".join(f"-- {each.connector}\n{each.sql}" for each in runbook.sql)
        files["risingwave.sql"] = (f"{sql}\n", "Step 5's statements")
    return files


def files_to_hand_over(guide: Guide) -> dict[str, tuple[str, str]]:
    """Return the two pages by name, each with whom it is for.

    Raises
    ------
    RunbookError
        The inputs leave something open that nobody may look up.
    """
    from rwlib.export import export_plan
    from rwlib.report import hand_over
    from rwlib.target import Target

    target = Target.model_validate({**guide.values, "apply": False})
    account = guide.runbook.aws.account_id if guide.runbook_is_open else ""
    try:
        plan = export_plan(target, account_id=account)
    except RunbookError:
        plan = export_plan(target, offline=True, account_id=account)
    aws, risingwave = hand_over(plan).items()
    return {
        aws[0]: (aws[1], "to the administrator of the AWS account: documents, exports, what it "
                 "allows and what not"),
        risingwave[0]: (risingwave[1], "to the owner of the RisingWave cluster: the role's ARN, "
                        "the clicks of Step 4, the SQL"),
    }  # fmt: skip


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=str) + "\n"


def _address(name: str, text: str) -> str:
    kind = _KINDS[name.rpartition(".")[2]]
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"
