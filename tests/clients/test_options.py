"""What single clients can be told: checksums, URLs signed ahead, Regions, keys, tables."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.clients.adapters import Boto3
from tests.support.sandbox_clients import CUSTOMER, client, document

pytestmark = pytest.mark.slow

ALGORITHMS = ("CRC32", "SHA1", "SHA256")


def needs(module):
    if importlib.util.find_spec(module) is None:
        if os.environ.get("RWLIB_CLIENT_TESTS") == "required":
            pytest.fail(f"{module} is not installed; it is in the extra [clients]")
        pytest.skip(f"{module} is not installed")


def refused(call, *arguments, **named):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **named)
    return caught.value.response["Error"]["Code"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_checksum_of_boto3_is_kept_and_a_wrong_one_refused(place, algorithm):
    s3, key = Boto3(place).s3, f"{place.prefix}/sum-{algorithm}"
    s3.put_object(Bucket=place.bucket, Key=key, Body=b"content", ChecksumAlgorithm=algorithm)
    head = s3.head_object(Bucket=place.bucket, Key=key, ChecksumMode="ENABLED")
    right = head[f"Checksum{algorithm}"]
    wrong = {f"Checksum{algorithm}": right, "Body": b"other"}
    assert refused(s3.put_object, Bucket=place.bucket, Key=key, **wrong) == "BadDigest"
    assert s3.get_object(Bucket=place.bucket, Key=key)["Body"].read() == b"content"


def test_presigned_urls_work_until_they_expire(place):
    s3, key = Boto3(place).s3, f"{place.prefix}/signed-ahead"
    named = {"Bucket": place.bucket, "Key": key}
    put = s3.generate_presigned_url("put_object", Params=named)
    assert requests.put(put, data=b"content", timeout=20).status_code == 200
    get = s3.generate_presigned_url("get_object", Params=named)
    assert requests.get(get, timeout=20).content == b"content"
    elsewhere = {"Bucket": place.bucket, "Key": "elsewhere/there"}
    outside = s3.generate_presigned_url("get_object", Params=elsewhere)
    assert requests.get(outside, timeout=20).status_code == 403
    late = s3.generate_presigned_url("get_object", Params=named, ExpiresIn=-10)
    assert requests.get(late, timeout=20).status_code == 403


def test_wrong_region_is_told_the_right_one(place):
    named = {"Bucket": place.bucket, "Key": f"{place.prefix}/any"}
    made = Boto3(replace(place, region="eu-west-3")).s3
    url = made.generate_presigned_url("get_object", Params=named)
    answer = requests.get(url, timeout=20, allow_redirects=False)
    assert answer.status_code == 301
    assert answer.headers["x-amz-bucket-region"] == "us-east-1"
    assert "PermanentRedirect" in answer.text


def test_kms_key_must_let_its_user_in(sandbox, place):
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{CUSTOMER}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    kms = client(sandbox, "kms")
    key = kms.create_key(Policy=document(statement))["KeyMetadata"]["Arn"]
    s3, named = Boto3(place).s3, {"Bucket": place.bucket, "Key": f"{place.prefix}/sealed"}
    options = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    assert refused(s3.put_object, **named, Body=b"1", **options) == "AccessDenied"
    iam = client(sandbox, "iam")
    may = {"Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": key}
    iam.put_role_policy(RoleName="clients", PolicyName="key", PolicyDocument=document(may))
    s3.put_object(**named, Body=b"1", **options)
    assert s3.get_object(**named)["SSEKMSKeyId"] == key


def test_unsigned_payload_is_taken(place):
    made = boto3.client(
        "s3",
        endpoint_url=place.url,
        region_name=place.region,
        aws_access_key_id=place.key,
        aws_secret_access_key=place.secret,
        aws_session_token=place.token,
        config=Config(s3={"payload_signing_enabled": False, "addressing_style": "path"}),
    )
    made.put_object(Bucket=place.bucket, Key=f"{place.prefix}/unsigned", Body=b"content")
    found = made.get_object(Bucket=place.bucket, Key=f"{place.prefix}/unsigned")
    assert found["Body"].read() == b"content"


def test_boto3_with_the_common_runtime(place):
    """In a process of its own: where the runtime is installed, botocore takes its signers."""
    needs("awscrt")
    code = (
        "import boto3, json, sys\n"
        "given = json.loads(sys.argv[1])\n"
        "import botocore.compat; assert botocore.compat.HAS_CRT\n"
        "from botocore.config import Config\n"
        "s3 = boto3.client('s3', config=Config(s3={'addressing_style': 'path'}), **given['c'])\n"
        "for name in ('CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'):\n"
        "    named = dict(Bucket=given['b'], Key=given['p'] + '/crt-' + name)\n"
        "    s3.put_object(**named, Body=b'content', ChecksumAlgorithm=name)\n"
        "    found = s3.get_object(**named, ChecksumMode='ENABLED')\n"
        "    assert found['Body'].read() == b'content' and found['Checksum' + name]\n"
    )
    settings = {
        "endpoint_url": place.url,
        "region_name": place.region,
        "aws_access_key_id": place.key,
        "aws_secret_access_key": place.secret,
        "aws_session_token": place.token,
    }
    given = json.dumps({"c": settings, "b": place.bucket, "p": place.prefix})
    done = subprocess.run(
        [sys.executable, "-c", code, given],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "BOTO_DISABLE_CRT": "false"},
    )
    assert done.returncode == 0, done.stderr


def test_deltalake_writes_and_reads_a_table(place):
    needs("deltalake")
    needs("pyarrow")
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    options = {
        "AWS_ACCESS_KEY_ID": place.key,
        "AWS_SECRET_ACCESS_KEY": place.secret,
        "AWS_SESSION_TOKEN": place.token,
        "AWS_REGION": place.region,
        "AWS_ENDPOINT_URL": place.url,
        "AWS_ALLOW_HTTP": "true",
    }
    rows = pa.table({"id": [1, 2, 3], "name": ["a", "b", "c"]})
    where = f"s3://{place.bucket}/{place.prefix}/delta"
    write_deltalake(where, rows, storage_options=options)
    write_deltalake(where, rows, mode="append", storage_options=options)
    assert pa.table(DeltaTable(where, storage_options=options).to_pyarrow_table()).num_rows == 6
    outside = f"s3://{place.bucket}/elsewhere/delta"
    with pytest.raises(Exception, match=r"(?i)denied|forbidden|403"):
        write_deltalake(outside, rows, storage_options=options)


def test_pyiceberg_writes_and_reads_a_table(place, tmp_path):
    needs("pyiceberg")
    needs("pyarrow")
    needs("sqlalchemy")
    import pyarrow as pa
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog(
        "clients",
        **{
            "uri": f"sqlite:///{tmp_path}/catalog.db",
            "warehouse": f"s3://{place.bucket}/{place.prefix}/iceberg",
            "s3.endpoint": place.url,
            "s3.region": place.region,
            "s3.access-key-id": place.key,
            "s3.secret-access-key": place.secret,
            "s3.session-token": place.token,
        },
    )
    catalog.create_namespace("n")
    rows = pa.table({"id": [1, 2, 3]})
    table = catalog.create_table("n.t", rows.schema)
    table.append(rows)
    assert table.scan().to_arrow().num_rows == 3
