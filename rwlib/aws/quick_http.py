"""Requests over a connection that is open already, without what HTTP clients do for all others.

botocore sends a request through three layers of HTTP client, each of which takes it apart and puts
it together again. That costs as much as signing it and reading the answer. What is asked of AWS
here is short, and nearly all of it goes over a connection that was used a moment ago: such a
request is written whole and its answer is read as RFC 9112 says. All else is left to botocore: the
first request of a connection, proxies, bodies that are streams.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from urllib3 import HTTPHeaderDict

_LONGEST_HEAD = 1 << 16
_WITHOUT_BODY = (204, 304)
_PRINTABLE = re.compile(r"[\x21-\x7e]+")  # what a request target and a host consist of
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class QuickHttp:
    """What botocore's clients send with, in place of the session that it wraps.

    May be used by several threads, and by several clients whose sessions are configured alike.

    Parameters
    ----------
    session
        botocore's ``URLLib3Session``.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    @classmethod
    def give(cls, clients: list[Any]) -> None:
        """Let clients that are configured alike send through one session, so through its pool.

        Where botocore keeps its session elsewhere, nothing is changed.
        """
        endpoints = [getattr(client, "_endpoint", None) for client in clients]
        session = getattr(endpoints[0], "http_session", None) if endpoints else None
        if not all(hasattr(session, name) for name in ("_manager", "_proxy_config", "_timeout")):
            return
        quick = cls(session)
        for endpoint in endpoints:
            if type(getattr(endpoint, "http_session", None)) is type(session):
                endpoint.http_session = quick

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def send(self, request: Any) -> Any:
        """Send a prepared request and return its answer, read to its end.

        Raises
        ------
        botocore.exceptions.HTTPClientError
            As botocore's own session does.
        """
        message = written(request)
        if message is None or self._session._proxy_config.proxy_url_for(request.url):
            return self._session.send(request)
        pool = self._session._manager.connection_from_url(request.url)
        connection = pool._get_conn()
        if getattr(connection, "sock", None) is None:  # opened, and its peer looked at, by botocore
            pool._put_conn(connection)
            return self._session.send(request)
        try:
            connection.sock.settimeout(self._patience(request))
            connection.sock.sendall(message)
            answer = _Reader(connection.sock).read(request.method)
        except BaseException as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
            if isinstance(error, OSError | ValueError):
                raise ConnectionClosedError(
                    error=error, request=request, endpoint_url=request.url
                ) from error
            raise
        finally:
            pool._put_conn(connection)
        if answer.closes:
            connection.close()
        made = AWSResponse(request.url, answer.status, answer.headers, None)
        made._content = answer.body
        return made

    def _patience(self, request: Any) -> float | None:
        given = (getattr(request, "context", None) or {}).get("read_timeout")
        timeout = self._session._timeout
        found = given if given is not None else getattr(timeout, "read_timeout", timeout)
        return float(found) if isinstance(found, int | float) else None


def written(request: Any) -> bytes | None:
    """Return a request as it goes over the wire, None where botocore is to send it."""
    body = request.body
    if isinstance(body, str):
        body = body.encode()
    if request.stream_output or not isinstance(body, bytes | type(None)):
        return None
    parts = urlsplit(request.url)
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    if parts.port and parts.port != _DEFAULT_PORTS.get(parts.scheme):
        host += f":{parts.port}"
    if not (_PRINTABLE.fullmatch(target) and _PRINTABLE.fullmatch(host)):
        return None
    given = {}
    for name, value in request.headers.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if not _NAME.fullmatch(name) or "\r" in text or "\n" in text:
            return None
        given[name] = text
    names = {name.lower() for name in given}
    if names & {"expect", "transfer-encoding"}:
        return None
    added = {} if "host" in names else {"Host": host}
    if "accept-encoding" not in names:
        added["Accept-Encoding"] = "identity"
    if "content-length" not in names and (body or request.method in ("POST", "PUT", "PATCH")):
        added["Content-Length"] = str(len(body or b""))
    lines = [f"{name}: {value}" for name, value in {**added, **given}.items()]
    try:
        head = "\r\n".join((f"{request.method} {target} HTTP/1.1", *lines, "", ""))
        return head.encode("latin-1") + (body or b"")
    except UnicodeEncodeError:
        return None


class _Answer:
    def __init__(self, status: int, headers: HTTPHeaderDict, body: bytes, closes: bool) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.closes = closes


class _Reader:
    """Reads one answer from a socket.

    What is not as RFC 9112 says is an `OSError` or a `ValueError`: nobody can tell where the next
    answer would begin.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._rest = b""

    def read(self, method: str) -> _Answer:
        status = 100
        while status < 200:  # "100 Continue" and the like come before the answer
            version, status, headers = self._head()
        wishes = headers.get("connection", "").lower()
        closes = "close" in wishes or (version == "HTTP/1.0" and "keep-alive" not in wishes)
        if method == "HEAD" or status in _WITHOUT_BODY:
            body = b""
        elif "transfer-encoding" in headers:
            if headers["transfer-encoding"].strip().lower() != "chunked":
                raise ValueError("the answer is encoded in a way that was not asked for")
            body = self._chunks()
        elif "content-length" in headers:
            body = self._take(_number(headers["content-length"].split(",")[0], 10))
        else:
            body, closes = self._all(), True
        # What nobody asked for would be taken for the next answer.
        return _Answer(status, headers, body, closes or bool(self._rest))

    def _head(self) -> tuple[str, int, HTTPHeaderDict]:
        first, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if version not in ("HTTP/1.1", "HTTP/1.0") or not re.fullmatch(r"[1-9]\d\d( .*)?", rest):
            raise ValueError(f"not an answer: {first[:60]!r}")
        headers = HTTPHeaderDict()
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not _NAME.fullmatch(name):
                raise ValueError(f"not a header: {line[:60]!r}")
            headers.add(name, value.strip(" \t"))
        return version, int(rest[:3]), headers

    def _chunks(self) -> bytes:
        found = []
        while size := _number(self._until(b"\r\n").split(b";")[0].decode("latin-1"), 16):
            found.append(self._take(size))
            if self._take(2) != b"\r\n":
                raise ValueError("a chunk does not end where it says")
        while self._until(b"\r\n"):
            pass  # trailers
        return b"".join(found)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._rest:
            if len(self._rest) > _LONGEST_HEAD:
                raise ValueError("the head of the answer does not end")
            self._rest += self._more()
        found, _, self._rest = self._rest.partition(mark)
        return found

    def _take(self, size: int) -> bytes:
        parts, missing = [self._rest], size - len(self._rest)
        while missing > 0:
            part = self._more()
            parts.append(part)
            missing -= len(part)
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]

    def _all(self) -> bytes:
        parts, self._rest = [self._rest], b""
        with suppress(ConnectionResetError, _EndedError):
            while True:
                parts.append(self._more())
        return b"".join(parts)

    def _more(self) -> bytes:
        data: bytes = self._sock.recv(1 << 16)
        if not data:
            raise _EndedError("the connection was closed before the answer was complete")
        return data


class _EndedError(OSError):
    pass


def _number(text: str, base: int) -> int:
    if not re.fullmatch(r"[0-9a-fA-F]+", text.strip()):
        raise ValueError(f"not a length: {text[:20]!r}")
    return int(text, base)
