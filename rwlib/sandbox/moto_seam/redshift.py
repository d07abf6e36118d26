"""moto's Redshift without its EC2, which the sandbox does not serve."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_STOOD_IN = ("moto.ec2", "moto.ec2.models", "moto.ec2.models.security_groups")


class NoNetwork:
    """An account's EC2 in one Region, as moto's Redshift sees it: no subnet, no security group.

    Parameters
    ----------
    account_id
        The account's number.
    """

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id

    def __reduce__(self) -> tuple[Any, ...]:
        return make_no_network, (self.account_id,)

    def describe_subnets(self, **_: Any) -> list[Any]:
        """List the subnets asked for."""
        return []

    def describe_security_groups(self, **_: Any) -> list[Any]:
        """List the security groups asked for."""
        return []


def make_no_network(account_id: str) -> NoNetwork:
    """Make the network of a kept state again."""
    return NoNetwork(account_id)


class _OfAccount:
    def __init__(self, account_id: str) -> None:
        self._network = NoNetwork(account_id)

    def __getitem__(self, region: str) -> NoNetwork:
        return self._network


class _Networks:
    def __getitem__(self, account_id: str) -> _OfAccount:
        return _OfAccount(account_id)


def import_redshift() -> None:
    """Import moto's Redshift; its EC2 would read every instance type and all of EC2's API first."""
    if "moto.redshift.models" in sys.modules:
        return
    with _without_ec2():
        importlib.import_module("moto.redshift.models")


@contextmanager
def _without_ec2() -> Iterator[None]:
    if "moto.ec2" in sys.modules:
        yield
        return
    modules = {name: ModuleType(name) for name in _STOOD_IN}
    modules["moto.ec2"].ec2_backends = _Networks()  # type: ignore[attr-defined]
    modules["moto.ec2.models.security_groups"].SecurityGroup = object  # type: ignore[attr-defined]
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
