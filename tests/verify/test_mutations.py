"""One fault at a time in a correct set-up: verification finds each, at its hop, and nothing else.

Every row breaks one thing by hand, as people do, and names the checks that must fail for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import boto3
import pytest
from botocore.exceptions import ClientError

from rwlib.aws.calls import policy_json
from rwlib.errors import CheckFailedError, ForeignTrustError, InputError
from rwlib.runbook.runbook import Runbook
from rwlib.target.target import Target
from rwlib.verify.hops import check_situation
from rwlib.verify.reasons import REASONS
from rwlib.verify.situation import read_situation
from tests.support.agreement import assert_agree
from tests.support.example_names import ACCOUNT, ROLE, ROLE_ARN, WORKLOAD

pytestmark = pytest.mark.slow

OTHER_CLUSTER = "arn:aws:iam::444455556666:role/other-cluster-role"
BUCKET = "arn:aws:s3:::acme-analytics"
# Not s3:*, which would keep the operator from looking, too.
OBJECTS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")


class Account:
    """The customer's account, with tools to break things."""

    def __init__(self, aws, target):
        self.target = target
        self.iam = aws.client("iam")
        self.s3 = aws.client("s3")
        self.frankfurt = aws.client("s3", region_name="eu-central-1")
        self.kms = aws.client("kms", region_name="eu-central-1")
        self.policy_arn = target.policy_arn_in(ACCOUNT)

    def trust(self, change):
        role = self.iam.get_role(RoleName=ROLE)["Role"]
        document = policy_json(role["AssumeRolePolicyDocument"])
        document = change(document) or document
        self.iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(document))

    def own(self, change):
        """Change the runbook's own statement of the trust policy."""
        self.trust(lambda document: change(document["Statement"][0]) and None)

    def add_trust(self, **statement):
        self.trust(
            lambda document: document["Statement"].append(
                {"Sid": "ByHand", "Action": "sts:AssumeRole", **statement}
            )
        )

    def policy(self, change, *, default=True):
        version = self.iam.get_policy(PolicyArn=self.policy_arn)["Policy"]["DefaultVersionId"]
        answer = self.iam.get_policy_version(PolicyArn=self.policy_arn, VersionId=version)
        document = policy_json(answer["PolicyVersion"]["Document"])
        document = change(document) or document
        self.iam.create_policy_version(
            PolicyArn=self.policy_arn, PolicyDocument=json.dumps(document), SetAsDefault=default
        )

    def statement(self, name, change):
        """Change the statement of the policy that has the Sid."""

        def find(document):
            change(next(each for each in document["Statement"] if each["Sid"] == name))

        self.policy(find)

    def without(self, name):
        def remove(document):
            document["Statement"] = [each for each in document["Statement"] if each["Sid"] != name]

        self.policy(remove)

    def replace_everywhere(self, old, new):
        self.policy(lambda document: json.loads(json.dumps(document).replace(old, new)))

    def inline(self, **statement):
        document = {"Version": "2012-10-17", "Statement": [{"Resource": "*", **statement}]}
        self.iam.put_role_policy(
            RoleName=ROLE, PolicyName="by-hand", PolicyDocument=json.dumps(document)
        )

    def boundary(self, *actions, resource="*"):
        document = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource}],
        }
        arn = self.iam.create_policy(PolicyName="boundary", PolicyDocument=json.dumps(document))
        self.iam.put_role_permissions_boundary(
            RoleName=ROLE, PermissionsBoundary=arn["Policy"]["Arn"]
        )

    def bucket_policy(self, *, effect="Deny", principal="*", action=OBJECTS, **more):
        statement = {
            "Effect": effect,
            "Principal": principal,
            "Action": action,
            "Resource": f"{BUCKET}/*",
            **more,
        }
        document = {"Version": "2012-10-17", "Statement": statement}
        self.s3.delete_public_access_block(Bucket="acme-analytics")
        self.s3.put_bucket_policy(Bucket="acme-analytics", Policy=json.dumps(document))

    @property
    def key(self):
        answer = self.frankfurt.get_bucket_encryption(Bucket="acme-encrypted")
        rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
        return rules[0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]

    def key_policy(self, *statements):
        admin = {
            "Sid": "Admin",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": ["kms:Put*", "kms:Get*", "kms:Describe*", "kms:List*"],
            "Resource": "*",
        }
        document = {"Version": "2012-10-17", "Statement": [admin, *statements]}
        self.kms.put_key_policy(KeyId=self.key, PolicyName="default", Policy=json.dumps(document))

    def other_key(self):
        arn = self.kms.create_key()["KeyMetadata"]["Arn"]
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}
        self.frankfurt.put_bucket_encryption(
            Bucket="acme-encrypted",
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": default}]
            },
        )


@dataclass
class Mutation:
    name: str
    make: Callable[[Account], object]
    fails: set[str]
    says: str = ""
    changes: dict = field(default_factory=dict)
    depends: set[str] = field(default_factory=set)


def put(key, value):
    return lambda statement: statement.update({key: value})


def take(key, *values):
    def change(statement):
        statement[key] = [each for each in statement[key] if each not in values]

    return change


REQUESTS = {"requests_allowed"}
NOT_TRUSTED = {"trust_principal", "trust"}
WRITTEN_OVER = {"policy_documents"} | REQUESTS
EXTERNAL = {"StringEquals": {"sts:ExternalId": "x"}}
KMS_TARGET = {"bucket": "acme-encrypted", "connectors": ["s3_sink"]}
GLUE_TARGET = {"connectors": ["iceberg_sink"], "glue_database": "lake"}
DELETED = "AROA1234567890ABCDEFG"

TRUST = [
    Mutation("other cluster", lambda a: a.own(put("Principal", {"AWS": OTHER_CLUSTER})),
             NOT_TRUSTED, OTHER_CLUSTER),
    Mutation("third party", lambda a: a.own(put("Principal",
             {"AWS": "arn:aws:iam::777788889999:role/thirdparty-role"})), NOT_TRUSTED,
             "777788889999"),
    Mutation("own account's root", lambda a: a.own(put("Principal",
             {"AWS": f"arn:aws:iam::{ACCOUNT}:root"})), NOT_TRUSTED),
    Mutation("second principal", lambda a: a.own(put("Principal",
             {"AWS": [WORKLOAD, OTHER_CLUSTER]})), {"trust"}, "named beside"),
    Mutation("service beside", lambda a: a.own(put("Principal",
             {"AWS": WORKLOAD, "Service": "ec2.amazonaws.com"})), {"trust"}, "ec2.amazonaws.com"),
    Mutation("RisingWave's whole account", lambda a: a.own(put("Principal",
             {"AWS": "arn:aws:iam::444455556666:root"})), {"trust"}, "another role"),
    Mutation("RisingWave's whole account beside", lambda a: a.add_trust(Effect="Allow",
             Principal={"AWS": "444455556666"}), {"trust"}, "another role"),
    Mutation("everybody", lambda a: a.add_trust(Effect="Allow", Principal={"AWS": "*"}),
             {"trust"}, "stranger"),
    Mutation("everybody in the own statement", lambda a: a.own(put("Principal", "*")),
             {"trust"}, "stranger"),
    Mutation("external id", lambda a: a.own(put("Condition", EXTERNAL)),
             {"trust_conditions", "trust"}, "sts:externalid"),
    Mutation("session name", lambda a: a.own(put("Condition",
             {"StringEquals": {"sts:RoleSessionName": "cluster"}})),
             {"trust_conditions", "trust"}, "sts:rolesessionname"),
    Mutation("source address", lambda a: a.own(put("Condition",
             {"IpAddress": {"aws:SourceIp": "203.0.113.7/32"}})), set(), changes={},
             depends={"trust_conditions", "trust"}),
    Mutation("deny for the workload", lambda a: a.add_trust(Effect="Deny",
             Principal={"AWS": WORKLOAD}), {"trust_deny", "trust"}, "denied by Sid ByHand"),
    Mutation("deny for RisingWave's account", lambda a: a.add_trust(Effect="Deny",
             Principal={"AWS": "444455556666"}), {"trust_deny", "trust"}),
    Mutation("deny for all", lambda a: a.add_trust(Effect="Deny", Principal="*"),
             {"trust_deny", "trust", "redshift_trust"}),
    Mutation("other action", lambda a: a.own(put("Action", "sts:TagSession")), {"trust"}),
    Mutation("allow turned to deny", lambda a: a.own(put("Effect", "Deny")),
             {"trust_principal", "trust_deny", "trust"}),
    Mutation("own statement removed", lambda a: a.trust(
             lambda d: {**d, "Statement": d["Statement"][1:]}), NOT_TRUSTED),
    Mutation("redshift removed", lambda a: a.trust(
             lambda d: {**d, "Statement": d["Statement"][:1]}), {"redshift_trust"}),
    Mutation("redshift with a condition", lambda a: a.trust(
             lambda d: d["Statement"][1].update(Condition=EXTERNAL)), {"redshift_trust"}),
]  # fmt: skip

POLICY = [
    Mutation("detached", lambda a: a.iam.detach_role_policy(RoleName=ROLE,
             PolicyArn=a.policy_arn), {"policy_attached"} | REQUESTS),
    Mutation("no put", lambda a: a.without("RisingWaveWriteObjects"), WRITTEN_OVER, "write"),
    Mutation("no get", lambda a: a.without("RisingWaveReadObjects"), WRITTEN_OVER, "read"),
    Mutation("no list", lambda a: a.without("RisingWaveListPrefix"), WRITTEN_OVER, "list"),
    Mutation("no delete of manifests", lambda a: a.without("RisingWaveDeleteManifests"),
             WRITTEN_OVER, "delete"),
    Mutation("misspelt action", lambda a: a.statement("RisingWaveReadObjects",
             put("Action", ["s3:GetObjects"])), WRITTEN_OVER),
    Mutation("objects without their slash", lambda a: a.statement("RisingWaveWriteObjects",
             put("Resource", f"{BUCKET}/risingwave*")),
             {"policy_documents", "requests_refused"}, "risingwave-other"),
    Mutation("objects named as the folder", lambda a: a.statement("RisingWaveWriteObjects",
             put("Resource", f"{BUCKET}/risingwave")), WRITTEN_OVER),
    Mutation("list of one exact name", lambda a: a.statement("RisingWaveListPrefix",
             put("Condition", {"StringEquals": {"s3:prefix": ["risingwave"]}})), WRITTEN_OVER),
    Mutation("list on the objects", lambda a: a.statement("RisingWaveListPrefix",
             put("Resource", f"{BUCKET}/*")), WRITTEN_OVER),
    Mutation("list without a condition", lambda a: a.statement("RisingWaveListPrefix",
             lambda s: s.pop("Condition")), {"policy_documents", "requests_refused"}, "root"),
    Mutation("other bucket", lambda a: a.replace_everywhere("acme-analytics", "acme-analytic"),
             WRITTEN_OVER),
    Mutation("other prefix", lambda a: a.replace_everywhere("risingwave/", "rising-wave/"),
             WRITTEN_OVER),
    Mutation("old default version", lambda a: (a.without("RisingWaveReadObjects"),
             a.iam.set_default_policy_version(PolicyArn=a.policy_arn, VersionId="v1"),
             a.iam.create_policy_version(PolicyArn=a.policy_arn, SetAsDefault=False,
             PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []} | {
                 "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]})),
             a.iam.set_default_policy_version(PolicyArn=a.policy_arn, VersionId="v2")),
             WRITTEN_OVER),
    Mutation("too wide beside", lambda a: a.inline(Effect="Allow", Action="s3:*"),
             {"requests_refused"}, "delete the bucket"),
    Mutation("administrator", lambda a: a.inline(Effect="Allow", Action="*"),
             {"requests_refused"}),
    Mutation("whole bucket beside", lambda a: a.inline(Effect="Allow", Action="s3:GetObject",
             Resource=f"{BUCKET}/*"), {"requests_refused"}, "risingwave-other"),
    Mutation("explicit deny beside", lambda a: a.inline(Effect="Deny", Action="s3:PutObject"),
             REQUESTS, "by-hand"),
    Mutation("deny of one folder", lambda a: a.inline(Effect="Deny", Action="s3:*",
             Resource=f"{BUCKET}/risingwave/*/manifest/*"), REQUESTS),
    Mutation("boundary too narrow", lambda a: a.boundary("s3:GetObject", "s3:ListBucket"),
             {"boundary"} | REQUESTS, "permissions boundary"),
    Mutation("boundary for another bucket", lambda a: a.boundary("s3:*",
             resource="arn:aws:s3:::acme-other/*"), {"boundary"} | REQUESTS),
]  # fmt: skip

BUCKET_POLICY = [
    Mutation("deny for the role", lambda a: a.bucket_policy(principal={"AWS": ROLE_ARN}),
             {"bucket_policy"} | REQUESTS, "resource-based policy"),
    Mutation("deny for all but one", lambda a: a.bucket_policy(Condition={"StringNotLike": {
             "aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/etl"}}),
             {"bucket_policy"} | REQUESTS),
    Mutation("deny but from a VPC endpoint", lambda a: a.bucket_policy(Condition={
             "StringNotEquals": {"aws:SourceVpce": "vpce-1a2b3c4d"}}), set(),
             depends={"bucket_policy"} | REQUESTS),
    Mutation("deny but from an address", lambda a: a.bucket_policy(Condition={
             "NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}), set(),
             depends={"bucket_policy"} | REQUESTS),
    Mutation("deny without the encryption header", lambda a: a.bucket_policy(
             action="s3:PutObject", Condition={"StringNotEquals": {
                 "s3:x-amz-server-side-encryption": "aws:kms"}}), {"bucket_policy"} | REQUESTS),
    Mutation("deny but for unique ids", lambda a: a.bucket_policy(Condition={"StringNotLike": {
             "aws:userid": [f"{DELETED}:*", ACCOUNT]}}), {"bucket_policy"} | REQUESTS),
    Mutation("allow for the role on all", lambda a: a.bucket_policy(effect="Allow",
             principal={"AWS": ROLE_ARN}), {"requests_refused"}),
]  # fmt: skip

OTHERS = [
    Mutation("role deleted", lambda a: (a.iam.detach_role_policy(RoleName=ROLE,
             PolicyArn=a.policy_arn), a.iam.delete_role(RoleName=ROLE)),
             {"role_exists", "policy_attached", "trust_principal", "trust_conditions",
              "trust_deny", "trust", "redshift_trust"} | REQUESTS),
    Mutation("policy deleted", lambda a: (a.iam.detach_role_policy(RoleName=ROLE,
             PolicyArn=a.policy_arn), a.iam.delete_policy(PolicyArn=a.policy_arn)),
             {"policy_documents", "policy_attached"} | REQUESTS),
    Mutation("no KMS statement", lambda a: a.without("RisingWaveUseKmsKey"),
             {"kms"} | WRITTEN_OVER, changes=KMS_TARGET),
    Mutation("no data key", lambda a: a.statement("RisingWaveUseKmsKey",
             take("Action", "kms:GenerateDataKey")), {"kms"} | WRITTEN_OVER, changes=KMS_TARGET),
    Mutation("key disabled", lambda a: a.kms.disable_key(KeyId=a.key), {"kms"}, "enable-key",
             KMS_TARGET),
    Mutation("key policy without the role", lambda a: a.key_policy(),
             {"kms", "kms_key_policy"} | REQUESTS, changes=KMS_TARGET),
    Mutation("key policy denies", lambda a: a.key_policy(
             {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
              "Action": "kms:*", "Resource": "*"},
             {"Effect": "Deny", "Principal": "*", "Action": "kms:GenerateDataKey",
              "Resource": "*", "Condition": {"ArnEquals": {"aws:PrincipalArn": ROLE_ARN}}}),
             {"kms", "kms_key_policy"} | REQUESTS, changes=KMS_TARGET),
    Mutation("bucket has another key", lambda a: a.other_key(),
             {"kms"} | WRITTEN_OVER, changes=KMS_TARGET),
    Mutation("no Glue statement", lambda a: a.without("RisingWaveGlueCatalog"), WRITTEN_OVER,
             "Glue", GLUE_TARGET),
    Mutation("other Glue database", lambda a: a.replace_everywhere("/lake", "/pond"),
             WRITTEN_OVER, changes=GLUE_TARGET),
    Mutation("no delete for Iceberg", lambda a: a.without("RisingWaveDeleteObjects"),
             WRITTEN_OVER, changes={"connectors": ["iceberg_sink"]}),
]  # fmt: skip

MUTATIONS = [*TRUST, *POLICY, *BUCKET_POLICY, *OTHERS]


def runbook(aws, values):
    aws.forget()
    target = Target(**values)
    return Runbook(target, aws, workload_identity_arn=target.workload_identity_arn)


def set_up(aws, values):
    book = runbook(aws, {**values, "apply": True})
    for number in (1, 2, 3):
        book.run_step(number)
    return Account(aws, book.target)


def failing(aws, values):
    book = runbook(aws, values)
    situation = read_situation(aws, book.target, book.bucket)
    checks = check_situation(book.target, situation, book.policy_document)
    return {check.id: check for check in checks if check.status == "fail"}, checks


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_verification_finds_the_fault_at_its_hop(aws, example, mutation):
    values = {**example, **mutation.changes}
    account = set_up(aws, values)
    mutation.make(account)
    found, checks = failing(aws, values)
    assert set(found) == mutation.fails
    for check in found.values():
        assert check.evidence
        assert check.fix
    text = " ".join([*(line for c in found.values() for line in (*c.evidence, c.fix))])
    assert mutation.says in text
    unknown = {check.id: check for check in checks if check.status == "unknown"}
    assert set(unknown) == mutation.depends
    assert {check.reason for check in unknown.values()} <= {"depends_on_context"}
    for check in found.values():
        assert check.reason in REASONS
    assert_agree(account.target, checks)


ALONE = [mutation for mutation in MUTATIONS if not mutation.changes]


@pytest.mark.long
@pytest.mark.parametrize("first", ALONE, ids=lambda mutation: mutation.name)
def test_diagnosis_agrees_with_the_verification_on_every_pair_of_faults(
    aws, sandbox, example, first
):
    for second in ALONE[ALONE.index(first) + 1 :]:
        sandbox.reset()
        account = set_up(aws, example)
        try:
            first.make(account)
            second.make(account)
        except (ClientError, KeyError, StopIteration, IndexError):
            continue  # the first fault took away what the second one breaks
        _, checks = failing(aws, example)
        assert_agree(account.target, checks)


def test_default_version_that_was_set_back_is_told_from_a_changed_document(aws, example):
    account = set_up(aws, example)
    account.without("RisingWaveReadObjects")  # the version that is wanted stays, and is kept

    def reason():
        checks = runbook(aws, example).verify_live()
        assert_agree(account.target, checks)
        return next(each.reason for each in checks if each.id == "policy_documents")

    assert reason() == "policy_old_version"
    account.iam.delete_policy_version(PolicyArn=account.policy_arn, VersionId="v1")
    assert reason() == "policy_differs"


def test_table_of_faults_is_long_enough():
    assert len(MUTATIONS) >= 30
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)


CORRECT = [
    {},
    KMS_TARGET,
    GLUE_TARGET,
    {"connectors": ["s3_source", "snowflake_v2", "snowflake", "s3_sink"]},
    {"prefix": ""},
    {"prefix": "a/b c/d$e", "connectors": ["s3_sink", "redshift"]},
    {"role_path": "/data/risingwave/", "tags": {"team": "data"}},
    {"bucket": "acme-frankfurt", "region_name": "eu-central-1"},
]


@pytest.mark.parametrize("changes", CORRECT, ids=str)
def test_verification_is_green_when_all_is_correct(aws, example, changes):
    values = {**example, **changes}
    set_up(aws, values)
    # What AWS itself says may not be there to ask.
    checks = [
        check
        for check in runbook(aws, values).verify_live()
        if check.id not in ("simulation", "scp", "policy_validated", "redshift_role_attached")
    ]
    assert {check.id: check.status for check in checks if check.status not in ("pass",)} == {
        "allowed_principal": "manual"
    }


HARMLESS = [
    ("TLS only", lambda a: a.bucket_policy(Condition={"Bool": {"aws:SecureTransport": "false"}})),
    ("exempt by ARN", lambda a: a.bucket_policy(
        Condition={"ArnNotEquals": {"aws:PrincipalArn": [ROLE_ARN, f"arn:aws:iam::{ACCOUNT}:root"]}}
    )),
    ("exempt by unique id", lambda a: a.bucket_policy(Condition={"StringNotLike": {"aws:userid": [
        f"{a.iam.get_role(RoleName=ROLE)['Role']['RoleId']}:*", ACCOUNT]}})),
    ("deny for another role", lambda a: a.bucket_policy(
        Condition={"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/etl"}})),
    ("another service trusted", lambda a: a.add_trust(
        Effect="Allow", Principal={"Service": "glue.amazonaws.com"})),
    ("wide boundary", lambda a: a.boundary("s3:*", "kms:*", "glue:*")),
    ("policy reformatted", lambda a: a.statement(
        "RisingWaveReadObjects", put("Action", "s3:GetObject"))),
    ("statement by hand", lambda a: a.own(put("Sid", "ByHand"))),
]  # fmt: skip


@pytest.mark.parametrize("change", [row[1] for row in HARMLESS], ids=[row[0] for row in HARMLESS])
def test_verification_stays_green_when_the_change_is_harmless(aws, example, change):
    change(set_up(aws, example))
    assert failing(aws, example)[0] == {}


@pytest.mark.parametrize("mutation", TRUST, ids=lambda mutation: mutation.name)
def test_apply_repairs_what_the_runbook_owns(aws, example, mutation):
    account = set_up(aws, example)
    mutation.make(account)
    own = {"external id", "session name", "everybody in the own statement"}
    others = {
        "deny for the workload", "deny for RisingWave's account", "deny for all",
    }  # fmt: skip
    # A statement with our Sid that somebody altered is somebody's.
    altered = {
        "other cluster", "third party", "own account's root", "second principal", "service beside",
        "RisingWave's whole account", "source address", "other action", "allow turned to deny",
        "redshift with a condition",
    }  # fmt: skip
    if mutation.name in altered:
        with pytest.raises(ForeignTrustError, match="not what this runbook writes"):
            set_up(aws, example)
        return
    if mutation.name in ("RisingWave's whole account beside", "everybody"):
        # The gate: the role would be open to others.
        with pytest.raises(CheckFailedError, match="nothing was written"):
            set_up(aws, example)
        return
    if mutation.name in own:
        with pytest.raises(ForeignTrustError, match=r"remove that condition|wildcard principal"):
            set_up(aws, example)
        return
    set_up(aws, example)
    assert bool(failing(aws, example)[0]) == (mutation.name in others)


def test_verification_names_the_bucket_when_it_was_deleted(aws, example):
    values = {**example, "bucket": "acme-frankfurt"}
    set_up(aws, values)
    s3 = boto3.resource("s3", region_name="eu-central-1")
    s3.Bucket("acme-frankfurt").objects.delete()
    s3.Bucket("acme-frankfurt").delete()
    with pytest.raises(InputError, match="bucket: 'acme-frankfurt' does not exist"):
        failing(aws, values)


def test_documented_policy_fails_where_the_page_is_wrong(aws, example):
    values = {**example, "policy_style": "documented", "connectors": ["s3_sink"]}
    values["sql_options"] = {"s3.path": values["prefix"]}  # as the page's own examples write it
    set_up(aws, values)
    found, _ = failing(aws, values)
    assert set(found) == {"requests_allowed"}
    assert "policy_style: recommended" in found["requests_allowed"].fix
    assert all("list files under risingwave" in line for line in found["requests_allowed"].evidence)


def test_wanted_boundary_is_missed_when_another_is_set(aws, example):
    account = set_up(aws, example)
    account.boundary("s3:*")
    document = {"Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}  # fmt: skip
    wanted = account.iam.create_policy(PolicyName="wanted", PolicyDocument=json.dumps(document))[
        "Policy"
    ]["Arn"]
    found, _ = failing(aws, {**example, "permissions_boundary_arn": wanted})
    assert set(found) == {"boundary"}
    assert "policy/boundary is" in found["boundary"].evidence[0]
    assert wanted in found["boundary"].fix
    assert Target(**example).role_name in found["boundary"].fix
