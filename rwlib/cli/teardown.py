"""``rwlib teardown``: take back what this runbook made for a target."""

from __future__ import annotations

from typing import Any

import click

from rwlib.cli.options import read_target, target_options


@click.command("teardown")
@target_options()
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON")
def command(target_file: str | None, as_json: bool, **fields: Any) -> int:
    """Undo what this runbook made for a target: previews unless --apply is given.

    Objects in the bucket are never touched.
    """
    from rwlib.cli.printing import echo_json, print_change
    from rwlib.runbook import Runbook

    target = read_target(target_file, fields, **_only_on_demand(fields))
    result = Runbook.start(target.model_dump()).tear_down()
    if as_json:
        echo_json(result.to_dict())
        return 0
    for change in result.changes:
        print_change(change.to_dict())
    for line in result.kept:
        click.echo(f"  Kept {line}")
    if not result.changes:
        click.echo("  Nothing to take back.")
    return 0


def _only_on_demand(fields: dict[str, Any]) -> dict[str, bool]:
    """A target file's ``apply`` is meant for setting up; deleting needs --apply itself."""
    return {"apply": bool(fields.get("apply"))}
