"""The Principal and NotPrincipal elements."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from rwlib.evaluate.caller import RequestCaller


class Grant(IntEnum):
    """How directly a Principal element names the caller.

    ``ACCOUNT`` delegates to the account: its identity-based policies must allow as well. ``ROLE``
    grants to the role of a session, within the role's boundary and session policies. ``DIRECT``
    grants to the caller itself, whatever boundary or session policies leave out.
    Source: IAM User Guide, "How AWS enforcement code logic evaluates requests" and "AWS account
    principals".
    """

    NONE = 0
    ACCOUNT = 1
    ROLE = 2
    DIRECT = 3


@dataclass(frozen=True, slots=True)
class PrincipalElement:
    """A Principal or NotPrincipal element: pairs of kind (``AWS``, ``Service``, …) and value."""

    entries: tuple[tuple[str, str], ...]
    negated: bool = False

    def words(self) -> tuple[str, ...]:
        """Write the entries for the evidence."""
        return tuple(
            value if kind in ("*", "AWS") else f"{kind} {value}" for kind, value in self.entries
        )


@lru_cache(maxsize=8192)
def principal_grant(
    element: PrincipalElement, caller: RequestCaller, canonical_user: str | None
) -> Grant:
    """Find the most direct way in which a Principal element names the caller."""
    found = Grant.NONE
    for kind, value in element.entries:
        found = max(found, _entry_grant(kind, value, caller, canonical_user))
    return found


def not_principal_applies(
    element: PrincipalElement,
    caller: RequestCaller,
    canonical_user: str | None,
    *,
    deny: bool,
    has_boundary: bool,
) -> bool:
    """Tell whether a statement with NotPrincipal covers the caller.

    With Allow it covers everyone whom the same list under Principal would not. With Deny it
    spares only a caller that the list names itself: a user by its ARN, a session by the ARN of
    the session. Its role or its account alone do not spare it, and whoever has a permissions
    boundary is never spared. An empty list covers nobody.
    Source: IAM User Guide, "AWS JSON policy elements: NotPrincipal" with its examples, and AWS
    Security Blog, "How to Restrict Amazon S3 Bucket Access to a Specific IAM Role".
    """
    if not element.entries:
        return False
    grant = principal_grant(element, caller, canonical_user)
    if not deny:
        return grant is Grant.NONE
    if has_boundary and caller.has_identity and caller.kind != "root":
        return True
    if grant is Grant.ROLE and caller.kind == "role":
        return False
    return grant is not Grant.DIRECT


def not_principal_note(
    element: PrincipalElement, caller: RequestCaller, canonical_user: str | None, has_boundary: bool
) -> str:
    """Explain why a Deny with NotPrincipal hits a caller whose role or account it names."""
    if has_boundary and caller.has_identity:
        return "a Deny with NotPrincipal applies to everyone who has a permissions boundary"
    if principal_grant(element, caller, canonical_user) is Grant.NONE:
        return ""
    return f"NotPrincipal spares only those it names; it would have to list {caller.name}"


def not_principal_caution(element: PrincipalElement, caller: RequestCaller) -> str:
    """Warn of a NotPrincipal that spares the caller but not the caller's account or role.

    Source: IAM User Guide, "AWS JSON policy elements: NotPrincipal": AWS may look at the account
    first, then the role, then the session.
    """
    if not caller.has_identity or any(value == "*" for _, value in element.entries):
        return ""
    listed = {value for _, value in element.entries}
    account = f"arn:{caller.partition}:iam::{caller.account}:root"
    missing = [] if listed & {account, caller.account or account} else [account]
    if caller.kind == "session" and caller.entity_arn not in listed:
        missing.append(str(caller.entity_arn))
    if not missing:
        return ""
    names = " and ".join(missing)
    return f"NotPrincipal names {caller.name} but not {names}; some services deny it for that"


def _entry_grant(kind: str, value: str, caller: RequestCaller, canonical_user: str | None) -> Grant:
    if kind == "*":
        return Grant.DIRECT
    if kind == "Service":
        return _exact(caller.kind == "service" and value in ("*", caller.name))
    if kind == "Federated":
        return _exact(caller.kind == "provider" and value in ("*", caller.name))
    if kind == "CanonicalUser":
        if caller.kind == "other":
            return _exact(value == caller.name)
        if canonical_user is None or value != canonical_user or not caller.has_identity:
            return Grant.NONE
        return Grant.DIRECT if caller.kind == "root" else Grant.ACCOUNT
    if value == "*":
        return Grant.DIRECT
    return _aws_grant(value, caller) if caller.has_identity else Grant.NONE


def _exact(same: bool) -> Grant:
    return Grant.DIRECT if same else Grant.NONE


def _aws_grant(value: str, caller: RequestCaller) -> Grant:
    account_arn = f"arn:{caller.partition}:iam::{caller.account}:root"
    if value in (caller.account, account_arn):
        return Grant.DIRECT if caller.kind == "root" else Grant.ACCOUNT
    if value == caller.name:
        return Grant.ROLE if caller.kind == "role" else Grant.DIRECT
    if caller.is_role and value == caller.entity_arn:
        return Grant.ROLE
    if caller.kind == "session" and not caller.path_known:
        # Role names are unique in an account whatever their path, so the name decides.
        prefix, _, name = value.rpartition("/")
        role = f"arn:{caller.partition}:iam::{caller.account}:role"
        if name == caller.short_name and (prefix == role or prefix.startswith(f"{role}/")):
            return Grant.ROLE
    if caller.kind == "federated-user":
        user = f"arn:{caller.partition}:iam::{caller.account}:user/{caller.short_name}"
        if value == user:
            return Grant.ROLE
    return Grant.NONE


def principal_hint(element: PrincipalElement, caller: RequestCaller) -> str:
    """Say what would have made the element name the caller."""
    if element.negated:
        return "a principal that NotPrincipal does not name would match"
    for kind, value in element.entries:
        if kind == "AWS" and value[:4] in ("AROA", "AIDA") and ":" not in value:
            return (
                f"{value} is what is left of a deleted role or user and matches nobody; "
                f"write {_preferred(caller)} again"
            )
    for kind, value in element.entries:
        if kind == "AWS" and "*" in value and value != "*":
            return f"a wildcard inside a principal matches nobody; {_preferred(caller)} would match"
    return f"{_preferred(caller)} would match"


def _preferred(caller: RequestCaller) -> str:
    if caller.kind == "service":
        return f"Service {caller.name}"
    if caller.kind == "provider":
        return f"Federated {caller.name}"
    if caller.kind == "other":
        return f"CanonicalUser {caller.name}"
    return caller.entity_arn or caller.name
