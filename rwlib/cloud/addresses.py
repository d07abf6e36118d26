"""Where the API key may be sent, and how an address is shown."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from rwlib.errors import InputError, ServiceError


def require_secure(endpoint: str, url: str) -> str:
    """Refuse a region's address that is less protected than the endpoint that named it."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (
        parts.scheme == "http" and is_loopback(url) and is_loopback(endpoint)
    ):
        return url.rstrip("/")
    raise ServiceError(
        f"RisingWave Cloud names {shown_url(url)!r} as a region's address, which is not HTTPS; "
        "the API key is not sent there."
    )


def checked_endpoint(endpoint: str) -> str:
    """Accept an account service's address: HTTPS, or plain HTTP on loopback.

    Raises
    ------
    InputError
        Another address; what it carries as user or password is not shown.
    """
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise InputError(
            "RWC_ENDPOINT",
            shown_url(endpoint),
            "is not an address such as https://canary-useast2-acc.risingwave.cloud/api/v1.",
        )
    if parts.username or parts.password:
        raise InputError(
            "RWC_ENDPOINT",
            shown_url(endpoint),
            "must not carry a user or a password; the key goes into RWC_API_KEY.",
        )
    if parts.scheme == "http" and not is_loopback(endpoint):
        raise InputError(
            "RWC_ENDPOINT",
            shown_url(endpoint),
            "is plain HTTP and would send the API key unencrypted; use https://.",
        )
    return endpoint.rstrip("/")


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_of(url: str) -> str:
    """Give the host of an address."""
    return urlsplit(url).hostname or url


def shown_url(url: str) -> str:
    """Show an address without a user, a password or a query."""
    rest = url.partition("?")[0].partition("#")[0]
    scheme, separator, place = rest.partition("://")
    if not separator:
        return rest.rpartition("@")[2]
    authority, slash, path = place.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
