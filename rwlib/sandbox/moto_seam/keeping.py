"""All of a world's state as named pieces, one per service, account and Region."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import moto
from moto.core.base_backend import BackendDict
from moto.iam.models import AWSManagedPolicy
from moto.s3.models import s3_backends

from rwlib.sandbox.moto_seam.backends import SERVICES, backends, loaded
from rwlib.sandbox.moto_seam.iam import aws_managed_policy
from rwlib.sandbox.moto_seam.pickling import Fetch, Store, UnreadableStateError, dumps, loads

MOTO_VERSION = moto.__version__
_PIECE = re.compile(r"(?P<service>[a-z0-9]+)\.(?P<account>\d{12})\.(?P<region>[a-z0-9-]+)")


class Keeping:
    """A world's state, written and read in pieces; the world must be entered."""

    def pieces(self, services: frozenset[str] | None = None) -> Iterator[tuple[str, Any]]:
        """Name the pieces that hold something, with what they hold."""
        for service in loaded():
            if services is not None and service not in services:
                continue
            there: BackendDict[Any] = backends(service)
            for account, region, backend in there.iter_backends():
                yield f"{service}.{account}.{region}", backend

    def write_piece(self, backend: Any, store: Store) -> bytes:
        """Write a piece; the bodies of objects go to ``store``."""
        return dumps(backend, store)

    def read_piece(self, name: str, data: bytes, fetch: Fetch) -> None:
        """Put a kept piece back.

        Raises
        ------
        UnreadableStateError
            It is not a piece this version has written.
        """
        parts = _PIECE.fullmatch(name)
        if parts is None or parts["service"] not in SERVICES:
            raise UnreadableStateError(f"{name} is no piece of a state")
        account, region = parts["account"], parts["region"]
        there = backends(parts["service"])
        backend = loads(data, fetch, _managed)
        if type(backend) is not there.backend:
            raise UnreadableStateError(f"{name} holds something else")
        dict.__setitem__(there[account], region, backend)
        if parts["service"] == "s3":
            for bucket in backend.buckets:
                s3_backends.bucket_accounts[bucket] = (region, account)


def _managed(account: str, arn: str, count: int) -> AWSManagedPolicy:
    policy = aws_managed_policy(account, arn)
    if policy is None:
        raise UnreadableStateError(f"there is no AWS managed policy {arn}")
    policy.attachment_count = count
    return policy
