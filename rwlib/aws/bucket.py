"""What AWS says about the bucket: where it is, whose it is, its key, its policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rwlib.errors import InputError

if TYPE_CHECKING:
    import boto3

    from rwlib.aws.calls import Aws, Read


@dataclass(frozen=True)
class BucketFacts:
    """What was read about a bucket; what could not be read is named in ``unknown``.

    Parameters
    ----------
    region_name
        Where the bucket is.
    owned
        True when it belongs to the caller's account, None when that could not be told.
    kms_key_arn
        Customer-managed key of the default encryption, empty when there is none.
    kms_key
        ``kms:DescribeKey``'s metadata of that key.
    kms_key_policy
        Its key policy.
    kms_grants
        The grants of that key, as ``kms:ListGrants`` answers; None where they were not read.
    bucket_key
        Whether the default encryption uses a bucket key; None where that was not read.
    policy
        The bucket policy; None when there is none.
    public_access_block
        The four Block Public Access settings; empty when none is set.
    unknown
        What could not be looked at, with the reason.
    """

    name: str
    region_name: str
    owned: bool | None = True
    kms_key_arn: str = ""
    kms_key: Mapping[str, Any] | None = None
    kms_key_policy: Mapping[str, Any] | None = None
    policy: Mapping[str, Any] | None = None
    public_access_block: Mapping[str, bool] | None = None
    unknown: Mapping[str, str] | None = None
    kms_grants: tuple[Mapping[str, Any], ...] | None = None
    bucket_key: bool | None = None

    def why_unknown(self, what: str) -> str:
        """Why something could not be looked at, empty when it was."""
        return (self.unknown or {}).get(what, "")


def head_call(bucket: str, account_id: str) -> Read:
    """Return the call with which `locate_bucket` begins."""
    from rwlib.aws.calls import Read

    parameters = {"Bucket": bucket, "ExpectedBucketOwner": account_id}
    return Read("s3", "head_bucket", f"bucket {bucket}", parameters=parameters)


def locate_bucket(session: boto3.Session | Aws, bucket: str, region_name: str) -> BucketFacts:
    """Find out whether the bucket exists, whose it is and where.

    ``s3:HeadBucket`` is asked with the expected owner, and its header ``x-amz-bucket-region``
    gives the region (S3 API reference).

    Raises
    ------
    InputError
        The bucket does not exist, belongs to another account or is in another region.
    """
    from botocore.exceptions import ClientError

    from rwlib.aws.calls import Aws
    from rwlib.aws.errors import error_code, is_denied, is_missing, refused, what_is_missing

    aws = Aws.of(session)
    account = aws.account_id
    owned: bool | None = True
    unknown: dict[str, str] = {}
    try:
        answer = aws.answer_to(head_call(bucket, account))
    except ClientError as error:
        answer = error.response
        if is_missing(error):
            raise InputError(
                "bucket",
                bucket,
                "does not exist; create it first, or correct the name",
                reason="does_not_exist",
            ) from None
        if error_code(error) in {"301", "PermanentRedirect"}:
            pass
        elif is_denied(error):
            owned = _is_listed(aws, bucket)
            missing = what_is_missing(error, f"arn:aws:s3:::{bucket}")
            unknown["owner"] = f"AWS refuses HeadBucket without giving a reason{missing}"
            if owned is False:
                raise InputError(
                    "bucket",
                    bucket,
                    f"is not in account {account}; work with credentials of the bucket's "
                    "account, or give operator_role_arn",
                    reason="in_other_account",
                ) from None
        else:
            raise refused(error, f"looking for bucket {bucket}") from error
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    found = answer.get("BucketRegion") or headers.get("x-amz-bucket-region") or ""
    if region_name and found and found != region_name:
        raise InputError(
            "region_name",
            region_name,
            f"is not where bucket {bucket} is; write {found}",
            reason="in_other_region",
        )
    return BucketFacts(
        bucket,
        found or region_name or aws.session.region_name or "us-east-1",
        owned,
        unknown=unknown,
    )


def _is_listed(aws: Aws, bucket: str) -> bool | None:
    from botocore.exceptions import ClientError

    parameters: dict[str, Any] = {}
    while True:
        try:
            answer = aws.read("s3", "list_buckets", about="buckets", **parameters)
        except ClientError:
            return None
        if any(item["Name"] == bucket for item in answer.get("Buckets", [])):
            return True
        if not answer.get("ContinuationToken"):
            return False
        parameters["ContinuationToken"] = answer["ContinuationToken"]


def describe_bucket(session: boto3.Session | Aws, located: BucketFacts) -> BucketFacts:
    """Read encryption, key, bucket policy and Block Public Access of a located bucket."""
    from dataclasses import replace
    from functools import partial

    from rwlib.aws.calls import Aws, Read, policy_json
    from rwlib.aws.errors import looked

    aws = Aws.of(session)
    unknown = dict(located.unknown or {})
    calls = {
        what: Read(
            "s3",
            operation,
            f"bucket {located.name}",
            region_name=located.region_name,
            parameters={"Bucket": located.name},
        )
        for what, operation in (
            ("encryption", "get_bucket_encryption"),
            ("bucket policy", "get_bucket_policy"),
            ("block public access", "get_public_access_block"),
        )
    }
    aws.read_ahead(*calls.values())
    rules, policy, block = (
        looked(what, partial(aws.answer_to, call), unknown=unknown) for what, call in calls.items()
    )
    key = _default_key(rules)
    facts = replace(
        located,
        policy=policy_json(policy["Policy"]) if policy else None,
        public_access_block=block["PublicAccessBlockConfiguration"] if block else {},
        unknown=unknown,
        bucket_key=_uses_bucket_key(rules),
    )
    return with_key(aws, facts, key) if key else facts


def with_key(session: boto3.Session | Aws, facts: BucketFacts, key_id: str) -> BucketFacts:
    """Read a KMS key's state and key policy into the facts.

    The AWS managed key ``aws/s3`` needs no permission of the role: its key policy lets every
    principal of its account use it through S3 (KMS developer guide, AWS managed keys).
    """
    from dataclasses import replace

    from rwlib.aws.calls import Aws, Read, policy_json
    from rwlib.aws.errors import looked

    aws = Aws.of(session)
    unknown = dict(facts.unknown or {})

    def call(operation: str, **parameters: Any) -> Read:
        return Read("kms", operation, f"key {key_id}", False, facts.region_name, parameters)

    def look(what: str, call: Read) -> Any:
        return looked(what, lambda: aws.answer_to(call), unknown=unknown, named=True)

    answer = look("kms key", call("describe_key", KeyId=key_id))
    key = answer["KeyMetadata"] if answer else None
    arn = key["Arn"] if key else (key_id if key_id.startswith("arn:") else "")
    if key and key.get("KeyManager") == "AWS":
        return replace(facts, unknown=unknown)
    policy_of_key = call("get_key_policy", KeyId=arn, PolicyName="default")
    grants_of_key = call("list_grants", KeyId=arn, Limit=100)
    aws.read_ahead(policy_of_key, grants_of_key)
    policy = look("kms key policy", policy_of_key)
    grants = page = look("kms grants", grants_of_key)
    while page and page.get("Truncated"):
        # A key of services can have thousands of grants, the role's among the last.
        more = {**grants_of_key.parameters, "Marker": page["NextMarker"]}
        page = look("kms grants", replace(grants_of_key, parameters=more))
        grants = page and {"Grants": [*grants["Grants"], *page["Grants"]]}
    return replace(
        facts,
        kms_key_arn=arn,
        kms_key=key,
        kms_key_policy=policy_json(policy["Policy"]) if policy else None,
        kms_grants=tuple(grants["Grants"]) if grants else None,
        unknown=unknown,
    )


def _uses_bucket_key(rules: Mapping[str, Any] | None) -> bool | None:
    if not rules:
        return None
    return any(
        rule.get("BucketKeyEnabled") for rule in rules["ServerSideEncryptionConfiguration"]["Rules"]
    )


def _default_key(rules: Mapping[str, Any] | None) -> str:
    """Return the key of the default encryption; empty for SSE-S3 and the managed key."""
    if not rules:
        return ""
    for rule in rules["ServerSideEncryptionConfiguration"]["Rules"]:
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        if str(default.get("SSEAlgorithm", "")).startswith("aws:kms"):
            return str(default.get("KMSMasterKeyID", ""))
    return ""
