"""Where a request comes from: a program on this machine, or a page that a browser shows.

The sandbox's credentials are known to everybody, so a page of any site could sign a request. A
browser says whose page it is: in ``Origin``, in ``Sec-Fetch-Site``, or at least in ``Referer``;
and a name that another site has bent to this machine stands in ``Host``.
Source: Fetch Standard, section "Origin header"; Fetch Metadata Request Headers (W3C).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

OF_AWS = re.compile(r"(.+\.)?(amazonaws\.com(\.cn)?|api\.aws)")
"""Names that only AWS hands out; tools send them when told to connect here."""


def is_own_host(host: str) -> bool:
    """Whether the name a request is addressed to is one that only this machine answers to."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if not name:
        return host == ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        pass
    return name == "localhost" or name.endswith(".localhost") or bool(OF_AWS.fullmatch(name))


def is_of_another_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser sends the request for a page that the sandbox has not served itself.

    ``headers`` have their names in lower case. A page of another port of this machine is another
    site too: a notebook's output must not act in the sandbox.
    """
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    host = headers.get("host", "").lower()
    origin = headers.get("origin")
    if origin is not None:
        return not _same(origin, host)
    referer = headers.get("referer")
    return bool(referer) and not _same(referer or "", host)


def _same(url: str, host: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "http" and parts.netloc.lower() == host
