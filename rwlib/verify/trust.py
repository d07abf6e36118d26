"""The hop from RisingWave to the role: its trust policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rwlib.steps import REDSHIFT_SERVICE, SID, condition_keys, principals_of, statements_of
from rwlib.target import Target
from rwlib.verify.check import APPLY, Check
from rwlib.verify.deciding import assume
from rwlib.verify.probes import forbidden_callers
from rwlib.verify.situation import Situation

_TITLES = {
    "trust_principal": "The trust policy names the Workload Identity",
    "trust_conditions": "The trust policy asks for nothing that RisingWave cannot send",
    "trust_deny": "No Deny of the trust policy shuts RisingWave out",
    "trust": "RisingWave may assume the role, and nobody else of its account",
}


def check_trust(situation: Situation, workload: str) -> Iterable[Check]:
    """Judge who may assume the role: the Workload Identity, and nobody beside it."""
    why = situation.why_unknown("role")
    if why or (situation.trust_policy is not None and not workload):
        for check_id, title in _TITLES.items():
            evidence = why or "Workload Identity not known"
            yield Check(check_id, "trust", title, "unknown", (evidence,))
        return
    if situation.trust_policy is None:
        for check_id, title in _TITLES.items():
            yield Check(check_id, "trust", title, "fail", ("there is no role",), APPLY)
        return
    statements = statements_of(situation.trust_policy)
    decision = assume(situation, workload)
    reasons = tuple(str(reason) for reason in decision.reasons[:3])
    allowed = decision.effect == "allowed"
    yield _verdict(
        "trust_principal",
        [] if _names(statements, workload) else [_found_principals(statements, workload)],
        workload,
        APPLY,
    )
    yield _verdict(
        "trust_conditions",
        () if allowed else _conditions(statements, workload),
        "no condition is in the way",
        "remove the condition from that statement: RisingWave sends no external id and no "
        "session name of your choosing",
    )
    yield _verdict(
        "trust_deny",
        reasons if decision.effect == "explicit-deny" else (),
        "no Deny matches the Workload Identity",
        "exempt the Workload Identity in that Deny; an Allow does not help",
    )
    yield _verdict(
        "trust",
        [
            *([] if allowed else reasons or ("not allowed",)),
            *_too_wide(situation, statements, workload),
        ],
        f"only {workload}",
        APPLY,
    )


def check_redshift_trust(target: Target, situation: Situation) -> Iterable[Check]:
    """See that Redshift's COPY may use the role, where the target has a Redshift sink."""
    if "redshift" not in target.connectors:
        return
    title = "Redshift may assume the role for its COPY"
    if why := situation.why_unknown("role"):
        yield Check("redshift_trust", "connector", title, "unknown", (why,))
        return
    if situation.trust_policy is None:
        yield Check("redshift_trust", "connector", title, "fail", ("there is no role",), APPLY)
        return
    decision = assume(situation, REDSHIFT_SERVICE)
    allowed = decision.effect == "allowed"
    reasons = tuple(str(reason) for reason in decision.reasons[:2]) or (REDSHIFT_SERVICE,)
    yield Check(
        "redshift_trust",
        "connector",
        title,
        "pass" if allowed else "fail",
        reasons,
        "" if allowed else APPLY,
    )


def _verdict(check_id: str, bad: Iterable[str], good: str, fix: str) -> Check:
    evidence = tuple(bad)
    return Check(
        check_id,
        "trust",
        _TITLES[check_id],
        "fail" if evidence else "pass",
        evidence or (good,),
        fix if evidence else "",
    )


def _too_wide(
    situation: Situation, statements: list[dict[str, Any]], workload: str
) -> Iterable[str]:
    """Say who may assume the role beside the Workload Identity.

    What other statements trust is their owners' business; the runbook's own must name the
    Workload Identity alone.
    """
    callers = forbidden_callers(workload, situation.account_id)
    for statement in statements:
        if statement.get("Sid") == SID and statement.get("Effect") == "Allow":
            for kind in ("AWS", "Service", "Federated"):
                for name in principals_of(statement, kind):
                    if name != workload and (kind != "AWS" or name.startswith("arn:")):
                        callers[name] = (
                            "named beside the Workload Identity in the runbook's own statement"
                        )
    for name, title in callers.items():
        if assume(situation, name).effect == "allowed":
            yield f"{name} may assume the role too: {title}"


def _names(statements: list[dict[str, Any]], workload: str) -> bool:
    account = workload.split(":")[4]
    wide = {"*", account, f"arn:aws:iam::{account}:root"}
    named = {
        principal
        for statement in statements
        if statement.get("Effect") == "Allow"
        for principal in principals_of(statement)
    }
    return workload in named or bool(named & wide)


def _found_principals(statements: list[dict[str, Any]], workload: str) -> str:
    found = [each for statement in statements for each in principals_of(statement)]
    deleted = [each for each in found if each.startswith(("AROA", "AIDA"))]
    if deleted:
        return (
            f"it names {deleted[0]}, the id of a role that was deleted; a role made again under "
            "the same name has another id, so the ARN must be written again"
        )
    return f"it names {', '.join(found) or 'nobody'}, not {workload}"


def _conditions(statements: Iterable[Mapping[str, Any]], workload: str) -> Iterable[str]:
    for statement in statements:
        if statement.get("Effect") != "Allow" or workload not in principals_of(statement):
            continue
        for key in sorted(condition_keys(statement)):
            yield f"{statement.get('Sid') or 'a statement'} has a condition on {key}"
