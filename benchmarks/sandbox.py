"""The sandbox beside plain moto's server: the same calls, side by side.

Both run as child processes. Calls alternate between the two, so that whatever else the machine
does hits both; the median of each is printed, and their ratio.

Usage: python benchmarks/sandbox.py [--pairs N]
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config

from rwlib.sandbox.server.server import Sandbox

ACCOUNT = "123456789012"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "sts:AssumeRole",
        }
    ],
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
STARTS = 5


@contextmanager
def plain_moto():
    """Plain moto's server in a child process, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    child = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.005)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait()


def clients(url: str, keys: dict[str, str]) -> dict[str, Any]:
    """A client of each service."""
    config = Config(retries={"max_attempts": 0})
    made = {
        name: boto3.client(name, endpoint_url=url, region_name="us-east-1", config=config, **keys)
        for name in ("s3", "iam", "sts", "kms")
    }
    return made


def prepare(url: str) -> dict[str, Any]:
    """The same things at both ends; the clients are a user's with full access."""
    root = clients(url, {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": "test"})
    iam = root["iam"]
    iam.create_user(UserName="bench")
    iam.put_user_policy(UserName="bench", PolicyName="all", PolicyDocument=json.dumps(POLICY))
    key = iam.create_access_key(UserName="bench")["AccessKey"]
    iam.create_role(RoleName="bench", AssumeRolePolicyDocument=json.dumps(TRUST))
    user = clients(
        url,
        {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]},
    )
    user["s3"].create_bucket(Bucket="bench-bucket")
    for number in range(20):
        user["s3"].put_object(Bucket="bench-bucket", Key=f"p/{number}", Body=b"x" * 1000)
    user["key"] = user["kms"].create_key()["KeyMetadata"]["KeyId"]
    return user


CALLS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "s3 GetObject": lambda c: c["s3"].get_object(Bucket="bench-bucket", Key="p/1")["Body"].read(),
    "s3 HeadObject": lambda c: c["s3"].head_object(Bucket="bench-bucket", Key="p/1"),
    "s3 PutObject": lambda c: c["s3"].put_object(Bucket="bench-bucket", Key="n", Body=b"x" * 1000),
    "s3 ListObjectsV2": lambda c: c["s3"].list_objects_v2(Bucket="bench-bucket", Prefix="p/"),
    "s3 HeadBucket": lambda c: c["s3"].head_bucket(Bucket="bench-bucket"),
    "iam GetRole": lambda c: c["iam"].get_role(RoleName="bench"),
    "iam ListRolePolicies": lambda c: c["iam"].list_role_policies(RoleName="bench"),
    "iam UpdateAssumeRolePolicy": lambda c: c["iam"].update_assume_role_policy(
        RoleName="bench", PolicyDocument=json.dumps(TRUST)
    ),
    "sts GetCallerIdentity": lambda c: c["sts"].get_caller_identity(),
    "sts AssumeRole": lambda c: c["sts"].assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/bench", RoleSessionName="bench"
    ),
    "kms DescribeKey": lambda c: c["kms"].describe_key(KeyId=c["key"]),
    "kms GenerateDataKey": lambda c: c["kms"].generate_data_key(KeyId=c["key"], KeySpec="AES_256"),
}


def timed(call: Callable[[], Any]) -> float:
    """Seconds one call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def start_time(url_of: Callable[[], Any]) -> float:
    """Seconds until a server just started has answered a call."""
    begin = time.perf_counter()
    with url_of() as server:
        url = server if isinstance(server, str) else server.url
        sts = clients(url, {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": "test"})["sts"]
        sts.get_caller_identity()
        return time.perf_counter() - begin


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    pairs = parser.parse_args().pairs
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    with Sandbox.spawn(seed=False) as sandbox, plain_moto() as moto:
        ours, theirs = prepare(sandbox.url), prepare(moto)
        print(f"{'call':28} {'sandbox':>9} {'moto':>9} {'ratio':>6}   ({pairs} pairs, median)")
        for name, call in CALLS.items():
            times: tuple[list[float], list[float]] = ([], [])
            for ends in (ours, theirs):
                call(ends)
            for _ in range(pairs):
                for found, ends in zip(times, (ours, theirs), strict=True):
                    found.append(timed(lambda ends=ends, call=call: call(ends)))
            mine, plain = (statistics.median(found) * 1000 for found in times)
            print(f"{name:28} {mine:6.2f} ms {plain:6.2f} ms {mine / plain:6.2f}")
    starts = [(start_time(lambda: Sandbox.spawn()), start_time(plain_moto)) for _ in range(STARTS)]
    mine, plain = (statistics.median(found) for found in zip(*starts, strict=True))
    print(f"{'start to first answer':28} {mine:6.2f} s  {plain:6.2f} s  +{mine - plain:.2f} s")


if __name__ == "__main__":
    main()
