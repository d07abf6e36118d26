"""What is written must be what was signed and what its digests say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import zlib
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from rwlib.sandbox.aws.s3.checksums import ALGORITHMS, Crc, checksum
from rwlib.sandbox.server.server import Sandbox
from tests.support.sandbox_clients import CUSTOMER, client

BUCKET = "acme-analytics"
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


class _Stated(S3SigV4Auth):
    """Signs with the payload hash that the headers state."""

    def payload(self, request):
        return request.headers.get("X-Amz-Content-SHA256") or super().payload(request)

    def canonical_request(self, request):
        stated = request.headers.get("X-Amz-Content-SHA256")
        text = super().canonical_request(request)
        return text if stated is None else text.rpartition("\n")[0] + "\n" + stated

    def _modify_request_before_signing(self, request):
        stated = request.headers.get("X-Amz-Content-SHA256")
        super()._modify_request_before_signing(request)
        if stated is not None:
            request.headers.replace_header("X-Amz-Content-SHA256", stated)


def send(sandbox, key, body, headers=(), method="PUT", account=CUSTOMER, wire=None, **more):
    """Send a signed request; ``wire`` may make the body of the request's own signature."""
    url = f"{sandbox.url}/{BUCKET}/{key}"
    request = AWSRequest(method, url, data=body, headers={**dict(headers), **more})
    _Stated(Credentials(account, "test"), "s3", "us-east-1").add_auth(request)
    if wire is not None:
        signature = request.headers["Authorization"].rpartition("=")[2]
        body = wire(signature, request.headers["X-Amz-Date"])
    parts = urlsplit(sandbox.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    path = url.removeprefix(sandbox.url)
    connection.request(method, path, body, dict(request.headers.items()))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    code = text.partition("<Code>")[2].partition("<")[0]
    message = text.partition("<Message>")[2].partition("<")[0]
    return answer.status, code, message


def stored(sandbox, key):
    s3 = client(sandbox, "s3")
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents")
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() if found else None


def signed_chunks(chunks, trailer=None, tamper=lambda position, data: data, spoil=""):
    """The wire form of signed chunks, made from the seed signature of the request."""

    def make(seed, stamp):
        date = stamp[:8]
        key = b"AWS4test"
        for part in (date, "us-east-1", "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        scope = f"{date}/us-east-1/s3/aws4_request"

        def sign(kind, before, *hashes):
            text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", stamp, scope, before, *hashes))
            return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

        wire, before = b"", seed
        for position, data in enumerate((*chunks, b"")):
            before = sign("PAYLOAD", before, EMPTY, hashlib.sha256(data).hexdigest())
            shown = "0" * 64 if spoil == f"chunk {position}" else before
            wire += f"{len(data):x};chunk-signature={shown}\r\n".encode()
            wire += tamper(position, data) + (b"\r\n" if data else b"")
        if trailer:
            name, value = trailer
            digest = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
            last = "0" * 64 if spoil == "trailer" else sign("TRAILER", before, digest)
            wire += f"{name}:{value}\r\nx-amz-trailer-signature:{last}\r\n".encode()
        return wire + b"\r\n"

    return make


def streaming(sandbox, key, chunks, trailer=None, length=None, **options):
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    headers = {
        "X-Amz-Content-SHA256": kind,
        "Content-Encoding": "aws-chunked",
        "X-Amz-Decoded-Content-Length": str(
            length if length is not None else sum(map(len, chunks))
        ),
    }
    if trailer:
        headers["X-Amz-Trailer"] = trailer[0]
    return send(sandbox, key, b"", headers, wire=signed_chunks(chunks, trailer, **options))


CHUNKS = (b"a" * 8192, b"b" * 8192, b"c" * 10)
CRC32 = base64.b64encode(zlib.crc32(b"".join(CHUNKS)).to_bytes(4, "big")).decode()


def test_signed_chunks_are_put_together(sandbox):
    assert streaming(sandbox, "chunked", CHUNKS)[0] == 200
    assert stored(sandbox, "chunked") == b"".join(CHUNKS)
    trailer = ("x-amz-checksum-crc32", CRC32)
    assert streaming(sandbox, "trailed", CHUNKS, trailer)[0] == 200
    s3 = client(sandbox, "s3")
    head = s3.head_object(Bucket=BUCKET, Key="trailed", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == CRC32
    assert head.get("ContentEncoding") is None


@pytest.mark.parametrize("wrong", ["data", "chunk 0", "chunk 2", "chunk 3", "trailer"])
def test_broken_chain_of_signatures_is_refused_and_nothing_is_stored(sandbox, wrong):
    options = {"spoil": wrong}
    if wrong == "data":
        options = {"tamper": lambda position, data: b"X" + data[1:] if position == 1 else data}
    trailer = ("x-amz-checksum-crc32", CRC32)
    status, code, message = streaming(sandbox, "bad-chain", CHUNKS, trailer, **options)
    assert (status, code) == (403, "SignatureDoesNotMatch")
    assert message.startswith("The request signature we calculated does not match")
    assert stored(sandbox, "bad-chain") is None


def test_wrong_trailer_checksum_decoded_length_and_small_chunk_are_refused(sandbox):
    wrong = ("x-amz-checksum-crc32", "AAAAAA==")
    assert streaming(sandbox, "bad", CHUNKS, wrong) == (
        400,
        "BadDigest",
        "The CRC32 you specified did not match the calculated checksum.",
    )
    assert streaming(sandbox, "bad", CHUNKS, length=7)[:2] == (400, "IncompleteBody")
    assert streaming(sandbox, "bad", (b"a", b"b"))[:2] == (400, "InvalidChunkSizeError")
    unsigned = {
        "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "X-Amz-Decoded-Content-Length": "3",
        "X-Amz-Trailer": "x-amz-checksum-crc32",
    }
    body = b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    assert send(sandbox, "bad", body, unsigned)[:2] == (400, "BadDigest")
    assert send(sandbox, "bad", b"3\r\nabc\r\n0\r\n\r\n", unsigned)[:2] == (
        400,
        "MalformedTrailerError",
    )
    assert send(sandbox, "bad", b"3\r\nab", unsigned)[:2] == (400, "IncompleteBody")
    assert stored(sandbox, "bad") is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_checksum_header_is_checked(sandbox, algorithm):
    name = f"x-amz-checksum-{algorithm.lower()}"
    right = checksum(algorithm, b"content")
    assert send(sandbox, f"sum-{algorithm}", b"content", {name: right})[0] == 200
    head = client(sandbox, "s3").head_object(
        Bucket=BUCKET, Key=f"sum-{algorithm}", ChecksumMode="ENABLED"
    )
    assert head[f"Checksum{algorithm}"] == right
    assert send(sandbox, "bad-sum", b"other", {name: right}) == (
        400,
        "BadDigest",
        f"The {algorithm} you specified did not match the calculated checksum.",
    )
    assert send(sandbox, "bad-sum", b"other", {name: "AA=="}) == (
        400,
        "InvalidRequest",
        f"Value for {name} header is invalid.",
    )
    assert stored(sandbox, "bad-sum") is None


def test_checksums_that_cannot_be_are_refused(sandbox):
    two = {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="}
    assert send(sandbox, "bad", b"1", two)[2].startswith("Expecting a single x-amz-checksum-")
    alone = {"x-amz-sdk-checksum-algorithm": "CRC32"}
    assert send(sandbox, "bad", b"1", alone)[2].startswith("x-amz-sdk-checksum-algorithm specified")
    unknown = {"x-amz-checksum-sum": "AAAAAA=="}
    assert send(sandbox, "bad", b"1", unknown)[2].startswith("The algorithm type you specified")


def test_content_md5_is_checked(sandbox):
    right = base64.b64encode(hashlib.md5(b"content").digest()).decode()
    assert send(sandbox, "md5", b"content", {"Content-MD5": right})[0] == 200
    assert send(sandbox, "bad-md5", b"other", {"Content-MD5": right}) == (
        400,
        "BadDigest",
        "The Content-MD5 you specified did not match what we received.",
    )
    assert send(sandbox, "bad-md5", b"other", {"Content-MD5": "no"}) == (
        400,
        "InvalidDigest",
        "The Content-MD5 you specified was invalid.",
    )
    assert stored(sandbox, "bad-md5") is None


def test_payload_hash_must_be_there_and_fit(sandbox):
    wrong = {"X-Amz-Content-SHA256": hashlib.sha256(b"other").hexdigest()}
    assert send(sandbox, "bad-hash", b"content", wrong)[:2] == (400, "XAmzContentSHA256Mismatch")
    strange = {"X-Amz-Content-SHA256": "none"}
    assert send(sandbox, "bad-hash", b"content", strange)[:2] == (400, "InvalidArgument")
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    parts = urlsplit(sandbox.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    scope = f"{CUSTOMER}/{stamp[:8]}/us-east-1/s3/aws4_request"
    connection.request(
        "GET",
        f"/{BUCKET}",
        headers={
            "x-amz-date": stamp,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, "
            f"Signature={'0' * 64}",
        },
    )
    text = connection.getresponse().read().decode()
    assert "Missing required header for this request: x-amz-content-sha256" in text
    assert stored(sandbox, "bad-hash") is None


def test_who_may_not_write_hears_that_first(sandbox):
    wrong = {"Content-MD5": "no"}
    assert send(sandbox, "foreign", b"1", wrong, account="999988887777")[:2] == (
        403,
        "AccessDenied",
    )


def test_own_crc_gives_the_check_values_of_the_catalogue():
    """Source: RevEng, Catalogue of parametrised CRC algorithms: CRC-32/ISCSI, CRC-64/NVME."""
    assert Crc(32, 0x1EDC6F41)(b"123456789").hex() == "e3069283"
    assert Crc(64, 0xAD93D23594C93659)(b"123456789").hex() == "ae8b14860a799888"
    crc32 = Crc(32, 0x04C11DB7)
    for size in (0, 1, 511, 512, 513, 5000, 65537):
        content = bytes(index * 7 % 251 for index in range(size))
        assert int.from_bytes(crc32(content), "big") == zlib.crc32(content)
