"""What Iceberg's clients say when AWS refuses: the Rust one, and the Java SDK's."""

from __future__ import annotations

import json

from rwlib.sandbox.risingwave.engine.opendal import OpendalError
from rwlib.sandbox.risingwave.engine.signed import Reply

_JAVA_S3 = "software.amazon.awssdk.services.s3.model.S3Exception"
_JAVA_STS = "software.amazon.awssdk.services.sts.model.StsException"
_JAVA_GLUE = "software.amazon.awssdk.services.glue.model"


class IcebergError(Exception):
    """An error of an Iceberg catalog or file; ``causes`` is the list that psql shows."""

    def __init__(self, *causes: str) -> None:
        self.causes = list(causes)
        super().__init__(": ".join(causes))


def file_error(error: OpendalError) -> IcebergError:
    """Say what the Rust client says of a failing file operation."""
    return IcebergError("Unexpected => IO operation failed, source", *error.causes)


def java_error(error: OpendalError) -> IcebergError:
    """Say what the Java SDK says of the same answer."""
    if error.source:
        return IcebergError("Failed to load iceberg table.", sdk_text(error.source))
    message = error.head.partition("message: ")[2].partition(', resource: "')[0]
    status = error.head.partition("status: ")[2].partition(",")[0]
    request_id = error.head.rpartition('request_id: "')[2].partition('"')[0]
    said = json.loads(message) if message.startswith('"') else "null"
    return IcebergError(
        "Failed to load iceberg table.",
        f"{_JAVA_S3}: {said} (Service: S3, Status Code: {status}, Request ID: {request_id}, "
        "Extended Request ID: null)",
    )


def sdk_text(source: str) -> str:
    """Put reqsign's quote of an STS answer into the Java SDK's words."""
    message = source.partition("<Message>")[2].partition("</Message>")[0]
    request_id = source.partition("<RequestId>")[2].partition("</RequestId>")[0]
    if not message:
        return f"software.amazon.awssdk.core.exception.SdkClientException: {source}"
    return (
        f"{_JAVA_STS}: {message} (Service: Sts, Status Code: 403, Request ID: {request_id}, "
        "Extended Request ID: null)"
    )


def glue_error(reply: Reply) -> IcebergError:
    """Say what the Java SDK says of Glue's refusal."""
    try:
        content = json.loads(reply.body)
    except ValueError:
        content = {}
    code = str(content.get("__type", "GlueException")).rpartition("#")[2]
    message = content.get("message") or content.get("Message") or reply.text
    request_id = reply.header("x-amzn-requestid")
    return IcebergError(
        "Failed to load iceberg table.",
        f"{_JAVA_GLUE}.{code}: {message} (Service: Glue, Status Code: {reply.status}, "
        f"Request ID: {request_id})",
    )
