"""Conditions, ranges, parts, copies and pages of S3, with AWS's answers.

Sources stand in the modules that are tested: preconditions, ranges, uploads and listings.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from rwlib.sandbox.server.server import Sandbox
from tests.support.sandbox_clients import client

BUCKET = "acme-analytics"
HOUR = timedelta(hours=1)
PART = 5 * 1024 * 1024


@pytest.fixture(scope="module")
def s3():
    with Sandbox() as running:
        made = client(running, "s3")
        made.put_object(Bucket=BUCKET, Key="ten", Body=b"0123456789", Metadata={"made": "here"})
        made.put_object(Bucket=BUCKET, Key="empty", Body=b"")
        yield made


def outcome(call, **named):
    """The code of a refusal, or the status of an answer."""
    try:
        return str(call(Bucket=BUCKET, **named)["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as error:
        return error.response["Error"]["Code"]


def given(s3, *names, key="ten"):
    """Conditions by name, such as ``match:right`` or ``modified-since:past``."""
    now = datetime.now(UTC)
    values = {
        "right": s3.head_object(Bucket=BUCKET, Key=key)["ETag"],
        "wrong": '"0123"',
        "any": "*",
        "past": now - HOUR,
        "future": now + HOUR,
    }
    pairs = (name.split(":") for name in names)
    return {
        "If" + "".join(part.capitalize() for part in name.split("-")): values[value]
        for name, value in pairs
    }


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        (("match:right",), "200"),
        (("match:any",), "200"),
        (("match:wrong",), "PreconditionFailed"),
        (("match:right", "unmodified-since:past"), "200"),
        (("unmodified-since:past",), "PreconditionFailed"),
        (("unmodified-since:future",), "200"),
        (("none-match:right",), "304"),
        (("none-match:any",), "304"),
        (("none-match:wrong",), "200"),
        (("none-match:wrong", "modified-since:future"), "200"),
        (("none-match:right", "modified-since:past"), "304"),
        (("modified-since:future",), "304"),
        (("modified-since:past",), "200"),
        (("match:wrong", "none-match:right"), "PreconditionFailed"),
    ],
)
def test_read_is_answered_under_its_conditions(s3, conditions, status):
    named = given(s3, *conditions)
    assert outcome(s3.get_object, Key="ten", **named) == status
    plain = "412" if status == "PreconditionFailed" else status
    assert outcome(s3.head_object, Key="ten", **named) == plain
    if status == "304":
        with pytest.raises(ClientError) as caught:
            s3.get_object(Bucket=BUCKET, Key="ten", **named)
        headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
        assert {"etag", "last-modified"} <= headers.keys()


@pytest.mark.parametrize(
    ("key", "conditions", "status"),
    [
        ("written", {"IfNoneMatch": "*"}, "PreconditionFailed"),
        ("not-written", {"IfNoneMatch": "*"}, "200"),
        ("written", {"IfNoneMatch": '"0123"'}, "NotImplemented"),
        ("written", {"IfMatch": '"0123"'}, "PreconditionFailed"),
        ("written", {"IfMatch": '"c4ca4238a0b923820dcc509a6f75849b"'}, "200"),
        ("written", {"IfMatch": "c4ca4238a0b923820dcc509a6f75849b"}, "200"),
        ("not-there", {"IfMatch": '"0123"'}, "NoSuchKey"),
    ],
)
@pytest.mark.parametrize("way", ["put", "copy", "complete"])
def test_write_is_done_under_its_conditions(s3, way, key, conditions, status):
    key = f"{way}/{key}"
    s3.put_object(Bucket=BUCKET, Key=f"{way}/written", Body=b"1")
    for gone in ("not-written", "not-there"):
        s3.delete_object(Bucket=BUCKET, Key=f"{way}/{gone}")
    named = {"Key": key, **conditions}
    if way == "put":
        assert outcome(s3.put_object, Body=b"2", **named) == status
    elif way == "copy":
        assert outcome(s3.copy_object, CopySource=f"{BUCKET}/ten", **named) == status
    else:
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
        part = {"Key": key, "UploadId": upload, "PartNumber": 1}
        etag = s3.upload_part(Bucket=BUCKET, Body=b"3", **part)["ETag"]
        listed = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        call = s3.complete_multipart_upload
        assert outcome(call, UploadId=upload, MultipartUpload=listed, **named) == status
    if status != "200" and key.endswith("/written"):
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"1"


def test_delete_is_done_under_its_condition(s3):
    s3.put_object(Bucket=BUCKET, Key="to-go", Body=b"1")
    assert outcome(s3.delete_object, Key="to-go", IfMatch='"0123"') == "PreconditionFailed"
    assert outcome(s3.delete_object, Key="to-go", IfMatch="*") == "204"
    assert outcome(s3.delete_object, Key="to-go", IfMatch="*") == "PreconditionFailed"
    assert outcome(s3.delete_object, Key="to-go", IfMatch='"0123"') == "204"


@pytest.mark.parametrize(
    ("given", "first", "end"),
    [
        *(("bytes=0-3", 0, 4), ("bytes=-3", 7, 10), ("bytes=5-", 5, 10), ("bytes=9-100", 9, 10)),
        *(("bytes=-100", 0, 10), ("bytes=0-9", 0, 10), ("bytes=0-99", 0, 10)),
        *(("bytes=10-", None, 0), ("bytes=100-200", None, 0), ("bytes=-0", None, 0)),
        *(("bytes=5-2", 0, 0), ("bytes=a-b", 0, 0), ("chars=0-1", 0, 0), ("bytes=0-1,3-4", 0, 0)),
        *(("bytes", 0, 0), ("bytes=", 0, 0), ("bytes=-", 0, 0), ("bytes=--1", 0, 0)),
    ],
)
def test_range_is_cut_out_or_passed_over(s3, given, first, end):
    """An end of 0 stands for the whole object, without a range."""
    if first is None:
        assert outcome(s3.get_object, Key="ten", Range=given) == "InvalidRange"
        assert outcome(s3.head_object, Key="ten", Range=given) == "416"
        return
    found = s3.get_object(Bucket=BUCKET, Key="ten", Range=given)
    head = s3.head_object(Bucket=BUCKET, Key="ten", Range=given)
    whole, end = end == 0, end or 10
    assert found["Body"].read() == b"0123456789"[first:end]
    assert head["ContentLength"] == found["ContentLength"] == end - first
    shown = None if whole else f"bytes {first}-{end - 1}/10"
    assert (found.get("ContentRange"), head.get("ContentRange")) == (shown, shown)


@pytest.mark.parametrize("given", ["bytes=0-", "bytes=-5", "bytes=0-0"])
def test_nothing_has_no_range(s3, given):
    assert outcome(s3.get_object, Key="empty", Range=given) == "InvalidRange"


@pytest.fixture(scope="module")
def uploaded(s3):
    """An upload of three parts, the middle one small, that is not complete."""
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    bodies = {1: bytes(PART), 2: b"small", 3: b"last"}
    etags = {
        number: s3.upload_part(
            Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=number, Body=body
        )["ETag"]
        for number, body in bodies.items()
    }
    return upload, etags


@pytest.mark.parametrize(
    ("listed", "code"),
    [
        ([(3, 3), (1, 1)], "InvalidPartOrder"),
        ([(1, 1), (1, 1)], "InvalidPartOrder"),
        ([(1, 1), (2, 2), (3, 3)], "EntityTooSmall"),
        ([(1, 1), (7, 2)], "InvalidPart"),
        ([(1, 1), (3, 1)], "InvalidPart"),
        ([], "MalformedXML"),
        ([("a", 1)], "MalformedXML"),
        ([(1, "")], "MalformedXML"),
    ],
)
def test_completion_must_list_what_was_uploaded(s3, uploaded, listed, code):
    upload, etags = uploaded
    parts = [{"PartNumber": number, "ETag": etags.get(etag, "")} for number, etag in listed]
    call = s3.complete_multipart_upload
    named = {"Key": "parts", "UploadId": upload, "MultipartUpload": {"Parts": parts}}
    assert outcome(call, **named) == code
    assert outcome(s3.list_parts, Key="parts", UploadId=upload) == "200"


def test_parts_of_a_completed_upload_can_be_read_by_number(s3):
    key = "by-number"
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    named = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
    bodies = {2: b"2" * PART, 5: b"five", 9: b"never listed"}
    etags = {
        number: s3.upload_part(**named, PartNumber=number, Body=body)["ETag"]
        for number, body in bodies.items()
    }
    parts = {"Parts": [{"PartNumber": number, "ETag": etags[number]} for number in (2, 5)]}
    for _ in range(2):  # Whoever lost the answer may ask again.
        s3.complete_multipart_upload(**named, MultipartUpload=parts)
    second = s3.get_object(Bucket=BUCKET, Key=key, PartNumber=2)
    assert second["Body"].read() == b"five"
    assert (second["PartsCount"], second["ContentRange"]) == (
        2,
        f"bytes {PART}-{PART + 3}/{PART + 4}",
    )
    assert outcome(s3.get_object, Key=key, PartNumber=3) == "InvalidPartNumber"
    assert outcome(s3.get_object, Key="ten", PartNumber=1) == "206"
    assert outcome(s3.get_object, Key="ten", PartNumber=2) == "InvalidPartNumber"
    assert outcome(s3.get_object, Key="ten", PartNumber=1, Range="bytes=0-1") == "InvalidRequest"
    assert outcome(s3.upload_part, Key=key, UploadId=upload, PartNumber=1) == "NoSuchUpload"


@pytest.mark.parametrize("number", [0, 10_001, 99_999])
def test_part_numbers_have_limits(s3, uploaded, number):
    named = {"Key": "parts", "UploadId": uploaded[0], "PartNumber": number}
    assert outcome(s3.upload_part, Body=b"", **named) == "InvalidArgument"


@pytest.mark.parametrize(
    ("span", "code"),
    [("bytes=0-9", "200"), ("bytes=5-", "InvalidArgument"), ("bytes=9-10", "InvalidArgument")],
)
def test_part_is_copied_from_a_range_that_is_there(s3, uploaded, span, code):
    named = {"Key": "parts", "UploadId": uploaded[0], "PartNumber": 4}
    call = s3.upload_part_copy
    assert outcome(call, CopySource=f"{BUCKET}/ten", CopySourceRange=span, **named) == code


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({"Key": "ten"}, "InvalidRequest"),
        ({"Key": "copied", "MetadataDirective": "FOO"}, "InvalidArgument"),
        ({"Key": "copied", "TaggingDirective": "FOO"}, "InvalidArgument"),
        ({"Key": "copied", "CopySource": "no-key"}, "InvalidArgument"),
        ({"Key": "copied", "CopySource": f"{BUCKET}/nothing"}, "NoSuchKey"),
        ({"Key": "copied", "CopySource": "no-such-bucket/key"}, "NoSuchBucket"),
        ({"Key": "copied", "CopySourceIfMatch": '"0123"'}, "PreconditionFailed"),
        ({"Key": "copied", "CopySourceIfNoneMatch": "*"}, "PreconditionFailed"),
        ({"Key": "copied", "CopySourceIfNoneMatch": '"0123"'}, "200"),
        ({"Key": "ten", "MetadataDirective": "REPLACE", "Metadata": {"now": "new"}}, "200"),
    ],
)
def test_copy_is_made_as_its_headers_say(s3, named, code):
    assert outcome(s3.copy_object, **{"CopySource": f"{BUCKET}/ten", **named}) == code


@pytest.mark.parametrize("size", [1, 2, 3, 10])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages_of_both_versions_hold_everything_once(s3, size, delimiter):
    keys = ["p/a", "p/b/1", "p/b/2", "p/c d", "p/d/1", "p/ü&"]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    wanted = ["p/a", "p/b/", "p/c d", "p/d/", "p/ü&"] if delimiter else keys
    common = {"Bucket": BUCKET, "Prefix": "p/", "MaxKeys": size, "Delimiter": delimiter}
    for name, step, after in (
        ("list_objects", "Marker", "NextMarker"),
        ("list_objects_v2", "ContinuationToken", "NextContinuationToken"),
    ):
        found, more = [], {}
        for _ in range(len(wanted) + 1):
            page = getattr(s3, name)(**common, **more)
            names = [entry["Key"] for entry in page.get("Contents", [])]
            names += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
            assert len(names) <= size
            found += names
            assert page.get(step) == more.get(step, "" if name == "list_objects" else None)
            if not page["IsTruncated"]:
                break
            more = {step: page.get(after) or max(names)}
        assert sorted(found) == wanted


@pytest.mark.parametrize(
    "named", [{"EncodingType": "none"}, {"MaxKeys": -1}, {"ContinuationToken": "another's"}]
)
def test_listing_must_be_asked_for_rightly(s3, named):
    assert outcome(s3.list_objects_v2, **named) == "InvalidArgument"


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({"Metadata": {"a": "b" * 2047}}, "200"),
        ({"Metadata": {"a": "b" * 2048}}, "MetadataTooLarge"),
        ({"Metadata": {"a": "b" * 1024, "c": "d" * 1024}}, "MetadataTooLarge"),
        ({"Tagging": "a=1&b=2"}, "200"),
        ({"Tagging": "a=1&a=2"}, "InvalidArgument"),
    ],
)
def test_what_is_said_about_an_object_has_limits(s3, named, code):
    assert outcome(s3.put_object, Key="described", **named) == code


def test_part_has_the_checksum_of_its_upload(s3):
    key = {"Bucket": BUCKET, "Key": "sums"}
    upload = s3.create_multipart_upload(**key, ChecksumAlgorithm="SHA256")["UploadId"]
    part = {"Key": "sums", "UploadId": upload, "PartNumber": 1, "Body": b"1"}
    assert outcome(s3.upload_part, **part, ChecksumAlgorithm="SHA1") == "InvalidRequest"
    found = s3.upload_part(Bucket=BUCKET, **part, ChecksumAlgorithm="SHA256")
    listed = {"PartNumber": 1, "ETag": found["ETag"], "ChecksumSHA256": found["ChecksumSHA256"]}
    wrong = {**listed, "ChecksumSHA256": "A" * 43 + "="}
    call, named = s3.complete_multipart_upload, {"Key": "sums", "UploadId": upload}
    assert outcome(call, **named, MultipartUpload={"Parts": [wrong]}) == "InvalidPart"
    assert outcome(call, **named, MultipartUpload={"Parts": [listed]}) == "200"
