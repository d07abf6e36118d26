"""Every operation of every service that is served: an answer of AWS, and a state to read again."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from rwlib.sandbox.server.server import Sandbox
from tests.support.sandbox_clients import CUSTOMER, client

pytestmark = pytest.mark.slow

SERVICES = (
    *("accessanalyzer", "glue", "iam", "kms", "redshift", "redshift-serverless"),
    *("s3", "s3control", "sts"),
)
WITHOUT_CODE = frozenset(
    {
        "s3:PutBucketVersioning 404 404",
        "s3:GetObjectRetention 500 500",
        "s3:ListObjectAnnotations 500 500",
    }
)
"""What moto answers badly where a document is left out; to be mended, not to grow."""
MAKING = ("Create", "Put", "Register", "Start", "Add", "Import", "Tag")
UNMAKING = ("Delete", "Remove", "Disable", "Cancel", "Schedule", "Stop", "Untag")


def minimal(shape: Any, name: str = "", depth: int = 0) -> Any:
    """Give the least that an operation takes; names repeat, so that calls meet what others made."""
    match shape.type_name:
        case "structure":
            needed = shape.required_members if depth < 6 else []
            return {each: minimal(shape.members[each], each, depth + 1) for each in needed}
        case "list":
            return [minimal(shape.member, name, depth + 1)] if depth < 6 else []
        case "map":
            return {"key": minimal(shape.value, name, depth + 1)}
        case "boolean":
            return True
        case "integer" | "long":
            return max(1, shape.metadata.get("min", 1))
        case "float" | "double":
            return 1.0
        case "timestamp":
            return 1_700_000_000
        case "blob":
            return b"content"
    if shape.enum:
        return shape.enum[0]
    if "Document" in name or name == "Policy":
        return '{"Version": "2012-10-17", "Statement": []}'
    if "arn" in name.lower():
        return f"arn:aws:iam::{CUSTOMER}:role/clients"
    return "acme-analytics".ljust(shape.metadata.get("min", 1), "x")


def call_all(sandbox: Sandbox, service: str) -> list[str]:
    """Call what makes things first and what removes them last; give what has no code of AWS."""
    arguments = sandbox.environment()
    made = boto3.client(
        service,
        endpoint_url=sandbox.url,
        region_name="us-east-1",
        aws_access_key_id=arguments["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=arguments["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            retries={"total_max_attempts": 1},
            parameter_validation=False,
            s3={"addressing_style": "path"},
        ),
    )

    def without_prefix(request: Any, **_: Any) -> None:
        request.url = f"{sandbox.url}/{request.url.split('/', 3)[3]}"

    made.meta.events.register("before-sign", without_prefix)
    model, wrong = made.meta.service_model, []
    for name in sorted(
        model.operation_names,
        key=lambda name: (name.startswith(UNMAKING), not name.startswith(MAKING), name),
    ):
        operation = model.operation_model(name)
        if operation.has_event_stream_input:
            continue
        given = minimal(operation.input_shape) if operation.input_shape else {}
        try:
            getattr(made, xform_name(name))(**given)
        except ParamValidationError:
            continue
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            code = error.response.get("Error", {}).get("Code", "")
            if not code or code == str(status):
                wrong.append(f"{service}:{name} {status} {code}")
    return wrong


@pytest.mark.parametrize("service", SERVICES)
def test_every_call_gets_an_answer_of_aws_and_leaves_a_state_to_read(tmp_path, caplog, service):
    with Sandbox(state=tmp_path) as first:
        wrong = call_all(first, service)
        client(first, "iam").create_user(UserName="at-the-end")
    assert set(wrong) <= WITHOUT_CODE
    assert [each.getMessage() for each in caplog.records if "not kept" in each.getMessage()] == []
    with Sandbox(state=tmp_path) as second:
        users = client(second, "iam").list_users()["Users"]
        assert "at-the-end" in {user["UserName"] for user in users}
