"""``rwlib export``: the same set-up as Terraform, CloudFormation, a shell script or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rwlib.cli.files import write_files
from rwlib.cli.groups import TargetCommand
from rwlib.cli.options import read_target, row_fields, say_row_notes, target_options
from rwlib.errors import InputError
from rwlib.target import example_path


@click.command("export", cls=TargetCommand)
@target_options(without=("apply", "run_sql"))
@click.option(
    "--targets", type=click.Path(), help="Export all targets of a YAML, CSV or JSONL file"
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["terraform", "cloudformation", "cli", "json"]),
    required=True,
    help="What to write",
)
@click.option("--out", type=click.Path(file_okay=False), help="Folder; printed without it")
@click.option(
    "--offline", is_flag=True, help="Make no calls; what the target leaves open is an error"
)
@click.option(
    "--account-id",
    default="",
    help="Account of the role, 12 digits, where it is not the caller's or nobody is asked",
)
@click.option("--json", "as_json", is_flag=True, help="Print the files as one JSON object")
def command(
    target_file: str | None,
    targets: str | None,
    format_name: str,
    out: str | None,
    offline: bool,
    account_id: str,
    as_json: bool,
    **fields: Any,
) -> int:
    """Write the set-up for somebody else's pipeline; creates nothing in AWS.

    The documents are those that `rwlib run` writes, so `rwlib verify` afterwards gives the same
    verdict. AWS is read only for what the target leaves open: the bucket's region and key, and
    what is there already. Without any credentials it is made as with --offline.
    """
    from rwlib.cli.printing import echo_json
    from rwlib.export import export_plan, export_target, export_targets
    from rwlib.target import account_id as check_account_id

    account_id = check_account_id("account_id", account_id)
    if targets:
        from rwlib.batch import read_targets

        targets = str(example_path(targets))

        common = row_fields(target_file, fields)
        say_row_notes(targets, common)
        rows = list(read_targets(targets, common))
        if not rows:
            raise InputError("targets", targets, "holds no target; write one in each row")
        plans = [
            # An operator role stands in the account that it works in.
            export_plan(
                each, offline=offline, account_id="" if each.operator_role_arn else account_id
            )
            for _, each in rows
        ]
        files = export_targets(plans, format_name)
    else:
        target = read_target(target_file, fields, apply=False)
        plans = [export_plan(target, offline=offline, account_id=account_id)]
        files = export_target(plans[0], format_name)
    if not offline and not all(each.looked for each in plans):
        click.echo("Nobody looked at what is there already; the files say so", err=True)
    if out:
        for path in write_files(Path(out), files):
            click.echo(f"Wrote {path}")
    elif as_json:
        echo_json(files)
    else:
        for number, (name, text) in enumerate(files.items()):
            if len(files) > 1:
                click.echo(("\n" if number else "") + f"# {name}")
            click.echo(text, nl=False)
    return 0
