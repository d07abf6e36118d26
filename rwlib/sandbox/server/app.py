"""Which part of the sandbox answers a request."""

from __future__ import annotations

import hmac
import importlib.util
import io
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rwlib.errors import InputError
from rwlib.sandbox.answer import Answer, AwsError, error_answer, json_answer
from rwlib.sandbox.aws.faults import Faults, read_faults
from rwlib.sandbox.aws.gateway import Gateway
from rwlib.sandbox.aws.redshift_serverless import Namespaces
from rwlib.sandbox.aws.session_tokens import ROOT_SECRET, Mint
from rwlib.sandbox.example_world import seed as seed_world
from rwlib.sandbox.moto_seam.world import World
from rwlib.sandbox.origin import is_of_another_site, is_own_host
from rwlib.sandbox.server.control import answer_control
from rwlib.sandbox.server.history import History
from rwlib.sandbox.server.state import StateFolder, secret_of, text_of

if TYPE_CHECKING:
    from threading import Event

    from rwlib.sandbox.endpoint import RoleCredentials

RISINGWAVE = "rwlib.sandbox.risingwave.api"
"""The module that answers under ``/_rwc/``: ``application(sandbox)`` gives a WSGI application."""


_OF_BROWSERS = frozenset(
    {"HTTP_HOST", "HTTP_ORIGIN", "HTTP_REFERER", "HTTP_SEC_FETCH_SITE"},
)


class Served(Protocol):
    """What serves the application."""

    stopped: Event
    secret: str
    api_secret: str

    @property
    def url(self) -> str:
        """Where the sandbox answers."""

    def credentials_for(self, role_arn: str, session_name: str) -> RoleCredentials:
        """Give a session of a role without asking its trust policy."""


class Application:
    """Everything behind the socket."""

    def __init__(
        self, sandbox: Served, *, state: Path | None, seed: bool, faults: dict[str, Any]
    ) -> None:
        self.sandbox = sandbox
        self.may_die = False
        """Whether the process is the sandbox's own, so that ``kill_after`` may end it."""
        self.parent: int | None = None
        """The process with which this one ends; none for a sandbox that stands alone."""
        self.world = World()
        self._seed = seed
        self._given_faults = read_faults(faults)
        self._folder = state
        self._state: StateFolder | None = None
        self._risingwave: Any = None
        self._begin({})

    def _begin(self, own: dict[str, Any]) -> None:
        secret = own.get("secret")
        self.mint = Mint(secret_of(secret) if secret else None, self.sandbox.secret)
        self.namespaces: Namespaces = own.get("namespaces", {})
        self.history = History(own.get("history"))
        self.gateway = Gateway(self.world, self.mint, self.namespaces, self._changed)
        directory = self.gateway.directory
        directory.scps = own.get("scps", {})
        directory.enabled_regions = {
            account: frozenset(names) for account, names in own.get("regions", {}).items()
        }

    def _own_state(self) -> dict[str, Any]:
        directory = self.gateway.directory
        return {
            "secret": text_of(self.mint.secret),
            "namespaces": self.namespaces,
            "history": self.history.to_dict(),
            "scps": directory.scps,
            "regions": {
                account: sorted(names) for account, names in directory.enabled_regions.items()
            },
        }

    def prepare(self) -> None:
        """Load the kept state, or put the example world in place."""
        self.set_faults(self._given_faults)
        own = None
        if self._folder is not None:
            self._state = StateFolder(self._folder)
            try:
                own = self._state.load(self.world)
            except InputError:
                self._state.close()
                raise
        if own is not None:
            self._begin(own)
            self.set_faults(self._given_faults)
        elif self._seed:
            seed_world(self.world)
        self.keep()
        if importlib.util.find_spec(RISINGWAVE) is not None:
            self._risingwave = importlib.import_module(RISINGWAVE).application(self.sandbox)

    def close(self) -> None:
        """Keep what must be kept, and free the rest."""
        if self._state is not None:
            self.keep()
            with self.world.entered():
                self._state.tidy(self.world)
            self._state.close()
            self._state = None
        self.world.forget()

    def keep(self) -> None:
        """Write the whole state to its folder, where there is one."""
        if self._state is not None:
            with self.world.entered():
                self._state.save(self.world, self._own_state())

    def reset(self, *, seed: bool) -> None:
        """Forget everything, and start again."""
        self.world.forget()
        if self._state is not None:
            self._state.empty()
        self._begin({"secret": text_of(self.mint.secret)})
        if seed:
            seed_world(self.world)
        self.keep()
        if self._risingwave is not None:
            self._risingwave.reset()

    def stop(self) -> None:
        """Tell the server to stop."""
        self.sandbox.stopped.set()

    def set_faults(self, faults: Faults) -> None:
        """Switch faults on or off.

        Raises
        ------
        InputError
            The process would be killed, and it is not the sandbox's own.
        """
        if faults.kill_after and not self.may_die:
            raise InputError(
                "fault", "kill_after", "needs a sandbox in its own process; use Sandbox.spawn()"
            )
        self.gateway.faults.set(faults)
        self.gateway.directory.delay = faults.propagation

    def handle(self, environ: dict[str, Any], body: bytes) -> Answer:
        """Answer one request."""
        path = environ["PATH_INFO"]
        own = path.startswith(("/_sandbox/", "/_rwc/"))
        headers = {
            key[5:].lower().replace("_", "-"): environ[key] for key in _OF_BROWSERS & environ.keys()
        }
        if not is_own_host(headers.get("host", "")):
            return self._elsewhere(own, "its Host is not a name of this machine")
        if own and is_of_another_site(headers):
            return self._elsewhere(own, "it was sent by a page of another site")
        if path.startswith(("/_sandbox/", "/_rwc/sandbox/")) and not self._is_known(environ):
            return json_answer({"message": "the sandbox's token is missing or another's"}, 403)
        if path.startswith("/_sandbox/"):
            return answer_control(self, environ, body)
        if path.startswith("/_rwc/"):
            if self._risingwave is None:
                return error_answer("s3", AwsError("NoSuchKey", "No RisingWave Cloud here.", 404))
            self.gateway.faults.wait()
            return _call_wsgi(self._risingwave, environ, body)
        answer, dies = self.gateway.handle(environ, body)
        return Answer(answer.status, answer.headers, answer.body, _die) if dies else answer

    def _is_known(self, environ: dict[str, Any]) -> bool:
        """Whether the caller knows the secret, where the sandbox has one of its own."""
        wanted, given = self.sandbox.secret, environ.get("HTTP_X_SANDBOX_TOKEN", "")
        return wanted == ROOT_SECRET or hmac.compare_digest(wanted.encode(), given.encode())

    def connect_sql(self, tenant: str, database: str) -> Any:
        """Give what answers a Postgres client; `LookupError` says why there is nothing."""
        if self._risingwave is None:
            raise LookupError("there is no RisingWave here")
        return self._risingwave.connect(tenant, database)

    def _elsewhere(self, own: bool, why: str) -> Answer:
        text = f"The sandbox answers programs on this machine; this request is refused: {why}."
        if own:
            return json_answer({"message": text}, 403)
        return error_answer("s3", AwsError("AccessDenied", text, 403))

    def keep_history(self) -> None:
        """Keep every state from now on, with the state as it is as the first."""
        with self.world.entered():
            self.history.begin(self.world)
        self.keep()

    def _changed(self, services: frozenset[str], call: str, caller: str) -> None:
        self.history.note(self.world, call, caller)
        if self._state is not None:
            self._state.save(self.world, self._own_state(), services)


def _die() -> None:
    os._exit(137)


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
