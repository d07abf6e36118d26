"""Who exists, with which policies, and since when: the sandbox's view over all accounts."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rwlib.sandbox.aws.regions import OPT_IN, exists
from rwlib.sandbox.aws.session_tokens import account_of_access_key
from rwlib.sandbox.moto_seam.world import World
from rwlib.sandbox.views import PrincipalView

_PRINCIPAL = re.compile(r"arn:aws:iam::(\d{12}):(role|user)/(.+)")


@dataclass(frozen=True)
class _Before:
    """An account's roles and users as they were until a moment."""

    until: float
    roles: Mapping[str, PrincipalView]
    users: Mapping[str, PrincipalView]


class Directory:
    """Answers who exists and what applies to them.

    With a propagation delay, a change of IAM shows only when it has aged: until then roles, users
    and their policies are answered as they were before it.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.delay = 0.0
        self.clock: Callable[[], float] = time.time
        self.scps: dict[str, list[list[dict[str, Any]]]] = {}
        self.enabled_regions: dict[str, frozenset[str]] = {}
        self._history: dict[str, list[_Before]] = {}

    def before_change(self, account: str) -> None:
        """Remember how an account stands, before something in its IAM changes."""
        if self.delay <= 0:
            return
        now = self.clock()
        everyone = self.world.iam.principals(account)
        history = self._history.setdefault(account, [])
        history[:] = [entry for entry in history if entry.until > now - self.delay]
        history.append(
            _Before(
                now,
                {view.name: view for view in everyone if view.kind == "role"},
                {view.name: view for view in everyone if view.kind == "user"},
            )
        )

    def forget(self) -> None:
        """Drop what is remembered of earlier states."""
        self._history.clear()

    def role(self, account: str, name: str) -> PrincipalView | None:
        """Give the role as it has propagated."""
        past = self._past(account)
        return past.roles.get(name) if past else self.world.iam.role(account, name)

    def user(self, account: str, name: str) -> PrincipalView | None:
        """Give the user as it has propagated."""
        past = self._past(account)
        return past.users.get(name) if past else self.world.iam.user(account, name)

    def user_of_key(self, access_key: str) -> tuple[PrincipalView | None, str]:
        """Give the user of an active access key, and the secret."""
        account = account_of_access_key(access_key)
        found = self.world.iam.user_of_key(account, access_key) if account else None
        if account is None or found is None:
            return None, ""
        past = self._past(account)
        return (past.users.get(found[0].name) if past else found[0]), found[1]

    def principal(self, arn: str) -> PrincipalView | None:
        """Give the role or user of that ARN."""
        parts = _PRINCIPAL.fullmatch(arn)
        if parts is None:
            return None
        account, kind, path = parts.groups()
        name = path.rpartition("/")[2]
        view = self.role(account, name) if kind == "role" else self.user(account, name)
        return view if view is not None and view.arn == arn else None

    def policy(self, arn: str) -> str | None:
        """Give the default version's document of a managed policy."""
        return self.world.iam.policy_document(arn)

    def region_enabled(self, account: str, region: str) -> bool:
        """Whether the account may use the Region: by default all but the opt-in ones."""
        if region in OPT_IN:
            return region in self.enabled_regions.get(account, frozenset())
        return exists(region)

    def scps_of(self, account: str) -> Sequence[Sequence[dict[str, Any]]]:
        """Give the levels of service control policies above an account."""
        return self.scps.get(account, ())

    def _past(self, account: str) -> _Before | None:
        if self.delay <= 0:
            return None
        horizon = self.clock() - self.delay
        history = self._history.get(account, ())
        return next((entry for entry in history if entry.until > horizon), None)
