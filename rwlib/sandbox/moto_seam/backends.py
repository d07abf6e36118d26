"""moto's module-level dictionaries, by service."""

from __future__ import annotations

import sys
from typing import Any

import moto.backends as moto_backends
from moto.core.base_backend import BackendDict

from rwlib.sandbox.moto_seam.redshift import import_redshift

SERVICES = ("iam", "s3", "sts", "kms", "glue", "redshift", "s3control")
"""Services whose state belongs to a sandbox."""


def backends(service: str) -> Any:
    """Give moto's dictionary of a service: account, then Region or partition."""
    if service == "redshift":
        import_redshift()
    found = moto_backends.get_backend(service)  # type: ignore[call-overload]
    assert isinstance(found, BackendDict)
    return found


def loaded() -> list[str]:
    """Give the services moto has imported so far; the others hold nothing."""
    return [service for service in SERVICES if f"moto.{service}.models" in sys.modules]
