"""The sandbox's RisingWave Cloud, driven by the client that talks to the real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from rwlib.cloud.allowed_roles import AllowedRolesFailedError, Patience, WaitTimeoutError
from rwlib.cloud.client import Cloud
from rwlib.cloud.identity import expected_role_name
from rwlib.cloud.transport import SqlError
from rwlib.errors import CredentialsError, InputError
from rwlib.sandbox.risingwave.api import RisingWaveCloud
from rwlib.sandbox.risingwave.requests import READ_ONLY_KEY, READ_ONLY_SECRET
from rwlib.sandbox.server.server import Sandbox
from tests.support.management_api import ask, ask_database, query, records

ORDERS = "019d023e-68a6-74db-b73c-e18859fc5171"
FRANKFURT = "019d023e-7000-7a11-8c11-0000000000b2"
TRIAL = "019d023e-7000-7a11-8c11-0000000000c3"
GOOGLE = "019d023e-7000-7a11-8c11-0000000000d4"
WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"
ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
OTHER = "arn:aws:iam::777788889999:role/theirs"

QUICK = Patience(interval=0.02, limit=20.0)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def cloud(sandbox: Sandbox, tmp_path: Path) -> Cloud:
    switch(sandbox, "POST", "reset")
    for cluster in (ORDERS, FRANKFURT):
        switch(sandbox, "PUT", f"clusters/{cluster}", {"settle_seconds": 0.02})
    return cloud_of(sandbox, tmp_path)


def cloud_of(sandbox: Sandbox, folder: Path, **keys: str) -> Cloud:
    environment = sandbox.environment() | keys
    return Cloud(
        environment["RWC_ENDPOINT"],
        environment["RWC_API_KEY"],
        environment["RWC_API_SECRET"],
        backoff=0,
        patience=QUICK,
        lock_folder=folder,
    )


def switch(sandbox: Sandbox, method: str, path: str, body: object = None) -> Any:
    answer = requests.request(method, f"{sandbox.url}/_rwc/sandbox/{path}", json=body, timeout=10)
    assert answer.ok, answer.text
    return answer.json()


def may_assume(sandbox: Sandbox, role_name: str = "g1jk13sq56ejdref71h1cvokbh-role") -> list[str]:
    """Read from IAM which roles the workload role's policies name."""
    iam = client(sandbox, "iam", "444455556666")
    found: list[str] = []
    for name in iam.list_role_policies(RoleName=role_name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role_name, PolicyName=name)["PolicyDocument"]
        resources = document["Statement"][0]["Resource"]
        found += [resources] if isinstance(resources, str) else resources
    return found


def client(sandbox: Sandbox, service: str, account: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=sandbox.url,
        region_name="us-east-1",
        aws_access_key_id=account,
        aws_secret_access_key="test",
    )


# Who and where --------------------------------------------------------------------------------


def test_environment_when_the_sandbox_gives_it(sandbox: Sandbox) -> None:
    cloud = Cloud.from_environment(sandbox.environment())
    assert cloud is not None
    assert cloud.cluster(ORDERS).name == "orders"


def test_regions_when_clusters_are_in_several(cloud: Cloud) -> None:
    regions = {region.name: region.platform for region in cloud.regions()}
    assert regions == {"us-east-1": "aws", "eu-central-1": "aws", "us-central1": "gcp"}
    by_region = {name: [c.name for c in cloud.clusters(name)] for name in regions}
    assert by_region == {
        "us-east-1": ["orders", "preview", "trial"],
        "eu-central-1": ["orders-eu"],
        "us-central1": ["orders-gcp"],
    }
    assert len(cloud.clusters()) == 5


def test_metadata_when_the_cluster_is_the_example(cloud: Cloud) -> None:
    metadata = cloud.cloud_metadata(ORDERS)
    assert metadata.require_workload_role_arn() == WORKLOAD
    assert WORKLOAD.endswith(expected_role_name(ORDERS))
    assert metadata.egress_ips
    assert metadata.private_link_principals == ("arn:aws:iam::444455556666:root",)
    assert cloud.cloud_metadata(FRANKFURT).workload_role_arn != WORKLOAD


@pytest.mark.parametrize(("cluster", "says"), [(TRIAL, "Standard plan"), (GOOGLE, "Google Cloud")])
def test_metadata_when_there_is_no_role(cloud: Cloud, cluster: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        cloud.cloud_metadata(cluster).require_workload_role_arn()


def test_endpoint_when_it_is_asked_for(sandbox: Sandbox, cloud: Cloud) -> None:
    endpoint = ask(sandbox, "GET", f"/mgmt/v2/tenants/{ORDERS}/endpoint").json()
    assert endpoint["options"] == "--tenant=rwc-g1jk13sq56ejdref71h1cvokbh-orders"


@pytest.mark.parametrize(
    ("key", "secret"), [("sandbox-api-key", "wrong"), ("unknown", "sandbox-api-secret")]
)
def test_key_when_it_is_wrong(sandbox: Sandbox, tmp_path: Path, key: str, secret: str) -> None:
    wrong = cloud_of(sandbox, tmp_path, RWC_API_KEY=key, RWC_API_SECRET=secret)
    with pytest.raises(CredentialsError) as caught:
        wrong.regions()
    assert "sandbox-api-secret" not in str(caught.value)


def test_key_when_there_is_none(sandbox: Sandbox) -> None:
    for headers in ({}, {"Authorization": "Basic ~"}, {"Authorization": "Bearer x"}):
        answer = requests.get(f"{sandbox.url}/_rwc/api/v1/regions", headers=headers, timeout=10)
        assert answer.status_code == 401


def test_key_when_only_the_old_header_is_sent(sandbox: Sandbox) -> None:
    headers = {"X-API-KEY": "sandbox-api-key:sandbox-api-secret"}
    answer = requests.get(f"{sandbox.url}/_rwc/api/v1/auth/ping", headers=headers, timeout=10)
    assert answer.status_code == 200


def test_key_when_its_account_may_only_read(sandbox: Sandbox, tmp_path: Path, cloud: Cloud) -> None:
    reader = cloud_of(sandbox, tmp_path, RWC_API_KEY=READ_ONLY_KEY, RWC_API_SECRET=READ_ONLY_SECRET)
    assert reader.allowed_iam_roles(ORDERS).role_arns == ()
    assert reader.query_sql(ORDERS, "SELECT count(*) AS n FROM orders").rows == ((2,),)
    with pytest.raises(CredentialsError, match="ProjectAdmin or OrganizationAdmin"):
        reader.add_allowed_role(ORDERS, ROLE)
    with pytest.raises(CredentialsError):
        reader.execute_sql(ORDERS, "CREATE TABLE t (v int)")
    assert cloud.allowed_iam_roles(ORDERS).role_arns == ()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/nothing", b"", 404),
        ("GET", "/mgmt/v2/tenants/../../x", b"", 404),
        ("GET", f"/mgmt/v2/tenants/{FRANKFURT}", b"", 404),
        ("GET", f"/mgmt/eu-central-1/v2/tenants/{FRANKFURT}", b"", 200),
        ("PATCH", f"/mgmt/v2/tenants/{ORDERS}/allowedIamRoles", b"", 405),
        ("POST", f"/mgmt/v2/tenants/{ORDERS}/allowedIamRoles", b"{", 400),
        ("POST", f"/mgmt/v2/tenants/{ORDERS}/allowedIamRoles", b"[1]", 400),
        ("POST", f"/mgmt/v2/tenants/{ORDERS}/allowedIamRoles", b"{}", 400),
        ("POST", f"/mgmt/v2/tenants/{ORDERS}/allowedIamRoles", b"[" * 100000, 400),
        ("POST", f"/mgmt/v2/tenants/{ORDERS}/databases/other/executeSQL", b"{}", 404),
        ("POST", f"/mgmt/v2/tenants/{ORDERS}/databases/dev/executeSQL", b'{"query": 1}', 400),
        ("POST", f"/mgmt/v2/tenants/{ORDERS}/databases/dev/batchSQL", b'{"queries": [1]}', 400),
    ],
)
def test_request_when_it_is_malformed(
    sandbox: Sandbox, method: str, path: str, body: bytes, status: int
) -> None:
    session = requests.Session()
    prepared = requests.Request(
        method,
        f"{sandbox.url}/_rwc{path}",
        data=body,
        auth=("sandbox-api-key", "sandbox-api-secret"),
    ).prepare()
    answer = session.send(prepared, timeout=10)
    assert answer.status_code == status
    if status != 200:
        assert "msg" in answer.json()


def test_switch_when_a_page_in_a_browser_asks(sandbox: Sandbox) -> None:
    for headers in ({"Origin": "https://example.com"}, {"Host": "example.com"}):
        answer = requests.post(f"{sandbox.url}/_rwc/sandbox/reset", headers=headers, timeout=10)
        assert answer.status_code == 403


# Allowed Principals ---------------------------------------------------------------------------


def test_role_when_it_is_added_and_removed(cloud: Cloud, sandbox: Sandbox) -> None:
    cloud.add_allowed_role(ORDERS, OTHER)
    assert cloud.add_allowed_role(ORDERS, ROLE).changed
    assert cloud.allowed_iam_roles(ORDERS).role_arns == (OTHER, ROLE)
    assert may_assume(sandbox) == [OTHER, ROLE]
    assert not cloud.add_allowed_role(ORDERS, ROLE).changed
    assert cloud.remove_allowed_role(ORDERS, ROLE).changed
    assert may_assume(sandbox) == [OTHER]
    assert not cloud.remove_allowed_role(ORDERS, ROLE).changed
    assert cloud.remove_allowed_role(ORDERS, OTHER).after.role_arns == ()
    assert may_assume(sandbox) == []


def test_role_when_the_cluster_has_a_role_of_its_own(cloud: Cloud, sandbox: Sandbox) -> None:
    cloud.add_allowed_role(FRANKFURT, ROLE)
    assert may_assume(sandbox, expected_role_name(FRANKFURT)) == [ROLE]
    assert cloud.allowed_iam_roles(ORDERS).role_arns == ()


def test_status_when_a_change_is_in_flight(cloud: Cloud, sandbox: Sandbox) -> None:
    switch(sandbox, "PUT", f"clusters/{ORDERS}", {"settle_reads": 3, "settle_seconds": 0})
    seen: list[str] = []
    cloud.add_allowed_role(ORDERS, ROLE, progress=lambda waiting: seen.append(waiting.reason))
    assert seen == ["accepted; being applied", *["status Updating, role listed"] * 3]


def test_overlap_when_a_change_comes_too_early(cloud: Cloud, sandbox: Sandbox) -> None:
    switch(sandbox, "PUT", f"clusters/{ORDERS}", {"settle_seconds": 60})
    url = f"{sandbox.url}/_rwc/mgmt/v2/tenants/{ORDERS}/allowedIamRoles"
    auth = ("sandbox-api-key", "sandbox-api-secret")
    first = requests.post(url, json={"roleArn": ROLE}, auth=auth, timeout=10)
    second = requests.post(url, json={"roleArn": OTHER}, auth=auth, timeout=10)
    assert (first.status_code, second.status_code) == (202, 500)
    assert second.json() == {"msg": "internal error"}
    # Not applied yet: IAM does not know it, though the list shows it.
    assert cloud.allowed_iam_roles(ORDERS).model_dump() == {
        "role_arns": (ROLE,),
        "status": "Updating",
    }
    assert may_assume(sandbox) == []


def test_overlap_when_the_client_tries_again(cloud: Cloud, sandbox: Sandbox) -> None:
    switch(sandbox, "PUT", f"clusters/{ORDERS}", {"overlap_next": 2})
    assert cloud.add_allowed_role(ORDERS, ROLE).changed
    assert may_assume(sandbox) == [ROLE]


def test_failed_when_it_is_asked_for(cloud: Cloud, sandbox: Sandbox) -> None:
    switch(sandbox, "PUT", f"clusters/{ORDERS}", {"fail_next": True})
    with pytest.raises(AllowedRolesFailedError, match="failed to apply"):
        cloud.add_allowed_role(ORDERS, ROLE)
    assert may_assume(sandbox) == []
    with pytest.raises(AllowedRolesFailedError):
        cloud.remove_allowed_role(ORDERS, ROLE)


def test_failed_when_iam_refuses_the_policy(cloud: Cloud, sandbox: Sandbox) -> None:
    cloud.allowed_iam_roles(FRANKFURT)
    name = expected_role_name(FRANKFURT)
    client(sandbox, "iam", "444455556666").delete_role(RoleName=name)
    with pytest.raises(AllowedRolesFailedError, match="is in its list"):
        cloud.add_allowed_role(FRANKFURT, ROLE)
    switch(sandbox, "POST", "reset")
    assert cloud.allowed_iam_roles(FRANKFURT).status == "Ready"


def test_wait_when_the_platform_never_settles(cloud: Cloud, sandbox: Sandbox) -> None:
    switch(sandbox, "PUT", f"clusters/{ORDERS}", {"settle_reads": 10**9})
    cloud.patience = Patience(interval=0.01, limit=0.05)
    with pytest.raises(WaitTimeoutError):
        cloud.add_allowed_role(ORDERS, ROLE)


@pytest.mark.parametrize(
    "role_arn",
    [
        "arn:aws-cn:iam::111122223333:role/r",
        "arn:aws:iam::11112222333:role/r",
        "arn:aws:iam::111122223333:user/u",
        "risingwave-s3-access",
    ],
)
def test_arn_when_it_cannot_be_registered(cloud: Cloud, sandbox: Sandbox, role_arn: str) -> None:
    with pytest.raises(InputError, match="cannot be registered"):
        cloud.add_allowed_role(ORDERS, role_arn)
    answer = requests.post(
        f"{sandbox.url}/_rwc/mgmt/v2/tenants/{ORDERS}/allowedIamRoles",
        json={"roleArn": role_arn},
        auth=("sandbox-api-key", "sandbox-api-secret"),
        timeout=10,
    )
    assert answer.status_code == 400
    assert answer.json()["msg"] == (
        "validate arn failed: invalid target format, expected format: "
        "arn:aws:iam::{account}:role/{role_name}"
    )


def test_principals_when_the_cluster_is_on_google(cloud: Cloud) -> None:
    with pytest.raises(InputError, match="only clusters on AWS"):
        cloud.add_allowed_role(GOOGLE, ROLE)


def test_list_when_several_clients_change_it_at_once(
    cloud: Cloud, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Different lock folders stand for different machines: only the 500 keeps them apart."""
    roles = [f"{ROLE}-{number}" for number in range(4)]
    errors: list[BaseException] = []

    def add(number: int) -> None:
        try:
            cloud_of(sandbox, tmp_path / str(number % 2)).add_allowed_role(ORDERS, roles[number])
        except BaseException as error:  # noqa: BLE001 - the thread's error is the test's
            errors.append(error)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(cloud.allowed_iam_roles(ORDERS).role_arns) == roles
    assert sorted(may_assume(sandbox)) == roles


def test_workload_when_its_role_is_not_allowed(cloud: Cloud, sandbox: Sandbox) -> None:
    """The list is the identity side of sts:AssumeRole; AWS's evaluation decides."""
    iam = client(sandbox, "iam", "111122223333")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": WORKLOAD}, "Action": "sts:AssumeRole"}
        ],
    }
    iam.create_role(RoleName="listed", AssumeRolePolicyDocument=json.dumps(trust))
    try:
        role_arn = "arn:aws:iam::111122223333:role/listed"
        keys = sandbox.credentials_for(WORKLOAD, "reqsign")
        sts = boto3.client(
            "sts",
            endpoint_url=sandbox.url,
            region_name="us-east-1",
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            aws_session_token=keys.session_token,
        )
        cloud.allowed_iam_roles(ORDERS)
        with pytest.raises(ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=role_arn, RoleSessionName="reqsign")
        cloud.add_allowed_role(ORDERS, role_arn)
        sts.assume_role(RoleArn=role_arn, RoleSessionName="reqsign")
        cloud.remove_allowed_role(ORDERS, role_arn)
        with pytest.raises(ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=role_arn, RoleSessionName="reqsign")
    finally:
        iam.delete_role(RoleName="listed")


# SQL and state --------------------------------------------------------------------------------


def test_batch_when_one_statement_is_refused(sandbox: Sandbox, cloud: Cloud) -> None:
    queries = ["SELECT 1 AS n", "SELECT * FROM nothing", "SHOW TABLES"]
    answer = ask_database(sandbox, ORDERS, "POST", "batchSQL", {"queries": queries})
    results = answer.json()["results"]
    assert [result.get("error") is None for result in results] == [True, False, True]
    assert [row[0] for row in results[2]["result"]["rows"]] == ["orders", "customers"]


def test_query_when_rows_are_limited(sandbox: Sandbox, cloud: Cloud) -> None:
    result = query(sandbox, ORDERS, "SELECT order_id FROM orders ORDER BY 1", maxRowCount=1)
    assert [column["name"] for column in result["header"]] == ["order_id"]
    assert result["rows"] == [[1]]
    assert result["commandTag"] == "SELECT 2"


def test_secret_when_it_is_created_twice(sandbox: Sandbox, cloud: Cloud) -> None:
    for value, status in (("hunter2", 200), ("other", 409)):
        secret = {"name": "warehouse", "value": value}
        assert ask_database(sandbox, ORDERS, "POST", "secrets", secret).status_code == status
    found = records(sandbox, ORDERS, "SELECT * FROM rw_catalog.rw_secrets")
    assert "warehouse" in [row["name"] for row in found]
    assert "hunter2" not in str(found)


def test_statement_when_it_is_no_sql(cloud: Cloud) -> None:
    with pytest.raises(SqlError) as caught:
        cloud.execute_sql(ORDERS, "CREATE SINK s FROM t WITH (connector = 's3' s3.x='y')")
    assert "sql parser error: expected ',' or ')' after option definition, found: s3" in str(
        caught.value.text
    )


def test_state_when_the_sandbox_is_started_again(sandbox: Sandbox, tmp_path: Path) -> None:
    first = RisingWaveCloud(sandbox, tmp_path)
    cluster = first.store.clusters[ORDERS]
    cluster.allowed.role_arns.append(ROLE)
    cluster.databases["dev"].secrets["p"] = "hunter2"
    cluster.settings.enforce_secret = False
    first.store.save()
    assert (tmp_path / "risingwave.json").stat().st_mode & 0o077 == 0
    again = RisingWaveCloud(sandbox, tmp_path).store.clusters[ORDERS]
    assert again.allowed.role_arns == [ROLE]
    assert again.databases == cluster.databases
    assert again.settings == cluster.settings
