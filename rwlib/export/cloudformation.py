"""A CloudFormation template: one stack, or a stack set for many accounts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from rwlib.export.plan import ROLE_ARN, ExportPlan
from rwlib.export.words import NOT_EXPORTED, comment, principal_steps

TOOL = "cloudformation"


class _Sub(str):
    """A text in which ``${Name}`` is filled in: written with the tag ``!Sub``."""


class _GetAtt(str):
    """``!GetAtt``."""


class _Ref(str):
    """``!Ref``."""


class _Dumper(yaml.SafeDumper):
    """YAML as CloudFormation's own examples are written: no anchors, lists indented."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    # What YAML 1.1 would read as a date, a number or a boolean is quoted by the dumper itself.
    style = "|" if "\n" in data and not re.search(r"[ \t]\n|\r|^\s", data) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)


def _tagged(tag: str) -> Callable[[yaml.SafeDumper, str], yaml.Node]:
    def write(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
        return dumper.represent_scalar(tag, str(data), style="|" if "\n" in data else None)

    return write


_Dumper.add_representer(_Sub, _tagged("!Sub"))
_Dumper.add_representer(_GetAtt, _tagged("!GetAtt"))
_Dumper.add_representer(_Ref, _tagged("!Ref"))


def template(plan: ExportPlan) -> dict[str, Any]:
    """Return the template of one target as plain values and tagged texts.

    The role and the policy are deleted with the stack, as they hold nothing. ``${`` in a policy
    document stays as it is outside ``!Sub``; inside it is written ``${!``. CloudFormation has no
    tags for a managed policy.

    Source: CloudFormation User Guide, "AWS::IAM::ManagedPolicy", "AWS::IAM::Role", "Fn::Sub".
    """
    target = plan.target
    tags = [{"Key": key, "Value": text} for key, text in plan.tags(TOOL).items()]
    role: dict[str, Any] = {
        "RoleName": _Ref("RoleName"),
        "Path": target.role_path,
        "MaxSessionDuration": target.max_session_duration,
        "AssumeRolePolicyDocument": _with_workload(plan),
        "ManagedPolicyArns": [_Ref("Policy")],
        "Tags": tags,
    }
    if target.permissions_boundary_arn:
        role["PermissionsBoundary"] = target.permissions_boundary_arn
    outputs: dict[str, Any] = {
        "RoleArn": {
            "Description": "ARN of the role, for Allowed Principals and the SQL",
            "Value": _GetAtt("Role.Arn"),
        }
    }
    for connector, text in plan.sql:
        outputs[f"Sql{connector.title().replace('_', '')}"] = {
            "Description": f"Step 5 for {connector}; secrets are yours to fill in",
            "Value": _Sub(text.replace("${", "${!").replace(ROLE_ARN, "${Role.Arn}")),
        }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The IAM role that RisingWave Cloud assumes for {target.name}",
        "Parameters": {
            "WorkloadIdentityArn": {
                "Type": "String",
                "Description": "Workload Identity (IAM Role ARN) of the cluster",
                "Default": plan.workload_identity_arn,
                "AllowedPattern": r"^arn:aws:iam::\d{12}:role/.+$",
            },
            "RoleName": {"Type": "String", "Default": target.role_name, "MaxLength": 64},
            "PolicyName": {"Type": "String", "Default": target.policy_name, "MaxLength": 128},
        },
        "Resources": {
            "Policy": {
                "Type": "AWS::IAM::ManagedPolicy",
                "DeletionPolicy": "Delete",
                "UpdateReplacePolicy": "Delete",
                "Properties": {
                    "ManagedPolicyName": _Ref("PolicyName"),
                    "PolicyDocument": plan.policy,
                },
            },
            "Role": {
                "Type": "AWS::IAM::Role",
                "DeletionPolicy": "Delete",
                "UpdateReplacePolicy": "Delete",
                "Properties": role,
            },
        },
        "Outputs": outputs,
    }


def _with_workload(plan: ExportPlan) -> dict[str, Any]:
    """Return the trust policy with the Workload Identity as the template's parameter."""
    statements = [
        {**statement, "Principal": {"AWS": _Ref("WorkloadIdentityArn")}}
        if statement.get("Principal") == {"AWS": plan.workload_identity_arn}
        else statement
        for statement in plan.trust["Statement"]
    ]
    return {**plan.trust, "Statement": statements}


def cloudformation(plan: ExportPlan) -> dict[str, str]:
    """Return the template's file for one target."""
    head = comment(
        "Deploy with: aws cloudformation deploy --template-file template.yaml --stack-name "
        f"{_stack_name(plan)} --capabilities CAPABILITY_NAMED_IAM. {principal_steps(plan)} "
        f"{NOT_EXPORTED}",
        "#",
    )
    body = yaml.dump(template(plan), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return {"template.yaml": f"{head}{body}"}


def _stack_name(plan: ExportPlan) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", f"risingwave-{plan.target.name}").strip("-")[:128]
