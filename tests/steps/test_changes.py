"""Changes in words, and when two documents are the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rwlib.steps.changes import Change, ChangeSubject, canonical, document_diff

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
