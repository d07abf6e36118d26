"""The sandbox's life: start, stop, what it binds, what it prints, what it starts with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import boto3
import pytest

from rwlib.errors import InputError, ServiceError
from rwlib.sandbox.endpoint import Endpoint
from rwlib.sandbox.server.server import Sandbox

pytestmark = pytest.mark.slow


def client(sandbox: Endpoint, service: str, account: str = "111122223333", region="us-east-1"):
    return boto3.client(
        service,
        endpoint_url=sandbox.url,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key="test",
    )


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com"])
def test_start_refuses_an_address_other_machines_can_reach(host):
    with pytest.raises(InputError, match="loopback"):
        Sandbox(host=host)


def test_start_seeds_the_customers_buckets(sandbox):
    names = [bucket["Name"] for bucket in client(sandbox, "s3").list_buckets()["Buckets"]]
    assert names == ["acme-analytics", "acme-encrypted", "acme-frankfurt"]


def test_start_seeds_the_workload_role(sandbox):
    roles = client(sandbox, "iam", "444455556666").list_roles()["Roles"]
    assert {role["RoleName"] for role in roles} == {
        "g1jk13sq56ejdref71h1cvokbh-role",
        "other-cluster-role",
    }


def test_environment_is_enough_for_an_sdk(sandbox):
    script = (
        "import boto3; found = boto3.client('s3').head_bucket(Bucket='acme-frankfurt');"
        "print(found['BucketRegion'])"
    )
    environment = {"PATH": os.environ["PATH"], **sandbox.environment()}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True)
    assert done.stdout.decode().strip() == "eu-central-1", done.stderr.decode()


def test_two_sandboxes_in_one_process_do_not_see_each_other(sandbox):
    with Sandbox(seed=False) as other:
        client(other, "s3").create_bucket(Bucket="only-in-the-other")
        assert client(other, "iam", "444455556666").list_roles()["Roles"] == []
    names = [bucket["Name"] for bucket in client(sandbox, "s3").list_buckets()["Buckets"]]
    assert "only-in-the-other" not in names


def test_stop_frees_the_port_and_is_safe_to_repeat():
    running = Sandbox(seed=False).start()
    port = running.port
    running.stop()
    running.stop()
    with Sandbox(port=port, seed=False) as again:
        assert again.control("GET", "health") == {"status": "ok"}


def test_control_without_a_sandbox_says_what_to_do():
    with pytest.raises(ServiceError, match="start it first"):
        Endpoint("http://127.0.0.1:9").calls()


def test_spawn_ends_with_its_parent():
    script = (
        "from rwlib.sandbox import Sandbox; import os;"
        "child = Sandbox.spawn(seed=False); print(child.url, child.process.pid, flush=True);"
        "os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    url, pid = done.stdout.decode().split()
    _wait_for_end(int(pid))
    with pytest.raises(ServiceError):
        Endpoint(url).control("GET", "health")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_the_environment_and_stops_cleanly(number):
    process = subprocess.Popen(
        [sys.executable, "-m", "rwlib.sandbox", "--port", "0", "--json", "--no-seed"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    printed = json.loads(process.stdout.readline())
    assert Endpoint(printed["AWS_ENDPOINT_URL"]).control("GET", "health") == {"status": "ok"}
    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    assert (process.returncode, told) == (0, b"")


def test_serve_prints_lines_for_a_shell(sandbox):
    from rwlib.sandbox.server.serve import environment_text

    text = environment_text(sandbox.environment(), as_json=False)
    assert f"export AWS_ENDPOINT_URL={sandbox.url}\n" in text


def _wait_for_end(pid: int) -> None:
    import psutil

    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20)
