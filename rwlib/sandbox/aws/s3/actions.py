"""What an S3 request asks for beside its own action, and where it should have gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.views import BucketView

if TYPE_CHECKING:
    from rwlib.sandbox.aws.s3.call import S3Call


def actions_of(call: S3Call) -> Iterator[str]:
    """Yield the IAM actions of a call on the resource it names."""
    headers, name = call.request.headers, call.operation.name
    yield call.operation.action
    if name in ("PutObject", "CopyObject", "CreateMultipartUpload"):
        if headers.get("x-amz-tagging"):
            yield "s3:PutObjectTagging"
        if headers.get("x-amz-acl") or any(key.startswith("x-amz-grant-") for key in headers):
            yield "s3:PutObjectAcl"
        if "x-amz-object-lock-mode" in headers:
            yield "s3:PutObjectRetention"
        if "x-amz-object-lock-legal-hold" in headers:
            yield "s3:PutObjectLegalHold"
    if name == "GetObjectAttributes":
        yield "s3:GetObjectVersion" if call.operation.version else "s3:GetObject"
    if headers.get("x-amz-bypass-governance-retention", "").lower() == "true":
        yield "s3:BypassGovernanceRetention"


def tags_in_body(request: AwsRequest) -> dict[str, Any]:
    """Give the condition keys of tags that stand in a request's body."""
    pairs = re.findall(rb"<Key>([^<]*)</Key>\s*<Value>([^<]*)</Value>", request.body)
    context: dict[str, Any] = {
        f"s3:RequestObjectTag/{key.decode(errors='replace')}": value.decode(errors="replace")
        for key, value in pairs
    }
    if pairs:
        context["s3:RequestObjectTagKeys"] = [key.decode(errors="replace") for key, _ in pairs]
    return context


def wrong_region(request: AwsRequest, bucket: BucketView) -> AwsError:
    """Say where the bucket is, as S3 does to a request for another Region's endpoint.

    With the bucket in the path S3 answers 301; with the bucket in the host name the request
    reaches the bucket's own Region, which finds the signature made for another.
    Source: Amazon S3 API Reference, "Error responses"; "Making requests", on redirection.
    """
    headers = {"x-amz-bucket-region": bucket.region}
    if request.bucket_in_host:
        return AwsError(
            "AuthorizationHeaderMalformed",
            f"The authorization header is malformed; the region '{request.region}' is wrong; "
            f"expecting '{bucket.region}'",
            400,
            headers,
            {"Region": bucket.region},
        )
    return AwsError(
        "PermanentRedirect",
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint.",
        301,
        headers,
        {"Endpoint": f"s3.{bucket.region}.amazonaws.com", "Bucket": bucket.name},
    )
