"""Signatures are really checked; tokens expire and cannot be forged."""

from __future__ import annotations

import urllib.error
import urllib.request

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from rwlib.errors import ServiceError
from rwlib.sandbox.aws.session_tokens import account_of_access_key, new_access_key_id
from rwlib.sandbox.server.server import Sandbox
from tests.support.sandbox_clients import CUSTOMER, WORKLOAD, client, refusal


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


def fetch(url: str, **headers: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=30
        ) as found:
            return found.status, found.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def presigned(sandbox, version: str, seconds: int = 60, key: str = "finance/payroll.csv") -> str:
    s3 = boto3.client(
        "s3",
        endpoint_url=sandbox.url,
        region_name="us-east-1",
        aws_access_key_id=CUSTOMER,
        aws_secret_access_key="test",
        config=Config(signature_version=version, s3={"addressing_style": "path"}),
    )
    return s3.generate_presigned_url(
        "get_object", Params={"Bucket": "acme-analytics", "Key": key}, ExpiresIn=seconds
    )


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_url_is_good(sandbox, version):
    assert fetch(presigned(sandbox, version)) == (200, b"name,amount\n")


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_url_is_refused_when_it_was_changed(sandbox, version):
    url = presigned(sandbox, version).replace("payroll.csv", "salaries.csv")
    status, body = fetch(url)
    assert status == 403
    assert b"<Code>SignatureDoesNotMatch</Code>" in body


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_url_is_refused_when_it_has_expired(sandbox, version):
    status, body = fetch(presigned(sandbox, version, seconds=-10))
    assert status in (400, 403)
    assert b"expired" in body or b"X-Amz-Expires" in body


@pytest.mark.parametrize(
    "key", ["with space", "plus+sign", "ünïcode/ß", "per%cent", "a=b&c", "tilde~'()*!", "//double"]
)
def test_signature_holds_for_any_key(sandbox, key):
    s3 = client(sandbox, "s3")
    s3.put_object(Bucket="acme-analytics", Key=key, Body=b"here")
    found = s3.get_object(Bucket="acme-analytics", Key=key)["Body"].read()
    listed = s3.list_objects_v2(Bucket="acme-analytics", Prefix=key)["Contents"]
    assert (found, [entry["Key"] for entry in listed]) == (b"here", [key])


def test_signature_is_refused_when_the_body_was_changed(sandbox):
    url = f"{sandbox.url}/"
    request = AWSRequest("POST", url, data=b"Action=GetCallerIdentity&Version=2011-06-15")
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    SigV4Auth(Credentials(CUSTOMER, "test"), "sts", "us-east-1").add_auth(request)
    changed = urllib.request.Request(
        url,
        data=b"Action=GetSessionToken&Version=2011-06-15",
        headers=dict(request.headers),
        method="POST",
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(changed, timeout=30)
    assert caught.value.code == 403
    assert b"<Code>SignatureDoesNotMatch</Code>" in caught.value.read()


def test_signature_is_refused_when_it_is_old(sandbox, monkeypatch):
    import rwlib.sandbox.aws.caller as caller

    now = caller.time.time
    monkeypatch.setattr(caller.time, "time", lambda: now() + 3600)
    code, text = refusal(client(sandbox, "sts").get_caller_identity)
    assert code == "SignatureDoesNotMatch"
    assert text.startswith("Signature expired: ")
    assert refusal(client(sandbox, "s3").list_buckets)[0] == "RequestTimeTooSkewed"


def test_root_key_with_another_secret_is_refused(sandbox):
    keys = {"aws_access_key_id": CUSTOMER, "aws_secret_access_key": "Test"}
    assert refusal(client(sandbox, "sts", **keys).get_caller_identity)[0] == "SignatureDoesNotMatch"


def test_session_expires(sandbox):
    keys = sandbox.credentials_for(WORKLOAD, duration=-1).arguments()
    assert refusal(client(sandbox, "sts", **keys).get_caller_identity) == (
        "ExpiredToken",
        "The security token included in the request is expired",
    )
    assert refusal(client(sandbox, "s3", **keys).list_buckets) == (
        "ExpiredToken",
        "The provided token has expired.",
    )
    assert refusal(client(sandbox, "kms", **keys).list_keys)[0] == "ExpiredTokenException"


def test_session_token_of_another_sandbox_is_unknown(sandbox):
    with Sandbox() as other:
        keys = other.credentials_for(WORKLOAD).arguments()
    code, _ = refusal(client(sandbox, "sts", **keys).get_caller_identity)
    assert code == "InvalidClientTokenId"


def test_session_token_that_was_changed_is_unknown(sandbox):
    keys = sandbox.credentials_for(WORKLOAD).arguments()
    token = keys["aws_session_token"]
    keys["aws_session_token"] = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    code, _ = refusal(client(sandbox, "sts", **keys).get_caller_identity)
    assert code == "InvalidClientTokenId"


def test_credentials_for_a_role_that_is_not_there_are_refused(sandbox):
    with pytest.raises(ServiceError, match="there is no role"):
        sandbox.credentials_for(f"arn:aws:iam::{CUSTOMER}:role/none")


def test_credentials_as_service_ask_the_trust_policy(sandbox):
    iam = client(sandbox, "iam")
    trust = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":'
        '{"Service":"redshift.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
    )
    arn = iam.create_role(RoleName="copy", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    assert sandbox.credentials_as_service("redshift.amazonaws.com", arn).access_key_id
    with pytest.raises(ServiceError, match="not authorized"):
        sandbox.credentials_as_service("glue.amazonaws.com", arn)


@pytest.mark.parametrize("account", ["000000000001", "111122223333", "999999999999"])
def test_access_key_id_carries_its_account(account):
    assert account_of_access_key(new_access_key_id("ASIA", account)) == account


def test_anonymous_call_of_sts_is_refused(sandbox):
    status, body = fetch(f"{sandbox.url}/?Action=GetCallerIdentity&Version=2011-06-15")
    assert status == 403
    assert b"<Code>MissingAuthenticationToken</Code>" in body
