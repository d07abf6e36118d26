"""What commands print for a person: changes, verdicts, SQL."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Mapping
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


def print_report(report: Mapping[str, Any], *, evidence: bool = False) -> None:
    """Print a report: the changes, the verdict table, the SQL and the headline."""
    for step in report["steps"]:
        if step["changes"] or step["instructions"]:
            click.secho(f"Step {step['number']} - {step['title']}", bold=True)
        for change in step["changes"]:
            print_change(change)
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
        click.echo(f"    {note}")


def print_checks(checks: list[dict[str, Any]], *, evidence: bool = False) -> None:
    """Print the verdict table; evidence only of what is not a pass, unless asked for."""
    click.secho("\nVerdict", bold=True)
    from rwlib.verify import status_words

    width = max((len(check["hop"]) for check in checks), default=0)
    said = [status_words(each["status"], planned=each.get("planned", False)) for each in checks]
    longest = max(7, *(len(words) for words in said), 0)
    for check, words in zip(checks, said, strict=True):
        mark, colour = _MARKS[check["status"]]
        click.secho(f"  {mark} {words:<{longest}}", fg=colour, nl=False)
        click.echo(f" {check['hop']:<{width}}  {check['title']}")
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


def progress_line(index: int, total: int, title: str) -> None:
    """Show how far a run has come: one line rewritten on a terminal, plain lines elsewhere."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K[{index}/{total}] {title[:90]}", nl=index >= total, err=True)
    elif title:
        click.echo(f"[{index}/{total}] {title}", err=True)
