"""What psql prints of rw_event_logs: one error for each row, whatever the table's format."""

from __future__ import annotations

import json

import pytest

from rwlib.diagnose import diagnose
from rwlib.diagnose.tables import joined_rows

ASSUME = (
    "User: arn:aws:iam::444455556666:role/rw is not authorized to perform: sts:AssumeRole "
    "on resource: arn:aws:iam::111122223333:role/risingwave-s3-access"
)
WRITE = 'PermissionDenied (permanent) at write => S3Error { code: "AccessDenied", message: "no" }'
HEAD = "         timestamp          | event_type |  info\n-----------+------------+------\n"


def info(error, indent=None):
    return json.dumps({"sinkFail": {"connector": "s3", "error": error, "sinkId": 6}}, indent=indent)


def aligned(*values):
    rows = []
    for minute, value in enumerate(values):
        lines = value.split("\n")
        beside = [f" 2026-01-02 03:0{minute}:05.6+00:00 | SINK_FAIL  | "]
        beside += ["                          |            | "] * (len(lines) - 1)
        ends = ["   +"] * (len(lines) - 1) + [""]
        rows += [f"{left}{text}{end}" for left, text, end in zip(beside, lines, ends, strict=True)]
    return HEAD + "\n".join(rows) + f"\n({len(values)} rows)\n\n"


def wrapped(value, width):
    pieces = [value[start : start + width] for start in range(0, len(value), width)]
    lines = []
    for number, piece in enumerate(pieces):
        left = (
            "                        |            |."
            if number
            else (" 2026-01-02 03:04:05+00 | SINK_FAIL  | ")
        )
        lines.append(left + piece + ("." if piece is not pieces[-1] else ""))
    return HEAD + "\n".join(lines) + "\n(1 row)\n"


def told(text):
    return [(each.error_class, each.caller) for each in diagnose(text)]


BOTH = [("assume_role_denied", "arn:aws:iam::444455556666:role/rw"), ("s3_access_denied", None)]


@pytest.mark.parametrize("indent", [None, 4])
def test_each_row_is_an_error_of_its_own(indent):
    assert told(aligned(info(ASSUME, indent), info(WRITE, indent))) == BOTH


@pytest.mark.parametrize("width", range(17, 60, 7))
def test_a_value_wrapped_anywhere_is_read_as_a_whole(width):
    (answer,) = diagnose(wrapped(info(ASSUME), width))
    assert answer.caller == "arn:aws:iam::444455556666:role/rw"
    assert answer.resource == "arn:aws:iam::111122223333:role/risingwave-s3-access"


def test_expanded_display_is_read_too():
    text = f"-[ RECORD 1 ]-----\ntimestamp  | 2026-01-02\ninfo | {info(ASSUME)}\n"
    assert told(text) == BOTH[:1]


def test_lines_keep_their_numbers():
    text = aligned(info(ASSUME, 4), info(WRITE, 4)).encode()
    joined = joined_rows(text)
    assert joined.count(b"\n") == text.count(b"\n")
    rows = [number for number, line in enumerate(text.split(b"\n")) if b"2026-01-02" in line]
    assert [n for n, line in enumerate(joined.split(b"\n")) if b"2026-01-02" in line] == rows


def test_other_lines_stay_as_they_are():
    text = b"2026-01-02 03:04:05 ERROR a +\n  | b\nc.\n"
    assert joined_rows(text) == text
