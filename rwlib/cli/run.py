"""``rwlib run``: runbook.ipynb for one target, with a folder of evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from rwlib.cli.groups import TargetCommand
from rwlib.cli.options import read_target, target_options
from rwlib.headless import notebook_path
from rwlib.target import FIRST_EXAMPLE


@click.command("run", cls=TargetCommand)
@target_options()
@click.option("--sandbox", is_flag=True, help="Start the sandbox for this run")
@click.option(
    "--show",
    type=click.Choice(["documents"]),
    help="Print the policy documents that each step writes",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON")
def command(
    target_file: str | None, sandbox: bool, show: str | None, as_json: bool, **fields: Any
) -> int:
    """Run Steps 1-5 and the verification for one target.

    Previews unless --apply is given. With --sandbox and no target, the first example is run. The
    executed notebook, report.json and report.html are in runs/<date>_<name>/.
    """
    from rwlib.cli.printing import echo_json, print_report, progress_line
    from rwlib.headless import run_target

    if sandbox and not target_file and not _describes_target(fields):
        target_file = FIRST_EXAMPLE
        click.echo(f"note: no target is given; this is {target_file}", err=True)
    target = read_target(target_file, fields, **({"aws_profile": ""} if sandbox else {}))
    report, run_dir = run_target(
        target,
        notebook_path("runbook.ipynb"),
        sandbox=sandbox,
        progress=None if as_json else progress_line(),
    )
    if as_json:
        echo_json(report)
    else:
        print_report(report, documents=show == "documents")
        click.echo(f"Report: {run_dir / 'report.html'}")
    return int(report["exit_code"])


def _describes_target(fields: Mapping[str, Any]) -> bool:
    return any(value not in (None, ()) for name, value in fields.items() if name != "apply")
