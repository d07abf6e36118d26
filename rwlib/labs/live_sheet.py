"""The score sheet as a page on loopback that looks again by itself."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from rwlib.errors import InputError
from rwlib.labs.scores import Learner, Unreadable, as_html, read_class


class LiveSheet:
    """Serves the score sheet of a class, read anew for every look.

    The address holds a token: other users of the machine do not see who is stuck.

    Parameters
    ----------
    paths
        Learners' results, or folders that hold them or will.
    every
        Seconds between two looks.
    """

    def __init__(
        self, paths: Sequence[Path], *, key: bytes | None = None, port: int = 0, every: int = 5
    ) -> None:
        self._paths = list(paths)
        self._key = key
        self._every = every
        token = secrets.token_urlsafe(16)
        try:
            self._listener = ThreadingHTTPServer(("127.0.0.1", port), self._handler(f"/{token}/"))
        except OSError as error:
            raise InputError("port", port, f"cannot be used: {error.strerror}") from error
        self._listener.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}/{token}/"

    def start(self) -> Self:
        """Answer from a thread."""
        threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        ).start()
        return self

    def stop(self) -> None:
        """Answer no more."""
        self._listener.shutdown()
        self._listener.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def page(self) -> str:
        """Return the sheet as it stands now; a class in which nobody has begun has an empty one."""
        learners: list[Learner] = []
        unreadable: list[Unreadable] = []
        for path in self._paths:
            if not path.exists():
                unreadable.append(Unreadable(path, "is not there yet"))
        try:
            there = [path for path in self._paths if path.exists()]
            learners, broken = read_class(there, self._key)
            unreadable += broken
        except InputError:
            pass  # nobody has begun
        return as_html(learners, unreadable, refresh=self._every)

    def _handler(self, path: str) -> type[BaseHTTPRequestHandler]:
        sheet = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def do_GET(self) -> None:
                known = secrets.compare_digest(self.path.encode(), path.encode())
                body = sheet.page().encode() if known else b"There is nothing here."
                self.send_response(200 if known else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Cache-Control", "no-store")
                self.send_header("Referrer-Policy", "no-referrer")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Write nothing: the address is the key."""

        return Handler
