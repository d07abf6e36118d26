"""Which pages of other sites may talk to a bucket: its CORS configuration.

Source: Amazon S3 User Guide, "Using cross-origin resource sharing (CORS)" and "Troubleshooting
CORS"; Amazon S3 API Reference, "OPTIONS object".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rwlib.sandbox.answer import Answer, AwsError
from rwlib.sandbox.views import CorsView

_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def preflight(rules: Sequence[CorsView], headers: Mapping[str, str]) -> Answer:
    """Answer a browser that asks before it sends a request of another site's page.

    Raises
    ------
    AwsError
        The bucket does not let that page make the request.
    """
    origin = headers.get("origin")
    if not origin:
        raise AwsError("BadRequest", "Insufficient information. Origin request header needed.", 400)
    method = headers.get("access-control-request-method", "")
    if method not in ("GET", "PUT", "POST", "DELETE", "HEAD"):
        raise AwsError(
            "BadRequest", f"Invalid Access-Control-Request-Method: {method or 'null'}", 400
        )
    if not rules:
        raise _forbidden("CORSResponse: CORS is not enabled for this bucket.", method)
    asked = [
        name.strip().lower()
        for name in headers.get("access-control-request-headers", "").split(",")
        if name.strip()
    ]
    rule = matching_rule(rules, origin, method, asked)
    if rule is None:
        raise _forbidden(
            "CORSResponse: This CORS request is not allowed. This is usually because the "
            "evalution of Origin, request method / Access-Control-Request-Method or "
            "Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
            method,
        )
    allowed = [*cors_headers(rule, origin)]
    if asked:
        allowed.append(("Access-Control-Allow-Headers", ", ".join(asked)))
    return Answer(200, tuple(allowed))


def matching_rule(
    rules: Sequence[CorsView], origin: str, method: str, asked: Sequence[str] = ()
) -> CorsView | None:
    """Give the first rule that allows the page's request."""
    for rule in rules:
        if (
            method in rule.methods
            and any(_fits(pattern, origin) for pattern in rule.origins)
            and all(any(_fits(p.lower(), name) for p in rule.headers) for name in asked)
        ):
            return rule
    return None


def cors_headers(rule: CorsView, origin: str) -> list[tuple[str, str]]:
    """Give the headers by which a browser lets the page read the answer."""
    everybody = "*" in rule.origins
    headers = [
        ("Access-Control-Allow-Origin", "*" if everybody else origin),
        ("Access-Control-Allow-Methods", ", ".join(rule.methods)),
        ("Vary", _VARY),
    ]
    if not everybody:
        headers.append(("Access-Control-Allow-Credentials", "true"))
    if rule.exposed:
        headers.append(("Access-Control-Expose-Headers", ", ".join(rule.exposed)))
    if rule.max_age is not None:
        headers.append(("Access-Control-Max-Age", rule.max_age))
    return headers


def _fits(pattern: str, value: str) -> bool:
    """Compare with a pattern that may hold one ``*``."""
    start, star, end = pattern.partition("*")
    if not star:
        return pattern == value
    return len(value) >= len(start) + len(end) and value.startswith(start) and value.endswith(end)


def _forbidden(text: str, method: str) -> AwsError:
    return AwsError(
        "AccessForbidden", text, 403, fields={"Method": method, "ResourceType": "OBJECT"}
    )
