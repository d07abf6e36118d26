"""What a verdict is compared with: real calls of the Workload Identity in the sandbox."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from rwlib.aws.bucket import describe_bucket, locate_bucket
from rwlib.runbook.runbook import Runbook
from rwlib.target.target import Target
from rwlib.verify.check import Check, Verdict
from rwlib.verify.deciding import probe_role
from rwlib.verify.hops import check_situation
from rwlib.verify.situation import Situation, read_situation
from tests.support.example_names import ROLE
from tests.support.sandbox_clients import client, session_keys

CUSTOMER = "111122223333"
CLOUD = "444455556666"
ROLE_ARN = f"arn:aws:iam::{CUSTOMER}:role/{ROLE}"
WORKLOAD_NAME = "g1jk13sq56ejdref71h1cvokbh-role"
WORKLOAD = f"arn:aws:iam::{CLOUD}:role/{WORKLOAD_NAME}"
SESSION_ARN = f"arn:aws:sts::{CLOUD}:assumed-role/{WORKLOAD_NAME}/reqsign"


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> dict[str, Any]:
    """A policy document; an empty version stands for a document without one."""
    return {**({"Version": version} if version else {}), "Statement": list(statements)}


@dataclass
class Account:
    """A set-up by the runbook, tools to plant conditions in it, and what happens then."""

    aws: Any
    sandbox: Any
    values: dict[str, Any]

    def __post_init__(self) -> None:
        self.aws.forget()
        self.made: set[str] = set()
        self.regions: dict[str, str] = {}
        self.clients: dict[tuple[str, ...], Any] = {}
        self.way: dict[str, Any] = {}
        self.version = "2012-10-17"
        self.planted: dict[str, str] = {}
        self.target = Target(**{**self.values, "apply": True})
        book = Runbook(
            self.target, self.aws, workload_identity_arn=self.target.workload_identity_arn
        )
        for number in (1, 2, 3):
            book.run_step(number)
        self.region = book.bucket.region_name
        self.wanted = book.policy_document
        self.iam = self.aws.client("iam")
        self.s3 = self.aws.client("s3", region_name=self.region)

    def trust(self, *statements: dict[str, Any]) -> None:
        self.iam.update_assume_role_policy(
            RoleName=ROLE, PolicyDocument=self.written("trust", statements)
        )

    def written(self, what: str, statements: tuple[dict[str, Any], ...]) -> str:
        """Write a document in the version that this account's have, and remember it."""
        self.planted[what] = text = json.dumps(document(*statements, version=self.version))
        return text

    def bucket_policy(self, *statements: dict[str, Any]) -> None:
        self.s3.delete_public_access_block(Bucket=self.target.bucket)
        self.s3.put_bucket_policy(
            Bucket=self.target.bucket, Policy=self.written("bucket", statements)
        )

    def inline(self, *statements: dict[str, Any]) -> None:
        self.iam.put_role_policy(
            RoleName=ROLE, PolicyName="by-hand", PolicyDocument=self.written("inline", statements)
        )

    def boundary(self, *statements: dict[str, Any]) -> None:
        """Let the role's boundary be these statements, or take it away."""
        arn = f"arn:aws:iam::{CUSTOMER}:policy/bound"
        if not statements:
            if "PermissionsBoundary" in self.iam.get_role(RoleName=ROLE)["Role"]:
                self.iam.delete_role_permissions_boundary(RoleName=ROLE)
            return
        self.planted["boundary"] = text = json.dumps(document(*statements))
        try:
            versions = self.iam.list_policy_versions(PolicyArn=arn)["Versions"]
        except self.iam.exceptions.NoSuchEntityException:
            self.iam.create_policy(PolicyName="bound", PolicyDocument=text)
        else:
            for each in versions:
                if not each["IsDefaultVersion"]:
                    self.iam.delete_policy_version(PolicyArn=arn, VersionId=each["VersionId"])
            self.iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
        self.iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=arn)

    def key_policy(self, *statements: dict[str, Any]) -> None:
        """Give the bucket's key a policy."""
        self.aws.client("kms", region_name=self.region).put_key_policy(
            KeyId=self.key_id, PolicyName="default", Policy=self.written("key", statements)
        )

    @cached_property
    def key_id(self) -> str:
        """The key with which the bucket is encrypted."""
        found = self.s3.get_bucket_encryption(Bucket=self.target.bucket)
        rule = found["ServerSideEncryptionConfiguration"]["Rules"][0]
        return str(rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"])

    def tag(self, **tags: str) -> None:
        self.iam.tag_role(
            RoleName=ROLE, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
        )

    def grants_of_key(self, *grants: dict[str, Any]) -> None:
        """Let the grants of the bucket's key be these."""
        kms = self.aws.client("kms", region_name=self.region)
        pages = kms.get_paginator("list_grants").paginate(KeyId=self.key_id)
        for each in [grant for page in pages for grant in page["Grants"]]:
            kms.revoke_grant(KeyId=self.key_id, GrantId=each["GrantId"])
        for each in grants:
            kms.create_grant(KeyId=self.key_id, **each)

    def come_from(self, **network: Any) -> None:
        """Let requests come over TLS by this way from now on; see the sandbox's `Network`."""
        nowhere = dict.fromkeys(("source_ip", "source_vpce", "source_vpc", "organization"))
        wanted = {**nowhere, "secure_transport": True, **network}
        if wanted != self.way:
            self.sandbox.set_network(**wanted)
            self.way = wanted

    def situation(self) -> Situation:
        """Read what stands there now."""
        self.aws.forget()
        bucket = describe_bucket(self.aws, locate_bucket(self.aws, self.target.bucket, ""))
        return read_situation(self.aws, self.target, bucket)

    def verdict(self) -> tuple[dict[str, Check], list[Verdict]]:
        """Judge what stands there now."""
        situation = self.situation()
        verdicts = probe_role(self.target, situation)
        checks = check_situation(self.target, situation, self.wanted, verdicts=verdicts)
        return {check.id: check for check in checks}, verdicts

    @cached_property
    def workload_sts(self) -> Any:
        """STS as the Workload Identity asks it."""
        workload = self.sandbox.credentials_for(WORKLOAD).arguments()
        return client(self.sandbox, "sts", CLOUD, self.region, **workload)

    def assume(self, session_name: str = "reqsign", **more: Any) -> dict[str, str] | None:
        """Let RisingWave assume the role as its S3 client does; None when it is refused."""
        try:
            return session_keys(
                self.workload_sts.assume_role(
                    RoleArn=ROLE_ARN, RoleSessionName=session_name, DurationSeconds=3600, **more
                )
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
            return None

    def client(self, service: str, region: str = "us-east-1", **keys: str) -> Any:
        """Return a client of the customer's account, made once for each caller."""
        wanted = (service, region, *keys.values())
        if wanted not in self.clients:
            self.clients[wanted] = client(self.sandbox, service, CUSTOMER, region, **keys)
        return self.clients[wanted]

    def happens(self, verdict: Verdict, keys: dict[str, str]) -> bool:
        """Make the request of a probe as a session of the role."""
        probe = verdict.probe
        s3 = self.client("s3", self.region, **keys)
        bucket, _, key = probe.place.partition("/")
        try:
            if probe.action == "s3:PutObject":
                s3.put_object(Bucket=bucket, Key=key, Body=b"{}")
                if probe.allow and "objectcreationoperation" in str(self.planted).lower():
                    # A connector writes a large object in parts.
                    s3.create_multipart_upload(Bucket=bucket, Key=key)
            elif probe.action == "s3:GetObject":
                s3.get_object(Bucket=bucket, Key=key)
            elif probe.action == "s3:DeleteObject":
                s3.delete_object(Bucket=bucket, Key=key)
                self.s3.put_object(Bucket=bucket, Key=key, Body=b"{}", Tagging="team=data")
            else:
                names = {"s3:prefix": "Prefix", "s3:delimiter": "Delimiter"}
                sent = {names[key]: str(value) for key, value in probe.context.items()}
                s3.list_objects_v2(Bucket=bucket, **sent)
        except ClientError as error:
            # A missing object, and a listing that the caller may not see it by, is no refusal.
            return error.response["Error"]["Code"] == "NoSuchKey"
        return True
