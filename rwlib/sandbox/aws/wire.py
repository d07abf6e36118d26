"""Requests as WSGI sees them, built without a socket."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import unquote


def inner_authorization(service: str, region: str) -> str:
    """Write the header by which moto finds service and Region; it is no signature."""
    return (
        f"AWS4-HMAC-SHA256 Credential=SANDBOX/20260101/{region}/{service}/aws4_request, "
        "SignedHeaders=host, Signature=0"
    )


def environ_of(
    method: str, path: str, service: str, region: str, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """Build the environ of a request from inside, which needs no signature.

    Parameters
    ----------
    path
        With its query string; percent-encoded as it would be on the wire.
    """
    raw, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(raw).encode().decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": path,
        "RAW_URI": path,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "HTTP_AUTHORIZATION": inner_authorization(service, region),
    }
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return environ
