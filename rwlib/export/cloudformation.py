"""A CloudFormation template: one stack, or a stack set for many accounts."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from rwlib.export.plan import ROLE_ARN, ExportPlan, refuse_shared_role
from rwlib.export.shell import AS_IT_STANDS, tag_list
from rwlib.export.words import (
    comment,
    far_characters,
    managed_elsewhere,
    principal_steps,
    said_of,
)

TOOL = "cloudformation"
WHO = "a template cannot say that CloudFormation writes them so"


class Sub(str):
    """A text in which ``${Name}`` is filled in: written with the tag ``!Sub``."""


class GetAtt(str):
    """``!GetAtt``."""


class Ref(str):
    """``!Ref``."""


class If(list[Any]):
    """``!If``: a condition, and what holds with and without it."""


class _Dumper(yaml.SafeDumper):
    """YAML as CloudFormation's own examples are written: no anchors, lists indented."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


# What one version of YAML or another reads as a number, or as yes or no. The dumper itself quotes
# what it would read so, and knows neither 1e3 nor y, and takes the zero of 0123456789 for a letter.
# Source: YAML 1.1, "Language-Independent Types"; YAML 1.2, "Core Schema".
_NO_TEXT = re.compile(r"[-+.]*[0-9].*|[yn]", re.IGNORECASE | re.DOTALL)


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    style = "'" if _NO_TEXT.fullmatch(data) and "\n" not in data else None
    if "\n" in data and not re.search(r"[ \t]\n|\r|^\s", data):
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)


def _tagged(tag: str) -> Callable[[yaml.SafeDumper, str], yaml.Node]:
    def write(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
        return dumper.represent_scalar(tag, str(data), style="|" if "\n" in data else None)

    return write


_Dumper.add_representer(Sub, _tagged("!Sub"))
_Dumper.add_representer(GetAtt, _tagged("!GetAtt"))
_Dumper.add_representer(Ref, _tagged("!Ref"))
_Dumper.add_representer(If, lambda dumper, data: dumper.represent_sequence("!If", list(data)))


def template(plan: ExportPlan) -> dict[str, Any]:
    """Return the template of one target as plain values and tagged texts.

    The role and the policy are deleted with the stack, as they hold nothing; what somebody else
    made before stays. ``${`` in a policy
    document stays as it is outside ``!Sub``; inside it is written ``${!``. CloudFormation has no
    tags for a managed policy.

    Source: CloudFormation User Guide, "AWS::IAM::ManagedPolicy", "AWS::IAM::Role", "Fn::Sub".
    """
    target = plan.target
    role: dict[str, Any] = {
        "RoleName": Ref("RoleName"),
        "Path": plan.role_path,
        "MaxSessionDuration": plan.max_session_duration,
        "AssumeRolePolicyDocument": _with_workload(plan),
        "ManagedPolicyArns": [Ref("Policy")],
        "Tags": tag_list(plan.role_tags(TOOL)),
    }
    if plan.existing.role_description:
        role["Description"] = plan.existing.role_description
    if plan.permissions_boundary_arn:
        role["PermissionsBoundary"] = plan.permissions_boundary_arn
    policy: dict[str, Any] = {"ManagedPolicyName": Ref("PolicyName")}
    if plan.existing.policy_description:  # another one would be another policy
        policy["Description"] = plan.existing.policy_description
    policy["PolicyDocument"] = plan.policy
    outputs: dict[str, Any] = {"RoleArn": _ROLE_OUTPUT}
    for connector, text in plan.sql:
        outputs[f"Sql{connector.title().replace('_', '')}"] = {
            "Description": f"Step 5 for {connector}; secrets are yours to fill in",
            "Value": Sub(text.replace("${", "${!").replace(ROLE_ARN, _arn_in_sql(plan))),
        }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The IAM role that RisingWave Cloud assumes for {target.name}",
        "Parameters": {
            "WorkloadIdentityArn": {
                **WORKLOAD_PARAMETER,
                "Default": plan.workload_identity_arn,
            },
            "RoleName": {"Type": "String", "Default": target.role_name, "MaxLength": 64},
            "PolicyName": {"Type": "String", "Default": target.policy_name, "MaxLength": 128},
        },
        "Resources": {
            "Policy": resource(
                "AWS::IAM::ManagedPolicy", policy, stays=plan.existing.policy_is_foreign
            ),
            "Role": resource("AWS::IAM::Role", role, stays=plan.existing.role_is_foreign),
        },
        "Outputs": outputs,
    }


def _arn_in_sql(plan: ExportPlan) -> str:
    """Return what ``!Sub`` fills in for the role's ARN; a quote in a path is two in SQL."""
    if not plan.has_quote:
        return "${Role.Arn}"
    path = plan.role_path.replace("'", "''").replace("${", "${!")
    return f"arn:aws:iam::${{AWS::AccountId}}:role{path}${{RoleName}}"


_ROLE_OUTPUT = {
    "Description": "ARN of the role, for Allowed Principals and the SQL",
    "Value": GetAtt("Role.Arn"),
}
WORKLOAD_PARAMETER = {
    "Type": "String",
    "Description": "Workload Identity (IAM Role ARN) of the cluster",
    "AllowedPattern": r"^arn:aws:iam::\d{12}:role/.+$",
}


def resource(
    kind: str, properties: Mapping[str, Any], *, stays: bool = False, **more: Any
) -> dict[str, Any]:
    """Return a resource that goes with its stack, or stays where others had it before."""
    kept = "Retain" if stays else "Delete"
    return {
        "Type": kind,
        **more,
        "DeletionPolicy": kept,
        "UpdateReplacePolicy": kept,
        "Properties": dict(properties),
    }


def _with_workload(plan: ExportPlan) -> dict[str, Any]:
    """Return the trust policy with the Workload Identity as the template's parameter."""
    statements = [
        {**statement, "Principal": {"AWS": Ref("WorkloadIdentityArn")}}
        if statement.get("Principal") == {"AWS": plan.workload_identity_arn}
        else statement
        for statement in plan.trust["Statement"]
    ]
    return {**plan.trust, "Statement": statements}


def written(head: str, body: Mapping[str, Any]) -> str:
    """Return a template's file: a comment, then YAML."""
    text = yaml.dump(dict(body), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return f"{comment(head, '#')}{text}"


def cloudformation(plan: ExportPlan) -> dict[str, str]:
    """Return the template's file for one target."""
    refuse_shared_role(plan)
    head = (
        "Deploy with: aws cloudformation deploy --template-file template.yaml --stack-name "
        f"{_stack_name(plan)} --capabilities CAPABILITY_NAMED_IAM. {principal_steps(plan)} "
        f"{said_of(plan)} {managed_elsewhere([plan])} {far_characters([plan], WHO)}"
    )
    found = plan.existing
    known = _import_list(plan)
    if not known:
        return {"template.yaml": written(head, template(plan))}
    head += (
        " What exists already is imported first, as it is: aws cloudformation create-change-set "
        "--change-set-type IMPORT --resources-to-import file://import.json --template-body "
        "file://import.yaml; deploy template.yaml after it, which changes what is different."
    )
    files = {
        "template.yaml": written(head, template(plan)),
        "import.yaml": written(head, _as_it_is(plan)),
        "import.json": json.dumps(known, indent=2) + "\n",
    }
    if found.policy_is_ours:
        files["policy_tags.sh"] = _policy_tags(plan)
        files["template.yaml"] = written(f"{head} {_TAGS_APART}", template(plan))
    return files


_TAGS_APART = "Run policy_tags.sh too: a template cannot tag a managed policy."


def _import_list(plan: ExportPlan) -> list[dict[str, Any]]:
    """Return what a change set of type IMPORT is told about what is there."""
    found = plan.existing
    there = [
        ("AWS::IAM::ManagedPolicy", "Policy", {"PolicyArn": found.policy_arn}),
        ("AWS::IAM::Role", "Role", {"RoleName": found.role_name}),
    ]
    return [
        {"ResourceType": kind, "LogicalResourceId": name, "ResourceIdentifier": identifier}
        for kind, name, identifier in there
        if all(identifier.values())
    ]


def _as_it_is(plan: ExportPlan) -> dict[str, Any]:
    """Return the template of the import: what is there, so that the next one makes a difference.

    An import writes nothing, and an update writes what differs between two templates. Of the
    role's policies only the target's is in it; the others stay attached.

    Source: CloudFormation User Guide, "Import AWS resources into a CloudFormation stack".
    """
    found, body = plan.existing, template(plan)
    resources = {
        name: body["Resources"][name] for name in (each["LogicalResourceId"] for each in
                                                   _import_list(plan))
    }  # fmt: skip
    if "Policy" in resources:
        resources["Policy"]["Properties"]["PolicyDocument"] = found.policy_there
    if "Role" in resources:
        role = resources["Role"]["Properties"]
        role |= {
            "MaxSessionDuration": found.max_session_duration,
            "AssumeRolePolicyDocument": found.trust_there,
            "Tags": tag_list(found.role_tags_there),
            "PermissionsBoundary": found.permissions_boundary_arn,
        }
        absent = [name for name in ("Tags", "PermissionsBoundary") if not role[name]]
        for name in [*absent, *([] if found.attached else ["ManagedPolicyArns"])]:
            del role[name]
    return {
        "AWSTemplateFormatVersion": body["AWSTemplateFormatVersion"],
        "Description": body["Description"],
        "Parameters": {f"{name}Name": body["Parameters"][f"{name}Name"] for name in resources},
        "Resources": resources,
    }


def _policy_tags(plan: ExportPlan) -> str:
    """Return a script that puts this tool's tags on a policy in place of the runbook's."""
    arn, tags = plan.existing.policy_arn, json.dumps(tag_list(plan.policy_tags(TOOL)))
    gone = " ".join(shlex.quote(each) for each in plan.existing.policy_marks)
    return (
        "#!/bin/sh\n"
        + comment("The tags of the policy, which a template cannot write. Safe to run again.", "#")
        + AS_IT_STANDS
        + "set -eu\n"
        + f"aws iam untag-policy --policy-arn {shlex.quote(arn)} --tag-keys {gone}\n"
        + f"aws iam tag-policy --policy-arn {shlex.quote(arn)} --tags {shlex.quote(tags)}\n"
    )


def _stack_name(plan: ExportPlan) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", f"risingwave-{plan.target.name}").strip("-")[:128]
