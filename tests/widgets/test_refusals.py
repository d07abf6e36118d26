"""A refusal to write never hides the reading: cards, verdicts, diagnosis and what mends it."""

from __future__ import annotations

import copy
import json
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
    assert not any("with apply" in each.fix for each in broken)
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
