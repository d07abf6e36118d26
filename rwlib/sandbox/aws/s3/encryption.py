"""SSE-KMS: what a request needs of the key, and what moto must be told.

Source: Amazon S3 API Reference, PutObject, CreateMultipartUpload, UploadPart, GetObject,
ListParts: an upload needs ``kms:GenerateDataKey``, a download and the parts of an upload
``kms:Decrypt``, from the identity's side and the key's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.kms.access import KeyAccess
from rwlib.sandbox.moto_seam.world import World
from rwlib.sandbox.views import BucketView

if TYPE_CHECKING:
    from rwlib.sandbox.aws.s3.call import S3Call

KMS = ("aws:kms", "aws:kms:dsse")
ALGORITHMS = ("AES256", *KMS)
WRITES = frozenset({"PutObject", "CopyObject", "CreateMultipartUpload"})
PARTS = frozenset({"UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "ListParts"})
READS = frozenset({"GetObject", "SelectObjectContent"})

HEADER = "x-amz-server-side-encryption"
KEY_HEADER = f"{HEADER}-aws-kms-key-id"


class Encryption:
    """Weighs the keys that a request to S3 uses."""

    def __init__(self, keys: KeyAccess, world: World) -> None:
        self.keys = keys
        self.world = world

    def check(self, call: S3Call) -> dict[str, str]:
        """Refuse without the key; give the headers which tell moto how the object is encrypted.

        Raises
        ------
        AwsError
            The key cannot be used.
        """
        name = call.operation.name
        if name in WRITES:
            return self._check_write(call)
        if name in PARTS:
            upload = self.world.s3.upload(call.bucket.name, call.request.argument("uploadId") or "")
            if upload is not None:
                self._require(call, upload.algorithm, upload.kms_key, "kms:Decrypt")
        elif name in READS:
            self.check_read(call)
        return {}

    def check_read(self, call: S3Call) -> None:
        """Refuse reading an object whose key the caller may not use.

        Raises
        ------
        AwsError
            The key cannot be used.
        """
        if call.object is not None:
            self._require(call, call.object.algorithm, call.object.kms_key, "kms:Decrypt")

    def _check_write(self, call: S3Call) -> dict[str, str]:
        headers, bucket = call.request.headers, call.bucket
        algorithm = headers.get(HEADER) or bucket.algorithm
        if algorithm is not None and algorithm not in ALGORITHMS:
            raise AwsError(
                "InvalidEncryptionAlgorithmError",
                "The encryption request you specified is not valid. "
                "Supported value: AES256, aws:kms, aws:kms:dsse.",
            )
        given = headers.get(KEY_HEADER)
        if given and algorithm not in KMS:
            raise AwsError(
                "InvalidArgument",
                "Server Side Encryption with AWS KMS managed key requires HTTP header "
                "x-amz-server-side-encryption : aws:kms",
            )
        if algorithm not in KMS:
            return {}
        key_id = given or (bucket.kms_key if bucket.algorithm in KMS else None)
        key_arn = self._require(call, algorithm, key_id, "kms:GenerateDataKey")
        told = {"HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION": algorithm or ""}
        if key_arn:
            told["HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID"] = key_arn
        return told

    def _require(
        self, call: S3Call, algorithm: str | None, key_id: str | None, *actions: str
    ) -> str | None:
        if algorithm not in KMS:
            return None
        bucket = call.bucket
        key = self.keys.require_for_s3(
            call.request, call.caller, bucket.region, key_id, actions, _encrypted(bucket, call)
        )
        if key is None:
            self.keys.require_managed_key(call.caller, bucket.account)
            return None
        return key.arn


def _encrypted(bucket: BucketView, call: S3Call) -> str:
    """Give the encryption context: the object, or with a bucket key the bucket."""
    arn = f"arn:aws:s3:::{bucket.name}"
    return arn if bucket.bucket_key else f"{arn}/{call.operation.key}"
