"""boto3 clients: how each is configured, and clients made ahead for a process to be forked.

Making a client costs as much as some thirty calls. A process that forks a child for each target
makes the clients once, before it forks; a child that has them finds its credentials when it signs
its first request, so the clients hold nobody's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import boto3
import botocore.session
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.utils import parse_timestamp

from rwlib.aws.pacing import Pacing
from rwlib.aws.tries import tell_tries

RetryMode = Literal["standard", "adaptive", "paced"]
Keys = Mapping[str, str]

KEY_NAMES = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
"""The parts of a session's keys, as ``boto3.Session`` names them."""

_KEY_VARIABLES = {name.upper() for name in KEY_NAMES}

# What a run of any target calls: (service, optional).
_ALWAYS = (
    ("sts", False), ("s3", False), ("iam", False), ("accessanalyzer", True), ("iam", True),
)  # fmt: skip


def client_config(retry_mode: RetryMode = "standard", *, optional: bool = False) -> Config:
    """Return how a client behaves.

    Parameters
    ----------
    retry_mode
        "standard" retries throttling, 5xx and connection errors with exponential back-off and
        jitter; "adaptive" also slows its caller down, for a process that is one of many (AWS SDKs
        reference guide, retry behaviour); "paced" is "standard" with more attempts, for processes
        that share their rates (`rwlib.aws.pacing`).
    optional
        For calls that an endpoint or an operator may not have: one try, then "could not be
        looked at".
    """
    attempts: Any = {"mode": "standard", "total_max_attempts": 1}
    if not optional:
        mode = "standard" if retry_mode == "paced" else retry_mode
        attempts = {"mode": mode}
        if not os.environ.get("AWS_MAX_ATTEMPTS"):  # which botocore reads itself
            attempts["max_attempts"] = 8 if retry_mode == "standard" else 10
    return Config(
        retries=attempts,
        connect_timeout=5,
        read_timeout=30,
        user_agent_extra="risingwave-iam-runbook",
    )


class LateCredentials(Credentials):
    """Credentials that are looked for when the first request is signed.

    Parameters
    ----------
    find
        Returns them, or None when there are none.
    """

    def __init__(self, find: Callable[[], Credentials | None]) -> None:
        self._find = find
        self._there: Any = None
        self._looking = threading.Lock()
        self.method = "late"

    def forget(self) -> None:
        """Look for them again when the next request is signed."""
        self._there = None

    @property
    def found(self) -> Any:
        """The credentials themselves.

        Raises
        ------
        botocore.exceptions.NoCredentialsError
            There are none.
        """
        with self._looking:
            if self._there is None:
                self._there = self._find()
        if self._there is None:
            raise botocore.exceptions.NoCredentialsError
        return self._there

    def get_frozen_credentials(self) -> Any:
        """Return the keys as they are now."""
        return self.found.get_frozen_credentials()

    def get_deferred_property(self, property_name: str) -> Callable[[], Any]:
        """Return a function that returns a property when a request needs it."""
        return lambda: getattr(self.found, property_name, None)

    @property
    def access_key(self) -> Any:  # type: ignore[override]
        """The access key id."""
        return self.found.access_key

    @property
    def secret_key(self) -> Any:  # type: ignore[override]
        """The secret access key."""
        return self.found.secret_key

    @property
    def token(self) -> Any:  # type: ignore[override]
        """The session token."""
        return self.found.token

    @property
    def account_id(self) -> Any:
        """The account that the credentials name, if they do."""
        return self.found.account_id


class ClientsAhead:
    """A session and its clients, made before it is known whose credentials they sign with.

    Parameters
    ----------
    retry_mode
        As `client_config` takes it.
    pacing
        What the clients keep to.

    Raises
    ------
    botocore.exceptions.BotoCoreError
        The AWS configuration of this process cannot be used.
    """

    def __init__(self, retry_mode: RetryMode = "standard", pacing: Pacing | None = None) -> None:
        self._settings = settings()
        self._keys: Keys | None = None
        self._credentials = LateCredentials(self._find)
        made_from = botocore.session.Session()
        self._chain: Any = made_from.get_component("credential_provider")
        made_from.register_component("credential_provider", self)
        made_from.get_component("response_parser_factory").set_parser_defaults(
            timestamp_parser=moment
        )
        self.session = boto3.Session(botocore_session=made_from)
        region = self.session.region_name or "us-east-1"
        make: Any = self.session.client
        self._clients: dict[tuple[str, bool, str], Any] = {}
        agents: dict[bool, Config] = {}
        for service, optional in _ALWAYS:
            config = client_config(retry_mode, optional=optional)
            known = agents.get(optional)
            client = make(service, region_name=region, config=config.merge(known or Config()))
            if known is None:
                agents[optional] = _same_agent(client, made_from.user_agent_extra)
            client.meta.events.register("before-call", _encode_once)
            if pacing is not None:
                pacing.attach(client)
            tell_tries(client)
            self._clients[service, optional, region] = client

    def load_credentials(self) -> LateCredentials:
        """Return the session's credentials, as a chain of botocore's does."""
        return self._credentials

    def sign_with(self, keys: Keys | None) -> None:
        """Sign with these keys from now on; with None, with what boto3's own chain finds."""
        self._keys = keys
        self._credentials.forget()

    def _find(self) -> Credentials | None:
        if self._keys is None:
            found: Credentials | None = self._chain.load_credentials()
            return found
        return Credentials(*(self._keys[name] for name in KEY_NAMES))

    def fits(self) -> bool:
        """Tell whether a session opened here and now would be configured like this one."""
        return self._settings == settings()

    def client(self, service: str, optional: bool, region_name: str) -> Any:
        """Return the client that was made ahead, or None."""
        return self._clients.get((service, optional, region_name))

    @contextmanager
    def answered(
        self, answer: Callable[[str], tuple[int, Mapping[str, str], str]]
    ) -> Iterator[None]:
        """Answer the clients' calls from memory while the block runs; nothing is sent.

        Parameters
        ----------
        answer
            Returns the status, headers and body for a call such as ``iam.GetRole``.
        """

        def respond(request: Any, event_name: str, **_: object) -> AWSResponse:
            status, headers, body = answer(event_name.removeprefix("before-send."))
            sent: Any = HeadersDict(headers)
            return AWSResponse(request.url, status, sent, _Body(body.encode()))

        self.sign_with(dict.fromkeys(KEY_NAMES, "none"))
        for client in self._clients.values():
            client.meta.events.register_first("before-send", respond, unique_id="rwlib-answered")
        try:
            yield
        finally:
            self.sign_with(None)
            for client in self._clients.values():
                client.meta.events.unregister("before-send", unique_id="rwlib-answered")


def moment(value: Any) -> datetime:
    """Return a time in one of AWS's answers: nearly all are ISO 8601 and need no guessing.

    Parameters
    ----------
    value
        As `botocore.utils.parse_timestamp` takes it.
    """
    if isinstance(value, str):
        with suppress(ValueError):
            found = datetime.fromisoformat(value)
            if found.utcoffset() == timedelta(0):
                return found.astimezone(UTC)
    parsed: datetime = parse_timestamp(value)
    return parsed


def _same_agent(client: Any, added: str) -> Config:
    """Return a configuration that names a client's user agent.

    botocore puts it together anew twice a call where none is named, and adds the session's own
    addition to one that is.
    """
    agent = client.meta.config.user_agent
    return Config(
        user_agent=agent.replace(f" {added}", "", 1) if added else agent, user_agent_extra=""
    )


def _encode_once(params: dict[str, Any], **_: object) -> None:
    """Encode the form of a call to IAM or STS; botocore does so for each look at a request."""
    if isinstance(params.get("body"), dict) and params["body"]:
        params["body"] = urlencode(params["body"], doseq=True).encode()


class _Body:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._data


def settings() -> tuple[Any, ...]:
    """Return what a session is made from: variables, and files by their age; no keys."""
    names = sorted(n for n in os.environ if n.startswith("AWS_") and n not in _KEY_VARIABLES)
    files = [
        Path(os.environ.get(name, default)).expanduser()
        for name, default in (
            ("AWS_CONFIG_FILE", "~/.aws/config"),
            ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        )
    ]
    return [(name, os.environ[name]) for name in names], [(path, _age(path)) for path in files]


def _age(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
