"""Which part of the sandbox answers a request."""

from __future__ import annotations

import importlib
import importlib.util
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rwlib.sandbox.answer import Answer, AwsError, error_answer
from rwlib.sandbox.control import answer_control
from rwlib.sandbox.moto_seam import World
from rwlib.sandbox.seed import seed as seed_world
from rwlib.sandbox.sessions import Mint, account_of_access_key

if TYPE_CHECKING:
    from rwlib.sandbox.server import Sandbox

RISINGWAVE = "rwlib.sandbox.risingwave"
"""The module that answers under ``/_rwc/``: ``application(sandbox)`` gives a WSGI application."""


class Application:
    """Everything behind the socket."""

    def __init__(
        self, sandbox: Sandbox, *, state: Path | None, seed: bool, faults: dict[str, Any]
    ) -> None:
        self.sandbox = sandbox
        self.world = World()
        self.mint = Mint()
        self.calls: list[dict[str, Any]] = []
        self._seed = seed
        self._risingwave: Callable[..., Iterable[bytes]] | None = None

    def prepare(self) -> None:
        """Load the kept state, or put the example world in place."""
        if self._seed:
            seed_world(self.world)
        if importlib.util.find_spec(RISINGWAVE) is not None:
            self._risingwave = importlib.import_module(RISINGWAVE).application(self.sandbox)

    def close(self) -> None:
        """Keep what must be kept."""
        self.world.forget()

    def reset(self, *, seed: bool) -> None:
        """Forget everything, and start again."""
        self.world.forget()
        self.calls.clear()
        if seed:
            seed_world(self.world)

    def handle(self, environ: dict[str, Any], body: bytes) -> Answer:
        """Answer one request."""
        path = environ["PATH_INFO"]
        if path.startswith("/_sandbox/"):
            return answer_control(self, environ, body)
        if path.startswith("/_rwc/"):
            if self._risingwave is None:
                return error_answer("s3", AwsError("NoSuchKey", "No RisingWave Cloud here.", 404))
            return _call_wsgi(self._risingwave, environ, body)
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        key = authorization.partition("Credential=")[2].partition("/")[0]
        with self.world.entered():
            return self.world.call(environ, body, account_of_access_key(key) or "123456789012")


def _call_wsgi(
    application: Callable[..., Iterable[bytes]], environ: dict[str, Any], body: bytes
) -> Answer:
    started: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        started[:] = [status, headers]

    inner = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    inner.pop("HTTP_TRANSFER_ENCODING", None)
    chunks = application(inner, start_response)
    try:
        content = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    return Answer(int(started[0].split(None, 1)[0]), tuple(started[1]), content)
