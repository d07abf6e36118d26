"""Many targets as one CloudFormation template, whose parameters say which target it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rwlib.errors import InputError
from rwlib.export.cloudformation import (
    TOOL,
    WHO,
    WORKLOAD_PARAMETER,
    GetAtt,
    If,
    Ref,
    Sub,
    cloudformation,
    resource,
    written,
)
from rwlib.export.plan import ExportPlan, refuse_shared_role, slug
from rwlib.export.shell import tag_list
from rwlib.export.words import far_characters, said_of
from rwlib.steps import canonical, escape_pattern, policy_document, trust_policy

# Values that stand in a document where a parameter goes. None of them needs escaping anywhere.
_BUCKET = "rwlib-export-stand-in-bucket"
_PREFIX = "rwlib-export-stand-in-prefix"
_REGION = "zz-standin-9"
_WORKLOAD = "arn:aws:iam::000000000000:role/rwlib-export-stand-in"
_KEY = "arn:aws:kms:zz-standin-9:000000000000:key/00000000-0000-0000-0000-000000000000"
_ACCOUNT = "000000000001"
_PARAMETERS = {
    _KEY: "KmsKeyArn",
    _WORKLOAD: "WorkloadIdentityArn",
    _BUCKET: "Bucket",
    _PREFIX: "Prefix",
    _REGION: "RegionName",
    _ACCOUNT: "AWS::AccountId",
}


def stack_set(plans: Sequence[ExportPlan]) -> dict[str, str]:
    """Return one template for all targets, and for each target the parameters of its instance.

    Targets whose documents differ in bucket, prefix, key, region and names alone share a policy
    and a role of the template; the others have their own, chosen by the parameter ``SetUp``.
    Where the policy or the role is there already, a target is a stack of its own in a folder of
    its name: a stack set imports nothing.

    Raises
    ------
    InputError
        Two targets share a role, which CloudFormation makes in one stack only, or there are more
        kinds of them than a template holds.

    Notes
    -----
    Source: CloudFormation User Guide, "Creating stacks from existing resources" and "Import a
    stack into a StackSet".
    """
    _refuse_shared_roles(plans)
    files: dict[str, str] = {}
    rows: list[dict[str, str]] = []
    for plan in plans:
        if plan.existing.role_name or plan.existing.policy_arn:
            name = plan.target.name
            files |= {f"{name}/{file}": text for file, text in cloudformation(plan).items()}
            rows.append({**_place(plan), "folder": name})
    new = [plan for plan in plans if not (plan.existing.role_name or plan.existing.policy_arn)]
    if new:
        made, instances = _for_new(new)
        files, rows = {**made, **files}, [*instances, *rows]
    files["instances.json"] = _json(rows)
    return files


def _place(plan: ExportPlan) -> dict[str, str]:
    return {
        "target": plan.target.name,
        "account_id": plan.account_id,
        "region_name": plan.region_name,
    }


def _for_new(plans: Sequence[ExportPlan]) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Return the template and the parameters of targets of which nothing is there yet."""
    kinds: dict[str, _Kind] = {}
    chosen: dict[str, _Kind] = {}
    for plan in plans:
        kind = _Kind(plan)
        chosen[plan.target.name] = kinds.setdefault(kind.key, kind)
    for number, kind in enumerate(kinds.values(), 1):
        kind.name = f"{number}-{slug('-'.join(kind.plan.target.connectors)).replace('_', '-')}"
        kind.suffix = str(number) if len(kinds) > 1 else ""
    if len(kinds) > _MOST_OUTPUTS:
        raise InputError(
            "targets",
            f"{len(plans)} targets",
            f"are {len(kinds)} kinds of set-up, and a CloudFormation template holds "
            f"{_MOST_OUTPUTS}; export them in several parts",
        )
    body = _template(list(kinds.values()))
    known = set(body["Parameters"])
    head = f"{_HEAD} {said_of(*plans)} {far_characters(plans, WHO)}"
    text = written(head, body)
    if len(text.encode()) + len(_LARGE) > _LARGEST_IN_A_CALL:
        text = written(f"{_LARGE} {head}", body)
    if len(text.encode()) > _LARGEST:
        raise InputError(
            "targets",
            f"{len(plans)} targets",
            f"make a template of {len(text.encode()):,} bytes, and CloudFormation takes "
            f"{_LARGEST:,}; export them in several parts",
        )
    files = {"template.yaml": text}
    rows = []
    for plan in plans:
        kind, path = chosen[plan.target.name], f"parameters/{plan.target.name}.json"
        given = {**_values(plan), "SetUp": kind.name}
        files[path] = _json(
            [
                {"ParameterKey": name, "ParameterValue": text}
                for name, text in given.items()
                if name in known
            ]
        )
        rows.append({**_place(plan), "parameters": path})
    return files, rows


# Source: CloudFormation User Guide, "CloudFormation quotas".
_MOST_OUTPUTS = 200
_LARGEST_IN_A_CALL, _LARGEST = 51_200, 1_048_576
_LARGE = (
    "This template is larger than what fits into a call: put it into a bucket, and give "
    "--template-url with its address in place of --template-body."
)
_HEAD = (
    "One stack for each target: aws cloudformation create-stack-set --stack-set-name risingwave "
    "--template-body file://template.yaml --capabilities CAPABILITY_NAMED_IAM, with the "
    "parameters of any target; then for each entry of instances.json: aws cloudformation "
    "create-stack-instances --stack-set-name risingwave --accounts <account_id> --regions "
    "<region_name> --parameter-overrides file://<parameters>. A stack set has one instance in an "
    "account and a region; a second target there is a stack of its own, from the same template "
    "and parameters. An entry with a folder is there already, and a stack set imports nothing: "
    "make that stack from the folder's files; aws cloudformation import-stacks-to-stack-set takes "
    "it into a stack set of the same template. Step 4 is manual: add each stack's role under "
    "Network Access, Allowed Principals, of its cluster in RisingWave Cloud's console. `rwlib sql` "
    "prints the SQL."
)


class _Kind:
    """Targets that differ only in what parameters say."""

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan
        self.name = self.suffix = ""
        policy = _filled(plan, _stand_in_policy(plan), plan.policy)
        trust = _filled(plan, trust_policy(_WORKLOAD, plan.target.connectors), plan.trust)
        # What does not come out as it should with this target's values is written as it is.
        self.policy = policy if policy is not None else plan.policy
        self.trust = trust if trust is not None else plan.trust
        self.tags = tag_list(plan.role_tags(TOOL))
        self.key = canonical([_plain(self.policy), _plain(self.trust), self.tags])


def _stand_in_policy(plan: ExportPlan) -> dict[str, Any]:
    """Build the target's policy with the stand-ins in place of its own values."""
    target = plan.target
    stand_in = target.model_copy(
        update={
            "bucket": _BUCKET,
            "prefix": _PREFIX if target.prefix else "",
            "region_name": _REGION,
            "kms_key_arn": _KEY if plan.kms_key_arn else "",
        }
    )
    return policy_document(
        stand_in,
        account_id=_ACCOUNT,
        region_name=_REGION,
        kms_key_arn=_KEY if plan.kms_key_arn else "",
    )


def _filled(
    plan: ExportPlan, document: Mapping[str, Any], wanted: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return a document with parameters; None where this target's values do not give its own."""
    values = {**_values(plan), "AWS::AccountId": plan.account_id}

    def value(text: str) -> str:
        for stand_in, name in _PARAMETERS.items():
            text = text.replace(stand_in, values[name])
        return text

    if _each_text(document, value) != dict(wanted):
        return None
    found: dict[str, Any] = _each_text(document, _with_parameters)
    return found


def _with_parameters(text: str) -> str:
    if not any(stand_in in text for stand_in in _PARAMETERS):
        return text
    text = text.replace("${", "${!")
    for stand_in, name in _PARAMETERS.items():
        text = text.replace(stand_in, f"${{{name}}}")
    whole = text.removeprefix("${").removesuffix("}")
    return Ref(whole) if text == f"${{{whole}}}" and whole in _PARAMETERS.values() else Sub(text)


def _values(plan: ExportPlan) -> dict[str, str]:
    """Return the parameters of one target."""
    target = plan.target
    return {
        "RoleName": target.role_name,
        "RolePath": plan.role_path,
        "PolicyName": target.policy_name,
        "WorkloadIdentityArn": plan.workload_identity_arn,
        "Bucket": target.bucket,
        "Prefix": escape_pattern(target.prefix),
        "RegionName": plan.region_name,
        "KmsKeyArn": plan.kms_key_arn,
        "MaxSessionDuration": str(plan.max_session_duration),
        "PermissionsBoundaryArn": plan.permissions_boundary_arn,
    }


def _template(kinds: Sequence[_Kind]) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "RoleName": {"Type": "String", "MaxLength": 64},
        "RolePath": {"Type": "String", "Default": "/"},
        "PolicyName": {"Type": "String", "MaxLength": 128},
        "WorkloadIdentityArn": dict(WORKLOAD_PARAMETER),
        "Bucket": {"Type": "String"},
        "Prefix": {
            "Type": "String",
            "Default": "",
            "Description": "As in a policy: ${*}, ${?} and ${$} for those characters themselves",
        },
        "RegionName": {"Type": "String", "Description": "Region of the bucket"},
        "KmsKeyArn": {"Type": "String"},
        "MaxSessionDuration": {"Type": "Number", "Default": 3600},
        "PermissionsBoundaryArn": {"Type": "String", "Default": ""},
    }
    conditions: dict[str, Any] = {
        "HasBoundary": {"Fn::Not": [{"Fn::Equals": [Ref("PermissionsBoundaryArn"), ""]}]}
    }
    resources: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    if len(kinds) > 1:
        parameters["SetUp"] = {"Type": "String", "AllowedValues": [each.name for each in kinds]}
    for kind in kinds:
        end = kind.suffix
        only: dict[str, Any] = {"Condition": f"Is{end}"} if end else {}
        if end:
            conditions[f"Is{end}"] = {"Fn::Equals": [Ref("SetUp"), kind.name]}
        resources[f"Policy{end}"] = resource(
            "AWS::IAM::ManagedPolicy",
            {"ManagedPolicyName": Ref("PolicyName"), "PolicyDocument": kind.policy},
            **only,
        )
        resources[f"Role{end}"] = resource(
            "AWS::IAM::Role",
            {
                "RoleName": Ref("RoleName"),
                "Path": Ref("RolePath"),
                "MaxSessionDuration": Ref("MaxSessionDuration"),
                "PermissionsBoundary": If(
                    ["HasBoundary", Ref("PermissionsBoundaryArn"), Ref("AWS::NoValue")]
                ),
                "AssumeRolePolicyDocument": kind.trust,
                "ManagedPolicyArns": [Ref(f"Policy{end}")],
                "Tags": kind.tags,
            },
            **only,
        )
        outputs[f"RoleArn{end}"] = {
            **only,
            "Description": "ARN of the role, for Allowed Principals and the SQL",
            "Value": GetAtt(f"Role{end}.Arn"),
        }
    used = _names_in([resources, conditions])
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The IAM role that RisingWave Cloud assumes",
        "Parameters": {name: each for name, each in parameters.items() if name in used},
        "Conditions": conditions,
        "Resources": resources,
        "Outputs": outputs,
    }


def _names_in(item: Any) -> set[str]:
    """Return the parameters that a part of a template reads."""
    if isinstance(item, Ref):
        return {str(item)}
    if isinstance(item, Sub):
        return {name for name in _PARAMETERS.values() if f"${{{name}}}" in item}
    if isinstance(item, Mapping):
        return set().union(*(_names_in(each) for each in item.values()))
    if isinstance(item, list):
        return set().union(*(_names_in(each) for each in item))
    return set()


def _each_text(item: Any, change: Callable[[str], str]) -> Any:
    if isinstance(item, str):
        return change(item)
    if isinstance(item, Mapping):
        return {change(name): _each_text(each, change) for name, each in item.items()}
    if isinstance(item, list):
        return [_each_text(each, change) for each in item]
    return item


def _plain(item: Any) -> Any:
    """Return a document in which a reference cannot be taken for a text."""
    if isinstance(item, str):
        return [type(item).__name__, str(item)]
    if isinstance(item, Mapping):
        return {name: _plain(each) for name, each in item.items()}
    if isinstance(item, list):
        return [_plain(each) for each in item]
    return item


def _refuse_shared_roles(plans: Sequence[ExportPlan]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for plan in plans:
        refuse_shared_role(plan)
        key = (plan.account_id, plan.target.role_name.lower())
        if key in seen:
            raise InputError(
                "role_name",
                plan.target.role_name,
                f"is also the role of target {seen[key]}, and a stack makes its own; give each "
                "target a role_name of its own",
            )
        seen[key] = plan.target.name


def _json(item: Any) -> str:
    return json.dumps(item, indent=2, ensure_ascii=False) + "\n"
