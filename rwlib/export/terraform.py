"""A Terraform module: the policy, the role, and where they come from when they are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rwlib.export.hcl import Expression, attributes, block, quoted, value
from rwlib.export.plan import ROLE_ARN, ExportPlan
from rwlib.export.words import NOT_EXPORTED, comment, principal_steps

TOOL = "terraform"
_HEAD = """terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
@CLOUD@  }
}
"""
_CLOUD = """    risingwavecloud = {
      source = "risingwavelabs/risingwavecloud"
    }
"""


def terraform(plan: ExportPlan) -> dict[str, str]:
    """Return the files of a Terraform module for one target.

    Resources and their arguments are those of the providers ``hashicorp/aws`` (5 and later) and
    ``risingwavelabs/risingwavecloud`` (``internal/provider``, allowed IAM roles resource).
    """
    main = [comment(f"The IAM role that RisingWave Cloud assumes for {plan.target.name}.", "#")]
    main += [_versions(plan), *_resources(plan), *_imports(plan)]
    return {"main.tf": "\n".join(main), "outputs.tf": _outputs(plan)}


def terraform_for_many(plans: Sequence[ExportPlan]) -> dict[str, str]:
    """Return one module with a resource for each target, keyed by the target's name."""
    rows = {plan.target.name: _row(plan) for plan in plans}
    targets = "locals {\n" + attributes({"targets": rows}, "  ") + "}\n"
    resources = [
        _each("aws_iam_policy", "risingwave", {
            "name": Expression("each.value.policy_name"),
            "policy": Expression("jsonencode(each.value.policy)"),
            "tags": Expression("each.value.tags"),
        }),
        _each("aws_iam_role", "risingwave", {
            "name": Expression("each.value.role_name"),
            "path": Expression("each.value.role_path"),
            "assume_role_policy": Expression("jsonencode(each.value.trust)"),
            "max_session_duration": Expression("each.value.max_session_duration"),
            "permissions_boundary": Expression("each.value.permissions_boundary"),
            "tags": Expression("each.value.tags"),
        }),
        _each("aws_iam_role_policy_attachment", "risingwave", {
            "role": Expression("aws_iam_role.risingwave[each.key].name"),
            "policy_arn": Expression("aws_iam_policy.risingwave[each.key].arn"),
        }),
    ]  # fmt: skip
    outputs = block(
        'output "role_arns"',
        {
            "description": "ARN of each target's role, for the cluster's Allowed Principals.",
            "value": Expression("{ for name, role in aws_iam_role.risingwave : name => role.arn }"),
        },
    )
    head = comment("The IAM roles that RisingWave Cloud assumes, one for each target.", "#")
    notes = comment(NOT_EXPORTED, "#")
    versions = _HEAD.replace("@CLOUD@", "")
    return {
        "main.tf": "\n".join([head, versions, notes, targets, *resources]),
        "outputs.tf": outputs,
    }


def _row(plan: ExportPlan) -> dict[str, Any]:
    target = plan.target
    return {
        "policy_name": target.policy_name,
        "role_name": target.role_name,
        "role_path": target.role_path,
        "max_session_duration": target.max_session_duration,
        "permissions_boundary": target.permissions_boundary_arn or None,
        "tags": plan.tags(TOOL),
        "policy": plan.policy,
        "trust": plan.trust,
    }


def _each(kind: str, name: str, items: Mapping[str, Any]) -> str:
    body = attributes(items, "  ")
    return f'resource "{kind}" "{name}" {{\n  for_each = local.targets\n\n{body}}}\n'


def _versions(plan: ExportPlan) -> str:
    return _HEAD.replace("@CLOUD@", _CLOUD if plan.target.cluster_id else "")


def _resources(plan: ExportPlan) -> list[str]:
    target, tags = plan.target, plan.tags(TOOL)
    role: dict[str, Any] = {"name": target.role_name, "path": target.role_path}
    if target.permissions_boundary_arn:
        role["permissions_boundary"] = target.permissions_boundary_arn
    role["max_session_duration"] = target.max_session_duration
    role["assume_role_policy"] = _encoded(plan.trust)
    role["tags"] = tags
    blocks = [
        comment("Step 1: what may be done.", "#")
        + block(
            'resource "aws_iam_policy" "risingwave"',
            {"name": target.policy_name, "policy": _encoded(plan.policy), "tags": tags},
        ),
        comment("Steps 2 and 3: the role, made at once with its final trust policy.", "#")
        + block('resource "aws_iam_role" "risingwave"', role),
        block(
            'resource "aws_iam_role_policy_attachment" "risingwave"',
            {
                "role": Expression("aws_iam_role.risingwave.name"),
                "policy_arn": Expression("aws_iam_policy.risingwave.arn"),
            },
        ),
    ]
    if not target.cluster_id:
        return [*blocks, comment(principal_steps(plan), "#")]
    others = [arn for arn in plan.existing.principals if not arn.endswith(f"/{target.role_name}")]
    arns = [*others, Expression("aws_iam_role.risingwave.arn")]
    return [
        *blocks,
        comment(
            "Step 4: this resource owns the cluster's whole list. The entries of others are those "
            "that were there at the export; keep them up to date, or they are removed.",
            "#",
        )
        + block(
            'resource "risingwavecloud_cluster_allowed_iam_roles" "risingwave"',
            {"cluster_id": target.cluster_id, "role_arns": arns},
        ),
    ]


def _imports(plan: ExportPlan) -> list[str]:
    """Return import blocks, so that what is there is taken over instead of made again."""
    found, target = plan.existing, plan.target
    wanted = [
        ("aws_iam_policy", found.policy_arn),
        ("aws_iam_role", found.role_name),
        (
            "aws_iam_role_policy_attachment",
            f"{found.role_name}/{found.policy_arn}" if found.attached else "",
        ),
        (
            "risingwavecloud_cluster_allowed_iam_roles",
            target.cluster_id if found.principals else "",
        ),
    ]
    return [
        block("import", {"to": Expression(f"{kind}.risingwave"), "id": known})
        for kind, known in wanted
        if known
    ]


def _outputs(plan: ExportPlan) -> str:
    role = Expression("aws_iam_role.risingwave.arn")
    blocks = [
        block(
            'output "role_arn"',
            {"description": "ARN of the role, for Allowed Principals and the SQL.", "value": role},
        )
    ]
    for connector, text in plan.sql:
        sql = quoted(text).replace(ROLE_ARN, "${aws_iam_role.risingwave.arn}")
        blocks.append(
            block(
                f'output "sql_{connector}"',
                {
                    "description": f"Step 5 for {connector}; secrets are yours to fill in.",
                    "value": Expression(sql),
                },
            )
        )
    return "\n".join([comment(NOT_EXPORTED, "#"), *blocks])


def _encoded(document: Mapping[str, Any]) -> Expression:
    return Expression(f"jsonencode({value(document, '  ')})")
