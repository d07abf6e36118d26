"""Answers that real clients rely on: deletes, versions, forms, details, findings, versions."""

from __future__ import annotations

import gzip
import json
import socket
from importlib.resources import files
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from rwlib.sandbox.server.server import Sandbox
from tests.support.sandbox_clients import (
    CLOUD,
    CUSTOMER,
    WORKLOAD,
    allow,
    client,
    document,
    new_role,
    refusal,
    trusting,
)

BUCKET = "acme-analytics"


@pytest.fixture(autouse=True)
def names_of_this_machine(monkeypatch):
    """Not every system's resolver knows the names under localhost (RFC 6761 wants them all)."""
    real = socket.getaddrinfo

    def resolve(host, *more, **options):
        name = "127.0.0.1" if str(host).endswith(".localhost") else host
        return real(name, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


def virtual(sandbox, **keys):
    """A client that puts the bucket into the host name."""
    given = keys or {"aws_access_key_id": CUSTOMER, "aws_secret_access_key": "test"}
    made = boto3.client(
        "s3",
        endpoint_url=sandbox.url.replace("127.0.0.1", "localhost"),
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "virtual"}, retries={"total_max_attempts": 1}),
        **given,
    )
    return made


@pytest.mark.parametrize("make", [client, None], ids=["path", "virtual"])
def test_delete_objects_deletes(sandbox, make):
    s3 = client(sandbox, "s3") if make else virtual(sandbox)
    keys = [f"gone/{index}" for index in range(3)]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})
    assert [entry["Key"] for entry in answer["Deleted"]] == keys
    assert "Contents" not in client(sandbox, "s3").list_objects_v2(Bucket=BUCKET, Prefix="gone/")


def test_delete_objects_of_a_virtual_host_reports_what_is_refused(sandbox):
    new_role(
        sandbox,
        "deletes-some",
        trusting(WORKLOAD),
        allow(["s3:DeleteObject"], f"arn:aws:s3:::{BUCKET}/mine/*"),
    )
    keys = sandbox.credentials_for(f"arn:aws:iam::{CUSTOMER}:role/deletes-some").arguments()
    owner = client(sandbox, "s3")
    for key in ("mine/1", "other/1"):
        owner.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    answer = virtual(sandbox, **keys).delete_objects(
        Bucket=BUCKET, Delete={"Objects": [{"Key": "mine/1"}, {"Key": "other/1"}]}
    )
    assert [entry["Key"] for entry in answer["Deleted"]] == ["mine/1"]
    assert [entry["Code"] for entry in answer["Errors"]] == ["AccessDenied"]
    left = owner.list_objects_v2(Bucket=BUCKET, Prefix="other/")["Contents"]
    assert [entry["Key"] for entry in left] == ["other/1"]


def test_versions_are_named_only_where_there_are_versions(sandbox):
    s3 = client(sandbox, "s3")
    for name, status in (("plain-versions", None), ("with-versions", "Enabled")):
        s3.create_bucket(Bucket=name)
        if status:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
        put = s3.put_object(Bucket=name, Key="k", Body=b"1")
        upload = s3.create_multipart_upload(Bucket=name, Key="m")["UploadId"]
        part = s3.upload_part(Bucket=name, Key="m", UploadId=upload, PartNumber=1, Body=b"1")
        done = s3.complete_multipart_upload(
            Bucket=name,
            Key="m",
            UploadId=upload,
            MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
        )
        copy = s3.copy_object(Bucket=name, Key="c", CopySource=f"{name}/k")
        got = s3.get_object(Bucket=name, Key="m")
        head = s3.head_object(Bucket=name, Key="k")
        assert head["ContentLength"] == 1
        for answer in (put, done, copy, got, head):
            assert ("VersionId" in answer) == (status is not None)


def test_account_details_name_each_policy(sandbox):
    iam = client(sandbox, "iam")
    made = iam.create_policy(PolicyName="named", PolicyDocument=document(allow("s3:*")))["Policy"]
    found = {p["Arn"]: p for p in iam.get_account_authorization_details()["Policies"]}
    assert found[made["Arn"]]["PolicyName"] == "named"
    assert found[made["Arn"]]["PolicyId"] == made["PolicyId"]


def test_policy_documents_come_back_as_they_were_written(sandbox):
    """IAM encodes them in every answer, and clients decode them, per cent signs and all."""
    iam = client(sandbox, "iam", CUSTOMER)
    own = document(allow("s3:GetObject", f'arn:aws:s3:::{BUCKET}/a%20b+c/100%/<é>&"*'))
    trust = trusting("*", Condition={"StringEquals": {"sts:ExternalId": "a%20b+c"}})
    iam.create_role(RoleName="percent", AssumeRolePolicyDocument=trust)
    arn = iam.create_policy(PolicyName="percent", PolicyDocument=own)["Policy"]["Arn"]
    iam.put_role_policy(RoleName="percent", PolicyName="in", PolicyDocument=own)
    roles = {each["RoleName"]: each for each in iam.list_roles()["Roles"]}
    details = iam.get_account_authorization_details()
    role = next(each for each in details["RoleDetailList"] if each["RoleName"] == "percent")
    policy = next(each for each in details["Policies"] if each["Arn"] == arn)
    version = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    asked = {"RoleName": "percent"}
    inline = iam.get_role_policy(**asked, PolicyName="in")
    described = iam.update_role_description(**asked, Description="x")["Role"]
    for found in (roles["percent"], role, described, iam.get_role(**asked)["Role"]):
        assert found["AssumeRolePolicyDocument"] == json.loads(trust)
    kept = policy["PolicyVersionList"][0]["Document"], role["RolePolicyList"][0]["PolicyDocument"]
    assert [*kept, version["Document"], inline["PolicyDocument"]] == [json.loads(own)] * 4


def test_select_is_answered_as_to_an_account_that_never_used_it(sandbox):
    s3 = client(sandbox, "s3")
    s3.put_object(Bucket=BUCKET, Key="table.csv", Body=b"a\n1\n")
    code = refusal(
        s3.select_object_content,
        Bucket=BUCKET,
        Key="table.csv",
        Expression="select * from s3object",
        ExpressionType="SQL",
        InputSerialization={"CSV": {}},
        OutputSerialization={"CSV": {}},
    )
    assert "MethodNotAllowed" in str(code)


def test_every_action_of_iam_is_known_to_validate_policy(sandbox):
    packed = files("rwlib").joinpath("data", "iam_actions.json.gz").read_bytes()
    services = json.loads(gzip.decompress(packed))["services"]
    analyzer = client(sandbox, "accessanalyzer")

    def errors(actions):
        text = document(allow(actions))
        found = analyzer.validate_policy(policyDocument=text, policyType="IDENTITY_POLICY")
        kinds = ("INVALID_ACTION", "INVALID_SERVICE_IN_ACTION")
        return [entry for entry in found["findings"] if entry["issueCode"] in kinds]

    for service in ("s3", "glue", "iam", "kms", "access-analyzer", "sts", "redshift"):
        assert errors([f"{service}:{name}" for name in services[service]]) == []
    assert errors([f"{service}:*" for service in services]) == []
    assert len(errors(["s3:GetObjekt", "glue:GetTabel", "accessanalyzer:ValidatePolicy"])) == 3


# --- forms ----------------------------------------------------------------------------------


def post(sandbox, fields, content=b"content", **headers):
    return requests.post(
        f"{sandbox.url}/{BUCKET}",
        data=fields,
        files={"file": ("report.csv", content)},
        headers=headers,
        timeout=20,
        allow_redirects=False,
    )


def signed_form(
    sandbox, key="form/${filename}", fields=None, conditions=None, version="s3v4", **keys
):
    given = keys or {"aws_access_key_id": CUSTOMER, "aws_secret_access_key": "test"}
    s3 = boto3.client(
        "s3",
        endpoint_url=sandbox.url,
        region_name="us-east-1",
        config=Config(signature_version=version, s3={"addressing_style": "path"}),
        **given,
    )
    made = s3.generate_presigned_post(
        BUCKET, key, Fields=fields, Conditions=conditions, ExpiresIn=600
    )
    return made["fields"]


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_form_stores_its_file(sandbox, version):
    answer = post(sandbox, signed_form(sandbox, version=version))
    assert answer.status_code == 204, answer.text
    found = client(sandbox, "s3").get_object(Bucket=BUCKET, Key="form/report.csv")
    assert found["Body"].read() == b"content"
    typed = signed_form(
        sandbox,
        "form/typed",
        {"Content-Type": "text/csv", "success_action_status": "201"},
        [{"Content-Type": "text/csv"}, {"success_action_status": "201"}],
    )
    answer = post(sandbox, typed)
    assert answer.status_code == 201
    assert "<Key>form/typed</Key>" in answer.text
    assert client(sandbox, "s3").head_object(Bucket=BUCKET, Key="form/typed")["ContentType"] == (
        "text/csv"
    )


def test_form_is_refused_where_its_policy_or_its_signer_does_not_allow_it(sandbox):
    def code(fields, content=b"content"):
        answer = post(sandbox, fields, content)
        return answer.status_code, answer.text.partition("<Code>")[2].partition("<")[0]

    right = signed_form(sandbox, "form/refused")
    assert code({**right, "x-amz-signature": "0" * 64}) == (403, "SignatureDoesNotMatch")
    assert code({**right, "key": "other/key"}) == (403, "AccessDenied")
    assert code({**right, "x-amz-meta-more": "1"}) == (403, "AccessDenied")
    assert code({**right, "policy": "e30"}) == (400, "InvalidPolicyDocument")
    small = signed_form(sandbox, "form/refused", None, [["content-length-range", 1, 3]])
    assert code(small) == (400, "EntityTooLarge")
    new_role(sandbox, "no-forms", trusting(WORKLOAD), allow("s3:GetObject"))
    keys = sandbox.credentials_for(f"arn:aws:iam::{CUSTOMER}:role/no-forms").arguments()
    assert code(signed_form(sandbox, "form/refused", **keys)) == (403, "AccessDenied")
    assert code({"key": "form/refused"}) == (403, "AccessDenied")
    assert "Contents" not in client(sandbox, "s3").list_objects_v2(
        Bucket=BUCKET, Prefix="form/refused"
    )


# --- the connection -------------------------------------------------------------------------


def speak(sandbox, *pieces, shut=False):
    parts = urlsplit(sandbox.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if shut:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_continue_is_said_once_and_not_to_what_is_too_large(sandbox):
    head = b"PUT /acme-analytics/x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
    close = b"Connection: close\r\n"
    answer = speak(sandbox, head + close + b"Content-Length: 2\r\n\r\n", b"ab")
    assert answer.count(b"100 Continue") == 1
    refused = speak(sandbox, head + close + b"Content-Length: 99999999999\r\n\r\n")
    assert b"100 Continue" not in refused
    assert b"EntityTooLarge" in refused


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 100\r\n\r\nshort",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhell",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_body_that_is_cut_short_is_not_stored(sandbox, body):
    s3 = client(sandbox, "s3")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "cut-short"})
    path = url.removeprefix(sandbox.url).encode()
    host = urlsplit(sandbox.url).netloc.encode()
    answer = speak(
        sandbox, b"PUT " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + body, shut=True
    )
    assert b"IncompleteBody" in answer
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix="cut-short")


def test_chunk_that_is_too_large_is_refused_before_it_is_read(sandbox):
    head = (
        b"PUT /acme-analytics/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for size in (b"20000001", b"7fffffffffffffff", b"ffffffffffffffff"):
        answer = speak(sandbox, head + size + b"\r\n")
        assert b"EntityTooLarge" in answer
    assert sandbox.control("GET", "health") == {"status": "ok"}


# --- pages of other sites ---------------------------------------------------------------------


def signed_action(sandbox, name):
    """The address of an ``<img>`` that would make a user with the root user's known keys."""
    address = f"{sandbox.url}/?Action=CreateUser&Version=2010-05-08&UserName={name}"
    made = AWSRequest("GET", address)
    SigV4QueryAuth(Credentials(CUSTOMER, "test"), "iam", "us-east-1").add_auth(made)
    return made.url


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8888"},
        {"Referer": "https://evil.example/page"},
    ],
)
def test_page_of_another_site_cannot_act(sandbox, headers):
    address = signed_action(sandbox, "of-a-page")
    answer = requests.get(address, headers=headers, timeout=20)
    assert answer.status_code == 403
    for path, method in (("/_sandbox/reset", "POST"), ("/_rwc/api/v1/tenants", "GET")):
        answer = requests.request(method, sandbox.url + path, headers=headers, timeout=20)
        assert answer.status_code == 403
    names = [user["UserName"] for user in client(sandbox, "iam").list_users()["Users"]]
    assert "of-a-page" not in names


def test_same_address_acts_for_a_program(sandbox):
    assert requests.get(signed_action(sandbox, "of-a-program"), timeout=20).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "s3.evil.example"])
def test_name_of_another_site_is_refused(sandbox, host):
    for path in ("/acme-analytics?list-type=2", "/_sandbox/health", "/_rwc/api/v1/tenants"):
        answer = requests.get(sandbox.url + path, headers={"Host": host}, timeout=20)
        assert answer.status_code == 403
        assert "not a name of this machine" in answer.text


def test_preflight_answers_as_the_bucket_says(sandbox):
    s3 = client(sandbox, "s3")
    s3.create_bucket(Bucket="with-cors")
    address = f"{sandbox.url}/with-cors/key"
    asking = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}
    answer = requests.options(address, headers=asking, timeout=20)
    assert answer.status_code == 403
    assert "CORS is not enabled for this bucket" in answer.text
    rule = {
        "AllowedOrigins": ["https://*.example"],
        "AllowedMethods": ["PUT", "GET"],
        "AllowedHeaders": ["x-amz-*", "content-type"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 60,
    }
    s3.put_bucket_cors(Bucket="with-cors", CORSConfiguration={"CORSRules": [rule]})
    more = {"Access-Control-Request-Headers": "content-type, X-Amz-Date"}
    answer = requests.options(address, headers={**asking, **more}, timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type, x-amz-date"
    assert answer.headers["Access-Control-Max-Age"] == "60"
    for wrong in (
        {"Origin": "https://app.other"},
        {"Access-Control-Request-Method": "DELETE"},
        {"Access-Control-Request-Headers": "authorization"},
    ):
        answer = requests.options(address, headers={**asking, **wrong}, timeout=20)
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "with-cors", "Key": "key"})
    page = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
    answer = requests.put(url, data=b"1", headers=page, timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    foreign = {**page, "Origin": "https://app.other"}
    assert requests.put(url, data=b"2", headers=foreign, timeout=20).status_code == 403
    assert s3.get_object(Bucket="with-cors", Key="key")["Body"].read() == b"1"


def test_unique_ids_tell_what_kind_of_thing_they_are_of(sandbox):
    """Source: IAM User Guide, "IAM identifiers", section "Unique identifiers"."""
    iam, sts = client(sandbox, "iam"), client(sandbox, "sts")
    name = "of-a-kind"
    policy, trust = document(allow("s3:*")), trusting(WORKLOAD)
    found = {
        "AIDA": iam.create_user(UserName=name)["User"]["UserId"],
        "AROA": iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["RoleId"],
        "AGPA": iam.create_group(GroupName=name)["Group"]["GroupId"],
        "ANPA": iam.create_policy(PolicyName=name, PolicyDocument=policy)["Policy"]["PolicyId"],
        "AIPA": iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"][
            "InstanceProfileId"
        ],
    }
    assert {prefix: value[:4] for prefix, value in found.items()} == {p: p for p in found}
    assert {len(value) for value in found.values()} == {21}
    assert all(value.isalnum() and value.isupper() for value in found.values())
    key = iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
    session = sts.get_session_token()["Credentials"]["AccessKeyId"]
    assert (key[:4], session[:4], len(key), len(session)) == ("AKIA", "ASIA", 20, 20)
    account = {sts.get_access_key_info(AccessKeyId=each)["Account"] for each in (key, session)}
    assert account == {CUSTOMER}
    aws_policy = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    ids = {
        client(sandbox, "iam", account=account).get_policy(PolicyArn=aws_policy)["Policy"][
            "PolicyId"
        ]
        for account in (CUSTOMER, CLOUD)
    }
    assert len(ids) == 1
    assert ids.pop().startswith("ANPA")
    shown = iam.get_user(UserName=name)["User"]["UserId"]
    assert shown == found["AIDA"]
