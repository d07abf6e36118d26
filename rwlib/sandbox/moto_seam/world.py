"""One sandbox's worth of moto: its state, kept and put back, and the way to call it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import moto
from moto.core.base_backend import BackendDict
from moto.iam.access_control import PermissionResult
from moto.iam.models import AWSManagedPolicy
from moto.iam.policy_validation import BaseIAMPolicyValidator
from moto.s3.models import FakeBucket, s3_backends

from rwlib.sandbox.answer import Answer
from rwlib.sandbox.moto_seam.backends import SERVICES, backends, loaded
from rwlib.sandbox.moto_seam.dispatch import MotoDispatcher
from rwlib.sandbox.moto_seam.iam import MotoIam, aws_managed_policy
from rwlib.sandbox.moto_seam.kms import MotoKms
from rwlib.sandbox.moto_seam.pickling import Fetch, Store, UnreadableStateError, dumps, loads
from rwlib.sandbox.moto_seam.s3 import MotoS3
from rwlib.sandbox.moto_seam.unique_ids import give_unique_ids

MOTO_VERSION = moto.__version__
_PIECE = re.compile(r"(?P<service>[a-z0-9]+)\.(?P<account>\d{12})\.(?P<region>[a-z0-9-]+)")

_entered: World | None = None
_lock = threading.RLock()
_serving = threading.local()


class World:
    """All that moto keeps for one sandbox.

    moto keeps its state in module-level dictionaries. Their contents are exchanged when another
    world is entered, so that several sandboxes can live in one process without seeing each other.
    One world is entered at a time, process-wide: moto is not written for concurrent writes.
    ``iam``, ``s3`` and ``kms`` read the world that is entered.
    """

    def __init__(self) -> None:
        self.iam = MotoIam()
        self.s3 = MotoS3()
        self.kms = MotoKms()
        self._contents: dict[str, dict[str, Any]] = {}
        self._bucket_accounts: dict[str, tuple[str, str]] = {}
        self._dispatchers: dict[str, MotoDispatcher] = {}

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make this world the one moto sees, until the block ends."""
        global _entered
        with _lock:
            if _entered is not self:
                if _entered is not None:
                    _entered._save()
                self._load()
                _entered = self
            yield

    def forget(self) -> None:
        """Drop everything this world holds."""
        with self.entered():
            for service in loaded():
                dict.clear(backends(service))
            s3_backends.bucket_accounts.clear()

    def call(self, service: str, environ: dict[str, Any], body: bytes, account: str) -> Answer:
        """Let moto answer a request on behalf of an account; the world must be entered."""
        dispatcher = self._dispatchers.get(service)
        if dispatcher is None:
            backends(service)
            dispatcher = self._dispatchers[service] = MotoDispatcher(service)
        _serving.now = True
        try:
            return dispatcher.answer(environ, body, account)
        finally:
            _serving.now = False

    def pieces(self, services: frozenset[str] | None = None) -> Iterator[tuple[str, Any]]:
        """Name the pieces that hold something: one for each service, account and Region."""
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
        service, account, region, backend = self._piece(name, data, fetch)
        dict.__setitem__(backends(service)[account], region, backend)
        if service == "s3":
            for bucket in backend.buckets:
                s3_backends.bucket_accounts[bucket] = (region, account)

    def check_piece(self, name: str, data: bytes) -> None:
        """Make sure that a piece could be put back.

        Raises
        ------
        UnreadableStateError
            It could not.
        """
        self._piece(name, data, lambda _: b"")

    def _piece(self, name: str, data: bytes, fetch: Fetch) -> tuple[str, str, str, Any]:
        parts = _PIECE.fullmatch(name)
        if parts is None or parts["service"] not in SERVICES:
            raise UnreadableStateError(f"{name} is not a piece of a state")
        kind = backends(parts["service"]).backend
        backend = loads(data, fetch, _managed)
        if type(backend) is not kind:
            raise UnreadableStateError(f"{name} holds something else")
        return parts["service"], parts["account"], parts["region"], backend

    def _save(self) -> None:
        for service in loaded():
            self._contents[service] = dict(dict.items(backends(service)))
        self._bucket_accounts = dict(s3_backends.bucket_accounts)

    def _load(self) -> None:
        for service in loaded():
            there = backends(service)
            dict.clear(there)
            dict.update(there, self._contents.get(service, {}))
        s3_backends.bucket_accounts = dict(self._bucket_accounts)


def _managed(account: str, arn: str, count: int) -> AWSManagedPolicy:
    policy = aws_managed_policy(account, arn)
    if policy is None:
        raise UnreadableStateError(f"there is no AWS managed policy {arn}")
    policy.attachment_count = count
    return policy


_own_permission = FakeBucket.get_permission


def _permission(bucket: FakeBucket, action: str, resource: str) -> Any:
    """Keep moto's own reading of bucket policies, which ignores conditions, out of the way."""
    if getattr(_serving, "now", False):
        return PermissionResult.PERMITTED
    return _own_permission(bucket, action, resource)


_own_validation = BaseIAMPolicyValidator.validate


def _validation(validator: BaseIAMPolicyValidator) -> None:
    """Let documents pass that the sandbox has checked itself, by AWS's rules."""
    if not getattr(_serving, "now", False):
        _own_validation(validator)


FakeBucket.get_permission = _permission  # type: ignore[method-assign,assignment]
BaseIAMPolicyValidator.validate = _validation  # type: ignore[method-assign,assignment]
give_unique_ids()
