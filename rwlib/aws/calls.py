"""One account's AWS calls: every read remembered, every call counted, errors in plain words."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import boto3
import botocore.exceptions

from rwlib.aws.clients import ClientsAhead, RetryMode, client_config
from rwlib.aws.errors import error_code, is_throttled, plain_errors
from rwlib.aws.pacing import Pacing
from rwlib.aws.tries import tell_tries
from rwlib.errors import RunbookError
from rwlib.waiting import StoppedError, answer_to, rest

AT_ONCE = 8
"""Reads of one target that are under way at once; a client keeps ten connections."""

_OPTIONAL_TRIES = 8

STOPPED = "stopped"
"""Outcome of a call that somebody stopped waiting for: it may have taken effect."""


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


@dataclass(frozen=True)
class Read:
    """A reading call that is going to be made, as `Aws.read` takes it."""

    service: str
    operation: str
    about: str = ""
    optional: bool = False
    region_name: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, ...]:
        """What the answer is remembered by."""
        text = json.dumps(self.parameters, sort_keys=True)
        return (self.service, self.operation, self.region_name, text)


@dataclass
class _Made:
    """A reading call that was made: how it was counted, and its answer or its error."""

    read: Read
    calls: list[Call] = field(default_factory=list)
    outcome: Any = None


IDENTITY_CALL = Read("sts", "get_caller_identity")


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
    pacing
        What its clients keep to together with those of other processes.
    """

    session: boto3.Session
    calls: list[Call] = field(default_factory=list)
    ahead: ClientsAhead | None = None
    retry_mode: RetryMode = "standard"
    pacing: Pacing | None = None
    _reads: dict[tuple[str, ...], tuple[str, Any]] = field(default_factory=dict, repr=False)
    _aside: threading.local = field(default_factory=threading.local, repr=False)
    _unanswered: dict[tuple[str, ...], Exception] = field(default_factory=dict, repr=False)
    _early: dict[tuple[str, ...], _Made] = field(default_factory=dict, repr=False)
    _clients: dict[tuple[str, bool, str], Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, session: boto3.Session | Aws) -> Aws:
        """Wrap a session, or return what is wrapped already."""
        return session if isinstance(session, Aws) else cls(session)

    @cached_property
    def caller_identity(self) -> CallerIdentity:
        """Who is calling (``sts:GetCallerIdentity``, which needs no permission)."""
        answer = self.answer_to(IDENTITY_CALL)
        if self.pacing is not None:
            self.pacing.account = answer["Account"]
        return CallerIdentity(answer["Account"], answer["Arn"], answer["UserId"])

    @property
    def knows_caller(self) -> bool:
        """True when `caller_identity` makes no call."""
        return "caller_identity" in self.__dict__

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
                if self.pacing is not None:
                    self.pacing.attach(made)
                tell_tries(made)
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
        read = Read(service, operation, about, optional, region_name, parameters)
        key = read.key
        self._take_early(read)
        if key not in self._reads:
            failed = self._unanswered.pop(key, None)
            if failed is not None:
                raise failed
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

    def read_ahead(self, *reads: Read) -> None:
        """Make reading calls at once that do not depend on each other.

        `read` finds their answers, and raises what they raised. They are counted in the order
        given, whatever order they ended in. For what is going to be read in any case.
        """
        distinct = {read.key: read for read in reads if read.key not in self._reads}
        for key in [key for key in distinct if key in self._early]:
            self._take_early(distinct.pop(key))
        if len(distinct) < 2:
            return
        made = self._at_once(distinct.values())
        for one in made:
            self.calls += one.calls
        for one in made:
            self._remember(one)

    def read_early(self, *reads: Read) -> None:
        """Make reading calls at once that count when their answers are asked for, not before.

        For calls that are made while something else is got ready, by a thread of its own.
        """
        for one in self._at_once(reads):
            self._early[one.read.key] = one

    def read_early_identity(self) -> str:
        """Ask early who is calling; return the account's id, empty where AWS does not say it."""
        self.read_early(IDENTITY_CALL)
        made = self._early.get(IDENTITY_CALL.key)
        answer = made.outcome if made else None
        return str(answer["Account"]) if isinstance(answer, dict) else ""

    def _at_once(self, reads: Iterable[Read]) -> list[_Made]:
        ahead: list[_Made] = []
        for read in reads:
            if read.key in self._unanswered:
                continue
            with suppress(RunbookError):  # what cannot be asked, `read` says
                # Made here, since a session is not for several threads; its clients are (boto3
                # developer guide, "Clients", multithreading).
                self.client(read.service, optional=read.optional, region_name=read.region_name)
                ahead.append(_Made(read))

        def make(first: int) -> None:
            for one in ahead[first::AT_ONCE]:
                self._aside.calls = one.calls
                try:
                    one.outcome = self._make(one.read)
                except Exception as error:  # noqa: BLE001 - raised where the answer is asked for
                    one.outcome = error
                except BaseException as error:
                    if not first:
                        raise
                    one.outcome = error  # what ends a run ends it in its own thread
                finally:
                    self._aside.calls = None

        threads: list[threading.Thread] = []
        for first in range(1, min(AT_ONCE, len(ahead))):
            thread = threading.Thread(
                target=copy_context().run, args=(make, first), name="rwlib-read", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # there is no room for another thread: one after the other, here
                make(first)
            else:
                threads.append(thread)
        make(0)
        for thread in threads:
            thread.join()
        return ahead

    def _remember(self, made: _Made) -> None:
        outcome = made.outcome
        if not isinstance(outcome, BaseException) or isinstance(
            outcome, botocore.exceptions.ClientError
        ):
            self._reads[made.read.key] = (made.read.about, outcome)
        elif isinstance(outcome, Exception):
            self._unanswered[made.read.key] = outcome
        else:
            raise outcome

    def _take_early(self, read: Read) -> None:
        """Count a call that was made early, and remember its answer."""
        made = self._early.pop(read.key, None)
        if made is not None:
            self.calls += made.calls
            self._remember(made)

    def remembered(self, read: Read) -> Any:
        """Return the remembered answer to a reading call; None where there is none, or an error."""
        _, answer = self._reads.get(read.key, ("", None))
        return None if isinstance(answer, Exception) else answer

    def answer_to(self, read: Read) -> Any:
        """Make a reading call, or return its remembered answer; as `read`."""
        return self.read(
            read.service,
            read.operation,
            about=read.about,
            optional=read.optional,
            region_name=read.region_name,
            **read.parameters,
        )

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
        self._unanswered.clear()
        self._early.clear()
        if about is None:
            self._reads.clear()
            return
        self._reads = {key: value for key, value in self._reads.items() if value[0] != about}

    def _make(self, read: Read) -> Any:
        where = read.optional, read.region_name
        return self._call(read.service, read.operation, read.parameters, False, *where)

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
                    answer = answer_to(
                        lambda: self._patiently(method, parameters, optional),
                        f"AWS's answer to {_in_words(service, operation)}",
                    )
                except botocore.exceptions.ClientError as error:
                    outcome = error_code(error)
                    request_id = error.response.get("ResponseMetadata", {}).get("RequestId", "")
                    raise
            outcome = "ok"
            request_id = answer.get("ResponseMetadata", {}).get("RequestId", "")
            return answer
        except StoppedError:
            outcome = STOPPED
            raise
        finally:
            aside = getattr(self._aside, "calls", None)
            noted = self.calls if aside is None else aside
            noted.append(Call(service, operation, writes, outcome, request_id))

    def _patiently(self, method: Any, parameters: dict[str, Any], optional: bool) -> Any:
        """Make a call; one of many processes waits for its turn in optional calls too.

        botocore tries those once. Where many targets run, a throttled one says nothing about
        what an operator may do.
        """
        tries = _OPTIONAL_TRIES if optional and self.pacing is not None else 1
        for number in range(1, tries + 1):
            try:
                return method(**parameters)
            except botocore.exceptions.ClientError as error:
                if number == tries or not is_throttled(error_code(error)):
                    raise
                rest(random.uniform(0, min(8.0, 0.1 * 2**number)))
        raise AssertionError("a call is tried at least once")


def _in_words(service: str, operation: str) -> str:
    return f"{service} {operation.replace('_', ' ')}"


def policy_json(document: Any) -> dict[str, Any]:
    """Return a policy document as a mapping; AWS sends it as URL-encoded JSON (RFC 3986)."""
    if isinstance(document, str):
        document = json.loads(document if document.lstrip()[:1] == "{" else unquote(document))
    return dict(document)
