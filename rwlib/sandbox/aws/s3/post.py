"""Uploads from a form: a POST to a bucket, signed by a policy that stands in the form.

Source: Amazon S3 API Reference, "Authenticating Requests: Browser-Based Uploads Using POST (AWS
Signature Version 4)" and "POST Policy"; the texts that it does not give are those that versitygw
(Apache-2.0) records of S3's own answers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from rwlib.sandbox.answer import Answer, AwsError, xml_answer, xml_text
from rwlib.sandbox.aws.request import Authorization, AwsRequest
from rwlib.sandbox.aws.sigv4 import mismatch, signing_key

_SCOPE = re.compile(r"([^/\s]+)/(\d{8})/([^/\s]+)/s3/aws4_request")
_UNCHECKED = frozenset({"file", "policy", "x-amz-signature", "signature", "awsaccesskeyid"})
"""Fields that a policy need not name."""


_OF_SIGNATURE = frozenset(
    {
        *("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"),
        "x-amz-security-token",
    }
)
_KEPT = frozenset(
    {
        *("content-type", "content-encoding", "content-disposition", "cache-control", "expires"),
        "acl",
    }
)
_OF_FORM = frozenset({"CONTENT_TYPE", "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING"})


@dataclass(frozen=True)
class UploadForm:
    """A form as it was sent: its fields by name in lower case, and the file."""

    fields: Mapping[str, str]
    content: bytes
    file_name: str

    @property
    def key(self) -> str:
        """The object's key."""
        return self.fields["key"].replace("${filename}", self.file_name)


def is_form(request: AwsRequest) -> bool:
    """Whether a request is an upload from a form."""
    kind = request.headers.get("content-type", "").lower()
    return request.method == "POST" and kind.startswith("multipart/form-data")


def read_form(request: AwsRequest) -> UploadForm:
    """Take the form apart.

    Raises
    ------
    AwsError
        It cannot be read, or lacks the key or the file.
    """
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    fields: dict[str, str] = {}
    content: bytes | None = None
    file_name = ""
    for part in message.iter_parts() if message.is_multipart() else ():
        name = str(part.get_param("name", "", "content-disposition")).lower()
        raw = part.get_payload(decode=True)
        data = raw if isinstance(raw, bytes) else b""
        if name == "file":
            content = data
            file_name = (part.get_filename() or "").replace("\\", "/").rpartition("/")[2]
            break  # What stands behind the file is ignored.
        fields[name] = data.decode("utf-8", "replace")
    if not fields and content is None:
        raise AwsError(
            "MalformedPOSTRequest",
            "The body of your POST request is not well-formed multipart/form-data.",
        )
    if content is None:
        raise AwsError("InvalidArgument", "POST requires exactly one file upload per request.")
    if not fields.get("key"):
        raise _missing("key")
    return UploadForm(fields, content, file_name)


def put_instead(request: AwsRequest, form: UploadForm, bucket: str) -> None:
    """Make the request the PUT that the form stands for."""
    path = f"/{bucket}/{quote(form.key, safe='/~')}"
    environ = request.environ
    for name in [key for key in environ if key.startswith("HTTP_X_AMZ_") or key in _OF_FORM]:
        del environ[name]
    request.headers.pop("content-type", None)
    for name, value in form.fields.items():
        header = "x-amz-acl" if name == "acl" else name
        if (header.startswith("x-amz-") and name not in _OF_SIGNATURE) or name in _KEPT:
            request.headers[header] = value
            key = header.upper().replace("-", "_")
            environ["CONTENT_TYPE" if name == "content-type" else f"HTTP_{key}"] = value
    request.method, request.raw_path, request.query = "PUT", path, []
    request.body, request.bucket_in_host = form.content, False
    environ.update(
        REQUEST_METHOD="PUT",
        PATH_INFO=unquote(path).encode().decode("latin-1"),
        REQUEST_URI=path,
        RAW_URI=path,
        QUERY_STRING="",
    )


def answer_form(request: AwsRequest, form: UploadForm, bucket: str, stored: Answer) -> Answer:
    """Answer a form as its ``success_action_*`` fields ask; an error stays as it is."""
    if stored.status != 200:
        return stored
    location = f"http://{request.headers.get('host', '')}/{bucket}/{quote(form.key, safe='/~')}"
    etag = stored.header("ETag") or ""
    kept = [
        (name, value)
        for name, value in stored.headers
        if name.lower() not in ("location", "content-type", "content-length")
    ]
    target = form.fields.get("success_action_redirect", form.fields.get("redirect", ""))
    if urlsplit(target).scheme in ("http", "https"):
        more = urlencode({"bucket": bucket, "key": form.key, "etag": etag})
        joint = "&" if "?" in target else "?"
        return Answer(303, (*kept, ("Location", f"{target}{joint}{more}")))
    wanted = form.fields.get("success_action_status", "204")
    if wanted == "201":
        text = (
            f"<PostResponse><Location>{xml_text(location)}</Location><Bucket>{bucket}</Bucket>"
            f"<Key>{xml_text(form.key)}</Key><ETag>{xml_text(etag)}</ETag></PostResponse>"
        )
        return xml_answer(text, 201, (*kept, ("Location", location)))
    return Answer(200 if wanted == "200" else 204, (*kept, ("Location", location)))


def authorization_of(form: UploadForm) -> Authorization | None:
    """Give who signed the form; None for a form that nobody signed.

    Raises
    ------
    AwsError
        A field of the signature is missing or cannot be read.
    """
    fields = form.fields
    if "policy" not in fields and "x-amz-signature" not in fields and "signature" not in fields:
        return None
    token = fields.get("x-amz-security-token", "")
    if "awsaccesskeyid" in fields and "x-amz-signature" not in fields:
        for name in ("policy", "signature"):
            if not fields.get(name):
                raise _missing(name)
        key, signature = fields["awsaccesskeyid"], fields["signature"]
        return Authorization(key, signature, version=2, service="s3", token=token)
    for name in ("policy", "x-amz-algorithm", "x-amz-credential", "x-amz-signature", "x-amz-date"):
        if not fields.get(name):
            raise _missing(name)
    scope = _SCOPE.fullmatch(fields["x-amz-credential"])
    if scope is None or fields["x-amz-algorithm"] != "AWS4-HMAC-SHA256":
        raise AwsError(
            "InvalidArgument",
            "the Credential is mal-formed; expecting "
            '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
            fields={
                "ArgumentName": "x-amz-credential",
                "ArgumentValue": fields["x-amz-credential"],
            },
        )
    return Authorization(
        scope[1],
        fields["x-amz-signature"],
        date=scope[2],
        region=scope[3],
        service="s3",
        token=token,
    )


def check_form_signature(form: UploadForm, given: Authorization, secret: str) -> None:
    """Refuse a form whose policy was not signed with the secret.

    Raises
    ------
    AwsError
        ``SignatureDoesNotMatch``.
    """
    policy = form.fields["policy"].encode()
    if given.version == 2:
        right = base64.b64encode(hmac.new(secret.encode(), policy, hashlib.sha1).digest()).decode()
    else:
        key = signing_key(secret, given.date, given.region, "s3")
        right = hmac.new(key, policy, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), given.signature.encode()):
        raise mismatch("s3")


def check_policy(form: UploadForm, bucket: str) -> None:
    """Refuse a form that its own policy does not allow.

    Raises
    ------
    AwsError
        The policy cannot be read or has expired, a condition fails, or a field is not named.
    """
    if "policy" not in form.fields:
        return
    try:
        text = base64.b64decode(form.fields["policy"], validate=True)
    except (binascii.Error, ValueError):
        raise _bad_policy("invalid Base64 encoding.") from None
    try:
        policy = json.loads(text)
    except ValueError:
        raise _bad_policy("Invalid JSON.") from None
    if not isinstance(policy, dict) or "expiration" not in policy:
        raise _bad_policy("Policy missing expiration.")
    conditions = policy.get("conditions")
    if not isinstance(conditions, list):
        raise _bad_policy("Invalid 'conditions' value: must be a List.")
    try:
        ends = datetime.fromisoformat(policy["expiration"]).timestamp()
    except (TypeError, ValueError):
        raise _bad_policy(f"Invalid 'expiration' value: '{policy['expiration']}'") from None
    if time.time() > ends:
        raise _against_policy("Policy expired.")
    named = {name for condition in conditions for name in _check(condition, form, bucket)}
    for name in form.fields:
        if name not in named | _UNCHECKED and not name.startswith("x-ignore-"):
            raise _against_policy(f"Extra input fields: {name}")


def _check(condition: Any, form: UploadForm, bucket: str) -> list[str]:
    """Check one condition; give the fields that it names."""
    if isinstance(condition, dict):
        if len(condition) != 1:
            raise _bad_policy(
                "Invalid Simple-Condition: Simple-Conditions must have exactly one property "
                "specified."
            )
        ((simple, fixed),) = condition.items()
        test = ["eq", f"${simple}", fixed]
    elif isinstance(condition, list):
        test = condition
    else:
        raise _bad_policy("Invalid condition test: must be a List or Object.")
    if len(test) != 3:
        operator = test[0] if test else ""
        raise _bad_policy(f"Invalid {operator}: wrong number of arguments.")
    operator, subject, wanted = str(test[0]).lower(), test[1], test[2]
    if operator == "content-length-range":
        _check_size(len(form.content), subject, wanted)
        return []
    name = str(subject).removeprefix("$").lower()
    value = bucket if name == "bucket" else form.fields.get(name, "")
    if operator == "eq":
        holds = value == wanted
    elif operator == "starts-with":
        parts = value.split(",") if name == "content-type" else [value]
        holds = all(part.startswith(str(wanted)) for part in parts)
    else:
        raise _bad_policy(f"Invalid Condition: unknown operation '{operator}'.")
    if not holds:
        raise _against_policy(f"Policy Condition failed: {json.dumps(test)}")
    return [name]


def _check_size(size: int, least: Any, most: Any) -> None:
    try:
        low, high = int(least), int(most)
    except (TypeError, ValueError):
        raise _bad_policy("Invalid content-length-range: wrong number of arguments.") from None
    if size < low:
        raise AwsError(
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
            fields={"ProposedSize": str(size), "MinSizeAllowed": str(low)},
        )
    if size > high:
        raise AwsError(
            "EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed size",
            fields={"ProposedSize": str(size), "MaxSizeAllowed": str(high)},
        )


def _missing(name: str) -> AwsError:
    return AwsError(
        "InvalidArgument",
        f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the "
        "order of the fields.",
        fields={"ArgumentName": name, "ArgumentValue": ""},
    )


def _bad_policy(text: str) -> AwsError:
    return AwsError("InvalidPolicyDocument", f"Invalid Policy: {text}")


def _against_policy(text: str) -> AwsError:
    return AwsError("AccessDenied", f"Invalid according to Policy: {text}", 403)
