"""What goes back over the wire: one answer, and AWS's shapes of an error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import uuid4
from xml.sax.saxutils import escape as _escape

XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACES = {
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
    "redshift": "http://redshift.amazonaws.com/doc/2012-12-01/",
}
JSON_SERVICES = {"kms": "1.1", "glue": "1.1", "redshift-serverless": "1.1"}


_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(value: str) -> str:
    """Escape a text for XML; characters that XML cannot hold become question marks."""
    return _escape(_NOT_XML.sub("?", value))


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    then: Callable[[], None] | None = None
    """Called when the answer has been sent."""

    def header(self, name: str) -> str | None:
        """Give the value of the header of that name, in any case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def with_body(self, body: bytes) -> Answer:
        """Give the same answer with another body, its length counted again."""
        kept = tuple((k, v) for k, v in self.headers if k.lower() != "content-length")
        return Answer(self.status, kept, body)


@dataclass
class AwsError(Exception):
    """A refusal in AWS's words: a code, a message, and the HTTP status that goes with it."""

    code: str
    message: str
    status: int = 400
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    """Further elements of an S3 error, such as ``Region`` or ``BucketName``."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def json_answer(content: object, status: int = 200, version: str | None = None) -> Answer:
    """Build a JSON answer, in the AWS JSON protocol's content type when a version is given."""
    kind = f"application/x-amz-json-{version}" if version else "application/json"
    return Answer(
        status,
        (("Content-Type", kind), ("x-amzn-RequestId", str(uuid4()))),
        json.dumps(content).encode(),
    )


def xml_answer(text: str, status: int = 200, extra: Iterable[tuple[str, str]] = ()) -> Answer:
    """Build an XML answer."""
    return Answer(status, (("Content-Type", "text/xml"), *extra), (XML_HEAD + text).encode())


def query_answer(service: str, action: str, result: str) -> Answer:
    """Build the answer of an AWS query protocol call from its result's inner XML."""
    request_id = str(uuid4())
    return xml_answer(
        f'<{action}Response xmlns="{NAMESPACES[service]}">'
        f"<{action}Result>{result}</{action}Result>"
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        f"</{action}Response>",
        extra=(("x-amzn-RequestId", request_id),),
    )


def error_answer(
    service: str, error: AwsError, *, resource: str = "", head: bool = False
) -> Answer:
    """Write an error the way the service writes its own.

    S3 answers a HEAD request without a body, so only the status tells the reason.
    """
    extra = tuple(error.headers.items())
    if service in ("s3", "s3control"):
        return _s3_error(error, resource, extra, head)
    if service in JSON_SERVICES:
        answer = json_answer(
            {"__type": error.code, "message": error.message}, error.status, JSON_SERVICES[service]
        )
        return Answer(answer.status, (*answer.headers, *extra), answer.body)
    if service in NAMESPACES:
        return _query_error(service, error, extra)
    answer = json_answer({"message": error.message, "code": error.code}, error.status)
    return Answer(
        answer.status, (*answer.headers, ("x-amzn-ErrorType", error.code), *extra), answer.body
    )


def _s3_error(
    error: AwsError, resource: str, extra: tuple[tuple[str, str], ...], head: bool
) -> Answer:
    request_id, host_id = uuid4().hex[:16].upper(), uuid4().hex
    headers = (
        ("Content-Type", "application/xml"),
        ("x-amz-request-id", request_id),
        ("x-amz-id-2", host_id),
        *extra,
    )
    if head:
        return Answer(error.status, headers)
    further = "".join(f"<{k}>{xml_text(v)}</{k}>" for k, v in error.fields.items())
    where = f"<Resource>{xml_text(resource)}</Resource>" if resource else ""
    text = (
        f"{XML_HEAD}<Error><Code>{error.code}</Code><Message>{xml_text(error.message)}</Message>"
        f"{further}{where}<RequestId>{request_id}</RequestId><HostId>{host_id}</HostId></Error>"
    )
    return Answer(error.status, headers, text.encode())


def _query_error(service: str, error: AwsError, extra: tuple[tuple[str, str], ...]) -> Answer:
    request_id = str(uuid4())
    kind = "Sender" if error.status < 500 else "Receiver"
    return xml_answer(
        f'<ErrorResponse xmlns="{NAMESPACES[service]}"><Error><Type>{kind}</Type>'
        f"<Code>{error.code}</Code><Message>{xml_text(error.message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>",
        error.status,
        (("x-amzn-RequestId", request_id), *extra),
    )
