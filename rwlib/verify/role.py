"""The hops policy, role and boundary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rwlib.errors import RunbookError
from rwlib.steps import canonical, document_diff, left_over, statements_of
from rwlib.target import Target
from rwlib.verify.check import APPLY, Check, Status, Verdict
from rwlib.verify.deciding import decide
from rwlib.verify.kinds import title_of
from rwlib.verify.situation import Situation

if TYPE_CHECKING:
    from rwlib.aws import Aws


def check_identity(situation: Situation) -> Check:
    """Say as whom AWS was asked."""
    return Check(
        "identity",
        "identity",
        title_of("identity"),
        "pass",
        (f"{situation.caller_arn} in account {situation.account_id}",),
    )


def check_policy(
    target: Target, situation: Situation, wanted: Mapping[str, Any]
) -> Iterable[Check]:
    """Compare the target's policy with the wanted document, and see that the role has it."""
    document, why = situation.policy_document, situation.why_unknown(situation.policy_arn)
    title = title_of("policy_documents", policy=target.policy_name)
    if document is None and why:
        yield Check("policy_documents", "policy", title, "unknown", (why,), reason="not_readable")
    elif document is None:
        evidence = f"{situation.policy_arn} does not exist"
        yield Check(
            "policy_documents", "policy", title, "fail", (evidence,), APPLY, "policy_missing", 1
        )
    elif canonical(document) == canonical(wanted):
        size = len(statements_of(document))
        yield Check("policy_documents", "policy", title, "pass", (f"{size} statements, equal",))
    else:
        diff = tuple(document_diff(document, wanted).splitlines()[2:])
        kept = {canonical(each) for each in situation.kept_versions}
        reason = "policy_old_version" if canonical(wanted) in kept else "policy_differs"
        if situation.versions_unread:
            diff += (f"its other versions were not looked at: {situation.versions_unread}",)
        yield Check("policy_documents", "policy", title, "fail", diff, APPLY, reason, 1)
    yield _attached(situation)


def with_kept_versions(aws: Aws, situation: Situation, wanted: Mapping[str, Any]) -> Situation:
    """Read the other versions of the target's policy where the default one is not as wanted.

    Another version that is tells a default that was set back from a document that was changed.
    """
    from rwlib.aws import policy_versions, version_document

    document = situation.policy_document
    if situation.planned or document is None or canonical(document) == canonical(wanted):
        return situation
    arn = situation.policy_arn
    try:
        kept = tuple(
            version_document(aws, arn, each["VersionId"])
            for each in policy_versions(aws, arn)
            if not each["IsDefaultVersion"]
        )
    except RunbookError as error:  # then nobody knows; the difference itself was read
        return replace(situation, versions_unread=str(error))
    return replace(situation, kept_versions=kept)


def _attached(situation: Situation) -> Check:
    title = title_of("policy_attached")
    why = situation.why_unknown("role") or situation.why_unknown("attached policies")
    if why and situation.policy_arn not in situation.attached:
        return Check("policy_attached", "policy", title, "unknown", (why,), reason="not_readable")
    if situation.trust_policy is None or situation.policy_arn not in situation.attached:
        evidence = f"{situation.policy_arn} is not attached to {situation.role_arn}"
        reason = "role_missing" if situation.trust_policy is None else "policy_not_attached"
        return Check("policy_attached", "policy", title, "fail", (evidence,), APPLY, reason, 2)
    evidence = f"{situation.policy_arn} is attached"
    return Check("policy_attached", "policy", title, "pass", (evidence,))


def check_role(target: Target, situation: Situation) -> Check:
    """See that the role exists."""
    title = title_of("role_exists", role=target.role_name)
    if why := situation.why_unknown("role"):
        return Check("role_exists", "role", title, "unknown", (why,), reason="not_readable")
    if situation.trust_policy is None:
        return Check(
            "role_exists", "role", title, "fail", (situation.role_arn,), APPLY, "role_missing", 2
        )
    planned = ("it would be created, or exists already",) if situation.planned else ()
    return Check("role_exists", "role", title, "pass", (situation.role_arn, *planned))


def check_left_over(aws: Aws, target: Target, situation: Situation) -> Iterable[Check]:
    """Name what earlier runs for this target made and it does not ask for any more.

    There is no such check while nothing is left over. A plan takes it away, so it is looked for
    in what AWS shows only.
    """
    if situation.planned or situation.trust_policy is None:
        return
    if situation.why_unknown("attached policies"):  # another check says so
        return
    title = title_of("left_over")
    try:
        changes = left_over(aws, target)
    except RunbookError as error:
        yield Check("left_over", "role", title, "unknown", (str(error),), reason="not_readable")
        return
    if changes:
        evidence = tuple(f"{each.resource} {each.name}: {each.detail}" for each in changes)
        yield Check("left_over", "role", title, "fail", evidence, APPLY, "left_over", 2)


def check_boundary(target: Target, situation: Situation, verdicts: list[Verdict]) -> Check:
    """See that the permissions boundary is the wanted one and stops no request."""
    title, wanted = title_of("boundary"), ""
    wanted = target.permissions_boundary_arn

    def verdict(
        status: Status,
        *evidence: str,
        fix: str = "",
        reason: str = "",
        fixed_by: int | None = None,
    ) -> Check:
        return Check("boundary", "boundary", title, status, evidence, fix, reason, fixed_by)

    if why := situation.why_unknown("role"):
        return verdict("unknown", why, reason="not_readable")
    boundary_arn = situation.boundary_arn
    if wanted and boundary_arn != wanted and situation.trust_policy is not None:
        return verdict(
            "fail",
            f"{wanted} is not set on the role, {boundary_arn or 'none'} is",
            fix=f"set it: aws iam put-role-permissions-boundary --role-name {target.role_name} "
            f"--permissions-boundary {wanted} (apply does so for a role that this runbook made)",
            reason="boundary_not_set",
        )
    if situation.boundary is None:
        if why := situation.why_unknown(boundary_arn or wanted):
            return verdict("unknown", f"{boundary_arn or wanted}: {why}", reason="not_readable")
        return verdict("pass", "none is set")
    stopped = [
        each
        for each in verdicts
        if each.probe.allow
        and each.decision.effect != "allowed"
        and decide(situation, each.probe, boundary=False).effect == "allowed"
    ]
    if not stopped:
        return verdict("pass", f"{boundary_arn} allows every request")
    if all(each.depends for each in stopped):
        return verdict("unknown", *(each.line for each in stopped), reason="depends_on_context")
    return verdict(
        "fail",
        *(each.line for each in stopped if not each.depends),
        reason="boundary_denies",
        fix=f"whoever owns {boundary_arn} must allow these requests in it; no policy of the "
        "role can",
    )
