"""Multipart uploads and copies: what S3 asks of their numbers, lists and directives.

Sources: Amazon S3 API Reference, UploadPart, UploadPartCopy, CompleteMultipartUpload, CopyObject
and "Error responses".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.s3.checksums import ALGORITHMS
from rwlib.sandbox.aws.s3.xml import malformed_xml, read_xml

if TYPE_CHECKING:
    from rwlib.sandbox.aws.request import AwsRequest
    from rwlib.sandbox.aws.s3.call import S3Call
    from rwlib.sandbox.moto_seam.world import World
    from rwlib.sandbox.views import PartView

MOST_PARTS = 10_000
SMALLEST_PART = 5 * 1024 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d+)", re.ASCII)
_CHECKSUMS = frozenset(f"Checksum{name}" for name in ALGORITHMS)
_CHANGES = (
    *("x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption"),
    "x-amz-server-side-encryption-customer-algorithm",
)


def no_such_upload() -> AwsError:
    """Build S3's refusal of an upload that is not under way."""
    return AwsError(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may "
        "have been aborted or completed.",
        404,
    )


def checksum_of(request: AwsRequest) -> tuple[str, str]:
    """Give the algorithm and the value of the checksum that a content was held against."""
    algorithm = str(request.environ.get("HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM", ""))
    return algorithm, str(request.environ.get(f"HTTP_X_AMZ_CHECKSUM_{algorithm}", ""))


def check_part_checksum(request: AwsRequest, wanted: str) -> None:
    """Refuse a part whose checksum is of another kind than its upload's.

    Raises
    ------
    AwsError
        ``InvalidRequest``.
    """
    algorithm, value = checksum_of(request)
    if wanted and value and algorithm != wanted:
        raise AwsError(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {wanted.lower()}, "
            f"actual checksum Type: {algorithm.lower()}",
        )


def check_part_number(request: AwsRequest) -> None:
    """Refuse a part whose number no part may have.

    Raises
    ------
    AwsError
        ``InvalidArgument``.
    """
    number = request.argument("partNumber") or ""
    if not (number.isascii() and number.isdigit() and 1 <= int(number) <= MOST_PARTS):
        raise AwsError(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive",
            fields={"ArgumentName": "partNumber", "ArgumentValue": number},
        )


def check_completion(call: S3Call, world: World) -> None:
    """Refuse a list of parts that is not in order, or not what was uploaded.

    Raises
    ------
    AwsError
        ``MalformedXML``, ``InvalidPartOrder``, ``InvalidPart`` or ``EntityTooSmall``.
    """
    listed = _listed_parts(call.request.body)
    upload_id = call.request.argument("uploadId") or ""
    there = world.s3.upload_parts(call.bucket.name, upload_id)
    if there is None:
        if world.s3.was_completed(call.bucket.name, call.operation.key, upload_id):
            return
        raise no_such_upload()
    numbers = [number for number, *_ in listed]
    if numbers != sorted(set(numbers)):
        raise AwsError(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
            fields={"UploadId": upload_id},
        )
    for number, etag, checksum in listed:
        part = there.get(number)
        other = part is not None and bool(checksum and part.checksum) and checksum != part.checksum
        if part is None or part.etag.strip('"') != etag.strip('"') or other:
            raise AwsError(
                "InvalidPart",
                "One or more of the specified parts could not be found. The part may not have been "
                "uploaded, or the specified entity tag may not match the part's entity tag.",
                fields={"UploadId": upload_id, "PartNumber": str(number), "ETag": etag.strip('"')},
            )
    for number in numbers[:-1]:
        _check_size(number, there[number])


def _check_size(number: int, part: PartView) -> None:
    if part.size < SMALLEST_PART:
        raise AwsError(
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
            fields={
                "ETag": part.etag.strip('"'),
                "MinSizeAllowed": str(SMALLEST_PART),
                "PartNumber": str(number),
                "ProposedSize": str(part.size),
            },
        )


def listed_numbers(body: bytes) -> list[int]:
    """Give the numbers of the parts that a completion lists."""
    return [number for number, *_ in _listed_parts(body)]


def _listed_parts(body: bytes) -> list[tuple[int, str, str]]:
    """Read each part's number, ETag and checksum."""
    root = read_xml(body)
    found = []
    for node in root:
        if node.tag.rpartition("}")[2] != "Part":
            continue
        given = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in node}
        number = given.get("PartNumber", "")
        if not (number.isascii() and number.isdigit() and given.get("ETag")):
            raise malformed_xml()
        checksum = next((value for name, value in given.items() if name in _CHECKSUMS), "")
        found.append((int(number), given["ETag"], checksum))
    if root.tag.rpartition("}")[2] != "CompleteMultipartUpload" or not found:
        raise malformed_xml()
    return found


def copy_source(request: AwsRequest) -> tuple[str, str, str | None]:
    """Read the bucket, the key and the version that a copy names as its source.

    Raises
    ------
    AwsError
        ``InvalidArgument``.
    """
    given = request.headers["x-amz-copy-source"]
    path, _, query = given.partition("?")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise AwsError(
            "InvalidArgument",
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            fields={"ArgumentName": "x-amz-copy-source", "ArgumentValue": given},
        )
    return bucket, key, parse_qs(query).get("versionId", [None])[0]


def check_copy(call: S3Call, source: tuple[str, str, str | None], size: int) -> None:
    """Refuse a copy that says nothing new, or that cannot be read.

    Raises
    ------
    AwsError
        ``InvalidArgument`` or ``InvalidRequest``.
    """
    headers = call.request.headers
    if call.operation.name == "UploadPartCopy":
        _check_source_range(headers.get("x-amz-copy-source-range"), size)
        return
    for what in ("metadata", "tagging"):
        name = f"x-amz-{what}-directive"
        if headers.get(name, "COPY") not in ("COPY", "REPLACE"):
            raise AwsError(
                "InvalidArgument",
                f"Unknown {what} directive.",
                fields={"ArgumentName": name, "ArgumentValue": headers[name]},
            )
    onto_itself = source == (call.bucket.name, call.operation.key, None)
    replaced = headers.get("x-amz-metadata-directive") == "REPLACE"
    if onto_itself and not replaced and not any(name in headers for name in _CHANGES):
        raise AwsError(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without "
            "changing the object's metadata, storage class, website redirect location or "
            "encryption attributes.",
        )


def _check_source_range(given: str | None, size: int) -> None:
    if given is None:
        return
    found = _RANGE.fullmatch(given)
    about = {"ArgumentName": "x-amz-copy-source-range", "ArgumentValue": given}
    if found is None or int(found[1]) > int(found[2]):
        raise AwsError(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first "
            "and last are the zero-based offsets of the first and last bytes to copy",
            fields=about,
        )
    if int(found[2]) >= size:
        raise AwsError(
            "InvalidArgument",
            f"Range specified is not valid for source object of size: {size}",
            fields=about,
        )
