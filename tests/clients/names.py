"""Names under localhost for clients whose machine has no resolver that knows them.

A forward proxy on loopback: a client that is told to use it never resolves ``bucket.localhost``
itself, and the sandbox still receives that name in ``Host``.
"""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class _Forward(socketserver.StreamRequestHandler):
    """Hands each request of a connection on to the same port of 127.0.0.1."""

    def handle(self) -> None:
        while line := self.rfile.readline(65536):
            method, target, version = line.decode("latin-1").split()
            lines = []
            while (header := self.rfile.readline(65536)) not in (b"\r\n", b"\n", b""):
                if not header.lower().startswith((b"proxy-", b"connection:")):
                    lines.append(header)
            url = urlsplit(f"//{target}" if method == "CONNECT" else target)
            name = url.hostname or ""
            if not (name == "localhost" or name.endswith(".localhost")):
                self.wfile.write(b"HTTP/1.1 502 Not a name under localhost\r\n\r\n")
                return
            self.server.names.add(name)  # type: ignore[attr-defined]
            with socket.create_connection(("127.0.0.1", url.port or 80), timeout=60) as there:
                if method == "CONNECT":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                else:
                    path = target.partition("://")[2].partition("/")[2]
                    head = f"{method} /{path} {version}\r\n".encode("latin-1")
                    there.sendall(head + b"".join(lines) + b"Connection: close\r\n\r\n")
                self._exchange(there)
            return

    def _exchange(self, there: socket.socket) -> None:
        # What the buffered reader has taken already of the body comes first.
        self.connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            there.sendall(self.rfile.peek() or b"")  # type: ignore[attr-defined]
        self.connection.setblocking(True)
        ends = {self.connection: there, there: self.connection}
        while True:
            for end in select.select(list(ends), [], [], 60)[0]:
                content = end.recv(65536)
                if not content:
                    return
                ends[end].sendall(content)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.names: set[str] = set()


@contextlib.contextmanager
def names_under_localhost() -> Iterator[tuple[str, set[str]]]:
    """Serve the proxy; give its URL and the names that clients have asked for."""
    with _Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", server.names
        finally:
            server.shutdown()
