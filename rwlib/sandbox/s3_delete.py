"""DeleteObjects: every key is asked about by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from rwlib.sandbox.answer import Answer, AwsError, xml_answer
from rwlib.sandbox.s3_operations import S3Operation

if TYPE_CHECKING:
    from rwlib.sandbox.s3_service import S3Call, S3Service

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
MOST_KEYS = 1000

ElementTree.register_namespace("", NAMESPACE)


def delete_objects(service: S3Service, call: S3Call) -> Answer:
    """Delete the keys the caller may delete, and report the others as errors."""
    root = _parsed(call.request.body)
    refused: list[tuple[str, AwsError]] = []
    asked = 0
    for entry in [node for node in root if _name(node) == "Object"]:
        asked += 1
        key = next((node.text or "" for node in entry if _name(node) == "Key"), "")
        version = next((node.text for node in entry if _name(node) == "VersionId"), None)
        action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
        operation = S3Operation("DeleteObject", action, call.bucket.name, key, version)
        call.object = service.world.object(call.bucket.name, key, version)
        try:
            service.require(call, action, operation)
        except AwsError as error:
            refused.append((key, error))
            root.remove(entry)
    if not 0 < asked <= MOST_KEYS:
        raise _malformed()
    errors = "".join(
        f"<Error><Key>{escape(key)}</Key><Code>{error.code}</Code>"
        f"<Message>{escape(error.message)}</Message></Error>"
        for key, error in refused
    )
    if len(refused) == asked:
        return xml_answer(f'<DeleteResult xmlns="{NAMESPACE}">{errors}</DeleteResult>')
    request = call.request
    body = ElementTree.tostring(root) if refused else request.body
    environ = {**request.environ, "HTTP_CONTENT_MD5": ""} if refused else request.environ
    answer = service.world.call(environ, body, call.bucket.account)
    if not refused:
        return answer
    whole = answer.body.replace(b"</DeleteResult>", errors.encode() + b"</DeleteResult>")
    return answer.with_body(whole)


def _parsed(body: bytes) -> ElementTree.Element:
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise _malformed()
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise _malformed() from None


def _name(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


def _malformed() -> AwsError:
    return AwsError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
