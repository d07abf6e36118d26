"""The trust policy as a document: whom it trusts, and how it is merged with others' statements."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rwlib.connectors import uses_service
from rwlib.errors import ForeignTrustError, InputError
from rwlib.evaluate import (
    Decision,
    Policies,
    Unknown,
    assume_role,
    assume_role_by_redshift,
    judge,
    judge_any,
    redshift_services,
)
from rwlib.steps.changes import canonical

SID = "RisingWaveCloudAssumeRole"
REDSHIFT_SID = "RisingWaveCloudRedshiftCopy"
REDSHIFT_SERVICE = "redshift.amazonaws.com"

# RisingWave's S3 connectors never set an external id, and choose the session name themselves.
_UNSENDABLE = {"sts:externalid": "sts:ExternalId", "sts:rolesessionname": "sts:RoleSessionName"}


def trust_policy(workload_identity_arn: str, connectors: Iterable[str] = ()) -> dict[str, Any]:
    """Return the trust policy of a new role: the Workload Identity, and nothing wider.

    For ``redshift`` the Redshift service is trusted too, because the sink puts the same role into
    ``COPY … CREDENTIALS 'aws_iam_role=…'``.
    """
    return {
        "Version": "2012-10-17",
        "Statement": own_statements(workload_identity_arn, connectors),
    }


def own_statements(workload_identity_arn: str, connectors: Iterable[str]) -> list[dict[str, Any]]:
    """Return the statements that this runbook owns in a trust policy."""
    statements: list[dict[str, Any]] = [
        {
            "Sid": SID,
            "Effect": "Allow",
            "Principal": {"AWS": workload_identity_arn},
            "Action": "sts:AssumeRole",
        }
    ]
    if uses_service(connectors, REDSHIFT_SERVICE):
        statements.append(
            {
                "Sid": REDSHIFT_SID,
                "Effect": "Allow",
                "Principal": {"Service": REDSHIFT_SERVICE},
                "Action": "sts:AssumeRole",
            }
        )
    return statements


Written = Callable[[Mapping[str, Any]], bool]


def claimed_by_trust(document: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the Workload Identity of a new role's trust policy, and whether Redshift is in it."""
    own = {each.get("Sid"): each for each in statements_of(document)}
    principals = principals_of(own.get(SID, {}))
    return (principals[0] if principals else ""), REDSHIFT_SID in own


def is_own_text(statement: Mapping[str, Any]) -> bool:
    """True when the statement reads as this runbook would write it for the principal it names.

    That alone does not make it this runbook's: somebody may have written the same.
    """
    principals = principals_of(statement)
    workload = principals[0] if len(principals) == 1 else ""
    own = own_statements(workload, ["redshift"])
    return any(canonical(statement) == canonical(each) for each in own)


@dataclass(frozen=True)
class TrustMerge:
    """A merged trust policy.

    ``document`` is what the role's trust policy becomes; ``kept`` names the statements of others,
    which are unchanged; ``flags`` are sentences about what deserves a look; ``added`` and
    ``removed`` are statements of this runbook.
    """

    document: dict[str, Any]
    changed: bool
    kept: tuple[str, ...]
    flags: tuple[str, ...]
    added: tuple[Mapping[str, Any], ...] = ()
    removed: tuple[Mapping[str, Any], ...] = ()


def merge_trust(
    existing: Mapping[str, Any] | None,
    workload_identity_arn: str,
    connectors: Iterable[str] = (),
    *,
    written: Written | None = None,
    keep_redshift: bool = False,
    role_arn: str = "",
    region_name: str = "",
) -> TrustMerge:
    """Merge this runbook's statements into an existing trust policy.

    Keeps every statement that it did not write, in its order, whatever its Sid. Adds nothing
    where somebody else's statement grants the same already; and nothing where one grants it under
    conditions, which a statement beside it would lift.

    Parameters
    ----------
    written
        Tells whether this runbook wrote a statement; without it, it wrote none.
    keep_redshift
        True when another target needs Redshift's statement.
    role_arn, region_name
        The role and the bucket's region, by which conditions are judged; empty where not known.

    Raises
    ------
    ForeignTrustError
        Somebody's statement lets RisingWave or Redshift in under a condition that its request
        cannot meet, such as an external id; or RisingWave's statement has a wildcard principal; or
        a statement with this runbook's Sid says something that it did not write.
    """
    if existing is None:
        document = trust_policy(workload_identity_arn, connectors)
        return TrustMerge(document, True, (), (), tuple(document["Statement"]))
    connectors = list(connectors)
    document = copy.deepcopy(dict(existing))
    statements = statements_of(document)
    for statement in statements:
        _refuse_wildcard(statement, workload_identity_arn)
    restricted = restrictions(
        existing, workload_identity_arn, connectors, role_arn=role_arn, region_name=region_name
    )
    for each in restricted:
        each.refuse(in_place={str(other.get("Sid")) for other in statements})
    own = {each["Sid"]: each for each in own_statements(workload_identity_arn, connectors)}
    asked = set(own)
    merged: list[Any] = []
    ours: list[Any] = []
    added: list[Any] = []
    removed: list[Any] = []
    for statement in statements:
        sid = statement.get("Sid")
        wrote = sid in (SID, REDSHIFT_SID) and written is not None and written(statement)
        if sid in own and _same(statement, own[sid]):
            own.pop(sid)
            ours.append(statement)
        elif sid in own and (wrote or _names_the_dead(statement, own[sid])):
            removed.append(statement)
            statement = own.pop(sid)
            added.append(statement)
        elif sid in asked:
            raise ForeignTrustError(
                f"trust policy: statement {sid} is not what this runbook writes, so it belongs to "
                "somebody else and stays as it is; give it another Sid, or give another role_name"
            )
        elif wrote and not keep_redshift:
            removed.append(statement)
            continue
        merged.append(statement)
    foreign = [each for each in statements if each not in ours and each not in removed]
    as_it_is = {each.sid for each in restricted}
    missing = [
        each
        for sid, each in own.items()
        if sid not in as_it_is and not any(_grants(other, each) for other in foreign)
    ]
    merged += missing
    added += missing
    changed = merged != statements
    if changed:
        document["Statement"] = merged
    kept = tuple(_title(each, index) for index, each in enumerate(statements) if each in foreign)
    flags = (
        *(each.sentence for each in restricted if each.sid not in _sids(merged)),
        *_flags(foreign, workload_identity_arn),
    )
    return TrustMerge(document, changed, kept, flags, tuple(added), tuple(removed))


def corrected_trust(
    existing: Mapping[str, Any],
    workload_identity_arn: str,
    connectors: Iterable[str] = (),
    *,
    role_arn: str = "",
    region_name: str = "",
) -> dict[str, Any]:
    """Return a trust policy as a person may write it where Step 3 refuses to.

    A statement with the runbook's Sid is written as the runbook writes it. RisingWave and Redshift
    are taken out of others' statements that let them in under conditions which they cannot meet,
    and out of every Deny; what those statements say of anybody else stays. Writes nothing: this
    changes what is somebody's, which is for a person to decide.

    Sources: IAM user guide, "AWS JSON policy elements: Principal" (a role is excluded from a Deny
    by ``aws:PrincipalArn``).
    """
    connectors = list(connectors)
    own = {each["Sid"]: each for each in own_statements(workload_identity_arn, connectors)}
    restricted = {
        (each.title, each.who)
        for each in restrictions(
            existing, workload_identity_arn, connectors, role_arn=role_arn, region_name=region_name
        )
        if each.decision.effect not in ("allowed", "depends")
    }
    account = workload_identity_arn.split(":")[4]
    risingwave = {workload_identity_arn, account, f"arn:aws:iam::{account}:root"}
    session = f":{account}:assumed-role/{workload_identity_arn.rpartition('/')[2]}/"
    statements: list[dict[str, Any]] = []
    for index, statement in enumerate(statements_of(existing)):
        title = statement.get("Sid") or f"statement {index + 1}"
        changed: dict[str, Any] | None = copy.deepcopy(dict(statement))
        if statement.get("Effect") == "Deny":
            changed = without_principal(statement, workload_identity_arn)
            if uses_service(connectors, REDSHIFT_SERVICE) and _may_hit_redshift(statement):
                names = redshift_services(region_name) if region_name else (REDSHIFT_SERVICE,)
                changed = _exempted(changed, "StringNotEquals", "aws:PrincipalServiceName", *names)
        elif statement.get("Sid") in own:
            changed = own.pop(str(statement["Sid"]))
        elif (title, "RisingWave") in restricted or _names_wildcard(statement, risingwave):
            changed = _without_names(
                statement, "AWS", lambda each: each in {*risingwave, "*"} or session in each
            )
        elif (title, "Redshift") in restricted:
            changed = _without_names(
                statement, "Service", lambda each: re.match(r"redshift[.-]", each) is not None
            )
        statements += [changed] if changed else []
    statements += [
        each for each in own.values() if not any(_grants(other, each) for other in statements)
    ]
    return {"Version": "2012-10-17", **copy.deepcopy(dict(existing)), "Statement": statements}


def without_principal(statement: Mapping[str, Any], principal_arn: str) -> dict[str, Any]:
    """Return a Deny that does not hit one role any more, whatever else it says.

    ``aws:PrincipalArn`` is the role's ARN in a session of the role as well (IAM user guide, "AWS
    global condition context keys"). A statement that is no Deny is returned as it is.
    """
    if statement.get("Effect") != "Deny":
        return copy.deepcopy(dict(statement))
    return _exempted(statement, "ArnNotEquals", "aws:PrincipalArn", principal_arn)


def _exempted(
    statement: Mapping[str, Any], operator: str, wanted: str, *more: str
) -> dict[str, Any]:
    """Return a statement that does not hold either where a key has one of more values."""
    exempted = copy.deepcopy(dict(statement))
    block = exempted.setdefault("Condition", {}).setdefault(operator, {})
    key = next((each for each in block if each.lower() == wanted.lower()), wanted)
    known = block.get(key, [])
    values = [known] if isinstance(known, str) else list(known)
    values += [each for each in more if each not in values]
    block[key] = values[0] if len(values) == 1 else values
    return exempted


def _may_hit_redshift(statement: Mapping[str, Any]) -> bool:
    """True for a Deny that is about everybody, or names Redshift."""
    if "NotPrincipal" in statement:
        return True
    names = [*principals_of(statement), *principals_of(statement, "Service")]
    return any(each == "*" or re.match(r"redshift[.-]", each) for each in names)


def _names_wildcard(statement: Mapping[str, Any], named: Collection[str]) -> bool:
    """True for an Allow that names RisingWave beside everybody."""
    names = principals_of(statement)
    return any("*" in each for each in names) and any(each in named for each in names)


def _without_names(
    statement: Mapping[str, Any], kind: str, which: Callable[[str], bool]
) -> dict[str, Any] | None:
    """Return a statement without some of its principals, None when nobody is left."""
    principal = statement.get("Principal")
    left = copy.deepcopy(dict(principal)) if isinstance(principal, Mapping) else {}
    kept = [each for each in principals_of(statement, kind) if not which(each)]
    left.pop(kind, None)
    if kept:
        left[kind] = kept[0] if len(kept) == 1 else kept
    return {**copy.deepcopy(dict(statement)), "Principal": left} if left else None


def _sids(statements: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(each.get("Sid")) for each in statements}


@dataclass(frozen=True)
class Restriction:
    """Somebody's statement that lets RisingWave or Redshift in under conditions.

    Parameters
    ----------
    sid
        The runbook's statement that would lift it.
    who
        ``RisingWave`` or ``Redshift``.
    title
        Which statement it is.
    decision
        What comes of its conditions: allowed, refused, or on what it depends.
    """

    sid: str
    who: str
    title: str
    decision: Decision

    @property
    def sentence(self) -> str:
        """Say that nothing is added beside it, and whether its conditions will hold."""
        holds = (
            "which are met"
            if self.decision.allowed
            else f"and whether they are met {self.decision.dependency}"
        )
        return (
            f"{self.title} lets {self.who} in under conditions, {holds}; nothing is added beside "
            "it, because that would lift them"
        )

    def refuse(self, in_place: Collection[str]) -> None:
        """Refuse conditions that can never be met.

        Parameters
        ----------
        in_place
            Sids of the trust policy: what the runbook's own statement lifted is lifted.

        Raises
        ------
        ForeignTrustError
            The request cannot meet them.
        """
        if self.decision.effect in ("allowed", "depends"):
            return
        misses = [
            miss
            for reason in self.decision.near_misses
            for miss in reason.mismatches
            if miss.element in ("Condition", "Principal")
        ]
        unsendable = [miss for miss in misses if (miss.key or "").lower() in _UNSENDABLE]
        if unsendable and self.who == "RisingWave":
            key = _UNSENDABLE[str(unsendable[0].key).lower()]
            raise ForeignTrustError(
                f"trust policy: {self.title} has a condition on {key}, which RisingWave "
                "cannot send, so the role could never be assumed; remove that condition, or give "
                "another role_name"
            )
        if self.sid in in_place:
            return
        why = f" ({misses[0]})" if misses else ""
        raise ForeignTrustError(
            f"trust policy: {self.title} lets {self.who} in only under conditions that its request "
            f"cannot meet{why}; change that statement, or give another role_name"
        )


def restrictions(
    existing: Mapping[str, Any],
    workload_identity_arn: str,
    connectors: Iterable[str] = (),
    *,
    role_arn: str = "",
    region_name: str = "",
) -> tuple[Restriction, ...]:
    """Return the statements of others that let RisingWave or Redshift in under conditions.

    A statement for everybody (``*``) counts only where its conditions can hold for RisingWave, and
    not where they hang on the organization: it is then about the organization's own.

    Parameters
    ----------
    workload_identity_arn
        Empty: only Redshift is looked at.
    """
    restricting = []
    for index, statement in enumerate(statements_of(existing)):
        # What the runbook's own statements say it writes anew, except where RisingWave's asks for
        # an external id or a session name: that was put there by hand.
        by_hand = statement.get("Sid") == SID and set(_UNSENDABLE) & condition_keys(statement)
        own = statement.get("Sid") in (SID, REDSHIFT_SID)
        if statement.get("Effect") != "Allow" or (own and not by_hand):
            continue
        title = statement.get("Sid") or f"statement {index + 1}"
        alone = {**existing, "Statement": [statement]}
        if workload_identity_arn and statement.get("Condition"):
            decision = _for_risingwave(alone, workload_identity_arn, role_arn, region_name)
            if decision is not None:
                restricting.append(Restriction(SID, "RisingWave", title, decision))
        if uses_service(connectors, REDSHIFT_SERVICE) and statement.get("Sid") != SID:
            decision = _for_redshift(alone, role_arn, region_name)
            if decision is not None:
                restricting.append(Restriction(REDSHIFT_SID, "Redshift", title, decision))
    return tuple(restricting)


_SOME_ROLE = "arn:aws:iam::000000000000:role/role"


def _for_risingwave(
    alone: Mapping[str, Any], workload: str, role_arn: str, region_name: str
) -> Decision | None:
    """Judge one statement for RisingWave; None where it is not about RisingWave."""
    (statement,) = statements_of(alone)
    role_arn = role_arn or _SOME_ROLE
    model = assume_role(workload, role_arn, region_name=region_name)
    may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role_arn}
    identity = {"Version": "2012-10-17", "Statement": [may]}

    def judged(document: Mapping[str, Any]) -> Decision:
        return judge(model, Policies(identity=identity, resource=document))

    bare = {key: value for key, value in statement.items() if key != "Condition"}
    try:
        if judged({**alone, "Statement": [bare]}).effect not in ("allowed", "depends"):
            return None
        decision = judged(alone)
    except InputError:
        # Not a document that IAM would have stored.
        return None
    account = workload.split(":")[4]
    named = {workload, account, f"arn:aws:iam::{account}:root"} & set(principals_of(statement))
    session = any(":assumed-role/" in each for each in principals_of(statement))
    if named or session:
        return decision
    organization = all("org" in key.lower() for key in decision.depends_on)
    if decision.allowed or (decision.effect == "depends" and not organization):
        return decision
    return None


def _for_redshift(alone: Mapping[str, Any], role_arn: str, region_name: str) -> Decision | None:
    """Judge one statement for Redshift; None where it is not about it, or has no condition."""
    (statement,) = statements_of(alone)
    named = [
        each for each in principals_of(statement, "Service") if re.match(r"redshift[.-]", each)
    ]
    if not named or (REDSHIFT_SERVICE in named and not statement.get("Condition")):
        return None
    services = redshift_services(region_name) if region_name else tuple(named)
    models = [
        assume_role_by_redshift(role_arn or _SOME_ROLE, region_name=region_name, service=each)
        for each in services
    ]
    if not role_arn:
        # Whose role it is is not known.
        models = [each.with_facts({"aws:SourceAccount": Unknown()}) for each in models]
    try:
        return judge_any(models, alone)
    except InputError:
        return None


def _names_the_dead(statement: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """True for a statement of ours whose principal was deleted.

    AWS then shows the deleted principal's id in place of its ARN, and it matches nobody any more
    (IAM user guide, "AWS JSON policy elements: Principal").
    """
    principals = principals_of(statement)
    if len(principals) != 1 or not re.fullmatch(r"A(RO|ID)A[A-Z0-9]+", principals[0]):
        return False
    return canonical({**statement, "Principal": wanted["Principal"]}) == canonical(wanted)


def remove_own_statements(
    existing: Mapping[str, Any], written: Written | None = None
) -> dict[str, Any] | None:
    """Return a trust policy without this runbook's statements, None when nothing is left.

    Parameters
    ----------
    written
        Tells whether this runbook wrote a statement; without it, what reads as it would write it.
    """
    document = copy.deepcopy(dict(existing))
    wrote = written or is_own_text
    rest = [
        each
        for each in statements_of(document)
        if each.get("Sid") not in (SID, REDSHIFT_SID) or not wrote(each)
    ]
    if not rest:
        return None
    if len(rest) < len(statements_of(document)):
        document["Statement"] = rest
    return document


def statements_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a document's statements as a list; IAM takes a single one without brackets too."""
    statements = document.get("Statement", [])
    return list(statements) if isinstance(statements, list) else [statements]


def principals_of(statement: Mapping[str, Any], kind: str = "AWS") -> list[str]:
    """Return the principals of one kind that a statement names."""
    principal = statement.get("Principal", {})
    if principal == "*":
        return ["*"]
    if not isinstance(principal, Mapping):
        return []
    values = principal.get(kind, [])
    return [values] if isinstance(values, str) else list(values)


def _actions(statement: Mapping[str, Any]) -> list[str]:
    actions = statement.get("Action", [])
    return [each.lower() for each in ([actions] if isinstance(actions, str) else actions)]


def _same(statement: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return set(statement) == set(wanted) and _grants(statement, wanted, exactly=True)


def _grants(statement: Mapping[str, Any], wanted: Mapping[str, Any], exactly: bool = False) -> bool:
    """True when a statement allows what the wanted one does, without any condition."""
    if statement.get("Effect") != "Allow" or "Condition" in statement:
        return False
    if "NotPrincipal" in statement or "NotAction" in statement:
        return False
    kind = next(iter(wanted["Principal"]))
    have, want = principals_of(statement, kind), principals_of(wanted, kind)
    actions = _actions(statement)
    if exactly:
        return (
            have == want
            and actions == ["sts:assumerole"]
            and set(statement["Principal"]) == set(wanted["Principal"])
        )
    return set(want) <= set(have) and "sts:assumerole" in actions


def condition_keys(statement: Mapping[str, Any]) -> set[str]:
    """Return the condition keys of a statement in lower case."""
    return {key.lower() for block in statement.get("Condition", {}).values() for key in block}


def _refuse_wildcard(statement: Mapping[str, Any], workload_identity_arn: str) -> None:
    named = workload_identity_arn in principals_of(statement)
    own = statement.get("Sid") == SID
    if statement.get("Effect") != "Allow" or not (named or own):
        return
    title = statement.get("Sid") or "the statement that names the Workload Identity"
    if any("*" in each for each in principals_of(statement)):
        raise ForeignTrustError(
            f"trust policy: {title} trusts a wildcard principal; name the Workload Identity "
            f"{workload_identity_arn} alone, or give another role_name"
        )


def _flags(foreign: Iterable[Mapping[str, Any]], workload_identity_arn: str) -> tuple[str, ...]:
    account = workload_identity_arn.split(":")[4]
    flags = []
    for index, statement in enumerate(foreign):
        title = _title(statement, index)
        for principal in principals_of(statement):
            if statement.get("Effect") == "Deny":
                if principal in ("*", workload_identity_arn, account) or principal.endswith(
                    f"::{account}:root"
                ):
                    flags.append(f"{title} denies {principal}, which can shut RisingWave out")
            elif principal == "*":
                flags.append(f"{title} trusts everybody (*)")
            elif principal.endswith(":root") or re.fullmatch(r"\d{12}", principal):
                flags.append(f"{title} trusts the whole account {principal}")
            elif re.fullmatch(r"A(RO|ID)A[A-Z0-9]+", principal):
                flags.append(
                    f"{title} trusts {principal}, the id of a deleted principal; it matches "
                    "nobody any more"
                )
        if "NotPrincipal" in statement and statement.get("Effect") == "Allow":
            flags.append(f"{title} trusts everybody except those it names (NotPrincipal)")
        if "NotPrincipal" in statement and statement.get("Effect") == "Deny":
            flags.append(f"{title} denies everybody except those it names (NotPrincipal)")
    return tuple(flags)


def _title(statement: Mapping[str, Any], index: int) -> str:
    return f"statement {statement['Sid']}" if statement.get("Sid") else f"statement {index + 1}"
