"""Who may do what in a situation: sessions of the role, and those who want to assume it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rwlib.evaluate import Decision, Policies, Request, evaluate
from rwlib.target import Target
from rwlib.verify.check import Verdict
from rwlib.verify.probes import Probe, forbidden_probes, required_probes
from rwlib.verify.situation import Situation


def probe_role(target: Target, situation: Situation) -> list[Verdict]:
    """Evaluate what a session of the role may and may not do, without calling AWS."""
    probes = required_probes(
        target,
        account_id=situation.account_id,
        region_name=situation.bucket.region_name,
        kms_key_arn=situation.bucket.kms_key_arn,
    ) + forbidden_probes(target)
    return [Verdict(probe, decide(situation, probe)) for probe in probes]


def decide(situation: Situation, probe: Probe, *, boundary: bool = True) -> Decision:
    """Evaluate one request of a session of the role."""
    bucket = situation.bucket
    resource: Mapping[str, Any] | None = None
    owner = situation.account_id
    if probe.resource.startswith("arn:aws:kms:"):
        # A key whose policy could not be read is taken to have AWS's default key policy, which
        # leaves the decision to the account's identity policies; check kms_key_policy says so.
        owner = probe.resource.split(":")[4]
        resource = bucket.kms_key_policy or _default_key_policy(owner)
    elif probe.resource in (f"arn:aws:s3:::{bucket.name}",) or probe.resource.startswith(
        f"arn:aws:s3:::{bucket.name}/"
    ):
        resource = bucket.policy
    # A Deny that exempts the role by its unique id compares aws:userid, which for a role's session
    # is "<role id>:<session name>" (IAM user guide, principal key values).
    user_id = {"aws:userid": f"{situation.role_id}:reqsign"} if situation.role_id else {}
    return evaluate(
        Request(
            principal=role_session(situation.role_arn),
            action=probe.action,
            resource=probe.resource,
            resource_account=owner,
            context={
                "aws:PrincipalArn": situation.role_arn,
                "aws:SecureTransport": True,
                "aws:ViaAWSService": False,
                **user_id,
                **probe.context,
            },
        ),
        Policies(
            identity=list(situation.identity),
            resource=resource,
            boundary=situation.boundary if boundary else None,
        ),
    )


def _default_key_policy(account_id: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account_id}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }


def role_session(role_arn: str, session_name: str = "reqsign") -> str:
    """ARN of a session of the role; RisingWave's S3 client names its sessions ``reqsign``."""
    account = role_arn.split(":")[4]
    return f"arn:aws:sts::{account}:assumed-role/{role_arn.split('/')[-1]}/{session_name}"


def assume(situation: Situation, caller_arn: str) -> Decision:
    """Evaluate whether a caller may assume the role, its own account allowing it."""
    allow = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": situation.role_arn}
        ],
    }
    context = {"sts:RoleSessionName": "reqsign", "aws:SecureTransport": True}
    caller = caller_arn
    if ":role/" in caller_arn:
        caller = role_session(caller_arn)
        context |= {"aws:PrincipalArn": caller_arn}
    return evaluate(
        Request(caller, "sts:AssumeRole", situation.role_arn, situation.account_id, context),
        Policies(identity=[("allowed principals", allow)], resource=situation.trust_policy),
    )
