"""What a batch says in one sentence and on its page: no more than was seen."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from rwlib.batch.one_pass import headline_of
from rwlib.batch.results import BatchState
from rwlib.batch.summary import write_summary

HEAD = {
    "name": "targets", "mode": "apply", "total": 2, "source": "targets.csv", "headline": "",
    "exit_code": 0, "counts": {"done": 2}, "made_by": "me", "endpoint": "AWS", "started": "a",
    "finished": "b", "seconds": 1.0,
}  # fmt: skip
ROW = {
    "row": 1, "name": "orders", "status": "done", "exit_code": 0, "problem": "",
    "headline": "the role is set up", "changes": [], "hops": {"trust": "pass", "bucket": "pass"},
    "account_id": "111122223333", "seconds": 0.0,
}  # fmt: skip


def page(tmp_path, *rows, mode="apply"):
    write_summary(tmp_path, {**HEAD, "mode": mode}, lambda: [{**ROW, **each} for each in rows])
    return (tmp_path / "summary.html").read_text()


def columns(text):
    head = text[text.index("<thead>") : text.index("</thead>")]
    return re.findall(r">([^<]+)</", head)


def test_headline_counts_what_stands_on_a_persons_word(tmp_path):
    with BatchState(tmp_path / "state.sqlite") as state:
        for name, status, hops in (
            ("a", "done", {"trust": "pass"}),
            ("b", "done", {"trust": "pass", "allowed principal": "manual"}),
            ("c", "done", {"allowed principal": "manual", "connector": "unknown"}),
            ("d", "unchanged", {"allowed principal": "manual"}),
            ("e", "manual", {"allowed principal": "manual"}),
            ("f", "unchanged", {}),
        ):
            answer = {**ROW, "status": status, "hops": hops}
            state.keep("run", 1, name, "", {**answer, "name": name})
        said = headline_of(state.counts(), 0, "", state.unseen(("done", "unchanged")))
    assert said == (
        "6 targets: 3 set up and verified (2 with one hop taken on trust, "
        "1 with a hop that could not be looked at), 1 wait for a person, "
        "2 as asked already (1 with one hop taken on trust)"
    )


def test_columns_that_nobody_filled_are_folded_away(tmp_path):
    assert columns(page(tmp_path, {})) == ["Row", "Target", "Status", "trust", "bucket"]
    full = page(
        tmp_path,
        {"status": "failed", "problem": "not so", "changes": ["x"], "seconds": 2.0},
        {"account_id": "777788889999"},
    )
    assert {"What was said", "Changes", "Account", "Seconds"} <= set(columns(full))
    for text in (page(tmp_path, {}), full):
        row = text[text.index("<tr data-status") :]
        cells = re.findall(r"<t[dh]\b", row[: row.index("</tr>")])
        assert len(cells) == len(columns(text))


def test_one_account_is_said_once(tmp_path):
    text = page(tmp_path, {}, {"name": "events"})
    assert text.count("111122223333") == 1
    assert "<dt>Account</dt>" in text


@pytest.mark.parametrize(("mode", "words"), [("plan", "would pass"), ("apply", "pass")])
def test_plan_would_pass_and_what_stands_there_passes(tmp_path, mode, words):
    text = page(tmp_path, {"hops": {"trust": "pass"}}, mode=mode)
    assert f'aria-label="{words}"' in text
    assert f"✓ {words}, " in text


def test_what_nobody_saw_is_said_in_its_row(tmp_path):
    text = page(tmp_path, {"hops": {"allowed principal": "manual"}}, {})
    assert re.findall(r'<td class="rw-said">([^<]*)', text) == ["the role is set up", ""]


def test_why_something_was_not_seen_is_in_every_form(tmp_path):
    why = "The bucket's policy: AccessDenied: <no> s3:GetBucketPolicy"
    text = page(tmp_path, {"hops": {"bucket": "unknown"}, "not_seen": [why]})
    assert "<li>The bucket&#39;s policy: AccessDenied: &lt;no&gt; s3:GetBucketPolicy</li>" in text
    assert why in (tmp_path / "summary.csv").read_text()
    assert why in json.loads((tmp_path / "summary.json").read_text())["targets"][0]["not_seen"]
    suite = ElementTree.parse(tmp_path / "junit.xml")
    assert suite.findtext(".//system-out") == f"could not be looked at: {why}"
