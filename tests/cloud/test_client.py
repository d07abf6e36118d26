"""The management API's client against a server that answers what a test tells it to."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rwlib.cloud.client import Cloud
from rwlib.cloud.identity import expected_role_name, tenant_identifier
from rwlib.cloud.transport import SqlError, UnreachableError
from rwlib.errors import CredentialsError, InputError, ServiceError

CLUSTER = "019d023e-68a6-74db-b73c-e18859fc5171"
ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"
SECRET = "s3cr3t-of-the-key"


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    connection: tuple[str, int]


@dataclass
class Scripted:
    """A server whose answer to each path is a value, or a function of the call."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def paths(self) -> list[str]:
        return [f"{seen.method} {seen.path}" for seen in self.seen]


def json_answer(body: object, status: int = 200) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(body).encode()


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            seen = Seen(
                self.command,
                self.path,
                dict(self.headers),
                json.loads(raw) if raw else None,
                self.client_address,
            )
            scripted.seen.append(seen)
            found = scripted.answers.get(f"{self.command} {self.path}")
            if found is None:
                found = scripted.answers.get(self.path.partition("?")[0])
            if callable(found):
                found = found(seen)
            if found == "hang":
                scripted.stop.wait(30)
                self.close_connection = True
                return
            if found == "break":
                self.close_connection = True
                return
            status, content_type, body = found or json_answer({"msg": "not found"}, 404)
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            if 300 <= status < 400:
                self.send_header("Location", body.decode())
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    scripted.url = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    scripted.answers |= {
        "/acc/regions": json_answer(
            [
                {
                    "id": 1,
                    "regionName": "us-east-1",
                    "platform": "aws",
                    "url": f"{scripted.url}/mgmt/v1",
                    "urlV2": f"{scripted.url}/mgmt/v2",
                    "isRegionReady": True,
                }
            ]
        ),
        f"/acc/tenant/{CLUSTER}": json_answer(
            {"nsId": CLUSTER, "region": "us-east-1", "tenantName": "orders", "tierId": "Standard"}
        ),
    }
    yield scripted
    scripted.stop.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def cloud_of(server: Scripted, **options: Any) -> Cloud:
    options.setdefault("read_timeout", 2.0)
    return Cloud(f"{server.url}/acc", "the-key", SECRET, backoff=0, **options)


def metadata_path() -> str:
    return f"/mgmt/v2/tenants/{CLUSTER}/cloudMeta"


def sql_path(call: str) -> str:
    return f"/mgmt/v2/tenants/{CLUSTER}/databases/dev/{call}"


# Names ----------------------------------------------------------------------------------------


def test_names_when_the_cluster_is_the_documented_example() -> None:
    assert expected_role_name(CLUSTER) == "g1jk13sq56ejdref71h1cvokbh-role"
    assert tenant_identifier(CLUSTER, "orders") == "rwc-g1jk13sq56ejdref71h1cvokbh-orders"


@pytest.mark.parametrize(
    "given",
    [
        "orders",
        "",
        "../../regions",
        "{019d023e-68a6-74db-b73c-e18859fc5171}",
        CLUSTER[:-1],
        WORKLOAD,
    ],
)
def test_cluster_id_when_it_is_no_nsid(server: Scripted, given: str) -> None:
    with pytest.raises(InputError, match=r"cluster_id: .*NsID") as caught:
        cloud_of(server).cluster(given)
    assert caught.value.exit_code == 2
    assert server.seen == []


# The key and the address ----------------------------------------------------------------------


def test_environment_when_nothing_is_set() -> None:
    assert Cloud.from_environment({"RWC_ENDPOINT": "https://example.com"}) is None
    assert Cloud.from_environment({"RWC_API_KEY": " \n", "RWC_API_SECRET": ""}) is None


@pytest.mark.parametrize("missing", ["RWC_API_KEY", "RWC_API_SECRET"])
def test_environment_when_one_of_two_is_missing(missing: str) -> None:
    values = {"RWC_API_KEY": "k", "RWC_API_SECRET": "s"} | {missing: " "}
    with pytest.raises(CredentialsError, match=f"but {missing} is not"):
        Cloud.from_environment(values)


def test_environment_when_values_carry_blanks(server: Scripted) -> None:
    cloud = Cloud.from_environment(
        {
            "RWC_API_KEY": " the-key\n",
            "RWC_API_SECRET": f"\t{SECRET} ",
            "RWC_ENDPOINT": f" {server.url}/acc/ \n",
        }
    )
    assert cloud is not None
    cloud.regions()
    headers = server.seen[0].headers
    assert base64.b64decode(headers["Authorization"][6:]).decode() == f"the-key:{SECRET}"
    assert headers["X-API-KEY"] == f"the-key:{SECRET}"
    assert server.seen[0].path == "/acc/regions"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://example.com/api/v1",
        "example.com/api/v1",
        "ftp://example.com",
        "https://user:hunter2@example.com/api/v1",
        "https://example.com/api/v1?key=hunter2",
        "https://[broken",
        "https://",
        "http://localhost.example.com/api/v1",
    ],
)
def test_endpoint_when_a_key_must_not_be_sent_there(endpoint: str) -> None:
    with pytest.raises(InputError, match="RWC_ENDPOINT") as caught:
        Cloud(endpoint, "k", SECRET)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("secret", ["two words", "line\nend", "schlüssel", "\x00"])
def test_key_when_it_cannot_be_a_header(secret: str) -> None:
    with pytest.raises(CredentialsError, match="RWC_API_SECRET") as caught:
        Cloud("https://example.com", "k", secret)
    assert secret not in str(caught.value)


def test_secret_when_everything_is_shown(
    server: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    token = base64.b64encode(f"the-key:{SECRET}".encode()).decode()
    server.answers["/acc/regions"] = json_answer({"msg": f"bad header {token} of {SECRET}"}, 400)
    cloud = cloud_of(server)
    with caplog.at_level(logging.DEBUG), pytest.raises(ServiceError) as caught:
        cloud.regions()
    shown = [str(caught.value), repr(caught.value), caplog.text, repr(cloud), str(vars(cloud))]
    assert not any(SECRET in text or token in text for text in shown)
    assert "bad header *** of ***" in str(caught.value)


# One clear sentence ---------------------------------------------------------------------------


def html(status: int = 200) -> tuple[int, str, bytes]:
    return status, "text/html; charset=utf-8", b"<!doctype html><title>Log in</title>"


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (json_answer({"msg": "no"}, 401), CredentialsError, "does not accept the API key"),
        (json_answer({"msg": "no"}, 403), CredentialsError, "does not let this API key"),
        (json_answer({"msg": "gone"}, 404), ServiceError, "RWC_ENDPOINT ends in /api/v1"),
        (json_answer({"msg": "boom"}, 500), ServiceError, r"could not .* \(500 .*boom"),
        (html(), ServiceError, "a web page instead of JSON"),
        (html(404), ServiceError, "a web page instead of JSON"),
        (html(502), ServiceError, r"\(502"),
        ((200, "application/json", b'{"half": '), ServiceError, "instead of JSON"),
        (json_answer([]), ServiceError, "lists no region"),
        (json_answer({"regions": []}), ServiceError, "something other than a list"),
        (json_answer([{"regionName": "us-east-1"}]), ServiceError, "urlV2: field required"),
        ((302, "text/html", b"https://elsewhere.example/x"), ServiceError, "redirected"),
        ("hang", UnreachableError, "did not answer within"),
        ("break", UnreachableError, "broke before an answer came"),
    ],
)
def test_regions_when_the_endpoint_answers_otherwise(
    server: Scripted, answer: Any, error: type[Exception], says: str
) -> None:
    server.answers["/acc/regions"] = answer
    with pytest.raises(error, match=says) as caught:
        cloud_of(server, read_timeout=0.1).regions()
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4  # type: ignore[attr-defined]


def test_endpoint_when_nobody_listens() -> None:
    with pytest.raises(UnreachableError, match=r"cannot be reached at 127\.0\.0\.1") as caught:
        Cloud("http://127.0.0.1:9/api/v1", "k", SECRET, backoff=0).regions()
    assert not caught.value.maybe_done


def test_redirect_when_it_leads_elsewhere(server: Scripted) -> None:
    server.answers["/acc/regions"] = (307, "text/plain", f"{server.url}/stolen".encode())
    with pytest.raises(ServiceError, match="not sent on"):
        cloud_of(server).regions()
    assert server.paths() == ["GET /acc/regions"]


def test_region_when_its_address_is_not_protected(server: Scripted) -> None:
    server.answers["/acc/regions"] = json_answer(
        [{"regionName": "us-east-1", "urlV2": "http://mgmt.example.com/v2"}]
    )
    with pytest.raises(ServiceError, match="not HTTPS"):
        cloud_of(server).cloud_metadata(CLUSTER)


def test_cluster_when_it_is_unknown(server: Scripted) -> None:
    other = "019d023e-0000-7000-8000-000000000000"
    with pytest.raises(InputError, match="not a cluster that this API key can see") as caught:
        cloud_of(server).cloud_metadata(other)
    assert caught.value.field == "cluster_id"
    assert caught.value.exit_code == 2


def test_cluster_when_its_region_is_not_listed(server: Scripted) -> None:
    server.answers[f"/acc/tenant/{CLUSTER}"] = json_answer(
        {"nsId": CLUSTER, "region": "eu-west-9", "tenantName": "orders"}
    )
    with pytest.raises(ServiceError, match=r"'eu-west-9'.*it lists us-east-1"):
        cloud_of(server).cloud_metadata(CLUSTER)


# Repeating ------------------------------------------------------------------------------------


def in_turn(*answers: Any) -> Callable[[Seen], Any]:
    left = list(answers)
    return lambda seen: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize("first", ["break", json_answer({}, 503), json_answer({}, 429)])
def test_reading_when_the_first_try_fails(server: Scripted, first: Any) -> None:
    good = server.answers["/acc/regions"]
    server.answers["/acc/regions"] = in_turn(first, good)
    assert [region.name for region in cloud_of(server).regions()] == ["us-east-1"]
    assert server.paths() == ["GET /acc/regions"] * 2


@pytest.mark.parametrize("first", ["break", json_answer({}, 503)])
def test_statement_when_its_answer_is_lost(server: Scripted, first: Any) -> None:
    server.answers[sql_path("executeSQL")] = in_turn(first, json_answer({"msg": "ok"}))
    with pytest.raises(ServiceError):
        cloud_of(server).execute_sql(CLUSTER, "CREATE TABLE t (v int)")
    assert server.paths().count(f"POST {sql_path('executeSQL')}") == 1


def test_connection_when_several_calls_are_made(server: Scripted) -> None:
    server.answers[metadata_path()] = json_answer({"meta": {"cloudProvider": "aws"}})
    cloud = cloud_of(server)
    for _ in range(3):
        cloud.cloud_metadata(CLUSTER)
    assert server.paths() == [
        f"GET /acc/tenant/{CLUSTER}",
        "GET /acc/regions",
        *[f"GET {metadata_path()}"] * 3,
    ]
    assert len({seen.connection for seen in server.seen}) == 1


# Cloud metadata -------------------------------------------------------------------------------


def test_metadata_when_the_cluster_is_on_aws(server: Scripted) -> None:
    server.answers[metadata_path()] = json_answer(
        {
            "meta": {
                "cloudProvider": "aws",
                "region": "us-east-1",
                "iam": {"workloadRoleArn": WORKLOAD},
                "network": {
                    "natGatewayIps": ["192.0.2.1", "192.0.2.2"],
                    "privateLinkPrincipals": ["arn:aws:iam::444455556666:root"],
                },
            }
        }
    )
    metadata = cloud_of(server).cloud_metadata(CLUSTER.upper())
    assert metadata.require_workload_role_arn() == WORKLOAD
    assert metadata.cluster_id == CLUSTER
    assert metadata.egress_ips == ("192.0.2.1", "192.0.2.2")
    assert metadata.private_link_principals == ("arn:aws:iam::444455556666:root",)


def test_metadata_when_only_the_deprecated_principal_is_there(server: Scripted) -> None:
    network = {"privateLinkPrincipal": "arn:aws:iam::444455556666:root"}
    server.answers[metadata_path()] = json_answer(
        {"meta": {"cloudProvider": "aws", "region": "us-east-1", "network": network}}
    )
    metadata = cloud_of(server).cloud_metadata(CLUSTER)
    assert metadata.private_link_principals == ("arn:aws:iam::444455556666:root",)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (json_answer({"meta": {"cloudProvider": "aws", "region": "us-east-1"}}), "Standard plan"),
        (json_answer({"msg": "no metadata"}, 404), "Standard plan"),
        (json_answer({"meta": {"cloudProvider": "azr", "region": "x"}}), "only clusters on AWS"),
        (
            json_answer(
                {
                    "meta": {
                        "cloudProvider": "gcp",
                        "region": "us-central1",
                        "iam": {"workloadGsa": "rw@example.iam.gserviceaccount.com"},
                    }
                }
            ),
            "runs on Google Cloud as rw@example.iam.gserviceaccount.com",
        ),
    ],
)
def test_metadata_when_there_is_no_role(server: Scripted, answer: Any, says: str) -> None:
    server.answers[metadata_path()] = answer
    metadata = cloud_of(server).cloud_metadata(CLUSTER)
    with pytest.raises(InputError, match=says) as caught:
        metadata.require_workload_role_arn()
    assert caught.value.field == "cluster_id"


# Lists ----------------------------------------------------------------------------------------


def test_clusters_when_they_fill_several_pages(server: Scripted) -> None:
    def page(seen: Seen) -> tuple[int, str, bytes]:
        offset = int(seen.path.split("offset=")[1].split("&")[0])
        names = range(offset, min(offset + 100, 250))
        return json_answer(
            {
                "tenants": [
                    {"nsId": f"{n:036}", "tenantName": f"c{n}", "region": "us-east-1"}
                    for n in names
                ]
            }
        )

    server.answers["/mgmt/v2/tenants"] = page
    clusters = cloud_of(server).clusters()
    assert [cluster.name for cluster in clusters] == [f"c{n}" for n in range(250)]


def test_clusters_when_one_region_is_down(server: Scripted) -> None:
    regions = json.loads(server.answers["/acc/regions"][2])
    regions.append({**regions[0], "regionName": "eu-west-1", "urlV2": f"{server.url}/mgmt-eu"})
    server.answers["/acc/regions"] = json_answer(regions)
    server.answers["/mgmt-eu/tenants"] = json_answer(
        {"tenants": [{"nsId": CLUSTER, "tenantName": "orders", "region": "eu-west-1"}]}
    )
    server.answers["/mgmt/v2/tenants"] = json_answer({"msg": "down"}, 500)
    failed: list[str] = []
    clusters = cloud_of(server).clusters(on_error=lambda region, error: failed.append(region))
    assert ([cluster.name for cluster in clusters], failed) == (["orders"], ["us-east-1"])
    with pytest.raises(ServiceError, match="list the clusters of us-east-1"):
        cloud_of(server).clusters()


# SQL ------------------------------------------------------------------------------------------


def test_statement_when_it_is_accepted(server: Scripted) -> None:
    server.answers[sql_path("executeSQL")] = json_answer({"msg": "CREATE_SINK"})
    message = cloud_of(server).execute_sql(CLUSTER, "CREATE SINK s FROM t", timeout=5)
    assert message == "CREATE_SINK"
    assert server.seen[-1].body == {"query": "CREATE SINK s FROM t", "timeout": 5000}


def test_statement_when_it_is_refused(server: Scripted) -> None:
    text = "ERROR:  Failed to run the query\n\nCaused by these errors:\n  1: Sink error"
    server.answers[sql_path("executeSQL")] = json_answer({"msg": text}, 400)
    with pytest.raises(SqlError) as caught:
        cloud_of(server).execute_sql(CLUSTER, "CREATE SINK s FROM t")
    assert caught.value.text == text


def test_database_when_its_name_is_a_path(server: Scripted) -> None:
    with pytest.raises(InputError):
        cloud_of(server).execute_sql(CLUSTER, "SELECT 1", database="../../x?y")
    assert server.seen[-1].path.endswith("/databases/..%2F..%2Fx%3Fy/executeSQL")


def test_query_when_rows_come_back(server: Scripted) -> None:
    server.answers[sql_path("querySQL")] = json_answer(
        {
            "commandTag": "SELECT 1",
            "executionTime": 3,
            "header": [{"name": "n", "dataType": "int4"}, {"name": "v", "dataType": "varchar"}],
            "rows": [[1, None]],
        }
    )
    result = cloud_of(server).query_sql(CLUSTER, "SELECT", timeout=5)
    assert result.rows == ((1, None),)
    assert server.seen[-1].body == {"query": "SELECT", "timeout": 5000}
