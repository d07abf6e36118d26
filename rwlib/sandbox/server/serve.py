"""What ``rwlib sandbox`` does: serve in the foreground until told to stop."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rwlib.environment import environment_text
from rwlib.sandbox.server.memory import MemoryKeeper
from rwlib.sandbox.server.server import Sandbox

_INSTALL = "install it with `pip install 'risingwave-iam-runbook[risingwave]'`"
WITHOUT_PSYCOPG = (
    f"note: RW_DSN needs psycopg, which is not installed; {_INSTALL}, or leave RW_DSN out: "
    "statements then go through the management API\n"
)
COMMENTED = (
    f"note: RW_DSN needs psycopg, which is not installed, so its line is a comment; {_INSTALL} to "
    "use it. Until then statements go through the management API\n"
)


def serve(
    port: int = 4566,
    state: Path | str | None = None,
    faults: Mapping[str, Any] | Sequence[str] = (),
    as_json: bool = False,
    *,
    seed: bool = True,
    child: bool = False,
    sql_port: int = 0,
    out: TextIO | None = None,
) -> int:
    """Serve a sandbox until SIGINT or SIGTERM, and print the environment to export first.

    Parameters
    ----------
    faults
        Names and values of `rwlib.sandbox.aws.faults.Faults`, or texts ``name=value``.
    as_json
        Print one line of JSON instead of shell ``export`` lines.
    child
        Also stop when standard input closes, which is when the parent process ends.
    sql_port
        Port of RisingWave's Postgres protocol; 0 takes a free one.
    out
        Where to print; standard output when not given.

    Returns
    -------
    int
        The exit code: 0, stopped as asked.
    """
    out = out or sys.stdout
    given = dict(faults) if isinstance(faults, Mapping) else fault_options(faults)
    sandbox = Sandbox(
        port=port, state=state, seed=seed, faults=given, own_process=True, sql_port=sql_port
    )
    with sandbox:
        for number in (signal.SIGINT, signal.SIGTERM):
            if threading.current_thread() is threading.main_thread():
                signal.signal(number, lambda *_: sandbox.stopped.set())
        if child:
            sandbox.application.parent = os.getppid()
            threading.Thread(target=_stop_at_end_of_input, args=(sandbox,), daemon=True).start()
        usable = importlib.util.find_spec("psycopg") is not None
        out.write(_printed(sandbox, as_json, usable))
        out.flush()
        if not child and not usable:
            sys.stderr.write(WITHOUT_PSYCOPG if as_json else COMMENTED)
        MemoryKeeper(sandbox.last_call).watch(sandbox.stopped)
    return 0


def _printed(sandbox: Sandbox, as_json: bool, usable: bool) -> str:
    """Write the environment; for a shell, what would stop the next command is a comment.

    Programs that read it as JSON have Postgres clients of their own.
    """
    dsn = {"RW_DSN": sandbox.dsn}
    if as_json:
        return environment_text({**sandbox.environment(), **dsn}, as_json)
    # The comment comes last: `eval $(...)` without quotes makes one line of all.
    mark = "" if usable else "# "
    return environment_text(sandbox.environment(), False) + mark + environment_text(dsn, False)


def fault_options(given: Sequence[str]) -> dict[str, Any]:
    """Read ``name=value`` options into faults; a value is JSON, or text where it is not."""
    found: dict[str, Any] = {}
    for option in given:
        name, _, value = option.partition("=")
        try:
            found[name] = json.loads(value) if value else True
        except ValueError:
            found[name] = value
    return found


def _stop_at_end_of_input(sandbox: Sandbox) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    sandbox.stopped.set()
