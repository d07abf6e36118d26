"""The verification's own checks, on one fault each, settle the diagnosis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from rwlib.aws.bucket import BucketFacts
from rwlib.diagnose.diagnosis import diagnose
from rwlib.target.target import Target
from rwlib.verify.hops import check_situation
from rwlib.verify.known import CheckedFacts
from rwlib.verify.situation import Situation

WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"
ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
POLICY = "arn:aws:iam::111122223333:policy/rw"
SESSION = "arn:aws:sts::111122223333:assumed-role/risingwave-s3-access/reqsign"
ASSUME = (
    "User: arn:aws:sts::444455556666:assumed-role/g1jk13sq56ejdref71h1cvokbh-role/reqsign is not "
    f"authorized to perform: sts:AssumeRole on resource: {ROLE}"
)
TARGET = Target(
    workload_identity_arn=WORKLOAD,
    bucket="acme-lake",
    prefix="rw",
    region_name="us-east-1",
    connectors=["s3_sink"],
)


def statement(**values: Any) -> dict[str, Any]:
    return {
        "Sid": "RisingWaveCloudAssumeRole",
        "Effect": "Allow",
        "Principal": {"AWS": WORKLOAD},
        "Action": "sts:AssumeRole",
        **values,
    }


def trust(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def s3_policy(
    actions: list[str] | None = None,
    resource: str = "arn:aws:s3:::acme-lake/rw/*",
    listed: list[str] | None = None,
) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "Objects", "Effect": "Allow", "Action": actions or ["s3:PutObject"],
             "Resource": resource},
            {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket",
             "Resource": "arn:aws:s3:::acme-lake",
             "Condition": {"StringLike": {"s3:prefix": listed or ["rw", "rw/", "rw/*"]}}},
        ],
    }  # fmt: skip


def situation(
    trust_policy: Mapping[str, Any] | None = None,
    policy: Mapping[str, Any] | None = None,
    bucket: BucketFacts | None = None,
    **values: Any,
) -> CheckedFacts:
    policy = policy or s3_policy()
    fields: dict[str, Any] = {
        "caller_arn": "arn:aws:iam::111122223333:user/operator",
        "account_id": "111122223333",
        "role_arn": ROLE,
        "trust_policy": trust_policy or trust(statement()),
        "identity": ((POLICY, policy),),
        "policy_arn": POLICY,
        "policy_document": policy,
        "attached": (POLICY,),
        "boundary": None,
        "bucket": bucket or BucketFacts("acme-lake", "us-east-1"),
        **values,
    }
    return CheckedFacts(check_situation(TARGET, Situation(**fields), s3_policy()))


def certain(text: str, live: CheckedFacts) -> list[str]:
    (found,) = diagnose(text, target=TARGET, live=live)
    return [cause.id for cause in found.causes if cause.confidence == "certain"]


@pytest.mark.parametrize(
    ("trust_policy", "cause"),
    [
        (trust(statement(Principal={"AWS": "arn:aws:iam::444455556666:role/other"})),
         "trust_principal_mismatch"),
        (trust(statement(Principal={"AWS": "AROAEXAMPLEEXAMPLE123"})), "trust_principal_deleted"),
        (trust(statement(Condition={"StringEquals": {"sts:ExternalId": "x"}})),
         "trust_external_id_required"),
        (trust(statement(Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})),
         "trust_condition_unmet"),
        (trust(statement(), statement(Sid="No", Effect="Deny")), "trust_explicit_deny"),
        (trust(statement(Effect="Deny")), "trust_explicit_deny"),
        (trust(statement(Action="sts:TagSession")), "trust_missing"),
    ],
    ids=json.dumps,
)  # fmt: skip
def test_fault_of_the_trust_policy_is_certain(trust_policy: dict[str, Any], cause: str) -> None:
    assert certain(ASSUME, situation(trust_policy)) == [cause]


def test_role_that_does_not_exist_is_certain() -> None:
    live = situation()
    checks = check_situation(
        TARGET,
        Situation(
            caller_arn="arn:aws:iam::111122223333:user/operator",
            account_id="111122223333",
            role_arn=ROLE,
            trust_policy=None,
            identity=(),
            policy_arn=POLICY,
            policy_document=s3_policy(),
            attached=(),
            boundary=None,
            bucket=BucketFacts("acme-lake", "us-east-1"),
        ),
        s3_policy(),
    )
    assert certain(ASSUME, live) == []
    assert certain(ASSUME, CheckedFacts(checks)) == ["role_missing"]


def refused(action: str, key: str = "/rw/part-0.json") -> str:
    resource = f'\\"arn:aws:s3:::acme-lake{key}\\"'
    words = f"is not authorized to perform: {action} on resource: {resource}"
    return f'S3Error {{ code: "AccessDenied", message: "User: {SESSION} {words}" }}'


@pytest.mark.parametrize(
    ("text", "faults", "cause"),
    [
        (refused("s3:PutObject"), {"policy": s3_policy(["s3:GetObject"])}, "s3_action_missing"),
        (refused("s3:PutObject"), {"policy": s3_policy(resource="arn:aws:s3:::acme/*")},
         "s3_resource_mismatch"),
        (refused("s3:ListBucket", ""), {"policy": s3_policy(listed=["other/*"])},
         "list_condition_too_narrow"),
        (refused("s3:PutObject"), {"identity": (), "attached": ()}, "policy_not_attached"),
        (refused("s3:PutObject"),
         {"boundary": ("arn:aws:iam::111122223333:policy/b", s3_policy(["s3:GetObject"]))},
         "boundary_denies"),
        (refused("s3:PutObject"),
         {"bucket": BucketFacts("acme-lake", "us-east-1", policy={
             "Version": "2012-10-17", "Statement": [
                 {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
                  "Resource": "arn:aws:s3:::acme-lake/*"}]})},
         "bucket_policy_denies"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)  # fmt: skip
def test_fault_of_the_way_to_the_bucket_is_certain(
    text: str, faults: dict[str, Any], cause: str
) -> None:
    assert certain(text, situation(**faults)) == [cause]


def test_two_faults_at_once_are_both_certain() -> None:
    live = situation(
        trust(statement(Condition={"StringEquals": {"sts:ExternalId": "x"}})),
        s3_policy(["s3:GetObject"]),
    )
    assert certain(ASSUME, live) == ["trust_external_id_required"]
    assert certain(refused("s3:PutObject"), live) == ["s3_action_missing"]
    found = {cause.id for each in diagnose(None, target=TARGET, live=live) for cause in each.causes}
    assert found == {"trust_external_id_required", "s3_action_missing"}


def test_correct_set_up_finds_nothing() -> None:
    assert diagnose(None, target=TARGET, live=situation()) == []
