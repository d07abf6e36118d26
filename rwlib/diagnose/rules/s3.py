"""S3: where the bucket is, whether it is, and the bare refusal.

Sources: S3 API reference ("Error responses"), S3 user guide ("Troubleshoot access denied"),
opendal (``core/src/services/s3/error.rs``), arrow-rs ``object_store``, Hadoop's S3A.
"""

from __future__ import annotations

from typing import Final

from rwlib.diagnose.rules.base import AWS, NOT_S3, OTHER_SERVICES, S3, Rule, rule

PLACE: Final[tuple[Rule, ...]] = (
    rule(
        "region_wrong",
        r"PermanentRedirect|TemporaryRedirect|must be addressed using the specified endpoint",
        r"AuthorizationHeaderMalformed(?!.{0,80}Access Key)|region '[\w-]*' is wrong; expecting",
        r"non-empty region must be provided in the credential",
        r"IllegalLocationConstraint|BucketRegionError|incorrect region, the bucket is not in",
        r"bucket is in (?:this|the) region|received redirect without LOCATION|AWSRedirectException",
        r"bucket .{0,80}(?:is in|in) (?:a )?(?:different|wrong|another) region",
        r"Moved Permanently.{0,300}x-amz-bucket-region|x-amz-bucket-region.{0,600}status:? 40[03]",
        r"\(301\) when calling the \w+ operation|Status Code: 301\b",
        r"status:? (?:code:? )?301\b.{0,300}(?:s3|bucket|(?:Head|Get|List)\w+ operation)",
        r"\(400\) when calling the HeadBucket",
        r"Credential should be scoped to a valid region",
        r"invalid region: region was not a valid DNS name",
        unless=OTHER_SERVICES,
    ),
    rule(
        "no_such_bucket",
        r"No_?Such_?Bucket(?!_?Policy)|InvalidBucketName",
        r"specified bucket (?:does not exist|is not valid)",
        r"\(404\) when calling the HeadBucket operation",
        r"bucket [\"'(]?[\w.-]{3,63}[\"')]? (?:does not exist|doesn't exist|not found)",
        unless=(r"storage\.googleapis|gs://|couchbase|nats|jetstream",),
    ),
)

# AWS's code and nothing else: the whole text, or among words of AWS.
_CODE: Final = r"\bAccess[ _]?Denied(?:Exception)?\b"
UNSAID: Final[tuple[Rule, ...]] = (
    rule(
        "access_denied",
        rf"^\W*(?:(?:ERROR|error|exception|message|code|reason|status|403|\d: )\W*)*{_CODE}"
        r"(?:\W|Access Denied|\b403\b|forbidden|error)*$",
        weak=True,
    ),
    rule(
        "access_denied",
        r"\bAccess_?Denied(?:Exception)?\b",
        needs=(*AWS, r"request ?id|status ?code"),
        unless=(
            *NOT_S3,
            *OTHER_SERVICES,
            r"java\.nio\.file\.(?!.{0,600}amazonaws)|springframework|Access is denied",
            r"Access denied for user",
            r"<(?:arn|path)>|windows|System\.",
        ),
        weak=True,
    ),
)

REFUSED: Final[tuple[Rule, ...]] = (
    rule(
        "s3_access_denied",
        r"\bAccess[ _]?Denied(?:Exception)?\b|\bForbidden\b",
        r"\(403\) when calling the|\bHTTP (?:status )?(?:code )?403\b",
        r"\b(?:status|code|ResponseCode|StatusCode)\W{0,3}(?:code\W{0,3})?403\b",
        r"AllAccessDisabled|AccountProblem|access denied\. Please check your credentials",
        needs=S3,
        unless=(
            *NOT_S3,
            *OTHER_SERVICES,
            r"Access denied for user|permission denied for|\bpg_hba|x509|kubelet",
            r"ErrImagePull|ImagePullBackOff|docker\.io|ecr\.",
        ),
    ),
    rule(
        "s3_access_denied",
        r"PermissionDenied \((?:permanent|persistent|temporary)\)",
        needs=(r"service: s3\b|service=s3\b|S3Error|amazonaws",),
        unless=(r"LoadCredential|service: (?:gcs|azblob|fs|hdfs)",),
    ),
    rule(
        "s3_access_denied",
        r"operation lacked the necessary privileges",
        r"Failed to access remote file: access denied",
        unless=NOT_S3,
    ),
)
