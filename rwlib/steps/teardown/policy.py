"""Take a policy back: deleted when it is ours and nobody else uses or claims it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rwlib.aws import policy_users, policy_versions, read_policy, version_document
from rwlib.steps.changes import Change, ChangeSubject
from rwlib.steps.ownership import id_of, is_ours, other_claims
from rwlib.steps.step1_policy import others_versions
from rwlib.steps.teardown.work import Work


def why_not_ours(work: Work, arn: str, policy_id: str) -> str:
    """Read a policy again and say why it is not this target's to write; empty when it is."""
    work.aws.forget(arn)
    policy = read_policy(work.aws, arn)
    if policy is None:
        return ""
    if id_of(policy) != policy_id or not is_ours(policy, work.ledger, work.target.tags):
        return "it was made again or taken over by somebody else in the meantime"
    if others := other_claims(policy, work.target.name):
        return f"target {others[0].target} uses it"
    return ""


def take_back_policy(work: Work, policy: Mapping[str, Any]) -> None:
    """Delete our policy unless others use it; somebody else's stays as it is."""
    aws, name, arn = work.aws, policy["PolicyName"], policy["Arn"]
    if not is_ours(policy, work.ledger, work.target.tags):
        work.keep(f"policy {name}: it was not made by this runbook")
        return
    if others := other_claims(policy, work.target.name):
        work.keep(f"policy {name}: target {others[0].target} uses it")
        return
    users = [
        f"{kind} {user}"
        for kind, user in policy_users(aws, arn)
        if (kind, user) != ("role", work.target.role_name)
    ]
    if users:
        text = f"policy {name}: it is used by {', '.join(users)}"
        work.keep(text, text)
        return
    if others_wrote := others_versions(aws, policy, work.ledger):
        text = (
            f"policy {name}: somebody else wrote version {', '.join(others_wrote)}; delete it, or "
            "the policy, yourself when it is no longer needed"
        )
        work.keep(text, text)
        return
    versions = policy_versions(aws, arn)
    spare = [each["VersionId"] for each in versions if not each["IsDefaultVersion"]]
    policy_id = id_of(policy)

    def same() -> str:
        # A version that somebody adds now makes AWS refuse to delete the policy.
        return why_not_ours(work, arn, policy_id)

    work.do(
        Change(
            "delete",
            ChangeSubject.POLICY,
            arn,
            f"with {len(versions)} versions" if spare else "",
            before=version_document(aws, arn, policy["DefaultVersionId"]),
            calls=(*(("iam:DeletePolicyVersion",) if spare else ()), "iam:DeletePolicy"),
        ),
        *(("delete_policy_version", {"PolicyArn": arn, "VersionId": each}) for each in spare),
        ("delete_policy", {"PolicyArn": arn}),
        about=arn,
        same=same,
        resource_id=policy_id,
    )


def detach(work: Work, role_name: str, policy: Mapping[str, Any]) -> None:
    """Detach our policy from the role."""
    arn, policy_id = policy["Arn"], id_of(policy)

    def same() -> str:
        return why_not_ours(work, arn, policy_id)

    work.do(
        Change(
            "delete",
            ChangeSubject.ATTACHMENT,
            f"{arn} to {role_name}",
            calls=("iam:DetachRolePolicy",),
        ),
        ("detach_role_policy", {"RoleName": role_name, "PolicyArn": arn}),
        about=f"attachments {role_name}",
        same=same,
    )
