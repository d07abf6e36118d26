"""The HTTP side: one loopback socket, whole requests in, whole answers out."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.client import responses as reasons
from socketserver import ThreadingMixIn
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer

from rwlib.errors import InputError
from rwlib.sandbox.answer import Answer, AwsError, error_answer
from rwlib.sandbox.aws.faults import LostAnswerError
from rwlib.sandbox.server.body import Bodies, content_length

Handler = Callable[[dict[str, Any], bytes], Answer]


class Listener(ThreadingMixIn, BaseWSGIServer):
    """An HTTP server on loopback which hands whole requests to one function."""

    daemon_threads = True
    request_queue_size = 256
    multithread = True

    def __init__(self, host: str, port: int, handle: Handler) -> None:
        check_loopback(host)
        self.handle_request_whole = handle
        self.bodies = Bodies()
        self._open: set[socket.socket] = set()
        super().__init__(host, port, _refuse_wsgi, handler=_RequestHandler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, and know of it while it lasts."""
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def server_close(self) -> None:
        """Close the socket and the connections that clients have kept."""
        super().server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Keep werkzeug's access log quiet; the sandbox has its own list of calls."""
        logging.getLogger(__name__).debug(message, *args)


def check_loopback(host: str) -> None:
    """Refuse an address that another machine could reach.

    Raises
    ------
    InputError
        The host is not a loopback address.
    """
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InputError("host", host, "is not a loopback address; the sandbox binds 127.0.0.1")


def _refuse_wsgi(environ: Any, start_response: Any) -> Any:
    raise RuntimeError("requests are handled whole, not through WSGI")


class _RequestHandler(MotoRequestHandler):
    """Reads the body before anything is decided, so that a connection can be kept.

    Werkzeug's own handler closes every connection, because an application may leave the body
    unread; here none does.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def handle_expect_100(self) -> bool:
        """Leave it to the reading of the body, so that what is refused is not asked for."""
        return True

    def run_wsgi(self) -> None:
        """Read the request, hand it over and write its answer."""
        server: Any = self.server
        self.environ = environ = self.make_environ()
        try:
            if self.headers.get("Expect", "").strip().lower() == "100-continue":
                content_length(self.headers)
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.wfile.flush()
            with server.bodies.read(self.headers, self.rfile) as body:
                answer = server.handle_request_whole(environ, body)
                del body
        except AwsError as error:
            self.close_connection = True
            self._send(error_answer("s3", error))
            return
        except (OSError, LostAnswerError):
            self.close_connection = True
            return
        self._send(answer)
        if answer.then is not None:
            answer.then()

    def _send(self, answer: Answer) -> None:
        silent = self.command == "HEAD" or answer.status in (204, 304)
        lines = [f"HTTP/1.1 {answer.status} {reasons.get(answer.status, '')}"]
        lines.append(f"Date: {self.date_time_string()}")
        for key, value in answer.headers:
            if key.lower() in ("connection", "transfer-encoding", "date"):
                continue
            if key.lower() == "content-length" and self.command != "HEAD":
                continue
            lines.append(f"{key}: {_one_line(value)}")
        has_length = any(key.lower() == "content-length" for key, _ in answer.headers)
        if answer.status != HTTPStatus.NO_CONTENT and not (self.command == "HEAD" and has_length):
            lines.append(f"Content-Length: {len(answer.body)}")
        if self.close_connection:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        self.wfile.write(head if silent else head + answer.body)
        self.wfile.flush()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what http.server refuses (a header too long, say) in S3's shape, not in HTML."""
        self.close_connection = True
        if not hasattr(self, "command") or self.command is None:
            self.command = "GET"
        name = "RequestHeaderSectionTooLarge" if code in (414, 431) else "InvalidRequest"
        self._send(error_answer("s3", AwsError(name, message or reasons.get(code, ""), 400)))

    def log_error(self, format: str, *args: Any) -> None:
        """Write nothing where a client keeps a connection and says no more on it."""
        self.server.log("error", format, *args)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing; the sandbox keeps its own list of calls."""


def _one_line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")
