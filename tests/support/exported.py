"""A set-up that an export made: judged, run over and taken back as its owner would find it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3

from rwlib.cloud import Cloud
from rwlib.runbook import Runbook
from rwlib.sandbox.endpoint import Endpoint
from rwlib.target import Target
from tests.support import places
from tests.support.sandbox_clients import CUSTOMER, WORKLOAD

EXAMPLES = sorted((places.ROOT / "examples").glob("*.yaml"))
BY_HAND = {"allowed_principal_confirmed_by": "Ada Example"}


def values_of(path: Path, **changes: Any) -> dict[str, Any]:
    """The values of an example, its SQL not run."""
    import yaml

    found = {**yaml.safe_load(path.read_text()), "run_sql": False, **changes}
    return found if found.get("cluster_id") else {**BY_HAND, **found}


def in_iam(target: Target) -> dict[str, Any]:
    """All that IAM shows of a target's role and policy."""
    iam = boto3.client("iam")
    arn = target.policy_arn_in(CUSTOMER)
    role = iam.get_role(RoleName=target.role_name)["Role"]
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    role.pop("RoleLastUsed", None)
    return {
        "role": role,
        "policy": policy,
        "versions": [
            iam.get_policy_version(PolicyArn=arn, VersionId=each["VersionId"])["PolicyVersion"]
            for each in iam.list_policy_versions(PolicyArn=arn)["Versions"]
        ],
        "attached": iam.list_attached_role_policies(RoleName=target.role_name)["AttachedPolicies"],
        "inline": iam.list_role_policies(RoleName=target.role_name)["PolicyNames"],
    }


def register(target: Target) -> list[str]:
    """Do Step 4 as every export says: the role's ARN goes on the cluster's list."""
    if not target.cluster_id:
        return []
    cloud = Cloud.from_environment()
    return list(
        cloud.add_allowed_role(target.cluster_id, target.role_arn_in(CUSTOMER)).after.role_arns
    )


def book(values: dict[str, Any], **changes: Any) -> Runbook:
    """The runbook of a target."""
    return Runbook.start({"workload_identity_arn": WORKLOAD, **values, **changes})


def judge_run_and_take_back(values: dict[str, Any], sandbox: Endpoint) -> None:
    """Hold what a tool made: verified, unchanged by a run, and there after the tear-down."""
    target = Target(**values)
    before, listed = in_iam(target), register(target)
    verified = book(values, apply=False)
    said = {check.id: check for check in verified.verify_live()}
    assert verified.exit_code == 0, [
        (check.id, check.evidence) for check in said.values() if check.status == "fail"
    ]
    sandbox.forget_calls()
    run = book(values, apply=True)
    run.look()
    for number in range(1, 6):
        run.run_step(number)
    run.verify()
    assert run.exit_code == 0
    assert [run.steps[number].status for number in (1, 2, 3)] == ["unchanged"] * 3
    assert run.steps[4].status == ("unchanged" if target.cluster_id else "manual")
    assert writes_in(sandbox) == []
    assert in_iam(target) == before
    back = book(values, apply=True)
    taken = back.tear_down()
    assert taken.changes == []
    assert any(f"role {target.role_name}: it is managed by" in each for each in taken.kept)
    assert taken.left == [f"role {target.role_name} still trusts RisingWave"]
    assert writes_in(sandbox) == []
    assert in_iam(target) == before
    if target.cluster_id:
        assert list(Cloud.from_environment().allowed_iam_roles(target.cluster_id).role_arns) == (
            listed
        )


def writes_in(sandbox: Endpoint) -> list[str]:
    """The writing calls of the customer's account that the sandbox saw."""
    reads = ("Get", "List", "Head", "Describe", "Simulate", "Validate", "AssumeRole")
    return [
        f"{call['service']}:{call['action']}"
        for call in sandbox.calls()
        if call["account"] == CUSTOMER and not call["action"].startswith(reads)
    ]


def make_what_terraform_says(policy: dict[str, Any], role: dict[str, Any]) -> None:
    """Create a policy, a role and the attachment from the arguments of the provider's resources."""
    arn = make_policy(policy)
    make_role(role)
    attach(role["name"], arn)


def make_policy(policy: dict[str, Any]) -> str:
    """Create a policy from the arguments of its resource; return its ARN."""
    made = boto3.client("iam").create_policy(
        PolicyName=policy["name"],
        PolicyDocument=json.dumps(policy["policy"]),
        Tags=tag_list(policy["tags"]),
    )
    return str(made["Policy"]["Arn"])


def attach(role_name: str, arn: str) -> None:
    """Attach a policy to a role."""
    boto3.client("iam").attach_role_policy(RoleName=role_name, PolicyArn=arn)


def make_role(role: dict[str, Any]) -> None:
    """Create a role from the arguments of its resource."""
    boundary = role.get("permissions_boundary")
    boto3.client("iam").create_role(
        RoleName=role["name"],
        Path=role["path"],
        AssumeRolePolicyDocument=json.dumps(role["assume_role_policy"]),
        MaxSessionDuration=role["max_session_duration"],
        Tags=tag_list(role["tags"]),
        **({"PermissionsBoundary": boundary} if boundary else {}),
    )


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as IAM takes them."""
    return [{"Key": key, "Value": text} for key, text in tags.items()]
