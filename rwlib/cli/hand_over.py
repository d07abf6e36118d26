"""``rwlib hand-over``: a page for the AWS administrator and one for the cluster's owner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rwlib.cli.files import write_files
from rwlib.cli.groups import TargetCommand
from rwlib.cli.options import read_target, target_options


@click.command("hand-over", cls=TargetCommand)
@target_options(without=("apply", "run_sql"))
@click.option("--account-id", default="", help="Account of the role, 12 digits; for the role's ARN")
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    default="hand-over",
    show_default=True,
    help="Folder of the pages; those of a target go into one with its name",
)
@click.option(
    "--offline", is_flag=True, help="Make no calls; what the target leaves open is an error"
)
@click.option("--json", "as_json", is_flag=True, help="Print the pages as one JSON object")
def command(
    target_file: str | None,
    account_id: str,
    out: str,
    offline: bool,
    as_json: bool,
    **fields: Any,
) -> int:
    """Write what others need to set this up for you; creates nothing in AWS.

    One page goes to the administrator of the AWS account: the documents, what they allow and what
    not, and the same as Terraform, CloudFormation and AWS CLI. The other goes to the owner of the
    RisingWave cluster: the role's ARN, the clicks of Step 4 and the SQL. Both open without a
    network and hold no secret. AWS is read only for what the target leaves open.
    """
    from rwlib.cli.printing import echo_json
    from rwlib.export import export_plan
    from rwlib.report import hand_over
    from rwlib.target import account_id as check_account_id

    account_id = check_account_id("account_id", account_id)
    target = read_target(target_file, fields, apply=False)
    plan = export_plan(target, offline=offline, account_id=account_id)
    pages = hand_over(plan)
    if as_json:
        echo_json(pages)
        return 0
    for path in write_files(Path(out) / target.name, pages):
        click.echo(f"Wrote {path}")
    return 0
