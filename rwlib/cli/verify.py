"""``rwlib verify``: the verdict of every hop, from what AWS shows now."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from rwlib.cli.groups import TargetCommand
from rwlib.cli.options import read_target, row_fields, say_row_notes, target_options
from rwlib.errors import InputError
from rwlib.target import example_path, refuse_options


@click.command("verify", cls=TargetCommand)
@target_options(without=("apply",))
@click.option(
    "--targets", type=click.Path(), help="Watch every target of a YAML, CSV or JSONL file"
)
@click.option("--workers", type=click.IntRange(1, 256), help="Targets at once, with --targets")
@click.option(
    "--live",
    is_flag=True,
    help="Let RisingWave itself assume the role and list, with a source that is dropped again",
)
@click.option("--evidence", is_flag=True, help="Show the evidence of passed checks too")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON")
def command(
    target_file: str | None,
    targets: str | None,
    workers: int | None,
    live: bool,
    evidence: bool,
    as_json: bool,
    **fields: Any,
) -> int:
    """Give the verdict of every hop; writes nothing, in AWS or here.

    With --live a temporary source in RisingWave assumes the role and lists the prefix; what it
    intends stands in the run's ledger, and it is dropped whatever happens.

    With --targets every target of the file is looked at and compared with the last look, whose
    report in runs/ is all that is written. Exits with 1 when a check failed or anything changed.
    """
    if targets and live:
        raise InputError("--live", "", "goes with one target, not with --targets")
    if targets:
        return _watch(targets, target_file, workers or 0, as_json, fields)
    from rwlib.cli.printing import echo_json, print_report
    from rwlib.runbook import Runbook, build_report

    target = read_target(target_file, fields, apply=False)
    refuse_options(target)
    runbook = Runbook.start(target.model_dump())
    runbook.verify_live()
    if live:
        runbook.verify_by_risingwave()
    report = build_report(runbook)
    if as_json:
        echo_json(report)
    else:
        print_report(report, evidence=evidence)
    return runbook.exit_code


def _watch(
    targets: str, target_file: str | None, workers: int, as_json: bool, fields: dict[str, Any]
) -> int:
    from rwlib.batch import Options, read_drift, watch_targets
    from rwlib.cli.printing import echo_json

    name = fields.pop("name", None) or ""
    options = Options(
        targets=example_path(targets),
        notebook=Path(),
        workers=workers,
        name=name,
        common=row_fields(target_file, fields),
    )
    say_row_notes(options.targets, options.common)
    result = watch_targets(options, None if as_json else sys.stderr)
    if as_json:
        echo_json({**result.to_dict(), **read_drift(result.folder)})
    else:
        click.secho(result.headline, bold=True)
        click.echo(f"What changed: {result.folder / 'drift.html'}")
        click.echo(f"All targets: {result.folder / 'summary.html'}")
        click.echo(f"Evidence: sha256 {result.manifest} of its manifest.json")
    return result.exit_code
