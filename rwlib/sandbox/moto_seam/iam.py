"""moto's IAM, read as the sandbox sees it: principals with their policies."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, iam_backends

from rwlib.sandbox.views import Policies, PrincipalView


class MotoIam:
    """What the sandbox asks of moto's IAM; the world must be entered."""

    def __init__(self) -> None:
        self._role_ids: dict[tuple[str, str], str] = {}
        self._key_owners: dict[tuple[str, str], str] = {}
        # Where a role and a key were found the last time: moto keeps roles by id, keys by user.

    def accounts(self) -> list[str]:
        """Give the accounts that have anything in IAM."""
        return list(dict.keys(iam_backends))

    def role(self, account: str, name: str) -> PrincipalView | None:
        """Give the role of that name."""
        roles = iam_of(account).roles
        known = roles.get(self._role_ids.get((account, name), ""))
        if known is not None and known.name == name:
            return _role_view(account, known)
        for role in roles.values():
            if role.name == name:
                self._role_ids[account, name] = role.id
                return _role_view(account, role)
        return None

    def user(self, account: str, name: str) -> PrincipalView | None:
        """Give the user of that name."""
        found = iam_of(account).users.get(name)
        return _user_view(account, found) if found else None

    def principals(self, account: str) -> list[PrincipalView]:
        """List the roles and users of an account."""
        backend = iam_of(account)
        return [_role_view(account, role) for role in backend.roles.values()] + [
            _user_view(account, user) for user in backend.users.values()
        ]

    def principal_by_id(self, unique_id: str) -> PrincipalView | None:
        """Give the role or user that has the unique id, in any account."""
        for account in self.accounts():
            backend = iam_of(account)
            role = backend.roles.get(unique_id)
            if role:
                return _role_view(account, role)
            for user in backend.users.values():
                if user.id == unique_id:
                    return _user_view(account, user)
        return None

    def user_of_key(self, account: str, access_key: str) -> tuple[PrincipalView, str] | None:
        """Give the user an active access key belongs to, and the key's secret."""
        users = iam_of(account).users
        last = users.get(self._key_owners.get((account, access_key), ""))
        for user in (*((last,) if last else ()), *users.values()):
            for key in user.access_keys:
                if key.access_key_id == access_key and key.status == "Active":
                    self._key_owners[account, access_key] = user.name
                    return _user_view(account, user), key.secret_access_key
        return None

    def policy_document(self, arn: str) -> str | None:
        """Give the default version's document of a managed policy."""
        account = arn.split(":")[4]
        if account == "aws":
            return _aws_managed_document(arn)
        found = iam_of(account).managed_policies.get(arn)
        return _default_document(found) if found else None

    def managed_policy(self, account: str, arn: str) -> Any:
        """Give moto's managed policy; one of AWS's own is put in place when first asked for."""
        backend = iam_of(account)
        if arn not in backend.managed_policies and ":iam::aws:policy/" in arn:
            policy = aws_managed_policy(account, arn)
            if policy is not None:
                backend.managed_policies[arn] = policy
        return backend.managed_policies.get(arn)

    def put_all_aws_managed(self, account: str) -> None:
        """Put all of AWS's own managed policies in place, so that they can be listed."""
        for arn in _aws_managed():
            self.managed_policy(account, arn)

    def account(self, account: str) -> Any:
        """Give moto's IAM of an account."""
        return iam_of(account)


def iam_of(account: str) -> Any:
    """Give moto's IAM of an account."""
    return iam_backends[account]["aws"]


def aws_managed_policy(account: str, arn: str) -> AWSManagedPolicy | None:
    """Make moto's form of one of AWS's own managed policies."""
    entry = _aws_managed().get(arn)
    return AWSManagedPolicy.from_data(entry[0], account, "us-east-1", entry[1]) if entry else None


def _role_view(account: str, role: Any) -> PrincipalView:
    boundary_arn = role.permissions_boundary_arn or None
    return PrincipalView(
        "role",
        account,
        role.name,
        role.path,
        role.arn,
        role.id,
        _policies(role),
        boundary_arn,
        _boundary(account, boundary_arn),
        role.assume_role_policy_document,
        int(role.max_session_duration or 3600),
        {tag["Key"]: tag["Value"] for tag in role.tags},
    )


def _user_view(account: str, user: Any) -> PrincipalView:
    backend = iam_of(account)
    boundary_arn = getattr(user, "sandbox_boundary_arn", None)
    policies = _policies(user)
    for group in backend.groups.values():
        if user in group.users:
            policies += _policies(group)
    return PrincipalView(
        "user",
        account,
        user.name,
        user.path,
        user.arn,
        user.id,
        policies,
        boundary_arn,
        _boundary(account, boundary_arn),
        tags={tag["Key"]: tag["Value"] for tag in user.tags or ()},
    )


def _policies(entity: Any) -> Policies:
    inline = tuple(entity.policies.items())
    managed = tuple((arn, _default_document(p)) for arn, p in entity.managed_policies.items())
    return inline + managed


def _boundary(account: str, arn: str | None) -> str | None:
    if arn is None:
        return None
    if ":iam::aws:policy/" in arn:
        return _aws_managed_document(arn)
    found = iam_of(account).managed_policies.get(arn)
    return _default_document(found) if found else None


def _default_document(policy: Any) -> str:
    for version in policy.versions:
        if version.version_id == policy.default_version_id:
            return str(version.document)
    return ""


@cache
def _aws_managed() -> dict[str, tuple[str, dict[str, Any]]]:
    everything = json.loads(aws_managed_policies_data)
    return {
        f"arn:aws:iam::aws:policy{data.get('Path', '/')}{name}": (name, data)
        for name, data in everything.items()
    }


@cache
def _aws_managed_document(arn: str) -> str | None:
    entry = _aws_managed().get(arn)
    return json.dumps(entry[1]["Document"]) if entry else None
