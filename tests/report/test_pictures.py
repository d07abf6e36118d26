"""The chain and the access map: every verdict is seen, in words as well."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html import unescape

import pytest

from rwlib.report.html import render_html
from rwlib.report.pictures import access_map, chain, chain_svg, chain_text
from rwlib.runbook.runbook import Runbook
from rwlib.verify import HOPS

SVG = "{http://www.w3.org/2000/svg}"


def check(hop, status, title="what was looked at"):
    return {
        "id": title,
        "hop": hop,
        "title": title,
        "status": status,
        "evidence": ["seen"],
        "fix": "",
    }


def request(ident, action, found="allowed", wanted="allowed"):
    return {
        "id": ident,
        "title": f"{action} somewhere",
        "action": action,
        "resource": "arn:aws:s3:::acme-analytics",
        "should_be": wanted,
        "is": found,
        "reason": "",
    }


@pytest.fixture
def report():
    return {
        "target": {
            "name": "orders",
            "bucket": "acme-analytics",
            "prefix": "risingwave",
            "role_name": "risingwave-s3-access",
            "connectors": ["redshift"],
            "policy_name": "p",
            "permissions_boundary_arn": "",
        },
        "role_arn": "arn:aws:iam::111122223333:role/risingwave-s3-access",
        "workload_identity_arn": "arn:aws:iam::444455556666:role/g1-role",
        "bucket": {"name": "acme-analytics", "region_name": "us-east-1", "kms_key_arn": ""},
        "checks": [check(hop, "pass") for hop in ("policy", "role", "trust", "bucket", "KMS")],
        "requests": [],
    }


@pytest.mark.slow
def test_every_hop_of_a_check_has_its_box(aws_environment, example):
    book = Runbook.start(example)
    book.look()
    found = {each.hop for each in [*book.checks, *book.verify_live()]}
    assert {"policy", "trust", "bucket", "KMS", "requests", "SQL"} <= found
    assert found <= set(HOPS)
    assert [hop.title for hop in HOPS.values() if hop.box is None] == ["identity"]


@pytest.mark.parametrize(
    ("hop", "box"),
    [("trust", 2), ("allowed principal", 1), ("boundary", 3), ("bucket", 4), ("KMS", 5)],
)
@pytest.mark.parametrize("status", ["fail", "unknown", "manual"])
def test_the_worst_verdict_of_a_hop_is_shown(report, hop, box, status):
    report["checks"].append(check(hop, status, "the bad one"))
    hops = chain(report)
    assert hops[box].verdict == status
    assert "the bad one" in hops[box].text
    assert status not in [each.verdict for each in hops if each is not hops[box]]


def test_a_hop_that_nobody_looked_at_is_no_pass(report):
    report["checks"] = []
    assert {hop.verdict for hop in chain(report)} == {""}
    assert "pass" not in chain_text(chain(report))


def test_picture_says_its_verdicts_in_words(report):
    report["checks"].append(check("trust", "fail"))
    svg = chain_svg(chain(report), standalone=True)
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text
    assert "Your role: risingwave-s3-access" in root.find(f"{SVG}desc").text
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert "✗ fail" in texts
    assert texts.count("✓ pass") == 3
    dashed = [each for each in root.iter(f"{SVG}rect") if each.get("stroke-dasharray")]
    assert len(dashed) == 1


def test_picture_brings_its_colours_for_both_themes_when_it_stands_alone(report):
    hops = chain(report)
    alone = chain_svg(hops, standalone=True)
    assert "prefers-color-scheme:dark" in alone
    assert "<style>" not in chain_svg(hops)
    for text in (alone, chain_svg(hops)):
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_colours_of_a_picture_that_stands_alone_touch_no_other(report):
    alone = chain_svg(chain(report), standalone=True)
    rules = re.findall(r"([^{}]+)\{", re.search("<style>(.*?)</style>", alone).group(1))
    selectors = [rule for rule in rules if not rule.startswith("@")]
    assert selectors
    assert all(selector.startswith(".rw-chain-alone") for selector in selectors)
    assert "rw-chain-alone" not in chain_svg(chain(report))


def test_names_in_a_picture_are_escaped(report):
    planted = '<script>alert("x")</script>'
    report["target"].update(prefix=planted, bucket=planted, role_name=planted)
    report["role_arn"] = f"arn:aws:iam::111122223333:role/{planted}"
    for check in report["checks"]:
        check["evidence"] = [planted]
        check["title"] = planted
    for standalone in (True, False):
        svg = chain_svg(chain(report), standalone=standalone)
        assert planted[:10] in unescape(svg)
        assert [each.tag for each in ET.fromstring(svg).iter() if "script" in each.tag] == []
        assert "<script" not in svg


def test_long_names_fit_their_box(report):
    report["target"]["policy_name"] = "a" * 60 + "z" * 60
    svg = chain_svg(chain(report))
    shown = [each.text for each in ET.fromstring(svg).iter(f"{SVG}text")]
    assert max(map(len, shown)) <= 26
    assert any(text.startswith("aaa") and text.endswith("zzz") for text in shown)


def test_access_map_marks_what_is_not_as_it_should_be(report):
    report["requests"] = [
        request("redshift.stage", "s3:PutObject"),
        request("redshift.copy", "s3:GetObject", found="refused"),
        request("other.read", "s3:GetObject", found="allowed", wanted="refused"),
        request("root.list", "s3:ListBucket", found="refused", wanted="refused"),
    ]
    grid = access_map(report)
    own, other = grid["acme-analytics/risingwave/, the prefix"], grid["another bucket"]
    assert own["Write"].text == "✓ allowed"
    assert own["Read"].text == "✗ refused, should be allowed"
    assert other["Read"].text == "✗ allowed, should be refused"
    assert grid["acme-analytics/, its root"]["List"].right


def test_one_wrong_request_among_right_ones_makes_its_cell_wrong(report):
    report["requests"] = [
        request("s3_sink.a", "s3:PutObject"),
        request("s3_sink.b", "s3:PutObject", found="refused"),
        request("s3_sink.c", "s3:PutObject"),
    ]
    (row,) = access_map(report).values()
    assert not row["Write"].right
    assert len(row["Write"].requests) == 1


@pytest.mark.slow
def test_report_page_holds_picture_and_map(aws_environment, example, tmp_path):
    book = Runbook.start(example, run_dir=tmp_path / "run")
    book.look()
    page = render_html(book.finish())
    assert page.count('<svg xmlns="http://www.w3.org/2000/svg"') == 1
    assert "The chain as text" in page
    assert "a sibling of the prefix" in page
    grid = re.findall(r'<table class="rw-grid">.*?</table>', page, re.S)[0]
    assert grid.count("✓\u00a0") > 10
    assert "rw-fail" not in grid
