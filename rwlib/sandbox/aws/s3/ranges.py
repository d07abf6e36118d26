"""A part of an object: by its bytes, or by the number it was uploaded under.

Sources: Amazon S3 API Reference, GetObject, ``Range`` and ``partNumber``; "Error responses",
``InvalidRange`` and ``InvalidPartNumber``; RFC 9110, section 14. S3 knows no list of ranges, and
takes a range that it cannot read for none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rwlib.sandbox.answer import Answer, AwsError

if TYPE_CHECKING:
    from rwlib.sandbox.aws.s3.call import S3Call

_BYTES = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
Place = tuple[int, int]
"""First byte, and the one behind the last."""


def take_range(call: S3Call) -> str:
    """Give the range that a read asks for, and keep it from moto; empty where there is none."""
    if call.request.has("partNumber"):
        if "range" in call.request.headers:
            raise AwsError(
                "InvalidRequest", "Cannot specify both Range header and partNumber query parameter"
            )
        environ = call.request.environ
        for name in ("QUERY_STRING", "REQUEST_URI", "RAW_URI"):
            environ[name] = re.sub(r"\bpartNumber=", "x-id=", environ.get(name, ""))
    return str(call.request.environ.pop("HTTP_RANGE", ""))


def cut(call: S3Call, answer: Answer, given: str, parts: Sequence[int]) -> Answer:
    """Cut an answer down to the part that was asked for.

    Parameters
    ----------
    given
        What `take_range` gave.
    parts
        Sizes of the parts that the object was uploaded in; empty for one uploaded at once.

    Raises
    ------
    AwsError
        ``InvalidRange`` or ``InvalidPartNumber``.
    """
    number = call.request.argument("partNumber")
    if answer.status != 200 or not (given or number):
        return answer
    head = call.request.method == "HEAD"
    size = int(answer.header("content-length") or 0) if head else len(answer.body)
    place = _part(int(number), size, parts) if number else _range(given, size)
    if place is None:
        return answer
    first, end = place
    whole = first == 0 and end == size
    kept = [
        (name, value)
        for name, value in answer.headers
        if name.lower() not in ("content-length", "content-range")
        and (whole or not name.lower().startswith("x-amz-checksum-"))
    ]
    if size:
        kept.append(("Content-Range", f"bytes {first}-{end - 1}/{size}"))
    kept.append(("Content-Length", str(end - first)))
    if number and parts:
        kept.append(("x-amz-mp-parts-count", str(len(parts))))
    return Answer(206, tuple(kept), answer.body[first:end])


def _range(given: str, size: int) -> Place | None:
    found = _BYTES.fullmatch(given.strip())
    if found is None or found[0] == "bytes=-":
        return None
    if not found[1]:
        last = min(int(found[2]), size)
        if last == 0:
            raise _unsatisfiable(given, size)
        return size - last, size
    first, end = int(found[1]), int(found[2]) + 1 if found[2] else size
    if found[2] and end <= first:
        return None
    if first >= size:
        raise _unsatisfiable(given, size)
    return first, min(end, size)


def _part(number: int, size: int, parts: Sequence[int]) -> Place:
    sizes = list(parts) or [size]
    if not 1 <= number <= len(sizes):
        raise AwsError(
            "InvalidPartNumber",
            "The requested partnumber is not satisfiable",
            416,
            fields={"ActualPartCount": str(len(sizes)), "PartNumberRequested": str(number)},
        )
    first = sum(sizes[: number - 1])
    return first, first + sizes[number - 1]


def _unsatisfiable(given: str, size: int) -> AwsError:
    return AwsError(
        "InvalidRange",
        "The requested range is not satisfiable",
        416,
        fields={"RangeRequested": given, "ActualObjectSize": str(size)},
    )
