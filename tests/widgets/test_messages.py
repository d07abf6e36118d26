"""A message belongs to the state that made it, and a field says what it makes of what is typed."""

from __future__ import annotations

import re

import boto3
import pytest

from rwlib import widgets
from rwlib.widgets.panel import STORED, style
from tests.widgets.test_guide import (
    CLUSTER,
    FORM,
    ROLE,
    WORKLOAD,
    complete,
    opened,
    set_up,
    world,
)
from tests.widgets.test_places import places

pytestmark = pytest.mark.slow

__all__ = ["complete", "places", "world"]


def test_what_was_done_is_not_said_of_a_later_state(world, complete):
    _, apply, preview = opened(complete, 1, "apply", "preview")
    apply.button.click()
    assert "Done. Created IAM policy" in apply.result.value
    preview.button.click()
    assert apply.result.value == ""
    assert "Created" not in repr(apply)


def test_a_table_that_does_not_exist_is_told_in_risingwaves_words(world, complete):
    set_up(complete)
    values = {**complete, "connectors": ["s3_sink"], "run_sql": True}
    values["sql_options"] = {"s3_sink": {"from": "no_such_table", "type": "append-only"}}
    for step in (1, 2, 3, 4):
        _, apply = opened(values, step, "apply")
        if not apply.button.disabled:
            apply.button.click()
    guide = widgets.guide(values, step=5, guided=True)
    apply, check = guide.apply(), guide.check("sql_options")
    assert apply.button.description.startswith("Apply 1 change"), apply.why.value
    apply.button.click()
    assert "rw-bad" in apply.result.value
    assert "no_such_table" in apply.result.value
    assert "Would create" not in apply.result.value
    assert "Done" not in apply.result.value
    assert "✗ fail" in check.rows.children[0].value
    assert "fails above" not in repr(check)


def test_the_last_cluster_s_words_go_when_another_is_chosen(world):
    form = widgets.guide({}, step=0, guided=True).form(*FORM)
    field = form.fields["cluster_id"]
    field.value = next(v for label, v in field.input.options if "gcp" in label)
    assert "Google Cloud" in field.detected.value
    field.value = CLUSTER
    assert field.detected.value == ""
    identity = form.fields["workload_identity_arn"]
    assert "the cluster's own" in identity.detected.value.replace("&#x27;", "'")
    identity.value = WORKLOAD + "x"
    assert identity.detected.value == ""
    assert WORKLOAD in identity.warning.value


def test_what_is_pasted_is_trimmed_taken_apart_and_told(world):
    form = widgets.guide({}, step=0, guided=True).form(*FORM)
    form.fields["bucket"].value = "  acme-analytics  "
    assert form.values["bucket"] == "acme-analytics"
    assert not form.fields["bucket"].message.value
    form.fields["bucket"].value = "s3://acme-encrypted/in/orders/"
    assert (form.values["bucket"], form.values["prefix"]) == ("acme-encrypted", "in/orders")
    assert form.fields["prefix"].input.value == "in/orders"
    assert "was split into" in form.fields["bucket"].warning.value
    form.fields["prefix"].value = "risingwave/*"
    assert "not as a wildcard" in form.fields["prefix"].warning.value
    form.fields["prefix"].value = "risingwave"
    assert form.fields["prefix"].warning.value == ""


def test_inputs_are_one_line_until_they_are_edited_or_wrong(world, complete):
    form = widgets.guide(complete, step=1, guided=True).form(*FORM)
    assert form.unfolded.layout.display == "none"
    assert "acme-analytics/risingwave → risingwave-s3-access, cluster orders" in form.sentence
    form.edit.value = True
    assert form.unfolded.layout.display == ""
    form.edit.value = False
    form.fields["bucket"].value = "Acme"
    assert form.unfolded.layout.display == ""
    start = widgets.guide(complete, step=0, guided=True).form(*FORM)
    assert start.unfolded.layout.display == ""


def test_the_banner_is_never_older_than_the_choice(places, complete):
    guide = widgets.guide({}, step=0, guided=True)
    guide.form(*FORM).set(bucket="acme-analytics", connectors=["redshift"], cluster_id=CLUSTER)
    guide.look()
    assert "111122223333" in repr(guide.progress())
    seen = []
    guide.listen(lambda: seen.append((guide.place.real, guide.place.title, guide.place.text)))
    guide.choose_place("aws")
    assert seen
    assert all(real for real, _, _ in seen)
    assert "111122223333" not in str(seen)
    assert guide.runbook_is_open is False


def test_stored_output_says_that_it_is_stored(world, complete):
    _, progress = opened(complete, 1, "progress")
    assert STORED in progress._twin().html
    assert STORED not in progress.shown.html


def test_cards_lead_on_and_next_stands_beside_apply(world, complete):
    _, progress, apply = opened(complete, 1, "progress", "apply")
    assert 'href="03_configure_trust_policy.ipynb"' in progress.line.value
    assert apply.next.value == ""
    assert "in account 111122223333" in apply.why.value
    apply.button.click()
    assert 'href="02_create_role.ipynb"' in apply.next.value


def test_failures_come_first_and_the_fix_opens_below_its_row(world, complete):
    set_up(complete)
    iam = boto3.client("iam")
    for each in iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=ROLE, PolicyArn=each["PolicyArn"])
    _, panel = opened(complete, 6, "check")
    statuses = [each.status for each in panel.checks]
    assert statuses == sorted(statuses, key=lambda status: status != "fail")
    button = panel.fix_buttons["policy_attached"]
    button.click()
    order = list(panel.box.children)
    assert order.index(panel.rows) < order.index(panel.drawing)
    rows = list(panel.rows.children)
    assert "rw-scroll" in panel.fix.value
    assert rows[rows.index(button) + 1] is panel.place
    panel.apply_fix.click()
    assert "Done." in panel.fix.value
    assert "rw-scroll" in panel.fix.value
    assert panel.place in panel.box.children
    order = list(panel.box.children)
    assert order.index(panel.drawing) < order.index(panel.rows)
    panel.button.click()
    assert panel.fix.value == ""


def test_step_3_shows_the_trust_policy_when_nothing_is_to_change(world, complete):
    set_up(complete, 2)
    _, preview = opened(complete, 3, "preview")
    assert "The trust policy as it stands" in preview.body.value
    assert WORKLOAD in preview.body.value


def test_a_plan_says_would_and_passes_nothing_that_is_not_there(world, complete):
    guide = widgets.guide(complete, step=2, guided=True)
    check = guide.check("role_exists", "policy_attached")
    planned = repr(check)
    assert "would" in planned
    assert not [line for line in planned.splitlines() if "exists" in line and "would" not in line]
    assert "rw-good" not in check.summary.value
    set_up(complete)
    check.button.click()
    assert "would" not in repr(check)
    assert "rw-good" in check.summary.value


def test_one_check_is_told_as_one_and_every_table_is_read_from_the_left(world, complete):
    set_up(complete)
    guide = widgets.guide(complete, step=2, guided=True)
    check = guide.check("role_exists")
    check.button.click()
    assert "The check passes." in check.summary.value
    assert "None of 1" not in repr(check)
    alignment = re.findall(r"\.rw th,\.rw td\{text-align:(\w+)!important", style().value)
    assert alignment == ["left"]


def test_an_option_that_no_connector_has_is_refused_as_it_is_typed(world, complete):
    form = widgets.guide(complete, step=0, guided=True).form(*FORM)
    field = form.fields["sql_options"]
    field.input.value = "frm=orders"
    assert "frm" in field.message.value
    assert "rw-fail" in field.message.value
    field.input.value = "from=orders"
    assert field.message.value == ""
