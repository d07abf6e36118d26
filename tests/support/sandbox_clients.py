"""boto3 clients of a sandbox, for its tests."""

from __future__ import annotations

import json
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from rwlib.sandbox.endpoint import Endpoint

CUSTOMER = "111122223333"
CLOUD = "444455556666"
THIRD = "777788889999"
WORKLOAD = f"arn:aws:iam::{CLOUD}:role/g1jk13sq56ejdref71h1cvokbh-role"
OTHER = f"arn:aws:iam::{CLOUD}:role/other-cluster-role"


def client(
    sandbox: Endpoint,
    service: str,
    account: str = CUSTOMER,
    region: str = "us-east-1",
    **keys: Any,
) -> Any:
    """A client as an account's root user, or with the keys given; it does not try again."""
    given = keys or {"aws_access_key_id": account, "aws_secret_access_key": "test"}
    config = Config(
        retries={"total_max_attempts": 1},
        parameter_validation=False,
        s3={"addressing_style": "path"},
    )
    return boto3.client(
        service, endpoint_url=sandbox.url, region_name=region, config=config, **given
    )


def document(*statements: dict[str, Any]) -> str:
    """A policy document's text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    """An Allow statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trusting(principal: Any, **more: Any) -> str:
    """A trust policy for one principal."""
    return document(
        {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", **more}
    )


def new_role(sandbox: Endpoint, name: str, trust: str, *statements: dict[str, Any]) -> str:
    """A role of the customer with an inline policy; gives its ARN."""
    iam = client(sandbox, "iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
    if statements:
        iam.put_role_policy(
            RoleName=name, PolicyName="inline", PolicyDocument=document(*statements)
        )
    return str(role["Arn"])


def session_keys(made: dict[str, Any]) -> dict[str, str]:
    """Keys of an STS answer."""
    found = made["Credentials"]
    return {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }


def refusal(call: Any, **arguments: Any) -> tuple[str, str]:
    """Code and message of the refusal that a call gets."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise AssertionError("the call was not refused")
