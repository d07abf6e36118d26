"""Every operation of every service that is served: an answer of AWS, and a state to read again."""

from __future__ import annotations

from typing import Any

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from rwlib.sandbox.server.server import Sandbox
from tests.support.sandbox_clients import CUSTOMER, allow, client, document, trusting

pytestmark = pytest.mark.slow

SERVICES = (
    *("accessanalyzer", "glue", "iam", "kms", "redshift", "redshift-serverless"),
    *("s3", "s3control", "sts"),
)
BROKEN = frozenset({"", "InternalError", "InternalFailure", "ServiceFailure"})
"""What says that the sandbox broke, or nothing at all."""
KNOWN = {
    "AssumeRolePolicyDocument": trusting(f"arn:aws:iam::{CUSTOMER}:root"),
    "PolicyArn": f"arn:aws:iam::{CUSTOMER}:policy/acme-analytics",
    "PolicySourceArn": f"arn:aws:iam::{CUSTOMER}:role/acme-analytics",
    "RoleArn": f"arn:aws:iam::{CUSTOMER}:role/acme-analytics",
    "AliasName": "alias/acme-analytics",
    "KeyId": "alias/known",
    "SourceKeyId": "alias/known",
    "DestinationKeyId": "alias/known",
    "TargetKeyId": "alias/known",
    "CopySource": "acme-analytics/acme-analytics",
    "AWSServiceName": "elasticbeanstalk.amazonaws.com",
}
"""Values with which a call gets past its first check."""
ALLOWS = document(allow("s3:GetObject"))
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
    if name in KNOWN:
        return KNOWN[name]
    if "Document" in name or name == "Policy":
        return ALLOWS
    if "arn" in name.lower():
        return f"arn:aws:iam::{CUSTOMER}:role/clients"
    return "acme-analytics".ljust(shape.metadata.get("min", 1), "x")


def call_all(sandbox: Sandbox, service: str) -> dict[str, tuple[int, str]]:
    """Call what makes things first and what removes them last; give status and code of each."""
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
    model, answers = made.meta.service_model, {}
    for name in sorted(
        model.operation_names,
        key=lambda name: (name.startswith(UNMAKING), not name.startswith(MAKING), name),
    ):
        operation = model.operation_model(name)
        if operation.has_event_stream_input:
            continue
        given = minimal(operation.input_shape) if operation.input_shape else {}
        try:
            answer = getattr(made, xform_name(name))(**given)
            answers[name] = (answer["ResponseMetadata"]["HTTPStatusCode"], "")
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            answers[name] = (status, error.response.get("Error", {}).get("Code", ""))
    return answers


def wrong_answers(answers: dict[str, tuple[int, str]]) -> list[str]:
    """Name the calls that got no error code of AWS: none, a bare status, or a broken sandbox."""
    return [
        f"{name} {status} {code}"
        for name, (status, code) in answers.items()
        if status >= 300 and (code in BROKEN or code.isdigit())
    ]


def operations_of(service: str) -> set[str]:
    """Name the operations of a service but those whose request is a stream of events."""
    model = botocore.session.get_session().get_service_model(service)
    found = {name: model.operation_model(name) for name in model.operation_names}
    return {name for name, operation in found.items() if not operation.has_event_stream_input}


@pytest.mark.parametrize("service", SERVICES)
def test_every_call_gets_an_answer_of_aws_and_leaves_a_state_to_read(tmp_path, caplog, service):
    with Sandbox(state=tmp_path) as first:
        if service == "kms":
            kms = client(first, "kms")
            key = kms.create_key()["KeyMetadata"]["KeyId"]
            kms.create_alias(AliasName="alias/known", TargetKeyId=key)
        answers = call_all(first, service)
        client(first, "iam").create_user(UserName="at-the-end")
    assert wrong_answers(answers) == []
    assert set(answers) == operations_of(service)
    assert [each.getMessage() for each in caplog.records if "not kept" in each.getMessage()] == []
    with Sandbox(state=tmp_path) as second:
        users = client(second, "iam").list_users()["Users"]
        assert "at-the-end" in {user["UserName"] for user in users}
