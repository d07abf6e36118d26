"""The words in which the sandbox refuses are AWS's."""

from __future__ import annotations

import pytest

from rwlib.sandbox.server.server import Sandbox
from tests.support.sandbox_clients import (
    CUSTOMER,
    OTHER,
    THIRD,
    WORKLOAD,
    allow,
    client,
    document,
    new_role,
    refusal,
    session_keys,
    trusting,
)

SESSION = "arn:aws:sts::444455556666:assumed-role/g1jk13sq56ejdref71h1cvokbh-role/reqsign"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def workload(sandbox):
    return sandbox.credentials_for(WORKLOAD).arguments()


def as_role(sandbox, workload, arn, **arguments):
    sts = client(sandbox, "sts", **workload)
    return session_keys(sts.assume_role(RoleArn=arn, RoleSessionName="reqsign", **arguments))


def test_assume_role_across_accounts_does_not_say_which_side_refused(sandbox, workload):
    arn = new_role(sandbox, "wrong-principal", trusting(OTHER))
    sts = client(sandbox, "sts", **workload)
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="reqsign") == (
        "AccessDenied",
        f"User: {SESSION} is not authorized to perform: sts:AssumeRole on resource: {arn}",
    )


def test_assume_role_of_a_role_that_is_not_there_reads_the_same(sandbox, workload):
    arn = f"arn:aws:iam::{CUSTOMER}:role/not-there"
    sts = client(sandbox, "sts", **workload)
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="reqsign") == (
        "AccessDenied",
        f"User: {SESSION} is not authorized to perform: sts:AssumeRole on resource: {arn}",
    )


def test_assume_role_by_a_root_user_has_its_own_words(sandbox):
    arn = new_role(sandbox, "for-root", trusting(f"arn:aws:iam::{CUSTOMER}:root"))
    sts = client(sandbox, "sts")
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="reqsign") == (
        "AccessDenied",
        "Roles may not be assumed by root accounts.",
    )


def test_assume_role_chained_past_an_hour_is_refused(sandbox, workload):
    arn = new_role(sandbox, "chained", trusting(WORKLOAD))
    sts = client(sandbox, "sts", **workload)
    code, text = refusal(
        sts.assume_role, RoleArn=arn, RoleSessionName="reqsign", DurationSeconds=3601
    )
    assert code == "ValidationError"
    assert text.endswith("1 hour session limit for roles assumed by role chaining.")


def test_s3_names_the_missing_identity_policy_at_home(sandbox, workload):
    arn = new_role(sandbox, "no-list", trusting(WORKLOAD), allow("s3:GetObject"))
    s3 = client(sandbox, "s3", **as_role(sandbox, workload, arn))
    caller = f"arn:aws:sts::{CUSTOMER}:assumed-role/no-list/reqsign"
    assert refusal(s3.list_objects_v2, Bucket="acme-analytics") == (
        "AccessDenied",
        f"User: {caller} is not authorized to perform: s3:ListBucket on resource: "
        '"arn:aws:s3:::acme-analytics" because no identity-based policy allows the '
        "s3:ListBucket action",
    )


def test_s3_gives_no_reason_to_another_account(sandbox, workload):
    arn = new_role(sandbox, "abroad", trusting(WORKLOAD), allow("s3:*"))
    s3 = client(sandbox, "s3", **as_role(sandbox, workload, arn))
    assert refusal(s3.list_objects_v2, Bucket="thirdparty-data") == (
        "AccessDenied",
        "Access Denied",
    )


def test_s3_names_the_session_policy_that_does_not_allow(sandbox, workload):
    arn = new_role(sandbox, "narrowed", trusting(WORKLOAD), allow("s3:*"))
    keys = as_role(sandbox, workload, arn, Policy=document(allow("s3:GetObject")))
    code, text = refusal(client(sandbox, "s3", **keys).list_objects_v2, Bucket="acme-analytics")
    assert (code, text.split(" because ")[1]) == (
        "AccessDenied",
        "no session policy allows the s3:ListBucket action",
    )


def test_s3_names_the_boundary_that_does_not_allow(sandbox, workload):
    arn = new_role(sandbox, "bounded", trusting(WORKLOAD), allow("s3:*"))
    iam = client(sandbox, "iam")
    made = iam.create_policy(PolicyName="b", PolicyDocument=document(allow("s3:GetObject")))
    iam.put_role_permissions_boundary(RoleName="bounded", PermissionsBoundary=made["Policy"]["Arn"])
    s3 = client(sandbox, "s3", **as_role(sandbox, workload, arn))
    _, text = refusal(s3.list_objects_v2, Bucket="acme-analytics")
    assert text.endswith("because no permissions boundary allows the s3:ListBucket action")


def test_s3_names_the_bucket_policy_that_denies(sandbox, workload):
    arn = new_role(sandbox, "denied", trusting(WORKLOAD), allow("s3:*"))
    root = client(sandbox, "s3")
    root.create_bucket(Bucket="denies-everybody")
    deny = {
        "Effect": "Deny",
        "Principal": {"AWS": arn},
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::denies-everybody", "arn:aws:s3:::denies-everybody/*"],
    }
    root.put_bucket_policy(Bucket="denies-everybody", Policy=document(deny))
    s3 = client(sandbox, "s3", **as_role(sandbox, workload, arn))
    _, text = refusal(s3.put_object, Bucket="denies-everybody", Key="x", Body=b"")
    assert text.endswith(
        's3:PutObject on resource: "arn:aws:s3:::denies-everybody/x" with an explicit deny in a '
        "resource-based policy"
    )


def test_s3_names_the_service_control_policy_that_denies(sandbox, workload):
    arn = new_role(sandbox, "ruled", trusting(WORKLOAD), allow("s3:*"))
    keys = as_role(sandbox, workload, arn)
    full = {"Version": "2012-10-17", "Statement": [allow("*")]}
    deny = {"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*"}
    sandbox.set_scps(CUSTOMER, [full, {"Version": "2012-10-17", "Statement": [deny]}])
    try:
        s3 = client(sandbox, "s3", **keys)
        _, text = refusal(s3.list_objects_v2, Bucket="acme-analytics")
    finally:
        sandbox.set_scps(CUSTOMER)
    assert text.endswith("with an explicit deny in a service control policy")
    s3.list_objects_v2(Bucket="acme-analytics")


def test_kms_names_the_missing_permission_through_s3(sandbox, workload):
    arn = new_role(sandbox, "no-key", trusting(WORKLOAD), allow("s3:*"))
    s3 = client(sandbox, "s3", region="eu-central-1", **as_role(sandbox, workload, arn))
    code, text = refusal(s3.put_object, Bucket="acme-encrypted", Key="x", Body=b"")
    assert code == "AccessDenied"
    assert "is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:eu" in text
    assert text.endswith("because no identity-based policy allows the kms:GenerateDataKey action")


def test_kms_gives_a_public_key_only_of_an_asymmetric_key(sandbox):
    kms = client(sandbox, "kms")
    key = {
        spec: kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
        for spec, usage in (("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"), ("RSA_2048", "SIGN_VERIFY"))
    }
    code, _ = refusal(kms.get_public_key, KeyId=key["SYMMETRIC_DEFAULT"])
    assert code == "UnsupportedOperationException"
    assert kms.get_public_key(KeyId=key["RSA_2048"])["PublicKey"]
    sealed = kms.encrypt(KeyId=key["SYMMETRIC_DEFAULT"], Plaintext=b"text")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"text"


def test_kms_tells_another_account_nothing(sandbox):
    key = client(sandbox, "kms", region="eu-central-1").describe_key(KeyId="alias/acme-analytics")[
        "KeyMetadata"
    ]["Arn"]
    kms = client(sandbox, "kms", THIRD, region="eu-central-1")
    code, text = refusal(kms.encrypt, KeyId=key, Plaintext=b"x")
    assert code == "AccessDeniedException"
    assert "on this resource because the resource does not exist in this Region" in text


def test_iam_names_the_resource_and_the_reason(sandbox, workload):
    arn = new_role(sandbox, "reader", trusting(WORKLOAD), allow("s3:*"))
    iam = client(sandbox, "iam", **as_role(sandbox, workload, arn))
    code, text = refusal(iam.create_role, RoleName="x", AssumeRolePolicyDocument="{}")
    assert code == "AccessDenied"
    assert text == (
        f"User: arn:aws:sts::{CUSTOMER}:assumed-role/reader/reqsign is not authorized to perform: "
        f"iam:CreateRole on resource: arn:aws:iam::{CUSTOMER}:role/x because no identity-based "
        "policy allows the iam:CreateRole action"
    )


def test_wrong_region_names_the_right_one(sandbox):
    s3 = client(sandbox, "s3")
    seen = []
    s3.meta.events.register(
        "response-received.s3", lambda response_dict, **_: seen.append(response_dict)
    )
    s3.list_objects_v2(Bucket="acme-frankfurt")  # botocore follows, as it does on AWS
    assert [answer["status_code"] for answer in seen] == [301, 200]
    assert seen[0]["headers"]["x-amz-bucket-region"] == "eu-central-1"
    assert b"<Code>PermanentRedirect</Code>" in seen[0]["body"]


@pytest.mark.parametrize(
    ("trust", "text"),
    [
        ("nonsense", "This policy contains invalid Json"),
        (
            trusting(f"arn:aws:iam::{THIRD}:role/none"),
            f'Invalid principal in policy: "AWS":"arn:aws:iam::{THIRD}:role/none"',
        ),
        (
            document(allow("sts:AssumeRole", Principal={"AWS": "*"})),
            "Has prohibited field Resource",
        ),
        (
            document({"Effect": "Allow", "Action": "sts:AssumeRole"}),
            "Invalid principal in policy: com.amazon.balsa.error.InvalidPolicyException: "
            "The passed in policy has a statement with no principals!",
        ),
    ],
)
def test_trust_policy_is_refused_in_words(sandbox, trust, text):
    iam = client(sandbox, "iam")
    assert refusal(iam.create_role, RoleName="refused", AssumeRolePolicyDocument=trust) == (
        "MalformedPolicyDocument",
        text,
    )
    assert refusal(iam.get_role, RoleName="refused") == (
        "NoSuchEntity",
        "The role with name refused cannot be found.",
    )


def test_deleted_principal_leaves_its_unique_id(sandbox):
    cloud = client(sandbox, "iam", "444455556666")
    trust = trusting("arn:aws:iam::444455556666:root")
    made = cloud.create_role(RoleName="gone", AssumeRolePolicyDocument=trust)["Role"]
    new_role(sandbox, "trusts-gone", trusting([WORKLOAD, made["Arn"]]))
    cloud.delete_role(RoleName="gone")
    found = client(sandbox, "iam").get_role(RoleName="trusts-gone")["Role"]
    principals = found["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["AWS"]
    assert principals == [WORKLOAD, made["RoleId"]]
    assert made["RoleId"].startswith("AROA")


def test_validation_says_what_aws_says_of_several_parameters(sandbox):
    sts = client(sandbox, "sts", **sandbox.credentials_for(WORKLOAD).arguments())
    _, text = refusal(sts.assume_role, RoleArn="short", RoleSessionName="x y")
    assert text.startswith("2 validation errors detected: Value 'short' at 'roleArn' failed")


def test_account_summary_tells_the_quotas(sandbox):
    found = client(sandbox, "iam").get_account_summary()["SummaryMap"]
    assert (found["AssumeRolePolicySizeQuota"], found["AttachedPoliciesPerRoleQuota"]) == (2048, 10)
    assert (found["VersionsPerPolicyQuota"], found["PolicySizeQuota"]) == (5, 6144)
