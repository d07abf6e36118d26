"""The stand-in for the RisingWave engine: what it accepts, what it calls, what it says."""

from __future__ import annotations

import json
import re
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
from tests.support.management_api import ask_database, health, records

pytestmark = pytest.mark.slow

ORDERS = "019d023e-68a6-74db-b73c-e18859fc5171"
PREVIEW = "019d023e-7000-7a11-8c11-0000000000a1"
WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"
WORKLOAD_SESSION = "arn:aws:sts::444455556666:assumed-role/g1jk13sq56ejdref71h1cvokbh-role/reqsign"
ROLE = "arn:aws:iam::111122223333:role/engine-test"
BUCKET = "acme-analytics"
JDBC = "jdbc:redshift://warehouse.abc123.us-east-1.redshift.amazonaws.com:5439/dev"


class World:
    """A sandbox with one role, whose documents a test may bend."""

    def __init__(self, sandbox: Sandbox, cloud: Cloud) -> None:
        self.sandbox = sandbox
        self.cloud = cloud
        self.iam = self.client("iam")
        self.s3 = self.client("s3")
        self.prefix = f"risingwave/{uuid4().hex[:8]}"

    def client(self, service: str, account: str = "111122223333", region: str = "us-east-1") -> Any:
        return boto3.client(
            service,
            endpoint_url=self.sandbox.url,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key="test",
        )

    def trust(self, *, aws: str | None = WORKLOAD, services: tuple[str, ...] = ()) -> None:
        statements = [trusting("AWS", aws)] if aws else []
        statements += [trusting("Service", service) for service in services]
        self.iam.update_assume_role_policy(
            RoleName="engine-test", PolicyDocument=document(*statements)
        )

    def allow(self, *statements: dict[str, Any]) -> None:
        self.iam.put_role_policy(
            RoleName="engine-test", PolicyName="s3", PolicyDocument=document(*statements)
        )

    def setting(self, cluster: str = ORDERS, **values: object) -> None:
        url = f"{self.sandbox.url}/_rwc/sandbox/clusters/{cluster}"
        assert requests.put(url, json=values, timeout=10).ok

    def log(self) -> str:
        url = f"{self.sandbox.url}/_rwc/sandbox/clusters/{ORDERS}/log"
        return "\n".join(requests.get(url, timeout=10).json()["lines"])

    def run(self, statement: str, cluster: str = ORDERS) -> str:
        return self.cloud.execute_sql(cluster, statement)

    def refused(self, statement: str, cluster: str = ORDERS) -> str:
        with pytest.raises(SqlError) as caught:
            self.cloud.execute_sql(cluster, statement)
        return caught.value.text

    def query(self, statement: str) -> list[dict[str, Any]]:
        return records(self.sandbox, ORDERS, statement)

    def secret(self, name: str, value: str) -> None:
        secret = {"name": name, "value": value}
        assert ask_database(self.sandbox, ORDERS, "POST", "secrets", secret).ok

    def failures(self) -> list[str]:
        found = sink_failures(lambda sql: self.cloud.query_sql(ORDERS, sql).rows, "s")
        return [failure.error for failure in found]

    def health(self) -> str:
        return health(self.sandbox, ORDERS, "s")

    def written(self, below: str = "") -> list[str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.prefix}/{below}")
        return [entry["Key"] for entry in found.get("Contents", [])]

    def content(self, key: str) -> str:
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()

    def file_sink(self, connector: str = "s3", *, path: str | None = None, **more: str) -> str:
        options = {
            "connector": connector,
            "type": "append-only",
            "s3.region_name": "us-east-1",
            "s3.bucket_name": BUCKET,
            "s3.path": self.prefix if path is None else path,
            "s3.assume_role": ROLE,
            "enable_config_load": "true",
            **{name.replace("__", "."): value for name, value in more.items()},
        }
        return f"CREATE SINK s FROM orders WITH ({listed(options)}) FORMAT PLAIN ENCODE JSON"

    def staged_sink(self, connector: str, **more: str) -> str:
        secret = "secret warehouse"
        options = {
            "connector": connector,
            "type": "append-only",
            "jdbc.url": secret,
            "table.name": "facts",
            "s3.region_name": "us-east-1",
            "s3.bucket_name": BUCKET,
            "s3.path": self.prefix,
            "s3.assume_role": ROLE,
            "enable_config_load": "true",
        }
        if connector == "snowflake_v2":
            names = {"database": "d", "schema": "s", "stage": "st"}
            options |= names | {"username": secret, "password": secret}
        options |= {name.replace("__", "."): value for name, value in more.items()}
        return f"CREATE SINK s FROM orders WITH ({listed(options)})"

    def source(self, pattern: str, kind: str = "SOURCE", **more: str) -> str:
        options = {
            "connector": "s3",
            "match_pattern": pattern,
            "s3.region_name": "us-east-1",
            "s3.bucket_name": BUCKET,
            "s3.assume_role": ROLE,
            "enable_config_load": "true",
            **{name.replace("__", "."): value for name, value in more.items()},
        }
        return (
            f"CREATE {kind} events (order_id bigint, amount double precision) "
            f"WITH ({listed(options)}) FORMAT PLAIN ENCODE JSON"
        )

    def iceberg(self, catalog: str, **more: str) -> str:
        options = {
            "connector": "iceberg",
            "type": "append-only",
            "warehouse.path": f"s3://{BUCKET}/{self.prefix}",
            "database.name": "lake",
            "table.name": "facts",
            "create_table_if_not_exists": "true",
            "s3.region": "us-east-1",
            "s3.iam_role_arn": ROLE,
            "enable_config_load": "true",
            **({"catalog.type": catalog} if catalog else {}),
            **({"glue.iam_role_arn": ROLE} if catalog == "glue" else {}),
            **({"catalog.uri": "jdbc:postgresql://127.0.0.1/c"} if catalog == "jdbc" else {}),
            **{name.replace("__", "."): value for name, value in more.items()},
        }
        return f"CREATE SINK s FROM orders WITH ({listed(options)})"


def listed(options: dict[str, str]) -> str:
    return ", ".join(
        f"{name} = {value}" if value.startswith("secret ") else f"{name} = '{value}'"
        for name, value in options.items()
        if value
    )


def trusting(kind: str, name: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {kind: name}, "Action": "sts:AssumeRole"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allowing(actions: str | list[str], resource: str, **condition: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | ({"Condition": condition["condition"]} if condition else {})


EVERYTHING = allowing(["s3:*", "glue:*"], "*")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        iam = World(running, Cloud.from_environment(running.environment())).iam  # type: ignore[arg-type]
        iam.create_role(
            RoleName="engine-test", AssumeRolePolicyDocument=document(trusting("AWS", WORKLOAD))
        )
        yield running


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path) -> World:
    requests.post(f"{sandbox.url}/_rwc/sandbox/reset", timeout=10)
    environment = sandbox.environment()
    cloud = Cloud(
        environment["RWC_ENDPOINT"],
        environment["RWC_API_KEY"],
        environment["RWC_API_SECRET"],
        backoff=0,
        patience=Patience(interval=0.01, limit=20),
        lock_folder=tmp_path,
    )
    world = World(sandbox, cloud)
    world.setting(settle_seconds=0)
    world.setting(PREVIEW, settle_seconds=0)
    world.trust()
    world.allow(EVERYTHING)
    cloud.add_allowed_role(ORDERS, ROLE)
    world.secret("warehouse", JDBC)
    return world


# The first file -------------------------------------------------------------------------------


@pytest.mark.parametrize("connector", ["s3", "snowflake"])
def test_file_sink_when_everything_is_right(world: World, connector: str) -> None:
    assert world.run(world.file_sink(connector)) == "CREATE_SINK"
    (key,) = world.written()
    rows = [json.loads(line) for line in world.content(key).splitlines()]
    assert [row["order_id"] for row in rows] == [1, 2]
    assert (world.failures(), world.health()) == ([], "Active")


def test_file_sink_when_rows_come_later(world: World) -> None:
    world.run(world.file_sink())
    world.run("INSERT INTO orders VALUES (3, 1.5, '2026-01-03')")
    world.run("FLUSH")
    world.run("FLUSH")
    written = [
        json.loads(line) for key in world.written() for line in world.content(key).splitlines()
    ]
    assert sorted(row["order_id"] for row in written) == [1, 2, 3]


@pytest.mark.parametrize("path", ["risingwave/it''s", "risingwave/ünï côde", "risingwave/a+b&c=d"])
def test_file_sink_when_its_path_is_odd(world: World, path: str) -> None:
    world.run(world.file_sink(path=f"{path}/{world.prefix}"))
    place = f"{path}/{world.prefix}/".replace("''", "'")
    found = world.s3.list_objects_v2(Bucket=BUCKET, Prefix=place)
    assert found["KeyCount"] == 1


def test_snowflake_v2_when_everything_is_right(world: World) -> None:
    world.run(world.staged_sink("snowflake_v2"))
    (key,) = world.written()
    assert key.startswith(f"{world.prefix}/facts/")


def test_redshift_when_everything_is_right(world: World) -> None:
    world.trust(services=("redshift.amazonaws.com",))
    world.run(world.staged_sink("redshift"))
    (key,) = world.written()
    assert key.startswith(f"{world.prefix}/facts/")
    assert "manifest" not in key
    assert world.log() == ""


@pytest.mark.parametrize("catalog", ["glue", "jdbc", "rest"])
def test_iceberg_when_everything_is_right(world: World, catalog: str) -> None:
    world.run(world.iceberg(catalog))
    assert len([key for key in world.written("lake/facts/data/") if key.endswith(".parquet")]) == 1
    metadata = [key for key in world.written("lake/facts/metadata/") if key.endswith(".json")]
    assert len(metadata) == (0 if catalog == "rest" else 2)
    if catalog == "glue":
        table = world.client("glue").get_table(DatabaseName="lake", Name="facts")["Table"]
        assert table["Parameters"]["metadata_location"] in [f"s3://{BUCKET}/{k}" for k in metadata]


def test_source_when_everything_is_right(world: World) -> None:
    line = json.dumps({"order_id": 7, "amount": 2.5})
    for name in ("a.json", "b.json", "c.txt"):
        world.s3.put_object(Bucket=BUCKET, Key=f"{world.prefix}/{name}", Body=line.encode())
    world.run(world.source(f"{world.prefix}/*.json"))
    assert world.query("SELECT count(*) AS n, sum(amount) AS s FROM events") == [{"n": 2, "s": 5.0}]
    world.run("DROP SOURCE events")
    world.run(world.source(f"{world.prefix}/*", "TABLE"))
    assert world.query("SELECT order_id FROM events") == [{"order_id": 7}] * 3


# Refusals on RisingWave's side ----------------------------------------------------------------


@pytest.mark.parametrize("fault", ["not listed", "other ARN", "no trust"])
def test_sink_when_the_role_cannot_be_assumed(world: World, fault: str) -> None:
    if fault == "no trust":
        world.trust(aws="arn:aws:iam::444455556666:role/other-cluster-role")
    else:
        world.cloud.remove_allowed_role(ORDERS, ROLE)
    if fault == "other ARN":
        world.cloud.add_allowed_role(ORDERS, ROLE + "-2")
    text = world.refused(world.file_sink())
    assert "2: failed to validate sink" in text
    assert "Unexpected (persistent) at list, context: { called: reqsign::LoadCredential" in text
    assert f"path: {world.prefix}, listed: 0 }} => loading credential to sign http request" in text
    assert "5" not in text.partition("4: request to AWS STS Services failed: <")[0][-3:]
    assert f"User: {WORKLOAD_SESSION} is not authorized to perform: sts:AssumeRole" in text
    assert ROLE in text
    assert world.written() == []
    assert world.query("SELECT * FROM rw_sinks") == []


def test_sink_when_the_role_is_a_name(world: World) -> None:
    text = world.refused(world.file_sink(s3__assume_role="engine-test"))
    assert "<Code>ValidationError</Code>" in text


@pytest.mark.parametrize("where", ["platform", "statement"])
def test_sink_when_the_configuration_is_not_loaded(world: World, where: str) -> None:
    if where == "platform":
        world.setting(config_load=False)
    text = world.refused(world.file_sink(enable_config_load="" if where == "statement" else "true"))
    assert "error sending request for url (http://169.254.169.254/latest/api/token)" in text


def test_sink_when_the_role_option_is_another_connectors(world: World) -> None:
    statement = world.file_sink(s3__assume_role="", s3__iam_role_arn=ROLE)
    text = world.refused(statement)
    # The released engine drops it in silence, and calls S3 as RisingWave itself.
    assert "PermissionDenied (persistent) at list" in text
    assert "LoadCredential" not in text
    text = world.refused(statement, PREVIEW)
    assert f'Unknown fields in the WITH clause: {{"s3.iam_role_arn": "{ROLE}"}}' in text


def test_sink_when_its_option_is_misspelt(world: World) -> None:
    assert world.run(world.file_sink(s3__pathh="x")) == "CREATE_SINK"
    text = world.refused(world.file_sink(s3__pathh="x"), PREVIEW)
    assert 'Unknown fields in the WITH clause: {"s3.pathh": "x"}' in text


@pytest.mark.parametrize("connector", ["redshift", "snowflake_v2"])
def test_sink_when_a_secret_stands_in_the_statement(world: World, connector: str) -> None:
    text = world.refused(world.staged_sink(connector, jdbc__url=JDBC))
    assert (
        "jdbc.url is enforced to be a SECRET on RisingWave Cloud, please use `CREATE SECRET` first"
        in text
    )
    world.setting(enforce_secret=False)
    world.run(world.staged_sink(connector, jdbc__url=JDBC))


def test_sink_when_its_secret_is_missing(world: World) -> None:
    text = world.refused(world.staged_sink("redshift", jdbc__url="secret nothing"))
    assert "1: Catalog error\n  2: secret not found: nothing" in text


@pytest.mark.parametrize("connector", ["snowflake", "snowflake_v2"])
def test_sink_when_the_license_is_missing(world: World, connector: str) -> None:
    world.setting(licensed=False)
    statement = (
        world.file_sink(connector) if connector == "snowflake" else world.staged_sink(connector)
    )
    text = world.refused(statement)
    assert "3: feature SnowflakeSink is not available based on your license" in text
    assert "Hint: You may want to set a license key" in text


# Refusals of S3 -------------------------------------------------------------------------------


def test_sink_when_it_may_not_list(world: World) -> None:
    world.allow(allowing("s3:PutObject", f"arn:aws:s3:::{BUCKET}/{world.prefix}/*"))
    text = world.refused(world.file_sink())
    assert "3: PermissionDenied (persistent) at list, context: { uri: https://s3.us-east-1." in text
    assert f"delimiter=%2F&list-type=2&prefix={world.prefix.replace('/', '%2F')}" in text
    assert 'S3Error { code: "AccessDenied"' in text
    assert "arn:aws:sts::111122223333:assumed-role/engine-test/reqsign" in text


@pytest.mark.parametrize(("slash", "accepted"), [("", False), ("/", True)])
def test_sink_when_the_condition_asks_for_a_slash(world: World, slash: str, accepted: bool) -> None:
    """The documented policy's condition does not hold for the bare prefix."""
    condition = {"StringLike": {"s3:prefix": [f"{world.prefix}/*"]}}
    world.allow(
        allowing("s3:ListBucket", f"arn:aws:s3:::{BUCKET}", condition=condition),
        allowing("s3:PutObject", f"arn:aws:s3:::{BUCKET}/{world.prefix}/*"),
    )
    statement = world.file_sink(path=world.prefix + slash)
    if accepted:
        assert world.run(statement) == "CREATE_SINK"
        assert len(world.written()) == 1
    else:
        assert "AccessDenied" in world.refused(statement)


@pytest.mark.parametrize("connector", ["snowflake_v2", "redshift"])
def test_staged_sink_when_writing_is_refused_and_mended(world: World, connector: str) -> None:
    world.trust(services=("redshift.amazonaws.com",))
    world.allow(allowing("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"))
    assert world.run(world.staged_sink(connector)) == "CREATE_SINK"
    assert world.health() == "Failed"
    assert world.failures()[0].startswith("File error: PermissionDenied (persistent) at write")
    assert world.written() == []
    world.allow(EVERYTHING)
    assert world.health() == "Active"
    assert len(world.written("facts/")) >= 1


def test_events_when_a_sink_fails_many_times(world: World) -> None:
    world.allow(allowing("s3:GetObject", "*"))
    world.run(world.staged_sink("snowflake_v2"))
    for _ in range(15):
        world.cloud.sinks(ORDERS)
    events = world.query("SELECT * FROM rw_catalog.rw_event_logs WHERE event_type = 'SINK_FAIL'")
    assert len(events) == 10
    info = json.loads(events[0]["info"])
    assert info["sinkFail"]["sinkName"] == "s"


def test_sink_when_the_region_is_wrong(world: World) -> None:
    text = world.refused(world.file_sink(s3__bucket_name="acme-frankfurt"))
    assert "eu-central-1" in text
    assert "PermanentRedirect" in text or "AuthorizationHeaderMalformed" in text


def test_sink_when_the_bucket_does_not_exist(world: World) -> None:
    text = world.refused(world.file_sink(s3__bucket_name="acme-no-such-bucket"))
    assert "ConfigInvalid (persistent) at list" in text
    assert 'code: "NoSuchBucket"' in text


# Redshift's COPY ------------------------------------------------------------------------------


def test_copy_when_the_role_does_not_trust_redshift(world: World) -> None:
    assert world.run(world.staged_sink("redshift")) == "CREATE_SINK"
    log = world.log()
    assert "Failed to execute copy into task for sink id" in log
    assert f"is not authorized to assume IAM Role {ROLE}" in log
    # Nothing else shows it: no event, no failed health.
    assert (world.failures(), world.health()) == ([], "Active")
    assert len(world.written("facts/manifest/")) == 1
    world.trust(services=("redshift.amazonaws.com",))
    world.run("FLUSH")
    assert world.written("facts/manifest/") == []


def test_copy_when_the_warehouse_is_serverless(world: World) -> None:
    world.trust(services=("redshift-serverless.amazonaws.com",))
    url = "jdbc:redshift://wg.111122223333.us-east-1.redshift-serverless.amazonaws.com:5439/dev"
    world.secret("serverless", url)
    world.run(world.staged_sink("redshift", jdbc__url="secret serverless"))
    assert world.log() == ""


def test_copy_when_the_role_may_not_read(world: World) -> None:
    world.trust(services=("redshift.amazonaws.com",))
    actions = ["s3:PutObject", "s3:DeleteObject", "s3:ListBucket"]
    world.allow(allowing(actions, "*"))
    world.run(world.staged_sink("redshift"))
    assert "S3ServiceException:Access Denied,Status 403,Error AccessDenied" in world.log()


def test_copy_when_the_manifests_may_not_be_listed(world: World) -> None:
    world.allow(allowing(["s3:PutObject"], "*"))
    world.run(world.staged_sink("redshift"))
    log = world.log()
    assert "File error: PermissionDenied (persistent) at list" in log
    assert f"path: {world.prefix}/facts/manifest/" in log


def test_copy_when_the_bucket_is_in_another_region(world: World) -> None:
    world.trust(services=("redshift.amazonaws.com",))
    url = JDBC.replace("us-east-1", "us-west-2")
    world.secret("elsewhere", url)
    world.run(world.staged_sink("redshift", jdbc__url="secret elsewhere"))
    assert "Status 301,Error PermanentRedirect" in world.log()


def test_copy_when_the_cluster_does_not_carry_the_role(world: World) -> None:
    world.trust(services=("redshift.amazonaws.com",))
    redshift = world.client("redshift")
    redshift.create_cluster(
        ClusterIdentifier="warehouse",
        NodeType="ra3.large",
        MasterUsername="awsuser",
        MasterUserPassword="Passw0rd1",
    )
    try:
        world.run(world.staged_sink("redshift"))
    finally:
        redshift.delete_cluster(ClusterIdentifier="warehouse", SkipFinalClusterSnapshot=True)
    assert "is not authorized to assume IAM Role" in world.log()
    assert len(world.written("facts/manifest/")) == 1
    world.run("FLUSH")  # the cluster is gone, and so is what it did not carry
    assert world.written("facts/manifest/") == []


def test_copy_when_there_is_no_role(world: World) -> None:
    world.setting(enforce_secret=False)
    world.s3.put_bucket_policy(
        Bucket=BUCKET,
        Policy=document(
            {
                "Effect": "Allow",
                "Principal": {"AWS": WORKLOAD},
                "Action": "s3:*",
                "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
            }
        ),
    )
    iam = world.client("iam", "444455556666")
    name = "g1jk13sq56ejdref71h1cvokbh-role"
    iam.put_role_policy(RoleName=name, PolicyName="s3", PolicyDocument=document(EVERYTHING))
    try:
        world.run(world.staged_sink("redshift", s3__assume_role=""))
        assert "Either assume_role or access_key and secret_key must be provided" in world.log()
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="s3")
        world.s3.delete_bucket_policy(Bucket=BUCKET)


# Iceberg --------------------------------------------------------------------------------------


@pytest.mark.parametrize("catalog", ["", "storage"])
def test_iceberg_when_the_catalog_ignores_the_role(world: World, catalog: str) -> None:
    text = world.refused(world.iceberg(catalog))
    assert "1: Sink error\n  2: Iceberg error\n  3: Unexpected => IO operation failed" in text
    assert "PermissionDenied (persistent) at read" in text
    assert "version-hint.text" in text


def test_iceberg_when_glue_has_no_role(world: World) -> None:
    text = world.refused(world.iceberg("glue", glue__iam_role_arn=""))
    assert "software.amazon.awssdk.services.glue.model.AccessDeniedException" in text
    assert "g1jk13sq56ejdref71h1cvokbh-role/reqsign is not authorized to perform: glue:" in text


def test_iceberg_when_glue_is_refused(world: World) -> None:
    world.allow(allowing("s3:*", "*"))
    text = world.refused(world.iceberg("glue"))
    assert "glue.model.AccessDeniedException" in text
    assert "assumed-role/engine-test/risingwave-glue is not authorized" in text


def test_iceberg_when_metadata_is_refused(world: World) -> None:
    world.allow(allowing("glue:*", "*"))
    text = world.refused(world.iceberg("glue", table__name=f"facts_{uuid4().hex[:6]}"))
    assert "software.amazon.awssdk.services.s3.model.S3Exception: User: " in text
    assert "assumed-role/engine-test/risingwave-s3 is not authorized to perform: s3:PutObj" in text


def test_iceberg_when_deleting_is_refused(world: World) -> None:
    world.allow(allowing(["s3:GetObject", "s3:PutObject", "s3:ListBucket"], "*"))
    world.run(world.iceberg("jdbc"))
    assert world.health() == "Failed"
    assert "PermissionDenied (persistent) at delete" in world.failures()[0]


def test_iceberg_when_the_region_is_missing(world: World) -> None:
    text = world.refused(world.iceberg("jdbc", s3__region=""))
    assert (
        "4: ConfigInvalid (permanent) at Builder::build, context: { service: s3 } => region is "
        "missing." in text
    )


def test_iceberg_connection_when_only_the_role_may_read(world: World) -> None:
    options = {
        "type": "iceberg",
        "catalog.type": "jdbc",
        "catalog.uri": "jdbc:postgresql://127.0.0.1/c",
        "warehouse.path": f"s3://{BUCKET}/{world.prefix}",
        "s3.region": "us-east-1",
        "s3.iam_role_arn": ROLE,
        "enable_config_load": "true",
    }
    text = world.refused(f"CREATE CONNECTION c WITH ({listed(options)})")
    assert "PermissionDenied (persistent) at list" in text
    world.setting(config_load=False)
    text = world.refused(f"CREATE CONNECTION c WITH ({listed(options)})")
    assert "`enable_config_load` can't be enabled in this environment" in text
    world.setting(config_load=True)
    hdfs = options | {"warehouse.path": "hdfs://warehouse"}
    assert world.run(f"CREATE CONNECTION c WITH ({listed(hdfs)})") == "CREATE_CONNECTION"
    text = world.refused(f"CREATE CONNECTION d WITH ({listed(hdfs | {'x': 'y'})})")
    assert 'Unknown fields in the WITH clause: {"x": "y"}' in text


def test_iceberg_source_when_the_table_exists(world: World) -> None:
    world.run(world.iceberg("jdbc"))
    source = world.iceberg("jdbc", type="", create_table_if_not_exists="")
    world.run(source.replace("CREATE SINK s FROM orders", "CREATE SOURCE lake"))
    rows = world.query("SELECT * FROM lake ORDER BY order_id")
    assert rows == world.query("SELECT * FROM orders ORDER BY order_id")
    assert [row["amount"] for row in rows] == [12.5, 7.25]
    missing = world.iceberg("jdbc", type="", create_table_if_not_exists="", table__name="none")
    text = world.refused(missing.replace("CREATE SINK s FROM orders", "CREATE SOURCE other"))
    assert "Table lake.none does not exist" in text


# Sources --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "accepted"),
    [
        ("{prefix}/in/*.json", True),
        ("{prefix}/in/2026-0[1-3]/x", True),
        ("{prefix}*/x.json", False),
        ("*.json", False),
        ("", False),
    ],
)
def test_source_when_its_pattern_lists_outside(world: World, pattern: str, accepted: bool) -> None:
    prefix = world.prefix.partition("/")[2]
    condition = {"StringLike": {"s3:prefix": [f"{prefix}/*"]}}
    world.allow(
        allowing("s3:ListBucket", f"arn:aws:s3:::{BUCKET}", condition=condition),
        allowing("s3:GetObject", f"arn:aws:s3:::{BUCKET}/{prefix}/*"),
    )
    statement = world.source(pattern.format(prefix=prefix))
    if accepted:
        assert world.run(statement) == "CREATE_SOURCE"
    else:
        text = world.refused(statement)
        assert "CreateSource`) failed: Internal error\n  2: failed to create source worker" in text
        assert "3: fail to create source, please check your config." in text
        assert "prefix=" not in text


def test_source_when_an_option_is_unknown(world: World) -> None:
    text = world.refused(world.source("x/*", s3__path="y"))
    assert '3: Unknown fields in the WITH clause: {"s3.path": "y"}' in text


def test_source_when_reading_is_refused(world: World) -> None:
    world.s3.put_object(Bucket=BUCKET, Key=f"{world.prefix}/a.json", Body=b'{"order_id": 1}')
    world.allow(allowing("s3:ListBucket", "*"))
    world.run(world.source(f"{world.prefix}/*", "TABLE"))
    assert world.query("SELECT * FROM events") == []
    assert (
        f"failed to read {world.prefix}/a.json: PermissionDenied (persistent) at r" in world.log()
    )


def test_files_when_somebody_wrote_rubbish_into_them(world: World) -> None:
    world.trust(services=("redshift.amazonaws.com",))
    manifest = f"{world.prefix}/facts/manifest/x.json"
    for content in (b"", b"[]", b'{"entries": [1]}', b"\xff"):
        world.s3.put_object(Bucket=BUCKET, Key=manifest, Body=content)
        world.run(world.staged_sink("redshift"))
        assert "Manifest file is not in correct json format" in world.log()
        world.run("DROP SINK s")
    world.run(world.iceberg("jdbc"))
    for key in world.written("lake/facts/metadata/"):
        world.s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    world.run("INSERT INTO orders VALUES (9, 9, '2026-01-01')")
    assert "DataInvalid => Failed to parse table metadata" in world.failures()[0]


def test_sink_when_the_workload_role_is_gone(world: World) -> None:
    iam = world.client("iam", "444455556666")
    name = "g1jk13sq56ejdref71h1cvokbh-role"
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    iam.delete_role_policy(RoleName=name, PolicyName="assume-customer-roles")
    iam.delete_role(RoleName=name)
    try:
        text = world.refused(world.file_sink())
        assert "called: reqsign::LoadCredential" in text
    finally:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))


# Faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["throttle", "server_error"])
def test_platform_when_aws_is_busy(world: World, fault: str) -> None:
    world.sandbox.set_faults(**{fault: 0.3, "seed": 7})
    try:
        world.cloud.remove_allowed_role(ORDERS, ROLE)
        world.cloud.add_allowed_role(ORDERS, ROLE)
        world.run(world.file_sink())
    finally:
        world.sandbox.set_faults(throttle=0, server_error=0)
    assert len(world.written()) == 1


# Statements -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("CREATE SINK s FROM absent WITH (connector='blackhole')", "table or source not found"),
        ("CREATE SINK s FROM orders WITH (connector='s4')", "unsupported sink connector s4"),
        ("CREATE SINK s FROM orders WITH (connector='kafka')", "not in this sandbox"),
        ("CREATE SINK s FROM orders WITH (type='x')", "missing field 'connector'"),
        ("CREATE SINK s FROM orders", "sql parser error: expected WITH"),
        ("CREATE SOURCE s WITH (connector='s3_v2') FORMAT PLAIN ENCODE JSON", '"s3_v2" is not'),
        ("CREATE SECRET p AS 'x'", "secret backend"),
        ("DROP SINK absent", "sink not found: absent"),
        ("DROP TABLE events", "table not found: events"),
        ("SHOW CREATE SINK absent", "sink not found: absent"),
        ("SHOW CREATE CONNECTION c", "sql parser error: expected TABLE, MATERIALIZED VIEW"),
        ("SELECT * FROM absent", "table or source not found: absent"),
        ("SELECT absent FROM orders", "Invalid column: absent"),
        ("ATTACH 'x' AS y", "sql parser error: expected statement, found: ATTACH"),
        ("SELECT load_extension('x')", "permission denied|not yet implemented"),
        ("INSERT INTO rw_catalog.rw_sinks VALUES (1)", "permission denied"),
        (
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r) SELECT max(n) FROM r",
            "in",
        ),
        ("", ""),
    ],
)
def test_statement_when_it_is_refused(world: World, statement: str, says: str) -> None:
    if not statement:
        assert world.run(statement) == "EMPTY"
        return
    text = world.refused(statement)
    assert text.startswith("ERROR:  Failed to run the query\n\nCaused by")
    assert re.search(says, text)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"s3__region_name": ""}, "missing field `s3.region_name`"),
        ({"s3__bucket_name": ""}, "missing field `s3.bucket_name`"),
        ({"type": ""}, "missing field `type`"),
        ({"type": "both"}, "`type` must be append-only, or upsert"),
        ({"type": "upsert"}, "File sink only supports append-only mode at present"),
        ({"enable_config_load": "yes"}, 'invalid value: string "yes"'),
        ({"max_row_count": "many"}, "invalid digit found in string"),
    ],
)
def test_file_sink_when_its_options_are_wrong(
    world: World, change: dict[str, str], says: str
) -> None:
    assert says in world.refused(world.file_sink(**change))


@pytest.mark.parametrize("connector", ["redshift", "snowflake_v2"])
@pytest.mark.parametrize(
    "change", [{"s3__region_name": ""}, {"s3__bucket_name": ""}, {"enable_config_load": "yes"}]
)
def test_staged_sink_when_any_s3_option_is_wrong(
    world: World, connector: str, change: dict[str, str]
) -> None:
    text = world.refused(world.staged_sink(connector, **change))
    assert "config error" in text
    assert "S3 configuration is required for S3 sink" in text


@pytest.mark.parametrize(
    ("clause", "says"),
    [
        ("", "missing FORMAT ... ENCODE ..."),
        ("FORMAT UPSERT ENCODE JSON", "does not support format Upsert"),
        ("FORMAT PLAIN ENCODE AVRO", "does not support format Plain with encode Avro"),
    ],
)
def test_file_sink_when_its_format_is_wrong(world: World, clause: str, says: str) -> None:
    statement = world.file_sink().replace("FORMAT PLAIN ENCODE JSON", clause)
    assert says in world.refused(statement)


def test_staged_sink_when_it_has_a_format(world: World) -> None:
    text = world.refused(world.staged_sink("redshift") + " FORMAT PLAIN ENCODE JSON")
    assert "connector redshift is not supported by FORMAT ... ENCODE ... syntax" in text


def test_sink_when_what_it_reads_is_changed(world: World) -> None:
    statement = world.file_sink().replace("FROM orders", "FROM customers")
    assert "The sink cannot be append-only." in world.refused(statement)
    assert world.run(statement + " (force_append_only = 'true')") == "CREATE_SINK"


def test_sink_when_it_reads_a_query_or_a_view(world: World) -> None:
    world.run("CREATE MATERIALIZED VIEW big AS SELECT order_id FROM orders WHERE amount > 10")
    world.run(world.file_sink(path=world.prefix + "/v").replace("FROM orders", "FROM big"))
    query = world.file_sink(path=world.prefix + "/q").replace(
        "SINK s FROM orders", "SINK q AS SELECT order_id FROM orders WHERE amount < 10"
    )
    world.run(query)
    assert [json.loads(world.content(key)) for key in world.written()] == [
        {"order_id": 2},
        {"order_id": 1},
    ]


def test_catalogs_when_a_sink_is_there(world: World) -> None:
    statement = world.staged_sink("redshift")
    world.run(statement)
    found = world.query(
        "SELECT name, connector, sink_type, connector_props->>'s3.assume_role' AS role, "
        "connector_props->>'jdbc.url' AS url FROM rw_catalog.rw_sinks WHERE name = 's'"
    )
    assert found == [
        {
            "name": "s",
            "connector": "REDSHIFT",
            "sink_type": "APPEND_ONLY",
            "role": ROLE,
            "url": "secret warehouse",
        }
    ]
    assert world.query("SHOW CREATE SINK s") == [{"Name": "public.s", "Create Sql": statement}]
    assert JDBC not in str(world.cloud.sinks(ORDERS))
    assert world.query("SELECT version() AS v")[0]["v"].startswith("PostgreSQL 13.14.0-RisingWave")
    assert "1 other objects" in world.refused("DROP SECRET warehouse")
    assert world.run("DROP SINK s") == "DROP_SINK"
    assert world.run("DROP SECRET warehouse") == "DROP_SECRET"


def test_rows_when_they_are_changed(world: World) -> None:
    world.run(
        world.file_sink().replace("FROM orders", "FROM customers") + " (force_append_only='true')"
    )
    assert (
        world.run("INSERT INTO customers VALUES (2, 'Barbara'), (3, 'Katherine')") == "INSERT 0 2"
    )
    assert world.run("DELETE FROM customers WHERE customer_id = 1") == "DELETE 1"
    world.run("FLUSH")
    assert world.query("SELECT name FROM customers ORDER BY customer_id") == [
        {"name": "Barbara"},
        {"name": "Katherine"},
    ]
    last = max(world.written(), key=lambda key: int(key.rpartition("_")[2].partition(".")[0]))
    names = [json.loads(line)["name"] for line in world.content(last).splitlines()]
    assert names == ["Barbara", "Katherine"]


def test_table_when_it_is_made_from_a_query(world: World) -> None:
    world.run("CREATE TABLE big AS SELECT order_id, amount FROM orders WHERE amount > 10")
    assert world.query("SELECT * FROM big") == [{"order_id": 1, "amount": 12.5}]


def test_several_statements_when_one_fails(world: World) -> None:
    text = world.refused("CREATE TABLE a (v int); CREATE TABLE a (v int); CREATE TABLE b (v int)")
    assert "table with name a exists" in text
    assert world.query("SELECT name FROM rw_tables ORDER BY id DESC LIMIT 1") == [{"name": "a"}]
