"""CloudTrail and CloudWatch Logs in each of their wrappings: the fields are what is said."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rwlib.diagnose.diagnosis import diagnose

CALLER = "arn:aws:sts::444455556666:assumed-role/rwc-1/pod"
ROLE = "arn:aws:iam::111122223333:role/rw-s3-access"
EVENT: dict[str, Any] = {
    "eventVersion": "1.11",
    "userIdentity": {"type": "AssumedRole", "arn": CALLER},
    "eventTime": "2026-08-01T08:42:00Z",
    "eventSource": "sts.amazonaws.com",
    "eventName": "AssumeRole",
    "awsRegion": "eu-west-1",
    "errorCode": "AccessDenied",
    "requestParameters": {"roleArn": ROLE, "roleSessionName": "reqsign"},
    "requestID": "11111111-2222-3333-4444-555555555555",
}
GOOD = {key: value for key, value in EVENT.items() if key != "errorCode"}
FORMS = {
    "one event": json.dumps(EVENT),
    "indented": json.dumps(EVENT, indent=2),
    "records": json.dumps({"Records": [GOOD, EVENT, GOOD]}),
    "records indented": json.dumps({"Records": [GOOD, EVENT]}, indent=4),
    "lookup-events": json.dumps(
        {"NextToken": "x", "Events": [{"EventId": "1", "CloudTrailEvent": json.dumps(EVENT)}]}
    ),
    "array": json.dumps([GOOD, EVENT]),
    "json lines": "\n".join(map(json.dumps, [GOOD, EVENT, GOOD])),
    "filter-log-events": json.dumps({"events": [{"timestamp": 1, "message": json.dumps(EVENT)}]}),
    "eventbridge": json.dumps({"detail-type": "AWS API Call via CloudTrail", "detail": EVENT}),
}


@pytest.mark.parametrize("form", FORMS)
def test_fields_of_the_event_are_what_is_said(form: str) -> None:
    (found,) = diagnose(FORMS[form])
    assert found.error_class == "assume_role_denied"
    assert (found.caller, found.action, found.resource) == (CALLER, "sts:AssumeRole", ROLE)
    assert found.details["request_id"] == EVENT["requestID"]
    assert found.details["region_given"] == "eu-west-1"


def test_gzip_file_of_many_records(tmp_path: Path) -> None:
    path = tmp_path / "trail.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"Records": [GOOD, EVENT] * 2_000}).encode()))
    (found,) = diagnose(path)
    assert found.count == 2_000
    assert found.resource == ROLE


def test_event_of_s3_names_bucket_and_key() -> None:
    event = {
        **EVENT,
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject",
        "errorMessage": "Access Denied",
        "requestParameters": {"bucketName": "acme-staging", "key": "rw/orders/1.json"},
    }
    (found,) = diagnose(json.dumps({"Records": [event]}))
    assert found.action == "s3:PutObject"
    assert found.resource == "arn:aws:s3:::acme-staging/rw/orders/1.json"


def test_events_without_error_say_nothing() -> None:
    assert diagnose(json.dumps({"Records": [GOOD] * 3})) == []
