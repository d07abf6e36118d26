"""Listings of a bucket, in the two versions that S3 has.

moto's first version does not count what is rolled up into common prefixes, and repeats it on every
page; its second one does. So a listing of the first version is asked for as one of the second.
Source: Amazon S3 API Reference, ListObjects and ListObjectsV2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from rwlib.sandbox.answer import Answer, xml_text

if TYPE_CHECKING:
    from rwlib.sandbox.aws.s3.call import S3Call
    from rwlib.sandbox.moto_seam.world import World

_NEXT = re.compile(rb"<NextContinuationToken>([^<]*)</NextContinuationToken>")
_SECOND = re.compile(rb"<(KeyCount|StartAfter|ContinuationToken)>[^<]*</\1>|<StartAfter ?/>")
_END = b"</ListBucketResult>"


def ask_for_second(call: S3Call) -> None:
    """Turn a listing of the first version into one of the second."""
    query = [
        ("start-after" if name == "marker" else name, value)
        for name, value in call.request.query
        if name not in ("list-type", "fetch-owner") and (name != "marker" or value)
    ]
    text = urlencode([("list-type", "2"), ("fetch-owner", "true"), *query], quote_via=quote)
    environ = call.request.environ
    path = environ["REQUEST_URI"].partition("?")[0]
    environ["QUERY_STRING"] = text
    environ["REQUEST_URI"] = environ["RAW_URI"] = f"{path}?{text}"


def answer_as_first(call: S3Call, answer: Answer, world: World) -> Answer:
    """Turn a listing of the second version into the one of the first that was asked for."""
    found = _NEXT.search(answer.body)
    marker = ""
    if found is not None and call.request.argument("delimiter"):
        start = world.s3.page_start(call.bucket.account, found[1].decode())
        if start is not None:
            marker = f"<NextMarker>{_shown(call, start)}</NextMarker>"
    given = _shown(call, call.request.argument("marker") or "")
    more = f"<Marker>{given}</Marker>{marker}".encode()
    body = _SECOND.sub(b"", _NEXT.sub(b"", answer.body))
    return answer.with_body(body.replace(_END, more + _END))


def name_page(call: S3Call, answer: Answer) -> Answer:
    """Say which page of the second version this is, as S3 does."""
    token = call.request.argument("continuation-token")
    if token is None:
        return answer
    element = f"<ContinuationToken>{xml_text(token)}</ContinuationToken>".encode()
    return answer.with_body(answer.body.replace(_END, element + _END))


def _shown(call: S3Call, name: str) -> str:
    return xml_text(quote(name) if call.request.argument("encoding-type") == "url" else name)
