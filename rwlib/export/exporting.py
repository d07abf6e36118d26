"""One target or many, as files of a format."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

from rwlib.errors import InputError
from rwlib.export.cloudformation import cloudformation
from rwlib.export.plan import ExportPlan, check_together
from rwlib.export.shell import shell, shell_for_many
from rwlib.export.stack_set import stack_set
from rwlib.export.terraform import terraform, terraform_for_many
from rwlib.export.words import principal_steps, said_of

TOOL = "pipeline"
"""Stands in ``managed-by`` where nobody knows what the documents are put into."""


def _documents(plan: ExportPlan) -> dict[str, str]:
    """Return the documents and names as one JSON file, for a tool that is not listed here."""
    target = plan.target
    named = target.model_copy(update={"role_path": plan.role_path})
    role_arn = named.role_arn_in(plan.account_id or "<account-id>")
    documents = {
        "target": target.name,
        "region_name": plan.region_name,
        "policy": {
            "name": target.policy_name,
            "document": plan.policy,
            "tags": plan.policy_tags(TOOL),
        },
        "role": {
            "name": target.role_name,
            "path": plan.role_path,
            "trust_policy": plan.trust,
            "permissions_boundary_arn": plan.permissions_boundary_arn,
            "max_session_duration": plan.max_session_duration,
            "tags": plan.role_tags(TOOL),
        },
        "allowed_principal": {
            "cluster_id": target.cluster_id,
            "workload_identity_arn": plan.workload_identity_arn,
            "how": principal_steps(plan),
        },
        "sql": [
            {"connector": connector, "sql": text}
            for connector, text in plan.sql_for(role_arn.replace("'", "''"))
        ],
        "not_exported": said_of(plan),
    }
    return {"set_up.json": json.dumps(documents, indent=2, ensure_ascii=False) + "\n"}


FORMATS: Final[dict[str, Callable[[ExportPlan], dict[str, str]]]] = {
    "terraform": terraform,
    "cloudformation": cloudformation,
    "cli": shell,
    "json": _documents,
}


def _check_format(format_name: str) -> None:
    if format_name not in FORMATS:
        raise InputError(
            "format", format_name, f"is not a format; give one of {', '.join(FORMATS)}"
        )


def export_target(plan: ExportPlan, format_name: str) -> dict[str, str]:
    """Return the files of one target in a format, by their names; writes nothing.

    Parameters
    ----------
    format_name
        ``terraform``, ``cloudformation``, ``cli`` or ``json``.

    Raises
    ------
    InputError
        There is no such format.
    """
    _check_format(format_name)
    return FORMATS[format_name](plan)


def export_targets(plans: Sequence[ExportPlan], format_name: str) -> dict[str, str]:
    """Return the files of many targets, by their names; writes nothing.

    One Terraform module, one CloudFormation template with the parameters of each target, one
    script; as JSON a folder for each target.

    Raises
    ------
    InputError
        There is no such format, or two targets cannot be exported together.
    """
    _check_format(format_name)
    together = check_together(plans)
    if format_name in _FOR_MANY:
        return _FOR_MANY[format_name](together)
    return {
        f"{plan.target.name}/{name}": text
        for plan in together
        for name, text in export_target(plan, format_name).items()
    }


_FOR_MANY: Final[dict[str, Callable[[Sequence[ExportPlan]], dict[str, str]]]] = {
    "terraform": terraform_for_many,
    "cloudformation": stack_set,
    "cli": shell_for_many,
}
