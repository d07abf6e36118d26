"""The session that a target asks for: its profile, then its operator role."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions

from rwlib.aws.calls import Aws
from rwlib.aws.clients import KEY_NAMES, ClientsAhead, Keys, RetryMode
from rwlib.aws.errors import error_message, unreadable
from rwlib.aws.pacing import Pacing
from rwlib.errors import CredentialsError, InputError

if TYPE_CHECKING:
    from rwlib.target import Target


@dataclass(frozen=True)
class Opening:
    """How a process opens sessions; a process of its own for each target may say it.

    Parameters
    ----------
    retry_mode
        As `rwlib.aws.clients.client_config` takes it.
    operator_keys
        The session of the targets' operator role, where it has been assumed already.
    ahead
        Clients that were made before this process was forked.
    pacing
        What this process's clients keep to, together with other processes'.
    """

    retry_mode: RetryMode = "standard"
    operator_keys: Keys | None = None
    ahead: ClientsAhead | None = None
    pacing: Pacing | None = None


_this_process = Opening()


def open_like(**how: Any) -> Opening:
    """Say how this process opens sessions from now on; what is not given stays."""
    global _this_process
    _this_process = replace(_this_process, **how)
    return _this_process


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
    keys = _this_process.operator_keys if target.operator_role_arn else None
    aws = _made_ahead(target, keys) or _open(target)
    if not target.operator_role_arn or (keys and aws.ahead):
        return aws
    return _as_operator(aws, target.operator_role_arn, target.region_name, keys)


def open_ahead(retry_mode: RetryMode, pacing: Pacing | None = None) -> ClientsAhead | None:
    """Make the clients of this process's children ahead; None where that cannot be done.

    Makes no call and reads no credentials.

    Parameters
    ----------
    pacing
        What the children's clients keep to together.
    """
    _ask_metadata_once()
    ahead = None
    with suppress(botocore.exceptions.BotoCoreError):
        # A configuration that cannot be used is each target's to report.
        ahead = ClientsAhead(retry_mode, pacing)
    return open_like(retry_mode=retry_mode, ahead=ahead, pacing=pacing).ahead


def _ask_metadata_once() -> None:
    os.environ.setdefault("AWS_EC2_METADATA_SERVICE_NUM_ATTEMPTS", "1")


def _made_ahead(target: Target, keys: Keys | None) -> Aws | None:
    """Return the session that was made ahead, if this target asks for no other."""
    ahead = _this_process.ahead
    if ahead is None or target.aws_profile or not ahead.fits():
        return None
    if keys and target.region_name not in ("", ahead.session.region_name):
        return None
    ahead.sign_with(keys)
    how = _this_process
    return Aws(ahead.session, ahead=ahead, retry_mode=how.retry_mode, pacing=how.pacing)


def _open(target: Target) -> Aws:
    try:
        session = boto3.Session(profile_name=target.aws_profile or None)
        how = _this_process
        return Aws(session, retry_mode=how.retry_mode, pacing=how.pacing)
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
    return Aws(session, calls=aws.calls, retry_mode=aws.retry_mode, pacing=aws.pacing)


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
