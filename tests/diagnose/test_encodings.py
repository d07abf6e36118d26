"""A log is read however it was packed, cut off or encoded, and whatever its events lie in."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from rwlib.cli import cli
from rwlib.diagnose import Watched, diagnose
from rwlib.diagnose.mentions import NO_RULE

CALLER = "arn:aws:sts::111122223333:assumed-role/rw-role/session"
EVENT = {
    "eventSource": "s3.amazonaws.com",
    "eventName": "PutObject",
    "awsRegion": "us-east-1",
    "errorCode": "AccessDenied",
    "errorMessage": "Access Denied",
    "userIdentity": {"type": "AssumedRole", "arn": CALLER},
    "requestParameters": {"bucketName": "acme-analytics", "key": "rw/x/1"},
    "requestID": "REQ1",
}
TRAIL = json.dumps({"Records": [EVENT]}, indent=1)

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "as it is": bytes,
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "UTF-16, big end first": lambda text: b"\xfe\xff" + text.decode().encode("utf-16-be"),
    "gzip": gzip.compress,
    "gzip of gzip": lambda text: gzip.compress(gzip.compress(text)),
    "gzip of UTF-16": lambda text: gzip.compress(text.decode().encode("utf-16")),
    "two members": lambda text: gzip.compress(text[:80]) + gzip.compress(text[80:]),
    "gzip without its end": lambda text: gzip.compress(text)[:-8],
}
WRAPPED = {
    "members": json.dumps({"a": {"b": [{"Records": [EVENT]}]}}),
    "a message": json.dumps({"Type": "Notification", "Message": json.dumps({"Records": [EVENT]})}),
    "a queue": json.dumps({"Messages": [{"Body": json.dumps({"Message": json.dumps(EVENT)})}]}),
}


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
def test_a_trail_is_read_in_every_packing(packed: Callable[[bytes], bytes], tmp_path: Path) -> None:
    log = tmp_path / "trail.json"
    log.write_bytes(packed(TRAIL.encode()))
    assert diagnose(log)[0].to_dict()["caller"] == CALLER


@pytest.mark.parametrize("text", WRAPPED.values(), ids=WRAPPED)
def test_events_are_found_in_any_wrapping(text: str) -> None:
    assert diagnose(text)[0].to_dict()["caller"] == CALLER


def test_a_document_cut_off_in_its_first_event_still_says_what_was_refused(
    tmp_path: Path,
) -> None:
    log = tmp_path / "trail.json"
    log.write_text(TRAIL[:-30])
    assert diagnose(log)[0].error_class == "s3_access_denied"


def test_gzip_that_ends_early_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    log = tmp_path / "log.gz"
    log.write_bytes(gzip.compress(b"")[:12])
    assert diagnose(log) == []


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
def test_standard_input_is_read_in_every_packing(packed: Callable[[bytes], bytes]) -> None:
    done = CliRunner().invoke(
        cli, ["diagnose", "--offline", "--log", "-"], input=packed(TRAIL.encode())
    )
    assert CALLER in done.output


@pytest.mark.parametrize("text", ["EntityTooLarge: S3 takes no more than 5 GB", "x AccessDenied"])
def test_a_code_of_s3_is_never_said_to_be_about_something_else(text: str) -> None:
    watched = Watched([text])
    assert watched.nothing_found() == NO_RULE
