"""Every connector from end to end: this package's documents and SQL, the sandbox's answers.

The recommended policy and nothing more is attached, so a request that it does not cover shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
import requests

from rwlib.cloud.allowed_roles import Patience
from rwlib.cloud.client import Cloud
from rwlib.cloud.sinks import sink_failures
from rwlib.cloud.transport import SqlError
from rwlib.sandbox.server.server import Sandbox
from rwlib.sql.writing.statements import build_statements
from rwlib.steps.step1_documents import recommended_policy
from rwlib.steps.step3_documents import trust_policy
from tests.support.management_api import health, query, records

pytestmark = pytest.mark.slow

ORDERS = "019d023e-68a6-74db-b73c-e18859fc5171"
WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"
REGIONS = {"acme-analytics": "us-east-1", "acme-encrypted": "eu-central-1"}
VALUES = {
    "redshift": {"table.name": "facts"},
    "snowflake_v2": {"table.name": "facts", "database": "d", "schema": "s", "stage": "st"},
    "snowflake": {},
    "s3_sink": {},
    "s3_source": {"columns": "order_id bigint, amount double precision"},
    "iceberg_sink": {
        "database.name": "lake",
        "table.name": "facts",
        "create_table_if_not_exists": "true",
    },
    "iceberg_source": {"database.name": "lake", "table.name": "facts"},
}
SECRETS = {
    "<your-redshift-jdbc-url>": "jdbc:redshift://w.abc.{region}.redshift.amazonaws.com:5439/dev",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


class SetUp:
    """One role with its documents, registered with the cluster."""

    def __init__(self, sandbox: Sandbox, folder: Path, bucket: str, connectors: list[str]) -> None:
        requests.post(f"{sandbox.url}/_rwc/sandbox/reset", timeout=10)
        environment = sandbox.environment()
        self.sandbox = sandbox
        self.cloud = Cloud(
            environment["RWC_ENDPOINT"],
            environment["RWC_API_KEY"],
            environment["RWC_API_SECRET"],
            patience=Patience(interval=0.02, limit=20),
            lock_folder=folder,
        )
        self.bucket, self.region = bucket, REGIONS[bucket]
        self.prefix = f"risingwave/{uuid4().hex[:8]}"
        name = f"connector-{uuid4().hex[:8]}"
        iam = self.client("iam")
        trust = json.dumps(trust_policy(WORKLOAD, connectors))
        self.role_arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"][
            "Arn"
        ]
        glue = {
            "account_id": "111122223333",
            "region_name": self.region,
            "database": "lake",
            "writes": "yes",
        }
        policy = recommended_policy(
            connectors,
            bucket,
            self.prefix,
            kms_key_arn=self.kms_key_arn(),
            glue=glue if any(name.startswith("iceberg") for name in connectors) else None,
        )
        iam.put_role_policy(RoleName=name, PolicyName="s3", PolicyDocument=json.dumps(policy))
        self.cloud.add_allowed_role(ORDERS, self.role_arn)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.sandbox.url,
            region_name=self.region,
            aws_access_key_id="111122223333",
            aws_secret_access_key="test",
        )

    def kms_key_arn(self) -> str:
        if self.bucket != "acme-encrypted":
            return ""
        rules = self.client("s3").get_bucket_encryption(Bucket=self.bucket)
        found = rules["ServerSideEncryptionConfiguration"]["Rules"][0]
        key = str(found["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"])
        return str(self.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"])

    def run(self, connector: str, **options: str) -> None:
        values = {**VALUES.get(connector, {}), **options}
        if connector.endswith("sink") or connector in ("redshift", "snowflake", "snowflake_v2"):
            values.setdefault("from", "orders")
        statements = build_statements(
            connector,
            role_arn=self.role_arn,
            bucket=self.bucket,
            prefix=self.prefix,
            region_name=self.region,
            options=values,
        )
        for statement in statements:
            sql = statement.sql
            for placeholder, value in SECRETS.items():
                sql = sql.replace(placeholder, value.format(region=self.region))
            self.cloud.execute_sql(ORDERS, sql)

    def written(self) -> list[str]:
        found = self.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=f"{self.prefix}/")
        return [entry["Key"] for entry in found.get("Contents", [])]

    def log(self) -> list[str]:
        url = f"{self.sandbox.url}/_rwc/sandbox/clusters/{ORDERS}/log"
        lines: list[str] = requests.get(url, timeout=10).json()["lines"]
        return lines


@pytest.mark.parametrize("bucket", ["acme-analytics", "acme-encrypted"])
@pytest.mark.parametrize(
    "connector", ["redshift", "snowflake_v2", "snowflake", "s3_sink", "iceberg_sink"]
)
def test_sink_when_its_recommended_policy_is_attached(
    sandbox: Sandbox, tmp_path: Path, connector: str, bucket: str
) -> None:
    setup = SetUp(sandbox, tmp_path, bucket, [connector])
    options = {"table.name": f"facts_{uuid4().hex[:6]}"} if connector == "iceberg_sink" else {}
    setup.run(connector, **options)
    (sink,) = setup.cloud.sinks(ORDERS)
    assert not sink_failures(lambda sql: setup.cloud.query_sql(ORDERS, sql).rows, sink.name)
    assert health(sandbox, ORDERS, sink.name) == "Active"
    assert setup.written()
    assert setup.log() == []


@pytest.mark.parametrize("bucket", ["acme-analytics", "acme-encrypted"])
def test_source_when_its_recommended_policy_is_attached(
    sandbox: Sandbox, tmp_path: Path, bucket: str
) -> None:
    setup = SetUp(sandbox, tmp_path, bucket, ["s3_source"])
    line = b'{"order_id": 1, "amount": 2.5}\n'
    setup.client("s3").put_object(Bucket=bucket, Key=f"{setup.prefix}/a.json", Body=line)
    setup.run("s3_source")
    found = records(sandbox, ORDERS, "SELECT * FROM s3_source")
    assert found == [{"order_id": 1, "amount": 2.5}]
    assert setup.log() == []


def test_iceberg_source_when_it_reads_what_a_sink_writes(sandbox: Sandbox, tmp_path: Path) -> None:
    table = {"table.name": f"facts_{uuid4().hex[:6]}"}
    setup = SetUp(sandbox, tmp_path, "acme-analytics", ["iceberg_sink", "iceberg_source"])
    setup.run("iceberg_sink", **table)
    setup.run("iceberg_source", **table)
    found = query(sandbox, ORDERS, "SELECT * FROM iceberg_source")
    assert [column["name"] for column in found["header"]] == ["order_id", "amount", "ordered_at"]
    other = SetUp(sandbox, tmp_path, "acme-analytics", ["iceberg_source"])
    other.prefix = setup.prefix  # not the one its policy is for
    with pytest.raises(SqlError, match=r"S3Exception: User: .*s3:GetObject"):
        other.run("iceberg_source", **table)


def test_upsert_when_it_is_redshift(sandbox: Sandbox, tmp_path: Path) -> None:
    setup = SetUp(sandbox, tmp_path, "acme-analytics", ["redshift"])
    more = {"type": "upsert", "intermediate.table.name": "facts_cdc", "primary_key": "customer_id"}
    setup.run("redshift", **{**more, "from": "customers"})
    assert setup.written()
    assert setup.log() == []


def test_engine_table_when_only_the_role_may_list(sandbox: Sandbox, tmp_path: Path) -> None:
    """CREATE CONNECTION lists the warehouse without the role."""
    setup = SetUp(sandbox, tmp_path, "acme-analytics", ["iceberg_sink"])
    with pytest.raises(SqlError, match=r"(?s)connector error.*PermissionDenied .* at list"):
        setup.run("iceberg_table", columns="id bigint", **{"catalog.type": "glue"})
