"""What can be chosen, read from the accounts: profiles, buckets, prefixes, roles, clusters.

Where reading is not allowed the list is empty and says why, and the field takes free text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rwlib.errors import RunbookError

if TYPE_CHECKING:
    from rwlib.aws import Aws

MOST = 5000
"""No list is read beyond this; what is not in it can be typed."""


@dataclass(frozen=True)
class Choices:
    """What a field offers.

    Parameters
    ----------
    options
        What can be chosen, in the order of the source.
    labels
        A longer text for an option, where it has one.
    why_not
        Why there are none, in one sentence; empty when they were read.
    """

    options: tuple[str, ...] = ()
    labels: Mapping[str, str] | None = None
    why_not: str = ""

    def label(self, option: str) -> str:
        """Return the text of an option."""
        return (self.labels or {}).get(option, option)


def profile_choices() -> Choices:
    """Return the names of the AWS profiles of this machine; no call is made."""
    import botocore.exceptions
    import botocore.session

    # What a session does when it makes clients takes long to set up, and none is made here.
    session: Any = botocore.session.Session
    try:
        return Choices(tuple(session(include_builtin_handlers=False).available_profiles))
    except botocore.exceptions.BotoCoreError as error:
        return Choices(why_not=str(error))


def bucket_choices(aws: Aws) -> Choices:
    """Return the buckets of the account (``s3:ListAllMyBuckets``)."""

    def read() -> Choices:
        answer = aws.read("s3", "list_buckets", about="buckets")
        return Choices(tuple(each["Name"] for each in answer.get("Buckets", [])[:MOST]))

    return _looked(read, "the buckets of the account")


def prefix_choices(aws: Aws, bucket: str, region_name: str, typed: str) -> Choices:
    """Return the folders below what was typed so far (``s3:ListBucket`` with a delimiter).

    Only the folder part of what was typed is asked for, so that typing on asks nothing new.
    """
    folder = typed.rpartition("/")[0]
    prefix = f"{folder}/" if folder else ""

    def read() -> Choices:
        answer = aws.read(
            "s3",
            "list_objects_v2",
            about=f"bucket {bucket}",
            region_name=region_name,
            optional=True,
            Bucket=bucket,
            Prefix=prefix,
            Delimiter="/",
            MaxKeys=1000,
        )
        found = (each["Prefix"].removesuffix("/") for each in answer.get("CommonPrefixes", []))
        return Choices(tuple(found))

    return _looked(read, f"the folders of {bucket}")


def role_choices(aws: Aws) -> Choices:
    """Return the roles of the account that may be adopted (``iam:ListRoles``).

    Service-linked roles cannot be changed by anybody but their service, so they are left out.
    """

    def read() -> Choices:
        roles: list[Any] = []
        marker: dict[str, Any] = {}
        while len(roles) < MOST:
            page = aws.read("iam", "list_roles", about="roles", MaxItems=1000, **marker)
            roles += page.get("Roles", [])
            if not page.get("IsTruncated"):
                break
            marker = {"Marker": page["Marker"]}
        names = (
            each["RoleName"]
            for each in roles
            if not each.get("Path", "/").startswith("/aws-service-role/")
        )
        return Choices(tuple(names))

    return _looked(read, "the roles of the account")


def cluster_choices() -> Choices:
    """Return the clusters of RisingWave Cloud that the API key can see, by their id."""
    from rwlib.cloud import Cloud

    def read() -> Choices:
        cloud = Cloud.from_environment()
        if cloud is None:
            return Choices(why_not="no RWC_API_KEY and RWC_API_SECRET; type the ARN instead")
        clusters = cloud.clusters(on_error=lambda region, error: None)
        labels = {each.cluster_id: f"{each.name} in {each.region}" for each in clusters}
        return Choices(tuple(labels), labels)

    return _looked(read, "the clusters of RisingWave Cloud")


def workload_of(cluster_id: str) -> tuple[str, str]:
    """Return a cluster's Workload Identity and why there is none; one of the two is empty."""
    from rwlib.cloud import Cloud

    try:
        cloud = Cloud.from_environment()
        if cloud is None:
            return "", "no API key to look with"
        return cloud.cloud_metadata(cluster_id).require_workload_role_arn(), ""
    except RunbookError as error:
        return "", str(error)


def bucket_facts(aws: Aws, bucket: str) -> tuple[dict[str, str], str]:
    """Return what is detected about a bucket, and what is wrong with it if anything is."""
    from rwlib.aws import describe_bucket, locate_bucket

    try:
        facts = describe_bucket(aws, locate_bucket(aws, bucket, ""))
    except RunbookError as error:
        return {}, str(error)
    key = facts.kms_key_arn
    why = facts.why_unknown("encryption")
    encryption = key or (f"not known ({why})" if why else "SSE-S3 or the AWS managed key")
    return {"region_name": facts.region_name, "kms_key_arn": key, "encryption": encryption}, ""


def _looked(read: Callable[[], Choices], what: str) -> Choices:
    from botocore.exceptions import ClientError

    from rwlib.aws import error_message

    try:
        return read()
    except ClientError as error:
        reason = error_message(error)
    except RunbookError as error:
        reason = str(error)
    return Choices(why_not=f"{what} could not be read ({reason}); type it")
