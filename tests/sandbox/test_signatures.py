"""What a signature must cover and a URL signed ahead must have, with S3's answers.

Sources: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import http.client
import re
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from rwlib.sandbox.server.server import Sandbox
from tests.support.sandbox_clients import CUSTOMER, client

PATH = "/acme-analytics/signed"
KEYS = Credentials(CUSTOMER, "test")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        client(running, "s3").put_object(Bucket="acme-analytics", Key="signed", Body=b"1")
        yield running


def send(sandbox, method, target, headers=(), body=b""):
    parts = urlsplit(sandbox.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.putrequest(method, target)
    for name, value in dict(headers).items():
        connection.putheader(name, value)
    connection.endheaders(body or None)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    found = re.search("<Code>(.*?)</Code>", text)
    return answer.status, found[1] if found else "", text


def signed_ahead(sandbox, method="GET", headers=(), expires=60):
    request = AWSRequest(method, sandbox.url + PATH, headers=dict(headers))
    S3SigV4QueryAuth(KEYS, "s3", "us-east-1", expires=expires).add_auth(request)
    return request.url.removeprefix(sandbox.url)


def signed_headers(sandbox, method="GET", body=b""):
    request = AWSRequest(method, sandbox.url + PATH, data=body)
    S3SigV4Auth(KEYS, "s3", "us-east-1").add_auth(request)
    return dict(request.headers.items())


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        *((name, "") for name in ("Algorithm", "Credential", "Date", "SignedHeaders", "Expires")),
        *(("Signature", ""), ("Algorithm", "AWS5"), ("Date", "yesterday"), ("Credential", "a/b")),
        *(("Expires", "soon"), ("Expires", "-5"), ("Expires", "604801")),
    ],
)
def test_url_signed_ahead_must_be_whole(sandbox, part, instead):
    target = signed_ahead(sandbox)
    replaced = f"X-Amz-{part}={instead}" if instead else "x-id=1"
    target = re.sub(rf"X-Amz-{part}=[^&]*", replaced, target)
    assert send(sandbox, "GET", target)[:2] == (400, "AuthorizationQueryParametersError")


def test_url_signed_ahead_is_good_for_what_was_signed(sandbox):
    target = signed_ahead(sandbox)
    assert send(sandbox, "GET", target)[0] == 200
    for other in (target.replace("/signed?", "/other?"), target + "&versionId=null"):
        assert send(sandbox, "GET", other)[:2] == (403, "SignatureDoesNotMatch")
    assert send(sandbox, "PUT", target, {"Content-Length": "0"})[1] == "SignatureDoesNotMatch"
    assert send(sandbox, "GET", signed_ahead(sandbox, expires=0))[1] == "AccessDenied"
    put = signed_ahead(sandbox, "PUT", {"x-amz-meta-a": "1"})
    changed = {"x-amz-meta-a": "2", "Content-Length": "0"}
    assert send(sandbox, "PUT", put, changed)[1] == "SignatureDoesNotMatch"
    assert send(sandbox, "PUT", put, {**changed, "x-amz-meta-a": "1"})[0] == 200


@pytest.mark.parametrize("ahead", [True, False])
def test_headers_of_s3_must_be_signed(sandbox, ahead):
    """Else whoever holds a URL could make the object public, or give it another key."""
    target = signed_ahead(sandbox) if ahead else PATH
    headers = {} if ahead else signed_headers(sandbox)
    status, code, text = send(sandbox, "GET", target, {**headers, "x-amz-acl": "public-read"})
    assert (status, code) == (403, "AccessDenied")
    assert "<HeadersNotSigned>x-amz-acl</HeadersNotSigned>" in text
    assert send(sandbox, "GET", target, {**headers, "x-other": "1"})[0] == 200


def test_there_is_one_way_to_sign(sandbox):
    headers = signed_headers(sandbox)
    assert send(sandbox, "GET", signed_ahead(sandbox), headers)[:2] == (400, "InvalidArgument")
    basic = {**headers, "Authorization": "Basic dXNlcjpwYXNz"}
    status, code, text = send(sandbox, "GET", PATH, basic)
    assert (status, code) == (400, "InvalidArgument")
    assert "Unsupported Authorization Type" in text


def test_content_must_say_how_long_it_is(sandbox):
    headers = signed_headers(sandbox, "PUT")
    assert send(sandbox, "PUT", PATH, headers)[:2] == (411, "MissingContentLength")
    assert send(sandbox, "PUT", PATH, {**headers, "Content-Length": "0"})[0] == 200
