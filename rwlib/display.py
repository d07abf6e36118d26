"""What notebooks show: plain HTML beside plain text, readable in every viewer and offline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rwlib.report import template

if TYPE_CHECKING:
    from rwlib.environment import Destination
    from rwlib.runbook import Runbook
    from rwlib.steps import Step, StepState


@dataclass(frozen=True)
class Shown:
    """Something to display: HTML where it can be shown, text elsewhere."""

    text: str
    html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html

    def __add__(self, other: Shown) -> Shown:
        return Shown(f"{self.text}\n\n{other.text}", self.html + other.html)


def render(macro: str, *arguments: Any) -> str:
    """Return one of the page's parts as HTML, with its style."""
    parts = page_parts()
    body = str(getattr(parts, macro)(*arguments))
    return f'{parts.style()}<div class="rw">{body}</div>'


def page_parts() -> Any:
    """Return the macros that all pages are made of."""
    return template("parts.html.j2").module


def show_caller(runbook: Runbook) -> Shown:
    """Show who the calls are made as, and where."""
    import os

    identity = runbook.aws.caller_identity
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    where = f"sandbox or emulator at {endpoint}" if endpoint else "AWS: a real account"
    rows = {
        "Caller": identity.arn,
        "Account": identity.account_id,
        "Endpoint": where,
        "Target": f"s3://{runbook.target.bucket}/{runbook.target.prefix}",
        "Mode": "apply: changes are written" if runbook.target.apply else "preview: reads only",
    }
    return show_facts(rows)


def show_facts(rows: Mapping[str, str]) -> Shown:
    """Show names and values."""
    width = max(map(len, rows))
    text = "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())
    return Shown(text, render("facts", dict(rows)))


def show_step(step: Step, *, live: bool = False) -> Shown:
    """Show a step's changes: the documents side by side, the sentences and the calls."""
    lines = [f"Step {step.number} - {step.title}: {step.status}"]
    for change in step.changes:
        lines.append(f"  {change.sentence}")
        lines += [f"    calls {', '.join(change.calls)}"] if change.calls else []
        lines += [f"    {note}" for note in change.notes]
        diff = change.diff() if change.writes or change.applied else ""
        lines += [f"    {line}" for line in diff.splitlines()[2:]]
    lines += [f"  {number}. {line}" for number, line in enumerate(step.instructions, 1)]
    return Shown("\n".join(lines), render("step", step.to_dict(), live))


def show_checks(checks: Iterable[Any]) -> Shown:
    """Show the verdict table, evidence folded."""
    from rwlib.verify import status_words

    rows = [each.to_dict() for each in sorted(checks, key=lambda each: each.status != "fail")]
    said = [status_words(row["status"], planned=row["planned"]) for row in rows]
    longest = max(7, *(len(words) for words in said), 0)
    lines = []
    for row, words in zip(rows, said, strict=True):
        lines.append(f"{words:<{longest}}  {row['hop']:<18}  {row['title']}")
        if row["status"] != "pass":
            lines += [f"           {line}" for line in row["evidence"]]
            lines += [f"           Do: {row['fix']}"] if row["fix"] else []
            for paste in row["pastes"]:
                lines += [f"           {paste['what'].capitalize()}:", paste["text"]]
    return Shown("\n".join(lines), render("verdict_table", rows))


def show_sql(statements: Iterable[Any]) -> Shown:
    """Show the SQL of each connector with its notes."""
    rows = [{"connector": e.connector, "sql": e.sql, "notes": list(e.notes)} for e in statements]
    text = "\n\n".join(f"-- {row['connector']}\n{row['sql']}" for row in rows)
    return Shown(text, render("sql_list", rows))


def show_reasons() -> Shown:
    """Show why the recommended policy has each of its statements, by Sid."""
    from rwlib.steps import REASONS

    return show_facts(REASONS)


def show_document(document: Mapping[str, Any]) -> Shown:
    """Show a policy document, with the reason of each statement by its Sid."""
    import json

    from rwlib.steps import REASONS, statements_of

    text = json.dumps(document, indent=2)
    sids = [str(each.get("Sid", "")) for each in statements_of(document)]
    return Shown(
        text, render("document", text, {sid: REASONS[sid] for sid in sids if sid in REASONS})
    )


def show_tear_down(result: Any) -> Shown:
    """Show what is taken back and what is kept."""
    data = result.to_dict()
    lines = [change["sentence"] for change in data["changes"]]
    lines += [f"Kept {line}" for line in data["kept"]]
    return Shown("\n".join(lines) or "Nothing to take back.", render("tear_down", data))


def show_progress(
    states: Iterable[StepState], current: int = 0, place: Destination | None = None
) -> Shown:
    """Show the line of all steps, and where the calls go."""
    line = tuple(states)
    text = "\n".join(
        f"{'>' if each.number == current else ' '} {each.state.face} {each.title}: "
        f"{each.state.word}; {each.sentence}"
        for each in line
    )
    head = f"{place.title} {place.text}\n" if place else ""
    return Shown(head + text, render("progress", line, current, place))


def show_export(runbook: Runbook) -> Shown:
    """Show the set-up as files for each tool, folded; reads what is there and writes nothing.

    What keeps it from being exported is shown as a sentence.
    """
    from rwlib.errors import RunbookError
    from rwlib.export import FORMATS, export_plan, export_target

    try:
        plan = export_plan(runbook.target, aws=runbook.aws)
    except RunbookError as error:
        return show_note(f"Nothing can be exported yet: {error}")
    rows = []
    for name in FORMATS:
        try:
            files = export_target(plan, name)
        except RunbookError as error:  # such as a role that a tool cannot take over
            files = {"why not": str(error)}
        rows.append((TOOLS[name], f"rwlib export --target FILE --format {name}", files))
    text = "\n".join(f"{tool}: {', '.join(files)} ({command})" for tool, command, files in rows)
    return Shown(text, render("files", rows))


TOOLS = {
    "terraform": "Terraform",
    "cloudformation": "CloudFormation",
    "cli": "AWS CLI",
    "json": "JSON",
}


def show_note(text: str, kind: Literal["", "good", "bad"] = "") -> Shown:
    """Show a sentence by itself."""
    return Shown(text, render("note", text, kind))


@dataclass(frozen=True)
class Picture:
    """The chain as an SVG that every viewer shows, with its text."""

    svg: str
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_svg_(self) -> str:
        return self.svg

    @property
    def html(self) -> str:
        """The picture inside a page, in the page's colours."""
        inner = self.svg.replace(" rw-chain-alone", "")
        start, _, rest = inner.partition("<style>")
        return f'{page_parts().style()}<div class="rw">{start}{rest.partition("</style>")[2]}</div>'


def show_documented(runbook: Runbook) -> Shown:
    """Show the JSON of RisingWave's page for this bucket, and what the evaluator says of it."""
    import json
    from dataclasses import replace

    from rwlib.steps import documented_policy
    from rwlib.verify import probe_role

    target = runbook.target
    document = documented_policy(target.bucket, target.prefix)
    shown = show_document(document)
    if runbook.situation is None:
        return shown
    own = runbook.situation.policy_arn
    situation = replace(runbook.situation, identity=((own, document),))
    wrong = [each.line for each in probe_role(target, situation) if not each.as_expected]
    lines = wrong or ["every request of these connectors is allowed, and nothing else"]
    return Shown(
        json.dumps(document, indent=2) + "\n" + "\n".join(lines),
        shown.html + render("sentences", "What the evaluator finds wrong with it", lines),
    )


def show_chain(runbook: Runbook) -> Picture:
    """Show the chain from RisingWave to the bucket, each hop with its verdict."""
    from rwlib.report import chain, chain_svg, chain_text

    hops = chain(facts_of(runbook))
    return Picture(chain_svg(hops, standalone=True), chain_text(hops))


def show_access_map(runbook: Runbook) -> Shown:
    """Show which requests are allowed where, against what should be."""
    from rwlib.report import access_map, access_text

    facts = facts_of(runbook)
    return Shown(
        access_text(access_map(facts)) or "Nothing has been judged yet.",
        render("access_grid", facts),
    )


def facts_of(runbook: Runbook) -> dict[str, Any]:
    """Return the part of a report that the pictures are made from."""
    return {
        "planned": runbook.situation is not None and runbook.situation.planned,
        "target": runbook.target.model_dump(),
        "role_arn": runbook.role_arn,
        "workload_identity_arn": runbook.workload_identity_arn,
        "bucket": {
            "name": runbook.bucket.name,
            "region_name": runbook.bucket.region_name,
            "kms_key_arn": runbook.bucket.kms_key_arn,
        },
        "checks": [check.to_dict() for check in runbook.checks],
        "requests": [verdict.to_dict() for verdict in runbook.verdicts],
        "grants": [
            {**each.to_dict(), "accepted": each.id in runbook.target.accept_findings}
            for each in runbook.grants
        ],
    }
