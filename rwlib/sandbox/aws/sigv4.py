"""Checking a request's signature: AWS Signature Version 4, and Version 2 in S3 URLs.

Source: AWS General Reference, "Create a signed AWS API request"; Amazon S3 API Reference,
"Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.request import Authorization, AwsRequest, Seal

SKEW = 15 * 60
"""Seconds by which a request's time may differ."""

_SPACES = re.compile(r" +")
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_SUBRESOURCES = frozenset(
    {
        *("acl", "accelerate", "analytics", "cors", "delete", "encryption", "inventory"),
        *("lifecycle", "location", "logging", "metrics", "notification", "partNumber", "policy"),
        *("replication", "requestPayment", "restore", "tagging", "torrent", "uploadId", "uploads"),
        *("versionId", "versioning", "versions", "website", "response-cache-control"),
        *("response-content-disposition", "response-content-encoding"),
        *("response-content-language", "response-content-type", "response-expires"),
    }
)


def check_signature(request: AwsRequest, secret: str, now: float) -> None:
    """Refuse a request whose signature is not the one its secret gives.

    Raises
    ------
    AwsError
        The signature, the payload's hash or the time does not fit.
    """
    authorization = request.authorization
    assert authorization is not None
    if request.check_form_signature is not None:
        request.check_form_signature(secret)
        return
    if authorization.version == 2:
        _check_version_2(request, authorization, secret, now)
        return
    when = _time_of(request, authorization)
    _check_time(request, authorization, when, now)
    if "host" not in authorization.signed_headers:
        raise mismatch(request.service, "'Host' must be a 'SignedHeader' in the Authorization.")
    _check_signed_headers(request, authorization)
    payload = _payload_hash(request, authorization)
    canonical = "\n".join(
        (
            request.method,
            _canonical_path(request),
            _canonical_query(request, authorization),
            *(f"{name}:{_header(request, name)}" for name in authorization.signed_headers),
            "",
            ";".join(authorization.signed_headers),
            payload,
        )
    )
    scope = f"{authorization.date}/{authorization.region}/{authorization.service}/aws4_request"
    stamp = when.strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    key = signing_key(secret, authorization.date, authorization.region, authorization.service)
    wanted = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), authorization.signature.encode()):
        raise mismatch(request.service)
    request.seal = Seal(key, scope, stamp, wanted)


def _check_signed_headers(request: AwsRequest, given: Authorization) -> None:
    """Refuse headers of S3's own that the signature leaves out.

    Source: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header
    (AWS Signature Version 4)": all x-amz-* headers must be signed.
    """
    if request.service not in ("s3", "s3control"):
        return
    left_out = sorted(
        name
        for name in request.headers
        if name.startswith("x-amz-")
        and name not in given.signed_headers
        and not (given.presigned and name == "x-amz-content-sha256")
    )
    if left_out:
        raise AwsError(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            403,
            fields={"HeadersNotSigned": ", ".join(left_out)},
        )


def mismatch(service: str, why: str = "") -> AwsError:
    """Build the service's refusal of a signature."""
    if service in ("s3", "s3control"):
        text = (
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method."
        )
        return AwsError("SignatureDoesNotMatch", why or text, 403)
    text = why or (
        "The request signature we calculated does not match the signature you provided. Check "
        "your AWS Secret Access Key and signing method. Consult the service documentation for "
        "details."
    )
    if service in ("iam", "sts", "redshift"):
        return AwsError("SignatureDoesNotMatch", text, 403)
    return AwsError("InvalidSignatureException", text, 403 if service == "accessanalyzer" else 400)


@lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Derive the key that signs for a day, a Region and a service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _time_of(request: AwsRequest, given: Authorization) -> datetime:
    text = (
        request.argument("X-Amz-Date") if given.presigned else request.headers.get("x-amz-date")
    ) or ""
    found = _STAMP.fullmatch(text)
    of_s3 = request.service in ("s3", "s3control")
    if found is not None:
        try:
            return datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[arg-type,misc]
        except ValueError:
            pass
    if given.presigned and of_s3:
        raise AwsError(
            "AuthorizationQueryParametersError",
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
        )
    try:
        date = request.headers.get("date", "")
        return datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        pass
    if of_s3:
        raise AwsError(
            "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header", 403
        )
    raise AwsError(
        "IncompleteSignature",
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        403,
    )


def _check_time(request: AwsRequest, given: Authorization, when: datetime, now: float) -> None:
    stamp = when.timestamp()
    if when.strftime("%Y%m%d") != given.date:
        raise mismatch(
            request.service,
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '{given.date}' != '{when:%Y%m%d}', from '{when:%Y%m%dT%H%M%SZ}'.",
        )
    if given.presigned:
        _check_expiry(request, stamp, now)
        return
    if abs(now - stamp) <= SKEW:
        return
    if request.service in ("s3", "s3control"):
        raise AwsError(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            403,
            fields={"MaxAllowedSkewMilliseconds": str(SKEW * 1000)},
        )
    server = datetime.fromtimestamp(now, UTC)
    word = "earlier" if stamp < now else "later"
    raise mismatch(
        request.service,
        f"Signature {'expired' if stamp < now else 'not yet current'}: {when:%Y%m%dT%H%M%SZ} is "
        f"{'now ' if stamp < now else 'still '}{word} than {server:%Y%m%dT%H%M%SZ} "
        f"({server:%Y%m%dT%H%M%SZ} {'-' if stamp < now else '+'} 15 min.)",
    )


def _check_expiry(request: AwsRequest, stamp: float, now: float) -> None:
    text = request.argument("X-Amz-Expires") or ""
    if not re.fullmatch(r"-?\d+", text, re.ASCII):
        raise AwsError("AuthorizationQueryParametersError", "X-Amz-Expires should be a number")
    if text.startswith("-"):
        raise AwsError("AuthorizationQueryParametersError", "X-Amz-Expires must be non-negative")
    if int(text) > 604800:
        raise AwsError(
            "AuthorizationQueryParametersError",
            "X-Amz-Expires must be less than a week (in seconds); "
            "that is, the given X-Amz-Expires must be less than 604800 seconds",
        )
    if now > stamp + int(text):
        raise AwsError("AccessDenied", "Request has expired", 403)


def _payload_hash(request: AwsRequest, given: Authorization) -> str:
    stated = request.headers.get("x-amz-content-sha256")
    if given.presigned and (stated is None or "x-amz-content-sha256" not in given.signed_headers):
        stated = request.argument("X-Amz-Content-Sha256")
        unsigned = request.service == "s3" and stated is None
        return "UNSIGNED-PAYLOAD" if unsigned else stated or _sha256(request.body)
    if request.service != "s3":
        plain = stated is None or stated != "UNSIGNED-PAYLOAD"
        return _sha256(request.body) if plain else "UNSIGNED-PAYLOAD"
    if stated is None:
        raise AwsError(
            "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
        )
    if stated not in PAYLOADS and not _HASH.fullmatch(stated):
        raise AwsError(
            "InvalidArgument",
            f"x-amz-content-sha256 must be {', '.join(PAYLOADS[:-1])}, {PAYLOADS[-1]} or a valid "
            "sha256 value.",
            fields={"ArgumentName": "x-amz-content-sha256", "ArgumentValue": stated},
        )
    return stated  # Whether the content has it, S3 looks at last.


PAYLOADS = (
    "UNSIGNED-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
)
"""What may stand for the hash of a content. Source: Amazon S3 API Reference, "Authenticating
Requests: Using the Authorization Header (AWS Signature Version 4)"."""

_HASH = re.compile(r"[0-9a-f]{64}")
_EMPTY = hashlib.sha256(b"").hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if content else _EMPTY


def _canonical_path(request: AwsRequest) -> str:
    raw = request.environ["REQUEST_URI"].partition("?")[0] or "/"
    if "://" in raw:
        raw = "/" + raw.split("://", 1)[1].partition("/")[2]
    once = quote(unquote(raw, errors="surrogateescape"), safe="/~", errors="surrogateescape")
    if request.service in ("s3", "s3control"):
        return once
    return quote(once, safe="/~")


def _canonical_query(request: AwsRequest, given: Authorization) -> str:
    pairs = [
        (quote(key, safe="~"), quote(value, safe="~"))
        for key, value in request.query
        if not (given.presigned and key == "X-Amz-Signature")
    ]
    return "&".join(f"{key}={value}" for key, value in sorted(pairs))


def _header(request: AwsRequest, name: str) -> str:
    return _SPACES.sub(" ", request.headers.get(name, "").strip())


def _check_version_2(request: AwsRequest, given: Authorization, secret: str, now: float) -> None:
    if given.presigned:
        if not given.date.isdigit():
            raise AwsError("AccessDenied", f"Invalid date (should be seconds): {given.date}", 403)
        if now > int(given.date):
            raise AwsError("AccessDenied", "Request has expired", 403)
    headers = sorted(
        f"{name}:{value.strip()}"
        for name, value in {
            **request.headers,
            **{key.lower(): value for key, value in request.query},
        }.items()
        if name.startswith("x-amz-")
    )
    wanted = [(key, value) for key, value in request.query if key in _SUBRESOURCES]
    query = "&".join(f"{key}={value}" if value else key for key, value in sorted(wanted))
    date = given.date if given.presigned else request.headers.get("date", "")
    if "x-amz-date" in request.headers and not given.presigned:
        date = ""
    text = "\n".join(
        (
            request.method,
            request.headers.get("content-md5", ""),
            request.headers.get("content-type", ""),
            date,
            *headers,
            request.raw_path + (f"?{query}" if query else ""),
        )
    )
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
    signature = base64.b64encode(digest).decode()
    if not hmac.compare_digest(signature.encode(), given.signature.encode()):
        raise mismatch("s3")
