"""Tear down the role: its attachment, its trust policy, itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rwlib.aws import (
    Aws,
    attached_policies,
    inline_policy_names,
    policy_json,
    read_policy,
    read_role,
)
from rwlib.steps.changes import Change, canonical, ledger_history
from rwlib.steps.ownership import is_ours
from rwlib.steps.quotas import policy_text
from rwlib.steps.step3_documents import remove_own_statements
from rwlib.steps.teardown.work import Work


def take_back_role(
    work: Work, role: Mapping[str, Any], policy_arn: str, policy_is_ours: bool
) -> None:
    """Detach the policy, then delete our role, or give an adopted one its trust policy back."""
    aws, name, arn = work.aws, role["RoleName"], role["Arn"]
    attached = attached_policies(aws, name)
    attachment = f"{policy_arn} to {name}"
    mine = policy_arn in attached and (policy_is_ours or work.created_here(attachment))
    others = [each for each in attached if each != policy_arn or not mine]
    others += [f"inline policy {each}" for each in inline_policy_names(aws, name)]
    role_is_ours = is_ours(role) or work.created_here(arn, tagged=True)
    shared = [each for each in others if _is_ours_elsewhere(aws, each)]
    if mine:
        work.do(
            Change("delete", "attachment", attachment, calls=("iam:DetachRolePolicy",)),
            ("detach_role_policy", {"RoleName": name, "PolicyArn": policy_arn}),
            about=f"attachments {name}",
        )
    if work.apply:
        # Somebody may have written a statement of their own since the preview.
        aws.forget(f"role {name}")
        role = read_role(aws, name) or role
    trust = policy_json(role["AssumeRolePolicyDocument"])
    rest = remove_own_statements(trust)
    if role_is_ours and not others and rest is None:
        _delete_role(work, role, trust)
    elif shared:
        work.result.kept.append(
            f"role {name} and its trust policy: another target uses it ({', '.join(shared)})"
        )
    elif rest is None:
        why = f"it has {', '.join(others)}" if others else "it was not made by this runbook"
        work.result.kept.append(
            f"role {name}: {why}; its trust policy names RisingWave alone and cannot be empty, so "
            "delete the role yourself when nobody needs it"
        )
    elif canonical(rest) != canonical(trust):
        rest = _as_it_was(work, arn, rest)
        work.do(
            Change(
                "update",
                "trust policy",
                arn,
                "without RisingWave's statement",
                before=trust,
                after=rest,
                calls=("iam:UpdateAssumeRolePolicy",),
            ),
            ("update_assume_role_policy", {"RoleName": name, "PolicyDocument": policy_text(rest)}),
            about=f"role {name}",
        )
        work.result.kept.append(f"role {name}: its other trust statements stay as they are")
    else:
        work.result.kept.append(f"role {name}: nothing of it is this runbook's")


def _as_it_was(work: Work, role_arn: str, rest: dict[str, Any]) -> dict[str, Any]:
    """Return the document of others' statements in the form it had before our first change."""
    for entry in ledger_history(work.runs_dir, role_arn):
        before = entry["before"]
        if entry["resource"] == "trust policy" and canonical(before) == canonical(rest):
            return dict(before)
    return rest


def _is_ours_elsewhere(aws: Aws, arn: str) -> bool:
    if not arn.startswith("arn:"):
        return False
    policy = read_policy(aws, arn) if ":policy/" in arn and "::aws:" not in arn else None
    return policy is not None and is_ours(policy)


def _delete_role(work: Work, role: Mapping[str, Any], trust: Mapping[str, Any]) -> None:
    name = role["RoleName"]
    work.do(
        Change(
            "delete",
            "IAM role",
            role["Arn"],
            before={"trust_policy": dict(trust)},
            calls=("iam:DeleteRole",),
        ),
        ("delete_role", {"RoleName": name}),
        about=f"role {name}",
    )
