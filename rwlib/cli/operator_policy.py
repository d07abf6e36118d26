"""``rwlib operator-policy``: the least IAM policy that an operator needs."""

from __future__ import annotations

from typing import Any

import click

from rwlib.cli.groups import TargetCommand
from rwlib.cli.options import read_target, target_options


@click.command("operator-policy", cls=TargetCommand)
@target_options(without=("apply", "run_sql"))
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["run", "verify", "teardown"]),
    default="run",
    show_default=True,
    help="What the operator is going to do",
)
@click.option(
    "--account-id", default="", help="Account of the role, 12 digits; without it, any account"
)
def command(target_file: str | None, purpose: str, account_id: str, **fields: Any) -> int:
    """Print the least IAM policy with which this target can be run, verified or torn down.

    It is made of the calls that are really made, narrowed to this role, policy, bucket and key.
    Asks nobody; a bucket with a key of its own needs kms_key_arn.
    """
    from rwlib.cli.printing import echo_json
    from rwlib.export import operator_policy
    from rwlib.target import account_id as check_account_id

    if account_id:
        check_account_id("account_id", account_id)
    target = read_target(target_file, fields, apply=False)
    echo_json(operator_policy(target, purpose, account_id=account_id or "*"))
    return 0
