"""What S3 refuses whoever asks: policies, ACLs and settings that may not be."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.directory import Directory
from rwlib.sandbox.aws.documents import (
    DocumentError,
    check_document,
    listed,
    size_of,
    statements_of,
)
from rwlib.sandbox.aws.s3.operations import BUCKET, OBJECT, WITH_VERSION, not_allowed
from rwlib.sandbox.aws.s3.preconditions import CHANGES, check_write, is_conditional
from rwlib.sandbox.aws.s3.public import is_public
from rwlib.sandbox.aws.s3.uploads import (
    check_completion,
    check_part_checksum,
    check_part_number,
    no_such_upload,
)
from rwlib.sandbox.aws.s3.xml import malformed_xml
from rwlib.sandbox.aws.saved_principals import InvalidPrincipalError, check_principals
from rwlib.sandbox.moto_seam.world import World

if TYPE_CHECKING:
    from rwlib.sandbox.aws.s3.call import S3Call

LARGEST_POLICY = 20 * 1024
MOST_METADATA = 2048
_META = "x-amz-meta-"
WRITES = frozenset({"PutObject", "CopyObject", "CreateMultipartUpload"})
PLAIN_ACLS = ("private", "bucket-owner-full-control")
_OF_UPLOAD = frozenset({"UploadPart", "UploadPartCopy", "ListParts", "AbortMultipartUpload"})
"""CompleteMultipartUpload may come again when it has been answered."""
_OF_OBJECT = frozenset(
    {
        *("GetObjectAcl", "PutObjectAcl", "GetObjectLegalHold", "PutObjectLegalHold"),
        *("GetObjectRetention", "PutObjectRetention", "GetObjectTagging", "PutObjectTagging"),
        *("DeleteObjectTagging", "GetObjectAttributes", "RestoreObject"),
    }
)
"""Operations on a part of an object, which has to be there."""
_OF_LOCK = frozenset(
    {"GetObjectLegalHold", "PutObjectLegalHold", "GetObjectRetention", "PutObjectRetention"}
)
LISTING_KEYS = frozenset({"s3:prefix", "s3:delimiter", "s3:max-keys"})

BUCKET_ACTIONS = frozenset(
    f"s3:{action.lower()}"
    for rows in BUCKET.values()
    for _, name, action in rows
    if action and name != "DeleteObjects"
)
OBJECT_ACTIONS = frozenset(
    f"s3:{action.lower()}"
    for action in (
        *(action for rows in OBJECT.values() for _, _, action in rows if action),
        *WITH_VERSION.values(),
        "DeleteObject",
        "BypassGovernanceRetention",
    )
)


def check_request(call: S3Call, directory: Directory) -> None:
    """Refuse what S3 refuses after the caller's permission is settled.

    Raises
    ------
    AwsError
        In S3's words.
    """
    name = call.operation.name
    if name == "PutBucketPolicy":
        _check_policy(call, directory)
    if name == "PutBucketEncryption":
        _check_default_encryption(call)
    if name == "SelectObjectContent":
        # Source: Amazon S3 User Guide, "Querying data in place with Amazon S3 Select": it is no
        # longer open to accounts that had not used it before.
        raise not_allowed(call.request, "OBJECT")
    if name == "PutBucketVersioning":
        _check_versioning(call)
    if name in WRITES:
        _check_metadata(call)
    if name in ("PutObject", "UploadPart"):
        _check_length(call)
    if name in ("UploadPart", "UploadPartCopy"):
        check_part_number(call.request)
    if name in _OF_UPLOAD:
        _check_upload(call, directory.world)
    if name == "CompleteMultipartUpload":
        check_completion(call, directory.world)
    if name in CHANGES and is_conditional(call):
        check_write(call, directory.world.s3.stamp(call.bucket.name, call.operation.key))
    if name in _OF_OBJECT:
        _check_object(call, directory.world)
    _check_acl(call, directory.world)


def _check_acl(call: S3Call, world: World) -> None:
    name, headers, bucket = call.operation.name, call.request.headers, call.bucket
    sets = name in ("PutObject", "CopyObject", "CreateMultipartUpload", "PutObjectAcl")
    if not sets and name != "PutBucketAcl":
        return
    acl = headers.get("x-amz-acl") or None
    grants = [key for key in headers if key.startswith("x-amz-grant-")]
    explicit = name in ("PutObjectAcl", "PutBucketAcl") or grants
    if bucket.ownership == "BucketOwnerEnforced" and (
        (acl is not None and acl not in PLAIN_ACLS) or (explicit and acl not in PLAIN_ACLS)
    ):
        raise AwsError("AccessControlListNotSupported", "The bucket does not allow ACLs")
    block = bucket.public_access_block | world.s3.account_block(bucket.account)
    if acl in ("public-read", "public-read-write") and "BlockPublicAcls" in block:
        raise AwsError("AccessDenied", "Access Denied", 403)


def _check_upload(call: S3Call, world: World) -> None:
    """Refuse an upload that is not under way, or that is another key's.

    Source: Amazon S3 API Reference, "Error responses", ``NoSuchUpload``.
    """
    upload = world.s3.upload(call.bucket.name, call.request.argument("uploadId") or "")
    if upload is None or upload.key != call.operation.key:
        raise no_such_upload()
    if call.operation.name == "UploadPart":
        check_part_checksum(call.request, upload.checksum_algorithm)


def _check_length(call: S3Call) -> None:
    """Refuse a content that does not say how long it is.

    Source: Amazon S3 API Reference, "Error responses", ``MissingContentLength``.
    """
    headers = call.request.headers
    if "content-length" not in headers and not call.request.chunked_transfer:
        raise AwsError(
            "MissingContentLength", "You must provide the Content-Length HTTP header.", 411
        )


def _check_metadata(call: S3Call) -> None:
    """Refuse what is said about an object beside its content, where it is too much or doubled.

    Sources: Amazon S3 User Guide, "Working with object metadata" (2 KB, names without their
    prefix) and "Categorizing your storage using tags"; "Error responses", ``MetadataTooLarge``.
    """
    headers = call.request.headers
    size = sum(
        len(name.removeprefix(_META).encode()) + len(value.encode("latin-1", "replace"))
        for name, value in headers.items()
        if name.startswith(_META)
    )
    if size > MOST_METADATA:
        raise AwsError(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            fields={"Size": str(size), "MaxSizeAllowed": str(MOST_METADATA)},
        )
    tagging = headers.get("x-amz-tagging", "")
    names = [name for name, _ in parse_qsl(tagging, keep_blank_values=True)]
    if len(names) != len(set(names)):
        raise AwsError(
            "InvalidArgument",
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
            "parameters without tag name duplicates.",
            fields={"ArgumentName": "x-amz-tagging", "ArgumentValue": tagging},
        )


def _check_versioning(call: S3Call) -> None:
    """Refuse a versioning configuration that says nothing.

    Source: Amazon S3 API Reference, "Error responses",
    ``IllegalVersioningConfigurationException``.
    """
    found = re.search(rb"<Status>\s*([^<]*?)\s*</Status>", call.request.body)
    if found is None:
        raise AwsError(
            "IllegalVersioningConfigurationException",
            "The Versioning element must be specified",
        )
    if found[1] not in (b"Enabled", b"Suspended"):
        raise malformed_xml()


def _check_object(call: S3Call, world: World) -> None:
    """Refuse what is about an object that is not there, or about a lock that cannot be.

    Source: Amazon S3 API Reference, "Error responses", ``NoSuchKey`` and ``NoSuchVersion``;
    "PutObjectRetention".
    """
    operation = call.operation
    if call.object is None:
        fields = {"Key": operation.key}
        if operation.version is not None:
            text = "The specified version does not exist."
            fields["VersionId"] = operation.version
            raise AwsError("NoSuchVersion", text, 404, fields=fields)
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404, fields=fields)
    if operation.name in _OF_LOCK and not world.s3.has_lock(operation.bucket):
        raise AwsError("InvalidRequest", "Bucket is missing Object Lock Configuration")


def _check_default_encryption(call: S3Call) -> None:
    found = re.search(rb"<SSEAlgorithm>([^<]*)</SSEAlgorithm>", call.request.body)
    if found is None or found[1] not in (b"AES256", b"aws:kms", b"aws:kms:dsse"):
        raise malformed_xml()


def _check_policy(call: S3Call, directory: Directory) -> None:
    text = call.request.body.decode("utf-8", "replace")
    if not text.lstrip().startswith("{"):
        raise _malformed("Policies must be valid JSON and the first byte must be '{'")
    if size_of(text) > LARGEST_POLICY:
        raise _malformed(
            "Normalized policy document exceeds the maximum allowed size of 20480 bytes."
        )
    try:
        document = check_document(text, "bucket")
    except DocumentError as error:
        raise _malformed(error.message) from None
    for statement in statements_of(document):
        _check_statement(statement, call.bucket.name)
    try:
        if check_principals(document, directory):
            call.request.body = json.dumps(document).encode()
    except InvalidPrincipalError as error:
        wrong = AwsError("MalformedPolicy", "Invalid principal in policy")
        wrong.fields = {"Detail": error.shown}
        raise wrong from None
    bucket = call.bucket
    block = bucket.public_access_block | directory.world.s3.account_block(bucket.account)
    if "BlockPublicPolicy" in block and is_public(json.dumps(document)):
        caller = call.caller.arn
        raise AwsError(
            "AccessDenied",
            f"User: {caller} is not authorized to perform: s3:PutBucketPolicy on resource: "
            f'"arn:aws:s3:::{call.bucket.name}" because public policies are blocked by the '
            "BlockPublicPolicy block public access setting.",
            403,
        )


def _check_statement(statement: dict[str, Any], bucket: str) -> None:
    resources = listed(statement.get("Resource", statement.get("NotResource")))
    arn = f"arn:aws:s3:::{bucket}"
    for resource in resources:
        inside = resource == arn or resource.startswith(f"{arn}/") or resource in (f"{arn}*",)
        if not inside and resource != "*":
            raise _malformed("Policy has invalid resource")
    actions = [action.lower() for action in listed(statement.get("Action", []))]
    for action in actions:
        known = BUCKET_ACTIONS | OBJECT_ACTIONS
        if "*" not in action and "?" not in action and action not in known:
            raise _malformed("Policy has invalid action")
    _check_combination(statement, actions, resources, arn)
    _check_keys(statement, actions)


def _check_combination(
    statement: dict[str, Any], actions: list[str], resources: list[str], arn: str
) -> None:
    if "Resource" not in statement or not actions:
        return
    buckets = any("/" not in r.removeprefix(arn) for r in resources)
    objects = any("/" in r.removeprefix(arn) or r.endswith("*") for r in resources)
    for action in actions:
        if "*" in action or "?" in action:
            continue
        fits = (action in BUCKET_ACTIONS and buckets) or (action in OBJECT_ACTIONS and objects)
        if not fits:
            raise _malformed("Action does not apply to any resource(s) in statement")


def _check_keys(statement: dict[str, Any], actions: list[str]) -> None:
    listing = any("*" in a or a in ("s3:listbucket", "s3:listbucketversions") for a in actions)
    for tests in statement.get("Condition", {}).values():
        for key in tests:
            vendor, colon, _ = key.partition(":")
            if not colon or not vendor:
                raise _malformed("Policy has an invalid condition key")
            if key.lower() in LISTING_KEYS and actions and not listing:
                raise _malformed(
                    "Conditions do not apply to combination of actions and resources in statement"
                )


def _malformed(text: str) -> AwsError:
    return AwsError("MalformedPolicy", text)
