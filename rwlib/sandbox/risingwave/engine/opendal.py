"""S3 as opendal 0.55 uses it, with opendal's error texts.

An error reads ``KIND (persistent) at OPERATION, context: { … } => MESSAGE, source: …``
(``core/src/types/error.rs``); held against opendal's own Python package in
``tests/sandbox/test_opendal_texts.py``. ``called: reqsign::LoadCredential`` marks a refusal of STS;
``S3Error`` in the message one of S3. Every error that leaves the retry layer is "persistent"
(``layers/retry.rs``).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import urllib3

from rwlib.sandbox.risingwave.engine.credentials import CredentialError, Identity
from rwlib.sandbox.risingwave.engine.signed import Keys, Reply, SignedClient

# core/src/services/s3/error.rs:40-115
_KIND_OF_STATUS = {403: "PermissionDenied", 404: "NotFound", 304: "ConditionNotMatch"}
_KIND_OF_CODE = {
    "NoSuchBucket": "ConfigInvalid",
    "OperationAborted": "Unexpected",
    "SlowDown": "RateLimited",
}
_SHOWN_HEADERS = (
    "x-amz-bucket-region",
    "x-amz-request-id",
    "x-amz-id-2",
    "content-type",
    "content-length",
    "date",
    "server",
)


class OpendalError(Exception):
    """An error of opendal.

    ``head`` and ``source`` are the two lines that psql's numbered causes show; the text is both.
    """

    def __init__(self, kind: str, head: str, source: str = "") -> None:
        self.kind = kind
        self.head = head
        self.source = source
        super().__init__(f"{head}: {source}" if source else head)

    @property
    def causes(self) -> list[str]:
        """Give the lines for a numbered list of causes."""
        return [self.head, self.source] if self.source else [self.head]


@dataclass(frozen=True)
class Entry:
    """One object of a listing."""

    key: str
    size: int


class OpenDalOperator:
    """One bucket, reached with one identity; the role is assumed at the first request.

    Parameters
    ----------
    aws
        Where AWS answers.
    identity
        Who calls.
    bucket, region_name
        Of the statement, right or wrong.
    session_name
        Other clients than opendal have another one.
    """

    def __init__(
        self,
        aws: SignedClient,
        identity: Identity,
        bucket: str,
        region_name: str,
        session_name: str = "reqsign",
    ) -> None:
        self._aws = aws
        self._identity = identity
        self.bucket = bucket
        self.region_name = region_name
        self._session_name = session_name
        self._keys: Keys | None = None
        self._loading = threading.Lock()

    def list(self, path: str, *, recursive: bool = False, first_page: bool = False) -> list[Entry]:
        """List what begins with ``path``, one level deep unless ``recursive``.

        ``path`` is sent as the prefix as it is; an empty one or ``/`` sends none.
        """
        prefix = normalized(path)
        entries: list[Entry] = []
        token = ""
        while True:
            query = [("list-type", "2")]
            if prefix:
                query.append(("prefix", prefix))
            if not recursive:
                query.append(("delimiter", "/"))
            if token:
                query.append(("continuation-token", token))
            reply = self._send(
                "list",
                "GET",
                "",
                query=query,
                context=(("path", prefix or "/"), ("listed", str(len(entries)))),
            )
            sizes = reply.elements("Size")
            keys = reply.elements("Key")
            entries += [Entry(key, int(size)) for key, size in zip(keys, sizes, strict=False)]
            token = reply.element("NextContinuationToken")
            if not token or first_page:
                return entries

    def stat(self, path: str) -> int:
        """Give the size of an object."""
        reply = self._send("stat", "HEAD", path, context=(("path", path),))
        return int(reply.header("content-length") or 0)

    def read(self, path: str) -> bytes:
        """Read a whole object."""
        reply = self._send(
            "read",
            "GET",
            path,
            headers={"Range": "bytes=0-"},
            context=(("path", path), ("range", "0-")),
        )
        return reply.body

    def write(self, path: str, content: bytes) -> None:
        """Write an object in one piece."""
        path = normalized(path)
        self._send(
            "write",
            "PUT",
            path,
            body=content,
            context=(("path", path), ("written", str(len(content)))),
        )

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects; one that is not there counts as deleted."""
        for count, path in enumerate(paths):
            self._send(
                "delete",
                "DELETE",
                path,
                context=(("deleted", str(count)),),
            )

    def _send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        context: tuple[tuple[str, str], ...],
    ) -> Reply:
        context = (("service", "s3"), *context)
        with self._loading:
            if self._keys is None:
                self._keys = self._loaded(operation, context)
        key = normalized(path)
        try:
            reply = self._aws.send(
                self._keys,
                "s3",
                self.region_name,
                method,
                f"/{self.bucket}/{key}" if key else f"/{self.bucket}",
                query,
                headers,
                body,
            )
        except urllib3.exceptions.HTTPError:
            uri = self._uri(key, query)
            raise OpendalError(
                "Unexpected",
                _shown(
                    "Unexpected",
                    operation,
                    (("url", uri), ("called", "http_util::Client::send"), *context),
                )
                + f"send http request, source: error sending request for url ({uri})",
            ) from None
        if reply.ok or (method == "DELETE" and reply.status == 404 and _code(reply) == "NoSuchKey"):
            return reply
        raise self._refusal(operation, self._uri(key, query), reply, context)

    def _loaded(self, operation: str, context: tuple[tuple[str, str], ...]) -> Keys:
        try:
            return self._identity.keys(self._aws, self.region_name, self._session_name)
        except CredentialError as error:
            marked = (("called", "reqsign::LoadCredential"), *context)
            raise OpendalError(
                "Unexpected",
                _shown("Unexpected", operation, marked)
                + "loading credential to sign http request, source",
                str(error),
            ) from None

    def _uri(self, key: str, query: Sequence[tuple[str, str]]) -> str:
        """Show the address that RisingWave calls on AWS, path style."""
        suffix = "amazonaws.com.cn" if self.region_name.startswith("cn-") else "amazonaws.com"
        uri = f"https://s3.{self.region_name}.{suffix}/{self.bucket}"
        if key:
            uri += "/" + quote(key, safe="/-_.~")
        # reqsign signs the query sorted, and leaves it so.
        said = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(query))
        return f"{uri}?{said}" if said else uri

    def _refusal(
        self, operation: str, uri: str, reply: Reply, context: tuple[tuple[str, str], ...]
    ) -> OpendalError:
        code = _code(reply)
        kind = _KIND_OF_CODE.get(code) or _KIND_OF_STATUS.get(reply.status, "Unexpected")
        headers = json.dumps(
            {name: reply.header(name) for name in _SHOWN_HEADERS if reply.header(name)}
        )
        parts = f"Parts {{ status: {reply.status}, version: HTTP/1.1, headers: {headers} }}"
        head = _shown(kind, operation, (("uri", uri), ("response", parts), *context))
        if not reply.body:
            return OpendalError(kind, head.removesuffix(" => "))
        message = (
            f"S3Error {{ code: {json.dumps(code)}, message: "
            f"{json.dumps(reply.element('Message'), ensure_ascii=False)}, "
            f"resource: {json.dumps(reply.element('Resource'), ensure_ascii=False)}, "
            f"request_id: {json.dumps(reply.element('RequestId'))} }}"
        )
        return OpendalError(kind, head + (message if code else reply.text))


def normalized(path: str) -> str:
    """Write a path as opendal does (``core/src/raw/path.rs``): no empty parts, none in front."""
    parts = "/".join(part for part in path.strip().split("/") if part)
    return parts + "/" if parts and path.strip().endswith("/") else parts


def _code(reply: Reply) -> str:
    return reply.element("Code") if reply.body else ""


def _shown(kind: str, operation: str, context: tuple[tuple[str, str], ...]) -> str:
    inner = ", ".join(f"{name}: {value}" for name, value in context)
    return f"{kind} (persistent) at {operation}, context: {{ {inner} }} => "
