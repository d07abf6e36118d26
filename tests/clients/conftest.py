"""A sandbox of its own process, a role that may use one prefix, and its keys."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rwlib.sandbox.server.server import Sandbox
from tests.clients.names import names_under_localhost
from tests.support.sandbox_clients import (
    CUSTOMER,
    WORKLOAD,
    allow,
    client,
    new_role,
    trusting,
)

BUCKET = "acme-analytics"
PREFIX = "clients"
REGION = "us-east-1"


@dataclass(frozen=True)
class Place:
    """Where a client is to work, and as whom."""

    url: str
    key: str
    secret: str
    token: str
    bucket: str = BUCKET
    prefix: str = PREFIX
    region: str = REGION
    virtual: bool = False
    proxy: str = ""


@pytest.fixture(scope="package")
def sandbox():
    with Sandbox.spawn() as running:
        yield running


@pytest.fixture(scope="package")
def place(sandbox):
    inside = f"arn:aws:s3:::{BUCKET}/{PREFIX}/*"
    objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    # IfExists: a HEAD of a key that is not there has no prefix, and clients look before they write.
    listing = {"StringLikeIfExists": {"s3:prefix": [PREFIX, f"{PREFIX}/*"]}}
    new_role(
        sandbox,
        "clients",
        trusting(WORKLOAD),
        allow(objects, inside),
        allow(["s3:GetBucketLocation"], f"arn:aws:s3:::{BUCKET}"),
        allow(["s3:ListBucket"], f"arn:aws:s3:::{BUCKET}", Condition=listing),
    )
    keys = sandbox.credentials_for(f"arn:aws:iam::{CUSTOMER}:role/clients")
    client(sandbox, "s3").put_object(Bucket=BUCKET, Key="elsewhere/there", Body=b"secret")
    return Place(sandbox.url, keys.access_key_id, keys.secret_access_key, keys.session_token)


@pytest.fixture(scope="package")
def names():
    """The proxy that knows names under localhost, and the names that it was asked for."""
    with names_under_localhost() as found:
        yield found
