"""The actions that exist, as far as they are known without a look at AWS."""

from __future__ import annotations

from functools import cache

from rwlib.sandbox.aws.protocols import service_model
from rwlib.sandbox.aws.s3.rules import BUCKET_ACTIONS, OBJECT_ACTIONS

FURTHER_S3 = frozenset(
    f"s3:{name.lower()}"
    for name in (
        *("ListAllMyBuckets", "GetAccountPublicAccessBlock", "PutAccountPublicAccessBlock"),
        *(
            "ReplicateObject",
            "ReplicateDelete",
            "ReplicateTags",
            "ObjectOwnerOverrideToBucketOwner",
        ),
        *("GetObjectVersionForReplication", "InitiateReplication", "ListAccessPoints"),
        *("CreateAccessPoint", "DeleteAccessPoint", "GetAccessPoint", "GetAccessPointPolicy"),
        *("PutAccessPointPolicy", "CreateJob", "DescribeJob", "ListJobs", "UpdateJobPriority"),
        *("GetBucketAbac", "PutBucketAbac", "GetObjectVersionTorrent", "DeleteBucketTagging"),
        *("ListBucketByTags", "TagResource", "UntagResource", "ListTagsForResource"),
    )
)
FURTHER_STS = frozenset({"sts:tagsession", "sts:setsourceidentity", "sts:setcontext"})
MODELLED = ("iam", "sts", "kms", "glue", "redshift", "redshift-serverless")


@cache
def known_actions(service: str) -> frozenset[str] | None:
    """Give a service's actions in lower case; None where they are not known offline."""
    if service == "s3":
        return BUCKET_ACTIONS | OBJECT_ACTIONS | FURTHER_S3
    if service not in MODELLED:
        return None
    names = frozenset(
        f"{service}:{name.lower()}" for name in service_model(service).operation_names
    )
    extra = {
        "sts": FURTHER_STS,
        "iam": frozenset({"iam:passrole", "iam:createservicelinkedrole"}),
        "kms": frozenset({"kms:reencryptfrom", "kms:reencryptto"}),
    }
    return names | extra.get(service, frozenset())


@cache
def known_services() -> frozenset[str]:
    """Give the names that stand before the colon of an action."""
    import botocore.session

    names = botocore.session.get_session().get_available_services()
    return frozenset(names) | {
        "elasticmapreduce",
        "elasticloadbalancing",
        "execute-api",
        "aws-portal",
    }
