"""Something that happens right before or right after an AWS call, as on a busy account."""

from __future__ import annotations

import boto3
import botocore.exceptions

from rwlib.aws.calls import Aws


def client_error(code, operation="Operation", message="no"):
    return botocore.exceptions.ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"RequestId": "r"}},
        operation,
    )


class BusyAws(Aws):
    """AWS calls with hooks: ``before`` and ``after`` map an operation to functions.

    Each hook is used once, in order. One that returns an exception has it raised in place of the
    call (``before``) or of its answer (``after``). ``sent`` keeps every document that was sent.
    """

    def __init__(self, before=None, after=None):
        super().__init__(boto3.Session())
        self.before = {name: list(hooks) for name, hooks in (before or {}).items()}
        self.after = {name: list(hooks) for name, hooks in (after or {}).items()}
        self.sent = []

    def _call(self, service, operation, parameters, *rest):
        self._happen(self.before, operation)
        for name in ("AssumeRolePolicyDocument", "PolicyDocument"):
            if name in parameters:
                self.sent.append((operation, parameters[name]))
        answer = super()._call(service, operation, parameters, *rest)
        self._happen(self.after, operation)
        return answer

    def _happen(self, hooks, operation):
        waiting = hooks.get(operation)
        if waiting:
            error = waiting.pop(0)()
            if isinstance(error, Exception):
                raise error


def writes(aws):
    return [call.operation for call in aws.calls if call.writes]


class Sleeps(list):
    """A sleep that takes no time and remembers."""

    def __call__(self, seconds):
        self.append(seconds)
