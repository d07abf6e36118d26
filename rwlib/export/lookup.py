"""What a target does not say itself: read from AWS and RisingWave Cloud, never written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from rwlib.aws import (
    Aws,
    attached_policies,
    default_document,
    describe_bucket,
    locate_bucket,
    open_session,
    policy_json,
    read_policy,
    read_role,
)
from rwlib.errors import ConflictError
from rwlib.export.plan import Existing, ExportPlan, make_plan
from rwlib.steps import (
    canonical,
    fetch_workload_identity,
    is_ours,
    others_tags,
    remove_own_statements,
    statement_key,
    written_statements,
)
from rwlib.target import Target


def export_plan(
    target: Target, *, offline: bool = False, account_id: str = "", aws: Aws | None = None
) -> ExportPlan:
    """Return what is exported for a target; reads AWS only for what the target leaves open.

    Never writes anything.

    Parameters
    ----------
    offline
        Ask nobody: what is not in the target is an error.
    aws
        A session that is open already, with what it remembers; else the target's is opened.
    account_id
        The role's account, where it is not the caller's or nobody is asked.

    Raises
    ------
    InputError
        A value is missing or does not fit what AWS says.
    CredentialsError
        AWS refuses the credentials.
    """
    if offline:
        return make_plan(target, account_id=account_id)
    from rwlib.cloud import Cloud

    aws = aws or open_session(target)
    cloud = Cloud.from_environment() if target.cluster_id else None
    workload, _ = fetch_workload_identity(cloud, target)
    bucket = describe_bucket(aws, locate_bucket(aws, target.bucket, target.region_name))
    role = read_role(aws, target.role_name)
    policy = read_policy(aws, target.policy_arn_in(aws.account_id))
    plan = make_plan(
        target,
        workload_identity_arn=workload,
        region_name=bucket.region_name,
        kms_key_arn=bucket.kms_key_arn,
        account_id=account_id or aws.account_id,
        existing=_existing(
            role,
            policy,
            attached_policies(aws, target.role_name) if role else [],
            cloud.allowed_iam_roles(target.cluster_id).role_arns if cloud else (),
        ),
    )
    if policy is not None and not is_ours(policy, tags=target.tags):
        _refuse_another(plan, default_document(aws, policy["Arn"]))
    return plan


def _refuse_another(plan: ExportPlan, document: Mapping[str, Any] | None) -> None:
    """Refuse a policy of somebody else's that the export would write over, as Step 1 does."""
    if document is not None and canonical(document) != canonical(plan.policy):
        raise ConflictError(
            f"policy_name: {plan.target.policy_name!r} exists with another document and was not "
            "made by this runbook; give another policy_name"
        )


def _existing(
    role: Mapping[str, Any] | None,
    policy: Mapping[str, Any] | None,
    attached: Collection[str],
    principals: Iterable[str],
) -> Existing:
    """Return what is there, as its new owner has to write it so that nothing of it is lost."""
    existing = Existing(principals=tuple(principals))
    if policy is not None:
        existing = replace(
            existing,
            policy_arn=policy["Arn"],
            policy_description=policy.get("Description", ""),
            policy_tags=others_tags(policy),
            attached=policy["Arn"] in attached,
        )
    if role is None:
        return existing
    written = written_statements(role)
    there = policy_json(role["AssumeRolePolicyDocument"])
    return replace(
        existing,
        role_name=role["RoleName"],
        role_path=role["Path"],
        role_description=role.get("Description", ""),
        role_tags=others_tags(role),
        permissions_boundary_arn=role.get("PermissionsBoundary", {}).get(
            "PermissionsBoundaryArn", ""
        ),
        # Nothing is left where it was made by this runbook alone.
        trust_there=there,
        trust=remove_own_statements(
            there,
            lambda statement: statement_key(statement) in written,
        ),
    )
