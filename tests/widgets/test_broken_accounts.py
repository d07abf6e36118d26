"""Accounts that somebody broke: the page names what refuses, and what it offers mends it.

What is offered is done as a person does it: "Fix it", or the command that the page gives.
"""

from __future__ import annotations

import itertools
import json

import boto3
import pytest

from rwlib import widgets
from rwlib.display import facts_of
from rwlib.report import chain
from rwlib.steps.step import State
from tests.widgets.test_guide import CLUSTER, ROLE, WORKLOAD, complete, trust_of, world
from tests.widgets.test_refusals import ADMINS_ALONE, OTHER, TEAM_BOUNDARY, run_copied, write_trust

pytestmark = pytest.mark.slow

__all__ = ["complete", "world"]
BUCKET = "acme-analytics"
OBJECTS = f"arn:aws:s3:::{BUCKET}/*"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def iam():
    return boto3.client("iam")


def own_policy():
    found = iam().list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
    return next(each["PolicyArn"] for each in found if each["PolicyName"].startswith("risingwave"))


def wrong_principal():
    changed = trust_of()
    changed["Statement"][0]["Principal"]["AWS"] = OTHER
    write_trust(changed)


def external_id():
    changed = trust_of()
    changed["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": "acme"}}
    write_trust(changed)


def deleted_role():
    iam().detach_role_policy(RoleName=ROLE, PolicyArn=own_policy())
    iam().delete_role(RoleName=ROLE)


def bucket_deny():
    only = {"StringNotLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/finance-*"}}
    deny = {"Sid": "OnlyFinance", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject"}
    boto3.client("s3").put_bucket_policy(
        Bucket=BUCKET, Policy=document({**deny, "Resource": OBJECTS, "Condition": only})
    )


def boundary():
    made = iam().create_policy(PolicyName="team", PolicyDocument=json.dumps(TEAM_BOUNDARY))
    arn = made["Policy"]["Arn"]
    iam().put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=arn)
    return arn


def key_of_the_bucket():
    kms = boto3.client("kms", region_name="us-east-1")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    boto3.client("s3").put_bucket_encryption(
        Bucket=BUCKET,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]},
    )
    return kms, key


def key_policy():
    kms, key = key_of_the_bucket()
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(ADMINS_ALONE))


def own_policy_widened():
    wide = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    iam().create_policy_version(
        PolicyArn=own_policy(), PolicyDocument=document(wide), SetAsDefault=True
    )


def own_policy_of_five_versions():
    for number in range(4):
        other = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{OBJECTS}{number}"}
        iam().create_policy_version(
            PolicyArn=own_policy(), PolicyDocument=document(other), SetAsDefault=number == 3
        )


NO_WRITES = {"Sid": "NoWrites", "Effect": "Deny", "Action": "s3:Put*", "Resource": "*"}


def inline_deny():
    iam().put_role_policy(RoleName=ROLE, PolicyName="by-hand", PolicyDocument=document(NO_WRITES))


def attached_deny():
    made = iam().create_policy(PolicyName="guard", PolicyDocument=document(NO_WRITES))
    iam().attach_role_policy(RoleName=ROLE, PolicyArn=made["Policy"]["Arn"])


def deny_of_aws():
    iam().attach_role_policy(RoleName=ROLE, PolicyArn="arn:aws:iam::aws:policy/AWSDenyAll")


def boundary_of_five_versions():
    arn = boundary()
    for _ in range(4):
        iam().create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(TEAM_BOUNDARY))


def boundary_of_aws():
    arn = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"
    iam().put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=arn)


def key_deny():
    kms, key = key_of_the_bucket()
    admins = {"Sid": "Admins", "Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    admins["Principal"] = {"AWS": "arn:aws:iam::111122223333:root"}
    guard = {"Sid": "Guard", "Effect": "Deny", "Principal": "*", "Resource": "*"}
    guard["Action"] = ["kms:Decrypt", "kms:GenerateDataKey"]
    guard["Condition"] = {
        "ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/finance-*"}
    }
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=document(admins, guard))


def key_to_be_deleted():
    kms, key = key_of_the_bucket()
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)


def trust_deny_of_other_accounts():
    changed = trust_of()
    others = {"StringNotEquals": {"aws:PrincipalAccount": "111122223333"}}
    guard = {"Sid": "Guard", "Effect": "Deny", "Principal": "*", "Action": "sts:*"}
    changed["Statement"].append({**guard, "Condition": others})
    write_trust(changed)


ROLE_BOX, POLICIES_BOX, BUCKET_BOX, KEY_BOX = "Your role", "Policies", "Bucket", "Encryption"
BREAKS = {
    wrong_principal: {ROLE_BOX},
    external_id: {ROLE_BOX},
    deleted_role: {ROLE_BOX},
    bucket_deny: {BUCKET_BOX},
    boundary: {POLICIES_BOX},
    key_policy: {POLICIES_BOX, KEY_BOX},  # the policy knows nothing of the new key either
    own_policy_widened: {POLICIES_BOX},
    own_policy_of_five_versions: {POLICIES_BOX},
    inline_deny: {POLICIES_BOX},
    attached_deny: {POLICIES_BOX},
    deny_of_aws: {POLICIES_BOX},
    boundary_of_five_versions: {POLICIES_BOX},
    boundary_of_aws: {POLICIES_BOX},
    key_deny: {POLICIES_BOX, KEY_BOX},
    key_to_be_deleted: {POLICIES_BOX, KEY_BOX},
    trust_deny_of_other_accounts: {ROLE_BOX},
}
SIX = tuple(BREAKS)[:6]
# Each that stands for a way of its own; the others, and every two of the six, take minutes.
ALWAYS = [(own_policy_widened,), (inline_deny, bucket_deny), (wrong_principal, key_policy)]
LONG = [*((each,) for each in BREAKS), *itertools.combinations(SIX, 2)]
CASES = [
    *ALWAYS,
    *(pytest.param(each, marks=pytest.mark.long) for each in LONG if each not in ALWAYS),
]


def named(case):
    return "+".join(each.__name__ for each in case)


@pytest.fixture
def page(world, complete, monkeypatch):
    monkeypatch.setenv("RWLIB_GUIDED", "1")
    made = widgets.page({**complete, "connectors": ["redshift"]})
    made.sections = {number: made.section(number) for number in range(1, 7)}
    for number in (1, 2, 4):
        made.sections[number].apply.button.click()
    assert made.guide.state_of(6).state is State.SUCCESS
    return made


def failed_in(page):
    return [each for each in page.guide.runbook.checks if each.status == "fail"]


def mend_as_offered(page):
    """Press "Fix it" as long as there is one, else run the next command; return what was run."""
    panel, ran = page.sections[6].verdict, []
    for _ in range(8):
        if not failed_in(page):
            return ran
        if panel.fix_buttons:
            next(iter(panel.fix_buttons.values())).click()
            assert panel.apply_fix.layout.display == ""
            panel.apply_fix.click()
            assert "rw-good" in panel.fix.value, panel.fix.text
            continue
        texts = [paste.text for each in failed_in(page) for paste in each.pastes]
        command = next(each for each in texts if each.startswith("aws ") and each not in ran)
        run_copied(command)
        ran.append(command)
        panel.button.click()
    raise AssertionError(f"not mended by {ran}")


@pytest.mark.parametrize("breaks", CASES, ids=named)
def test_what_refuses_is_painted_and_what_is_offered_mends_it(page, breaks):
    for each in sorted(breaks, key=lambda each: each is deleted_role):
        each()
    panel = page.sections[6].verdict
    panel.button.click()
    assert page.guide.state_of(6).state is State.FAIL
    red = {box.title for box in chain(facts_of(page.guide.runbook)) if box.verdict == "fail"}
    wanted = set().union(*(BREAKS[each] for each in breaks))
    # A role that is gone has neither a boundary nor conditions.
    gone = deleted_role in breaks
    assert red == (wanted - ({POLICIES_BOX} if gone and key_policy not in breaks else set()))
    assert "Done." not in "".join(each.head.value for each in page.sections.values())
    for each in failed_in(page):
        assert "see the checks above" not in each.fix
    mend_as_offered(page)
    assert [each.state for each in page.guide.states][:4] == [State.SUCCESS] * 4
    assert page.guide.state_of(6).state is State.SUCCESS
    assert "None of" in panel.summary.value


@pytest.mark.long
def test_others_statements_are_there_after_every_copied_command(page):
    for each in (inline_deny, bucket_deny, key_deny, trust_deny_of_other_accounts):
        each()
    page.sections[6].verdict.button.click()
    ran = mend_as_offered(page)
    said = "".join(ran)
    for sid in ("NoWrites", "OnlyFinance", "Guard", "Admins"):
        assert f'"Sid":"{sid}"' in said
    assert '"aws:PrincipalAccount":"111122223333"' in said
    assert "role/finance-*" in said


def test_reading_goes_on_whatever_stands_in_the_way_of_writing(page, world, monkeypatch):
    section, done = page.sections[6], State.SUCCESS
    panel, form = section.verdict, page.inputs()

    policy = own_policy()
    iam().detach_role_policy(RoleName=ROLE, PolicyArn=policy)
    panel.button.click()
    next(iter(panel.fix_buttons.values())).click()
    form.fields["role_name"].value = "another-role"
    world.forget_calls()
    panel.apply_fix.click()  # on its way while the input was edited
    page.guide.write((2,))
    assert world.calls() == []
    form.fields["role_name"].value = ROLE
    iam().attach_role_policy(RoleName=ROLE, PolicyArn=policy)

    with monkeypatch.context() as patch:
        patch.setenv("RWC_ENDPOINT", "http://127.0.0.1:9")
        page.guide.look()
        states = [each.state for each in page.guide.states]
        assert states == [done, done, done, State.FAIL, State.INIT, State.UNDECIDED]
        said = next(each for each in page.guide.runbook.checks if each.id == "allowed_principal")
        assert said.status == "unknown"
        assert "cannot be reached" in page.guide.state_of(4).sentence

    before, changed = trust_of(), trust_of()
    changed["Statement"][0]["Condition"] = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    write_trust(changed)
    page.guide.look()
    state = page.guide.state_of(6)
    assert state.state is State.UNDECIDED
    assert "on what only RisingWave's request shows" in state.sentence
    assert section.body.layout.display == ""
    assert "rw-good" not in panel.summary.value
    write_trust(before)

    form.fields["tags"].value = "team"
    assert "not a pair" in form.fields["tags"].message.value
    assert page.guide.errors
    form.fields["bucket"].value = "acme-encrypted"
    assert "not a pair" in form.fields["tags"].message.value
    assert widgets.guide({}, step=1, guided=True).values["bucket"] == "acme-encrypted"
    form.fields["tags"].value = ""
    form.fields["bucket"].value = BUCKET

    found = boto3.resource("s3").Bucket(BUCKET)
    found.objects.all().delete()
    found.delete()
    page.guide.look()
    assert page.guide.state_of(6).state is State.FAIL
    assert section.body.layout.display == ""
    assert "✗ fail" in panel.rows.children[0].value


def test_another_cluster_brings_its_own_identity_in_place_of_the_last_ones(world, complete):
    form = widgets.guide(complete, step=0, guided=True).form()
    field = form.fields["cluster_id"]
    other = next(each for each in field.options if each != CLUSTER and "eu" in field.options[each])
    field.value = other
    assert form.values["workload_identity_arn"] not in ("", WORKLOAD)
    field.value = CLUSTER
    assert form.values["workload_identity_arn"] == WORKLOAD


def test_who_cannot_ask_is_told_at_the_field_that_says_who_asks(world, complete):
    form = widgets.guide(complete, step=0, guided=True).form()
    form.fields["aws_profile"].value = "nobody"
    assert "does not exist" in form.fields["aws_profile"].message.value
    form.fields["aws_profile"].value = ""
    assert form.fields["aws_profile"].message.value == ""
