"""What a target's earlier runs made and nothing asks for any more.

Another prefix or bucket, or other connectors, leave a policy attached to the role. It is this
target's when it is this runbook's, and no other target has a claim on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rwlib.aws import Aws, attached_policies, policy_json, read_policy, read_role, version_document
from rwlib.connectors import uses_service
from rwlib.steps.changes import Change, ChangeSubject, Ledger
from rwlib.steps.ownership import (
    WrittenStatements,
    claim_key,
    claims_on,
    is_ours,
    other_claims,
    statement_key,
)
from rwlib.steps.step3_documents import REDSHIFT_SERVICE, REDSHIFT_SID, statements_of
from rwlib.target import Target


def left_over_policies(
    aws: Aws, target: Target, ledger: Ledger | None = None
) -> list[dict[str, Any]]:
    """Return the policies on the role that only this target claims and does not ask for."""
    wanted = target.policy_arn_in(aws.account_id)
    found = []
    for arn in attached_policies(aws, target.role_name):
        if arn == wanted or arn.split(":")[4] != aws.account_id:
            continue
        policy = read_policy(aws, arn)
        if policy is None or not is_ours(policy, ledger, target.tags):
            continue
        if {claim.key for claim in claims_on(policy)} == {claim_key(target.name)}:
            found.append(policy)
    return found


def left_over(aws: Aws, target: Target, ledger: Ledger | None = None) -> list[Change]:
    """Say what is there for this target that it does not ask for any more; writes nothing."""
    role = read_role(aws, target.role_name)
    if role is None:
        return []
    changes = []
    for policy in left_over_policies(aws, target, ledger):
        arn = policy["Arn"]
        name = f"{arn} to {target.role_name}"
        changes += [
            Change("delete", ChangeSubject.ATTACHMENT, name, _WHY, calls=("iam:DetachRolePolicy",)),
            Change(
                "delete",
                ChangeSubject.POLICY,
                arn,
                _WHY,
                before=version_document(aws, arn, policy["DefaultVersionId"]),
                calls=("iam:DeletePolicy",),
            ),
        ]
    statement = _redshift_statement(role, target, ledger)
    if statement is not None:
        changes.append(
            Change(
                "delete",
                ChangeSubject.TRUST_STATEMENT,
                f"{REDSHIFT_SID} of role {target.role_name}",
                _WHY,
                before=dict(statement),
                calls=("iam:UpdateAssumeRolePolicy",),
            )
        )
    return changes


_WHY = "this target does not ask for it any more"


def _redshift_statement(
    role: Mapping[str, Any], target: Target, ledger: Ledger | None
) -> Mapping[str, Any] | None:
    if uses_service(target.connectors, REDSHIFT_SERVICE):
        return None
    if any(claim.redshift for claim in other_claims(role, target.name)):
        return None
    written = WrittenStatements(role, ledger)
    for each in statements_of(policy_json(role["AssumeRolePolicyDocument"])):
        if each.get("Sid") == REDSHIFT_SID and statement_key(each) in written:
            return each
    return None
