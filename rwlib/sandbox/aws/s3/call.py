"""What the rules of S3 are asked about: one request to a bucket."""

from __future__ import annotations

from dataclasses import dataclass

from rwlib.sandbox.aws.caller import Caller
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.aws.s3.operations import S3Operation
from rwlib.sandbox.views import BucketView, ObjectView


@dataclass
class S3Call:
    """One request to a bucket, with what was found out about it."""

    request: AwsRequest
    caller: Caller
    operation: S3Operation
    bucket: BucketView
    object: ObjectView | None = None
