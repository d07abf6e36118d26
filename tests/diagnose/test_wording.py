"""What a person reads of a diagnosis."""

from __future__ import annotations

from rwlib.diagnose import diagnose, worded
from rwlib.diagnose.ids import CAUSES, CLASSES

TEXT = (
    "User: arn:aws:iam::444455556666:role/rw is not authorized to perform: sts:AssumeRole "
    "on resource: arn:aws:iam::111122223333:role/risingwave-s3-access"
)


def lines_of(text):
    (found,) = diagnose(text)
    return found, list(worded(found.to_dict()))


def test_heading_is_a_sentence_with_the_id_beside_it():
    _, lines = lines_of(TEXT)
    assert lines[0] == "STS refused sts:AssumeRole (assume_role_denied)"


def test_every_cause_and_every_check_that_was_left_out_is_named_once():
    found, lines = lines_of(TEXT)
    said = "\n".join(lines)
    for cause in found.causes:
        assert said.count(f"({cause.id})") == 1
    flat = " ".join(said.split())
    for check in found.not_looked_at:
        assert f" {check.partition(':')[0]}" in flat
    assert all(len(line) <= 110 for line in lines if not line.startswith("      Do: "))


def test_what_to_do_is_one_line_so_that_a_command_can_be_copied():
    found, lines = lines_of(TEXT)
    assert f"      Do: {found.causes[0].fix.how}" in lines


def test_every_public_id_reads_as_a_sentence():
    for words in (*CLASSES.values(), *CAUSES.values()):
        assert words[0].isalpha()
        assert not words.endswith(".")
        assert "_" not in words.replace("sink_decouple", "").replace("enable_config_load", "")
