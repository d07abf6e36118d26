"""All requests together: what must work, and what must fail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rwlib.verify.check import Check, Ground, Verdict
from rwlib.verify.deciding import decide
from rwlib.verify.kinds import title_of
from rwlib.verify.reasons import REASONS
from rwlib.verify.situation import Situation

_UNREAD = "not looked at, though it could decide otherwise"


def check_allowed(situation: Situation, verdicts: list[Verdict]) -> Check:
    """See that every request of the connectors is allowed."""
    title = title_of("requests_allowed")
    chosen = [verdict for verdict in verdicts if verdict.probe.allow]
    depending = [verdict for verdict in chosen if verdict.depends]
    bad = [verdict for verdict in chosen if not verdict.as_expected and not verdict.depends]
    unread = situation.unread()
    # A grant may stand in a policy that could not be read; a Deny that was read stands.
    hidden = situation.unread_grants()
    sure = [each for each in bad if not hidden or each.decision.effect == "explicit-deny"]
    if sure or (bad and not hidden):
        grounds = (*grounds_of(situation, sure), *_also_denied(situation, sure))
        return Check(
            "requests_allowed",
            "requests",
            title,
            "fail",
            tuple(each.evidence for each in grounds),
            _fix_of(grounds),
            reason_of(situation, sure[0]),
            grounds=grounds,
        )
    if unread:
        return Check(
            "requests_allowed", "requests", title, "unknown", _not_looked_at(unread),
            reason="not_readable",
        )  # fmt: skip
    if depending:
        grounds = grounds_of(situation, depending)
        lines = tuple(each.evidence for each in grounds)
        return Check(
            "requests_allowed", "requests", title, "unknown", lines,
            reason="depends_on_context", grounds=grounds,
            hops=tuple(dict.fromkeys(map(_hop_that_decides, depending))),
        )  # fmt: skip
    grounds = grounds_of(situation, chosen, refused=False)
    lines = tuple(each.evidence for each in grounds)
    return Check("requests_allowed", "requests", title, "pass", lines, grounds=grounds)


def _also_denied(situation: Situation, refused: Iterable[Verdict]) -> tuple[Ground, ...]:
    """Return a line for each request that the bucket policy and the role's own policies deny.

    One of them is named first, and what is mended there would only bring the other to light.
    """
    without = replace(situation, bucket=replace(situation.bucket, policy=None))
    by_bucket = [e for e in refused if reason_of(situation, e) == "bucket_policy_denies"]
    again = [Verdict(each.probe, decide(without, each.probe)) for each in by_bucket]
    return grounds_of(without, [e for e in again if e.decision.effect == "explicit-deny"])


def _fix_of(grounds: Iterable[Ground]) -> str:
    """Say what mends each reason for which requests are refused."""
    fixes = dict.fromkeys(REASONS[each.reason].fix for each in grounds)
    said = " ".join(fixes)
    return said[:1].lower() + said[1:].removesuffix(".")


def _hop_that_decides(verdict: Verdict) -> str:
    """Return the hop whose condition decides about a request that depends on one."""
    by_key = verdict.probe.action.startswith("kms:")
    hops = {"resource": "KMS" if by_key else "bucket", "boundary": "boundary"}
    return hops.get(verdict.decision.layer, "requests")


def check_refused(
    situation: Situation, verdicts: list[Verdict], beside: Situation | None = None
) -> Check:
    """See that the sampled requests that must fail do; `judge_reach` is the complete answer.

    Parameters
    ----------
    beside
        The situation without what is accepted or asked for by other targets: a request that goes
        through by nothing else is wanted.
    """
    title = title_of("requests_refused")
    chosen = [verdict for verdict in verdicts if not verdict.probe.allow]
    depending = [verdict for verdict in chosen if verdict.depends]
    through = [verdict for verdict in chosen if verdict.decision.allowed]
    bad = [
        verdict
        for verdict in through
        if beside is None or decide(beside, verdict.probe).effect in ("allowed", "depends")
    ]
    if bad:
        return Check(
            "requests_refused",
            "requests",
            title,
            "fail",
            tuple(verdict.line for verdict in bad),
            "another policy of the role, or the bucket policy, grants this; take it away there, "
            "give this target a role_name of its own, or accept the finding by its id",
            "grant_beyond_need",
        )
    if unread := situation.unread_grants():
        return Check(
            "requests_refused", "requests", title, "unknown", _not_looked_at(unread),
            reason="not_readable",
        )  # fmt: skip
    if depending:
        said = tuple(verdict.line for verdict in depending)
        return Check(
            "requests_refused", "requests", title, "unknown", said, reason="depends_on_context"
        )
    lines = tuple(f"wanted: {each.line}" if each in through else each.line for each in chosen)
    return Check("requests_refused", "requests", title, "pass", lines)


def reason_of(situation: Situation, verdict: Verdict) -> str:
    """Return the code of why a request is refused, from what decided about it."""
    decision, service = verdict.decision, verdict.probe.action.partition(":")[0]
    if decision.effect == "explicit-deny":
        by_resource = "kms_key_policy" if service == "kms" else "bucket_policy_denies"
        by_layer = {"resource": by_resource, "boundary": "boundary_denies"}
        return by_layer.get(decision.layer, "role_policy_denies")
    if decision.layer == "boundary":
        return "boundary_denies"
    if situation.trust_policy is None:
        return "role_missing"
    if decision.layer == "identity" and situation.policy_arn not in situation.attached:
        return "policy_not_attached"
    if service == "kms":
        return "kms_role_permission" if decision.layer == "identity" else "kms_key_policy"
    if service == "glue":
        return "glue_permission_missing"
    return _nearest(verdict)


def _nearest(verdict: Verdict) -> str:
    """Return the code of what keeps the nearest Allow from allowing it."""
    near = next(iter(verdict.decision.near_misses), None)
    if near is None or not near.mismatches:
        return "s3_action_missing"
    element = near.mismatches[0].element
    if element in ("Action", "NotAction"):
        return "s3_action_missing"
    if element in ("Resource", "NotResource"):
        return "s3_resource_mismatch"
    keys = {miss.key.lower() for miss in near.mismatches if miss.key}
    return "list_condition_too_narrow" if "s3:prefix" in keys else "request_condition_unmet"


def grounds_of(
    situation: Situation, verdicts: Iterable[Verdict], *, refused: bool = True
) -> tuple[Ground, ...]:
    """Return a line for each request, with why it is refused or on what it depends."""

    def reason(verdict: Verdict) -> str:
        if verdict.depends:
            return "depends_on_context"
        return reason_of(situation, verdict) if refused else ""

    return tuple(
        Ground(reason(each), each.line, each.probe.action, each.decision.depends_on)
        for each in verdicts
    )


def _not_looked_at(unread: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{what} {_UNREAD}: {why}" for what, why in unread.items())
