"""The session that a target asks for: its profile, then its operator role."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import boto3
import botocore.exceptions
import botocore.session

from rwlib.aws.bucket import head_call
from rwlib.aws.calls import Aws, Read
from rwlib.aws.clients import KEY_NAMES, ClientsAhead, Keys, RetryMode, settings
from rwlib.aws.errors import error_message, unreadable
from rwlib.aws.iam import policy_call, role_call
from rwlib.aws.pacing import Pacing
from rwlib.errors import CredentialsError, InputError, RunbookError

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
    begun
        A session whose first calls are under way.
    """

    retry_mode: RetryMode = "standard"
    operator_keys: Keys | None = None
    ahead: ClientsAhead | None = None
    pacing: Pacing | None = None
    begun: Begun | None = None


class Begun:
    """A session whose first calls are under way while its process still gets ready.

    Parameters
    ----------
    target
        Whose session it is.
    """

    def __init__(self, target: Target) -> None:
        self._way = _way(target)
        # What costs time here and not on the way: a thread beside would not make it shorter. The
        # first call needs one client; the others are made while it is under way.
        self._aws = None if target.operator_role_arn else _opened(target)
        self._ready = threading.Event()
        if self._aws:
            self._aws.client("sts")
        self._error: Exception | None = None
        self._thread = threading.Thread(
            target=self._read, args=(target,), name="rwlib-begin", daemon=True
        )
        self._thread.start()
        try:
            for service in ("s3", "iam") if self._aws else ():
                cast("Aws", self._aws).client(service)
        finally:
            self._ready.set()

    def fits(self, target: Target) -> bool:
        """Tell whether a session that is opened here and now would be this one."""
        return self._way == _way(target)

    def take(self) -> Aws:
        """Wait for the calls and return the session, or raise what opening it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._aws is not None
        return self._aws

    def _read(self, target: Target) -> None:
        try:
            if self._aws is None:
                self._aws = _opened(target)
            account_id = self._aws.read_early_identity()
            self._ready.wait()
            if account_id:
                self._aws.read_early(*first_reads(target, account_id))
        except Exception as error:  # noqa: BLE001 - raised by who takes the session
            self._error = error


def first_reads(target: Target, account_id: str) -> list[Read]:
    """Return the calls with which every look begins, once it is known whose account it is."""
    return [
        head_call(target.bucket, account_id),
        role_call(target.role_name),
        policy_call(target.policy_arn_in(account_id)),
    ]


def _way(target: Target) -> tuple[Any, ...]:
    keys = [os.environ.get(name.upper()) for name in KEY_NAMES]
    return target.aws_profile, target.operator_role_arn, target.region_name, settings(), keys


@contextmanager
def session_begun(target: Target) -> Iterator[None]:
    """Open a target's session and begin its first calls; `open_session` takes it up, once.

    They only read. Where it cannot be opened nothing is begun, and `open_session` says why. What
    nobody took up is forgotten at the end: its answers are of then.
    """
    with suppress(RunbookError):
        _ask_metadata_once()
        open_like(begun=Begun(target))
    try:
        yield
    finally:
        open_like(begun=None)


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
    begun = _this_process.begun
    if begun is not None:
        open_like(begun=None)
        if begun.fits(target):
            return begun.take()
    return _opened(target)


def _opened(target: Target) -> Aws:
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
        made_from = botocore.session.get_session()
        session = boto3.Session(profile_name=target.aws_profile or None, botocore_session=made_from)
        # Where variables answer all that is asked for first, nobody would look the profile up.
        made_from.get_scoped_config()
        how = _this_process
        return Aws(session, retry_mode=how.retry_mode, pacing=how.pacing)
    except botocore.exceptions.ProfileNotFound:
        name = target.aws_profile or os.environ.get("AWS_PROFILE", "")
        raise InputError(
            "aws_profile",
            name,
            "does not exist; see `aws configure list-profiles`",
            reason="does_not_exist",
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
