"""The options of a command in groups, as ``--help`` and the reference show them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

INPUTS, AWS, RISINGWAVE, THIS_RUN = "Inputs", "AWS", "RisingWave", "This run"
GROUPS = (INPUTS, AWS, RISINGWAVE, THIS_RUN)

FIELDS = {
    INPUTS: ("name", "bucket", "prefix", "connectors", "policy_style", "accept_findings"),
    AWS: (
        "region_name",
        "role_name",
        "policy_name",
        "role_path",
        "permissions_boundary_arn",
        "max_session_duration",
        "tags",
        "kms_key_arn",
        "glue_catalog_id",
        "glue_region_name",
        "glue_database",
        "glue_table",
        "aws_profile",
        "operator_role_arn",
    ),
    RISINGWAVE: (
        "workload_identity_arn",
        "cluster_id",
        "allowed_principal_confirmed_by",
        "sql_options",
        "run_sql",
    ),
    THIS_RUN: ("apply",),
}
"""The fields of a target by the group that their options stand in."""

# Options of single commands that are about a target, and not about one run.
_OTHERS = {
    "target_file": INPUTS,
    "targets": INPUTS,
    "account_id": AWS,
    "risingwave_version": RISINGWAVE,
    "sink_name": RISINGWAVE,
    "drop_sql": RISINGWAVE,
    "stale_principals": RISINGWAVE,
    "live": RISINGWAVE,
    "execute": RISINGWAVE,
}
_GROUP_OF = {name: group for group, names in FIELDS.items() for name in names} | _OTHERS


class TargetCommand(click.Command):
    """A command with an option for each field of a target: its help shows them in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each group."""
        for title, options in grouped(self, ctx):
            rows = [row for each in options if (row := each.get_help_record(ctx)) is not None]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def grouped(command: click.Command, context: click.Context) -> Iterator[tuple[str, list[Any]]]:
    """Yield the title of each group and its options; one group for a command without a target."""
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    if not isinstance(command, TargetCommand):
        yield "Options", options
        return
    for title in GROUPS:
        yield title, [each for each in options if group_of(each.name or "") == title]


def group_of(name: str) -> str:
    """Return the group of an option by its parameter's name."""
    return _GROUP_OF.get(name, THIS_RUN)
