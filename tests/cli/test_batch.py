"""``rwlib batch``: the options of a file of targets, and its exit codes."""

from __future__ import annotations

import json

import pytest

from tests.support.command_line import rwlib


def write_rows(place, *rows):
    path = place / "targets.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([], [], "holds no target"),
        ([{"name": "orders"}], ["--apply", "--plan", "--json"], "--yes"),
        ([{"name": "orders", "bukcet": "acme-analytics"}], [], "did you mean bucket"),
    ],
    ids=["empty", "nobody-to-ask", "misspelt"],
)
def test_batch_is_refused_with_one_sentence_before_anything_starts(
    runs, tmp_path, rows, options, words
):
    code, _, err = rwlib("batch", write_rows(tmp_path, *rows), *options)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1
    assert not runs.exists()


def test_scheduler_is_refused_when_nobody_listens(runs, example, tmp_path):
    pytest.importorskip("distributed")
    path = write_rows(tmp_path, example)
    code, _, err = rwlib("batch", path, "--executor", "dask", "--scheduler", "127.0.0.1")
    assert code == 2
    assert err.startswith("error: scheduler: ")
