"""The files to take away: made when asked for, from what the page knows, also where AWS refuses."""

from __future__ import annotations

import base64
import json
import re

import boto3
import pytest

from rwlib import widgets
from tests.widgets.test_guide import complete, opened, set_up, world

pytestmark = pytest.mark.slow

__all__ = ["complete", "world"]
RUN = {"report.html", "report.json", "permission-policy.json", "trust-policy.json"}
HANDED = {"for-the-aws-administrator.html", "for-the-risingwave-owner.html"}


def links(panel):
    """Return what each link of a panel holds, by the name it is saved under."""
    found = re.findall(r'download="([^"]+)" href="data:[^,]+;base64,([^"]+)"', panel.body.value)
    return {name: base64.b64decode(text).decode() for name, text in found}


def test_the_verification_offers_its_report_the_documents_and_the_pages(world, complete):
    set_up(complete)
    guide, panel = opened(complete, 6, "check")
    downloads = panel.downloads
    assert downloads.box in panel.box.children
    assert links(downloads) == {}
    world.forget_calls()
    downloads.button.click()
    found = links(downloads)
    assert set(found) == RUN | HANDED | {"risingwave.sql"}
    assert json.loads(found["report.json"])["checks"]
    assert json.loads(found["permission-policy.json"]) == guide.runbook.policy_document
    assert "sts:AssumeRole" in found["trust-policy.json"]
    assert found["report.html"].lstrip().lower().startswith("<!doctype html>")
    assert "s3.assume_role" in found["risingwave.sql"]
    assert "111122223333" in found["for-the-aws-administrator.html"]
    assert not [call for call in world.calls() if call["action"].startswith(("Create", "Put"))]
    guide.look()
    assert links(downloads) == {}, "files of an earlier state are still offered"


def test_a_person_without_rights_gets_the_pages_to_hand_over(world, complete, monkeypatch):
    iam = boto3.client("iam")
    iam.create_user(UserName="without-rights")
    key = iam.create_access_key(UserName="without-rights")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    monkeypatch.setenv("RWLIB_GUIDED", "1")
    values = {**complete, "region_name": "us-east-1"}
    end = widgets.page(values).finish()
    assert not end.downloads.button.disabled
    end.downloads.button.click()
    found = links(end.downloads)
    assert set(found) >= HANDED, end.downloads.body.value
    assert "CREATE" in found["for-the-risingwave-owner.html"]


def test_wrong_inputs_keep_the_files_closed(world):
    guide = widgets.guide({}, step=6, guided=True)
    panel = guide.check(picture=True)
    assert panel.downloads.button.disabled
    assert "Fill in the form first" in panel.downloads.why.value
