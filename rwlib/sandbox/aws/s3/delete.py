"""DeleteObjects: every key is asked about by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol
from xml.etree import ElementTree

from rwlib.sandbox.answer import Answer, AwsError, xml_answer, xml_text
from rwlib.sandbox.aws.s3.operations import S3Operation
from rwlib.sandbox.aws.s3.xml import NAMESPACE, malformed_xml, read_xml

if TYPE_CHECKING:
    from rwlib.sandbox.aws.request import AwsRequest
    from rwlib.sandbox.aws.s3.call import S3Call
    from rwlib.sandbox.moto_seam.world import World

MOST_KEYS = 1000


class Deciding(Protocol):
    """The S3 service, as far as deleting needs it."""

    world: World

    def require(self, call: S3Call, action: str, operation: S3Operation | None = None) -> None:
        """Raise where the caller may not."""

    def forward(self, request: AwsRequest, account: str) -> Answer:
        """Let moto answer."""


def delete_objects(service: Deciding, call: S3Call) -> Answer:
    """Delete the keys the caller may delete, and report the others as errors."""
    headers = call.request.headers
    if "content-md5" not in headers and not any(n.startswith("x-amz-checksum-") for n in headers):
        raise AwsError(
            "InvalidRequest",
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
        )
    root = read_xml(call.request.body)
    refused: list[tuple[str, AwsError]] = []
    asked = 0
    for entry in [node for node in root if _name(node) == "Object"]:
        asked += 1
        key = next((node.text or "" for node in entry if _name(node) == "Key"), "")
        version = next((node.text for node in entry if _name(node) == "VersionId"), None)
        action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
        operation = S3Operation("DeleteObject", action, call.bucket.name, key, version)
        call.object = service.world.s3.object(call.bucket.name, key, version)
        try:
            service.require(call, action, operation)
        except AwsError as error:
            refused.append((key, error))
            root.remove(entry)
    if not 0 < asked <= MOST_KEYS:
        raise malformed_xml()
    errors = "".join(
        f"<Error><Key>{xml_text(key)}</Key><Code>{error.code}</Code>"
        f"<Message>{xml_text(error.message)}</Message></Error>"
        for key, error in refused
    )
    if len(refused) == asked:
        return xml_answer(f'<DeleteResult xmlns="{NAMESPACE}">{errors}</DeleteResult>')
    body = ElementTree.tostring(root) if refused else call.request.body
    answer = service.forward(replace(call.request, body=body), call.bucket.account)
    if not refused:
        return answer
    whole = answer.body.replace(b"</DeleteResult>", errors.encode() + b"</DeleteResult>")
    return answer.with_body(whole)


def _name(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]
