"""The report: its schema, its page, and one sentence that says no more than was seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import jsonschema
import pytest

from rwlib.report.html import render_html, write_report
from rwlib.report.schema import validate_report
from rwlib.report.sentence import headline
from rwlib.runbook.runbook import Runbook
from tests.support.places import ROOT


@pytest.fixture
def report(aws_environment, example, tmp_path):
    book = Runbook.start({**example, "apply": True}, run_dir=tmp_path / "run")
    book.look()
    for number in range(1, 6):
        book.run_step(number)
    book.verify()
    return book.finish()


def test_report_fits_its_schema_and_a_changed_one_does_not(report):
    validate_report(report)
    for broken in (
        {**report, "exit_code": 9},
        {**report, "steps": report["steps"][:4]},
        {**report, "checks": [{**report["checks"][0], "status": "perhaps"}]},
        {name: value for name, value in report.items() if name != "headline"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            validate_report(broken)


def test_report_counts_the_calls_it_made(report):
    assert report["calls"]["step 1"]["writes"] == 2
    assert report["calls"]["step 2"]["writes"] == 3
    written = [each["call"] for each in report["request_ids"]]
    assert written == [
        *("iam:create_policy", "iam:tag_policy"),
        *("iam:create_role", "iam:tag_role", "iam:attach_role_policy"),
    ]
    assert all(each["request_id"] for each in report["request_ids"])


def test_page_opens_without_a_network_and_escapes_what_it_shows(report, tmp_path):
    evil = "<script>alert(1)</script>"
    target = {**report["target"], "name": evil}
    page = render_html({**report, "target": target})
    assert evil not in page
    assert "&lt;script&gt;" in page
    for word in ("src=", "@import", "url(", '<link rel="stylesheet"'):
        assert word not in page
    write_report(report, tmp_path / "again")
    assert json.loads((tmp_path / "again" / "report.json").read_text()) == report


def checks(*statuses):
    return [
        {"id": f"c{i}", "hop": "x", "title": f"title {i}", "status": s, "evidence": [], "fix": ""}
        for i, s in enumerate(statuses)
    ]


@pytest.mark.parametrize(
    ("statuses", "applied", "exit_code", "words"),
    [
        (["pass"], True, 0, "is set up and verified"),
        (["pass", "manual"], True, 0, "taken on trust: title 1"),
        (["pass", "unknown"], True, 0, "could not be looked at: title 1"),
        (["pass", "manual"], True, 3, "a person must add it"),
        (["pass", "fail"], True, 1, "1 of 2 checks failed, the first: title 1"),
        (["pass"], False, 0, "nothing would change"),
        (["pass", "manual"], False, 3, "nothing would change; a person must add it"),
        (["pass", "unknown"], False, 0, "nothing would change; could not be looked at: title 1"),
    ],
)
def test_headline_says_what_was_seen(statuses, applied, exit_code, words):
    found = headline(
        {
            "checks": checks(*statuses),
            "applied": applied,
            "exit_code": exit_code,
            "role_arn": "arn:aws:iam::111122223333:role/r",
            "steps": [],
        }
    )
    assert words in found


def looked_at(*statuses, exit_code=0, **more):
    steps = [
        {"number": n, "status": "open" if n < 5 else "manual", "changes": []} for n in range(1, 6)
    ]
    role = "arn:aws:iam::111122223333:role/r"
    return headline({"checks": checks(*statuses), "applied": False, "exit_code": exit_code,
                     "role_arn": role, "steps": steps, **more})  # fmt: skip


def test_headline_of_a_verification_speaks_of_no_preview():
    assert looked_at("pass") == "arn:aws:iam::111122223333:role/r is set up and verified"
    found = looked_at("pass", "manual", exit_code=3)
    assert found.endswith("is set up; a person must add it to the cluster's Allowed Principals")


def test_headline_names_what_is_accepted():
    grants = [{"id": "outside-1", "accepted": True}, {"id": "unused-2", "accepted": False}]
    assert looked_at("pass", grants=grants).endswith("; accepted on purpose: outside-1")


def test_grammars_are_not_built_when_a_report_is_checked(tmp_path):
    (tmp_path / "rfc3987_syntax.py").write_text("raise SystemExit('imported')")
    program = (
        "import sys; from rwlib.report import quick_jsonschema; quick_jsonschema(); "
        "print('rfc3987_syntax' in sys.modules, 'jsonschema' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == "False True\n"


def test_a_sentence_shows_what_stands_between_backticks_as_code_wherever_it_is_said():
    from rwlib.report.html import template
    from rwlib.widgets.panel import note, small

    text = "run `rwlib run --apply` <b> now, a lone ` stays"
    wanted = "run <code>rwlib run --apply</code> &lt;b&gt; now, a lone ` stays"
    parts = template("parts.html.j2").module
    check = {
        "status": "fail", "planned": False, "hop": "role", "title": text, "evidence": [text],
        "fix": text, "pastes": [],
    }  # fmt: skip
    assert str(parts.verdict_table([check])).count(wanted) == 3
    assert wanted in note(text)
    assert wanted in small(text)
    assert wanted in str(parts.step({"number": 1, "title": "", "status": "", "changes": [],
                                     "instructions": [text]}))  # fmt: skip
