"""What AWS says when it says no: codes told apart, and translated into plain words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import botocore.exceptions

from rwlib.errors import (
    CredentialsError,
    InputError,
    RunbookError,
    ServiceError,
    UnansweredError,
)

_BAD_CREDENTIALS = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "AuthFailure",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "InvalidToken",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "403", "UnauthorizedOperation", "Forbidden"}
_MISSING = {
    "NoSuchEntity",
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
    "NotFoundException",
    "404",
}


# S3 and the query services say it in their own words, and STS under the code of a wrong signature.
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
_CLOCK_WORDS = ("Signature expired", "Signature not yet current", "too skewed")
_THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "SlowDown",
    "BandwidthLimitExceeded",
    "PriorRequestNotComplete",
}


def error_code(error: botocore.exceptions.ClientError) -> str:
    """AWS's code of an error, such as ``NoSuchEntity``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_message(error: botocore.exceptions.ClientError) -> str:
    """AWS's code and text of an error, and for a missing permission what gives it."""
    details = error.response.get("Error", {})
    said = f"{details.get('Code', 'Error')}: {details.get('Message', '')}".strip(": ")
    return said + (what_is_missing(error) if is_denied(error) else "")


_NOT_AUTHORIZED = re.compile(
    r"not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on(?: the)? resource: (?P<resource>\"[^\"]+\"|\S+))?"
)
# What a call is called in a policy, where S3 says "Access Denied" alone: a HEAD has no body, and
# requests from elsewhere get no text. Source: Service Authorization Reference, Amazon S3.
_S3_ACTIONS = {
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListBuckets": "s3:ListAllMyBuckets",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "GetBucketPolicy": "s3:GetBucketPolicy",
    "GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
}


# Source: IAM user guide, "IAM policy elements: Variables and tags", special characters.
_AS_IT_IS = str.maketrans({each: f"${{{each}}}" for each in "*?$"})


def what_is_missing(error: botocore.exceptions.ClientError, resource: str = "") -> str:
    """Say which statement the caller's policy lacks; empty where AWS does not name the action.

    Where a Deny, a boundary or an organization's policy refuses, no statement of the caller's own
    helps, and that is said. Source: IAM user guide, "Troubleshoot access denied error messages".

    Parameters
    ----------
    resource
        ARN that the call was about, for an answer that does not name it.
    """
    text = str(error.response.get("Error", {}).get("Message", ""))
    found = _NOT_AUTHORIZED.search(text)
    action = found["action"] if found else _S3_ACTIONS.get(error.operation_name, "")
    if not action:
        return ""
    where = (found["resource"] or "").strip('"') if found else ""
    if "explicit deny" in text:
        return f"; a Deny refuses {action} to the operator, so no other statement helps"
    for layer in ("permissions boundary", "service control policy", "session policy"):
        if f"because no {layer}" in text:
            return f"; the operator's {layer} must allow {action} too"
    # A role's path may hold what IAM would read as a pattern.
    named = where if where == "*" else where.translate(_AS_IT_IS)
    statement = {"Effect": "Allow", "Action": action, "Resource": named or resource or "*"}
    return f"; add to the operator's policy: {json.dumps(statement)}"


def is_missing(error: botocore.exceptions.ClientError) -> bool:
    """True when the thing asked for does not exist."""
    return error_code(error) in _MISSING


def is_denied(error: botocore.exceptions.ClientError) -> bool:
    """True when the caller may not look."""
    return error_code(error) in _DENIED


def is_throttled(code: str) -> bool:
    """True for the code of a call that came too soon; an answer to HEAD has its status alone."""
    return code in _THROTTLED or code in ("429", "503")


def refused(error: botocore.exceptions.ClientError, doing: str) -> ServiceError:
    """Translate a refused call into a sentence that names what was being done."""
    return _kind(error)(f"AWS refused while {doing}: {error_message(error)}{_advice(error)}")


def unanswered(error: Exception) -> ServiceError | None:
    """Translate an error that no step expected: throttling, a server's or a proxy's own error."""
    if not isinstance(error, botocore.exceptions.ClientError):
        return None
    return _kind(error)(
        f"AWS refused {error.operation_name}: {error_message(error)}{_advice(error)}"
    )


def _kind(error: botocore.exceptions.ClientError) -> type[ServiceError]:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return UnansweredError if is_throttled(error_code(error)) or status >= 500 else ServiceError


def _advice(error: botocore.exceptions.ClientError) -> str:
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _THROTTLED:
        return "; AWS throttles this account's calls: wait a minute, then run it again"
    if code in ("502", "504") or (code.isdecimal() and int(code) >= 500):
        return "; a proxy or a gateway answered in its place: check HTTPS_PROXY, then run it again"
    if status >= 500:
        return "; the service has a fault of its own: run it again in a few minutes"
    if code == "EntityAlreadyExists":
        return (
            "; IAM ignores case in names, so look for the same name in other capitals, and write "
            "it as it is there or choose another"
        )
    return ""


def looked(
    what: str,
    read: Callable[[], Any],
    doing: str = "",
    unknown: dict[str, str] | None = None,
    *,
    named: bool = False,
) -> Any:
    """Read something; None when it is not there, or with the reason noted may not be read.

    Parameters
    ----------
    doing
        For the sentence of an error that is no answer; where it is empty, every error is noted.
    unknown
        Where the reason is noted under ``what``. Without it nothing is noted: every error is
        raised.
    named
        True when something names it, so that it has to be there: a missing one is an error too.
    """
    try:
        return read()
    except botocore.exceptions.ClientError as error:
        if is_missing(error) and not named:
            return None
        if unknown is None or (doing and not is_denied(error)):
            raise refused(error, doing) from error
        unknown[what] = error_message(error)
        return None


def unreadable(error: Exception) -> InputError:
    """Say that the AWS configuration cannot be read, and why."""
    return InputError(
        "aws_profile", str(error), "so the AWS configuration cannot be read; correct that file"
    )


def has_no_credentials(error: CredentialsError) -> bool:
    """Say whether there are none at all, rather than some that AWS or a program refuses."""
    return isinstance(error.__cause__, botocore.exceptions.NoCredentialsError)


class plain_errors:  # noqa: N801
    """Translate what botocore raises before or instead of an answer into `RunbookError`."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        known = next(_translated(error), None) if error else None
        if known:
            raise known from error


def _translated(error: BaseException) -> Iterator[RunbookError]:
    exceptions = botocore.exceptions
    if isinstance(error, exceptions.ClientError):
        if error_code(error) in _CLOCK or any(word in str(error) for word in _CLOCK_WORDS):
            yield CredentialsError(
                "the clock of this machine differs too much from AWS's, so AWS refuses its "
                f"signatures ({error_message(error)}); set the clock, then run it again"
            )
        elif error_code(error) in _BAD_CREDENTIALS:
            yield CredentialsError(
                f"AWS does not accept the credentials in use ({error_message(error)}); renew "
                "them, or choose another aws_profile"
            )
    elif isinstance(error, exceptions.ConfigParseError):
        yield unreadable(error)
    elif isinstance(
        error,
        exceptions.NoCredentialsError
        | exceptions.PartialCredentialsError
        | exceptions.CredentialRetrievalError
        | exceptions.TokenRetrievalError
        | exceptions.SSOTokenLoadError
        | exceptions.UnauthorizedSSOTokenError,
    ):
        yield CredentialsError(
            f"there are no usable AWS credentials ({error}); run `aws configure` or `aws sso "
            "login`, set aws_profile, or try `rwlib run --sandbox` first"
        )
    elif isinstance(error, exceptions.HTTPClientError | exceptions.EndpointConnectionError):
        yield UnansweredError(
            f"AWS could not be reached ({error}); check the network and AWS_ENDPOINT_URL"
        )
    elif isinstance(error, exceptions.InvalidRegionError):
        yield InputError("region_name", str(error), "; correct it, or AWS_DEFAULT_REGION")
    elif isinstance(error, exceptions.BotoCoreError):
        yield ServiceError(f"AWS could not be called: {error}")
    elif isinstance(error, ValueError) and "endpoint" in str(error).lower():
        yield ServiceError(f"{error}; correct AWS_ENDPOINT_URL")
    elif isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        # Not what it said: that may hold half of a key.
        yield CredentialsError(
            "there are no usable AWS credentials: the program named by credential_process did not "
            "print JSON; correct it in the AWS configuration"
        )
    elif isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError):
        yield CredentialsError(
            f"there are no usable AWS credentials: {error.filename or 'a program'} cannot be used "
            f"({error.strerror}); correct credential_process or the files of the AWS configuration"
        )
