"""Faults on purpose: throttling, server errors, slow propagation, lost answers, sudden death."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from rwlib.errors import InputError
from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.request import AwsRequest


@dataclass(frozen=True)
class Faults:
    """Which faults are on; the default is none.

    Parameters
    ----------
    throttle
        Share of calls that are throttled, 0 to 1.
    server_error
        Share of calls that get a 5xx answer, without effect.
    propagation
        Seconds until a change of IAM is seen by authorisation and as a principal.
    lose_answer
        Number of the call, counted from 1 since the faults were set, whose answer is lost after
        it took effect: the connection just ends.
    kill_after
        Number of the call after whose answer the sandbox's process ends, without any clean-up.
        Only for a sandbox in a process of its own.
    only
        Pattern of the calls that count and are hit, such as ``iam:*`` or ``s3:PutObject``.
    seed
        Makes the choice of calls for the shares repeatable.
    """

    throttle: float = 0.0
    server_error: float = 0.0
    propagation: float = 0.0
    lose_answer: int = 0
    kill_after: int = 0
    only: str = "*"
    seed: int = 0


def read_faults(given: Mapping[str, Any], before: Faults | None = None) -> Faults:
    """Check faults given by name, on top of those that are on.

    Raises
    ------
    InputError
        A name is unknown, or a value cannot be used.
    """
    known = {field.name: field.default for field in fields(Faults)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        plain = name.replace("-", "_")
        if plain not in known:
            names = ", ".join(known)
            raise InputError("fault", name, f"is no fault; there are {names}")
        values[plain] = _checked(plain, value, known[plain])
    return replace(before or Faults(), **values)


def _checked(name: str, value: Any, default: Any) -> Any:
    if value is None:
        return default
    if isinstance(default, str):
        if not isinstance(value, str) or not value:
            raise InputError("fault", value, f"{name} must be a pattern such as iam:*")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise InputError("fault", value, f"{name} must be a number, 0 or more")
    if name in ("throttle", "server_error") and value > 1:
        raise InputError("fault", value, f"{name} is a share of the calls, from 0 to 1")
    return type(default)(value)


class FaultMachine:
    """Decides for each call which fault hits it."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.set(faults or Faults())

    def set(self, faults: Faults) -> None:
        """Switch to these faults and count calls from 1 again."""
        self.faults = faults
        self.count = 0
        self._random = random.Random(faults.seed)

    def before(self, request: AwsRequest) -> int:
        """Count a call, and refuse it when its time has come.

        Returns
        -------
        int
            The call's number; 0 for one that the pattern leaves out.

        Raises
        ------
        AwsError
            The call is throttled or fails; it has no effect.
        """
        faults = self.faults
        if not fnmatch.fnmatchcase(f"{request.service}:{request.action}", faults.only):
            return 0
        self.count += 1
        if faults.throttle and self._random.random() < faults.throttle:
            raise throttled(request.service)
        if faults.server_error and self._random.random() < faults.server_error:
            raise server_error(request.service)
        return self.count

    def loses(self, number: int) -> bool:
        """Whether this call's answer is lost."""
        return number > 0 and number == self.faults.lose_answer

    def kills(self, number: int) -> bool:
        """Whether the process ends after this call."""
        return number > 0 and number == self.faults.kill_after


def throttled(service: str) -> AwsError:
    """Build the service's answer to too many calls."""
    if service in ("s3", "s3control"):
        return AwsError("SlowDown", "Please reduce your request rate.", 503)
    code = "Throttling" if service in ("iam", "sts", "redshift") else "ThrottlingException"
    return AwsError(code, "Rate exceeded", 400)


def server_error(service: str) -> AwsError:
    """Build the service's answer when something of its own broke."""
    if service in ("s3", "s3control"):
        return AwsError("InternalError", "We encountered an internal error. Please try again.", 500)
    codes = {"iam": "ServiceFailure", "kms": "KMSInternalException"}
    text = "The request processing has failed because of an unknown error, exception or failure."
    return AwsError(codes.get(service, "InternalFailure"), text, 500)


class LostAnswerError(Exception):
    """The call took effect, and its answer must not reach the client."""
