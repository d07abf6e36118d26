"""What commands print for a person: changes, verdicts, SQL."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import click


def echo_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2))


_MARKS = {
    "pass": ("✓", "green"),
    "fail": ("✗", "red"),
    "unknown": ("?", "yellow"),
    "manual": ("✎", "blue"),
}


def print_report(
    report: Mapping[str, Any], *, evidence: bool = False, documents: bool = False
) -> None:
    """Print a report: the changes, the verdict table, the SQL and the headline.

    Parameters
    ----------
    documents
        Print the policy documents under the change that writes them.
    """
    shown: list[Any] = []
    for step in report["steps"]:
        if step["changes"] or step["instructions"]:
            click.secho(f"Step {step['number']} - {step['title']}", bold=True)
        for change in step["changes"]:
            print_change(change)
            if documents:
                _print_documents(change, shown)
        if step["instructions"] and not step["changes"]:
            click.echo("  A person does this step; what to do stands in the verdict")
    print_checks(report["checks"], evidence=evidence)
    for each in report["sql"]:
        click.secho(f"\nSQL for {each['connector']}", bold=True)
        click.echo(each["sql"])
        for note in each["notes"]:
            click.echo(textwrap.fill(note, 98, initial_indent="  - ", subsequent_indent="    "))
    click.echo()
    click.secho(report["headline"], bold=True)


def print_change(change: Mapping[str, Any]) -> None:
    """Print one change with its notes."""
    click.echo(f"  {change['sentence']}")
    for note in change["notes"]:
        click.echo(textwrap.indent(note, "    "))


def _print_documents(change: Mapping[str, Any], shown: list[Any]) -> None:
    """Print a change's policy documents whole, each once; what is replaced has its marks."""
    from rwlib.report import documents_of
    from rwlib.steps import document_diff

    for heading, before, after in documents_of(change["before"], change["after"]):
        if after is None or after in shown:
            continue
        shown.append(after)
        title = heading or "Policy document"
        if before is None or before == after:
            text = json.dumps(after, indent=2)
            click.echo(f"    {title}:")
        else:
            text = document_diff(before, after)
            click.echo(f"    {title}, what is there and what would be:")
        click.echo(textwrap.indent(text, "      "))


def print_checks(checks: list[dict[str, Any]], *, evidence: bool = False) -> None:
    """Print the verdict table; evidence only of what is not a pass, unless asked for.

    What does not pass has its reason's code, under which the reference page of checks explains it.
    """
    click.secho("\nVerdict", bold=True)
    from rwlib.verify import status_words

    width = max((len(check["hop"]) for check in checks), default=0)
    said = [status_words(each["status"], planned=each.get("planned", False)) for each in checks]
    longest = max(7, *(len(words) for words in said), 0)
    for check, words in zip(checks, said, strict=True):
        mark, colour = _MARKS[check["status"]]
        click.secho(f"  {mark} {words:<{longest}}", fg=colour, nl=False)
        code = f" [{check['reason']}]" if check.get("reason") else ""
        click.echo(f" {check['hop']:<{width}}  {check['title']}{code}")
        if check["status"] == "pass" and not evidence:
            continue
        for line in check["evidence"]:
            click.echo(_indented(line))
        if check["fix"]:
            click.echo(_indented(f"Do: {check['fix']}"))
        for paste in check.get("pastes", ()):
            # As it stands, so that it can be copied.
            click.echo(_indented(f"{paste['what'].capitalize()}:"))
            click.echo(paste["text"])


def _indented(text: str) -> str:
    return textwrap.fill(
        text, 110, initial_indent=" " * 12, subsequent_indent=" " * 14, break_long_words=False
    )


def progress_line() -> Callable[[int, int, str], None]:
    """Return what shows how far a run is: one line, rewritten where there is a terminal."""
    said = False

    def show(index: int, total: int, title: str) -> None:
        nonlocal said
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[K[{index}/{total}] {title[:90]}", nl=index >= total, err=True)
        elif not said:
            click.echo(f"Running Steps 1-5 and the verification: {total} cells", err=True)
        said = True

    return show
