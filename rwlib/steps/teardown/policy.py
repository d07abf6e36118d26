"""Tear down the policy: deleted when it is ours, else given its version back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rwlib.aws import policy_users, policy_versions, version_document
from rwlib.steps.changes import Change, canonical, ledger_history
from rwlib.steps.teardown.work import Work


def take_back_policy(work: Work, policy: Mapping[str, Any], arn: str, ours: bool) -> None:
    """Delete our policy unless others use it; give somebody else's its version back."""
    aws, name = work.aws, policy["PolicyName"]
    if not ours:
        _restore(work, policy, arn)
        return
    users = [
        f"{kind} {user}"
        for kind, user in policy_users(aws, arn)
        if (kind, user) != ("role", work.target.role_name)
    ]
    if users:
        work.result.kept.append(f"policy {name}: {', '.join(users)} uses it")
        return
    versions = policy_versions(aws, arn)
    spare = [each["VersionId"] for each in versions if not each["IsDefaultVersion"]]
    work.do(
        Change(
            "delete",
            "IAM policy",
            arn,
            f"with {len(versions)} versions" if spare else "",
            before=version_document(aws, arn, policy["DefaultVersionId"]),
            calls=(*(("iam:DeletePolicyVersion",) if spare else ()), "iam:DeletePolicy"),
        ),
        *(("delete_policy_version", {"PolicyArn": arn, "VersionId": each}) for each in spare),
        ("delete_policy", {"PolicyArn": arn}),
        about=arn,
    )


def _restore(work: Work, policy: Mapping[str, Any], arn: str) -> None:
    """Give a policy that is not ours the version back that runs of ours replaced."""
    aws, name, now = work.aws, policy["PolicyName"], policy["DefaultVersionId"]
    replaced = [
        entry
        for entry in ledger_history(work.runs_dir, arn)
        if entry["action"] == "update" and entry["phase"] == "intended" and entry["before"]
    ]
    versions = policy_versions(aws, arn) if replaced else []
    documents = {
        each["VersionId"]: version_document(aws, arn, each["VersionId"]) for each in versions
    }
    wanted, ours = documents.get(now), []
    for entry in reversed(replaced):
        if canonical(entry["after"]) == canonical(wanted) and entry["after"] != entry["before"]:
            ours.append(canonical(wanted))
            wanted = entry["before"]
    earlier = [v for v, document in documents.items() if canonical(document) == canonical(wanted)]
    if ours and earlier:
        gone = [v for v, document in documents.items() if canonical(document) in ours]
        work.do(
            Change(
                "update",
                "IAM policy",
                arn,
                f"default version back to {earlier[0]}",
                before=documents[now],
                after=wanted,
                calls=("iam:SetDefaultPolicyVersion", "iam:DeletePolicyVersion"),
            ),
            ("set_default_policy_version", {"PolicyArn": arn, "VersionId": earlier[0]}),
            *(("delete_policy_version", {"PolicyArn": arn, "VersionId": each}) for each in gone),
            about=arn,
        )
    work.result.kept.append(f"policy {name}: it was not made by this runbook")
