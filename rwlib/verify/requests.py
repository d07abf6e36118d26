"""All requests together: what must work, and what must fail."""

from __future__ import annotations

from rwlib.verify.check import Check, Verdict
from rwlib.verify.situation import Situation

_UNREAD = "not looked at, though it could decide otherwise"


def check_allowed(situation: Situation, verdicts: list[Verdict]) -> Check:
    """See that every request of the connectors is allowed."""
    title = "What the connectors do is allowed"
    chosen = [verdict for verdict in verdicts if verdict.probe.allow]
    depending = [verdict for verdict in chosen if verdict.depends]
    bad = [verdict for verdict in chosen if not verdict.as_expected and not verdict.depends]
    unread = situation.unread()
    # A grant may stand in a policy that could not be read; a Deny that was read stands.
    hidden = situation.unread_grants()
    sure = [each for each in bad if not hidden or each.decision.effect == "explicit-deny"]
    if sure or (bad and not hidden):
        return Check(
            "requests_allowed",
            "requests",
            title,
            "fail",
            tuple(verdict.line for verdict in sure),
            "see the checks above for the hop that refuses; a documented policy is repaired by "
            "policy_style: recommended",
            reason_of(sure[0]),
        )
    if unread:
        return Check(
            "requests_allowed", "requests", title, "unknown", _not_looked_at(unread),
            reason="not_readable",
        )  # fmt: skip
    if depending:
        said = tuple(verdict.line for verdict in depending)
        return Check(
            "requests_allowed", "requests", title, "unknown", said, reason="depends_on_context"
        )
    lines = tuple(verdict.line for verdict in chosen)
    return Check("requests_allowed", "requests", title, "pass", lines)


def check_refused(situation: Situation, verdicts: list[Verdict]) -> Check:
    """See that the sampled requests that must fail do; `check_grants` is the complete answer."""
    title = "The requests that must fail are refused"
    chosen = [verdict for verdict in verdicts if not verdict.probe.allow]
    depending = [verdict for verdict in chosen if verdict.depends]
    bad = [verdict for verdict in chosen if verdict.decision.allowed]
    if bad:
        return Check(
            "requests_refused",
            "requests",
            title,
            "fail",
            tuple(verdict.line for verdict in bad),
            "another policy of the role, or the bucket policy, grants this; take it away there, "
            "or give this target a role_name of its own",
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
    lines = tuple(verdict.line for verdict in chosen)
    return Check("requests_refused", "requests", title, "pass", lines)


def reason_of(verdict: Verdict) -> str:
    """Return the code of why a request is refused, from what decided about it."""
    decision = verdict.decision
    if decision.effect == "explicit-deny":
        return "bucket_policy_denies" if decision.layer == "resource" else "request_refused"
    if decision.layer == "boundary":
        return "boundary_denies"
    action = verdict.probe.action
    if action.startswith("kms:"):
        return "kms_role_permission" if decision.layer == "identity" else "kms_key_policy"
    if action.startswith("glue:"):
        return "glue_permission_missing"
    near = next(iter(decision.near_misses), None)
    elements = [miss.element for miss in near.mismatches] if near is not None else []
    if not elements or elements[0] in ("Action", "NotAction"):
        return "s3_action_missing"
    if elements[0] in ("Resource", "NotResource"):
        return "s3_resource_mismatch"
    keys = [miss.key.lower() for miss in near.mismatches if miss.key] if near is not None else []
    return "list_condition_too_narrow" if "s3:prefix" in keys else "request_refused"


def _not_looked_at(unread: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{what} {_UNREAD}: {why}" for what, why in unread.items())
