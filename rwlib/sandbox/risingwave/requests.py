"""Requests to the management API: reading them, and who may make them."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rwlib.sandbox.endpoint import API_KEY, API_SECRET

READ_ONLY_KEY = "sandbox-read-only-key"
READ_ONLY_SECRET = "sandbox-read-only-secret"
"""A service account with the role that new ones have: OrganizationMember."""

_LARGEST_BODY = 8 * 1024 * 1024


class ApiError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


@dataclass(frozen=True)
class ApiCall:
    """One request, read."""

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any]
    may_change: bool


def read_call(environ: dict[str, Any], path: str, may_change: bool) -> ApiCall:
    """Read a request's query and JSON body."""
    values = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > _LARGEST_BODY:
        raise ApiError(400, "the body is too long")
    raw = environ["wsgi.input"].read(int(length)) if int(length) else b""
    try:
        body = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise ApiError(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise ApiError(400, "the body is not a JSON object")
    query = {name: found[-1] for name, found in values.items()}
    return ApiCall(environ.get("REQUEST_METHOD", "GET"), path, query, body, may_change)


def authorized(environ: dict[str, Any], api_secret: str = API_SECRET) -> bool:
    """Check the API key; tell whether it may change anything."""
    keys = {API_KEY: (api_secret, True)}
    if api_secret == API_SECRET:
        keys[READ_ONLY_KEY] = (READ_ONLY_SECRET, False)
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    pair = environ.get("HTTP_X_API_KEY", "")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(token, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise ApiError(401, "unauthorized") from None
    if not pair:
        raise ApiError(401, "unauthorized")
    key, _, secret = pair.partition(":")
    wanted, may_change = keys.get(key, ("", False))
    if not wanted or not hmac.compare_digest(wanted.encode(), secret.encode()):
        # The provider's own check takes a 403 for an invalid credential.
        raise ApiError(403, "invalid api key")
    return may_change


def refuse_browsers(environ: dict[str, Any]) -> None:
    """Keep pages in a browser away from the switches, which need no key."""
    host = urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname
    if "HTTP_ORIGIN" in environ or host not in ("127.0.0.1", "localhost", "::1"):
        raise ApiError(403, "only for programs on this machine")


def require_method(call: ApiCall, *methods: str) -> None:
    """Refuse other methods."""
    if call.method not in methods:
        raise ApiError(405, f"method {call.method} is not allowed")


def number_of(call: ApiCall, name: str, default: int) -> int:
    """Give a whole number of the query."""
    given = call.query.get(name, "")
    return int(given) if given.isascii() and given.isdecimal() else default


def text_of(call: ApiCall, name: str) -> str:
    """Give a text of the body; refuse the call without it."""
    value = call.body.get(name)
    if not isinstance(value, str):
        raise ApiError(400, f"{name} is required")
    return value
