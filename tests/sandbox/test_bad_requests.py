"""Bad requests get errors in AWS's shape, and never break the sandbox."""

from __future__ import annotations

import contextlib
import json
import random
import re
import socket
import threading

import botocore.session
import pytest
import requests
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.aws.s3.operations import s3_operation
from rwlib.sandbox.server.server import Sandbox
from tests.support.sandbox_clients import CUSTOMER, client

KEYS = Credentials(CUSTOMER, "test")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def clients(sandbox):
    return {name: client(sandbox, name) for name in ("iam", "s3", "accessanalyzer")}


def signed(sandbox, method, path, service, body=b"", region="us-east-1", **headers):
    request = AWSRequest(method, sandbox.url + path, data=body, headers=headers)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(KEYS, service, region).add_auth(request)
    return requests.request(
        method,
        request.url,
        data=body,
        headers=dict(request.headers),
        timeout=30,
        allow_redirects=False,
    )


def is_aws_error(answer: requests.Response) -> bool:
    if answer.status_code < 300:
        return True
    if not answer.content:
        return answer.request.method == "HEAD" or answer.status_code < 400
    text = answer.text
    if re.search(r"<Error>.*<Code>\w+(\.\w+)?</Code><Message>.*</Message>", text, re.DOTALL):
        return True
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return "message" in found and ("__type" in found or "code" in found)


def exchange(sandbox, raw: bytes) -> bytes:
    """Send bytes as they are, and read what comes back until the connection ends."""
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        parts = []
        while True:
            try:
                part = connection.recv(65536)
            except ConnectionResetError:
                break
            if not part:
                break
            parts.append(part)
        return b"".join(parts)


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"\x00\x01\x02\x03\xff\xfe\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + b"\r\n",
        b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: nonsense\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://elsewhere.example/bucket/key HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_garbage_on_the_wire_gets_an_error_of_aws(sandbox, raw):
    answer = exchange(sandbox, raw)
    if answer:
        assert b"<Code>" in answer, answer[:300]
        assert b"<html" not in answer.lower()
    assert sandbox.control("GET", "health") == {"status": "ok"}


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/acme-analytics/../../../../etc/passwd",
        "/acme-analytics/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "//etc/passwd",
        "/_sandbox",
        "/_rwc",
        "/moto-api/reset",
        "/moto-api/data.json",
        "/latest/meta-data/iam/security-credentials/",
        "/acme-analytics/%00",
        "/acme-analytics/" + "k" * 2000,
        "/%ff%fe/%ff",
        "/acme-analytics?acl&policy&uploads",
        "/acme-analytics/x?uploadId=nonsense",
        "/acme-analytics?list-type=2&max-keys=nonsense",
        "/acme-analytics?list-type=2&continuation-token=nonsense",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST", "HEAD"])
def test_path_tricks_get_an_error_of_aws(sandbox, method, path):
    answer = signed(sandbox, method, path, "s3", b"x" if method in ("PUT", "POST") else b"")
    assert is_aws_error(answer), (answer.status_code, answer.text[:300])
    assert answer.status_code != 500, answer.text[:300]
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    ("service", "target"),
    [("dynamodb", "DynamoDB_20120810.ListTables"), ("ec2", ""), ("nonsense", ""), ("../x", "")],
)
def test_unknown_service_gets_an_error_of_aws(sandbox, service, target):
    answer = signed(sandbox, "POST", "/", service, b"{}", **{"X-Amz-Target": target})
    assert is_aws_error(answer)
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    ("service", "headers", "body"),
    [
        ("iam", {"Content-Type": "application/x-www-form-urlencoded"}, b"Action=NoSuch"),
        ("iam", {"Content-Type": "application/x-www-form-urlencoded"}, b"\xff\xfe\x00"),
        ("iam", {"Content-Type": "application/x-www-form-urlencoded"}, b"Action=CreateRole"),
        (
            "iam",
            {"Content-Type": "application/x-www-form-urlencoded"},
            b"Action=TagRole&RoleName=x&Tags.member.1.Key.a.b.c=1&Tags.member.x=2&Tags=3",
        ),
        ("sts", {"Content-Type": "application/x-www-form-urlencoded"}, b"Action=AssumeRole"),
        ("kms", {"X-Amz-Target": "TrentService.Encrypt"}, b"not json"),
        ("kms", {"X-Amz-Target": "TrentService.Encrypt"}, b"[]"),
        ("kms", {"X-Amz-Target": "TrentService.Encrypt"}, b'{"KeyId": 5, "Plaintext": {}}'),
        ("kms", {"X-Amz-Target": "TrentService.NoSuch"}, b"{}"),
        ("kms", {"X-Amz-Target": "TrentService.Decrypt"}, b'{"CiphertextBlob": "%%%"}'),
        ("glue", {"X-Amz-Target": "AWSGlue.GetTable"}, b'{"DatabaseName": [], "Name": {}}'),
        ("redshift-serverless", {"X-Amz-Target": "RedshiftServerless.Nope"}, b"{}"),
        ("access-analyzer", {}, b"[" * 100_000),
    ],
)
def test_bad_body_gets_an_error_of_aws(sandbox, service, headers, body):
    path = "/policy/validation" if service == "access-analyzer" else "/"
    answer = signed(sandbox, "POST", path, service, body, **headers)
    assert is_aws_error(answer), answer.text[:300]
    assert 400 <= answer.status_code < 500, answer.text[:300]


@pytest.mark.parametrize(
    "header",
    [
        "nonsense",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=a/20260101//s3/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, Signature=0",
        "AWS a:b",
        "Bearer token",
    ],
)
def test_bad_authorization_gets_an_error_of_aws(sandbox, header):
    answer = requests.get(
        f"{sandbox.url}/acme-analytics/finance/payroll.csv",
        headers={"Authorization": header},
        timeout=30,
    )
    assert is_aws_error(answer)
    assert answer.status_code in (400, 403)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    path=st.text(st.characters(blacklist_categories=["Cs"]), max_size=30),
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
    body=st.binary(max_size=200),
)
def test_any_request_to_s3_gets_an_answer_of_aws(sandbox, method, path, query, body):
    safe = requests.utils.quote(path.encode(), safe="/")
    url = f"/{safe}?{requests.utils.quote(query, safe='=&')}"
    answer = signed(sandbox, method, url, "s3", body)
    assert is_aws_error(answer), (answer.status_code, answer.text[:300])


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    document=st.text(max_size=80)
    | st.recursive(
        st.none() | st.booleans() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "Version",
                        "Statement",
                        "Effect",
                        "Action",
                        "Resource",
                        "Principal",
                        "Condition",
                        "Sid",
                        "AWS",
                        "x",
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    ).map(json.dumps)
)
def test_any_policy_document_gets_an_answer_of_aws(clients, document):
    iam, s3, analyzer = clients["iam"], clients["s3"], clients["accessanalyzer"]
    calls = (
        lambda: iam.create_role(RoleName="fuzz", AssumeRolePolicyDocument=document),
        lambda: iam.create_policy(PolicyName="fuzz", PolicyDocument=document),
        lambda: s3.put_bucket_policy(Bucket="acme-analytics", Policy=document),
        lambda: analyzer.validate_policy(policyDocument=document, policyType="IDENTITY_POLICY"),
    )
    statuses = []
    for call in calls:
        try:
            call()
        except iam.exceptions.ClientError as error:
            statuses.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
    assert [status for status in statuses if status >= 500] == []


@pytest.mark.slow
def test_a_thousand_requests_of_eight_clients_get_the_right_verdicts():
    """Each client is its own account, and asks for its own and for another's bucket."""
    accounts = [f"{number}" * 12 for number in range(1, 9)]
    wrong: list[str] = []
    with Sandbox(seed=False) as sandbox:
        for account in accounts:
            s3 = client(sandbox, "s3", account)
            s3.create_bucket(Bucket=f"bucket-{account}")
            s3.put_object(Bucket=f"bucket-{account}", Key="mine", Body=account.encode())

        def ask(account: str) -> None:
            s3, iam = client(sandbox, "s3", account), client(sandbox, "iam", account)
            sts, order = client(sandbox, "sts", account), random.Random(account)
            for number in range(125):
                whose = order.choice(accounts)
                try:
                    body = s3.get_object(Bucket=f"bucket-{whose}", Key="mine")["Body"].read()
                    verdict = body.decode()
                except s3.exceptions.ClientError as error:
                    verdict = error.response["Error"]["Code"]
                if verdict != (account if whose == account else "AccessDenied"):
                    wrong.append(f"{account} asked {whose}: {verdict}")
                if number % 25 == 0:
                    iam.create_user(UserName=f"user-{number}")
                    users = [user["Arn"] for user in iam.list_users()["Users"]]
                    if not all(f"::{account}:" in arn for arn in users):
                        wrong.append(f"{account} saw {users}")
                if number % 10 == 0 and sts.get_caller_identity()["Account"] != account:
                    wrong.append(f"{account} is somebody else")

        threads = [threading.Thread(target=ask, args=(account,)) for account in accounts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        calls = sandbox.calls()
    assert wrong == []
    assert sum(call["action"] == "GetObject" for call in calls) == 1000
    assert {call["status"] for call in calls} == {200, 403}


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/nobodys-bucket", "/acme-analytics", "/acme-analytics/key"])
def test_request_without_a_signature_is_refused(sandbox, method, path):
    answer = requests.request(method, sandbox.url + path, timeout=30)
    assert is_aws_error(answer)
    assert 400 <= answer.status_code < 500, answer.text


def s3_parts() -> list[tuple[str, bool, str]]:
    """Every method on every part of a bucket and of an object that S3's model has."""
    model = botocore.session.get_session().get_service_model("s3")
    uris = {model.operation_model(name).http["requestUri"] for name in model.operation_names}
    parts = {("{Key" in uri, name) for uri in uris for name in uri.partition("?")[2].split("&")}
    return [
        (method, at_object, name)
        for at_object, name in sorted(parts)
        for method in ("GET", "PUT", "POST", "DELETE")
        if name and "=" not in name
    ]


def test_a_part_is_another_operation_than_the_whole():
    wholes = {"CreateBucket", "DeleteBucket", "ListObjects", "GetObject", "PutObject"}
    wholes |= {"DeleteObject", "CopyObject"}
    for method, at_object, name in s3_parts():
        path = "/parts/kept" if at_object else "/parts"
        request = AwsRequest(method, path, [(name, "")], {}, b"", {}, None)
        with contextlib.suppress(AwsError):
            assert s3_operation(request).name not in wholes, f"{method} {path}?{name}"


@pytest.mark.long
def test_a_part_is_never_taken_for_the_whole(sandbox):
    """``DELETE ?annotation`` deletes no object, ``PUT ?torrent`` writes none, GET reads none."""
    s3 = client(sandbox, "s3")
    s3.create_bucket(Bucket="parts")
    s3.create_bucket(Bucket="parts-empty")
    s3.put_object(Bucket="parts", Key="kept", Body=b"whole")
    wrong = []
    for method, at_object, name in s3_parts():
        path = "/parts/kept" if at_object else "/parts-empty"
        answer = signed(sandbox, method, f"{path}?{name}", "s3")
        whole = answer.text == "whole" or "<ListBucketResult" in answer.text
        if whole or not is_aws_error(answer):
            wrong.append(f"{method} {path}?{name}: {answer.status_code} {answer.text[:80]}")
        if s3.get_object(Bucket="parts", Key="kept")["Body"].read() != b"whole":
            wrong.append(f"{method} {path}?{name} wrote")
        if signed(sandbox, "HEAD", "/parts-empty", "s3").status_code != 200:
            wrong.append(f"{method} {path}?{name} deleted the bucket")
            s3.create_bucket(Bucket="parts-empty")
    assert wrong == []
