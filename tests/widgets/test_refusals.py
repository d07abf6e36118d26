"""A refusal to write never hides the reading: cards, verdicts, diagnosis and what mends it."""

from __future__ import annotations

import copy
import json
import re
import shlex

import boto3
import pytest

from rwlib import widgets
from rwlib.runbook import LiveChecks
from rwlib.steps.step import State
from tests.widgets.test_guide import ROLE, WORKLOAD, complete, opened, set_up, trust_of, world

__all__ = ["complete", "world"]
OTHER = "arn:aws:iam::444455556666:role/other-cluster-role"


def write_trust(document):
    boto3.client("iam").update_assume_role_policy(
        RoleName=ROLE, PolicyDocument=json.dumps(document)
    )


def own(document):
    return document["Statement"][0]


def other_principal(document):
    own(document)["Principal"]["AWS"] = OTHER


def external_id(document):
    own(document)["Condition"] = {"StringEquals": {"sts:ExternalId": "acme"}}


def everybody(document):
    own(document)["Principal"] = {"AWS": [WORKLOAD, "*"]}


def condition_of_others(document):
    named = [WORKLOAD, "arn:aws:iam::111122223333:root"]
    document["Statement"][0] = {
        "Sid": "Theirs",
        "Effect": "Allow",
        "Principal": {"AWS": named},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "acme"}},
    }


def run_pasted(command):
    """Do what the copied ``aws iam`` command does, as its options say."""
    words = shlex.split(command)
    assert words[:3] == ["aws", "iam", "update-assume-role-policy"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    boto3.client("iam").update_assume_role_policy(
        RoleName=options["--role-name"], PolicyDocument=options["--policy-document"]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "disturb",
    [other_principal, external_id, everybody, condition_of_others],
    ids=lambda f: f.__name__,
)
def test_refused_step_leaves_the_verdict_and_the_copied_command_mends_it(world, complete, disturb):
    set_up(complete)
    panel = widgets.guide(complete, step=6, guided=True).check(picture=True)
    document = copy.deepcopy(trust_of())
    disturb(document)
    theirs = [each for each in document["Statement"] if each.get("Sid") == "Theirs"]
    write_trust(document)
    panel.button.click()
    guide = panel.guide
    assert "fail" in panel.summary.value
    assert "rw-chain" in panel.drawing.value
    done, closed, failed = State.SUCCESS, State.INIT, State.FAIL
    states = [each.state for each in guide.states]
    assert states == [done, done, failed, closed, closed, failed]
    broken = [each for each in panel.checks if each.status == "fail" and each.hop == "trust"]
    assert broken
    assert {each.fixed_by for each in broken} == {None}
    assert panel.fix_buttons == {}
    assert not any("--apply" in each.fix for each in broken)
    pastes = broken[-1].pastes
    assert json.loads(pastes[0].text)["Statement"]
    assert pastes[0].text.splitlines()[1] in repr(panel)
    causes = LiveChecks(guide.values).check("trust")
    assert causes.pastes == pastes
    run_pasted(pastes[-1].text)
    panel.button.click()
    assert "None of" in panel.summary.value
    assert [each.state for each in guide.states][:4] == [done] * 4
    kept = [each for each in trust_of()["Statement"] if each.get("Sid") == "Theirs"]
    assert [each["Condition"] for each in kept] == [each["Condition"] for each in theirs]
    assert WORKLOAD not in str(kept)


@pytest.mark.slow
def test_diagnosis_names_the_cause_and_never_a_refused_step(world, complete):
    set_up(complete)
    document = copy.deepcopy(trust_of())
    external_id(document)
    write_trust(document)
    panel = widgets.guide(complete, step=6, guided=True).diagnosis()
    session = WORKLOAD.replace(":iam:", ":sts:").replace("role/", "assumed-role/") + "/reqsign"
    panel.text.value = (
        f"User: {session} is not authorized to perform: sts:AssumeRole on resource: "
        f"arn:aws:iam::111122223333:role/{ROLE}"
    )
    panel.button.click()
    assert "form is not filled in" not in repr(panel)
    first = repr(panel).split("Likely:")[0].split("Possible:")[0]
    assert "Certain: " in first
    assert "(trust_external_id_required)" in first
    assert "aws iam update-assume-role-policy" in first
    assert "--apply" not in first


@pytest.mark.slow
def test_a_condition_taken_out_is_seen_at_once(world, complete):
    set_up(complete)
    good = trust_of()
    document = copy.deepcopy(good)
    external_id(document)
    write_trust(document)
    guide, panel, preview = opened(complete, 3, "check", "preview")
    assert guide.state.state is State.FAIL
    assert "sts:ExternalId" in repr(preview)
    assert "✗ fail" in panel.rows.children[0].value
    write_trust(good)
    panel.button.click()
    assert guide.state.state is State.SUCCESS
    assert "None of" in panel.summary.value


@pytest.mark.slow
def test_a_deny_of_the_bucket_comes_with_the_corrected_policy(world, complete):
    set_up(complete)
    s3 = boto3.client("s3")
    deny = {
        "Sid": "NoWrites",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::acme-analytics/*",
    }
    s3.put_bucket_policy(
        Bucket="acme-analytics",
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}),
    )
    _, panel = opened(complete, 6, "check")
    check = next(each for each in panel.checks if each.id == "bucket_policy")
    assert check.status == "fail"
    words = shlex.split(check.pastes[-1].text)
    assert words[:5] == ["aws", "s3api", "put-bucket-policy", "--bucket", "acme-analytics"]
    s3.put_bucket_policy(Bucket="acme-analytics", Policy=words[-1])
    panel.button.click()
    assert "None of" in panel.summary.value
    assert json.loads(words[-1])["Statement"][0]["Sid"] == "NoWrites"


def test_a_bucket_that_is_gone_is_a_verdict_too(world, complete):
    _, panel = opened({**complete, "bucket": "acme-nowhere"}, 6, "check")
    assert "✗ fail" in panel.rows.children[0].value
    assert "acme-nowhere" in repr(panel)


TEAM_BOUNDARY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}],
}
ADMINS_ALONE = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Admins",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": ["kms:Put*", "kms:Get*", "kms:Describe*", "kms:List*"],
            "Resource": "*",
        }
    ],
}


def run_copied(command):
    """Run a command of the AWS CLI as boto3 does it; return its words."""
    words = shlex.split(command)
    assert words[0] == "aws"
    given = {}
    options = iter(words[3:])
    for name in options:
        key = "".join(part.capitalize() for part in name.strip("-").split("-"))
        given[key] = True if name == "--set-as-default" else next(options)
    client = boto3.client(words[1].removesuffix("api"), region_name="us-east-1")
    getattr(client, words[2].replace("-", "_"))(**given)
    return words


@pytest.mark.slow
def test_a_boundary_in_the_way_comes_with_one_that_leaves_room_for_this_role(world, complete):
    set_up(complete)
    iam = boto3.client("iam")
    made = iam.create_policy(PolicyName="team", PolicyDocument=json.dumps(TEAM_BOUNDARY))
    arn = made["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=arn)
    _, panel = opened(complete, 6, "check")
    check = next(each for each in panel.checks if each.id == "boundary")
    words = run_copied(check.pastes[-1].text)
    assert words[1:5] == ["iam", "create-policy-version", "--policy-arn", arn]
    panel.button.click()
    assert "None of" in panel.summary.value
    statements = json.loads(words[-1])["Statement"]
    assert statements[0] == TEAM_BOUNDARY["Statement"][0]
    for each in statements[1:]:
        assert each["Condition"]["ArnEquals"]["aws:PrincipalArn"].endswith(f":role/{ROLE}")


@pytest.mark.slow
def test_a_deny_in_a_boundary_comes_with_one_that_exempts_this_role_alone(world, complete):
    set_up(complete)
    iam = boto3.client("iam")
    shut = copy.deepcopy(TEAM_BOUNDARY)
    shut["Statement"].append({"Effect": "Deny", "Action": "s3:*", "Resource": "*"})
    made = iam.create_policy(PolicyName="shut", PolicyDocument=json.dumps(shut))
    iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=made["Policy"]["Arn"])
    _, panel = opened(complete, 6, "check")
    check = next(each for each in panel.checks if each.id == "boundary")
    assert check.status == "fail"
    words = run_copied(check.pastes[-1].text)
    assert words[:3] == ["aws", "iam", "create-policy-version"]
    written = json.loads(words[-1])["Statement"]
    deny = next(each for each in written if each["Effect"] == "Deny")
    exempt = {"ArnNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::111122223333:role/{ROLE}"}}
    assert deny == {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": exempt}
    assert written[: len(TEAM_BOUNDARY["Statement"])] == TEAM_BOUNDARY["Statement"]
    panel.button.click()
    assert next(each for each in panel.checks if each.id == "boundary").status == "pass"


@pytest.mark.slow
@pytest.mark.parametrize("denies", [True, False], ids=["denied", "not allowed"])
def test_what_the_organization_stops_comes_with_a_text_for_its_administrators(
    world, complete, denies
):
    set_up(complete)
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}
    reading = {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*", "iam:*"], "Resource": "*"}
    statements = [everything, deny] if denies else [reading]
    world.set_scps("111122223333", [{"Version": "2012-10-17", "Statement": statements}])
    try:
        _, panel = opened(complete, 6, "check")
        check = next(each for each in panel.checks if each.id == "scp")
        assert check.status == "fail"
        text = check.pastes[0].text
        assert f"arn:aws:iam::111122223333:role/{ROLE}" in text
        assert "- s3:PutObject on arn:aws:s3:::acme-analytics/risingwave" in text
        assert ('"ArnNotEquals"' in text) is denies
        assert ('"Effect": "Allow"' in text) is not denies
        assert re.search(r"request id [0-9a-f-]{36}", text)
        assert "the text for the organization" in "".join(
            each.value for each in panel.rows.children if hasattr(each, "value")
        )
    finally:
        world.set_scps("111122223333")
    panel.button.click()
    assert next(each for each in panel.checks if each.id == "scp").status == "pass"


@pytest.mark.slow
def test_a_key_policy_in_the_way_comes_with_one_that_lets_the_role_in(world, complete):
    kms, s3 = boto3.client("kms", region_name="us-east-1"), boto3.client("s3")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    }
    s3.put_bucket_encryption(
        Bucket="acme-analytics", ServerSideEncryptionConfiguration={"Rules": [rule]}
    )
    set_up(complete)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(ADMINS_ALONE))
    _, panel = opened(complete, 6, "check")
    check = next(each for each in panel.checks if each.id == "kms_key_policy")
    words = run_copied(check.pastes[-1].text)
    assert words[1:5] == ["kms", "put-key-policy", "--key-id", key]
    panel.button.click()
    assert "None of" in panel.summary.value
    assert json.loads(words[-1])["Statement"][0] == ADMINS_ALONE["Statement"][0]
