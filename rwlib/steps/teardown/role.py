"""Take a role back: its attachment, its trust policy, the target's claim, itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rwlib.aws import attached_policies, inline_policy_names, policy_json, read_role
from rwlib.steps.changes import Change, ChangeSubject, canonical
from rwlib.steps.ownership import (
    STATEMENT,
    Claim,
    WrittenStatements,
    claim_key,
    id_of,
    is_ours,
    other_claims,
    other_manager,
    principal_key,
    statement_key,
    tags_of,
)
from rwlib.steps.quotas import policy_text
from rwlib.steps.step3_documents import (
    REDSHIFT_SID,
    principals_of,
    remove_own_statements,
    statements_of,
)
from rwlib.steps.teardown.policy import detach
from rwlib.steps.teardown.work import Work


def take_back_role(
    work: Work,
    role: Mapping[str, Any],
    policy: Mapping[str, Any] | None,
    policy_is_ours: bool,
    *,
    gone: Collection[str] = (),
    unlisted: bool = False,
) -> None:
    """Detach the policy, then delete our role, or give an adopted one its trust policy back.

    Parameters
    ----------
    gone
        Policies of earlier runs that were detached.
    unlisted
        True when the cluster's Allowed Principals do not hold the role any more.
    """
    aws, name = work.aws, role["RoleName"]
    attached = attached_policies(aws, name)
    detached = ""
    if policy is not None and policy["Arn"] in attached:
        detached = _detach_own(work, role, policy, policy_is_ours)
    if work.apply:
        # Somebody may have written a statement or attached a policy since the preview.
        found = _fresh(work, name)
        if found is None:
            return
        role = found
        aws.forget(f"attachments {name}")
        aws.forget(f"inline {name}")
        attached = attached_policies(aws, name)
    used = [each for each in attached if each != detached and each not in gone]
    used += [f"inline policy {each}" for each in inline_policy_names(aws, name)]
    claims = other_claims(role, work.target.name)
    ours = is_ours(role, work.ledger, work.target.tags)
    trust = policy_json(role["AssumeRolePolicyDocument"])
    rest = _without_ours(work, role, trust, claims)
    if ours and not claims and not used and rest is None:
        _delete_role(work, role, trust)
        return
    if rest is not None and canonical(rest) != canonical(trust):
        rest = _as_it_was(work, role["Arn"], id_of(role), rest)
        _write_trust(work, role, trust, rest)
    _say_what_is_kept(work, role, claims, ours, used, trust, rest)
    _take_tags_off(work, role, rest if rest is not None else trust, unlisted)
    if not claims:
        _name_what_is_left(work, role, ours, rest if rest is not None else trust)


def _detach_own(
    work: Work, role: Mapping[str, Any], policy: Mapping[str, Any], policy_is_ours: bool
) -> str:
    """Detach the policy where the attachment is ours; return its ARN, empty where it stays."""
    name, arn, role_id = role["RoleName"], policy["Arn"], id_of(role)
    attachment = f"{arn} to {name}"
    if policy_is_ours and not other_claims(policy, work.target.name):
        detach(work, name, policy)
        return str(arn)
    if policy_is_ours or not work.created_here(attachment, role_id):
        return ""
    if _was_handed_over(work, role) or _was_handed_over(work, policy):
        return ""
    work.do(
        Change("delete", ChangeSubject.ATTACHMENT, attachment, calls=("iam:DetachRolePolicy",)),
        ("detach_role_policy", {"RoleName": name, "PolicyArn": arn}),
        about=f"attachments {name}",
        same=lambda: _why_another(work, name, role_id),
    )
    return str(arn)


def _was_handed_over(work: Work, item: Mapping[str, Any]) -> bool:
    """True for a role or policy that this runbook made and that another tool manages now."""
    return bool(other_manager(item, work.target.tags)) and work.created_here(
        item["Arn"], id_of(item)
    )


def _say_what_is_kept(
    work: Work,
    role: Mapping[str, Any],
    claims: Collection[Claim],
    ours: bool,
    used: Collection[str],
    trust: Mapping[str, Any],
    rest: Mapping[str, Any] | None,
) -> None:
    """Say why the role stays, and what of it."""
    name = role["RoleName"]
    if claims:
        names = ", ".join(sorted({claim.target for claim in claims}))
        work.keep(f"role {name} and its trust policy: another target uses it ({names})")
    elif rest is None:
        why = f"it has {', '.join(used)}" if used else "it was not made by this runbook"
        work.keep(
            f"role {name}: {why}; its trust policy names RisingWave alone and cannot be empty, so "
            "delete the role yourself when it is no longer needed"
        )
    elif canonical(rest) != canonical(trust):
        work.keep(f"role {name}: its other trust statements stay as they are")
    elif ours:
        work.keep(f"role {name}: nothing of it was made by this runbook")
    elif remove_own_statements(trust) is None:
        work.keep(
            f"role {name}: {_whose(work, role)}, and its trust policy names RisingWave alone; "
            "delete the role yourself when it is no longer needed"
        )
    else:
        work.keep(f"role {name}: {_whose(work, role)}")


def _name_what_is_left(
    work: Work, role: Mapping[str, Any], ours: bool, trust: Mapping[str, Any]
) -> None:
    name = role["RoleName"]
    workload = work.target.workload_identity_arn
    trusts = any(
        each.get("Effect") == "Allow" and workload and workload in principals_of(each)
        for each in statements_of(trust)
    )
    if trusts:
        work.result.left.append(f"role {name} still trusts RisingWave")
    elif ours:
        work.result.left.append(f"role {name} was made by this runbook, and others use it")


def _whose(work: Work, role: Mapping[str, Any]) -> str:
    manager = other_manager(role, work.target.tags)
    return (
        f"it is managed by somebody else ({manager})"
        if manager
        else "it was not made by this runbook"
    )


def _fresh(work: Work, name: str) -> dict[str, Any] | None:
    work.aws.forget(f"role {name}")
    return read_role(work.aws, name)


def _why_another(work: Work, name: str, role_id: str) -> str:
    """Read the role again and say why it is not the one it was; empty when it is, or is gone."""
    role = _fresh(work, name)
    if role is not None and id_of(role) != role_id:
        return "somebody made it again in the meantime"
    return ""


def _without_ours(
    work: Work, role: Mapping[str, Any], trust: Mapping[str, Any], claims: list[Claim]
) -> dict[str, Any] | None:
    """Return the trust policy without what only this target needs of what we wrote."""
    # A tool that takes a role over takes our marks off it; what the ledger remembers is the
    # tool's from then on.
    managed = other_manager(role, work.target.tags)
    written = WrittenStatements(role, None if managed else work.ledger)

    def goes(statement: Mapping[str, Any]) -> bool:
        if statement_key(statement) not in written:
            return False
        if statement.get("Sid") == REDSHIFT_SID:
            return not any(claim.redshift for claim in claims)
        return not claims

    return remove_own_statements(trust, goes)


def _as_it_was(work: Work, role_arn: str, role_id: str, rest: dict[str, Any]) -> dict[str, Any]:
    """Return the document of others' statements in the form it had before our first change."""
    for entry in work.ledger.history(role_arn):
        before = entry["before"]
        if (
            entry["resource"] == ChangeSubject.TRUST_POLICY
            and entry.get("id") == role_id
            and canonical(before) == canonical(rest)
        ):
            return dict(before)
    return rest


def _write_trust(
    work: Work, role: Mapping[str, Any], trust: Mapping[str, Any], rest: Mapping[str, Any]
) -> None:
    name, role_id = role["RoleName"], id_of(role)

    def same() -> str:
        found = _fresh(work, name)
        if found is None:
            return ""
        if id_of(found) != role_id:
            return "somebody made the role again in the meantime"
        now = policy_json(found["AssumeRolePolicyDocument"])
        if canonical(now) != canonical(trust):
            return "somebody wrote it in the meantime; run this again"
        return ""

    work.do(
        Change(
            "update",
            ChangeSubject.TRUST_POLICY,
            role["Arn"],
            "without RisingWave's statement",
            before=dict(trust),
            after=dict(rest),
            calls=("iam:UpdateAssumeRolePolicy",),
        ),
        ("update_assume_role_policy", {"RoleName": name, "PolicyDocument": policy_text(rest)}),
        about=f"role {name}",
        same=same,
        resource_id=role_id,
    )


def _take_tags_off(
    work: Work, role: Mapping[str, Any], trust: Mapping[str, Any], unlisted: bool
) -> None:
    """Take the target's claim off a role that stays, and what was recorded for this target."""
    name, role_id = role["RoleName"], id_of(role)
    there = {statement_key(each) for each in statements_of(trust)}
    gone = principal_key(work.target.cluster_id) if unlisted else ""
    # A copy of our tags on somebody else's role is theirs.
    keys = [
        key
        for key, value in tags_of(role).items()
        if value.split(" ")[0] == role_id
        and (
            key in (claim_key(work.target.name), gone)
            or (key.startswith(STATEMENT) and key not in there)
        )
    ]
    if not keys:
        return
    work.do(
        Change(
            "delete",
            ChangeSubject.CLAIM,
            f"of target {work.target.name} on role {name}",
            before=keys,
            calls=("iam:UntagRole",),
        ),
        ("untag_role", {"RoleName": name, "TagKeys": keys}),
        about=f"role {name}",
        same=lambda: _why_another(work, name, role_id),
        resource_id=role_id,
    )


def _delete_role(work: Work, role: Mapping[str, Any], trust: Mapping[str, Any]) -> None:
    name, role_id = role["RoleName"], id_of(role)

    def same() -> str:
        # IAM shows what was written a moment late, so one look without a claim is not enough.
        for _ in range(2):
            found = _fresh(work, name)
            if found is None:
                return ""
            if id_of(found) != role_id or not is_ours(found, work.ledger, work.target.tags):
                return "somebody made it again or took it over in the meantime"
            if claims := other_claims(found, work.target.name):
                return f"target {claims[0].target} uses it"
            if canonical(policy_json(found["AssumeRolePolicyDocument"])) != canonical(trust):
                return "somebody wrote its trust policy in the meantime; run this again"
        return ""

    work.do(
        Change(
            "delete",
            ChangeSubject.ROLE,
            role["Arn"],
            before={"trust_policy": dict(trust)},
            calls=("iam:DeleteRole",),
        ),
        ("delete_role", {"RoleName": name}),
        about=f"role {name}",
        same=same,
        resource_id=role_id,
    )
