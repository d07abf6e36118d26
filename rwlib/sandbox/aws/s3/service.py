"""S3 behind the authorisation layer."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote
from uuid import uuid4

from rwlib.sandbox.answer import Answer, AwsError, xml_answer
from rwlib.sandbox.aws.authorize import Ask, Authorizer
from rwlib.sandbox.aws.caller import Caller
from rwlib.sandbox.aws.context import s3_context
from rwlib.sandbox.aws.kms.access import KeyAccess
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.aws.s3.actions import actions_of, tags_in_body, wrong_region
from rwlib.sandbox.aws.s3.call import S3Call
from rwlib.sandbox.aws.s3.cors import preflight
from rwlib.sandbox.aws.s3.delete import delete_objects
from rwlib.sandbox.aws.s3.encryption import Encryption
from rwlib.sandbox.aws.s3.listings import answer_as_first, ask_for_second, name_page
from rwlib.sandbox.aws.s3.names import check_bucket_name, check_key, could_exist
from rwlib.sandbox.aws.s3.operations import (
    NOT_OFFERED,
    S3Operation,
    not_offered,
    s3_operation,
)
from rwlib.sandbox.aws.s3.preconditions import READS, check_source, is_conditional, not_modified
from rwlib.sandbox.aws.s3.public import is_public
from rwlib.sandbox.aws.s3.ranges import cut, take_range
from rwlib.sandbox.aws.s3.rules import check_request
from rwlib.sandbox.aws.s3.uploads import check_copy, checksum_of, copy_source, listed_numbers
from rwlib.sandbox.aws.s3.xml import NAMESPACE, check_form, malformed_xml, takes_xml
from rwlib.sandbox.views import BucketView, ObjectView

OWNER_ONLY = frozenset(
    {"GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy", "GetBucketPolicyStatus"}
)
READS_OBJECT = frozenset({"GetObject", "HeadObject", "GetObjectAttributes", "GetObjectTagging"})
WRITES_VERSION = frozenset(
    {
        *("PutObject", "CopyObject", "CompleteMultipartUpload", "CreateMultipartUpload"),
        *("DeleteObject", "GetObject", "HeadObject", "PutObjectTagging", "GetObjectTagging"),
        *("DeleteObjectTagging", "PutObjectAcl", "GetObjectAcl", "GetObjectAttributes"),
    }
)
"""Operations whose answers name a version, where the bucket has versions."""
OF_MOTO = frozenset(
    {
        *("access-control-allow-origin", "access-control-allow-methods"),
        *("access-control-allow-headers", "access-control-expose-headers"),
        *("access-control-max-age", "access-control-allow-credentials"),
        *("x-amzn-requestid", "x-amz-content-sha256", "x-amz-sdk-checksum-algorithm"),
    }
)
"""Headers of moto's answers that S3 does not give, or that are given elsewhere."""
TAGGED = ("s3:GetObject", "s3:DeleteObject", "s3:PutObjectTagging", "s3:PutObjectAcl")


class S3Service:
    """Answers requests to S3."""

    def __init__(self, authorizer: Authorizer, keys: KeyAccess) -> None:
        self.authorizer = authorizer
        self.world = authorizer.directory.world
        self.encryption = Encryption(keys, self.world)

    def answer(self, request: AwsRequest, caller: Caller) -> Answer:
        """Authorise and answer one request; the world must be entered."""
        operation = s3_operation(request)
        request.action = operation.name
        if takes_xml(request, operation):
            _raise_content_error(request)
        check_form(request, operation)
        if not operation.bucket:
            ask = Ask(
                operation.action,
                "*",
                caller.account,
                context=s3_context(request, "", self.authorizer.network),
            )
            self._require(request, caller, ask)
            return self.forward(request, caller.account)
        if operation.name == "CreateBucket":
            return self._create_bucket(request, caller, operation)
        bucket = self._bucket(request, operation)
        call = S3Call(request, caller, operation, bucket)
        if operation.key:
            check_key(operation.key)
            call.object = self.world.s3.object(bucket.name, operation.key, operation.version)
        if operation.name == "Preflight":
            return preflight(self.world.s3.cors_rules(bucket.name), request.headers)
        if operation.name == "DeleteObjects":
            return delete_objects(self, call)
        headers = self._check(call)
        own = self._own_answer(call)
        if own is not None:
            return own
        if operation.name in READS:
            return self._read(call, headers)
        if operation.name == "ListObjects":
            ask_for_second(call)
        try:
            answer = self.forward(request, bucket.account, headers)
        except (KeyError, TypeError, AttributeError, ValueError):
            # moto takes a document apart as it comes; one of another form than it expects breaks.
            if takes_xml(request, operation):
                raise malformed_xml() from None
            raise
        return self._after(call, answer)

    def _check(self, call: S3Call) -> dict[str, str]:
        """Refuse what S3 refuses; give the headers which tell moto how an object is encrypted."""
        try:
            self._authorize(call)
            _raise_content_error(call.request)
            check_request(call, self.authorizer.directory)
            return self.encryption.check(call)
        except AwsError as error:
            if call.operation.name == "HeadBucket":
                error.headers = {**error.headers, "x-amz-bucket-region": call.bucket.region}
            raise

    def _read(self, call: S3Call, headers: dict[str, str]) -> Answer:
        """Answer with an object, or the part of it that is asked for, or that it is unchanged."""
        stamp, operation = None, call.operation
        if is_conditional(call) or call.request.has("partNumber"):
            stamp = self.world.s3.stamp(call.bucket.name, operation.key, operation.version)
        unchanged = not_modified(call, stamp)
        if unchanged is not None:
            return unchanged
        part = take_range(call)
        answer = self._after(call, self.forward(call.request, call.bucket.account, headers))
        return cut(call, answer, part, stamp.parts if stamp else ())

    def _own_answer(self, call: S3Call) -> Answer | None:
        """Answer what moto takes for a plain GET, or refuse what is not offered.

        Source: Amazon S3 API Reference, "GetBucketRequestPayment" (the owner pays unless somebody
        put it otherwise, which is not offered here) and "GetObjectRetention".
        """
        if call.operation.name in NOT_OFFERED:
            raise not_offered(call.operation.name)
        if call.operation.name == "GetBucketRequestPayment":
            return xml_answer(
                f'<RequestPaymentConfiguration xmlns="{NAMESPACE}"><Payer>BucketOwner</Payer>'
                "</RequestPaymentConfiguration>"
            )
        if call.operation.name != "GetObjectRetention":
            return None
        operation = call.operation
        held = self.world.s3.retention(operation.bucket, operation.key, operation.version)
        if held is None:
            text = "The specified object does not have a ObjectLock configuration"
            raise AwsError("NoSuchObjectLockConfiguration", text, 404)
        return xml_answer(
            f'<Retention xmlns="{NAMESPACE}"><Mode>{held[0]}</Mode>'
            f"<RetainUntilDate>{held[1]}</RetainUntilDate></Retention>"
        )

    def require(self, call: S3Call, action: str, operation: S3Operation | None = None) -> None:
        """Refuse unless the caller may do the action on what the call names.

        Raises
        ------
        AwsError
            ``AccessDenied``.
        """
        operation = operation or call.operation
        self._require_on(call.request, call.caller, call.bucket, action, operation, call.object)

    def _require_on(
        self,
        request: AwsRequest,
        caller: Caller,
        bucket: BucketView,
        action: str,
        operation: S3Operation,
        item: ObjectView | None,
    ) -> None:
        context = s3_context(request, action, self.authorizer.network)
        context["s3:ResourceAccount"] = bucket.account
        if item is not None and action.startswith(TAGGED):
            for key, value in item.tags.items():
                context[f"s3:ExistingObjectTag/{key}"] = value
        if action in ("s3:PutObjectTagging", "s3:PutObjectVersionTagging"):
            context.update(tags_in_body(request))
        block = bucket.public_access_block | self.world.s3.account_block(bucket.account)
        policy = bucket.policy
        stranger = caller.account != bucket.account
        if stranger and policy and "RestrictPublicBuckets" in block and is_public(policy):
            # Only callers of the bucket's own account may use a public policy.
            raise AwsError("AccessDenied", "Access Denied", 403)
        ask = Ask(action, operation.resource, bucket.account, policy, context)
        try:
            self._require(request, caller, ask)
        except AwsError:
            if not self._public_by_acl(bucket, action, item, block):
                raise

    def _require(self, request: AwsRequest, caller: Caller, ask: Ask) -> None:
        self.authorizer.require(request, caller, ask)

    def _public_by_acl(
        self, bucket: BucketView, action: str, item: ObjectView | None, block: frozenset[str]
    ) -> bool:
        return (
            action == "s3:GetObject"
            and item is not None
            and item.public_read
            and bucket.ownership != "BucketOwnerEnforced"
            and "IgnorePublicAcls" not in block
        )

    def _create_bucket(self, request: AwsRequest, caller: Caller, operation: S3Operation) -> Answer:
        namespace = request.headers.get("x-amz-bucket-namespace", "")
        found = re.search(rb"<LocationConstraint[^>]*>([^<]*)<", request.body)
        location = found[1].decode(errors="replace") if found else request.region
        check_bucket_name(operation.bucket, caller.account, location, namespace)
        context = s3_context(request, operation.action, self.authorizer.network)
        if found:
            context["s3:locationconstraint"] = location
        ask = Ask(operation.action, operation.resource, caller.account, None, context)
        self._require(request, caller, ask)
        is_new = self.world.s3.bucket(operation.bucket) is None
        answer = self.forward(request, caller.account)
        if answer.status < 300 and is_new:
            given = "x-amz-object-ownership" in request.headers
            self.world.s3.set_new_bucket_defaults(operation.bucket, ownership=not given)
        return answer

    def _bucket(self, request: AwsRequest, operation: S3Operation) -> BucketView:
        bucket = self.world.s3.bucket(operation.bucket)
        if bucket is None:
            if not could_exist(operation.bucket):
                raise AwsError(
                    "InvalidBucketName",
                    "The specified bucket is not valid.",
                    fields={"BucketName": operation.bucket},
                )
            raise AwsError(
                "NoSuchBucket",
                "The specified bucket does not exist",
                404,
                fields={"BucketName": operation.bucket},
            )
        anywhere = operation.name == "GetBucketLocation" and request.region == "us-east-1"
        signed = request.authorization is not None and request.authorization.version == 4
        if signed and request.region != bucket.region and not anywhere:
            raise wrong_region(request, bucket)
        token = request.argument("continuation-token")
        if token is not None and not self.world.s3.knows_page(bucket.account, token):
            raise AwsError("InvalidArgument", "The continuation token provided is incorrect")
        owner = request.headers.get("x-amz-expected-bucket-owner")
        if owner and owner != bucket.account:
            raise AwsError("AccessDenied", "Access Denied", 403)
        return bucket

    def _authorize(self, call: S3Call) -> None:
        operation, caller, bucket = call.operation, call.caller, call.bucket
        at_home = caller.account == bucket.account
        if operation.name in OWNER_ONLY and caller.is_known:
            if at_home and caller.kind == "root":
                return  # The owner's root user can always mend a bucket policy.
            if not at_home:
                self.require(call, operation.action)
                raise AwsError(
                    "MethodNotAllowed",
                    "The specified method is not allowed against this resource.",
                    405,
                )
        for action in actions_of(call):
            if action in ("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"):
                self._require_upload(call, action)
            else:
                self.require(call, action)
        if operation.name in ("CopyObject", "UploadPartCopy"):
            self._authorize_source(call)
        if operation.name in READS_OBJECT and call.object is None:
            self._hide_missing(call)

    def _require_upload(self, call: S3Call, action: str) -> None:
        """Let who began an upload list and abort it, unless a policy denies.

        Source: Amazon S3 User Guide, "Multipart upload API and permissions".
        """
        try:
            self.require(call, action)
        except AwsError as error:
            upload_id = call.request.argument("uploadId") or ""
            upload = self.world.s3.upload(call.bucket.name, upload_id)
            mine = upload is not None and upload.initiator == call.caller.principal_arn
            if not mine or "explicit deny" in error.message:
                raise

    def _hide_missing(self, call: S3Call) -> None:
        """Tell only those who may list the bucket that an object is not there."""
        listing = replace(call.operation, key="", version=None)
        request = replace(call.request, query=[])
        self._require_on(request, call.caller, call.bucket, "s3:ListBucket", listing, None)

    def _authorize_source(self, call: S3Call) -> None:
        found = copy_source(call.request)
        name, key, version = found
        bucket = self.world.s3.bucket(name)
        if bucket is None:
            raise AwsError(
                "NoSuchBucket",
                "The specified bucket does not exist",
                404,
                fields={"BucketName": name},
            )
        item = self.world.s3.object(name, key, version)
        source = S3Operation("GetObject", "s3:GetObject", name, key, version)
        read = S3Call(call.request, call.caller, source, bucket, item)
        self.require(read, "s3:GetObjectVersion" if version else "s3:GetObject", source)
        if item is None:
            self._hide_missing(read)
        elif item.tags and call.request.headers.get("x-amz-tagging-directive") != "REPLACE":
            self.require(read, "s3:GetObjectTagging", source)
            if call.operation.name == "CopyObject":
                self.require(call, "s3:PutObjectTagging")
        self.encryption.check_read(read)
        stamp = self.world.s3.stamp(name, key, version)
        check_copy(call, found, stamp.size if stamp else 0)
        if stamp is not None:
            check_source(call, stamp)

    def forward(
        self, request: AwsRequest, account: str, headers: dict[str, str] | None = None
    ) -> Answer:
        """Let moto answer, with the bucket in the path wherever the client had put it."""
        environ = {**request.environ, **(headers or {})}
        if request.bucket_in_host:
            environ["PATH_INFO"] = unquote(request.raw_path).encode().decode("latin-1")
            query = request.environ["REQUEST_URI"].partition("?")[2]
            uri = request.raw_path + (f"?{query}" if query else "")
            environ["REQUEST_URI"] = environ["RAW_URI"] = uri
        answer = self.world.call("s3", environ, request.body, account)
        kept = tuple(h for h in answer.headers if h[0].lower() not in OF_MOTO)
        given = answer.header("x-amzn-requestid") or str(uuid4())
        request_id = given.replace("-", "")[:16].upper()
        ids = (("x-amz-request-id", request_id), ("x-amz-id-2", uuid4().hex))
        body = answer.body
        if answer.status >= 400:
            body = body.replace(given.encode(), request_id.encode())
        return Answer(answer.status, (*ids, *kept), body)

    def _after(self, call: S3Call, answer: Answer) -> Answer:
        if answer.status >= 300:
            return answer
        name = call.operation.name
        if name == "GetBucketPolicyStatus" and call.bucket.policy:
            public = str(is_public(call.bucket.policy)).lower()
            return xml_answer(
                f'<PolicyStatus xmlns="{NAMESPACE}"><IsPublic>{public}</IsPublic></PolicyStatus>'
            )
        if name == "CreateMultipartUpload":
            found = re.search(rb"<UploadId>([^<]+)</UploadId>", answer.body)
            if found:
                arn = call.caller.principal_arn
                self.world.s3.mark_initiator(call.bucket.name, found[1].decode(), arn)
        elif name == "UploadPart":
            upload_id = call.request.argument("uploadId") or ""
            number = int(call.request.argument("partNumber") or 0)
            checksum = checksum_of(call.request)[1]
            self.world.s3.mark_checksum(call.bucket.name, upload_id, number, checksum)
        elif name == "CompleteMultipartUpload":
            numbers = listed_numbers(call.request.body)
            self.world.s3.forget_parts(call.bucket.name, call.operation.key, numbers)
        elif name == "ListObjects":
            answer = answer_as_first(call, answer, self.world)
        elif name == "ListObjectsV2":
            answer = name_page(call, answer)
        elif name == "DeleteBucketEncryption":
            self.world.s3.set_default_encryption(call.bucket.name)
        if name in WRITES_VERSION and not self.world.s3.has_versions(call.bucket.name):
            # A bucket whose versioning was never switched on names no version, not even "null".
            named = ("x-amz-version-id", "x-amz-copy-source-version-id")
            kept = tuple(header for header in answer.headers if header[0].lower() not in named)
            answer = replace(answer, headers=kept)
            if name == "CompleteMultipartUpload":
                answer = answer.with_body(answer.body.replace(b"<VersionId>null</VersionId>", b""))
        return answer


def _raise_content_error(request: AwsRequest) -> None:
    if request.content_error is not None:
        raise request.content_error
