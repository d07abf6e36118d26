"""``rwlib teardown``: take back what this runbook made for a target."""

from __future__ import annotations

from typing import Any

import click

from rwlib.cli.groups import TargetCommand
from rwlib.cli.options import read_target, target_options


@click.command("teardown", cls=TargetCommand)
@target_options()
@click.option("--drop-sql", is_flag=True, help="Drop the sinks, sources and secrets that runs made")
@click.option(
    "--stale-principals",
    is_flag=True,
    help="Remove the cluster's Allowed Principals whose role does not exist",
)
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON")
def command(
    target_file: str | None,
    as_json: bool,
    drop_sql: bool,
    stale_principals: bool,
    **fields: Any,
) -> int:
    """Undo what this runbook made for a target: previews unless --apply is given.

    Objects in the bucket are never touched. Exit code 1 while anything of this runbook's, or a
    role that trusts RisingWave, is left.
    """
    from rwlib.cli.printing import echo_json, print_change
    from rwlib.runbook import Runbook

    target = read_target(target_file, fields, **_only_on_demand(fields))
    book = Runbook.start(target.model_dump())
    result = book.tear_down(drop_sql=drop_sql, stale_principals=stale_principals)
    code = 1 if target.apply and result.left else 0
    if as_json:
        echo_json(result.to_dict())
        return code
    for change in result.changes:
        print_change(change.to_dict())
    for line in result.kept:
        click.echo(f"  Kept {line}")
    if not result.changes:
        click.echo("  Nothing to take back.")
    if code:
        for line in result.left:
            click.echo(f"  Left: {line}")
    return code


def _only_on_demand(fields: dict[str, Any]) -> dict[str, bool]:
    """A target file's ``apply`` is meant for setting up; deleting needs --apply itself."""
    return {"apply": bool(fields.get("apply"))}
