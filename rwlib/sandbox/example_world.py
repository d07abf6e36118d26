"""The example world a sandbox starts with: three accounts, their buckets, keys and roles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from rwlib.sandbox.aws.wire import environ_of

if TYPE_CHECKING:
    from rwlib.sandbox.moto_seam.world import World

CUSTOMER = "111122223333"
RISINGWAVE_CLOUD = "444455556666"
THIRD_PARTY = "777788889999"

WORKLOAD_ROLE = "g1jk13sq56ejdref71h1cvokbh-role"
OTHER_CLUSTER_ROLE = "other-cluster-role"
WORKLOAD_IDENTITY_ARN = f"arn:aws:iam::{RISINGWAVE_CLOUD}:role/{WORKLOAD_ROLE}"
OTHER_CLUSTER_ARN = f"arn:aws:iam::{RISINGWAVE_CLOUD}:role/{OTHER_CLUSTER_ROLE}"

ORDERS = b'{"order_id": 1, "amount": 12.5}\n{"order_id": 2, "amount": 7.25}\n'

BUCKETS: tuple[dict[str, Any], ...] = (
    {
        "account": CUSTOMER,
        "name": "acme-analytics",
        "region": "us-east-1",
        "objects": {
            "risingwave/orders/2026-01-01.json": ORDERS,
            "risingwave/orders/2026-01-02.json": ORDERS,
            "risingwave/README.txt": b"What RisingWave Cloud reads and writes.\n",
            "risingwave-old/orders.json": ORDERS,
            "finance/payroll.csv": b"name,amount\n",
        },
    },
    {
        "account": CUSTOMER,
        "name": "acme-encrypted",
        "region": "eu-central-1",
        "kms_alias": "alias/acme-analytics",
        "objects": {"risingwave/orders/2026-01-01.json": ORDERS},
    },
    {
        "account": CUSTOMER,
        "name": "acme-frankfurt",
        "region": "eu-central-1",
        "objects": {"risingwave/orders/2026-01-01.json": ORDERS},
    },
    {
        "account": THIRD_PARTY,
        "name": "thirdparty-data",
        "region": "us-east-1",
        "objects": {"risingwave/orders/2026-01-01.json": ORDERS},
    },
)

ROLES: tuple[dict[str, Any], ...] = (
    {"account": RISINGWAVE_CLOUD, "name": WORKLOAD_ROLE},
    {"account": RISINGWAVE_CLOUD, "name": OTHER_CLUSTER_ROLE},
    {"account": THIRD_PARTY, "name": "thirdparty-role"},
)


def seed(world: World) -> None:
    """Put the example world into an empty one.

    RisingWave's roles may assume every role, until the sandbox's RisingWave Cloud writes that
    policy from the Allowed Principals.
    """
    with world.entered():
        for role in ROLES:
            _role(world, role)
        for bucket in BUCKETS:
            _bucket(world, bucket)


def _role(world: World, role: dict[str, Any]) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{role['account']}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    _iam(
        world,
        role["account"],
        "CreateRole",
        RoleName=role["name"],
        AssumeRolePolicyDocument=json.dumps(trust),
    )
    _iam(
        world,
        role["account"],
        "PutRolePolicy",
        RoleName=role["name"],
        PolicyName="assume-customer-roles",
        PolicyDocument=json.dumps(may_assume_policy(("*",))),
    )


def may_assume_policy(roles: tuple[str, ...]) -> dict[str, Any]:
    """Build the identity policy that lets a workload identity assume the given roles."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AssumeCustomerRoles",
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Resource": list(roles) if len(roles) > 1 else roles[0],
            }
        ],
    }


def _bucket(world: World, bucket: dict[str, Any]) -> None:
    region, name = bucket["region"], bucket["name"]
    location = (
        b""
        if region == "us-east-1"
        else (
            "<CreateBucketConfiguration><LocationConstraint>"
            f"{region}</LocationConstraint></CreateBucketConfiguration>"
        ).encode()
    )
    _s3(world, bucket, "PUT", f"/{name}", location)
    world.s3.set_new_bucket_defaults(name, ownership=True)
    headers = {}
    if "kms_alias" in bucket:
        key_arn = _kms_key(world, bucket["account"], region, bucket["kms_alias"])
        _s3(
            world,
            bucket,
            "PUT",
            f"/{name}?encryption",
            (
                "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
                f"<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>{key_arn}</KMSMasterKeyID>"
                "</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled>"
                "</Rule></ServerSideEncryptionConfiguration>"
            ).encode(),
        )
        headers = {
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": key_arn,
        }
    for key, content in bucket["objects"].items():
        _s3(world, bucket, "PUT", f"/{name}/{key}", content, headers)


def _kms_key(world: World, account: str, region: str, alias: str) -> str:
    asked = {"Description": "Customer data at rest", "KeyUsage": "ENCRYPT_DECRYPT"}
    created = _kms(world, account, region, "CreateKey", {**asked, "MultiRegion": False})
    key = created["KeyMetadata"]
    _kms(world, account, region, "CreateAlias", {"AliasName": alias, "TargetKeyId": key["KeyId"]})
    return str(key["Arn"])


def _iam(world: World, account: str, action: str, **parameters: str) -> None:
    body = urlencode({"Action": action, "Version": "2010-05-08", **parameters}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    _call(world, account, "iam", "us-east-1", "POST", "/", body, headers)


def _kms(
    world: World, account: str, region: str, action: str, parameters: dict[str, Any]
) -> dict[str, Any]:
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"TrentService.{action}",
    }
    body = json.dumps(parameters).encode()
    answer = _call(world, account, "kms", region, "POST", "/", body, headers)
    found: dict[str, Any] = json.loads(answer or b"{}") or {}
    return found


def _s3(
    world: World,
    bucket: dict[str, Any],
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str] | None = None,
) -> None:
    _call(world, bucket["account"], "s3", bucket["region"], method, path, body, headers or {})


def _call(
    world: World,
    account: str,
    service: str,
    region: str,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
) -> bytes:
    answer = world.call(service, environ_of(method, path, service, region, headers), body, account)
    if answer.status >= 300:
        raise RuntimeError(f"seeding {service} {method} {path}: {answer.status} {answer.body!r}")
    return answer.body
