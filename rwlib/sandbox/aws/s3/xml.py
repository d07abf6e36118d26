"""Bodies and parameters of S3 that must be well-formed before anything looks at them."""

from __future__ import annotations

from xml.etree import ElementTree

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.aws.s3.operations import S3Operation

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

ElementTree.register_namespace("", NAMESPACE)

NOT_XML = frozenset({"PutObject", "UploadPart", "PutBucketPolicy", "CreateMultipartUpload"})
MAY_BE_EMPTY = frozenset({"CreateBucket", "CopyObject", "UploadPartCopy", "PutObjectAcl"})
NUMBERS = ("max-keys", "max-uploads", "max-parts", "partNumber", "part-number-marker")
_LISTINGS = frozenset(
    {"ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"}
)
_FIXED = (
    ("encoding-type", "url", "Invalid Encoding Method specified in Request"),
    ("list-type", "2", "Invalid List Type specified in Request"),
)
"""Parameters of a listing that have one value."""
LARGEST_NUMBER = 2**31 - 1


def read_xml(body: bytes) -> ElementTree.Element:
    """Read an XML document that declares no entities.

    Raises
    ------
    AwsError
        ``MalformedXML``.
    """
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise malformed_xml()
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise malformed_xml() from None


def takes_xml(request: AwsRequest, operation: S3Operation) -> bool:
    """Whether the request's body is an XML document."""
    if request.method not in ("PUT", "POST") or operation.name in NOT_XML:
        return False
    empty = not request.body
    return not (empty and (operation.name in MAY_BE_EMPTY or "x-amz-acl" in request.headers))


def check_form(request: AwsRequest, operation: S3Operation) -> None:
    """Refuse a body or a parameter that cannot be read.

    Raises
    ------
    AwsError
        ``MalformedXML`` or ``InvalidArgument``.
    """
    for name in NUMBERS:
        value = request.argument(name)
        if value is not None and not (value.isdigit() and int(value) <= LARGEST_NUMBER):
            raise AwsError(
                "InvalidArgument",
                f"Provided {name} not an integer or within integer range",
                fields={"ArgumentName": name, "ArgumentValue": value},
            )
    for name, right, text in _FIXED:
        value = request.argument(name)
        if value is not None and value != right and operation.name in _LISTINGS:
            raise AwsError(
                "InvalidArgument",
                text,
                fields={"ArgumentName": name, "ArgumentValue": value},
            )
    if operation.name == "CompleteMultipartUpload" and not request.body:
        raise AwsError("InvalidRequest", "You must specify at least one part")
    if takes_xml(request, operation):
        read_xml(request.body)


def malformed_xml() -> AwsError:
    """Build S3's refusal of an XML document."""
    return AwsError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
