"""The content of a request to S3: taken out of its chunks, and held against every digest given.

Sources: Amazon S3 API Reference, "Signature Calculations for the Authorization Header:
Transferring Payload in Multiple Chunks", "Including Trailing Headers (Chunked Upload)" and
"Error responses"; Amazon S3 User Guide, "Checking object integrity in Amazon S3". Texts that the
reference does not give are those that versitygw (Apache-2.0) records of S3's own answers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.request import AwsRequest, Seal
from rwlib.sandbox.aws.s3.checksums import ALGORITHMS, checksum, has_form, is_base64_of
from rwlib.sandbox.aws.sigv4 import mismatch

SMALLEST_CHUNK = 8192
"""Bytes that every chunk but the last must have."""
LONGEST_LINE = 1024
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

_HEADER = "x-amz-checksum-"
_NOT_A_VALUE = frozenset({f"{_HEADER}algorithm", f"{_HEADER}type", f"{_HEADER}mode"})
_ABOUT_CONTENT = frozenset(
    {
        *(f"{_HEADER}{name.lower()}" for name in ALGORITHMS),
        *("content-md5", "x-amz-trailer", "x-amz-sdk-checksum-algorithm", "transfer-encoding"),
    }
)
_EMPTY = hashlib.sha256(b"").hexdigest()
_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}")
_SIGNATURE = re.compile(rb"chunk-signature=([0-9a-f]{64})")


def open_content(request: AwsRequest) -> None:
    """Put the plain content in the place of what was sent, and note what is wrong with it.

    The first fault stays in ``request.content_error``: S3 asks who may write before it has read
    what is written. What goes on to moto names no chunks, and names each checksum in a header.
    """
    if not request.body and not any(name in _ABOUT_CONTENT for name in request.headers):
        stated = request.headers.get("x-amz-content-sha256", _EMPTY)
        if stated in (_EMPTY, "UNSIGNED-PAYLOAD"):
            return
    try:
        _open(request)
    except AwsError as error:
        request.content_error = error


def _open(request: AwsRequest) -> None:
    headers = request.headers
    stated = headers.get("x-amz-content-sha256", "")
    trailers: dict[str, str] = {}
    if stated.startswith("STREAMING-"):
        trailers = _unpack(request, stated)
    elif request.chunked_transfer and request.method == "PUT":
        raise AwsError(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
            501,
            fields={"Header": "Transfer-Encoding"},
        )
    elif "aws-chunked" in headers.get("content-encoding", ""):
        _set_encoding(request)
    _check_hash(request, stated)
    _check_md5(request)
    _check_checksums(request, trailers)


# --- chunks ---------------------------------------------------------------------------------


@dataclass
class _Chunks:
    """Reads one chunk after the other out of a body."""

    body: bytes
    position: int = 0

    def line(self) -> bytes:
        end = self.body.find(b"\n", self.position, self.position + LONGEST_LINE)
        if end < 0:
            raise _cut_short()
        found = self.body[self.position : end]
        self.position = end + 1
        return found.removesuffix(b"\r")

    def data(self, size: int) -> memoryview:
        end = self.position + size
        if self.body[end : end + 2] != b"\r\n":
            raise _cut_short()
        found = memoryview(self.body)[self.position : end]
        self.position = end + 2
        return found

    def rest(self) -> list[bytes]:
        lines = self.body[self.position :].split(b"\n")
        return [line.strip(b"\r") for line in lines if line.strip(b"\r")]


def _unpack(request: AwsRequest, stated: str) -> dict[str, str]:
    """Take a chunked body apart; give its trailing headers."""
    if stated.startswith("STREAMING-AWS4-ECDSA-"):
        raise AwsError(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
            501,
            fields={"Header": "x-amz-content-sha256"},
        )
    seal = request.seal if stated != UNSIGNED_TRAILER else None
    if seal is None and stated != UNSIGNED_TRAILER:
        raise AwsError(
            "InvalidRequest",
            "Anonymous requests don't support this x-amz-content-sha256 value. Please use "
            "UNSIGNED-PAYLOAD or STREAMING-UNSIGNED-PAYLOAD-TRAILER.",
        )
    length = request.headers.get("x-amz-decoded-content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise AwsError(
            "MissingContentLength", "You must provide the Content-Length HTTP header.", 411
        )
    chunks = _Chunks(request.body)
    parts: list[memoryview] = []
    signature = seal.signature if seal else ""
    size = -1
    while size != 0:
        size, given = _head_of(chunks.line(), signed=seal is not None)
        if size and parts and len(parts[-1]) < SMALLEST_CHUNK:
            raise AwsError(
                "InvalidChunkSizeError",
                "Only the last chunk is allowed to have a size less than 8192 bytes",
                fields={"Chunk": str(len(parts)), "BadChunkSize": str(len(parts[-1]))},
            )
        data = chunks.data(size) if size else memoryview(b"")
        if seal is not None:
            signature = _signature_of_chunk(seal, signature, data)
            if not hmac.compare_digest(signature, given):
                raise mismatch("s3")
        if size:
            parts.append(data)
    trailers = _trailers(request, chunks.rest(), seal, signature, wanted="TRAILER" in stated)
    request.body = b"".join(parts)
    _set_encoding(request)
    if len(request.body) != int(length):
        raise AwsError(
            "IncompleteBody",
            "You did not provide the number of bytes specified by the Content-Length HTTP header",
        )
    return trailers


def _head_of(line: bytes, *, signed: bool) -> tuple[int, str]:
    size, _, extension = line.partition(b";")
    found = _SIGNATURE.fullmatch(extension.strip())
    if not _SIZE.fullmatch(size.strip()) or (signed and found is None):
        raise _cut_short()
    return int(size, 16), found[1].decode() if found else ""


def _signature_of_chunk(seal: Seal, before: str, data: memoryview) -> str:
    digest = hashlib.sha256(data).hexdigest()
    text = f"AWS4-HMAC-SHA256-PAYLOAD\n{seal.stamp}\n{seal.scope}\n{before}\n{_EMPTY}\n{digest}"
    return hmac.new(seal.key, text.encode(), hashlib.sha256).hexdigest()


def _trailers(
    request: AwsRequest, lines: list[bytes], seal: Seal | None, before: str, *, wanted: bool
) -> dict[str, str]:
    """Read the headers behind the last chunk, which ``x-amz-trailer`` has announced."""
    announced = {
        name.strip().lower()
        for name in request.headers.get("x-amz-trailer", "").split(",")
        if name.strip()
    }
    if any(_algorithm_of(name) not in ALGORITHMS for name in announced):
        raise AwsError(
            "InvalidRequest", "The value specified in the x-amz-trailer header is not supported"
        )
    if not wanted:
        return {}
    trailers, signature = {}, ""
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise _malformed_trailer()
        if name.lower() == "x-amz-trailer-signature":
            signature = value.strip()
        else:
            trailers[name.strip().lower()] = value.strip()
    if set(trailers) != announced:
        raise _malformed_trailer()
    if seal is not None:
        plain = "".join(f"{name}:{value}\n" for name, value in sorted(trailers.items()))
        digest = hashlib.sha256(plain.encode("latin-1")).hexdigest()
        text = f"AWS4-HMAC-SHA256-TRAILER\n{seal.stamp}\n{seal.scope}\n{before}\n{digest}"
        right = hmac.new(seal.key, text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right.encode(), signature.encode()):
            raise mismatch("s3")
    return trailers


def _cut_short() -> AwsError:
    return AwsError("IncompleteBody", "The request body terminated unexpectedly")


def _malformed_trailer() -> AwsError:
    return AwsError(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our "
        "published schema.",
    )


def _set_encoding(request: AwsRequest) -> None:
    """Take ``aws-chunked`` out of the headers: S3 does not keep it with the object."""
    headers, environ = request.headers, request.environ
    kept = [
        part.strip()
        for part in headers.get("content-encoding", "").split(",")
        if part.strip() not in ("", "aws-chunked")
    ]
    for name in ("content-encoding", "x-amz-decoded-content-length", "x-amz-trailer"):
        headers.pop(name, None)
        environ.pop(f"HTTP_{name.upper().replace('-', '_')}", None)
    if kept:
        headers["content-encoding"] = environ["HTTP_CONTENT_ENCODING"] = ",".join(kept)
    environ["HTTP_X_AMZ_CONTENT_SHA256"] = "UNSIGNED-PAYLOAD"


# --- digests --------------------------------------------------------------------------------


def _check_hash(request: AwsRequest, stated: str) -> None:
    if not stated or stated == "UNSIGNED-PAYLOAD" or stated.startswith("STREAMING-"):
        return
    computed = hashlib.sha256(request.body).hexdigest()
    if computed != stated:
        raise AwsError(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            fields={
                "ClientComputedContentSHA256": stated,
                "S3ComputedContentSHA256": computed,
            },
        )


def _check_md5(request: AwsRequest) -> None:
    content_md5 = request.headers.get("content-md5")
    if content_md5 is None:
        return
    if not is_base64_of(content_md5, 16):
        raise AwsError(
            "InvalidDigest",
            "The Content-MD5 you specified was invalid.",
            fields={"Content-MD5": content_md5},
        )
    digest = hashlib.md5(request.body, usedforsecurity=False).digest()
    computed = base64.b64encode(digest).decode()
    if computed != content_md5:
        raise AwsError(
            "BadDigest",
            "The Content-MD5 you specified did not match what we received.",
            fields={
                "ExpectedDigest": base64.b64decode(content_md5).hex(),
                "CalculatedDigest": computed,
            },
        )


def _check_checksums(request: AwsRequest, trailers: dict[str, str]) -> None:
    """Check the one checksum that a request may carry, in a header or behind its chunks."""
    checksums = {
        name: value
        for name, value in request.headers.items()
        if name.startswith(_HEADER) and name not in _NOT_A_VALUE
    }
    for name in checksums:
        if _algorithm_of(name) not in ALGORITHMS:
            raise AwsError(
                "InvalidRequest",
                "The algorithm type you specified in x-amz-checksum- header is invalid.",
            )
    values = {**checksums, **trailers}
    if len(checksums) + len(trailers) > 1:
        raise AwsError(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    announced = request.headers.get("x-amz-sdk-checksum-algorithm", "").upper()
    if announced and not values and request.method in ("PUT", "POST"):
        raise AwsError(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
            "x-amz-trailer headers were found.",
        )
    if request.has("uploadId") and request.method == "POST":
        return  # Of the whole object, which lies in its parts.
    for name, value in values.items():
        algorithm = _algorithm_of(name)
        if announced and announced != algorithm:
            raise _invalid("x-amz-sdk-checksum-algorithm")
        if not has_form(algorithm, value):
            raise _invalid(name, "trailing " if name in trailers else "")
        if checksum(algorithm, request.body) != value:
            raise AwsError(
                "BadDigest",
                f"The {algorithm} you specified did not match the calculated checksum.",
            )
        request.environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        request.environ["HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM"] = algorithm


def _algorithm_of(name: str) -> str:
    return name.removeprefix(_HEADER).upper() if name.startswith(_HEADER) else ""


def _invalid(name: str, kind: str = "") -> AwsError:
    return AwsError("InvalidRequest", f"Value for {name} {kind}header is invalid.")
