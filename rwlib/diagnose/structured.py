"""CloudTrail and CloudWatch Logs as structure: one event after the other, in any wrapping.

Sources: CloudTrail user guide ("CloudTrail record contents", "CloudTrail Insights"), AWS CLI
(``cloudtrail lookup-events``, ``logs filter-log-events``, ``logs get-log-events``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import ijson  # type: ignore[import-untyped]

from rwlib.diagnose.facts import IAM_ACTIONS

# The member of the outermost object that holds the events.
_LIST: Final = re.compile(
    rb'\s*\{[^{}]{0,2000}?"(Records|Events|events|logEvents)"\s*:\s*\[\s*[{\]]'
)
_ARRAY: Final = re.compile(rb"\s*\[\s*\{")
_REFUSED: Final = re.compile(r"AccessDenied|Unauthorized|Forbidden")
HEAD: Final = 64 << 10


class Rewound:
    """A stream whose first bytes were read, and are read again."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        head = self._head
        if not head:
            return self._stream.read(size)
        if 0 <= size < len(head):
            self._head = head[size:]
            return head[:size]
        self._head = b""
        return head + self._stream.read(size - len(head) if size >= 0 else -1)

    def close(self) -> None:
        """Close the stream behind."""
        self._stream.close()


def events_prefix(head: bytes) -> str | None:
    """Return where the events of a JSON document stand, None when it is no such document."""
    found = _LIST.match(head)
    if found:
        return f"{found[1].decode()}.item"
    telling = b'"eventSource"' in head or b'CloudTrailEvent"' in head
    return "item" if telling and _ARRAY.match(head) else None


def read_events(stream: Any, prefix: str) -> Iterator[bytes]:
    """Yield each event of a document as one line; memory holds one event at a time.

    What follows a place that is no JSON is not read; a document that was cut off in its first
    event is given as the text that it is.
    """
    head = stream.read(HEAD)
    whole_events = 0
    try:
        for item in ijson.items(
            Rewound(head, stream), prefix, use_float=True, multiple_values=True
        ):
            whole_events += 1
            yield _line_of(item)
    except ijson.JSONError:
        if not whole_events:
            yield b" ".join(head.split())


def events_within(document: bytes) -> list[bytes]:
    """Return the events of CloudTrail that stand anywhere in a JSON document, one a line.

    They may lie under any members, and as text inside (a message of SNS or SQS). A document
    that is an event itself, or holds none, has none within.
    """
    if b"eventSource" not in document or document.lstrip()[:1] not in (b"{", b"["):
        return []
    try:
        content = json.loads(document)
        if event_text(document.decode()) is not None:
            return []
        return [_line_of(event) for event in _walked(content)]
    except (ValueError, RecursionError):
        return []


def _walked(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, str) and "eventSource" in content and content.lstrip()[:1] in ("{", "["):
        try:
            content = json.loads(content)
        except ValueError:
            return
    if isinstance(content, dict):
        if isinstance(content.get("eventSource"), str) and "eventName" in content:
            yield content
            return
        content = list(content.values())
    if isinstance(content, list):
        for each in content:
            yield from _walked(each)


def event_text(text: str) -> str | None:
    """Return an event of CloudTrail as AWS words its refusals; None when the text is none.

    The sentence is built from the event's fields, so that caller, action, resource, region and
    request id are theirs. An event without an error is an empty text.
    """
    if "event" not in text.lower() or not text.lstrip().startswith("{"):
        return None
    try:
        event = json.loads(text)
        if not isinstance(event, dict):
            return None
        if isinstance(event.get("CloudTrailEvent"), str):
            event = json.loads(event["CloudTrailEvent"])
        if isinstance(event.get("detail"), dict) and "eventSource" in event["detail"]:
            event = event["detail"]
    except (ValueError, RecursionError):
        return None
    insight = event.get("insightDetails")
    if isinstance(insight, dict):
        event = {**event, **insight}
    if not isinstance(event.get("eventSource"), str) or not isinstance(event.get("eventName"), str):
        return None
    return _worded(event)


def _worded(event: dict[str, Any]) -> str:
    code = str(event.get("errorCode") or "")
    if not code:
        return ""
    service = event["eventSource"].partition(".")[0]
    name = event["eventName"]
    message = str(event.get("errorMessage") or "")
    words = f"An error occurred ({code}) when calling the {name} operation: {message}"
    if _REFUSED.search(code) and "not authorized to perform" not in message:
        action = IAM_ACTIONS.get(name.lower(), f"{service}:{name}")
        words = f"{code}: {_refusal(event, action)} ({message})"
    where = f"{service}.{event.get('awsRegion') or 'us-east-1'}.amazonaws.com"
    return f'{words} ({where}, request id: "{event.get("requestID") or event.get("eventID")}")'


def _refusal(event: dict[str, Any], action: str) -> str:
    identity = event.get("userIdentity")
    caller = (
        identity.get("arn") or identity.get("principalId") if isinstance(identity, dict) else ""
    )
    resource = _resource(event)
    who = f"User: {caller} is " if caller else ""
    return f"{who}not authorized to perform: {action}" + (
        f" on resource: {resource}" if resource else ""
    )


def _resource(event: dict[str, Any]) -> str:
    asked = event.get("requestParameters")
    asked = asked if isinstance(asked, dict) else {}
    for name in ("roleArn", "keyId", "resourceArn", "policyArn"):
        if isinstance(asked.get(name), str):
            return str(asked[name])
    if isinstance(asked.get("bucketName"), str):
        key = asked.get("key")
        return f"arn:aws:s3:::{asked['bucketName']}" + (f"/{key}" if key else "")
    named = event.get("resources")
    for each in named if isinstance(named, list) else ():
        arn = each.get("ARN") or each.get("arn") if isinstance(each, dict) else None
        if isinstance(arn, str):
            return arn
    return ""


def _line_of(item: Any) -> bytes:
    if isinstance(item, dict) and isinstance(item.get("message"), str) and "eventName" not in item:
        return str(item["message"]).encode("utf-8", "surrogateescape")
    return json.dumps(item, ensure_ascii=False).encode("utf-8", "surrogateescape")
