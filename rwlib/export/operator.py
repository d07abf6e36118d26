"""The least IAM policy that an operator needs to run, verify or tear down one target."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

import yaml

from rwlib.connectors import uses_service
from rwlib.errors import InputError
from rwlib.steps import REDSHIFT_SERVICE, escape_pattern
from rwlib.target import Target

PURPOSES: Final = ("run", "verify", "teardown")


@cache
def _table() -> Mapping[str, Any]:
    """Return which actions each purpose calls, and on what; counted in the sandbox by a test."""
    text = resources.files("rwlib").joinpath("data", "operator_actions.yaml").read_text("utf-8")
    found: Mapping[str, Any] = yaml.safe_load(text)
    return found


def operator_policy(
    target: Target, purpose: str = "run", *, account_id: str = "*", kms_key_arn: str = ""
) -> dict[str, Any]:
    """Return the least policy that an operator needs for one target; touches nothing.

    Each action is one that is really called, narrowed to this role, policy, bucket and key where
    IAM knows a resource for it. A policy may be attached only to this role and only this policy;
    a role may be made only with the boundary that the target asks for.

    Parameters
    ----------
    purpose
        ``run`` (Steps 1-5 and the verdict), ``verify`` (reads only) or ``teardown``.
    account_id
        12 digits; without it the ARNs fit any account.
    kms_key_arn
        Key of the bucket, where the target does not name it; without either, the policy is for a
        bucket without a key of its own.

    Raises
    ------
    InputError
        There is no such purpose.

    Notes
    -----
    Source: Service Authorization Reference, "Actions, resources, and condition keys" for IAM, S3,
    KMS, STS, Redshift, Redshift Serverless and IAM Access Analyzer.
    """
    if purpose not in PURPOSES:
        raise InputError("for", purpose, f"is not a purpose; give one of {', '.join(PURPOSES)}")
    # GetCallerIdentity needs no permission.
    key = target.kms_key_arn or kms_key_arn
    resources_of = _resources(target, account_id, key)
    statements = []
    for kind, actions in _table()[purpose].items():
        wanted = [name for name in actions if _is_needed(name, target, key)]
        if not wanted:
            continue
        statements += _statements(kind, wanted, resources_of[kind], target, resources_of)
    return {"Version": "2012-10-17", "Statement": statements}


# The verdict weighs what the boundary allows.
_BOUNDARY_READS = {"iam:GetPolicy", "iam:GetPolicyVersion"}


def _resources(target: Target, account_id: str, key: str) -> dict[str, str]:
    policies = [f"arn:aws:iam::{account_id}:policy/{target.policy_name}"]
    derived = f"{target.role_name}-{target.bucket}"[:119]
    if target.policy_name.startswith(derived):
        # A target whose prefix or connectors change gets a policy of another name, and the one
        # before it is taken away.
        policies = [f"arn:aws:iam::{account_id}:policy/{derived}*"]
    # A path may hold what IAM would read as a pattern or a variable.
    path = escape_pattern(target.role_path)
    return {
        "role": f"arn:aws:iam::{account_id}:role{path}{target.role_name}",
        "policy": policies[0],
        "bucket": f"arn:aws:s3:::{target.bucket}",
        "key": key,
        "any": "*",
    }


def _is_needed(action: str, target: Target, key: str) -> bool:
    """Leave out what this target never calls."""
    if action.startswith("redshift"):
        return uses_service(target.connectors, REDSHIFT_SERVICE)
    if action.startswith("kms:"):
        return bool(key)
    if action.startswith("iam:") and "PermissionsBoundary" in action:
        return bool(target.permissions_boundary_arn)
    return True


def _statements(
    kind: str, actions: list[str], resource: str, target: Target, known: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the statements for one kind of resource; what takes a condition stands apart."""
    name = kind.title()
    only = {
        "ArnLike" if "*" in known["policy"] else "ArnEquals": {"iam:PolicyARN": known["policy"]}
    }
    conditioned: dict[str, dict[str, Any]] = {
        "iam:AttachRolePolicy": only,
        "iam:DetachRolePolicy": only,
    }
    if target.permissions_boundary_arn:
        boundary = {"ArnEquals": {"iam:PermissionsBoundary": target.permissions_boundary_arn}}
        conditioned["iam:CreateRole"] = boundary
        conditioned["iam:PutRolePermissionsBoundary"] = boundary
    plain = [action for action in actions if action not in conditioned]
    statements: list[dict[str, Any]] = []
    if plain:
        statements.append(
            {"Sid": f"On{name}", "Effect": "Allow", "Action": sorted(plain), "Resource": resource}
        )
    boundary_reads = sorted(_BOUNDARY_READS & set(actions))
    if kind == "policy" and target.permissions_boundary_arn and boundary_reads:
        statements.append(
            {
                "Sid": "OnBoundary",
                "Effect": "Allow",
                "Action": boundary_reads,
                "Resource": target.permissions_boundary_arn,
            }
        )
    for action in sorted(set(actions) & set(conditioned)):
        statements.append(
            {
                "Sid": action.partition(":")[2],
                "Effect": "Allow",
                "Action": action,
                "Resource": resource,
                "Condition": conditioned[action],
            }
        )
    return statements
