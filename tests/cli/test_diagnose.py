"""``rwlib diagnose``: a text, a log or standard input into causes."""

from __future__ import annotations

import json

import pytest

from tests.support.command_line import rwlib

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
