"""What a target does not say itself: read from AWS and RisingWave Cloud, never written."""

from __future__ import annotations

from rwlib.aws import (
    attached_policies,
    describe_bucket,
    locate_bucket,
    open_session,
    read_policy,
    read_role,
)
from rwlib.export.plan import Existing, ExportPlan, make_plan
from rwlib.steps import fetch_workload_identity
from rwlib.target import Target


def export_plan(target: Target, *, offline: bool = False, account_id: str = "") -> ExportPlan:
    """Return what is exported for a target; reads AWS only for what the target leaves open.

    Never writes anything.

    Parameters
    ----------
    offline
        Ask nobody: what is not in the target is an error.
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

    aws = open_session(target)
    cloud = Cloud.from_environment() if target.cluster_id else None
    workload, _ = fetch_workload_identity(cloud, target)
    bucket = describe_bucket(aws, locate_bucket(aws, target.bucket, target.region_name))
    role, policy_arn = read_role(aws, target.role_name), target.policy_arn_in(aws.account_id)
    policy = read_policy(aws, policy_arn)
    listed = cloud.allowed_iam_roles(target.cluster_id).role_arns if cloud else ()
    attached = role is not None and policy_arn in attached_policies(aws, target.role_name)
    existing = Existing(
        policy_arn=policy_arn if policy is not None else "",
        role_name=target.role_name if role is not None else "",
        attached=policy is not None and attached,
        principals=tuple(listed),
    )
    return make_plan(
        target,
        workload_identity_arn=workload,
        region_name=bucket.region_name,
        kms_key_arn=bucket.kms_key_arn,
        account_id=account_id or aws.account_id,
        existing=existing,
    )
