"""Logs of any size: what is read, what is grouped, where it stands, in how much memory."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwlib.diagnose.diagnosis import diagnose
from rwlib.diagnose.grouping import MOST_GROUPS
from rwlib.diagnose.markers import MARKERS, Telling
from rwlib.diagnose.records import split_block
from rwlib.diagnose.stream import LONGEST_RECORD, read_blocks
from rwlib.errors import InputError
from tests.support import places

pytestmark = pytest.mark.slow

KNOWN = [
    json.loads(line)["text"]
    for line in (places.DATA / "diagnose" / "known.jsonl").read_text("utf-8").splitlines()
]
NOISE = "2026-08-01T08:42:{:02d}Z  INFO risingwave_meta::barrier: collected barrier epoch={}\n"
ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
CALLER = "arn:aws:sts::444455556666:assumed-role/g1jk13sq56ejdref71h1cvokbh-role/reqsign"
STS_BODY = (
    "2026-08-01T08:42:00.511322Z ERROR risingwave_connector::sink: Failed to execute copy into "
    "task for sink id 14: Unexpected (persistent) at list, context: { called: "
    "reqsign::LoadCredential, service: s3, path: rw/, listed: 0 } => loading credential to sign "
    "http request, source: request to AWS STS Services failed: <ErrorResponse>\n  <Error>\n"
    "    <Code>AccessDenied</Code>\n"
    f"    <Message>User: {CALLER} is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
    "</Message>\n  </Error>\n  <RequestId>7a62c49f-347e-4fc4-9331-6e8e11112222</RequestId>\n"
    "</ErrorResponse>\n"
)


def noise(count: int) -> str:
    return "".join(NOISE.format(number % 60, number) for number in range(count))


def put_refused(key: str, minute: int = 42) -> str:
    return (
        f"2026-08-01T08:{minute:02d}:00Z ERROR sink: User: arn:aws:sts::111122223333:assumed-role/"
        "risingwave-s3-access/reqsign is not authorized to perform: s3:PutObject on resource: "
        f'"arn:aws:s3:::acme-lake/{key}" because no identity-based policy allows the s3:PutObject '
        "action\n"
    )


def test_error_in_a_big_log_is_found_with_its_line_and_time(tmp_path: Path) -> None:
    log = tmp_path / "risingwave.log"
    log.write_text(noise(9000) + STS_BODY + noise(9000) + STS_BODY.replace("08:42:00", "09:00:00"))
    (found,) = diagnose(log)
    assert log.stat().st_size > 1 << 20
    assert found.error_class == "assume_role_denied"
    assert (found.caller, found.resource) == (CALLER, ROLE)
    assert found.count == 2
    assert (found.first_line, found.last_line) == (9001, 9001 + 7 + 9000)
    assert (found.first_time, found.last_time) == (
        "2026-08-01T08:42:00.511322Z",
        "2026-08-01T09:00:00.511322Z",
    )


def test_path_lines_text_and_gzip_say_the_same(tmp_path: Path) -> None:
    text = noise(5) + STS_BODY + noise(5)
    plain, packed = tmp_path / "a.log", tmp_path / "a.log.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    expected = [each.to_dict() for each in diagnose(text)]
    assert expected
    for source in (plain, str(plain), packed, text.encode(), text.splitlines()):
        assert [each.to_dict() for each in diagnose(source)] == expected


def test_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        diagnose(tmp_path / "nothing.log")


def test_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        diagnose(tmp_path)


def test_same_error_on_objects_that_differ_in_numbers_is_one(tmp_path: Path) -> None:
    keys = [f"rw/orders/{number:08d}-1f2e.json" for number in range(50)]
    (found,) = diagnose("".join(put_refused(key) for key in keys))
    assert found.count == 50
    assert found.resource == f"arn:aws:s3:::acme-lake/{keys[0]}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("acme-lake", "acme-lake2"),
        ("111122223333", "777788889999"),
        ("risingwave-s3-access", "risingwave-1"),
        ("s3:PutObject", "s3:GetObject"),
        ("rw/orders", "rw/customers"),
    ],
)
def test_errors_that_differ_in_what_matters_stay_apart(one: str, other: str) -> None:
    line = put_refused("rw/orders/1.json")
    assert len(diagnose(line + line.replace(one, other))) == 2


def test_number_of_distinct_errors_kept_is_bounded() -> None:
    letters = "abcdefghijklmnopqrst"
    keys = (f"{a}{b}{c}/x" for a in letters for b in letters for c in letters[:4])
    found = diagnose("".join(put_refused(key) for key in keys))
    assert len(found) == MOST_GROUPS + 1
    assert sum(each.count for each in found) == 1600


def big_log(megabytes: int) -> Iterator[str]:
    size = number = 0
    while size < megabytes << 20:
        number += 1
        text = STS_BODY if number % 40 == 0 else noise(40)
        size += len(text)
        yield text


def test_memory_does_not_grow_with_the_log() -> None:
    peaks = []
    for megabytes in (12, 36):
        tracemalloc.start()
        (found,) = diagnose(big_log(megabytes))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found.count > 10
    assert peaks[1] < peaks[0] * 1.1
    assert peaks[1] < 40 << 20


def test_file_without_line_ends_is_read_in_pieces(tmp_path: Path) -> None:
    log = tmp_path / "one-line.json"
    refusal = put_refused("rw/1").strip().replace('"', "'")
    log.write_text("x" * (6 << 20) + f" ERROR {refusal} " + "y" * (6 << 20))
    assert [each.error_class for each in diagnose(log)] == ["s3_access_denied"]


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    log = tmp_path / "binary.log"
    log.write_bytes(bytes(range(256)) * 4096 + b"\n" + STS_BODY.encode() + b"\xff\xfe\n")
    assert [each.error_class for each in diagnose(log)] == ["assume_role_denied"]


@settings(max_examples=40, deadline=None)
@given(st.integers(min_value=700, max_value=9000), st.integers(min_value=0, max_value=40))
def test_where_a_chunk_ends_changes_nothing(chunk: int, before: int) -> None:
    data = (noise(before) + STS_BODY + noise(30) + put_refused("rw/1") + noise(20)).encode()
    blocks = list(read_blocks(io.BytesIO(data), chunk_size=chunk, small=0))
    whole = list(read_blocks(io.BytesIO(data), chunk_size=1 << 20, small=0))
    assert blocks == whole
    assert [block.line for block in whole] == [before + 1, before + 8 + 30]


@pytest.mark.parametrize("text", KNOWN)
def test_known_text_logged_in_a_big_log_is_looked_at(text: str) -> None:
    data = f"2026-08-01T08:42:00Z ERROR risingwave_connector: {text}\n".encode()
    assert any(marker in data for marker in MARKERS)
    assert Telling()(data)


@pytest.mark.parametrize("text", KNOWN)
def test_known_text_in_a_big_log_has_the_class_it_has_alone(text: str) -> None:
    logged = f"2026-08-01T08:42:00Z ERROR risingwave_connector: {text}\n"
    alone = [each.error_class for each in diagnose(logged)]
    data = (noise(3) + logged + noise(3)).encode()
    blocks = list(read_blocks(io.BytesIO(data), small=0))
    found = diagnose(b"".join(block.data for block in blocks))
    assert [each.error_class for each in found] == alone


def test_telling_does_not_take_one_status_for_another() -> None:
    telling = Telling()
    assert not telling(b"WARN upstream answered 404 after 12 ms")
    assert telling(b"WARN upstream answered 403 after 12 ms")


def test_longest_record_is_longer_than_any_known_text() -> None:
    assert max(map(len, KNOWN)) < LONGEST_RECORD


@pytest.mark.parametrize(
    "prefix",
    [
        "meta-0  | ",
        "2026-08-01T08:42:00.511322123Z stderr F ",
        "Aug  1 08:42:00 host-1 risingwave[812]: ",
        "[pod/risingwave-meta-0/meta] ",
    ],
)
def test_collector_prefix_on_every_line_does_not_split_a_record(prefix: str) -> None:
    text = "".join(f"{prefix}{line}\n" for line in STS_BODY.splitlines())
    (found,) = diagnose(text)
    assert found.resource == ROLE
    assert found.count == 1


def test_stack_trace_is_one_record_with_its_head() -> None:
    trace = (
        b"2026-08-01T08:42:00Z ERROR catalog failed\njava.lang.RuntimeException: x\n\tat a.b(C:1)\n"
        b"\t... 12 more\nCaused by: java.io.IOException: y\n\tat d.e(F:2)\n"
    )
    records = split_block(trace, 7)
    assert [record.line for record in records] == [7, 8]
    assert records[1].text.endswith("at d.e(F:2)")
    assert {record.time for record in records} == {"2026-08-01T08:42:00Z"}


@pytest.mark.parametrize("part", ["x", "a.", "password=", "arn:aws:iam::", '\\"', "s3.", "{"])
def test_long_word_does_not_make_a_rule_try_every_way(part: str) -> None:
    text = f"ERROR AccessDenied not authorized to perform: s3:GetObject {part * 12_000}"
    assert [each.error_class for each in diagnose(text)] == ["s3_access_denied"]


def test_lines_that_have_nothing_to_do_with_each_other_are_not_read_as_one() -> None:
    lines = ["HTTP 403 from https://api.example.com/x: rate limit exceeded", "the bucket list is:"]
    assert diagnose("\n".join(lines)) == []
