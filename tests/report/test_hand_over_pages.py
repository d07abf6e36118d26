"""The two pages that are handed over: whole, true, and made without asking anybody."""

from __future__ import annotations

import html
import json
import re

import pytest

from rwlib.export import export_plan, export_target
from rwlib.report.hand_over_pages import AWS_FILE, RISINGWAVE_FILE, hand_over
from rwlib.sql import statements_for
from rwlib.target import Target
from tests.support.places import ROOT

ARN = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"
ACCOUNT = "111122223333"
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def pages(account_id=ACCOUNT, **changes):
    values = {
        "name": "orders",
        "workload_identity_arn": ARN,
        "bucket": "acme-analytics",
        "prefix": "risingwave/orders",
        "region_name": "us-east-1",
        "connectors": ["s3_sink"],
    }
    plan = export_plan(Target(**{**values, **changes}), offline=True, account_id=account_id)
    return hand_over(plan), plan


def blocks(page):
    """The texts that have a button to copy them."""
    found = re.findall(r'<div class="rw-block">.*?<code>(.*?)</code>', page, re.S)
    return [html.unescape(each).strip() for each in found]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_page_holds_what_its_reader_needs(path):
    target = Target.from_file(path, region_name="us-east-1", run_sql=False)
    plan = export_plan(target, offline=True, account_id=ACCOUNT)
    made = hand_over(plan)
    for_aws, for_risingwave = blocks(made[AWS_FILE]), blocks(made[RISINGWAVE_FILE])
    assert [json.loads(text) for text in for_aws[:2]] == [plan.policy, plan.trust]
    exported = [text for name in ("terraform", "cloudformation", "cli")
                for text in export_target(plan, name).values()]  # fmt: skip
    assert for_aws[2:] == [text.strip() for text in exported]
    role_arn = target.role_arn_in(ACCOUNT)
    sql = [each.sql for each in statements_for(target, role_arn, "us-east-1")]
    assert for_risingwave == [role_arn, plan.workload_identity_arn, *(text.strip() for text in sql)]
    assert "Allowed Principals" in made[RISINGWAVE_FILE]
    assert "<svg" in made[AWS_FILE]


def test_pages_load_nothing_and_escape_what_they_show():
    evil = "<script>alert(1)</script>"
    made, _ = pages(sql_options={"from": "orders", "name": evil}, tags={"owner": "a@b"})
    for page in made.values():
        assert evil not in page
        assert re.findall(r"<(?:script|link|img|iframe)\b", page) == []
        assert "@import" not in page
    assert "owner=a@b" in made[AWS_FILE]


def test_account_that_nobody_knows_is_asked_for():
    made, _ = pages(account_id="")
    assert blocks(made[RISINGWAVE_FILE])[0] == "arn:aws:iam::<account-id>:role/risingwave-s3-access"
    assert "Put the 12-digit account" in made[RISINGWAVE_FILE]
    assert "123456789012" not in "".join(made.values())
    assert "Put the 12-digit account" not in pages()[0][RISINGWAVE_FILE]


def test_what_was_not_looked_at_is_never_a_pass():
    page = pages()[0][AWS_FILE]
    chain = [html.unescape(each) for each in re.findall(r"<li>([^<]*: [^<]*)</li>", page)]
    said = {line.partition(":")[0]: line for line in chain}
    assert said["Your role"].endswith("would pass")
    assert "unknown" in said["Bucket"]
    assert "judged from the documents alone" in page


@pytest.mark.parametrize(
    ("connectors", "allowed"), [(["s3_source"], False), (["iceberg_sink"], True)]
)
def test_what_it_allows_is_what_the_documents_say(connectors, allowed):
    options = {"catalog.type": "glue", "warehouse.path": "s3://acme-analytics/risingwave/orders"}
    more = {"glue_database": "lake", "sql_options": options} if allowed else {}
    page = pages(connectors=connectors, **more)[0][AWS_FILE]
    section = page[page.index("<h2>What it allows") : page.index("<h2>What it does not")]
    assert ("s3:PutObject" in section) == allowed
    assert "✗" not in section


def test_documented_style_says_what_it_grants_beyond_the_need():
    page = pages(policy_style="documented", connectors=["s3_source"])[0][AWS_FILE]
    assert "<h2>More than is needed" in page
    assert "<h2>More than is needed" not in pages()[0][AWS_FILE]
