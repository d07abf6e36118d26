"""One HTTP session to RisingWave Cloud: the API key, time-outs, retries and refusals.

Only reading is repeated on its own. A change is sent once; `rwlib.cloud.allowed_roles` decides by
reading whether it has to be sent again.
"""

from __future__ import annotations

import base64
import os
import threading
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.util import Retry

from rwlib import __version__
from rwlib.cloud.addresses import checked_endpoint, host_of, is_loopback, shown_url
from rwlib.errors import CredentialsError, ServiceError
from rwlib.waiting import answer_to

_LONGEST_RETRY_AFTER = 20.0
_LONGEST_QUOTE = 300


class UnreachableError(ServiceError):
    """The service did not answer.

    Parameters
    ----------
    message
        The sentence for a person.
    maybe_done
        The request may have been received: only reading can tell whether it took effect.
    """

    def __init__(self, message: str, *, maybe_done: bool) -> None:
        self.maybe_done = maybe_done
        super().__init__(message)


class SqlError(ServiceError):
    """RisingWave refused a statement.

    Parameters
    ----------
    text
        RisingWave's own words, which `rwlib.diagnose` reads.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"RisingWave refused the statement: {text}")


@dataclass(frozen=True)
class ApiAnswer:
    """What a call was answered: the status and the decoded JSON, ``None`` for an empty body."""

    method: str
    url: str
    status: int
    body: Any

    @property
    def message(self) -> str:
        """The platform's own sentence (``msg``), or what stands in its place."""
        if isinstance(self.body, dict) and isinstance(self.body.get("msg"), str):
            return _quote(self.body["msg"])
        return "" if self.body is None else _quote(str(self.body))


class Transport:
    """Send requests with the API key, and turn every failure into one sentence.

    A transport may be shared by threads, and survives a fork: the child opens its own connections.

    Parameters
    ----------
    endpoint
        The account service's address; plain HTTP is accepted for loopback only.
    api_key, api_secret
        A service account's key. They are part of no message, ``repr`` or log.
    connect_timeout, read_timeout
        Seconds to wait for a connection, and for the next byte of an answer.
    backoff
        Seconds before the second repetition of a read; doubled each time.
    """

    def __init__(
        self,
        endpoint: str,
        api_key: str,
        api_secret: str,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 20.0,
        backoff: float = 0.5,
    ) -> None:
        self.endpoint = checked_endpoint(endpoint)
        self._auth = _ApiKeyAuth(api_key, api_secret)
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._backoff = backoff
        self._lock = threading.Lock()
        self._process = 0
        self._sessions: requests.Session | None = None

    def __repr__(self) -> str:
        return f"Transport({self.endpoint!r})"

    def send(
        self,
        method: str,
        url: str,
        *,
        body: object = None,
        params: dict[str, str] | None = None,
        read_timeout: float | None = None,
    ) -> ApiAnswer:
        """Send one request and decode its answer.

        Raises
        ------
        CredentialsError
            401: the key is not known. A 403 is returned, because its meaning depends on the call.
        UnreachableError
            Nothing, or nothing in time, came back.
        ServiceError
            What came back is not from this API.
        """
        seconds = read_timeout or self._read_timeout
        try:
            response = answer_to(
                lambda: self._session().request(
                    method,
                    url,
                    json=body,
                    params=params,
                    auth=self._auth,
                    timeout=(self._connect_timeout, seconds),
                    # requests keeps X-API-KEY on a redirect to another host.
                    allow_redirects=False,
                ),
                f"RisingWave Cloud's answer to {method} {shown_url(url)}",
            )
        except requests.RequestException as error:
            raise self._unreachable(method, url, error, seconds) from None
        return self._decoded(method, url, response)

    def mask(self, text: str) -> str:
        """Take the API key's secret out of a text."""
        return self._auth.mask(text)

    def _session(self) -> requests.Session:
        with self._lock:
            if self._sessions is None or self._process != os.getpid():
                self._sessions = self._new_session()
                self._process = os.getpid()
            return self._sessions

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.headers["User-Agent"] = f"risingwave-iam-runbook/{__version__}"
        session.headers["Accept"] = "application/json"
        # A proxy of the environment cannot reach this machine's own loopback.
        session.trust_env = not is_loopback(self.endpoint)
        adapter = HTTPAdapter(
            pool_connections=4,
            pool_maxsize=8,
            max_retries=_BoundedRetry(
                total=None,
                # A connection that was not made has sent nothing: repeating it is safe for all.
                connect=2,
                read=1,
                status=2,
                redirect=0,
                other=0,
                allowed_methods=frozenset({"GET"}),
                status_forcelist=(429, 502, 503, 504),
                backoff_factor=self._backoff,
                raise_on_status=False,
            ),
        )
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session

    def _unreachable(
        self, method: str, url: str, error: requests.RequestException, seconds: float
    ) -> UnreachableError:
        reason = _innermost(error)
        place = f"{method} {shown_url(url)}"
        # Order matters: a connect time-out is a kind of time-out, and requests wraps a read
        # time-out that was repeated as a ConnectionError.
        if isinstance(error, requests.exceptions.SSLError):
            return UnreachableError(
                f"The TLS certificate of {host_of(url)} could not be verified ({place}); behind an "
                "inspecting proxy, name its CA file in REQUESTS_CA_BUNDLE.",
                maybe_done=False,
            )
        if isinstance(error, requests.exceptions.ProxyError):
            return UnreachableError(
                f"The proxy of the environment did not let {place} through; correct HTTPS_PROXY "
                f"or add {host_of(url)} to NO_PROXY.",
                maybe_done=False,
            )
        if isinstance(reason, urllib3.exceptions.ReadTimeoutError):
            return UnreachableError(
                f"RisingWave Cloud took the request but did not answer within {seconds:g} s "
                f"({place}); try again, or check RWC_ENDPOINT.",
                maybe_done=True,
            )
        if isinstance(reason, urllib3.exceptions.ConnectTimeoutError):
            # NewConnectionError (refused, unknown host) is a ConnectTimeoutError too.
            return UnreachableError(
                f"RisingWave Cloud cannot be reached at {host_of(url)} ({place}); check the "
                "network and RWC_ENDPOINT.",
                maybe_done=False,
            )
        return UnreachableError(
            f"The connection to RisingWave Cloud broke before an answer came ({place}).",
            maybe_done=True,
        )

    def _decoded(self, method: str, url: str, response: requests.Response) -> ApiAnswer:
        place = f"{method} {shown_url(url)}"
        if 300 <= response.status_code < 400:
            raise ServiceError(
                f"{place} was redirected to {shown_url(response.headers.get('Location', '?'))}, "
                "and an API key is not sent on; correct RWC_ENDPOINT."
            )
        if response.status_code == 401:
            raise CredentialsError(
                f"RisingWave Cloud does not accept the API key in RWC_API_KEY and RWC_API_SECRET "
                f"(401 to {place}); make one in the console under Organization, Service accounts."
            )
        body: Any = None
        if response.content.strip():
            try:
                body = response.json()
            except ValueError:
                # Below 500 a page means another place; from 500 on, a gateway in front of this one.
                if response.status_code < 500:
                    raise ServiceError(
                        f"{place} answered {response.status_code} with "
                        f"{_kind_of_body(response)} instead of JSON: RWC_ENDPOINT is not the "
                        "address of the management API (it ends in /api/v1), or a proxy or a "
                        "login page answered in its place."
                    ) from None
        if isinstance(body, dict) and isinstance(body.get("msg"), str):
            body["msg"] = self.mask(body["msg"])
        return ApiAnswer(method, shown_url(url), response.status_code, body)


class _ApiKeyAuth(AuthBase):
    """Both headers that the provider sends (``internal/cloudsdk/cloudsdk.go:147-149``)."""

    def __init__(self, api_key: str, api_secret: str) -> None:
        for name, value in (("RWC_API_KEY", api_key), ("RWC_API_SECRET", api_secret)):
            # Checked here because requests would quote the value in its own message.
            if not value or not all("!" <= character <= "~" for character in value):
                raise CredentialsError(
                    f"{name} is empty or holds a space, a line break or a character that is not "
                    "ASCII; copy it again from the console."
                )
        pair = f"{api_key}:{api_secret}"
        self._headers = {
            "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
            # "deprecated: keep it to support old version"
            "X-API-KEY": pair,
        }
        self._secrets = (self._headers["Authorization"][6:], api_secret)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request

    def __repr__(self) -> str:
        return "_ApiKeyAuth(***)"

    def mask(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class _BoundedRetry(Retry):
    """`Retry` that never sleeps as long as a service may ask for."""

    def get_retry_after(self, response: Any) -> float | None:
        seconds = super().get_retry_after(response)
        return None if seconds is None else min(seconds, _LONGEST_RETRY_AFTER)


def _innermost(error: requests.RequestException) -> object:
    reason: object = error.args[0] if error.args else error
    while isinstance(reason, urllib3.exceptions.MaxRetryError) and reason.reason is not None:
        reason = reason.reason
    return reason


def _kind_of_body(response: requests.Response) -> str:
    content_type = response.headers.get("Content-Type", "")
    return "a web page" if "html" in content_type.lower() else "something else"


def _quote(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 3] + "..."
