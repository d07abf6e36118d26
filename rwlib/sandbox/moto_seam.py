"""The one place that knows what moto looks like inside.

Everything else in the sandbox asks these functions. They hold for the moto versions in
``HOLDS_FOR``; a test fails when another one is installed.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import moto.backends as moto_backends
from moto.core.base_backend import BackendDict
from moto.iam.access_control import PermissionResult
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import FakeBucket

from rwlib.sandbox.answer import Answer

HOLDS_FOR = ("5.2",)
"""Leading parts of the moto versions this module was written against."""

SERVICES = ("iam", "s3", "sts", "kms", "glue", "redshift", "s3control")

_entered: World | None = None
_lock = threading.RLock()
_serving = threading.local()


class World:
    """All that moto keeps for one sandbox.

    moto keeps its state in module-level dictionaries. Their contents are exchanged when another
    world is entered, so that several sandboxes can live in one process without seeing each other.
    One world is entered at a time, process-wide: moto is not written for concurrent writes.
    """

    def __init__(self) -> None:
        self._contents: dict[str, dict[str, Any]] = {}
        self._bucket_accounts: dict[str, tuple[str, str]] = {}
        self._dispatcher = DomainDispatcherApplication(create_backend_app)

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
            for service in _loaded():
                dict.clear(_backends(service))
            _backends("s3").bucket_accounts.clear()

    def call(self, environ: dict[str, Any], body: bytes, account: str) -> Answer:
        """Let moto answer a request on behalf of an account; the world must be entered."""
        inner = {
            **environ,
            "wsgi.input": io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_HOST": "127.0.0.1",
            "HTTP_X_MOTO_ACCOUNT_ID": account,
        }
        inner.pop("HTTP_TRANSFER_ENCODING", None)
        started: list[Any] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
            started[:] = [status, headers]

        _serving.now = True
        try:
            chunks = self._dispatcher(inner, start_response)
            try:
                content = b"".join(chunks)
            finally:
                if hasattr(chunks, "close"):
                    chunks.close()
        finally:
            _serving.now = False
        return Answer(int(started[0].split(None, 1)[0]), tuple(started[1]), content)

    def _save(self) -> None:
        for service in _loaded():
            self._contents[service] = dict(dict.items(_backends(service)))
        self._bucket_accounts = dict(_backends("s3").bucket_accounts)

    def _load(self) -> None:
        for service in _loaded():
            backends = _backends(service)
            dict.clear(backends)
            dict.update(backends, self._contents.get(service, {}))
        _backends("s3").bucket_accounts = dict(self._bucket_accounts)


def _loaded() -> list[str]:
    """Give the services moto has imported so far; the others hold nothing."""
    return [service for service in SERVICES if f"moto.{service}.models" in sys.modules]


def _backends(service: str) -> Any:
    found = moto_backends.get_backend(service)  # type: ignore[call-overload]
    assert isinstance(found, BackendDict)
    return found


_own_permission = FakeBucket.get_permission


def _permission(bucket: FakeBucket, action: str, resource: str) -> Any:
    """Keep moto's own reading of bucket policies, which ignores conditions, out of the way."""
    if getattr(_serving, "now", False):
        return PermissionResult.PERMITTED
    return _own_permission(bucket, action, resource)


FakeBucket.get_permission = _permission  # type: ignore[method-assign,assignment]
