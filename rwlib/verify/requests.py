"""All requests together: what must work, and what must fail."""

from __future__ import annotations

from rwlib.verify.check import Check, Verdict
from rwlib.verify.situation import Situation

_UNREAD = "not looked at, though it could decide otherwise"


def check_allowed(situation: Situation, verdicts: list[Verdict]) -> Check:
    """See that every request of the connectors is allowed."""
    title = "What the connectors do is allowed"
    chosen = [verdict for verdict in verdicts if verdict.probe.allow]
    bad = [verdict for verdict in chosen if not verdict.as_expected]
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
        )
    if unread:
        return Check("requests_allowed", "requests", title, "unknown", _not_looked_at(unread))
    lines = tuple(verdict.line for verdict in chosen)
    return Check("requests_allowed", "requests", title, "pass", lines)


def check_refused(situation: Situation, verdicts: list[Verdict]) -> Check:
    """See that the sampled requests that must fail do; `check_grants` is the complete answer."""
    title = "The requests that must fail are refused"
    chosen = [verdict for verdict in verdicts if not verdict.probe.allow]
    bad = [verdict for verdict in chosen if not verdict.as_expected]
    if bad:
        return Check(
            "requests_refused",
            "requests",
            title,
            "fail",
            tuple(verdict.line for verdict in bad),
            "another policy of the role, or the bucket policy, grants this; take it away there, "
            "or give this target a role_name of its own",
        )
    if unread := situation.unread_grants():
        return Check("requests_refused", "requests", title, "unknown", _not_looked_at(unread))
    lines = tuple(verdict.line for verdict in chosen)
    return Check("requests_refused", "requests", title, "pass", lines)


def _not_looked_at(unread: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{what} {_UNREAD}: {why}" for what, why in unread.items())
