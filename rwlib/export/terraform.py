"""A Terraform module: the policy, the role, and where they come from when they are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rwlib.errors import InputError
from rwlib.export.hcl import Expression, attributes, block, quoted, value
from rwlib.export.plan import ROLE_ARN, ExportPlan, refuse_shared_role
from rwlib.export.words import (
    NOT_EXPORTED,
    NOT_LOOKED,
    comment,
    far_characters,
    managed_elsewhere,
    principal_steps,
    said_of,
)

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
    refuse_shared_role(plan)
    main = [comment(f"The IAM role that RisingWave Cloud assumes for {plan.target.name}.", "#")]
    looked = "" if plan.looked else NOT_LOOKED
    notes = (far_characters([plan], _WHO), managed_elsewhere([plan]), looked)
    main += [comment(each, "#") for each in notes if each]
    main += [_versions([plan]), _provider([plan]), *_resources(plan), *_imports(plan)]
    return {
        "main.tf": "\n".join(main),
        "variables.tf": _variables([plan]),
        "outputs.tf": _outputs(plan),
    }


def terraform_for_many(plans: Sequence[ExportPlan]) -> dict[str, str]:
    """Return one module: a policy for each target, a role for each role, a list for each cluster.

    Raises
    ------
    InputError
        The targets' accounts are known, and there are several: a module works in one.
    """
    accounts = {plan.account_id for plan in plans} - {""}
    if len(accounts) > 1:
        raise InputError(
            "targets",
            ", ".join(sorted(accounts)),
            "are several accounts, and a Terraform module works in one; export the targets of "
            "each account by themselves",
        )
    for plan in plans:
        refuse_shared_role(plan)
    roles: dict[str, ExportPlan] = {}
    for plan in plans:
        roles.setdefault(plan.target.role_name, plan)
    clusters: dict[str, list[ExportPlan]] = {}
    for plan in plans:
        if plan.target.cluster_id:
            clusters.setdefault(plan.target.cluster_id, []).append(plan)
    local: dict[str, Any] = {
        "targets": {plan.target.name: _target_row(plan) for plan in plans},
        "roles": {name: _role_row(plan) for name, plan in roles.items()},
    }
    if clusters:
        local["clusters"] = {name: _cluster_row(each) for name, each in clusters.items()}
    notes = (far_characters(plans, _WHO), managed_elsewhere(plans))
    head = comment("The IAM roles that RisingWave Cloud assumes, one policy for each target.", "#")
    by_hand = "" if all(each.target.cluster_id for each in plans) else comment(_BY_HAND, "#")
    main = [
        head,
        *(comment(each, "#") for each in notes if each),
        _versions(plans),
        _provider(plans),
        comment(said_of(*plans), "#") + by_hand,
        "locals {\n" + attributes(local, "  ") + "}\n",
        *_RESOURCES_OF_MANY,
        *_lists_of_many(clusters),
        *_imports_of_many(plans, roles, clusters),
    ]
    return {
        "main.tf": "\n".join(main),
        "variables.tf": _variables(plans, many=True),
        "outputs.tf": _outputs_of_many(plans),
    }


# Source: hashicorp/aws, internal/service/iam/policy.go, NormalizeJsonString.
_WHO = "the provider writes a document anew, without them"
_AS_RESOURCE = "With cluster_id in the target it is exported as a resource."
_BY_HAND = (
    "Step 4 of a target without cluster_id is manual: add its role's ARN under Network Access, "
    "Allowed Principals, of its cluster in RisingWave Cloud's console."
)


def _target_row(plan: ExportPlan) -> dict[str, Any]:
    return {
        "policy_name": plan.target.policy_name,
        "description": plan.existing.policy_description or None,
        "role_name": plan.target.role_name,
        "tags": plan.policy_tags(TOOL),
        "policy": plan.policy,
    }


def _role_row(plan: ExportPlan) -> dict[str, Any]:
    return {
        "path": plan.role_path,
        "description": plan.existing.role_description or None,
        "max_session_duration": plan.max_session_duration,
        "permissions_boundary": plan.permissions_boundary_arn or None,
        "tags": plan.role_tags(TOOL),
        "trust": plan.trust,
    }


def _cluster_row(plans: Sequence[ExportPlan]) -> dict[str, Any]:
    names = {plan.target.role_name for plan in plans}
    there = plans[0].existing.principals
    others: Any = (
        Expression(f"var.other_allowed_principals[{quoted(plans[0].target.cluster_id)}]")
        if there is None
        else [arn for arn in there if not any(_is_role(arn, each) for each in plans)]
    )
    return {"others": others, "roles": sorted(names)}


def _is_role(arn: str, plan: ExportPlan) -> bool:
    """True when an entry of Allowed Principals is the target's role."""
    account = plan.account_id
    if account:
        return arn == f"arn:aws:iam::{account}:role{plan.role_path}{plan.target.role_name}"
    return arn.partition(":role")[2] == f"{plan.role_path}{plan.target.role_name}"


def _each(kind: str, over: str, items: Mapping[str, str]) -> str:
    body = attributes({name: Expression(text) for name, text in items.items()}, "  ")
    return f'resource "{kind}" "risingwave" {{\n  for_each = local.{over}\n\n{body}}}\n'


_RESOURCES_OF_MANY = (
    _each("aws_iam_policy", "targets", {
        "name": "each.value.policy_name",
        "description": "each.value.description",
        "policy": "jsonencode(each.value.policy)",
        "tags": "each.value.tags",
    }),
    _each("aws_iam_role", "roles", {
        "name": "each.key",
        "path": "each.value.path",
        "description": "each.value.description",
        "assume_role_policy": "jsonencode(each.value.trust)",
        "max_session_duration": "each.value.max_session_duration",
        "permissions_boundary": "each.value.permissions_boundary",
        "tags": "each.value.tags",
    }),
    _each("aws_iam_role_policy_attachment", "targets", {
        "role": "aws_iam_role.risingwave[each.value.role_name].name",
        "policy_arn": "aws_iam_policy.risingwave[each.key].arn",
    }),
)  # fmt: skip
_WHOLE_LIST = (
    "Step 4: this resource owns the cluster's whole list. The entries of others are those that "
    "existed at the export; keep them up to date, or they are removed."
)
_UNREAD_LIST = (
    "Step 4: this resource owns the cluster's whole list, and nobody could read it at the export: "
    "what others have in it has to be in the variable other_allowed_principals, or it is removed."
)
_LIST_OF_MANY = _each(
    "risingwavecloud_cluster_allowed_iam_roles",
    "clusters",
    {
        "cluster_id": "each.key",
        "role_arns": "concat(each.value.others, "
        "[for name in each.value.roles : aws_iam_role.risingwave[name].arn])",
    },
)
_ROLES_OF_MANY = block(
    'output "role_arns"',
    {
        "description": "ARN of each target's role, for Allowed Principals and the SQL.",
        "value": Expression(
            "{ for name, target in local.targets : name => "
            "aws_iam_role.risingwave[target.role_name].arn }"
        ),
    },
)


def _outputs_of_many(plans: Sequence[ExportPlan]) -> str:
    statements = {
        plan.target.name: {
            connector: _sql(plan, text, f"aws_iam_role.risingwave[{quoted(plan.target.role_name)}]")
            for connector, text in plan.sql
        }
        for plan in plans
    }
    sql = block(
        'output "sql"',
        {
            "description": "Step 5 for each target and connector; secrets are yours to fill in.",
            "value": statements,
        },
    )
    return "\n".join([_ROLES_OF_MANY, sql])


def _sql(plan: ExportPlan, text: str, role: str) -> Expression:
    """Return a statement in which the ARN of a role of the module is filled in."""
    arn = f"{role}.arn"
    if plan.has_quote:
        arn = f'replace({arn}, "\'", "\'\'")'
    return Expression(quoted(text).replace(ROLE_ARN, f"${{{arn}}}"))


def _lists_of_many(clusters: Mapping[str, Sequence[ExportPlan]]) -> list[str]:
    read = {each[0].existing.principals is not None for each in clusters.values()}
    said = [text for text, known in ((_WHOLE_LIST, True), (_UNREAD_LIST, False)) if known in read]
    return ["".join(comment(each, "#") for each in said) + _LIST_OF_MANY] if clusters else []


def _imports_of_many(
    plans: Sequence[ExportPlan],
    roles: Mapping[str, ExportPlan],
    clusters: Mapping[str, Sequence[ExportPlan]],
) -> list[str]:
    rows = []
    for plan in plans:
        found = plan.existing
        rows.append(("aws_iam_policy", plan.target.name, found.policy_arn))
        known = f"{found.role_name}/{found.policy_arn}" if found.attached else ""
        rows.append(("aws_iam_role_policy_attachment", plan.target.name, known))
    rows += [("aws_iam_role", name, plan.existing.role_name) for name, plan in roles.items()]
    rows += [
        ("risingwavecloud_cluster_allowed_iam_roles", name, name)
        for name, each in clusters.items()
        if each[0].existing.principals
    ]
    return [
        block("import", {"to": Expression(f"{kind}.risingwave[{quoted(key)}]"), "id": known})
        for kind, key, known in rows
        if known
    ]


def _versions(plans: Sequence[ExportPlan]) -> str:
    with_cluster = any(plan.target.cluster_id for plan in plans)
    return _HEAD.replace("@CLOUD@", _CLOUD if with_cluster else "")


def _variables(plans: Sequence[ExportPlan], *, many: bool = False) -> str:
    """Return what a pipeline may give in place of what the targets say."""
    regions = [plan.region_name for plan in plans]
    found = block(
        'variable "region_name"',
        {
            "description": "Region that the provider works in; IAM itself is the same in all.",
            "type": Expression("string"),
            "default": regions[0],
        },
    )
    unread = [plan for plan in plans if plan.target.cluster_id and plan.existing.principals is None]
    if not unread:
        return found
    of = "of each cluster, by its id, " if many else ""
    principals = block(
        'variable "other_allowed_principals"',
        {
            "description": f"ARNs in Allowed Principals {of}that are not this module's and stay.",
            "type": Expression("map(list(string))" if many else "list(string)"),
        },
    )
    return f"{found}\n{principals}"


def _provider(plans: Sequence[ExportPlan]) -> str:
    """Return the provider, which refuses another account than the one that was looked at."""
    items: dict[str, Any] = {"region": Expression("var.region_name")}
    if plans[0].account_id:
        items["allowed_account_ids"] = [plans[0].account_id]
    return block('provider "aws"', items)


def _resources(plan: ExportPlan) -> list[str]:
    target, existing = plan.target, plan.existing
    policy: dict[str, Any] = {"name": target.policy_name}
    if existing.policy_description:  # another one would be another policy
        policy["description"] = existing.policy_description
    policy |= {"policy": _encoded(plan.policy), "tags": plan.policy_tags(TOOL)}
    role: dict[str, Any] = {"name": target.role_name, "path": plan.role_path}
    if existing.role_description:
        role["description"] = existing.role_description
    if plan.permissions_boundary_arn:
        role["permissions_boundary"] = plan.permissions_boundary_arn
    role["max_session_duration"] = plan.max_session_duration
    role["assume_role_policy"] = _encoded(plan.trust)
    role["tags"] = plan.role_tags(TOOL)
    blocks = [
        comment("Step 1: what may be done.", "#")
        + block('resource "aws_iam_policy" "risingwave"', policy),
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
        return [*blocks, comment(f"{principal_steps(plan)} {_AS_RESOURCE}", "#")]
    own = Expression("aws_iam_role.risingwave.arn")
    arns: Any
    if existing.principals is None:
        arns = Expression(f"concat(var.other_allowed_principals, [{own.text}])")
    else:
        arns = [*(arn for arn in existing.principals if not _is_role(arn, plan)), own]
    return [
        *blocks,
        comment(_UNREAD_LIST if existing.principals is None else _WHOLE_LIST, "#")
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
        sql = _sql(plan, text, "aws_iam_role.risingwave")
        blocks.append(
            block(
                f'output "sql_{connector}"',
                {
                    "description": f"Step 5 for {connector}; secrets are yours to fill in.",
                    "value": sql,
                },
            )
        )
    return "\n".join([comment(NOT_EXPORTED, "#"), *blocks])


def _encoded(document: Mapping[str, Any]) -> Expression:
    return Expression(f"jsonencode({value(document, '  ')})")
