"""Changes in words, and when two documents are the same."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rwlib.steps import changes
from rwlib.steps.changes import (
    LEDGER,
    Change,
    ChangeSubject,
    Ledger,
    canonical,
    document_diff,
)
from rwlib.steps.ownership import WrittenStatements, statement_key

STATEMENT = {"Effect": "Allow", "Action": ["a:B", "c:D"], "Resource": "x"}


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("create", "Would create", "Created"),
        ("update", "Would update", "Updated"),
        ("delete", "Would delete", "Deleted"),
        ("none", "Unchanged:", "Unchanged:"),
    ],
)
def test_sentence_has_the_same_words_when_previewed_and_applied(action, before, after):
    change = Change(action, ChangeSubject.ROLE, "r", "why")
    assert change.sentence == f"{before} IAM role r (why)"
    assert change.done().sentence == f"{after} IAM role r (why)"
    assert change.writes is (action != "none")
    assert json.loads(json.dumps(change.to_dict()))["sentence"] == change.sentence


@pytest.mark.parametrize(
    "other",
    [
        {"Statement": [STATEMENT]},
        {"Statement": STATEMENT},
        {"Statement": [{**STATEMENT, "Action": ["c:D", "a:B"]}]},
        {"Statement": [{**STATEMENT, "Resource": ["x"]}]},
        {"Statement": [dict(reversed(STATEMENT.items()))]},
    ],
)
def test_documents_are_the_same_when_only_their_form_differs(other):
    assert canonical(other) == canonical({"Statement": [STATEMENT]})


@pytest.mark.parametrize(
    "other",
    [
        {"Statement": [STATEMENT, STATEMENT]},
        {"Statement": [{**STATEMENT, "Effect": "Deny"}]},
        {"Statement": [{**STATEMENT, "Action": ["a:B"]}]},
        {"Statement": [{**STATEMENT, "Condition": {}}]},
        {"Statement": [STATEMENT], "Version": "2012-10-17"},
        {"Statement": []},
    ],
)
def test_documents_differ_when_their_meaning_may(other):
    assert canonical(other) != canonical({"Statement": [STATEMENT]})


def test_documents_differ_when_the_order_of_statements_does():
    other = {**STATEMENT, "Effect": "Deny"}
    assert canonical({"Statement": [STATEMENT, other]}) != canonical(
        {"Statement": [other, STATEMENT]}
    )


values = st.recursive(
    st.text(max_size=3) | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(values)
def test_canonical_text_is_stable_when_it_is_read_back(value):
    text = canonical({"Statement": value})
    assert canonical(json.loads(text)) == text


def test_diff_shows_what_goes_and_what_comes():
    diff = document_diff({"a": 1, "b": 2}, {"a": 1, "b": 3}).splitlines()
    assert '-  "b": 2' in diff
    assert '+  "b": 3' in diff
    assert document_diff({"a": 1}, {"a": 1}) == ""
    assert document_diff(None, {"a": 1}).splitlines()[3:] == ["+{", '+  "a": 1', "+}"]


def test_history_finds_the_ledgers_of_batches(tmp_path):
    from rwlib.steps.changes import Change, Ledger, ledger_history

    change = Change("create", ChangeSubject.ROLE, "arn:aws:iam::111122223333:role/r")
    Ledger(tmp_path / "2026-01-01_batch" / "orders" / "ledger.jsonl").intend(change)
    Ledger(tmp_path / "2026-01-02_orders" / "ledger.jsonl").intend(change)
    assert len(list(ledger_history(tmp_path, change.name))) == 2


def test_history_finds_what_another_run_recorded_however_it_is_written(tmp_path):
    own, other = tmp_path / "runs" / "own", tmp_path / "runs" / "batch" / "other"
    change = Change("create", ChangeSubject.ROLE, "arn:aws:iam::111122223333:role/ünï")
    Ledger(other / LEDGER).intend(change)
    written = (other / LEDGER).read_text()
    (other / "attempt-1").mkdir()
    # As another program writes it, with a line that a killed run left half.
    plain = json.dumps(json.loads(written), ensure_ascii=False)
    (other / "attempt-1" / LEDGER).write_text(f"{plain}\n{plain[:20]}", encoding="utf-8")
    (tmp_path / "runs" / "link").symlink_to(other, target_is_directory=True)
    os.mkfifo(tmp_path / "runs" / "batch" / LEDGER)
    ledger = Ledger(own / LEDGER, places=(tmp_path / "runs",))
    assert [each["name"] for each in ledger.history(change.name)] == [change.name] * 2
    assert ledger.history(change.name[:-1]) == []


def test_what_this_run_made_is_known_without_the_ledgers_of_others(tmp_path, monkeypatch):
    arn, ours, theirs = "arn:aws:iam::111122223333:role/r", {"Sid": "ours"}, {"Sid": "theirs"}
    role = {"Arn": arn, "RoleId": "AROA1", "Tags": []}
    ledger = Ledger(tmp_path / "own" / LEDGER, places=(tmp_path,))
    other = Ledger(tmp_path / "other" / LEDGER)
    for each, statement in ((ledger, ours), (other, theirs)):
        after = {"Statement": [statement]}
        change = Change("update", ChangeSubject.TRUST_POLICY, arn, before={}, after=after)
        each.intend(change, id="AROA1")
    read = []
    entries = changes._entries
    monkeypatch.setattr(changes, "_entries", lambda *given: read.append(1) or entries(*given))
    written = WrittenStatements(role, ledger)
    assert statement_key(ours) in written
    assert not read
    assert statement_key(theirs) in written
    assert statement_key({"Sid": "a stranger's"}) not in written
    assert read
