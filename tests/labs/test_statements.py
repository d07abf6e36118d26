"""What the labs say to remember: each sentence is shown in its lab's sandbox, or is advice."""

from __future__ import annotations

import json

import pytest

from rwlib.evaluate import Policies, Request, evaluate
from rwlib.headless import notebook_path
from rwlib.labs.model import all_labs
from rwlib.labs.session import start_lab
from rwlib.sandbox import CUSTOMER, OTHER_CLUSTER_ARN, RISINGWAVE_CLOUD, WORKLOAD_IDENTITY_ARN
from tests.labs.repairs import RISINGWAVE, TEAM, allows, inline, resource_allows, trust, trusts
from tests.labs.wrong_repairs import managed

SESSION = {"StringEquals": {"sts:RoleSessionName": "reqsign"}}
WORKLOAD = WORKLOAD_IDENTITY_ARN.rpartition("/")[2]
ADMINISTRATOR = managed("AdministratorAccess")


def of_the_role(lab):
    """Calls that a session of the lab's role has made."""
    session = f":assumed-role/{lab.role_name}/"
    return [each for each in lab.setup.endpoint.calls() if session in str(each["caller"])]


def lab_1(lab):
    """`:root` and the bare number let every role of the account in, and no other account."""
    for name in (f"arn:aws:iam::{RISINGWAVE_CLOUD}:root", RISINGWAVE_CLOUD):
        trust(TEAM, trusts({"AWS": name}))(lab)
        may = dict(lab_who(lab).values())
        assert may[WORKLOAD_IDENTITY_ARN]
        assert may[OTHER_CLUSTER_ARN]
        assert not may["arn:aws:iam::999999999999:role/stranger"]
    trust(RISINGWAVE)(lab)  # the whole document: the data team's statement is gone
    assert len(lab.setup.trust_policy()["Statement"]) == 1


def lab_who(lab):
    from rwlib.labs.guards import who_may_assume

    lab.setup.look_again()
    return who_may_assume(lab.setup)


def lab_2(lab):
    """Each of the three is needed."""
    lab.solution(apply=True)
    assert lab.try_again().works
    lab.cloud.remove_allowed_role(lab.cluster_id, lab.role_arn)
    assert not lab.try_again().works
    lab.cloud.add_allowed_role(lab.cluster_id, lab.role_arn)
    iam = lab.setup.client("iam")
    for each in iam.list_attached_role_policies(RoleName=lab.role_name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=lab.role_name, PolicyArn=each["PolicyArn"])
    assert not lab.try_again().works
    # One statement with the condition cannot do both; two can.
    prefix = {"StringLike": {"s3:prefix": [lab.prefix, f"{lab.prefix}/*"]}}
    bucket = f"arn:aws:s3:::{lab.bucket}"
    listing, objects = ("s3:ListBucket", bucket), ("s3:PutObject", f"{bucket}/{lab.prefix}/*")
    both = [list(pair) for pair in zip(listing, objects, strict=True)]
    inline(allows(*both, prefix))(lab)
    assert not lab.try_again().works
    inline(allows(*listing, prefix), allows(*objects))(lab)
    assert lab.try_again().works


def lab_3(lab):
    before = len(of_the_role(lab))
    said = " ".join(lab.try_again().lines)
    assert f"arn:aws:sts::{RISINGWAVE_CLOUD}:assumed-role/{WORKLOAD}/reqsign" in said
    assert len(of_the_role(lab)) == before  # S3 was never asked
    found = lab.cloud.cloud_metadata(lab.cluster_id).require_workload_role_arn()
    assert found == WORKLOAD_IDENTITY_ARN != OTHER_CLUSTER_ARN


def lab_4(lab):
    sends_none = {"Null": {"sts:ExternalId": "true"}}
    for principal, condition in ((WORKLOAD_IDENTITY_ARN, sends_none), ("*", SESSION)):
        trust(TEAM, trusts({"AWS": principal}, condition))(lab)
        assert lab.try_again().works
    assert {str(each["caller"]).rpartition("/")[2] for each in of_the_role(lab)} == {"reqsign"}
    assert not lab.check().passed  # the name tells nobody apart


def lab_5(lab):
    said = " ".join(lab.try_again().lines)
    assert "prefix=risingwave&" in said + "&" or "prefix=risingwave" in said
    assert "S3Error" in said
    assert "reqsign::LoadCredential" not in said
    trust(TEAM)(lab)
    said = " ".join(lab.try_again().lines)
    assert "reqsign::LoadCredential" in said
    assert "S3Error" not in said


def lab_6(lab):
    lab.try_again()
    asked = {each["action"] for each in of_the_role(lab)}
    assert "ListObjectsV2" in asked
    assert "GetBucketLocation" not in asked
    lab.symptom()
    assert "GetBucketLocation" in {each["action"] for each in of_the_role(lab)}  # another tool


def lab_7(lab):
    (shown,) = [
        each["Principal"]["AWS"]
        for each in lab.setup.trust_policy()["Statement"]
        if each.get("Sid") == "RisingWaveCloudAssumeRole"
    ]
    assert shown.startswith("AROA")
    lab.solution(apply=True)  # the ARN again
    assert lab.try_again().works


def lab_8(lab):
    tried = lab.try_again()
    assert not tried.refused  # created
    assert not tried.works
    assert "kms:GenerateDataKey" in " ".join(tried.lines)
    inline(allows("kms:Decrypt", "$key_arn"))(lab)
    assert not lab.try_again().works
    inline(allows("kms:GenerateDataKey", "$key_arn"))(lab)
    assert lab.try_again().works  # one file, in one piece
    inline(allows(["kms:Decrypt", "kms:GenerateDataKey"], "$key_arn"))(lab)
    assert lab.try_again().works


def lab_9(lab):
    ADMINISTRATOR(lab)
    resource_allows("s3:*", "arn:aws:s3:::$bucket/*")(lab)
    assert not lab.try_again().works
    lab.solution(apply=True)
    assert lab.try_again().works


def lab_10(lab):
    ADMINISTRATOR(lab)
    assert not lab.try_again().works
    lab.solution(apply=True)
    assert lab.try_again().works
    iam = lab.setup.client("iam")  # a boundary alone grants nothing
    for each in iam.list_attached_role_policies(RoleName=lab.role_name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=lab.role_name, PolicyArn=each["PolicyArn"])
    assert not lab.try_again().works


def lab_11(lab):
    assert '"x-amz-bucket-region": "eu-central-1"' in " ".join(lab.try_again().lines)
    ADMINISTRATOR(lab)
    assert not lab.try_again().works
    lab.solution(apply=True)
    assert "us-east-1" not in lab.sql("SHOW CREATE SINK lab_sink").text
    said = lab.sql("ALTER SINK lab_sink SET (s3.region_name = 'us-east-1')").text
    assert "eu-central-1" in lab.sql("SHOW CREATE SINK lab_sink").text, said


def lab_12(lab):
    missing = " ".join(lab.try_again().lines)
    trust(TEAM, trusts({"AWS": "*"}))(lab)
    assert not lab.try_again().works
    lab.reset()
    lab.cloud.add_allowed_role(lab.cluster_id, lab.role_arn)
    assert lab.try_again().works
    trust(TEAM, trusts({"AWS": OTHER_CLUSTER_ARN}))(lab)
    other = " ".join(lab.try_again().lines)
    told = f"is not authorized to perform: sts:AssumeRole on resource: {lab.role_arn}"
    assert told in missing
    assert told in other
    lab.reset()
    moved = lab.role_arn.replace(":role/", ":role/service-role/")
    lab.cloud.add_allowed_role(lab.cluster_id, moved)
    assert not lab.try_again().works


def lab_13(lab):
    trust(TEAM)(lab)  # nobody may use the role, and the sink is created all the same
    assert lab.sql(str(lab.setup.variables["statement"])).text == "CREATE_SINK"
    lab.reset()
    tried = lab.try_again()
    assert tried.files
    assert f"arn:aws:redshift:us-east-1:{CUSTOMER}:dbuser:" in " ".join(tried.failures)
    assert lab.role_arn in " ".join(tried.failures)


def lab_14(lab):
    said = " ".join(lab.try_again().lines)
    assert f"sts:AssumeRole on resource: {lab.role_arn}" in said
    may = dict(lab_who(lab).values())
    assert may[WORKLOAD_IDENTITY_ARN]  # the document is right
    lab.setup.make([{"propagation": 0}])
    assert lab.try_again().works


def lab_16(lab):
    """The verdict names the key; one stranger's address does not fit, one that is listed does."""
    assert "aws:SourceIp" in lab.verdict().text
    assert not lab.try_again().works
    policy = bucket_policy(lab)
    (deny,) = (each for each in policy["Statement"] if "NotIpAddress" in str(each["Condition"]))
    assert set(deny["Condition"]) > {"NotIpAddress"}  # and the principal: both must hold
    request = {
        "principal": f"arn:aws:sts::{CUSTOMER}:assumed-role/{lab.role_name}/reqsign",
        "action": "s3:PutObject",
        "resource": f"arn:aws:s3:::{lab.bucket}/{lab.prefix}/part-0",
    }
    inside = deny["Condition"]["NotIpAddress"]["aws:SourceIp"][0].partition("/")[0]
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    for address, allowed in ((inside, True), ("192.0.2.1", False)):
        asked = Request(**request, context={"aws:SourceIp": address})
        found = evaluate(
            asked,
            Policies(identity=[{"Version": "2012-10-17", "Statement": [allow]}], resource=policy),
        )
        assert (found.effect == "allowed") is allowed, address


def bucket_policy(lab):
    return json.loads(lab.setup.client("s3").get_bucket_policy(Bucket=lab.bucket)["Policy"])


def lab_17(lab):
    """With a bucket key the context is the bucket's ARN, without one the object's."""
    bucket, objects = (f"arn:aws:s3:::{lab.bucket}{rest}" for rest in ("", "/*"))
    key = lab.setup.variables["key_arn"]

    def works(pattern, with_bucket_key):
        encryption = {
            "ApplyServerSideEncryptionByDefault": {
                "SSEAlgorithm": "aws:kms",
                "KMSMasterKeyID": key,
            },
            "BucketKeyEnabled": with_bucket_key,
        }
        lab.setup.client("s3").put_bucket_encryption(
            Bucket=lab.bucket, ServerSideEncryptionConfiguration={"Rules": [encryption]}
        )
        statement = {
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": key,
            "Condition": {"StringLike": {"kms:EncryptionContext:aws:s3:arn": pattern}},
        }
        lab.setup.client("iam").put_role_policy(
            RoleName=lab.role_name,
            PolicyName="use-the-key",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        lab.setup.make([{"propagation": 0}])
        return lab.try_again().works

    refused = lab.try_again()
    assert "no identity-based policy allows" in " ".join(refused.lines)  # as if it were not there
    assert works(bucket, True)
    assert not works(objects, True)
    assert works(objects, False)
    assert not works(bucket, False)
    assert works([bucket, objects], True)
    assert works([bucket, objects], False)


def lab_18(lab):
    """The statement knows another id than the role's, though the role's name is the same."""
    iam = lab.setup.client("iam")
    role = iam.get_role(RoleName=lab.role_name)["Role"]
    assert "aws:userid" in json.dumps(bucket_policy(lab)).lower()
    assert role["RoleId"] not in json.dumps(bucket_policy(lab))
    iam.create_role(RoleName="twice", AssumeRolePolicyDocument=json.dumps(lab.setup.trust_policy()))
    first = iam.get_role(RoleName="twice")["Role"]
    iam.delete_role(RoleName="twice")
    iam.create_role(RoleName="twice", AssumeRolePolicyDocument=json.dumps(lab.setup.trust_policy()))
    second = iam.get_role(RoleName="twice")["Role"]
    assert first["Arn"] == second["Arn"]
    assert first["RoleId"] != second["RoleId"]


def lab_19(lab):
    """A repair by hand lasts until the next apply; the role's tag says whose it is."""
    tags = lab.setup.client("iam").list_role_tags(RoleName=lab.role_name)["Tags"]
    assert "managed-by" in {each["Key"] for each in tags}
    trust(TEAM, RISINGWAVE)(lab)
    lab.setup.make([{"propagation": 0}])
    assert lab.try_again().works
    assert "No changes" not in lab.terraform_plan().text
    lab.terraform_apply()
    assert not lab.try_again().works


def lab_20(lab):
    """The refusal is in the trail with its reason, and the change that caused it before it."""
    lab.try_again()
    text = lab.trail().text
    change, refusal = text.find("AttachRolePolicy"), text.find("explicit deny in an identity-based")
    assert 0 <= change < refusal


SHOWN = {f.__name__.removeprefix("lab_"): f for f in (
    lab_1, lab_2, lab_3, lab_4, lab_5, lab_6, lab_7, lab_8, lab_9, lab_10, lab_11, lab_12, lab_13,
    lab_14, lab_16, lab_17, lab_18, lab_19, lab_20)}  # fmt: skip
# Sentences that say what to do; what they say of AWS is in those beside them, or said elsewhere.
ADVICE = (
    "The Workload Identity of your cluster is one role; name it exactly.",
    "The role exists only with its final trust policy; never open it first",
    "Remove the condition, not the principal.",
    "Statements are grouped by what they have in common",
    "Turning encryption off is no repair of a permission.",
    "If the message names a service control policy instead",
    "Removing it takes a guard away",
    "The role must be in the Redshift cluster's account, and attached to the cluster.",
    "Wait with back-off and a bound, never for a fixed time.",
    "A change made out of impatience stays when the waiting is long over.",
    "Repair the layer that refused, and nothing else.",
    "What works after a wide grant has not been repaired.",
    "Ask who else is named by id before you delete a role",
    "Ask who owns a role before you repair it",
    "What you did not know within a minute is what to do again next week.",
)
# What `lab_N` shows, and what `test_texts` shows by the evaluator: sentences by their beginnings.
SENTENCES = {
    1: ("`:root` and a bare account id", "`UpdateAssumeRolePolicy` writes the whole document"),
    2: ("Two policies: what the role may do", "A third permission is on RisingWave's side"),
    3: ("The message names the caller", "Each cluster has its own", "A refusal by STS"),
    4: ("RisingWave's S3 connectors send no external id", "`sts:RoleSessionName` is sent"),
    5: ("`s3:prefix` is what the request sends", "`S3Error` in the message", "A pattern with"),
    6: ("Each action has its own condition keys", "RisingWave itself never calls"),
    7: ("`AROA…` as the principal", "The same name is not the same", "Saving the ARN again"),
    8: ("Writing to an SSE-KMS bucket needs", "A sink that was created may still fail"),
    9: ("An explicit Deny wins", "Exempt one role by `aws:PrincipalArn`"),
    10: ("Allowed is what the role's policies and its boundary", "A boundary grants nothing"),
    11: ("The error names the right region", "A region is no permission", "S3 options"),
    12: ("Across accounts both sides", "The message does not", "Allowed Principals takes"),
    13: ("The redshift sink uses one role twice", "`CREATE SINK` of redshift calls S3 not at all"),
    14: ('"Not yet" and "wrong" look the same',),
    15: ("One message at a time, from STS to S3",),
    16: ("`unknown` is an answer", "A condition on the network", "Conditions of one statement"),
    17: ("With a bucket key the encryption context", "A condition that does not fit",
         "A policy that is to survive the switch"),
    18: ("Made again is not the same", "`aws:userid` knows a role by its id"),
    19: ("A repair by hand under a tool", "The runbook's exports write the same set-up"),
    20: ("A refused call is in the trail", "The change that caused it", "Object-level calls"),
    21: ("The message has named the layer",),
}  # fmt: skip
LABS = [lab for lab in all_labs() if lab.number in SENTENCES]


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: str(lab.number))
def test_every_sentence_to_remember_is_shown_or_advice(lab):
    """A sentence that is new or another has to be shown first."""
    cells = json.loads(notebook_path(f"labs/{lab.file_name}").read_text(encoding="utf-8"))["cells"]
    text = next(
        t for t in ("".join(each["source"]) for each in cells) if "## What to remember" in t
    )
    said = [line[2:] for line in text.partition("## What is next")[0].splitlines()
            if line.startswith("- ")]  # fmt: skip
    known = (*SENTENCES[lab.number], *ADVICE)
    assert [each for each in said if not each.startswith(known)] == []
    assert [
        each for each in SENTENCES[lab.number] if not any(s.startswith(each) for s in said)
    ] == []


@pytest.mark.long
@pytest.mark.parametrize("number", SHOWN)
def test_what_a_lab_says_is_what_happens(shared_sandbox, monkeypatch, tmp_path, number):
    monkeypatch.setenv("RWLIB_LAB_SANDBOX", shared_sandbox.url)
    SHOWN[number](start_lab(number, "ada", environment=False, home=tmp_path))
