"""Conditions under which a request to S3 is to be carried out.

Sources: Amazon S3 User Guide, "Add preconditions to S3 operations with conditional requests";
Amazon S3 API Reference, GetObject, HeadObject, PutObject, CopyObject, CompleteMultipartUpload and
DeleteObject. A date counts only where no ETag is given beside it (RFC 9110, section 13.2.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING

from rwlib.sandbox.answer import Answer, AwsError

if TYPE_CHECKING:
    from rwlib.sandbox.aws.s3.call import S3Call
    from rwlib.sandbox.views import StampView

READS = frozenset({"GetObject", "HeadObject"})
WRITES = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})
CHANGES = WRITES | {"DeleteObject"}
SOURCE = "x-amz-copy-source-"
_NAMES = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def is_conditional(call: S3Call) -> bool:
    """Whether a request says under which conditions it is to be carried out."""
    return any(name in call.request.headers for name in _NAMES)


def not_modified(call: S3Call, stamp: StampView | None) -> Answer | None:
    """Weigh the conditions of a read; give the answer of one that has nothing new to tell.

    Raises
    ------
    AwsError
        ``PreconditionFailed``.
    """
    headers = call.request.headers
    if not is_conditional(call):
        return None
    _settle(call, _NAMES)
    if stamp is None:
        return None  # That it is not there, moto says.
    wrong = _unmet(headers, "", stamp)
    if wrong:
        raise _failed(wrong)
    if not _unchanged(headers, "", stamp):
        return None
    shown = format_datetime(stamp.modified, usegmt=True)
    return Answer(304, (("ETag", stamp.etag), ("Last-Modified", shown)))


def check_write(call: S3Call, stamp: StampView | None) -> None:
    """Refuse a write or a delete whose conditions what is there does not meet.

    Raises
    ------
    AwsError
        ``PreconditionFailed``; ``NotImplemented`` for a condition that S3 does not have.
    """
    headers, name = call.request.headers, call.operation.name
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if match is None and none_match is None:
        return
    if name == "DeleteObject":
        _settle(call, _NAMES)
        # Source: "Conditional deletes": what is not there is deleted already.
        if match is not None and (
            not _fits(match, stamp.etag) if stamp is not None else match.strip() == "*"
        ):
            raise _failed("If-Match")
        return
    if name not in WRITES:
        return
    _settle(call, _NAMES)
    if (none_match is not None and none_match.strip() != "*") or (match or "").strip() == "*":
        header = "If-Match" if none_match is None else "If-None-Match"
        raise AwsError(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
            501,
            fields={"Header": header},
        )
    if none_match is not None and stamp is not None:
        raise _failed("If-None-Match")
    if match is not None:
        if stamp is None:
            fields = {"Key": call.operation.key}
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404, fields=fields)
        if not _fits(match, stamp.etag):
            raise _failed("If-Match")


def check_source(call: S3Call, stamp: StampView) -> None:
    """Refuse a copy whose conditions its source does not meet.

    Raises
    ------
    AwsError
        ``PreconditionFailed``.
    """
    headers = call.request.headers
    wrong = _unmet(headers, SOURCE, stamp)
    if not wrong and _unchanged(headers, SOURCE, stamp):
        none = f"{SOURCE}if-none-match"
        wrong = none if none in headers else f"{SOURCE}if-modified-since"
    _settle(call, tuple(f"{SOURCE}{name}" for name in _NAMES))
    if wrong:
        raise _failed(wrong)


def _unmet(headers: Mapping[str, str], prefix: str, stamp: StampView) -> str:
    """Name the condition that fails, in the form ``If-Match``."""
    match = headers.get(f"{prefix}if-match")
    if match is not None:
        return "" if _fits(match, stamp.etag) else prefix + _shown("if-match", prefix)
    since = _date(headers.get(f"{prefix}if-unmodified-since"))
    late = since is not None and stamp.modified > since
    return prefix + _shown("if-unmodified-since", prefix) if late else ""


def _unchanged(headers: Mapping[str, str], prefix: str, stamp: StampView) -> bool:
    none_match = headers.get(f"{prefix}if-none-match")
    if none_match is not None:
        return _fits(none_match, stamp.etag)
    since = _date(headers.get(f"{prefix}if-modified-since"))
    return since is not None and stamp.modified <= since


def _shown(name: str, prefix: str) -> str:
    return name if prefix else "-".join(part.capitalize() for part in name.split("-"))


def _fits(given: str, etag: str) -> bool:
    """Whether one of the ETags given is this one, in quotes or without."""
    asked = [part.strip().removeprefix("W/").strip('"') for part in given.split(",")]
    return "*" in asked or etag.strip('"') in asked


def _date(text: str | None) -> datetime | None:
    """Read a date; one that cannot be read is no condition."""
    if text is None:
        return None
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _settle(call: S3Call, names: tuple[str, ...]) -> None:
    """Keep what has been weighed from being weighed again behind."""
    for name in names:
        call.request.environ.pop(f"HTTP_{name.upper().replace('-', '_')}", None)


def _failed(condition: str) -> AwsError:
    return AwsError(
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
        412,
        fields={"Condition": condition},
    )
