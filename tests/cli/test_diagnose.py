"""``rwlib diagnose``: a text, a log or standard input into causes."""

from __future__ import annotations

import json

import pytest

from rwlib.runbook.runbook import Runbook
from tests.support.command_line import options, rwlib

DENIED = (
    "AccessDenied: User: arn:aws:sts::444455556666:assumed-role/g1-role/session is not authorized"
    " to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/risingwave-s3-access"
)


def test_text_gives_its_class_and_causes_when_nobody_is_asked():
    code, out, _ = rwlib("diagnose", DENIED, "--offline", "--json")
    assert code == 0
    (found,) = json.loads(out)
    assert found["class"] == "assume_role_denied"
    assert found["resource"] == "arn:aws:iam::111122223333:role/risingwave-s3-access"
    assert found["causes"] != []


def test_log_gives_what_its_lines_give(tmp_path):
    log = tmp_path / "compute.log"
    log.write_text(f"started\n{DENIED}\n")
    _, from_log, _ = rwlib("diagnose", "--log", log, "--offline", "--json")
    assert [each["class"] for each in json.loads(from_log)] == ["assume_role_denied"]


def test_person_reads_who_what_and_on_what():
    _, out, _ = rwlib("diagnose", DENIED, "--offline")
    assert out.startswith("STS refused sts:AssumeRole (assume_role_denied)\n  who   ")
    assert "  what  sts:AssumeRole\n" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "text: '' is empty"),
        (["--sink", "orders"], "sink: 'orders' needs a target"),
        (["--log", "no-such-file"], "no-such-file"),
    ],
)
def test_call_without_anything_to_look_at_is_one_sentence(arguments, words):
    code, out, err = rwlib("diagnose", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_unrelated_text_is_said_to_be_so():
    code, out, _ = rwlib("diagnose", "all is well", "--offline")
    assert code == 0
    assert out == "Nothing in this text is about RisingWave's way to the bucket.\n"


def test_text_about_aws_is_never_said_to_be_about_nothing():
    code, out, _ = rwlib("diagnose", "the S3 upload was slow today", "--offline")
    assert code == 0
    assert "Nothing in this" not in out
    assert "AWS or RisingWave" in out


@pytest.mark.parametrize("text", [(), (DENIED,)])
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_exit_code_says_that_the_live_state_could_not_be_looked_at(
    aws_environment, example, monkeypatch, text, as_json
):
    """Without credentials the text is diagnosed alone, and nobody takes that for all there is."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    code, out, err = rwlib("diagnose", *text, *options(example), *as_json)
    assert code == 4
    assert err.startswith("error: the live state could not be looked at: there are no usable AWS")
    assert err.count("\n") == 1
    assert bool(text) == ("assume_role_denied" in out)
    assert "Nothing in this text" not in out


def test_live_state_without_a_fault_is_said_to_be_so(aws_environment, example):
    book = Runbook.start({**example, "apply": True, "connectors": ["s3_sink"]})
    for number in (1, 2, 3):
        book.run_step(number)
    code, out, err = rwlib("diagnose", *options(example, connectors="s3_sink"))
    assert (code, err) == (0, "")
    assert out == "Nothing that was looked at is in RisingWave's way to the bucket.\n"
