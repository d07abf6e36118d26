"""What stands in the sandbox: the documents and settings that a repair must leave alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rwlib.labs.model import CLUSTER_ID
from rwlib.labs.setup_calls import LabSetup, or_none
from rwlib.steps import statements_of

World = Mapping[str, Any]


def read_world(setup: LabSetup) -> dict[str, Any]:
    """Read everything that a repair could touch, as the account's root user; changes nothing."""
    iam, s3, kms = (setup.client(service) for service in ("iam", "s3", "kms"))
    target = setup.target
    role = or_none(lambda: iam.get_role(RoleName=target.role_name)["Role"])
    boundary = (role or {}).get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
    bucket_policy = or_none(lambda: s3.get_bucket_policy(Bucket=target.bucket)["Policy"])
    found: dict[str, Any] = {
        "trust": statements_of(role["AssumeRolePolicyDocument"]) if role else [],
        "identity": _identity(iam, target.role_name) if role else [],
        "bucket policy": statements_of(json.loads(bucket_policy)) if bucket_policy else [],
        "boundary": boundary,
        "boundary policy": statements_of(_managed(iam, boundary)) if boundary else [],
        "key policy": [],
        "key": "",
        "encryption": or_none(
            lambda: s3.get_bucket_encryption(Bucket=target.bucket)[
                "ServerSideEncryptionConfiguration"
            ]
        ),
        "block public access": or_none(
            lambda: s3.get_public_access_block(Bucket=target.bucket)[
                "PublicAccessBlockConfiguration"
            ]
        ),
        "region": setup.region_name,
        "objects": _objects(s3, target.bucket),
        "allowed principals": list(setup.cloud.allowed_iam_roles(CLUSTER_ID).role_arns),
    }
    key_arn = str(setup.variables["key_arn"])
    if key_arn:
        policy = kms.get_key_policy(KeyId=key_arn, PolicyName="default")["Policy"]
        found["key policy"] = statements_of(json.loads(policy))
        found["key"] = kms.describe_key(KeyId=key_arn)["KeyMetadata"]["KeyState"]
    return found


def document(statements: Any) -> dict[str, Any]:
    """Return a policy document with the given statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _objects(s3: Any, bucket: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def _identity(iam: Any, role_name: str) -> list[dict[str, Any]]:
    documents = [
        _managed(iam, each["PolicyArn"])
        for each in iam.list_attached_role_policies(RoleName=role_name)["AttachedPolicies"]
    ]
    documents += [
        iam.get_role_policy(RoleName=role_name, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role_name)["PolicyNames"]
    ]
    return documents


def _managed(iam: Any, policy_arn: str) -> Any:
    version = iam.get_policy(PolicyArn=policy_arn)["Policy"]["DefaultVersionId"]
    found = iam.get_policy_version(PolicyArn=policy_arn, VersionId=version)
    return found["PolicyVersion"]["Document"]
