"""``rwlib verify``: the verdict of every hop, from what AWS shows now."""

from __future__ import annotations

from typing import Any

import click

from rwlib.commands.options import read_target, target_options


@click.command("verify")
@target_options(without=("apply",))
@click.option("--evidence", is_flag=True, help="Show the evidence of passed checks too")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON")
def command(target_file: str | None, evidence: bool, as_json: bool, **fields: Any) -> int:
    """Give the verdict of every hop; writes nothing, in AWS or here."""
    from rwlib.cli import echo_json
    from rwlib.commands.printing import print_report
    from rwlib.report import build_report
    from rwlib.runbook import Runbook

    target = read_target(target_file, fields, apply=False)
    runbook = Runbook.start(target.model_dump())
    runbook.verify_live()
    report = build_report(runbook)
    if as_json:
        echo_json(report)
    else:
        print_report(report, evidence=evidence)
    return runbook.exit_code
