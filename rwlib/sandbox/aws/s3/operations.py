"""S3's operations: which one a request is, and which IAM action it needs.

Source: Amazon S3 User Guide, "Required permissions for Amazon S3 API operations".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.protocols import service_model
from rwlib.sandbox.aws.request import AwsRequest

Row = tuple[str, str, str]
"""Query parameter, operation, IAM action without ``s3:``; an empty parameter is the default."""

BUCKET: dict[str, tuple[Row, ...]] = {
    "GET": (
        ("accelerate", "GetBucketAccelerateConfiguration", "GetAccelerateConfiguration"),
        ("acl", "GetBucketAcl", "GetBucketAcl"),
        ("analytics", "GetBucketAnalyticsConfiguration", "GetAnalyticsConfiguration"),
        ("cors", "GetBucketCors", "GetBucketCORS"),
        ("encryption", "GetBucketEncryption", "GetEncryptionConfiguration"),
        (
            "intelligent-tiering",
            "GetBucketIntelligentTieringConfiguration",
            "GetIntelligentTieringConfiguration",
        ),
        ("inventory", "GetBucketInventoryConfiguration", "GetInventoryConfiguration"),
        ("lifecycle", "GetBucketLifecycleConfiguration", "GetLifecycleConfiguration"),
        ("location", "GetBucketLocation", "GetBucketLocation"),
        ("logging", "GetBucketLogging", "GetBucketLogging"),
        ("metrics", "GetBucketMetricsConfiguration", "GetMetricsConfiguration"),
        ("notification", "GetBucketNotificationConfiguration", "GetBucketNotification"),
        ("object-lock", "GetObjectLockConfiguration", "GetBucketObjectLockConfiguration"),
        ("ownershipControls", "GetBucketOwnershipControls", "GetBucketOwnershipControls"),
        ("policy", "GetBucketPolicy", "GetBucketPolicy"),
        ("policyStatus", "GetBucketPolicyStatus", "GetBucketPolicyStatus"),
        ("publicAccessBlock", "GetPublicAccessBlock", "GetBucketPublicAccessBlock"),
        ("replication", "GetBucketReplication", "GetReplicationConfiguration"),
        ("requestPayment", "GetBucketRequestPayment", "GetBucketRequestPayment"),
        ("tagging", "GetBucketTagging", "GetBucketTagging"),
        ("uploads", "ListMultipartUploads", "ListBucketMultipartUploads"),
        ("versioning", "GetBucketVersioning", "GetBucketVersioning"),
        ("versions", "ListObjectVersions", "ListBucketVersions"),
        ("website", "GetBucketWebsite", "GetBucketWebsite"),
        ("list-type", "ListObjectsV2", "ListBucket"),
        ("", "ListObjects", "ListBucket"),
    ),
    "PUT": (
        ("accelerate", "PutBucketAccelerateConfiguration", "PutAccelerateConfiguration"),
        ("acl", "PutBucketAcl", "PutBucketAcl"),
        ("analytics", "PutBucketAnalyticsConfiguration", "PutAnalyticsConfiguration"),
        ("cors", "PutBucketCors", "PutBucketCORS"),
        ("encryption", "PutBucketEncryption", "PutEncryptionConfiguration"),
        (
            "intelligent-tiering",
            "PutBucketIntelligentTieringConfiguration",
            "PutIntelligentTieringConfiguration",
        ),
        ("inventory", "PutBucketInventoryConfiguration", "PutInventoryConfiguration"),
        ("lifecycle", "PutBucketLifecycleConfiguration", "PutLifecycleConfiguration"),
        ("logging", "PutBucketLogging", "PutBucketLogging"),
        ("metrics", "PutBucketMetricsConfiguration", "PutMetricsConfiguration"),
        ("notification", "PutBucketNotificationConfiguration", "PutBucketNotification"),
        ("object-lock", "PutObjectLockConfiguration", "PutBucketObjectLockConfiguration"),
        ("ownershipControls", "PutBucketOwnershipControls", "PutBucketOwnershipControls"),
        ("policy", "PutBucketPolicy", "PutBucketPolicy"),
        ("publicAccessBlock", "PutPublicAccessBlock", "PutBucketPublicAccessBlock"),
        ("replication", "PutBucketReplication", "PutReplicationConfiguration"),
        ("requestPayment", "PutBucketRequestPayment", "PutBucketRequestPayment"),
        ("tagging", "PutBucketTagging", "PutBucketTagging"),
        ("versioning", "PutBucketVersioning", "PutBucketVersioning"),
        ("website", "PutBucketWebsite", "PutBucketWebsite"),
        ("", "CreateBucket", "CreateBucket"),
    ),
    "DELETE": (
        ("analytics", "DeleteBucketAnalyticsConfiguration", "PutAnalyticsConfiguration"),
        ("cors", "DeleteBucketCors", "PutBucketCORS"),
        ("encryption", "DeleteBucketEncryption", "PutEncryptionConfiguration"),
        ("inventory", "DeleteBucketInventoryConfiguration", "PutInventoryConfiguration"),
        ("lifecycle", "DeleteBucketLifecycle", "PutLifecycleConfiguration"),
        ("metrics", "DeleteBucketMetricsConfiguration", "PutMetricsConfiguration"),
        ("ownershipControls", "DeleteBucketOwnershipControls", "PutBucketOwnershipControls"),
        ("policy", "DeleteBucketPolicy", "DeleteBucketPolicy"),
        ("publicAccessBlock", "DeletePublicAccessBlock", "PutBucketPublicAccessBlock"),
        ("replication", "DeleteBucketReplication", "PutReplicationConfiguration"),
        ("tagging", "DeleteBucketTagging", "PutBucketTagging"),
        ("website", "DeleteBucketWebsite", "DeleteBucketWebsite"),
        ("", "DeleteBucket", "DeleteBucket"),
    ),
    "HEAD": (("", "HeadBucket", "ListBucket"),),
    "POST": (("delete", "DeleteObjects", "DeleteObject"),),
    "OPTIONS": (("", "Preflight", ""),),
}
OBJECT: dict[str, tuple[Row, ...]] = {
    "GET": (
        ("acl", "GetObjectAcl", "GetObjectAcl"),
        ("attributes", "GetObjectAttributes", "GetObjectAttributes"),
        ("legal-hold", "GetObjectLegalHold", "GetObjectLegalHold"),
        ("retention", "GetObjectRetention", "GetObjectRetention"),
        ("tagging", "GetObjectTagging", "GetObjectTagging"),
        ("torrent", "GetObjectTorrent", "GetObjectTorrent"),
        ("uploadId", "ListParts", "ListMultipartUploadParts"),
        ("", "GetObject", "GetObject"),
    ),
    "HEAD": (("", "HeadObject", "GetObject"),),
    "PUT": (
        ("acl", "PutObjectAcl", "PutObjectAcl"),
        ("legal-hold", "PutObjectLegalHold", "PutObjectLegalHold"),
        ("retention", "PutObjectRetention", "PutObjectRetention"),
        ("tagging", "PutObjectTagging", "PutObjectTagging"),
        ("uploadId", "UploadPart", "PutObject"),
        ("", "PutObject", "PutObject"),
    ),
    "POST": (
        ("uploads", "CreateMultipartUpload", "PutObject"),
        ("uploadId", "CompleteMultipartUpload", "PutObject"),
        ("restore", "RestoreObject", "RestoreObject"),
        ("select", "SelectObjectContent", "GetObject"),
    ),
    "DELETE": (
        ("uploadId", "AbortMultipartUpload", "AbortMultipartUpload"),
        ("tagging", "DeleteObjectTagging", "DeleteObjectTagging"),
        ("", "DeleteObject", "DeleteObject"),
    ),
    "OPTIONS": (("", "Preflight", ""),),
}
WITH_VERSION = {
    "GetObject": "GetObjectVersion",
    "DeleteObject": "DeleteObjectVersion",
    "GetObjectAcl": "GetObjectVersionAcl",
    "PutObjectAcl": "PutObjectVersionAcl",
    "GetObjectTagging": "GetObjectVersionTagging",
    "PutObjectTagging": "PutObjectVersionTagging",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
    "GetObjectAttributes": "GetObjectVersionAttributes",
}
"""Actions that are others when the request names a version."""
NOT_OFFERED = frozenset(
    {
        *(
            f"{verb}Bucket{what}Configuration"
            for what in ("Analytics", "IntelligentTiering", "Metrics")
            for verb in ("Get", "Put", "Delete")
        ),
        "DeleteBucketInventoryConfiguration",
        "GetObjectTorrent",
        "PutBucketRequestPayment",
    }
)
"""Operations with an action of their own, for policies, that moto takes for the plain request."""


@dataclass(frozen=True)
class S3Operation:
    """What a request to S3 is: the operation, its action, and the bucket and key it names."""

    name: str
    action: str
    bucket: str = ""
    key: str = ""
    version: str | None = None

    @property
    def resource(self) -> str:
        """The ARN that the action is about."""
        if not self.bucket:
            return "*"
        arn = f"arn:aws:s3:::{self.bucket}"
        return f"{arn}/{self.key}" if self.key else arn


def s3_operation(request: AwsRequest) -> S3Operation:
    """Find out which operation a request to S3 is.

    Raises
    ------
    AwsError
        There is no such operation.
    """
    bucket, _, key = request.path[1:].partition("/")
    if not bucket:
        if request.method == "GET":
            return S3Operation("ListBuckets", "s3:ListAllMyBuckets")
        raise not_allowed(request, "SERVICE")
    table = OBJECT if key else BUCKET
    names = {name for name, _ in request.query}
    for parameter, operation, action in table.get(request.method, ()):
        if parameter and parameter not in names:
            continue
        if not parameter:
            _refuse_subresources(request, names, at_object=bool(key))
        version = request.argument("versionId") if key else None
        if version is not None:
            action = WITH_VERSION.get(action, action)
        if key and "x-amz-copy-source" in request.headers and request.method == "PUT":
            operation = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}.get(
                operation, operation
            )
        return S3Operation(operation, f"s3:{action}", bucket, key, version)
    _refuse_subresources(request, names, at_object=bool(key))
    raise not_allowed(request, "OBJECT" if key else "BUCKET")


def _refuse_subresources(request: AwsRequest, names: set[str], *, at_object: bool) -> None:
    """Keep a request for a part of a bucket or an object from being taken for the whole.

    ``DELETE ?annotation`` must not delete the object, nor ``PUT ?abac`` make a bucket.
    """
    if not names:
        return
    known = _subresources()
    for name in sorted(names & {name for _, _, name in known}):
        operation = known.get((request.method, at_object, name))
        if operation is None:
            raise not_allowed(request, name.upper())
        raise not_offered(operation)


@cache
def _subresources() -> dict[tuple[str, bool, str], str]:
    """Give the operation of each subresource that S3 has, by method, on an object or a bucket."""
    model, found = service_model("s3"), {}
    for operation in sorted(model.operation_names, reverse=True):
        http = model.operation_model(operation).http
        path, _, query = http["requestUri"].partition("?")
        for name in query.split("&"):
            if name and "=" not in name:
                found[http["method"], "{Key" in path, name] = operation
    return found


def not_offered(operation: str) -> AwsError:
    """Build the refusal of an operation that S3 has and the sandbox has not."""
    return AwsError("NotImplemented", f"The sandbox does not have the action s3:{operation}", 501)


def not_allowed(request: AwsRequest, resource: str) -> AwsError:
    """Build S3's refusal of an operation that the resource does not have."""
    return AwsError(
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
        405,
        fields={"Method": request.method, "ResourceType": resource},
    )
