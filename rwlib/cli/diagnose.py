"""``rwlib diagnose``: an error text into causes and fixes."""

from __future__ import annotations

import sys
from typing import Any

import click

from rwlib.cli.groups import TargetCommand
from rwlib.cli.options import read_target, target_options
from rwlib.errors import InputError, RunbookError


@click.command("diagnose", cls=TargetCommand)
@click.argument("text", required=False)
@target_options(without=("apply", "run_sql"))
@click.option("--log", "log_file", type=click.Path(), help="Log file of any size; - reads stdin")
@click.option("--sink", "sink_name", default="", help="Read this sink's errors from RisingWave")
@click.option("--offline", is_flag=True, help="Read the text alone; make no calls")
@click.option("--json", "as_json", is_flag=True, help="Print the causes as JSON")
def command(
    text: str | None,
    target_file: str | None,
    log_file: str | None,
    sink_name: str,
    offline: bool,
    as_json: bool,
    **fields: Any,
) -> int:
    """Say what an error means for this set-up, and what to do.

    TEXT is what RisingWave or AWS said; without it and without --log only the live state is
    looked at. Nothing of the text is sent anywhere, and secrets in it are masked. Where the live
    state of the target could not be looked at, the exit code says so, and the text is diagnosed
    alone.
    """
    from rwlib.cli.printing import echo_json
    from rwlib.diagnose import NOTHING_LIVE, Watched, diagnose, worded
    from rwlib.masking import mask_output
    from rwlib.runbook import LiveChecks

    given = target_file or any(value not in (None, ()) for value in fields.values())
    target = read_target(target_file, fields) if given else None
    live = LiveChecks(target.model_dump()) if target is not None and not offline else None
    source: Any = _stdin() if log_file == "-" else _file(log_file) or _lines(text)
    if sink_name:
        if target is None:
            raise InputError("sink", sink_name, "needs a target with cluster_id, or RW_DSN")
        source = sink_errors(target, sink_name)
    if source is None and live is None:
        raise InputError(
            "text", "", "is empty; give an error text, --log FILE, or --target", reason="empty"
        )
    watched = Watched(source) if source is not None else None
    diagnoses = diagnose(
        source if watched is None else watched.source,
        target=target,
        live=live,
        target_file=target_file or "",
    )
    if as_json:
        echo_json([each.to_dict() for each in diagnoses])
    else:
        for each in diagnoses:
            title, *lines = worded(each.to_dict())
            click.secho(title, bold=True)
            click.echo("\n".join(lines))
        if not diagnoses and watched is not None:
            click.echo(watched.nothing_found())
        elif not diagnoses and (live is None or live.problem is None):
            click.echo(NOTHING_LIVE)
    if live is None or live.problem is None:
        return 0
    click.echo(
        f"error: the live state could not be looked at: {mask_output(str(live.problem))}", err=True
    )
    return live.problem.exit_code


def sink_errors(target: Any, sink_name: str) -> list[str]:
    """Read what RisingWave logged about a sink, newest first."""
    from rwlib.cloud import Cloud, sink_failures
    from rwlib.steps import open_connection

    cloud = Cloud.from_environment() if target.cluster_id else None
    found = sink_failures(open_connection(cloud, target.cluster_id).rows, sink_name)
    if not found:
        raise RunbookError(f"sink: RisingWave has logged no failure of {sink_name!r}")
    return [line for failure in found for line in failure.error.splitlines()]


def _stdin() -> Any:
    """Return standard input as bytes, which may be packed; None where it is closed."""
    return getattr(sys.stdin, "buffer", sys.stdin)


def _file(path: str | None) -> Any:
    from pathlib import Path

    return Path(path) if path else None


def _lines(text: str | None) -> list[str] | None:
    return text.splitlines() if text else None
