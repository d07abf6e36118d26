"""Tear down: take back what this runbook made for a target, and nothing else.

Ours is what carries the runbook's tag, what has its Sid, and what a run's ledger says was
created. What somebody else uses now is kept and named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from rwlib.changes import Change, Ledger, canonical, ledger_history
from rwlib.policies import is_ours, policy_text, policy_users
from rwlib.roles import attached_policies, read_role
from rwlib.sessions import Aws, error_code, error_message, is_missing, policy_json, refused
from rwlib.target import Target
from rwlib.trust import remove_own_statements

if TYPE_CHECKING:
    from rwlib.cloud import Cloud


@dataclass
class TearDown:
    """What is taken back, in the order AWS needs, and what is kept and why."""

    changes: list[Change] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {"changes": [each.to_dict() for each in self.changes], "kept": self.kept}


@dataclass
class _Work:
    aws: Aws
    target: Target
    runs_dir: Path
    ledger: Ledger
    apply: bool
    sleep: Callable[[float], None]
    result: TearDown = field(default_factory=TearDown)

    def do(self, change: Change, *calls: tuple[str, dict[str, Any]], about: str) -> None:
        """Preview or make one change; what is gone already counts as done."""
        if not self.apply:
            self.result.changes.append(change)
            return
        self.ledger.intend(change)
        try:
            for operation, parameters in calls:
                self._call(operation, parameters, about)
        except ClientError as error:
            self.ledger.abandoned(change)
            if error_code(error) != "DeleteConflict":
                raise refused(error, f"deleting {change.name}") from error
            self.result.kept.append(f"{change.resource} {change.name}: {error_message(error)}")
            return
        self.ledger.done(change)
        self.result.changes.append(change.done())

    def _call(self, operation: str, parameters: dict[str, Any], about: str) -> None:
        """Make one writing call; what was detached a moment ago may still be in the way."""
        for pause in (0.5, 1.0, 2.0, 4.0, 0.0):
            try:
                self.aws.write("iam", operation, about=about, **parameters)
                return
            except ClientError as error:
                if is_missing(error):
                    return
                if error_code(error) != "DeleteConflict" or not pause:
                    raise
            self.sleep(pause)

    def created_here(self, name: str, *, tagged: bool = False) -> bool:
        """True when a run's ledger says that this runbook created it, and did not delete it.

        A run can stop between the call and its "done"; what it made then shows its tag. What has
        no tags (an attachment, an entry in a list) is ours from the moment it was intended, unless
        the run learned that somebody else made it.
        """
        created = False
        for entry in ledger_history(self.runs_dir, name):
            made = ("done",) if tagged else ("intended", "done")
            if entry["action"] == "create":
                created = entry["phase"] in made or (created and entry["phase"] == "intended")
            elif entry["action"] == "delete" and entry["phase"] == "done":
                created = False
        return created


def tear_down(
    aws: Aws,
    target: Target,
    *,
    runs_dir: Path = Path("runs"),
    ledger: Ledger | None = None,
    apply: bool = False,
    cloud: Cloud | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> TearDown:
    """Take back what this runbook made for the target; previews without ``apply``.

    A role that this runbook made is deleted unless others use it; an adopted role gets the trust
    policy that its other statements say. The policy is deleted unless something else uses it.
    Safe to run again, from wherever it was stopped.
    """
    work = _Work(aws, target, runs_dir, ledger or Ledger(), apply, sleep)
    policy_arn = target.policy_arn_in(aws.account_id)
    policy = _read_policy(aws, policy_arn)
    ours = policy is not None and (is_ours(policy) or work.created_here(policy_arn, tagged=True))
    role = read_role(aws, target.role_name)
    role_arn = role["Arn"] if role else target.role_arn_in(aws.account_id)
    _allowed_principal(work, cloud, role_arn)
    if role is not None:
        _role(work, role, policy_arn, ours)
    if policy is not None:
        _policy(work, policy, policy_arn, ours)
    return work.result


def _allowed_principal(work: _Work, cloud: Cloud | None, role_arn: str) -> None:
    """Take the role off the cluster's list, when a run of ours put it there."""
    cluster_id = work.target.cluster_id
    if cloud is None:
        work.result.kept.append(
            f"the entry {role_arn} in the cluster's Allowed Principals, if somebody made it: "
            "remove it in RisingWave Cloud's console"
        )
        return
    listed = cloud.allowed_iam_roles(cluster_id)
    if role_arn not in listed:
        return
    name = f"{role_arn} of cluster {cluster_id}"
    if not work.created_here(name):
        work.result.kept.append(f"allowed principal {name}: it was not added by this runbook")
        return
    change = Change(
        "delete",
        "allowed principal",
        name,
        before=list(listed.role_arns),
        calls=("DELETE allowedIamRoles",),
    )
    if work.apply:
        work.ledger.intend(change)
        cloud.remove_allowed_role(cluster_id, role_arn)
        work.ledger.done(change)
        change = change.done()
    work.result.changes.append(change)


def _read_policy(aws: Aws, arn: str) -> Mapping[str, Any] | None:
    try:
        policy: Mapping[str, Any] = aws.read("iam", "get_policy", about=arn, PolicyArn=arn)[
            "Policy"
        ]
    except ClientError as error:
        if is_missing(error):
            return None
        raise refused(error, f"looking for policy {arn}") from error
    return policy


def _role(work: _Work, role: Mapping[str, Any], policy_arn: str, policy_is_ours: bool) -> None:
    aws, name, arn = work.aws, role["RoleName"], role["Arn"]
    attached = attached_policies(aws, name)
    attachment = f"{policy_arn} to {name}"
    mine = policy_arn in attached and (policy_is_ours or work.created_here(attachment))
    others = [each for each in attached if each != policy_arn or not mine]
    others += [f"inline policy {each}" for each in _inline(aws, name)]
    trust = policy_json(role["AssumeRolePolicyDocument"])
    rest = remove_own_statements(trust)
    role_is_ours = is_ours(role) or work.created_here(arn, tagged=True)
    shared = [each for each in others if _is_ours_elsewhere(aws, each)]
    if mine:
        work.do(
            Change("delete", "attachment", attachment, calls=("iam:DetachRolePolicy",)),
            ("detach_role_policy", {"RoleName": name, "PolicyArn": policy_arn}),
            about=f"attachments {name}",
        )
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


def _as_it_was(work: _Work, role_arn: str, rest: dict[str, Any]) -> dict[str, Any]:
    """Return the document of others' statements in the form it had before our first change."""
    for entry in ledger_history(work.runs_dir, role_arn):
        before = entry["before"]
        if entry["resource"] == "trust policy" and canonical(before) == canonical(rest):
            return dict(before)
    return rest


def _inline(aws: Aws, role_name: str) -> list[str]:
    try:
        return aws.read_all(
            "iam",
            "list_role_policies",
            "PolicyNames",
            about=f"inline {role_name}",
            RoleName=role_name,
        )
    except ClientError as error:
        raise refused(error, f"listing the policies of role {role_name}") from error


def _is_ours_elsewhere(aws: Aws, arn: str) -> bool:
    if not arn.startswith("arn:"):
        return False
    policy = _read_policy(aws, arn) if ":policy/" in arn and "::aws:" not in arn else None
    return policy is not None and is_ours(policy)


def _delete_role(work: _Work, role: Mapping[str, Any], trust: Mapping[str, Any]) -> None:
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


def _policy(work: _Work, policy: Mapping[str, Any], arn: str, ours: bool) -> None:
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
    versions = aws.read_all("iam", "list_policy_versions", "Versions", about=arn, PolicyArn=arn)
    spare = [each["VersionId"] for each in versions if not each["IsDefaultVersion"]]
    default = aws.read(
        "iam",
        "get_policy_version",
        about=arn,
        PolicyArn=arn,
        VersionId=policy["DefaultVersionId"],
    )["PolicyVersion"]["Document"]
    work.do(
        Change(
            "delete",
            "IAM policy",
            arn,
            f"with {len(versions)} versions" if spare else "",
            before=policy_json(default),
            calls=(*(("iam:DeletePolicyVersion",) if spare else ()), "iam:DeletePolicy"),
        ),
        *(("delete_policy_version", {"PolicyArn": arn, "VersionId": each}) for each in spare),
        ("delete_policy", {"PolicyArn": arn}),
        about=arn,
    )


def _restore(work: _Work, policy: Mapping[str, Any], arn: str) -> None:
    """Give a policy that is not ours the version back that runs of ours replaced."""
    aws, name, now = work.aws, policy["PolicyName"], policy["DefaultVersionId"]
    replaced = [
        entry
        for entry in ledger_history(work.runs_dir, arn)
        if entry["action"] == "update" and entry["phase"] == "intended" and entry["before"]
    ]
    documents = _versions(aws, arn) if replaced else {}
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


def _versions(aws: Aws, arn: str) -> dict[str, dict[str, Any]]:
    """Return the document of each version."""
    versions = aws.read_all("iam", "list_policy_versions", "Versions", about=arn, PolicyArn=arn)
    return {
        each["VersionId"]: policy_json(
            aws.read(
                "iam", "get_policy_version", about=arn, PolicyArn=arn, VersionId=each["VersionId"]
            )["PolicyVersion"]["Document"]
        )
        for each in versions
    }
