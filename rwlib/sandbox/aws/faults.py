"""Faults on purpose: latency, throttling, server errors, slow propagation, lost answers, death."""

from __future__ import annotations

import fnmatch
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from rwlib.errors import InputError
from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.request import AwsRequest

ASSUMED_RATES = "iam:read=20/40,iam:write=5/15,iam:simulate=5/15,sts:read=50/100"
"""AWS publishes no numbers; these are of the size that operators report, on the careful side."""

_CLASSES = ("read", "write", "simulate")


@dataclass(frozen=True)
class Faults:
    """Which faults are on; the default is none.

    Parameters
    ----------
    latency
        Seconds before every call is looked at, whatever ``only`` says: the way to AWS and back.
    throttle
        Share of calls that are throttled, 0 to 1.
    rates
        Calls per second that each account may make, and how many at once, by class of call:
        ``iam:read=20/40,iam:write=5/15``. A class is a service with ``read``, ``write`` or
        ``simulate``; ``aws`` stands for `ASSUMED_RATES`. IAM and STS throttle with token buckets,
        several of them for each account (AWS Security Blog, "How to monitor and query IAM
        resources at scale, part 2").
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

    latency: float = 0.0
    throttle: float = 0.0
    rates: str = ""
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
            raise InputError("fault", name, f"is not a fault; there are {names}")
        values[plain] = _checked(plain, value, known[plain])
    return replace(before or Faults(), **values)


def _checked(name: str, value: Any, default: Any) -> Any:
    if value is None:
        return default
    if name == "rates":
        read_rates(value)
        return value
    if isinstance(default, str):
        if not isinstance(value, str) or not value:
            raise InputError("fault", value, f"{name} must be a pattern such as iam:*")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise InputError("fault", value, f"{name} must be a number, 0 or more")
    if name in ("throttle", "server_error") and value > 1:
        raise InputError("fault", value, f"{name} is a share of the calls, from 0 to 1")
    return type(default)(value)


def read_rates(text: Any) -> dict[str, tuple[float, float]]:
    """Return calls per second, and how many at once, for each class of a text of ``rates``.

    Raises
    ------
    InputError
        The text cannot be used.
    """
    shape = "rates must be classes such as iam:read=20/40, with commas between them, or aws"
    if not isinstance(text, str):
        raise InputError("fault", text, shape)
    rates: dict[str, tuple[float, float]] = {}
    for part in filter(None, (ASSUMED_RATES if text == "aws" else text).split(",")):
        name, _, numbers = part.strip().partition("=")
        service, _, kind = name.partition(":")
        rate, _, burst = numbers.partition("/")
        try:
            rates[name] = float(rate), float(burst or rate)
        except ValueError:
            raise InputError("fault", text, shape) from None
        if not service or kind not in _CLASSES or rates[name][0] <= 0 or rates[name][1] < 1:
            raise InputError("fault", text, shape)
    return rates


class FaultMachine:
    """Decides for each call which fault hits it.

    Parameters
    ----------
    clock
        Seconds, for the token buckets.
    """

    def __init__(
        self, faults: Faults | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self.set(faults or Faults())

    def set(self, faults: Faults) -> None:
        """Switch to these faults and count calls from 1 again."""
        self.faults = faults
        self.count = 0
        self._random = random.Random(faults.seed)
        self._rates = read_rates(faults.rates)
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def wait(self) -> None:
        """Let the time of the way pass; other calls are answered meanwhile."""
        if self.faults.latency:
            time.sleep(self.faults.latency)

    def before(self, request: AwsRequest, account: str) -> int:
        """Count a call of an account, and refuse it when its time has come.

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
        if self._rates and not self._has_token(request, account):
            raise throttled(request.service)
        if faults.server_error and self._random.random() < faults.server_error:
            raise server_error(request.service)
        return self.count

    def _has_token(self, request: AwsRequest, account: str) -> bool:
        """Take a token of the account's bucket for the call's class, if one is left."""
        name = f"{request.service}:{class_of(request.action)}"
        if name not in self._rates:
            return True
        rate, burst = self._rates[name]
        now = self._clock()
        tokens, at = self._buckets.get((account, name), (burst, now))
        tokens = min(burst, tokens + (now - at) * rate)
        self._buckets[account, name] = (tokens - 1 if tokens >= 1 else tokens, now)
        return tokens >= 1

    def loses(self, number: int) -> bool:
        """Whether this call's answer is lost."""
        return number > 0 and number == self.faults.lose_answer

    def kills(self, number: int) -> bool:
        """Whether the process ends after this call."""
        return number > 0 and number == self.faults.kill_after


def class_of(action: str) -> str:
    """Return the class of an action, as ``rates`` names it."""
    if action.startswith("Simulate"):
        return "simulate"
    # As the names of IAM's and STS's actions go: what starts otherwise changes something.
    reading = ("Get", "List", "Head", "Describe", "Generate", "Validate", "AssumeRole", "Decode")
    return "read" if action.startswith(reading) else "write"


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
