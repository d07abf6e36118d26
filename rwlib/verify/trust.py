"""The hop from RisingWave to the role: its trust policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rwlib.connectors import uses_service
from rwlib.evaluate import SESSION_NAME_KEY, Decision, Unknown
from rwlib.steps import (
    REDSHIFT_SERVICE,
    SID,
    condition_keys,
    principals_of,
    restrictions,
    statements_of,
)
from rwlib.target import Target
from rwlib.verify.check import APPLY, Check, Ground, Status
from rwlib.verify.deciding import (
    assume,
    assume_by_redshift,
    assume_models,
    session_names,
    trust_policies,
    until,
)
from rwlib.verify.kinds import title_of
from rwlib.verify.probes import forbidden_callers
from rwlib.verify.reasons import REASONS
from rwlib.verify.situation import Situation

_IDS = ("trust_principal", "trust_conditions", "trust_deny", "trust")
_REMOVE = (
    "remove the condition from that statement, or change it to what RisingWave sends: it sends no "
    "external ID and no session name of your choosing"
)


def check_trust(
    target: Target, situation: Situation, workload: str, beside: Situation | None = None
) -> Iterable[Check]:
    """Judge who may assume the role: the Workload Identity, and nobody beside it.

    Parameters
    ----------
    beside
        The situation without what the target accepts: who still gets in there is not wanted.
    """
    why = situation.why_unknown("role")
    if why or (situation.trust_policy is not None and not workload):
        reason = "not_readable" if why else "workload_identity_unknown"
        for check_id in _IDS:
            evidence = why or "Workload Identity not known"
            yield _check(check_id, "unknown", (evidence,), reason=reason)
        return
    if situation.trust_policy is None:
        for check_id in _IDS:
            yield _check(
                check_id,
                "fail",
                (REASONS["role_missing"].title,),
                APPLY,
                "role_missing",
                2,
            )
        return
    yield from _Trust(
        situation, situation.trust_policy, workload, session_names(target), beside or situation
    ).checks()


class _Trust:
    """A trust policy, judged for one Workload Identity."""

    def __init__(
        self,
        situation: Situation,
        document: Mapping[str, Any],
        workload: str,
        names: Sequence[str | Unknown],
        beside: Situation,
    ) -> None:
        self.situation = situation
        self.beside = beside
        self.document = document
        self.workload = workload
        self.names = names
        self.statements = statements_of(document)
        self.whole = self._judge(self.statements)

    def checks(self) -> Iterable[Check]:
        """Return the four checks of the hop."""
        deny, conditions = self._deny(), self._conditions()
        principal = self._principal(deny)
        yield principal
        yield conditions
        yield deny
        yield self._trust(principal, conditions, deny)

    def _judge(self, statements: Sequence[Mapping[str, Any]]) -> Decision:
        document = {**self.document, "Statement": list(statements)}
        return assume(
            self.situation, self.workload, trust_policy=document, session_names=self.names
        )

    def _principal(self, deny: Check) -> Check:
        allowing = [each for each in self.statements if each.get("Effect") == "Allow"]
        if _names(allowing, self.workload):
            return _check("trust_principal", "pass", (self.workload,))
        as_session = self._judge([_without_condition(each) for each in allowing])
        if as_session.effect == "depends":
            return _depends("trust_principal", as_session)
        if any("NotPrincipal" in each for each in allowing) and as_session.allowed:
            return _check("trust_principal", "pass", (self.workload,))
        reason = "trust_principal_mismatch"
        if _deleted(self.statements):
            reason = "trust_principal_deleted"
        elif _names(self.statements, self.workload):
            reason = "trust_explicit_deny" if deny.status == "fail" else "trust_missing"
        evidence = (_found_principals(self.statements, self.workload),)
        return _check("trust_principal", "fail", evidence, APPLY, reason, 3)

    def _conditions(self) -> Check:
        """Look at every statement that could let RisingWave in, the ones with conditions."""
        allowing = [each for each in self.statements if each.get("Effect") == "Allow"]
        decision = self._judge(allowing)
        if decision.allowed:
            return _check("trust_conditions", "pass", self._met())
        could = [
            each
            for each in allowing
            if each.get("Condition")
            and self._judge([_without_condition(each)]).effect in ("allowed", "depends")
        ]
        if decision.effect == "depends":
            if decision.depends_on == (SESSION_NAME_KEY,):
                return _check("trust_conditions", "pass", ("no condition is in the way",))
            return _depends("trust_conditions", decision, self._nat_addresses(decision))
        if not could:
            return _check("trust_conditions", "pass", ("no condition is in the way",))
        unmet = [(each, self._unmet(each)) for each in could]
        unmet.sort(key=lambda pair: len(pair[1]))
        keys = {key.lower() for key, _ in unmet[0][1]}
        reason = (
            "trust_external_id_required" if "sts:externalid" in keys else "trust_condition_unmet"
        )
        grounds = tuple(
            Ground(
                _reason_of_key(key),
                f"{each.get('Sid') or 'a statement'} has a condition on {key.lower()}{said}",
            )
            for each, misses in unmet
            for key, said in misses
        )
        lines = tuple(each.evidence for each in grounds)
        own = all(each.get("Sid") == SID for each in could) and "sts:externalid" not in keys
        return replace(
            _check("trust_conditions", "fail", lines, _REMOVE, reason, 3 if own else None),
            grounds=grounds,
        )

    def _met(self) -> tuple[str, ...]:
        """Say that no condition is in the way, and when one will be."""
        lines = ["no condition is in the way"]
        policies = trust_policies(self.situation, self.document)
        for model in assume_models(self.situation, self.workload, self.names)[:1]:
            if said := until(model, policies):
                lines.append(said)
        return tuple(lines)

    def _unmet(self, statement: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the keys of a statement's conditions that are not met, with what was wanted."""
        decision = self._judge([statement])
        found = [
            (str(miss.key), f": {miss}")
            for reason in decision.reasons
            if reason.outcome == "near-miss"
            for miss in reason.mismatches
            if miss.element == "Condition"
        ]
        if not found:
            return [(key, "") for key in sorted(condition_keys(statement))]
        return list(dict(found).items())

    def _deny(self) -> Check:
        denying = [each for each in self.statements if each.get("Effect") == "Deny"]
        let_in = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
        decision = self._judge([let_in, *denying])
        if decision.effect == "depends":
            return _depends("trust_deny", decision, self._nat_addresses(decision))
        if decision.allowed:
            return _check("trust_deny", "pass", ("no Deny matches the Workload Identity",))
        return _check(
            "trust_deny",
            "fail",
            tuple(str(reason) for reason in decision.reasons[:3]),
            "exempt the Workload Identity in that Deny; an Allow does not help",
            "trust_explicit_deny",
        )

    def _trust(self, principal: Check, conditions: Check, deny: Check) -> Check:
        through = _too_wide(self.situation, self.statements, self.workload)
        unwanted = {
            name for name in through if assume(self.beside, name).effect in ("allowed", "depends")
        }
        wide = tuple(
            f"{name} may assume the role too: {title}"
            for name, title in through.items()
            if name in unwanted
        )
        wanted = tuple(
            f"accepted: {name} may assume the role too: {title}"
            for name, title in through.items()
            if name not in unwanted
        )
        reasons = tuple(str(reason) for reason in self.whole.reasons[:3])
        if self.whole.effect == "depends" and not wide:
            return _depends("trust", self.whole, self._nat_addresses(self.whole))
        if self.whole.allowed and not wide:
            only = f"only {self.workload}{' and whom this target accepts' if wanted else ''}"
            return _check("trust", "pass", (only, *wanted, *self._met()[1:]))
        if self.whole.allowed or self.whole.effect == "depends":
            return _check("trust", "fail", wide, APPLY, "trust_too_wide", 3)
        first = next((each for each in (deny, conditions) if each.status == "fail"), None)
        if first is None:
            reason = principal.reason if principal.status == "fail" else "trust_missing"
            return _check(
                "trust", "fail", (*(reasons or ("not allowed",)), *wide), APPLY, reason, 3
            )
        evidence = (*(reasons or ("not allowed",)), *wide)
        return _check("trust", "fail", evidence, first.fix, first.reason, first.fixed_by)

    def _nat_addresses(self, decision: Decision) -> tuple[str, ...]:
        """Say what Cloud metadata knows of RisingWave's addresses: evidence, no knowledge."""
        return nat_addresses(self.situation, decision)


def nat_addresses(situation: Situation, decision: Decision) -> tuple[str, ...]:
    """Say what Cloud metadata knows of RisingWave's addresses, where they decide."""
    about = any(key.lower() == "aws:sourceip" for key in decision.depends_on)
    if not about or not situation.egress_ips:
        return ()
    return (
        f"Cloud metadata names {', '.join(situation.egress_ips)}: RisingWave comes from there, "
        "unless its request goes through a VPC endpoint",
    )


def check_redshift_trust(target: Target, situation: Situation) -> Iterable[Check]:
    """See that Redshift's COPY may use the role, where the target has a Redshift sink."""
    if not uses_service(target.connectors, REDSHIFT_SERVICE):
        return
    title = title_of("redshift_trust")

    def check(
        status: Status, evidence: tuple[str, ...], fix: str = "", reason: str = "",
        fixed_by: int | None = None,
    ) -> Check:  # fmt: skip
        return Check("redshift_trust", "connector", title, status, evidence, fix, reason, fixed_by)

    if why := situation.why_unknown("role"):
        yield check("unknown", (why,), reason="not_readable")
        return
    if situation.trust_policy is None:
        yield check("fail", (REASONS["role_missing"].title,), APPLY, "role_missing", 2)
        return
    decision = assume_by_redshift(target, situation)
    reasons = tuple(str(reason) for reason in decision.reasons[:2]) or (REDSHIFT_SERVICE,)
    if decision.allowed:
        yield check("pass", reasons)
    elif decision.effect == "depends":
        yield check("unknown", (decision.dependency,), reason="depends_on_context")
    else:
        mine = decision.effect == "implicit-deny" and not restrictions(
            situation.trust_policy, "", ["redshift"]
        )
        yield check(
            "fail",
            reasons,
            APPLY if mine else "change the condition or the Deny that keeps Redshift out",
            "redshift_trust_missing",
            3 if mine else None,
        )


def _check(
    check_id: str,
    status: Status,
    evidence: tuple[str, ...],
    fix: str = "",
    reason: str = "",
    fixed_by: int | None = None,
) -> Check:
    return Check(check_id, "trust", title_of(check_id), status, evidence, fix, reason, fixed_by)


def _depends(check_id: str, decision: Decision, further: tuple[str, ...] = ()) -> Check:
    made = _check(check_id, "unknown", (decision.dependency, *further), reason="depends_on_context")
    ground = Ground(made.reason, decision.dependency, "sts:AssumeRole", decision.depends_on)
    return replace(made, grounds=(ground,))


def _without_condition(statement: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in statement.items() if key != "Condition"}


def _too_wide(
    situation: Situation, statements: list[dict[str, Any]], workload: str
) -> dict[str, str]:
    """Return who may assume the role beside the Workload Identity, and in words who that is.

    What other statements trust is their owners' business; the runbook's own must name the
    Workload Identity alone.
    """
    callers = forbidden_callers(workload, situation.account_id)
    own_sessions = f":{workload.split(':')[4]}:assumed-role/{workload.rpartition('/')[2]}/"
    for statement in statements:
        if statement.get("Sid") == SID and statement.get("Effect") == "Allow":
            for kind in ("AWS", "Service", "Federated"):
                for name in principals_of(statement, kind):
                    if name == workload or own_sessions in name:
                        continue
                    if kind != "AWS" or name.startswith("arn:"):
                        callers[name] = (
                            "named beside the Workload Identity in the runbook's own statement"
                        )
    return {
        name: title
        for name, title in callers.items()
        if assume(situation, name).effect == "allowed"
    }


def _names(statements: list[dict[str, Any]], workload: str) -> bool:
    account = workload.split(":")[4]
    wide = {"*", account, f"arn:aws:iam::{account}:root"}
    named = {principal for statement in statements for principal in principals_of(statement)}
    return workload in named or bool(named & wide)


def _deleted(statements: list[dict[str, Any]]) -> list[str]:
    found = [each for statement in statements for each in principals_of(statement)]
    return [each for each in found if each.startswith(("AROA", "AIDA"))]


def _reason_of_key(key: str) -> str:
    external = key.lower() == "sts:externalid"
    return "trust_external_id_required" if external else "trust_condition_unmet"


def _found_principals(statements: list[dict[str, Any]], workload: str) -> str:
    found = [each for statement in statements for each in principals_of(statement)]
    deleted = _deleted(statements)
    if deleted:
        return (
            f"it names {deleted[0]}, the id of a role that was deleted; a role made again under "
            "the same name has another id, so the ARN must be written again"
        )
    if workload in found:
        return f"it names {workload} only in a Deny"
    return f"it names {', '.join(found) or 'nobody'}, not {workload}"
