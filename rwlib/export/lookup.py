"""What a target does not say itself: read from AWS and RisingWave Cloud, never written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from rwlib.aws import (
    Aws,
    attached_policies,
    default_document,
    describe_bucket,
    has_no_credentials,
    locate_bucket,
    open_session,
    policy_json,
    read_policy,
    read_role,
)
from rwlib.errors import CredentialsError, InputError
from rwlib.export.plan import Existing, ExportPlan, make_plan
from rwlib.steps import (
    MANAGED_BY,
    REDSHIFT_SID,
    WrittenStatements,
    canonical,
    ensure_attached,
    ensure_policy,
    ensure_role,
    ensure_trust,
    fetch_workload_identity,
    is_ours,
    other_claims,
    other_manager,
    others_tags,
    remove_own_statements,
    statement_key,
    statements_of,
    tag_map,
    trust_policy,
    version_in_the_way,
)
from rwlib.target import Target


def export_plan(
    target: Target, *, offline: bool = False, account_id: str = "", aws: Aws | None = None
) -> ExportPlan:
    """Return what is exported for a target; reads AWS only for what the target leaves open.

    Never writes anything. Where there are no credentials at all, it is built from the target
    alone, as with ``offline``; the plan says that nobody looked.

    Parameters
    ----------
    offline
        Ask nobody: what is not in the target is an error.
    aws
        A session that is open already, with what it remembers; else the target's is opened.
    account_id
        The role's account, where it is not the caller's or nobody is asked. What stands in
        another account than the caller's is not looked at.

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

    try:
        aws = aws or open_session(target)
        caller = aws.account_id
    except CredentialsError as error:
        with suppress(InputError):
            if has_no_credentials(error):
                return make_plan(target, account_id=account_id)
        raise
    cloud = Cloud.from_environment() if target.cluster_id else None
    workload, _ = fetch_workload_identity(cloud, target)
    principals = (
        tuple(cloud.allowed_iam_roles(target.cluster_id).role_arns) if cloud is not None else None
    )
    if account_id not in ("", caller):
        return make_plan(
            target,
            workload_identity_arn=workload,
            account_id=account_id,
            existing=Existing(principals=principals),
        )
    bucket = describe_bucket(aws, locate_bucket(aws, target.bucket, target.region_name))
    role = read_role(aws, target.role_name)
    policy = read_policy(aws, target.policy_arn_in(caller))
    plan = make_plan(
        target,
        workload_identity_arn=workload,
        region_name=bucket.region_name,
        kms_key_arn=bucket.kms_key_arn,
        account_id=caller,
        existing=_existing(
            target,
            role,
            policy,
            default_document(aws, policy["Arn"]) if policy else None,
            attached_policies(aws, target.role_name) if role else [],
            principals,
        ),
        looked=True,
    )
    return _as_steps_would(aws, plan, role)


def _as_steps_would(aws: Aws, plan: ExportPlan, there: Mapping[str, Any] | None) -> ExportPlan:
    """Refuse what Steps 1-3 refuse, and take the trust policy that Step 3 would write."""
    target = plan.target
    written = ensure_policy(
        aws,
        target.policy_name,
        plan.policy,
        tags=target.tags,
        owner=target.name,
        used_by=target.role_name,
    )
    if "iam:DeletePolicyVersion" in written.calls:
        plan = replace(plan, existing=_with_version_in_the_way(aws, plan.existing))
    role = ensure_role(
        aws,
        target.role_name,
        trust_policy(plan.workload_identity_arn, target.connectors),
        path=target.role_path,
        permissions_boundary_arn=target.permissions_boundary_arn,
        max_session_duration=target.max_session_duration,
        tags=target.tags,
        owner=target.name,
    )
    if there is None:
        return plan
    ensure_attached(aws, target.role_name, target.policy_arn_in(aws.account_id))
    change = ensure_trust(
        aws,
        target.role_name,
        plan.workload_identity_arn,
        target.connectors,
        owner=target.name,
        region_name=plan.region_name,
    )
    before = {canonical(each) for each in statements_of(change.before)}
    added = [each for each in statements_of(change.after) if canonical(each) not in before]
    # Whose a statement is stands in a tag, too, on a role that this runbook made.
    marks = {
        **role.after["tags"],
        **{statement_key(each): str(there["RoleId"]) for each in added},
    }
    left = {statement_key(each) for each in statements_of(change.after)}
    stale = tuple(sorted(WrittenStatements(there).tagged - left))
    existing = replace(plan.existing, stale_marks=stale)
    if existing.role_is_ours:
        tags = existing.role_tags_there
        differing = {key: text for key, text in marks.items() if tags.get(key) != text}
        existing = replace(existing, role_marks=differing)
    return replace(plan, trust=change.after, existing=existing)


def _with_version_in_the_way(aws: Aws, existing: Existing) -> Existing:
    """Name the version that Step 1 would delete to make room."""
    policy = read_policy(aws, existing.policy_arn)
    version = version_in_the_way(aws, policy) if policy else ""
    return replace(existing, version_in_the_way=version)


def _by_hand(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a role or policy that can be written: AWS's own cannot."""
    tags = tag_map(item.get("Tags", []))
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


def _existing(
    target: Target,
    role: Mapping[str, Any] | None,
    policy: Mapping[str, Any] | None,
    document: dict[str, Any] | None,
    attached: Collection[str],
    principals: tuple[str, ...] | None,
) -> Existing:
    """Return what is there, as its new owner has to write it so that nothing of it is lost."""
    existing = Existing(principals=principals)
    if policy is not None:
        existing = replace(
            existing,
            policy_arn=policy["Arn"],
            policy_description=policy.get("Description", ""),
            policy_tags=others_tags(policy),
            policy_marks=tuple(
                sorted(_by_hand(policy).keys() - others_tags(policy).keys() - {MANAGED_BY})
            ),
            policy_there=document,
            policy_is_ours=is_ours(policy, tags=target.tags),
            attached=policy["Arn"] in attached,
        )
    if role is None:
        return existing
    written = WrittenStatements(role)
    # Another target on this role has it in COPY.
    kept = REDSHIFT_SID if any(each.redshift for each in other_claims(role, target.name)) else ""
    there = policy_json(role["AssumeRolePolicyDocument"])
    return replace(
        existing,
        role_name=role["RoleName"],
        role_path=role["Path"],
        role_description=role.get("Description", ""),
        role_tags=others_tags(role),
        role_tags_there=_by_hand(role),
        role_is_ours=is_ours(role, tags=target.tags),
        role_manager=other_manager(role, target.tags),
        shared_with=tuple(sorted(each.target for each in other_claims(role, target.name))),
        permissions_boundary_arn=role.get("PermissionsBoundary", {}).get(
            "PermissionsBoundaryArn", ""
        ),
        max_session_duration=role.get("MaxSessionDuration", 3600),
        # Nothing is left where it was made by this runbook alone.
        trust_there=there,
        trust=remove_own_statements(
            there,
            lambda statement: statement_key(statement) in written and statement.get("Sid") != kept,
        ),
    )
