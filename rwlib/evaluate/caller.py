"""Who makes the request, and the condition keys that follow from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rwlib.errors import InputError

Kind = Literal[
    "user", "role", "session", "federated-user", "root", "service", "provider", "anonymous", "other"
]

ACCOUNT_ID = re.compile(r"\d{12}")
_ARN = re.compile(
    r"arn:(?P<partition>[^:]*):(?P<service>[^:]*):[^:]*:(?P<account>[^:]*):(?P<rest>.*)"
)
_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(/.*)?")
_BUILT_IN_PROVIDERS = frozenset(
    {
        "accounts.google.com",
        "cognito-identity.amazonaws.com",
        "graph.facebook.com",
        "www.amazon.com",
    }
)


@dataclass(frozen=True, slots=True)
class RequestCaller:
    """The principal of a request, taken apart.

    ``entity_arn`` is what ``aws:PrincipalArn`` says: for a session its role. ``path_known`` tells
    whether the role's path is certain; a session's own ARN does not carry it.
    """

    kind: Kind
    name: str
    account: str | None = None
    partition: str = "aws"
    entity_arn: str | None = None
    short_name: str | None = None
    path_known: bool = True

    @property
    def is_role(self) -> bool:
        """Whether the permissions are those of a role."""
        return self.kind in ("role", "session")

    @property
    def has_identity(self) -> bool:
        """Whether identity-based policies, boundaries and SCPs can apply."""
        return self.kind in ("user", "role", "session", "federated-user", "root")

    @property
    def is_service_linked(self) -> bool:
        """Whether this is a service-linked role, which SCPs and RCPs do not touch."""
        return self.is_role and (
            "/aws-service-role/" in (self.entity_arn or "")
            or (self.short_name or "").startswith("AWSServiceRoleFor")
        )


def caller_of(principal: str | Mapping[str, str], principal_arn: str | None) -> RequestCaller:
    """Take a request's principal apart.

    Raises
    ------
    InputError
        It is neither an ARN of a principal, an account id, a service, a provider nor ``*``.
    """
    kind: str | None = None
    name: object = principal
    if isinstance(principal, Mapping):
        if len(principal) != 1:
            raise InputError(
                "principal",
                dict(principal),
                "must have exactly one of AWS, Service, Federated or CanonicalUser",
            )
        ((kind, name),) = principal.items()
    if not isinstance(name, str) or not name:
        raise InputError("principal", name, 'must be an ARN, an account id, a service, or "*"')
    return _caller(kind, name, principal_arn)


@lru_cache(maxsize=4096)
def _caller(kind: str | None, name: str, principal_arn: str | None) -> RequestCaller:
    if kind not in (None, "AWS", "Service", "Federated", "CanonicalUser"):
        raise InputError(
            "principal",
            kind,
            "is not a kind of principal; use AWS, Service, Federated, CanonicalUser",
        )
    if kind == "Service":
        return RequestCaller("service", name)
    if kind == "Federated":
        return RequestCaller("provider", name)
    if kind == "CanonicalUser":
        return RequestCaller("other", name)
    if name in ("*", "anonymous"):
        return RequestCaller("anonymous", "*")
    if ACCOUNT_ID.fullmatch(name):
        return _root(name, name, "aws")
    arn = _ARN.fullmatch(name)
    if arn:
        return _from_arn(name, arn, principal_arn)
    if kind is None and _HOST.fullmatch(name):
        return RequestCaller("provider" if name in _BUILT_IN_PROVIDERS else "service", name)
    raise InputError(
        "principal",
        name,
        'must be the ARN of a user, role, session or root, an account id, a service, or "*"',
    )


def _from_arn(name: str, arn: re.Match[str], principal_arn: str | None) -> RequestCaller:
    partition, service, account, rest = (
        arn["partition"],
        arn["service"],
        arn["account"],
        arn["rest"],
    )
    what, _, path = rest.partition("/")
    last = path.rpartition("/")[2]
    if ACCOUNT_ID.fullmatch(account):
        if service == "iam" and rest == "root":
            return _root(name, account, partition)
        if service == "iam" and what == "user" and last:
            return RequestCaller("user", name, account, partition, name, last)
        if service == "iam" and what == "role" and last:
            return RequestCaller("role", name, account, partition, name, last)
        if service == "sts" and what == "federated-user" and last:
            return RequestCaller("federated-user", name, account, partition, name, path)
        if service == "sts" and what == "assumed-role":
            role, _, session = path.partition("/")
            if role and session:
                return _session(name, account, partition, role, principal_arn)
        if service == "iam" and what in ("oidc-provider", "saml-provider") and path:
            return RequestCaller("provider", name)
    raise InputError(
        "principal",
        name,
        "is not the ARN of a user, role, assumed-role session, federated user, provider or "
        "account root",
    )


def _root(name: str, account: str, partition: str) -> RequestCaller:
    return RequestCaller("root", name, account, partition, f"arn:{partition}:iam::{account}:root")


def _session(
    name: str, account: str, partition: str, role: str, principal_arn: str | None
) -> RequestCaller:
    prefix = f"arn:{partition}:iam::{account}:role/"
    given = principal_arn or ""
    known = given.startswith(prefix) and given.rpartition("/")[2] == role
    return RequestCaller(
        "session", name, account, partition, given if known else prefix + role, role, known
    )


@lru_cache(maxsize=4096)
def caller_context(caller: RequestCaller) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Condition keys that every request of this caller carries.

    Source: IAM User Guide, "AWS global condition context keys" and the table "Principal key
    values". ``aws:userid`` is known here only where it does not need a unique id.
    """
    keys: dict[str, str] = {}
    types = {
        "user": "User",
        "role": "AssumedRole",
        "session": "AssumedRole",
        "federated-user": "FederatedUser",
        "root": "Account",
        "anonymous": "Anonymous",
    }
    if caller.kind in types:
        keys["aws:principaltype"] = types[caller.kind]
    if caller.account is not None and caller.entity_arn is not None:
        keys["aws:principalarn"] = caller.entity_arn
        keys["aws:principalaccount"] = caller.account
    if caller.kind == "user" and caller.short_name:
        keys["aws:username"] = caller.short_name
    elif caller.kind == "root" and caller.account:
        keys["aws:userid"] = caller.account
    elif caller.kind == "federated-user":
        keys["aws:userid"] = f"{caller.account}:{caller.short_name}"
    elif caller.kind == "anonymous":
        keys["aws:userid"] = "anonymous"
        keys["aws:principalaccount"] = "anonymous"
    if caller.kind == "service":
        keys["aws:principalservicename"] = caller.name
        keys["aws:principalservicenameslist"] = caller.name
    if caller.kind not in ("anonymous", "provider"):
        keys["aws:principalisawsservice"] = "true" if caller.kind == "service" else "false"
    return tuple((key, (value,)) for key, value in keys.items())
