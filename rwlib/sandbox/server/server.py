"""A sandbox in this process."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Self

from rwlib.errors import InputError
from rwlib.sandbox.aws.session_tokens import ROOT_SECRET
from rwlib.sandbox.endpoint import Endpoint
from rwlib.sandbox.risingwave.postgres import PostgresPort
from rwlib.sandbox.server.app import Application
from rwlib.sandbox.server.listener import Listener, check_loopback


class Sandbox(Endpoint):
    """AWS and RisingWave Cloud on one loopback port, in a thread of this process.

    Parameters
    ----------
    port
        0 takes a free one.
    state
        A folder in which everything is kept, so that a restart continues; without one all is
        forgotten at the end.
    seed
        Start with the example accounts, buckets and roles.
    faults
        Names and values of `rwlib.sandbox.aws.faults.Faults`.
    host
        A loopback address; anything else is refused.
    own_process
        The process serves nothing else, so that a fault may kill it.
    sql_port
        Port of RisingWave's Postgres protocol; 0 takes a free one.
    secret
        Keeps other users of the machine out: the secret of every account's root user and of the
        API key, and asked for by the sandbox's own interface. The Postgres protocol, which knows
        no password here, is not served then.
    """

    def __init__(
        self,
        port: int = 0,
        state: Path | str | None = None,
        seed: bool = True,
        *,
        faults: dict[str, Any] | None = None,
        host: str = "127.0.0.1",
        own_process: bool = False,
        sql_port: int = 0,
        secret: str = "",
    ) -> None:
        check_loopback(host)
        super().__init__("", secret=secret)
        self.host = host
        self.port = port
        self.sql_port = sql_port
        self.state = Path(state) if state else None
        """Folder that survives a restart; None keeps nothing."""
        self.application = Application(self, state=self.state, seed=seed, faults=faults or {})
        self.application.may_die = own_process
        self.stopped = threading.Event()
        """Set when the sandbox was asked to stop, from here or through its own interface."""
        self._listener: Listener | None = None
        self._postgres: PostgresPort | None = None
        self._thread: threading.Thread | None = None

    @classmethod
    def spawn(cls, port: int = 0, state: Path | str | None = None, **options: Any) -> Any:
        """Start a sandbox as a child process, and wait until it answers.

        The child ends with this process. See `rwlib.sandbox.server.spawn.Spawned`.
        """
        from rwlib.sandbox.server.spawn import Spawned

        return Spawned(port=port, state=state, **options)

    def start(self) -> Self:
        """Bind the port and serve from a thread; ready when this returns."""
        if self._listener is not None:
            return self
        self.application.prepare()
        self._listener = Listener(self.host, self.port, self.application.handle)
        self.port = self._listener.port
        host = f"[{self.host}]" if ":" in self.host else self.host
        self._url = f"http://{host}:{self.port}"
        if self.secret == ROOT_SECRET:
            self._serve_postgres(host)
        self.stopped.clear()
        self._thread = threading.Thread(
            target=self._listener.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="sandbox",
            daemon=True,
        )
        self._thread.start()
        return self

    def _serve_postgres(self, host: str) -> None:
        assert self._listener is not None
        try:
            self._postgres = PostgresPort(self.host, self.sql_port, self.application.connect_sql)
        except OSError as error:
            self._listener.server_close()
            self._listener = None
            self.application.close()
            raise InputError("sql_port", str(self.sql_port), f"cannot be used: {error}") from None
        self.sql_port = self._postgres.port
        self._dsn = f"postgresql://root@{host}:{self.sql_port}/dev"

    def last_call(self) -> tuple[int, str]:
        """Say which call to AWS was the last; another answer means that somebody has asked."""
        calls = self.application.gateway.calls
        return len(calls), str(calls[-1]) if calls else ""

    def stop(self) -> None:
        """Stop serving and keep the state, if a folder was given; safe to call again."""
        self.stopped.set()
        postgres, self._postgres = self._postgres, None
        if postgres is not None:
            postgres.close()
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.shutdown()
        listener.server_close()
        if self._thread is not None:
            self._thread.join(timeout=10)
        self.application.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
