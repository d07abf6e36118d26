"""The trust policy as a document: whom it trusts, and how it is merged with others' statements."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rwlib.errors import ForeignTrustError
from rwlib.steps.changes import canonical

SID = "RisingWaveCloudAssumeRole"
REDSHIFT_SID = "RisingWaveCloudRedshiftCopy"
REDSHIFT_SERVICE = "redshift.amazonaws.com"

# RisingWave's S3 connectors never set an external id, and choose the session name themselves.
_UNSENDABLE = ("sts:externalid", "sts:rolesessionname")


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
    if "redshift" in connectors:
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
) -> TrustMerge:
    """Merge this runbook's statements into an existing trust policy.

    Keeps every statement that it did not write, in its order, whatever its Sid. Adds nothing
    where somebody else's statement grants the same already.

    Parameters
    ----------
    written
        Tells whether this runbook wrote a statement; without it, it wrote none.
    keep_redshift
        True when another target needs Redshift's statement.

    Raises
    ------
    ForeignTrustError
        A statement for the Workload Identity asks for an external id or a session name, which
        RisingWave cannot send; or RisingWave's statement has a wildcard principal; or a statement
        with this runbook's Sid says something that it did not write.
    """
    if existing is None:
        document = trust_policy(workload_identity_arn, connectors)
        return TrustMerge(document, True, (), (), tuple(document["Statement"]))
    document = copy.deepcopy(dict(existing))
    statements = statements_of(document)
    for statement in statements:
        _refuse(statement, workload_identity_arn)
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
                f"trust policy: statement {sid} is not what this runbook writes, so it is "
                "somebody else's and stays as it is; give it another Sid, or give another role_name"
            )
        elif wrote and not keep_redshift:
            removed.append(statement)
            continue
        merged.append(statement)
    foreign = [each for each in statements if each not in ours and each not in removed]
    missing = [each for each in own.values() if not any(_grants(other, each) for other in foreign)]
    merged += missing
    added += missing
    changed = merged != statements
    if changed:
        document["Statement"] = merged
    kept = tuple(_title(each, index) for index, each in enumerate(statements) if each in foreign)
    flags = _flags(foreign, workload_identity_arn)
    return TrustMerge(document, changed, kept, flags, tuple(added), tuple(removed))


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


def _refuse(statement: Mapping[str, Any], workload_identity_arn: str) -> None:
    named = workload_identity_arn in principals_of(statement)
    own = statement.get("Sid") == SID
    if statement.get("Effect") != "Allow" or not (named or own):
        return
    title = statement.get("Sid") or "the statement that names the Workload Identity"
    unsendable = sorted(condition_keys(statement) & set(_UNSENDABLE))
    if unsendable:
        name = {"sts:externalid": "sts:ExternalId", "sts:rolesessionname": "sts:RoleSessionName"}
        raise ForeignTrustError(
            f"trust policy: {title} has a condition on {name[unsendable[0]]}, which RisingWave "
            "cannot send, so the role could never be assumed; remove that condition, or give "
            "another role_name"
        )
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
            flags.append(f"{title} trusts everybody but those it names (NotPrincipal)")
        if "NotPrincipal" in statement and statement.get("Effect") == "Deny":
            flags.append(f"{title} denies all but those it names (NotPrincipal)")
    return tuple(flags)


def _title(statement: Mapping[str, Any], index: int) -> str:
    return f"statement {statement['Sid']}" if statement.get("Sid") else f"statement {index + 1}"
