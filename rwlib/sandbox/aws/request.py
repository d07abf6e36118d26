"""A request as AWS reads it: which service, region and operation, and who claims to ask."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from rwlib.sandbox.answer import AwsError

_SCOPE = re.compile(
    r"(?P<key>[^/\s,]+)/(?P<date>\d{8})/(?P<region>[^/\s,]*)/(?P<service>[^/\s,]*)/aws4_request"
)
_CREDENTIAL = re.compile(r"Credential=([^\s,]+)")
_SIGNED = re.compile(r"SignedHeaders=([^\s,]+)")
_SIGNATURE = re.compile(r"Signature=([^\s,]+)")
_BUCKET_HOST = re.compile(r"(?P<bucket>[a-z0-9][a-z0-9.-]+)\.(?:s3[.-][^:]*|localhost)(?::\d+)?")

SERVICES = {
    "iam": "iam",
    "sts": "sts",
    "s3": "s3",
    "kms": "kms",
    "glue": "glue",
    "redshift": "redshift",
    "redshift-serverless": "redshift-serverless",
    "access-analyzer": "accessanalyzer",
}
"""Services that answer, by the name they are signed for."""

_OF_SIGNATURE = ("Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires")
"""What a URL signed for S3 has, each behind ``X-Amz-``."""

MALFORMED_HEADER = "The authorization header is malformed; "


@dataclass(frozen=True)
class Authorization:
    """What a request says about its signature.

    ``version`` is 4 or 2; ``presigned`` tells that it stands in the query string.
    """

    access_key: str
    signature: str
    version: int = 4
    date: str = ""
    region: str = ""
    service: str = ""
    signed_headers: tuple[str, ...] = ()
    presigned: bool = False
    token: str = ""


@dataclass(frozen=True)
class Seal:
    """What signs the chunks of a body after the request itself.

    ``key`` is the signing key of ``scope``; ``signature`` the request's own, from which the chain
    of the chunks' signatures starts.
    """

    key: bytes
    scope: str
    stamp: str
    signature: str


@dataclass
class AwsRequest:
    """One request to AWS.

    ``raw_path`` is percent-encoded as it came; ``path`` is decoded. ``query`` keeps the order and
    empty values. Header names are in lower case.
    """

    method: str
    raw_path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    environ: dict[str, Any]
    authorization: Authorization | None
    service: str = ""
    region: str = "us-east-1"
    action: str = ""
    """The operation's name in the service's API, such as ``AssumeRole``."""
    parameters: dict[str, Any] = field(default_factory=dict)
    bucket_in_host: bool = False
    seal: Seal | None = None
    """Set once the signature was checked; None for Signature Version 2 and without one."""
    check_form_signature: Callable[[str], None] | None = None
    """Set for an upload from a form, whose signature is made another way."""
    content_error: AwsError | None = None
    """What is wrong with the content, for S3 to say after it has asked who may write."""

    @property
    def chunked_transfer(self) -> bool:
        """Whether the body came without its length."""
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def path(self) -> str:
        """The path, decoded."""
        return unquote(self.raw_path, errors="replace")

    def argument(self, name: str) -> str | None:
        """Give the first value of that name in the query string."""
        return next((value for key, value in self.query if key == name), None)

    def has(self, name: str) -> bool:
        """Whether the query string has that name."""
        return any(key == name for key, _ in self.query)


def read_request(environ: dict[str, Any], body: bytes) -> AwsRequest:
    """Take a WSGI environ apart.

    Raises
    ------
    AwsError
        The authorization cannot be read.
    """
    raw, _, query_text = environ["REQUEST_URI"].partition("?")
    if "://" in raw:
        raw = "/" + raw.split("://", 1)[1].partition("/")[2]
    raw = raw if raw.startswith("/") else f"/{raw}"
    headers = _headers(environ)
    query = _query(query_text)
    request = AwsRequest(environ["REQUEST_METHOD"], raw, query, headers, body, environ, None)
    request.authorization = _authorization(request)
    request.service, request.region = _service(request)
    host = _BUCKET_HOST.fullmatch(headers.get("host", ""))
    if host and request.service == "s3":
        request.bucket_in_host = True
        request.raw_path = f"/{host['bucket']}{request.raw_path}"
    return request


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    names = environ.get("moto.preserved_header_names") or {}
    found = {}
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            found[(names.get(key) or key[5:].replace("_", "-")).lower()] = value
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            found[key.lower().replace("_", "-")] = environ[key]
    return found


def _query(text: str) -> list[tuple[str, str]]:
    pairs = []
    for part in text.split("&") if text else ():
        key, _, value = part.partition("=")
        pairs.append((unquote(key), unquote(value)))
    return pairs


def form_of(request: AwsRequest) -> list[tuple[str, str]]:
    """Read the parameters of an AWS query protocol call, from the body or the query string."""
    if request.method == "POST" and request.body:
        try:
            return parse_qsl(
                request.body.decode(), keep_blank_values=True, max_num_fields=20000
            ) + list(request.query)
        except ValueError:
            raise AwsError(
                "MalformedQueryString", "The query string cannot be read.", 404
            ) from None
    return [(key, value.replace("+", " ")) for key, value in request.query]


def _authorization(request: AwsRequest) -> Authorization | None:
    header = request.headers.get("authorization", "")
    arguments = dict(request.query)
    if header:
        if "X-Amz-Algorithm" in arguments or {"AWSAccessKeyId", "Signature"} <= arguments.keys():
            raise _bad_authorization(
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
                "Signature query string parameter or the Authorization header should be specified",
                header,
            )
        return _from_header(request, header)
    if "X-Amz-Signature" in arguments or "X-Amz-Credential" in arguments:
        return _from_query(arguments)
    if "AWSAccessKeyId" in arguments and "Signature" in arguments:
        return Authorization(
            arguments["AWSAccessKeyId"],
            arguments["Signature"],
            version=2,
            date=arguments.get("Expires", ""),
            service="s3",
            presigned=True,
            token=arguments.get("x-amz-security-token", ""),
        )
    return None


def _from_header(request: AwsRequest, header: str) -> Authorization:
    if header.startswith("AWS ") and ":" in header:
        key, _, signature = header[4:].strip().partition(":")
        return Authorization(
            key,
            signature,
            version=2,
            service="s3",
            token=request.headers.get("x-amz-security-token", ""),
        )
    if not header.startswith("AWS4-HMAC-SHA256"):
        raise _bad_authorization("Unsupported Authorization Type", header)
    credential, signed = _CREDENTIAL.search(header), _SIGNED.search(header)
    signature4 = _SIGNATURE.search(header)
    missing = [
        name
        for name, part in (
            ("Credential", credential),
            ("Signature", signature4),
            ("SignedHeaders", signed),
        )
        if part is None
    ]
    if credential is None or signature4 is None or signed is None:
        raise AwsError(
            "IncompleteSignature",
            "".join(f"Authorization header requires '{name}' parameter. " for name in missing)
            + f"Authorization={header[:200]}",
            403,
        )
    scope = _SCOPE.fullmatch(credential[1])
    if scope is None:
        raise _unreadable(
            header,
            "the Credential is mal-formed; expecting "
            '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
        )
    if not scope["region"]:
        raise _unreadable(header, "a non-empty region must be provided in the credential.")
    return Authorization(
        scope["key"],
        signature4[1],
        date=scope["date"],
        region=scope["region"],
        service=scope["service"].lower(),
        signed_headers=tuple(signed[1].lower().split(";")),
        token=request.headers.get("x-amz-security-token", ""),
    )


def _from_query(arguments: dict[str, str]) -> Authorization:
    scope = _SCOPE.fullmatch(arguments.get("X-Amz-Credential", ""))
    if scope is None or scope["service"] == "s3":
        _check_arguments(arguments)
    if scope is None or "X-Amz-Signature" not in arguments:
        raise AwsError(
            "AuthorizationQueryParametersError",
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; "
            'expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
        )
    return Authorization(
        scope["key"],
        arguments["X-Amz-Signature"],
        date=scope["date"],
        region=scope["region"],
        service=scope["service"].lower(),
        signed_headers=tuple(arguments.get("X-Amz-SignedHeaders", "").lower().split(";")),
        presigned=True,
        token=arguments.get("X-Amz-Security-Token", ""),
    )


def _check_arguments(arguments: dict[str, str]) -> None:
    """Refuse a URL signed for S3 that lacks a part of its signature.

    Source: Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters".
    """
    if not all(arguments.get(f"X-Amz-{name}") for name in _OF_SIGNATURE):
        names = [f"X-Amz-{name}" for name in _OF_SIGNATURE]
        raise AwsError(
            "AuthorizationQueryParametersError",
            "Query-string authentication version 4 requires the "
            f"{', '.join(names[:-1])}, and {names[-1]} parameters.",
        )
    if arguments["X-Amz-Algorithm"] != "AWS4-HMAC-SHA256":
        raise AwsError(
            "AuthorizationQueryParametersError",
            'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"',
        )


def _bad_authorization(text: str, header: str) -> AwsError:
    fields = {"ArgumentName": "Authorization", "ArgumentValue": header[:200]}
    return AwsError("InvalidArgument", text, fields=fields)


def _unreadable(header: str, why: str) -> AwsError:
    return AwsError("AuthorizationHeaderMalformed", MALFORMED_HEADER + why)


def _service(request: AwsRequest) -> tuple[str, str]:
    authorization = request.authorization
    if authorization is None:
        target = request.headers.get("x-amz-target", "")
        if target:
            return ("kms" if target.startswith("TrentService") else "glue"), "us-east-1"
        if request.raw_path == "/" and _is_query_call(request):
            return "sts", "us-east-1"
        return "s3", "us-east-1"
    region = authorization.region or "us-east-1"
    if region == "aws-global":
        region = "us-east-1"
    if authorization.service == "s3" and request.raw_path.startswith("/v20180820/"):
        return "s3control", region
    if authorization.service in SERVICES:
        return SERVICES[authorization.service], region
    text = (
        f"The sandbox has no service {authorization.service!r}; "
        f"it answers {', '.join(sorted(SERVICES))}."
    )
    if authorization.service.startswith("s3"):
        # Operations of S3's own model are signed for s3express and s3-object-lambda.
        raise AwsError("NotImplemented", text, 501)
    raise AwsError("UnrecognizedService", text, 404)


def _is_query_call(request: AwsRequest) -> bool:
    if request.has("Action"):
        return True
    kind = request.headers.get("content-type", "")
    return request.method == "POST" and kind.startswith("application/x-www-form-urlencoded")
