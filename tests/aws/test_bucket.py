"""What is read about the bucket, and the one sentence where it cannot be used."""

from __future__ import annotations

import json

import boto3
import pytest

from rwlib.aws.bucket import describe_bucket, locate_bucket, with_key
from rwlib.aws.calls import Aws
from rwlib.errors import InputError, ServiceError
from tests.support.interference import BusyAws, client_error

ACCOUNT = "111122223333"


def facts(aws, bucket, region_name=""):
    return describe_bucket(aws, locate_bucket(aws, bucket, region_name))


def answer(status, code, **headers):
    error = client_error(code)
    error.response["ResponseMetadata"] |= {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return error


@pytest.mark.parametrize(
    ("bucket", "region"), [("acme-analytics", "us-east-1"), ("acme-frankfurt", "eu-central-1")]
)
def test_bucket_is_located_where_it_is(aws, bucket, region):
    located = locate_bucket(aws, bucket, "")
    assert (located.region_name, located.owned) == (region, True)
    assert locate_bucket(aws, bucket, region) == located


@pytest.mark.parametrize(
    ("bucket", "region", "words"),
    [
        ("no-such-bucket-anywhere", "", "bucket: .* does not exist; create it first"),
        ("thirdparty-data", "", f"is not in account {ACCOUNT}; .*operator_role_arn"),
        ("acme-frankfurt", "us-west-2", "region_name: 'us-west-2' is not where .*eu-central-1"),
    ],
)
def test_bucket_is_refused_with_one_sentence_when_it_cannot_be_used(aws, bucket, region, words):
    with pytest.raises(InputError, match=words):
        locate_bucket(aws, bucket, region)
    assert not [call for call in aws.calls if call.writes]


def test_bucket_is_of_unknown_owner_when_nothing_may_be_looked_at(aws_environment):
    busy = BusyAws(
        before={
            "head_bucket": [lambda: answer(403, "403", **{"x-amz-bucket-region": "eu-west-1"})],
            "list_buckets": [lambda: client_error("AccessDenied")],
        }
    )
    located = locate_bucket(busy, "acme-analytics", "")
    assert (located.region_name, located.owned) == ("eu-west-1", None)


def test_bucket_is_ours_when_only_its_head_may_not_be_read(aws_environment):
    busy = BusyAws(before={"head_bucket": [lambda: answer(403, "403")]})
    located = locate_bucket(busy, "acme-frankfurt", "eu-central-1")
    assert (located.region_name, located.owned) == ("eu-central-1", True)


def test_bucket_is_found_on_the_second_page_of_the_list(aws_environment):
    class Many(BusyAws):
        def _call(self, service, operation, parameters, *rest):
            if operation != "list_buckets":
                return super()._call(service, operation, parameters, *rest)
            if "ContinuationToken" in parameters:
                return {"Buckets": [{"Name": "acme-frankfurt"}]}
            return {"Buckets": [{"Name": "another"}], "ContinuationToken": "next"}

    busy = Many(before={"head_bucket": [lambda: answer(403, "403")]})
    assert locate_bucket(busy, "acme-frankfurt", "").owned is True


def test_bucket_is_located_by_the_redirect_when_the_region_is_another(aws_environment):
    redirect = answer(301, "301", **{"x-amz-bucket-region": "eu-west-3"})
    busy = BusyAws(before={"head_bucket": [lambda: redirect]})
    assert locate_bucket(busy, "acme-analytics", "").region_name == "eu-west-3"


def test_bucket_raises_a_sentence_when_aws_answers_otherwise(aws_environment):
    busy = BusyAws(before={"head_bucket": [lambda: answer(400, "400")]})
    with pytest.raises(ServiceError, match="looking for bucket acme-analytics: 400"):
        locate_bucket(busy, "acme-analytics", "")


def test_facts_have_nothing_when_the_bucket_is_plain(aws):
    found = facts(aws, "acme-analytics")
    assert (found.kms_key_arn, found.kms_key, found.policy, found.unknown) == ("", None, None, {})
    assert found.public_access_block["RestrictPublicBuckets"] is True


def test_facts_have_the_key_and_its_policy_when_the_bucket_is_encrypted(aws):
    found = facts(aws, "acme-encrypted")
    assert found.kms_key_arn.startswith(f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/")
    assert found.kms_key["Enabled"] is True
    assert found.kms_key_policy["Statement"]


def test_facts_have_the_bucket_policy_when_there_is_one(aws):
    policy = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::acme-analytics/secret/*",
        },
    }
    boto3.client("s3").put_bucket_policy(Bucket="acme-analytics", Policy=json.dumps(policy))
    assert facts(aws, "acme-analytics").policy == policy


def test_facts_have_every_grant_of_a_key_that_has_many(aws_environment):
    class Paged(BusyAws):
        def _call(self, service, operation, parameters, *rest):
            page = {"Limit": 2} if operation == "list_grants" else {}
            return super()._call(service, operation, {**parameters, **page}, *rest)

    key = facts(BusyAws(), "acme-encrypted").kms_key_arn
    kms = boto3.client("kms", region_name="eu-central-1")
    role = f"arn:aws:iam::{ACCOUNT}:root"
    for operation in ("Decrypt", "Encrypt", "GenerateDataKey", "DescribeKey", "Decrypt"):
        kms.create_grant(KeyId=key, GranteePrincipal=role, Operations=[operation])
    found = facts(Paged(), "acme-encrypted").kms_grants
    assert [each["Operations"] for each in found] == [
        ["Decrypt"], ["Encrypt"], ["GenerateDataKey"], ["DescribeKey"], ["Decrypt"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "what"),
    [
        ("get_bucket_encryption", "encryption"),
        ("get_bucket_policy", "bucket policy"),
        ("get_public_access_block", "block public access"),
        ("describe_key", "kms key"),
        ("get_key_policy", "kms key policy"),
    ],
)
def test_facts_say_what_could_not_be_looked_at(aws_environment, operation, what):
    busy = BusyAws(before={operation: [lambda: client_error("AccessDenied", message="no")]})
    found = facts(busy, "acme-encrypted")
    assert found.unknown == {what: "AccessDenied: no"}
    assert found.why_unknown(what) == "AccessDenied: no"


def test_key_needs_no_permission_when_it_is_the_aws_managed_one(aws):
    class Managed(BusyAws):
        def _call(self, service, operation, parameters, *rest):
            found = super()._call(service, operation, parameters, *rest)
            if operation == "describe_key":
                found["KeyMetadata"]["KeyManager"] = "AWS"
            return found

    key = facts(aws, "acme-encrypted").kms_key_arn
    managed = Managed()
    assert with_key(managed, locate_bucket(managed, "acme-encrypted", ""), key).kms_key_arn == ""


def test_facts_cost_one_call_each_when_asked_again(aws_environment):
    aws = Aws(boto3.Session())
    assert facts(aws, "acme-encrypted") == facts(aws, "acme-encrypted")
    operations = [call.operation for call in aws.calls]
    assert len(operations) == len(set(operations)) == 8
