"""One account's AWS calls: every read remembered, every call counted, errors in plain words."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import boto3
import botocore.exceptions

from rwlib.aws.clients import ClientsAhead, RetryMode, client_config
from rwlib.aws.errors import error_code, plain_errors


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
    retry_mode
        How its clients try again, as `rwlib.aws.clients.client_config` takes it.
    """

    session: boto3.Session
    calls: list[Call] = field(default_factory=list)
    ahead: ClientsAhead | None = None
    retry_mode: RetryMode = "standard"
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
                config = client_config(self.retry_mode, optional=optional)
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


def policy_json(document: Any) -> dict[str, Any]:
    """Return a policy document as a mapping; AWS sends it as URL-encoded JSON (RFC 3986)."""
    if isinstance(document, str):
        document = json.loads(document if document.lstrip()[:1] == "{" else unquote(document))
    return dict(document)
