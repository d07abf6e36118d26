"""Condition keys that a request really carries.

Source: IAM User Guide, "AWS global condition context keys"; Service Authorization Reference for
Amazon S3, IAM, STS and KMS.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from rwlib.sandbox.aws.caller import Caller
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.views import PrincipalView

Context = dict[str, Any]

TYPES = {
    "root": "Account",
    "user": "User",
    "role": "AssumedRole",
    "federated": "FederatedUser",
    "anonymous": "Anonymous",
}


@dataclass(frozen=True)
class Network:
    """What cannot be seen on loopback: the way a request is said to have come.

    ``secure_transport`` stays false, because it is: set it to stand for TLS.
    """

    secure_transport: bool = False
    source_vpce: str | None = None
    source_vpc: str | None = None
    source_ip: str | None = None
    organization: str | None = None


def request_context(
    request: AwsRequest, caller: Caller, entity: PrincipalView | None, network: Network
) -> Context:
    """Build the keys that every signed or anonymous request has."""
    now = time.time()
    context: Context = {
        "aws:CurrentTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:EpochTime": str(int(now)),
        "aws:SecureTransport": network.secure_transport,
        "aws:RequestedRegion": request.region,
        "aws:ViaAWSService": False,
        "aws:PrincipalIsAWSService": False,
    }
    source = network.source_ip or request.environ.get("REMOTE_ADDR")
    if source and network.source_vpce is None:
        context["aws:SourceIp"] = source
    if network.source_vpce:
        context["aws:SourceVpce"] = network.source_vpce
        context["aws:VpcSourceIp"] = network.source_ip or "10.0.0.1"
    if network.source_vpc:
        context["aws:SourceVpc"] = network.source_vpc
    for key, header in (("aws:UserAgent", "user-agent"), ("aws:Referer", "referer")):
        if request.headers.get(header):
            context[key] = request.headers[header]
    context.update(_principal_context(caller, entity, network))
    return context


def _principal_context(caller: Caller, entity: PrincipalView | None, network: Network) -> Context:
    context: Context = {"aws:PrincipalType": TYPES[caller.kind], "aws:userid": caller.user_id}
    if not caller.is_known:
        return context
    context["aws:PrincipalArn"] = caller.principal_arn
    context["aws:PrincipalAccount"] = caller.account
    if network.organization:
        context["aws:PrincipalOrgID"] = network.organization
    if caller.kind == "user":
        context["aws:username"] = caller.name
    tags = dict(entity.tags) if entity else {}
    session = caller.session
    if session is not None:
        tags.update(session.tags)
        context["aws:TokenIssueTime"] = datetime.fromtimestamp(session.issued, UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
        context["aws:MultiFactorAuthPresent"] = session.mfa
        if session.source_identity:
            context["aws:SourceIdentity"] = session.source_identity
    for key, value in tags.items():
        context[f"aws:PrincipalTag/{key}"] = value
    return context


def tag_context(tags: dict[str, str]) -> Context:
    """Build the keys of tags that a request wants to set."""
    context: Context = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    if tags:
        context["aws:TagKeys"] = list(tags)
    return context


S3_HEADERS = {
    "x-amz-acl": "s3:x-amz-acl",
    "x-amz-server-side-encryption": "s3:x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id": (
        "s3:x-amz-server-side-encryption-aws-kms-key-id"
    ),
    "x-amz-server-side-encryption-customer-algorithm": (
        "s3:x-amz-server-side-encryption-customer-algorithm"
    ),
    "x-amz-storage-class": "s3:x-amz-storage-class",
    "x-amz-content-sha256": "s3:x-amz-content-sha256",
    "x-amz-copy-source": "s3:x-amz-copy-source",
    "x-amz-metadata-directive": "s3:x-amz-metadata-directive",
    "x-amz-website-redirect-location": "s3:x-amz-website-redirect-location",
    "x-amz-object-ownership": "s3:x-amz-object-ownership",
    "x-amz-grant-read": "s3:x-amz-grant-read",
    "x-amz-grant-write": "s3:x-amz-grant-write",
    "x-amz-grant-full-control": "s3:x-amz-grant-full-control",
    "x-amz-object-lock-mode": "s3:object-lock-mode",
    "x-amz-object-lock-legal-hold": "s3:object-lock-legal-hold",
    "if-match": "s3:if-match",
    "if-none-match": "s3:if-none-match",
}
S3_ARGUMENTS = {"delimiter": "s3:delimiter", "max-keys": "s3:max-keys", "prefix": "s3:prefix"}
LISTING = frozenset({"s3:ListBucket", "s3:ListBucketVersions"})
CREATES_OBJECT = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})
"""Requests for ``s3:PutObject`` that make an object; the others begin an upload or send a part.

Source: Amazon S3 User Guide, "Enforce conditional writes on Amazon S3 buckets".
"""
TLS_VERSION = "1.3"
"""What a request over TLS is said to have come by; S3 answers 1.2 and later."""


def s3_context(request: AwsRequest, action: str, network: Network) -> Context:
    """Build S3's own keys: only those that the action has.

    ``s3:prefix``, ``s3:delimiter`` and ``s3:max-keys`` exist for the two listings alone, and only
    when the request carries the parameter; an empty prefix is a value.
    """
    context: Context = {}
    if action in LISTING:
        for name, key in S3_ARGUMENTS.items():
            value = request.argument(name)
            if value is not None:
                context[key] = value
    for header, key in S3_HEADERS.items():
        if header in request.headers:
            context[key] = request.headers[header]
    if network.secure_transport:
        context["s3:TlsVersion"] = TLS_VERSION
    if action == "s3:PutObject":
        context["s3:ObjectCreationOperation"] = request.action in CREATES_OBJECT
    version = request.argument("versionId")
    if version is not None and "Version" in action:
        context["s3:VersionId"] = version
    given = request.authorization
    if given is not None:
        by_header = "REST-HEADER" if request.check_form_signature is None else "POST"
        context["s3:authType"] = "REST-QUERY-STRING" if given.presigned else by_header
        context["s3:signatureversion"] = "AWS4-HMAC-SHA256" if given.version == 4 else "AWS"
    tagging = request.headers.get("x-amz-tagging")
    if tagging:
        tags = dict(parse_qsl(tagging, keep_blank_values=True))
        context["s3:RequestObjectTagKeys"] = list(tags)
        for name, value in tags.items():
            context[f"s3:RequestObjectTag/{name}"] = value
    return context
