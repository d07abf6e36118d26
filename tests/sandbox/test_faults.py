"""Faults hit the calls they are meant for, and leave the state AWS would leave."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from rwlib.errors import InputError, ServiceError
from rwlib.sandbox.server.server import Sandbox
from tests.support.sandbox_clients import WORKLOAD, allow, client, new_role, refusal, trusting


@pytest.fixture
def sandbox():
    with Sandbox() as running:
        yield running


def test_throttling_of_every_call_is_answered_by_each_service_in_its_way(sandbox):
    sandbox.set_faults(throttle=1)
    assert refusal(client(sandbox, "iam").list_roles) == ("Throttling", "Rate exceeded")
    assert refusal(client(sandbox, "s3").list_buckets)[0] == "SlowDown"
    assert refusal(client(sandbox, "kms").list_keys)[0] == "ThrottlingException"


@pytest.mark.slow
def test_throttling_of_some_calls_is_overcome_by_an_sdk_that_tries_again(sandbox):
    sandbox.set_faults(throttle=0.3, seed=1)
    iam = boto3.client(
        "iam",
        config=Config(retries={"total_max_attempts": 10, "mode": "standard"}),
        endpoint_url=sandbox.url,
        region_name="us-east-1",
        aws_access_key_id="111122223333",
        aws_secret_access_key="test",
    )
    iam.meta.events.register("needs-retry.iam", lambda **_: None)
    for number in range(10):
        iam.create_user(UserName=f"user-{number}")
    codes = [call["error"] for call in sandbox.calls() if call["action"] == "CreateUser"]
    assert (codes.count(None), "Throttling" in codes) == (10, True)


def test_token_bucket_refuses_what_goes_beyond_it_for_its_account_and_class_alone(sandbox):
    now = [1000.0]
    sandbox.application.gateway.faults._clock = lambda: now[0]
    sandbox.set_faults(rates="iam:read=2/3,iam:simulate=1")
    iam, other = client(sandbox, "iam"), client(sandbox, "iam", "444455556666")

    def listed(caller):
        sandbox.forget_calls()
        for _ in range(4):
            with suppress(ClientError):
                caller.list_roles()
        return [call["error"] or "ok" for call in sandbox.calls()]

    assert listed(iam) == ["ok", "ok", "ok", "Throttling"]
    assert listed(other) == ["ok", "ok", "ok", "Throttling"]
    iam.create_user(UserName="written")
    now[0] += 1.0
    assert listed(iam) == ["ok", "ok", "Throttling", "Throttling"]
    now[0] += 100.0
    assert listed(iam) == ["ok", "ok", "ok", "Throttling"], "no more than the bucket holds"


def test_latency_passes_before_every_call_and_holds_up_no_other(sandbox):
    sandbox.set_faults(latency=0.2)
    with ThreadPoolExecutor(8) as pool:
        started = time.monotonic()
        callers = [client(sandbox, "sts") for _ in range(8)]
        list(pool.map(lambda sts: sts.get_caller_identity(), callers))
        took = time.monotonic() - started
    assert took >= 0.2
    assert len(sandbox.calls()) >= 8
    started = time.monotonic()
    client(sandbox, "s3").list_buckets()
    assert time.monotonic() - started >= 0.2


def test_server_errors_leave_nothing_behind(sandbox):
    sandbox.set_faults(server_error=1, only="iam:CreateRole")
    iam = client(sandbox, "iam")
    code, _ = refusal(
        iam.create_role, RoleName="never", AssumeRolePolicyDocument=trusting(WORKLOAD)
    )
    assert code == "ServiceFailure"
    assert refusal(iam.get_role, RoleName="never")[0] == "NoSuchEntity"


def test_lost_answer_comes_after_the_effect(sandbox):
    sandbox.set_faults(lose_answer=2, only="iam:Create*")
    iam = client(sandbox, "iam")
    iam.create_user(UserName="first")
    with pytest.raises(ConnectionClosedError):
        iam.create_user(UserName="second")
    assert iam.get_user(UserName="second")["User"]["UserName"] == "second"


def test_propagation_hides_a_change_until_it_has_aged(sandbox):
    directory = sandbox.application.gateway.directory
    now = [1000.0]
    directory.clock = lambda: now[0]
    sandbox.set_faults(propagation=10)
    arn = new_role(sandbox, "fresh", trusting(WORKLOAD), allow("s3:ListAllMyBuckets"))
    keys = sandbox.credentials_for(WORKLOAD).arguments()
    sts = client(sandbox, "sts", **keys)
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="s3")[0] == "AccessDenied"
    iam = client(sandbox, "iam")
    code, text = refusal(
        iam.create_role, RoleName="trusting-fresh", AssumeRolePolicyDocument=trusting(arn)
    )
    assert (code, text) == (
        "MalformedPolicyDocument",
        f'Invalid principal in policy: "AWS":"{arn}"',
    )
    now[0] += 10.1
    sts.assume_role(RoleArn=arn, RoleSessionName="s3")
    iam.create_role(RoleName="trusting-fresh", AssumeRolePolicyDocument=trusting(arn))


def test_propagation_keeps_the_old_policy_in_force(sandbox):
    arn = new_role(sandbox, "changing", trusting(WORKLOAD))
    directory = sandbox.application.gateway.directory
    now = [1000.0]
    directory.clock = lambda: now[0]
    sandbox.set_faults(propagation=10)
    other = "arn:aws:iam::444455556666:role/other-cluster-role"
    client(sandbox, "iam").update_assume_role_policy(
        RoleName="changing", PolicyDocument=trusting(other)
    )
    sts = client(sandbox, "sts", **sandbox.credentials_for(WORKLOAD).arguments())
    sts.assume_role(RoleArn=arn, RoleSessionName="s3")
    now[0] += 10.1
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="s3")[0] == "AccessDenied"


@pytest.mark.slow
def test_kill_after_a_call_ends_the_process_with_the_call_kept(tmp_path):
    spawned = Sandbox.spawn(state=tmp_path, faults={"kill_after": 2, "only": "iam:Create*"})
    iam = client(spawned, "iam")
    iam.create_user(UserName="first")
    iam.create_user(UserName="second")
    with pytest.raises((EndpointConnectionError, ConnectionClosedError)):
        iam.create_user(UserName="third")
    assert spawned.process.wait(timeout=20) == 137
    spawned.stop()
    with Sandbox(state=tmp_path) as again:
        names = {user["UserName"] for user in client(again, "iam").list_users()["Users"]}
    assert names == {"first", "second"}


def test_kill_is_refused_where_it_would_end_the_callers_own_process(sandbox):
    with pytest.raises(ServiceError, match="its own process"):
        sandbox.set_faults(kill_after=1)
    with pytest.raises(InputError, match="its own process"):
        Sandbox(faults={"kill_after": 1}).start()


@pytest.mark.parametrize(
    ("fault", "hint"),
    [
        ({"trottle": 1}, "is not a fault"),
        ({"throttle": 1.5}, "share of the calls"),
        ({"throttle": "much"}, "must be a number"),
        ({"lose_answer": -1}, "must be a number"),
        ({"only": 3}, "must be a pattern"),
        ({"rates": "iam=5"}, "rates must be classes"),
        ({"rates": "iam:read=0/5"}, "rates must be classes"),
        ({"rates": "iam:read=fast"}, "rates must be classes"),
        ({"rates": 5}, "rates must be classes"),
        ({"latency": -1}, "must be a number"),
    ],
)
def test_fault_that_cannot_be_used_is_refused_by_name(fault, hint):
    with pytest.raises(InputError, match=hint):
        Sandbox(faults=fault)


def test_calls_are_listed_with_caller_and_answer(sandbox):
    sandbox.forget_calls()
    keys = sandbox.credentials_for(WORKLOAD).arguments()
    client(sandbox, "sts", **keys).get_caller_identity()
    refusal(client(sandbox, "iam", **keys).list_roles)
    found = [
        (call["service"], call["action"], call["account"], call["status"], call["error"])
        for call in sandbox.calls()
    ]
    assert found == [
        ("sts", "GetCallerIdentity", "444455556666", 200, None),
        ("iam", "ListRoles", "444455556666", 403, "AccessDenied"),
    ]
