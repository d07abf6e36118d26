"""The guided path without a browser: what is typed, what is clicked, what AWS shows then."""

from __future__ import annotations

import json
import os

import boto3
import pytest

from rwlib import widgets
from rwlib.aws.calls import policy_json
from rwlib.steps.step import State
from rwlib.target.target import Target, read_yaml

pytestmark = pytest.mark.slow

CLUSTER = "019d023e-68a6-74db-b73c-e18859fc5171"
WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"
FORM = ("cluster_id", "workload_identity_arn", "bucket", "prefix", "connectors", "role_name")
ROLE = "risingwave-s3-access"


@pytest.fixture
def world(aws_environment, monkeypatch, tmp_path):
    """The sandbox with its management API, and a folder that keeps what is typed."""
    for name, value in aws_environment.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("RWLIB_TARGET", raising=False)
    monkeypatch.delenv("RWLIB_PLACES", raising=False)
    monkeypatch.chdir(tmp_path)
    return aws_environment


@pytest.fixture
def complete(example):
    return {**example, "cluster_id": CLUSTER}


def opened(values, step, *cells):
    """Open a notebook's guide and the given panels, as its cells do."""
    guide = widgets.guide(values, step=step, guided=True)
    return guide, *[getattr(guide, cell)() for cell in cells]


def set_up(values, last=5):
    """Click through the steps up to one."""
    for step in range(1, min(last, 4) + 1):
        _, apply = opened(values, step, "apply")
        if not apply.button.disabled:
            apply.button.click()


def trust_of(role=ROLE):
    answer = boto3.client("iam").get_role(RoleName=role)["Role"]
    return policy_json(answer["AssumeRolePolicyDocument"])


def test_guided_cells_say_what_is_missing_when_nothing_was_given(world):
    guide, progress, _, preview, apply, check = opened(
        {}, 1, "progress", "place_choice", "preview", "apply", "check"
    )
    form = guide.form(*FORM)
    for panel in (preview, apply, check):
        assert "Fill in the form first" in repr(panel)
    assert apply.button.disabled
    assert preview.button.disabled
    assert {each.state for each in guide.states} == {State.INIT}
    for name in ("bucket", "workload_identity_arn", "connectors"):
        assert "Needed: " in form.fields[name].message.value, name
    assert "Policy: not open" in repr(progress)


def test_headless_guide_raises_when_an_input_is_missing(world):
    from rwlib.errors import InputError

    with pytest.raises(InputError, match="bucket"):
        widgets.guide({}, step=1, guided=False).progress()


def test_choosing_a_cluster_fills_in_its_workload_identity(world):
    form = widgets.guide({}, step=0, guided=True).form(*FORM)
    labels = [label for label, _ in form.fields["cluster_id"].input.options]
    assert "orders in us-east-1" in labels
    form.fields["cluster_id"].value = CLUSTER
    assert form.values["workload_identity_arn"] == WORKLOAD
    assert form.fields["workload_identity_arn"].input.value == WORKLOAD
    assert "Detected" in form.fields["workload_identity_arn"].detected.value


def test_a_typed_workload_identity_stays_when_a_cluster_is_chosen(world):
    typed = "arn:aws:iam::444455556666:role/other-cluster-role"
    form = widgets.guide({}, step=0, guided=True).form(*FORM)
    form.fields["workload_identity_arn"].value = typed
    form.fields["cluster_id"].value = CLUSTER
    assert form.values["workload_identity_arn"] == typed


def test_a_cluster_without_workload_identity_says_why(world):
    form = widgets.guide({}, step=0, guided=True).form(*FORM)
    gcp = next(v for label, v in form.fields["cluster_id"].input.options if "gcp" in label)
    form.fields["cluster_id"].value = gcp
    assert "Google Cloud" in form.fields["cluster_id"].detected.value
    assert not form.values.get("workload_identity_arn")


def test_choosing_a_bucket_shows_region_key_and_folders(world):
    form = widgets.guide({}, step=0, guided=True).form(*FORM)
    assert "acme-encrypted" in form.fields["bucket"].input.options
    form.fields["bucket"].value = "acme-encrypted"
    detected = form.fields["bucket"].detected.value
    assert "eu-central-1" in detected
    assert "arn:aws:kms:eu-central-1:111122223333:key/" in detected
    assert form.fields["prefix"].input.options == ("risingwave",)


def test_typing_a_prefix_offers_the_folders_below_it(world):
    form = widgets.guide({"bucket": "acme-analytics"}, step=0, guided=True).form(*FORM)
    assert "finance" in form.fields["prefix"].input.options
    form.fields["prefix"].value = "risingwave/"
    assert form.fields["prefix"].input.options == ("risingwave/orders",)


def test_a_half_typed_bucket_asks_aws_nothing(world):
    form = widgets.guide({}, step=0, guided=True).form(*FORM)
    world.forget_calls()
    for length in range(1, len("acme-analytic") + 1):
        form.fields["bucket"].value = "acme-analytic"[:length]
    assert world.calls() == []


def test_free_text_is_taken_when_the_lists_may_not_be_read(world, monkeypatch):
    iam = boto3.client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    form = widgets.guide({}, step=0, guided=True).form(*FORM)
    assert "could not be read" in form.fields["bucket"].help.value
    assert form.fields["bucket"].input.continuous_update is False
    form.fields["bucket"].value = "my-own-bucket"
    assert form.values["bucket"] == "my-own-bucket"
    assert "bucket" not in form.errors


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("bucket", "Acme", "no capital letters"),
        ("prefix", "/risingwave", "begins with a slash"),
        ("role_name", "a b", "does not allow"),
        ("workload_identity_arn", "arn:aws:iam::444455556666:root", "whole account"),
        ("connectors", [], "give one or more"),
    ],
)
def test_a_mistake_is_said_under_its_field_when_it_is_typed(world, complete, field, value, hint):
    guide, preview, apply = opened(complete, 1, "preview", "apply")
    form = guide.form(*FORM)
    assert not apply.button.disabled
    form.fields[field].value = value
    assert hint in form.fields[field].message.value
    others = [name for name in FORM if name != field]
    assert not any(form.fields[name].message.value for name in others)
    assert apply.button.disabled
    assert preview.button.disabled


def test_a_bucket_that_does_not_exist_is_said_under_the_field(world, complete):
    guide, preview = opened({**complete, "bucket": "acme-nowhere"}, 1, "preview")
    form = guide.form(*FORM)
    assert "does not exist" in form.fields["bucket"].message.value
    assert "does not exist" in repr(preview)


def test_editing_takes_the_preview_back(world, complete):
    guide, preview, apply = opened(complete, 1, "preview", "apply")
    form = guide.form(*FORM)
    assert guide.state.state is State.CONFIGURED
    form.fields["prefix"].value = "finance"
    assert apply.button.disabled
    assert "press Preview" in apply.why.value
    assert "finance" not in preview.body.value
    preview.button.click()
    assert "finance/*" in preview.body.value
    assert not apply.button.disabled


def test_preview_makes_no_writing_call(world, complete):
    world.forget_calls()
    _, preview = opened(complete, 1, "preview")
    preview.button.click()
    verbs = {call["action"] for call in world.calls()}
    assert not {verb for verb in verbs if verb.startswith(("Create", "Put", "Update", "Attach"))}


def test_apply_writes_once_however_often_it_is_clicked(world, complete):
    _, apply = opened(complete, 1, "apply")
    assert apply.button.description == "Apply 1 change"
    apply.button.click()
    world.forget_calls()
    apply.button.click()
    assert world.calls() == []
    assert "Created IAM policy" in apply.result.value
    assert apply.button.disabled


def test_apply_shows_progress_while_it_works(world, complete):
    set_up(complete, 1)
    _, apply = opened(complete, 2, "apply")
    seen = []
    apply.result.observe(lambda change: seen.append(change["new"]), names="value")
    states = []
    apply.button.observe(lambda change: states.append(change["new"]), names="description")
    apply.button.click()
    assert any("create role" in text for text in seen)
    assert "Applying …" in states


def test_a_refused_apply_says_why_and_fails(world, complete):
    guide, apply = opened(complete, 1, "apply")
    other = boto3.client("iam").create_policy(
        PolicyName=guide.runbook.target.policy_name,
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
            }
        ),
    )["Policy"]["Arn"]
    boto3.client("iam").create_user(UserName="somebody")
    boto3.client("iam").attach_user_policy(UserName="somebody", PolicyArn=other)
    apply.button.click()
    assert guide.state.state is State.FAIL
    assert "rw-bad" in apply.result.value
    document = boto3.client("iam").get_policy_version(PolicyArn=other, VersionId="v1")
    assert "s3:*" in str(document["PolicyVersion"]["Document"])


def test_a_step_opens_when_the_one_before_is_done(world, complete):
    guide, apply = opened(complete, 2, "apply")
    assert guide.state.state is State.INIT
    assert apply.button.disabled
    assert "Step 1" in apply.why.value
    set_up(complete, 1)
    guide, apply = opened(complete, 2, "apply")
    assert guide.state.state is State.CONFIGURED
    assert apply.button.description == "Apply 2 changes"


def test_progress_shows_the_true_state_to_who_comes_back(world, complete):
    set_up(complete)
    guide, progress = opened(complete, 0, "progress")
    states = [each.state for each in guide.states]
    done = State.SUCCESS
    assert states == [done, done, done, done, State.READY, done]
    assert "✓ Allowed Principal: done" in repr(progress)
    boto3.client("iam").update_assume_role_policy(
        RoleName=ROLE,
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
                        "Action": "sts:AssumeRole",
                    }
                ],
            }
        ),
    )
    guide, _ = opened(complete, 0, "progress")
    assert [each.state for each in guide.states][:4] == [done, done, State.READY, State.INIT]


def test_inputs_typed_in_one_notebook_are_there_in_the_next(world, complete):
    guide = widgets.guide({}, step=0, guided=True)
    guide.form(*FORM).set(
        cluster_id=CLUSTER, bucket="acme-analytics", prefix="risingwave", connectors=["redshift"]
    )
    other = widgets.guide({}, step=1, guided=True)
    assert other.values["bucket"] == "acme-analytics"
    assert other.values["connectors"] == ["redshift"]
    assert other.state.state is State.CONFIGURED
    assert "apply" not in read_yaml("target.yaml")


def test_a_file_of_yours_is_read_and_never_written(world, complete, tmp_path, monkeypatch):
    mine = tmp_path / "mine.yaml"
    text = "# mine\n" + json.dumps({k: v for k, v in complete.items() if v})
    mine.write_text(text)
    monkeypatch.setenv("RWLIB_TARGET", str(mine))
    guide = widgets.guide({}, step=1, guided=True)
    assert guide.values["bucket"] == "acme-analytics"
    guide.form(*FORM).fields["prefix"].value = "other"
    assert mine.read_text() == text
    assert not (tmp_path / "target.yaml").exists()


def test_a_broken_setup_is_red_and_fix_it_repairs_it(world, complete):
    set_up(complete)
    _, panel = opened(complete, 6, "check")
    assert "None of" in panel.summary.value
    assert panel.fix_buttons == {}
    policy = json.loads(json.dumps(trust_of()))
    theirs = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    policy["Statement"] = [{**theirs, "Principal": {"Service": "ec2.amazonaws.com"}}]
    boto3.client("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(policy))
    panel.button.click()
    assert "fail" in panel.summary.value
    assert "✗ fail" in panel.rows.children[0].value
    panel.fix_buttons["trust_principal"].click()
    assert "Would update trust policy" in panel.fix.value
    assert WORKLOAD not in str(trust_of())
    panel.apply_fix.click()
    assert WORKLOAD in str(trust_of())
    assert "ec2.amazonaws.com" in str(trust_of())
    assert "None of" in panel.summary.value
    assert "Done." in panel.fix.value


def test_tear_down_asks_once_and_leaves_nothing(world, complete):
    set_up(complete)
    guide = widgets.guide(complete, tolerant=True, guided=True)
    panel = guide.tear_down()
    assert "Would delete IAM role" in repr(panel)
    assert not panel.button.disabled
    panel.button.click()
    assert "Deleted IAM role" in panel.result.value
    assert panel.button.disabled
    names = [role["RoleName"] for role in boto3.client("iam").list_roles()["Roles"]]
    assert ROLE not in names


def test_tear_down_works_when_the_bucket_is_gone(world, complete):
    set_up(complete)
    s3 = boto3.resource("s3").Bucket("acme-analytics")
    s3.objects.all().delete()
    s3.delete()
    guide = widgets.guide(complete, tolerant=True, guided=True)
    guide.progress()
    panel = guide.tear_down()
    panel.button.click()
    assert "Deleted IAM role" in panel.result.value


def test_step_4_without_a_key_waits_for_a_name(world, example, monkeypatch):
    for name in ("RWC_API_KEY", "RWC_API_SECRET"):
        monkeypatch.delenv(name)
    values = {**example, "allowed_principal_confirmed_by": ""}
    set_up(values, 3)
    guide, preview, apply = opened(values, 4, "preview", "apply")
    form = guide.form("cluster_id", "workload_identity_arn", "allowed_principal_confirmed_by")
    assert "Allowed Principals" in preview.body.value
    assert apply.button.disabled
    assert "your name" in apply.why.value
    form.fields["allowed_principal_confirmed_by"].value = "Ada Example"
    preview.button.click()
    assert guide.state.state is State.SUCCESS
    assert "nobody looked" in guide.state.sentence


def test_every_panel_leaves_its_content_as_html_and_text(world, complete):
    guide = widgets.guide(complete, step=1, guided=True)
    panels = [guide.progress(), guide.form(*FORM), guide.preview(), guide.apply()]
    panels += [guide.check(picture=True), guide.place_choice()]
    for panel in panels:
        assert panel.shown.text, panel
        assert "<" in panel.shown.html, panel
    assert "risingwave/*" in panels[2].shown.html
    assert "<svg" in panels[4].shown.html


def test_headless_cells_show_plain_html_and_no_widget(world, complete, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda each, **_: shown.append(each))
    guide = widgets.guide({**complete, "apply": True}, step=1, guided=False)
    for cell in (guide.progress(), guide.form(*FORM), guide.preview(), guide.apply()):
        if hasattr(cell, "_ipython_display_"):
            cell._ipython_display_()
        else:
            shown.append(cell)
    guide.check("policy_documents")
    assert len(shown) == 5
    assert all(hasattr(each, "_repr_html_") for each in shown)
    names = [p["PolicyName"] for p in boto3.client("iam").list_policies(Scope="Local")["Policies"]]
    assert names == [guide.runbook.target.policy_name]


def test_no_secret_reaches_the_widgets(world, complete):
    guide = widgets.guide(complete, step=4, guided=True)
    panels = [guide.progress(), guide.form(*FORM), guide.preview(), guide.check(picture=True)]
    text = " ".join(panel.shown.html + panel.shown.text for panel in panels)
    assert os.environ["RWC_API_SECRET"] not in text


def test_the_form_has_every_field_of_a_target(world):
    form = widgets.guide({}, step=0, guided=True).form("bucket")
    assert set(form.fields) == set(Target.model_fields) - {"apply"}
    assert all(field.help.value for field in form.fields.values())


def test_an_adopted_role_keeps_its_path_and_is_registered_and_used_with_it(world, complete):
    there = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [{**there, "Action": "sts:AssumeRole"}]}
    boto3.client("iam").create_role(
        RoleName=ROLE, Path="/team/data/", AssumeRolePolicyDocument=json.dumps(document)
    )
    set_up(complete)
    guide = widgets.guide(complete, step=5, guided=True)
    assert [each.state for each in guide.states][:4] == [State.SUCCESS] * 4
    assert f"role/team/data/{ROLE}" in guide.runbook.sql[0].sql
    assert [each for each in guide.runbook.checks if each.status == "fail"] == []


def test_what_was_typed_before_the_click_and_comes_after_it_is_looked_at_too(
    world, complete, monkeypatch
):
    guide, preview = opened(complete, 1, "preview")
    form = guide.form(*FORM)
    preview.button.click()
    form.fields["prefix"].value = "finance"
    assert guide.state.state is State.CONFIGURED
    assert "finance" in preview.body.value
    form.fields["prefix"].value = "risingwave"
    assert "press Preview" in guide.state.sentence
    preview.button.click()
    monkeypatch.setattr("rwlib.widgets.guide_state.LATE", 0.0)
    form.fields["prefix"].value = "finance"
    assert "press Preview" in guide.state.sentence
