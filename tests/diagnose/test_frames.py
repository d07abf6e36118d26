"""The same answer of AWS in every frame that clients and logs put around it."""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Callable

import pytest

from rwlib.diagnose.diagnosis import diagnose

RW = "arn:aws:sts::444455556666:assumed-role/g1jk13sq56ejdref71h1cvokbh-role/reqsign"
ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
SESSION = "arn:aws:sts::111122223333:assumed-role/risingwave-s3-access/reqsign"
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
REQUEST = "7a62c49f-347e-4fc4-9331-6e8e11112222"

Answer = tuple[str, str, str, str, str]


def refusal(caller: str, action: str, resource: str, reason: str = "") -> str:
    return f"User: {caller} is not authorized to perform: {action} on resource: {resource}{reason}"


def because(layer: str, action: str) -> str:
    return f" because no {layer} policy allows the {action} action"


# class, service, operation, code, message
ANSWERS: list[Answer] = [
    (
        "assume_role_denied", "STS", "AssumeRole", "AccessDenied",
        refusal(RW, "sts:AssumeRole", ROLE),
    ),
    (
        "assume_role_denied", "STS", "AssumeRole", "AccessDenied",
        refusal(RW, "sts:AssumeRole", ROLE, because("identity-based", "sts:AssumeRole")),
    ),
    (
        "explicit_deny", "STS", "AssumeRole", "AccessDenied",
        refusal(RW, "sts:AssumeRole", ROLE, " with an explicit deny in a service control policy"),
    ),
    (
        "s3_access_denied", "S3", "PutObject", "AccessDenied",
        refusal(SESSION, "s3:PutObject", '"arn:aws:s3:::acme-lake/rw/1"',
                because("identity-based", "s3:PutObject")),
    ),
    ("s3_access_denied", "S3", "ListObjectsV2", "AccessDenied", "Access Denied"),
    (
        "explicit_deny", "S3", "GetObject", "AccessDenied",
        refusal(SESSION, "s3:GetObject", '"arn:aws:s3:::acme-lake/rw/1"',
                " with an explicit deny in a resource-based policy"),
    ),
    (
        "kms_denied", "S3", "PutObject", "AccessDenied",
        refusal(SESSION, "kms:GenerateDataKey", KEY,
                because("identity-based", "kms:GenerateDataKey")),
    ),
    ("kms_denied", "S3", "PutObject", "KMS.DisabledException", f"{KEY} is disabled."),
    (
        "glue_access_denied", "Glue", "GetTable", "AccessDeniedException",
        refusal(SESSION, "glue:GetTable", "arn:aws:glue:us-east-1:111122223333:catalog",
                because("identity-based", "glue:GetTable")),
    ),
    (
        "invalid_client_token", "STS", "AssumeRole", "InvalidClientTokenId",
        "The security token included in the request is invalid.",
    ),
    (
        "expired_token", "STS", "AssumeRole", "ExpiredToken",
        "The security token included in the request is expired",
    ),
    ("expired_token", "S3", "GetObject", "ExpiredToken", "The provided token has expired."),
    (
        "bad_static_keys", "S3", "ListObjectsV2", "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    (
        "signature_mismatch", "S3", "PutObject", "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your "
        "key and signing method.",
    ),
    (
        "sts_region_disabled", "STS", "AssumeRole", "RegionDisabledException",
        "STS is not activated in this region for account:111122223333. Your account administrator "
        "can activate STS in this region using the IAM Console.",
    ),
    (
        "sts_region_mismatch", "STS", "AssumeRole", "SignatureDoesNotMatch",
        "Credential should be scoped to a valid region. ",
    ),
    (
        "web_identity_denied", "STS", "AssumeRoleWithWebIdentity", "AccessDenied",
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
    ),
    (
        "invalid_role_arn", "STS", "AssumeRole", "ValidationError",
        "1 validation error detected: Value 'rw' at 'roleArn' failed to satisfy constraint: Member "
        "must have length greater than or equal to 20",
    ),
    (
        "region_wrong", "S3", "ListObjectsV2", "PermanentRedirect",
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint.",
    ),
    (
        "region_wrong", "S3", "PutObject", "AuthorizationHeaderMalformed",
        "The authorization header is malformed; the region 'us-east-1' is wrong; expecting "
        "'eu-west-1'",
    ),
    (
        "no_such_bucket", "S3", "ListObjectsV2", "NoSuchBucket",
        "The specified bucket does not exist",
    ),
    (
        "invalid_principal", "IAM", "UpdateAssumeRolePolicy", "MalformedPolicyDocument",
        f'Invalid principal in policy: "AWS":"{ROLE}"',
    ),
    (
        "policy_limit", "IAM", "UpdateAssumeRolePolicy", "LimitExceeded",
        "Cannot exceed quota for ACLSizePerRole: 2048",
    ),
]  # fmt: skip


def rust_debug(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def body(code: str, message: str) -> str:
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\n  <Error>\n'
        f"    <Type>Sender</Type>\n    <Code>{code}</Code>\n"
        f"    <Message>{html.escape(message)}</Message>\n  </Error>\n"
        f"  <RequestId>{REQUEST}</RequestId>\n</ErrorResponse>"
    )


FRAMES: dict[str, Callable[[str, str, str, str], str]] = {
    "botocore": lambda service, operation, code, message: (
        f"botocore.exceptions.ClientError: An error occurred ({code}) when calling the {operation} "
        f"operation: {message}"
    ),
    "boto3 traceback": lambda service, operation, code, message: (
        "Traceback (most recent call last):\n"
        '  File "/app/load.py", line 12, in <module>\n    client.call()\n'
        '  File "/lib/botocore/client.py", line 565, in _api_call\n'
        "    return self._make_api_call(operation_name, kwargs)\n"
        f"botocore.exceptions.ClientError: An error occurred ({code}) when calling the {operation} "
        f"operation (reached max retries: 4): {message}\n"
    ),
    "go v2": lambda service, operation, code, message: (
        f"2026/08/01 08:42:00 operation error {service}: {operation}, exceeded maximum number of "
        f"attempts, 3, https response error StatusCode: 403, RequestID: {REQUEST}, api error "
        f"{code}: {message}"
    ),
    "go v1": lambda service, operation, code, message: (
        f"{operation} failed on {service.lower()}: {code}: {message}\n"
        f"\tstatus code: 403, request id: {REQUEST}, host id: abc="
    ),
    "java v1": lambda service, operation, code, message: (
        f"com.amazonaws.services.{service.lower()}.model.Amazon{service}Exception: {message} "
        f"(Service: Amazon {service}; Status Code: 403; Error Code: {code}; Request ID: {REQUEST})"
        "\n\tat com.amazonaws.http.AmazonHttpClient.execute(AmazonHttpClient.java:784)"
    ),
    "java v2": lambda service, operation, code, message: (
        "org.apache.iceberg.exceptions.RuntimeIOException: call failed\n"
        "\tat org.apache.iceberg.aws.Client.call(Client.java:1)\n"
        f"Caused by: software.amazon.awssdk.services.{service.lower()}.model.{service}Exception: "
        f"{message} (Service: {service}, Status Code: 403, Request ID: {REQUEST}, Extended Request "
        f"ID: null) [{code}]\n\t... 12 more"
    ),
    "javascript v3": lambda service, operation, code, message: (
        f"{code}: {message}\n    at throwDefaultError (/app/node_modules/@smithy/x.js:867:20)\n"
        f"    at de_{operation}CommandError (/app/node_modules/@aws-sdk/client-{service.lower()}/"
        "i.js:4905:14) {\n  '$fault': 'client'\n}"
    ),
    "ruby": lambda service, operation, code, message: (
        f"/gems/aws-sdk-core/seahorse/raise_response_errors.rb:17:in `call': {message} "
        f"(Aws::{service}::Errors::{code})"
    ),
    "rust sdk": lambda service, operation, code, message: (
        f"{service} service error: unhandled error ({code}): Error {{ code: \"{code}\", message: "
        f'"{rust_debug(message)}", aws_request_id: "{REQUEST}" }}'
    ),
    "query body": lambda service, operation, code, message: (
        f"request to AWS {service} Services failed: {body(code, message)}"
    ),
    "json log": lambda service, operation, code, message: json.dumps(
        {
            "timestamp": "2026-08-01T08:42:00Z",
            "level": "ERROR",
            "fields": {"error": f"{service} {operation}: {body(code, message)}"},
        }
    ),
    "go json log": lambda service, operation, code, message: json.dumps(
        {"level": "error", "msg": f"operation error {service}: {operation}, {code}: {message}"}
    ).replace("<", "\\u003c").replace(">", "\\u003e"),
    "logfmt": lambda service, operation, code, message: (
        f'time="2026-08-01T08:42:00Z" level=error msg="calling {service} {operation}" '
        f'error="{code}: {rust_debug(message)}"'
    ),
    "cloudtrail": lambda service, operation, code, message: json.dumps(
        {
            "eventTime": "2026-08-01T08:42:00Z",
            "eventSource": f"{service.lower()}.amazonaws.com",
            "eventName": operation,
            "errorCode": code,
            "errorMessage": message,
        },
        indent=2,
    ),
    "psql": lambda service, operation, code, message: (
        "ERROR:  Failed to run the query\n\nCaused by these errors (recent errors listed first):\n"
        "  1: gRPC request to meta service (call `/ddl_service.DdlService/CreateSink`) failed: "
        f"Internal error\n  2: failed to validate sink\n  3: {service} error\n  4: service error\n"
        f"  5: unhandled error ({code})\n  6: {message}"
    ),
    "terminal": lambda service, operation, code, message: "\n".join(
        textwrap.wrap(
            f"An error occurred ({code}) when calling the {operation} operation: {message}",
            72, break_long_words=False, break_on_hyphens=False,
        )
    ),
    "terraform": lambda service, operation, code, message: (
        "╷\n│ \x1b[31mError: \x1b[0mcalling "
        f"{service}: operation error {service}: {operation}, https response error StatusCode: 403, "
        f"RequestID: {REQUEST}, api error {code}: {message}\n│ \n│   with aws_iam_role.this,\n"
        "│   on main.tf line 1, in resource \"aws_iam_role\" \"this\":\n╵"
    ),
}  # fmt: skip

OPENDAL: dict[str, Callable[[str, str], str]] = {
    "STS": lambda code, message: (
        "Unexpected (persistent) at list, context: { called: reqsign::LoadCredential, service: s3, "
        "path: rw/, listed: 0 } => loading credential to sign http request, source: request to AWS "
        f"STS Services failed: {body(code, message)}"
    ),
    "S3": lambda code, message: (
        "PermissionDenied (persistent) at list, context: { uri: https://s3.us-east-1.amazonaws.com/"
        "acme-lake?list-type=2&prefix=rw/, response: Parts { status: 403, version: HTTP/1.1, "
        'headers: {"server": "AmazonS3"} }, service: s3, path: rw/, listed: 0 } => S3Error { code: '
        f'"{code}", message: "{rust_debug(message)}", resource: "", request_id: "04M7R7MYW635" }}'
    ),
}

BEFORE = """\
2026-08-01T08:41:58.100000Z  INFO risingwave_meta::barrier: collected barrier epoch=9443780263
2026-08-01T08:41:59.000000Z  WARN risingwave_stream::executor: poll took too long actor_id=796
2026-08-01T08:41:59.500000Z ERROR risingwave_connector::source::kafka: Message timed out: orders [3]
"""
AFTER = """\
2026-08-01T08:42:05.100000Z  INFO risingwave_frontend::session: new query sql="SELECT 1"
2026-08-01T08:42:07.000000Z ERROR risingwave_rpc_client: transport error, Connection refused
10.0.3.4 - - [01/Aug/2026:08:42:08 +0000] "GET /healthz HTTP/1.1" 403 153 "-" "kube-probe/1.29"
"""
SURROUNDINGS: dict[str, Callable[[str], str]] = {
    "alone": lambda text: text,
    "in a log": lambda text: (
        f"{BEFORE}2026-08-01T08:42:00.511322Z ERROR risingwave_connector: {text}\n{AFTER}"
    ),
    "between lines": lambda text: f"{BEFORE}{text}\n{AFTER}",
    "docker": lambda text: "".join(
        f"compute-0  | {line}\n" for line in f"{BEFORE}{text}\n{AFTER}".splitlines()
    ),
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: f"{answer[0]}-{answer[3]}")
def test_class_in_every_frame(answer: Answer, frame: str) -> None:
    expected, service, operation, code, message = answer
    text = FRAMES[frame](service, operation, code, message)
    # Alone, and in one of the surroundings: over all answers every frame meets every one.
    turn = (ANSWERS.index(answer) + list(FRAMES).index(frame)) % (len(SURROUNDINGS) - 1) + 1
    for surrounding in ("alone", list(SURROUNDINGS)[turn]):
        found = diagnose(SURROUNDINGS[surrounding](text))
        assert [each.error_class for each in found] == [expected], surrounding


@pytest.mark.parametrize("surrounding", SURROUNDINGS)
@pytest.mark.parametrize(
    "answer",
    [answer for answer in ANSWERS if answer[1] in OPENDAL],
    ids=lambda answer: f"{answer[0]}-{answer[3]}",
)
def test_class_in_opendals_frame(answer: Answer, surrounding: str) -> None:
    expected, service, _, code, message = answer
    text = SURROUNDINGS[surrounding](OPENDAL[service](code, message))
    (found,) = diagnose(text)
    assert found.error_class == expected
    if service == "STS" and message.startswith("User: "):
        assert (found.caller, found.action, found.resource) == (RW, "sts:AssumeRole", ROLE)


@pytest.mark.parametrize("frame", FRAMES)
def test_names_are_read_in_every_frame(frame: str) -> None:
    _, service, operation, code, message = ANSWERS[3]
    (found,) = diagnose(FRAMES[frame](service, operation, code, message))
    assert found.caller == SESSION
    assert found.action == "s3:PutObject"
    assert found.resource == "arn:aws:s3:::acme-lake/rw/1"
    assert found.details["layer"] == "identity"
    assert found.causes[0].id == "s3_action_missing"
