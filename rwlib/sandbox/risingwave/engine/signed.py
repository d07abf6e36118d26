"""Signed AWS requests to the sandbox's own endpoint, with the answer as it came over the wire.

RisingWave's errors quote AWS's answers whole, headers and XML included, which an SDK would have
taken apart.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import urllib3
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from rwlib.sandbox.aws.session_tokens import ROOT_SECRET

_SECONDS = 30.0
_TRIES = 7
_FIRST_PAUSE = 0.01
_RETRIED = (429, 500, 502, 503, 504)
_THROTTLED = (b"<Code>Throttling", b'"__type": "Throttling', b'"__type":"Throttling')


@dataclass(frozen=True)
class Keys:
    """An access key, with a session token when it is temporary. Not shown."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Reply:
    """AWS's answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def ok(self) -> bool:
        """The call did what was asked."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def header(self, name: str) -> str:
        """Give a header's value, empty when it is not there."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def element(self, name: str) -> str:
        """Give the text of the first XML element of that name, empty when there is none."""
        return next(iter(self.elements(name)), "")

    def elements(self, name: str) -> list[str]:
        """Give the texts of all XML elements of that name, in order."""
        try:
            # The text comes from this sandbox, which declares no entities.
            root = ElementTree.fromstring(self.body)
        except ElementTree.ParseError:
            return []
        return [node.text or "" for node in root.iter() if node.tag.rpartition("}")[2] == name]


class SignedClient:
    """Sends signed requests to one address, over connections that are kept.

    Parameters
    ----------
    url
        The sandbox's address.
    root_secret
        The secret of an account's root user there.
    """

    def __init__(self, url: str, root_secret: str = ROOT_SECRET) -> None:
        self.url = url.rstrip("/")
        self._root_secret = root_secret
        parts = urlsplit(self.url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80
        self._lock = threading.Lock()
        self._process = 0
        self._connections: urllib3.HTTPConnectionPool | None = None

    def root(self, account: str) -> Keys:
        """Give the keys of an account's root user."""
        return Keys(account, self._root_secret)

    def send(
        self,
        keys: Keys | None,
        service: str,
        region_name: str,
        method: str,
        path: str = "/",
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Reply:
        """Send one request; repeat it, as every client of AWS does, when the service failed.

        ``path`` and ``query`` are given unquoted. Without ``keys`` the request is not signed.
        """
        target = quote(path, safe="/-_.~")
        if query:
            target += "?" + "&".join(f"{_quoted(key)}={_quoted(value)}" for key, value in query)
        for number in range(_TRIES):
            if number:
                time.sleep(_FIRST_PAUSE * 2 ** (number - 1))
            left = _TRIES - number - 1
            signed = self._signed(keys, service, region_name, method, target, headers or {}, body)
            try:
                answer = self._pool().urlopen(
                    method,
                    target,
                    body=body or None,
                    headers=signed,
                    retries=False,
                    redirect=False,
                    assert_same_host=False,
                    timeout=urllib3.Timeout(_SECONDS),
                )
            except urllib3.exceptions.HTTPError:
                if left:
                    continue
                raise
            throttled = answer.status == 400 and any(mark in answer.data for mark in _THROTTLED)
            if not left or not (throttled or answer.status in _RETRIED):
                break
        return Reply(answer.status, tuple(answer.headers.items()), answer.data)

    def query(
        self,
        keys: Keys,
        service: str,
        region_name: str,
        action: str,
        version: str,
        parameters: Mapping[str, str],
    ) -> Reply:
        """Send a call of the query protocol (IAM, STS, Redshift)."""
        pairs = {"Action": action, "Version": version, **parameters}
        body = "&".join(f"{_quoted(key)}={_quoted(value)}" for key, value in pairs.items())
        kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return self.send(keys, service, region_name, "POST", headers=kind, body=body.encode())

    def _signed(
        self,
        keys: Keys | None,
        service: str,
        region_name: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> dict[str, str]:
        request = AWSRequest(method, self.url + target, dict(headers), body)
        if keys is not None:
            credentials = Credentials(
                keys.access_key_id, keys.secret_access_key, keys.session_token or None
            )
            signer = S3SigV4Auth if service == "s3" else SigV4Auth
            signer(credentials, service, region_name).add_auth(request)
        request.headers["Host"] = f"{self._host}:{self._port}"
        return dict(request.headers.items())

    def _pool(self) -> urllib3.HTTPConnectionPool:
        with self._lock:
            if self._connections is None or self._process != os.getpid():
                self._connections = urllib3.HTTPConnectionPool(
                    self._host, self._port, maxsize=8, block=False
                )
                self._process = os.getpid()
            return self._connections


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
