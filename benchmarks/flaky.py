"""A loopback proxy that loses answers after the calls took effect."""

from __future__ import annotations

import http.client
import http.server
import random
import socket
import threading
from typing import Any
from urllib.parse import urlsplit


class FlakyProxy:
    """Forwards every request to an endpoint and loses a share of the answers.

    Parameters
    ----------
    url
        Where the requests go, a loopback address.
    lose
        Share of the answers that are lost, 0 to 1: the connection just ends.
    seed
        Makes the choice repeatable, as far as the order of the calls is.
    """

    def __init__(self, url: str, lose: float, seed: int = 0) -> None:
        self.lost = 0
        self._chosen = random.Random(seed)
        self.lose = lose
        self._upstream = urlsplit(url)
        self._guard = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        # A client that was killed is no error of the proxy's.
        self._server.handle_error = lambda *_: None
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def url(self) -> str:
        """Where the proxy listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FlakyProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def loses_now(self) -> bool:
        """Decide about one answer."""
        with self._guard:
            lost = self._chosen.random() < self.lose
            self.lost += lost
            return lost

    def _handler(self) -> Any:
        proxy, upstream = self, self._upstream

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                there = http.client.HTTPConnection(upstream.hostname, upstream.port, timeout=60)
                # The host is part of what AWS's clients sign, so it stays the proxy's.
                there.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    there.putheader(name, value)
                there.endheaders(body)
                answer = there.getresponse()
                content = answer.read()
                there.close()
                if proxy.loses_now():
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response_only(answer.status, answer.reason)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else None
                self.send_header("Content-Length", length or str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = forward  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler
