"""``rwlib hand-over``: files for others, from what is known."""

from __future__ import annotations

import json

from tests.support.command_line import options, rwlib

NAMES = ["for-the-aws-administrator.html", "for-the-risingwave-owner.html"]


def test_pages_are_written_without_asking_anybody(example, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    given = [*options(example, region_name="us-east-1"), "--account-id", "111122223333",
             "--offline", "--out", tmp_path]  # fmt: skip
    code, out, err = rwlib("hand-over", *given)
    assert (code, err) == (0, "")
    assert [path.name for path in sorted((tmp_path / "orders").iterdir())] == NAMES
    assert out.count("Wrote ") == 2
    page = tmp_path / "orders" / NAMES[0]
    assert "arn:aws:iam::111122223333:role/risingwave-s3-access" in page.read_text()
    assert rwlib("hand-over", *given)[0] == 0
    page.write_text("somebody's notes")
    code, _, err = rwlib("hand-over", *given)
    assert (code, "exists with other contents" in err) == (2, True)
    assert page.read_text() == "somebody's notes"


def test_what_the_target_leaves_open_is_read_and_nothing_is_written(
    aws_environment, example, tmp_path
):
    aws_environment.forget_calls()
    code, out, err = rwlib("hand-over", *options(example), "--json")
    assert code == 0, err
    pages = json.loads(out)
    assert sorted(pages) == NAMES
    assert "in us-east-1" in pages[NAMES[0]]
    assert "111122223333" in pages[NAMES[1]]
    asked = [each["action"] for each in aws_environment.calls()]
    assert asked
    assert [
        each for each in asked if not each.startswith(("Get", "Head", "List", "Describe"))
    ] == []


def test_wrong_account_and_missing_region_are_one_sentence(example):
    code, _, err = rwlib("hand-over", *options(example), "--account-id", "12", "--offline")
    assert (code, err.count("\n")) == (2, 1)
    assert "account_id: '12'" in err
    code, _, err = rwlib("hand-over", *options(example), "--offline")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("error: region_name: ")
