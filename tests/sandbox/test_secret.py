"""A sandbox with a secret of its own lets in nobody who does not know it."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError

from rwlib.cloud import Cloud
from rwlib.errors import RunbookError, ServiceError
from rwlib.sandbox import CUSTOMER, Endpoint, Sandbox

SECRET = "a-secret-of-this-learner"
CLUSTER_ID = "019d023e-68a6-74db-b73c-e18859fc5171"


@pytest.fixture(scope="module")
def guarded():
    with Sandbox(secret=SECRET) as running:
        yield running


def iam(url, secret):
    return boto3.client(
        "iam",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=CUSTOMER,
        aws_secret_access_key=secret,
    )


def test_aws_answers_only_who_signs_with_the_secret(guarded):
    assert iam(guarded.url, SECRET).list_roles()["Roles"] is not None
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        iam(guarded.url, "test").list_roles()


@pytest.mark.parametrize("secret", ["", "another"])
def test_own_interfaces_refuse_who_does_not_know_the_secret(guarded, secret):
    stranger = Endpoint(guarded.url, secret=secret)
    with pytest.raises(ServiceError, match="token"):
        stranger.control("GET", "health")
    with pytest.raises(ServiceError, match="token"):
        stranger.switch("GET", f"clusters/{CLUSTER_ID}/log")
    with pytest.raises(ServiceError, match="token"):
        stranger.reset()
    assert guarded.control("GET", "health") == {"status": "ok"}


def test_risingwave_cloud_asks_for_the_secret_and_still_reaches_aws_itself(guarded):
    cloud = Cloud.from_environment(guarded.environment())
    cloud.add_allowed_role(CLUSTER_ID, f"arn:aws:iam::{CUSTOMER}:role/risingwave-s3-access")
    assert cloud.allowed_iam_roles(CLUSTER_ID).role_arns
    stranger = Cloud.from_environment(Endpoint(guarded.url).environment())
    with pytest.raises(RunbookError):
        stranger.allowed_iam_roles(CLUSTER_ID)


def test_postgres_which_knows_no_password_is_not_served(guarded):
    assert guarded.dsn == ""
