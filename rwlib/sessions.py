"""One account's AWS calls: every read remembered, every call counted, errors in plain words."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import boto3
import botocore.exceptions

from rwlib.clients import KEY_NAMES, ClientsAhead, Keys, RetryMode, client_config
from rwlib.errors import CredentialsError, InputError
from rwlib.refusals import (
    error_code,
    error_message,
    is_denied,
    is_missing,
    plain_errors,
    refused,
    unreadable,
)

if TYPE_CHECKING:
    from rwlib.target import Target

__all__ = [
    "Aws",
    "Call",
    "CallerIdentity",
    "error_code",
    "error_message",
    "is_denied",
    "is_missing",
    "open_session",
    "policy_json",
    "refused",
]


@dataclass
class Opening:
    """How this process opens sessions; a process of its own for each target may set it.

    Parameters
    ----------
    retry_mode
        As `rwlib.clients.client_config` takes it.
    operator_keys
        The session of the targets' operator role, where it has been assumed already.
    ahead
        Clients that were made before this process was forked.
    """

    retry_mode: RetryMode = "standard"
    operator_keys: Keys | None = None
    ahead: ClientsAhead | None = None


opening = Opening()


@dataclass(frozen=True)
class Call:
    """One AWS API call that was made."""

    service: str
    operation: str
    writes: bool
    outcome: str
    request_id: str = ""


@dataclass(frozen=True)
class CallerIdentity:
    """Who the calls are made as: account id (12 digits), ARN and unique id."""

    account_id: str
    arn: str
    user_id: str


@dataclass
class Aws:
    """AWS calls of one session.

    Reads are remembered by what they are about, so that no call is made twice for the same
    fact; a write forgets the reads about the same thing.

    Parameters
    ----------
    session
        A ``boto3.Session``; endpoints come from ``AWS_ENDPOINT_URL`` as in every AWS SDK.
    ahead
        Where the session comes from, when it was made ahead with its clients.
    """

    session: boto3.Session
    calls: list[Call] = field(default_factory=list)
    ahead: ClientsAhead | None = None
    _reads: dict[tuple[str, ...], tuple[str, Any]] = field(default_factory=dict, repr=False)
    _clients: dict[tuple[str, bool, str], Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, session: boto3.Session | Aws) -> Aws:
        """Wrap a session, or return what is wrapped already."""
        return session if isinstance(session, Aws) else cls(session)

    @cached_property
    def caller_identity(self) -> CallerIdentity:
        """Who is calling (``sts:GetCallerIdentity``, which needs no permission)."""
        answer = self.read("sts", "get_caller_identity")
        return CallerIdentity(answer["Account"], answer["Arn"], answer["UserId"])

    @property
    def account_id(self) -> str:
        """12-digit account id of the caller."""
        return self.caller_identity.account_id

    def client(self, service: str, *, optional: bool = False, region_name: str = "") -> Any:
        """Return the boto3 client of a service, made once."""
        key = (service, optional, region_name)
        if key not in self._clients:
            region = region_name or self.session.region_name or "us-east-1"
            made = self.ahead.client(service, optional, region) if self.ahead else None
            if made is None:
                config = client_config(opening.retry_mode, optional=optional)
                make: Any = self.session.client
                with plain_errors():
                    made = make(service, region_name=region, config=config)
            self._clients[key] = made
        return self._clients[key]

    def read(
        self,
        service: str,
        operation: str,
        *,
        about: str = "",
        optional: bool = False,
        region_name: str = "",
        **parameters: Any,
    ) -> Any:
        """Make a reading call, or return its remembered answer.

        Raises
        ------
        botocore.exceptions.ClientError
            AWS said no; remembered like an answer.
        """
        key = (service, operation, region_name, json.dumps(parameters, sort_keys=True))
        if key not in self._reads:
            try:
                answer: Any = self._call(
                    service, operation, parameters, False, optional, region_name
                )
            except botocore.exceptions.ClientError as error:
                answer = error
            self._reads[key] = (about, answer)
        answer = self._reads[key][1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def read_all(
        self, service: str, operation: str, member: str, *, about: str = "", **parameters: Any
    ) -> list[Any]:
        """Make a paginated reading call and return all elements of one list member."""
        items: list[Any] = []
        while True:
            page = self.read(service, operation, about=about, **parameters)
            items += page.get(member, [])
            if not page.get("IsTruncated"):
                return items
            parameters["Marker"] = page["Marker"]

    def write(self, service: str, operation: str, *, about: str, **parameters: Any) -> Any:
        """Make a writing call and forget what was read about the same thing.

        The reads are forgotten whatever happens: an answer can be lost after the call took
        effect.
        """
        try:
            return self._call(service, operation, parameters, True, False, "")
        finally:
            self.forget(about)

    def forget(self, about: str | None = None) -> None:
        """Forget the reads about one thing, or all of them."""
        if about is None:
            self._reads.clear()
            return
        self._reads = {key: value for key, value in self._reads.items() if value[0] != about}

    def _call(
        self,
        service: str,
        operation: str,
        parameters: dict[str, Any],
        writes: bool,
        optional: bool,
        region_name: str,
    ) -> Any:
        method = getattr(
            self.client(service, optional=optional, region_name=region_name), operation
        )
        outcome, request_id = "error", ""
        try:
            with plain_errors():
                try:
                    answer = method(**parameters)
                except botocore.exceptions.ClientError as error:
                    outcome = error_code(error)
                    request_id = error.response.get("ResponseMetadata", {}).get("RequestId", "")
                    raise
            outcome = "ok"
            request_id = answer.get("ResponseMetadata", {}).get("RequestId", "")
            return answer
        finally:
            self.calls.append(Call(service, operation, writes, outcome, request_id))


def open_session(target: Target) -> Aws:
    """Open the session a target asks for: its profile, then its operator role.

    Raises
    ------
    InputError
        The profile does not exist or its file cannot be read.
    CredentialsError
        There are no credentials, or AWS refuses them.
    """
    _ask_metadata_once()
    keys = opening.operator_keys if target.operator_role_arn else None
    aws = _made_ahead(target, keys) or _open(target)
    if not target.operator_role_arn or (keys and aws.ahead):
        return aws
    return _as_operator(aws, target.operator_role_arn, target.region_name, keys)


def open_ahead(retry_mode: RetryMode) -> ClientsAhead | None:
    """Make the clients of this process's children ahead; None where that cannot be done.

    Makes no call and reads no credentials.
    """
    _ask_metadata_once()
    opening.retry_mode = retry_mode
    opening.ahead = None
    with suppress(botocore.exceptions.BotoCoreError):
        # A configuration that cannot be used is each target's to report.
        opening.ahead = ClientsAhead(retry_mode)
    return opening.ahead


def _ask_metadata_once() -> None:
    os.environ.setdefault("AWS_EC2_METADATA_SERVICE_NUM_ATTEMPTS", "1")


def _made_ahead(target: Target, keys: Keys | None) -> Aws | None:
    """Return the session that was made ahead, if this target asks for no other."""
    ahead = opening.ahead
    if ahead is None or target.aws_profile or not ahead.fits():
        return None
    if keys and target.region_name not in ("", ahead.session.region_name):
        return None
    ahead.sign_with(keys)
    return Aws(ahead.session, ahead=ahead)


def _open(target: Target) -> Aws:
    try:
        return Aws(boto3.Session(profile_name=target.aws_profile or None))
    except botocore.exceptions.ProfileNotFound:
        name = target.aws_profile or os.environ.get("AWS_PROFILE", "")
        raise InputError(
            "aws_profile", name, "does not exist; see `aws configure list-profiles`"
        ) from None
    except botocore.exceptions.ConfigParseError as error:
        raise unreadable(error) from None


def assume_operator_role(target: Target) -> Keys:
    """Assume a target's operator role and return the session's keys, for `Opening`.

    Raises
    ------
    InputError
        The profile does not exist or its file cannot be read.
    CredentialsError
        There are no credentials, or AWS refuses them or the role.
    """
    _ask_metadata_once()
    return _assume(_made_ahead(target, None) or _open(target), target.operator_role_arn)


def _as_operator(aws: Aws, role_arn: str, region_name: str, keys: Keys | None) -> Aws:
    """Return calls as an operator role; without its session's keys, the role is assumed."""
    make: Any = boto3.Session
    session = make(
        **(keys or _assume(aws, role_arn)), region_name=region_name or aws.session.region_name
    )
    return Aws(session, calls=aws.calls)


def _assume(aws: Aws, role_arn: str) -> Keys:
    try:
        answer = aws.read(
            "sts", "assume_role", RoleArn=role_arn, RoleSessionName="risingwave-iam-runbook"
        )
    except botocore.exceptions.ClientError as error:
        raise CredentialsError(
            f"operator_role_arn: {role_arn!r} could not be assumed: {error_message(error)}"
        ) from error
    given = answer["Credentials"]
    return dict(
        zip(
            KEY_NAMES,
            (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]),
            strict=True,
        )
    )


def policy_json(document: Any) -> dict[str, Any]:
    """Return a policy document as a mapping; AWS sends it as URL-encoded JSON (RFC 3986)."""
    if isinstance(document, str):
        document = json.loads(document if document.lstrip()[:1] == "{" else unquote(document))
    return dict(document)
