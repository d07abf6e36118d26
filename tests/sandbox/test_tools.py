"""The simulator, Access Analyzer's checks, and the sandbox's own switches."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from rwlib.errors import ServiceError
from rwlib.sandbox.server.server import Sandbox
from tests.support.sandbox_clients import (
    CUSTOMER,
    WORKLOAD,
    allow,
    client,
    document,
    new_role,
    refusal,
    trusting,
)

BUCKET = "arn:aws:s3:::acme-analytics"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


def decisions(answer) -> dict[tuple[str, str], str]:
    return {
        (result["EvalActionName"], result["EvalResourceName"]): result["EvalDecision"]
        for result in answer["EvaluationResults"]
    }


def test_simulation_of_a_role_weighs_identity_policy_and_boundary(sandbox):
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": f"{BUCKET}/secret/*"}
    arn = new_role(sandbox, "simulated", trusting(WORKLOAD), allow("s3:*", f"{BUCKET}/*"), deny)
    iam = client(sandbox, "iam")
    boundary = iam.create_policy(
        PolicyName="edge", PolicyDocument=document(allow(["s3:GetObject", "s3:ListBucket"]))
    )["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName="simulated", PermissionsBoundary=boundary)
    found = iam.simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=["s3:GetObject", "s3:PutObject"],
        ResourceArns=[f"{BUCKET}/open/x", f"{BUCKET}/secret/x"],
    )
    assert decisions(found) == {
        ("s3:GetObject", f"{BUCKET}/open/x"): "allowed",
        ("s3:GetObject", f"{BUCKET}/secret/x"): "explicitDeny",
        ("s3:PutObject", f"{BUCKET}/open/x"): "implicitDeny",
        ("s3:PutObject", f"{BUCKET}/secret/x"): "implicitDeny",
    }
    inside = [
        result["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"]
        for result in found["EvaluationResults"]
    ]
    assert inside == [True, True, False, False]
    statement = found["EvaluationResults"][1]["MatchedStatements"][0]
    text = document(allow("s3:*", f"{BUCKET}/*"), deny)
    assert statement["SourcePolicyId"] == "inline"
    assert statement["StartPosition"] == {"Line": 1, "Column": text.index('{"Effect": "Deny"')}


def test_simulation_uses_the_context_it_is_given(sandbox):
    policy = document(allow("s3:ListBucket", Condition={"StringLike": {"s3:prefix": "p/*"}}))
    iam = client(sandbox, "iam")

    def ask(*prefixes: str):
        return iam.simulate_custom_policy(
            PolicyInputList=[policy],
            ActionNames=["s3:ListBucket"],
            ResourceArns=[BUCKET],
            ContextEntries=[
                {
                    "ContextKeyName": "s3:prefix",
                    "ContextKeyType": "string",
                    "ContextKeyValues": list(prefixes),
                }
            ]
            if prefixes
            else [],
        )

    assert decisions(ask("p/x")) == {("s3:ListBucket", BUCKET): "allowed"}
    assert decisions(ask("q/x")) == {("s3:ListBucket", BUCKET): "implicitDeny"}
    assert ask()["EvaluationResults"][0]["MissingContextValues"] == ["s3:prefix"]


@pytest.mark.parametrize(
    ("text", "kind", "codes"),
    [
        ("{", "IDENTITY_POLICY", ["JSON_SYNTAX_ERROR"]),
        (document(allow("s3:GetObject", f"{BUCKET}/*")), "IDENTITY_POLICY", []),
        (document(allow("s3:GetObjekt")), "IDENTITY_POLICY", ["INVALID_ACTION"]),
        (document(allow("s4:GetObject")), "IDENTITY_POLICY", ["INVALID_SERVICE_IN_ACTION"]),
        (document(allow("s3:Get*")), "IDENTITY_POLICY", []),
        (document(allow("s3:GetObject", "bucket/*")), "IDENTITY_POLICY", ["INVALID_ARN_PREFIX"]),
        (document(allow("s3:GetObject", "arn:aws:s3")), "IDENTITY_POLICY", ["MISSING_ARN_FIELD"]),
        (document({"Effect": "Allow", "Resource": "*"}), "IDENTITY_POLICY", ["MISSING_ACTION"]),
        (document({"Action": "s3:*", "Resource": "*"}), "IDENTITY_POLICY", ["MISSING_EFFECT"]),
        (document({"Effect": "Allow", "Action": "s3:*"}), "IDENTITY_POLICY", ["MISSING_RESOURCE"]),
        (document(allow("s3:*", Principal="*")), "IDENTITY_POLICY", ["UNSUPPORTED_PRINCIPAL"]),
        (document(allow("s3:GetObject")), "RESOURCE_POLICY", ["MISSING_PRINCIPAL"]),
        (json.dumps({"Statement": [allow("s3:*")]}), "IDENTITY_POLICY", ["MISSING_VERSION"]),
        (
            document(allow("s3:*", Condition={"StringMatches": {"a": "b"}})),
            "IDENTITY_POLICY",
            ["INVALID_CONDITION_OPERATOR"],
        ),
        (
            document(allow("iam:PassRole")),
            "IDENTITY_POLICY",
            ["PASS_ROLE_WITH_STAR_IN_RESOURCE"],
        ),
    ],
)
def test_validate_policy_finds(sandbox, text, kind, codes):
    found = client(sandbox, "accessanalyzer").validate_policy(policyDocument=text, policyType=kind)
    assert [finding["issueCode"] for finding in found["findings"]] == codes


def test_validate_policy_points_at_the_place(sandbox):
    text = json.dumps(json.loads(document(allow(["s3:GetObject", "s3:GetObjekt"]))), indent=2)
    found = client(sandbox, "accessanalyzer").validate_policy(
        policyDocument=text, policyType="IDENTITY_POLICY"
    )["findings"][0]["locations"][0]
    assert found["path"] == [
        {"value": "Statement"},
        {"index": 0},
        {"value": "Action"},
        {"index": 1},
    ]
    start, end = found["span"]["start"], found["span"]["end"]
    assert text[start["offset"] : end["offset"]] == '"s3:GetObjekt"'
    assert text.splitlines()[start["line"] - 1][start["column"] :].startswith('"s3:GetObjekt"')


def test_check_access_not_granted(sandbox):
    analyzer = client(sandbox, "accessanalyzer")
    asked = {"actions": ["s3:DeleteBucket"], "resources": [BUCKET]}
    for action, result in (("s3:*", "FAIL"), ("s3:GetObject", "PASS")):
        found = analyzer.check_access_not_granted(
            policyDocument=document(allow(action)), policyType="IDENTITY_POLICY", access=[asked]
        )
        assert found["result"] == result


def test_scps_bind_the_root_user_too_and_go_when_they_are_taken_away(sandbox):
    s3 = client(sandbox, "s3", "777788889999")
    sandbox.set_scps("777788889999", [json.loads(document(allow("iam:*")))])
    assert refusal(s3.list_buckets)[0] == "AccessDenied"
    sandbox.set_scps("777788889999")
    s3.list_buckets()


def test_opt_in_region_answers_once_it_is_enabled(sandbox):
    sts = client(sandbox, "sts", region="eu-south-1")
    assert refusal(sts.get_caller_identity)[0] == "InvalidClientTokenId"
    sandbox.set_regions(CUSTOMER, "eu-south-1")
    sts.get_caller_identity()
    keys = sandbox.credentials_for(WORKLOAD).arguments()
    cloud = client(sandbox, "sts", region="eu-south-1", **keys)
    assert refusal(cloud.get_caller_identity)[0] == "InvalidClientTokenId"
    sandbox.set_regions("444455556666", "eu-south-1")
    sandbox.set_regions(CUSTOMER)
    arn = new_role(sandbox, "far-away", trusting(WORKLOAD))
    assert refusal(cloud.assume_role, RoleArn=arn, RoleSessionName="reqsign") == (
        "RegionDisabledException",
        f"STS is not activated in this region for account:{CUSTOMER}. Your account administrator "
        "can activate STS in this region using the IAM Console.",
    )


def test_network_can_stand_for_tls_and_a_vpc_endpoint(sandbox):
    s3 = client(sandbox, "s3")
    s3.create_bucket(Bucket="tls-only")
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::tls-only/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket="tls-only", Policy=document(deny))
    assert refusal(s3.put_object, Bucket="tls-only", Key="x", Body=b"")[0] == "AccessDenied"
    sandbox.set_network(secure_transport=True)
    s3.put_object(Bucket="tls-only", Key="x", Body=b"")
    sandbox.set_network(secure_transport=False)


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://example.com"}, {"Host": "sandbox.example.com"}]
)
def test_control_is_closed_to_pages_in_a_browser(sandbox, headers):
    request = urllib.request.Request(f"{sandbox.url}/_sandbox/health", headers=headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    assert caught.value.code == 403


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("PUT", "faults", {"nonsense": 1}),
        ("PUT", "scps/123", {"levels": []}),
        ("PUT", f"scps/{CUSTOMER}", {"levels": [[{"Statement": "x"}]]}),
        ("PUT", f"regions/{CUSTOMER}", {"enabled": ["mars-north-1"]}),
        ("POST", "credentials", {"role": "x"}),
        ("PUT", "network", {"speed": 5}),
        ("GET", "nonsense", None),
    ],
)
def test_control_refuses_what_it_cannot_use(sandbox, method, path, content):
    with pytest.raises(ServiceError, match="sandbox: "):
        sandbox.control(method, path, content)


def account_block(sandbox, method: str, body: bytes = b"") -> int:
    """Call S3 Control by hand: botocore puts the account before an endpoint's host name."""
    url = f"{sandbox.url}/v20180820/configuration/publicAccessBlock"
    request = AWSRequest(
        method,
        url,
        data=body,
        headers={"x-amz-account-id": CUSTOMER, "Content-Type": "application/xml"},
    )
    S3SigV4Auth(Credentials(CUSTOMER, "test"), "s3", "us-east-1").add_auth(request)
    sent = urllib.request.Request(url, body or None, dict(request.headers), method=method)
    with urllib.request.urlopen(sent, timeout=30) as answer:
        return int(answer.status)


def test_account_wide_block_refuses_a_public_bucket_policy(sandbox):
    s3 = client(sandbox, "s3")
    s3.create_bucket(Bucket="nearly-public")
    s3.delete_public_access_block(Bucket="nearly-public")
    public = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::nearly-public/*",
    }
    block = (
        "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy>"
        "</PublicAccessBlockConfiguration>"
    )
    assert account_block(sandbox, "PUT", block.encode()) == 200
    code, text = refusal(s3.put_bucket_policy, Bucket="nearly-public", Policy=document(public))
    assert (code, "BlockPublicPolicy" in text) == ("AccessDenied", True)
    assert account_block(sandbox, "DELETE") == 204
    s3.put_bucket_policy(Bucket="nearly-public", Policy=document(public))


def test_users_boundary_limits_and_is_shown(sandbox):
    iam = client(sandbox, "iam")
    iam.create_user(UserName="bounded-user")
    iam.put_user_policy(
        UserName="bounded-user", PolicyName="all", PolicyDocument=document(allow("*"))
    )
    made = iam.create_access_key(UserName="bounded-user")["AccessKey"]
    edge = iam.create_policy(PolicyName="user-edge", PolicyDocument=document(allow("sts:*")))
    arn = edge["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="bounded-user", PermissionsBoundary=arn)
    shown = iam.get_user(UserName="bounded-user")["User"]["PermissionsBoundary"]
    assert shown["PermissionsBoundaryArn"] == arn
    keys = {
        "aws_access_key_id": made["AccessKeyId"],
        "aws_secret_access_key": made["SecretAccessKey"],
    }
    _, text = refusal(client(sandbox, "s3", **keys).list_buckets)
    assert text.endswith("because no permissions boundary allows the s3:ListAllMyBuckets action")
    iam.delete_user_permissions_boundary(UserName="bounded-user")
    client(sandbox, "s3", **keys).list_buckets()


def test_reset_puts_the_example_world_back(sandbox):
    client(sandbox, "s3").create_bucket(Bucket="passing-by")
    sandbox.reset()
    names = [bucket["Name"] for bucket in client(sandbox, "s3").list_buckets()["Buckets"]]
    assert names == ["acme-analytics", "acme-encrypted", "acme-frankfurt"]
    assert sandbox.calls()[-1]["action"] == "ListBuckets"
