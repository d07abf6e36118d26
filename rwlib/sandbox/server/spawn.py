"""A sandbox in a child process which ends with its parent."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from rwlib.errors import InputError, ServiceError
from rwlib.sandbox.endpoint import Endpoint
from rwlib.sandbox.server.memory import environment_of_server

PATIENCE = 180.0
"""Seconds a child may take until it answers; the first start of an installation compiles moto.

A child that ends is noticed at once.
"""


def told(error: InputError) -> dict[str, str]:
    """Write an error as a child tells it to its parent; `retold` makes it one again."""
    return {
        "field": error.field,
        "given": str(error.given),
        "hint": error.hint.removesuffix(f"; {error.todo}"),
        "todo": error.todo,
        "reason": error.reason,
    }


def retold(problem: Mapping[str, Any]) -> InputError:
    """Make the error again that a child has told."""
    return InputError(
        problem["field"],
        problem["given"],
        problem["hint"],
        reason=problem["reason"],
        todo=problem["todo"],
    )


def end_children(processes: Sequence[subprocess.Popen[Any]], patience: float) -> None:
    """End children that stop when their standard input closes; safe to call again.

    Parameters
    ----------
    patience
        Seconds that a child may take before it is killed.
    """
    for process in processes:
        if process.stdin and not process.stdin.closed:
            process.stdin.close()
    for process in processes:
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


class Spawned(Endpoint):
    """A sandbox in a child process; it answers when the constructor returns.

    The child holds the reading end of a pipe from this process, and stops when it closes: however
    this process ends, nothing is left behind.
    """

    def __init__(
        self,
        port: int = 0,
        state: Path | str | None = None,
        *,
        seed: bool = True,
        faults: dict[str, Any] | None = None,
    ) -> None:
        command = [sys.executable, "-m", "rwlib.sandbox", "--port", str(port), "--json", "--child"]
        if state is not None:
            command += ["--state", str(state)]
        if not seed:
            command += ["--no-seed"]
        for name, value in (faults or {}).items():
            command += ["--fault", f"{name}={json.dumps(value)}"]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment_of_server(), "PYTHONUNBUFFERED": "1"},
        )
        super().__init__(*self._wait_until_ready())

    def stop(self) -> None:
        """Ask the child to stop and wait for it; safe to call again."""
        end_children([self.process], patience=10.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_ready(self) -> tuple[str, str]:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            ready = waiting.select(timeout=PATIENCE)
        line = self.process.stdout.readline() if ready else b""
        try:
            said = json.loads(line)
            if "problem" in said:
                self.stop()
                raise retold(said["problem"])
            return str(said["AWS_ENDPOINT_URL"]), str(said["RW_DSN"])
        except InputError:
            raise
        except (ValueError, KeyError, TypeError):
            self.process.kill()
            _, complaint = self.process.communicate()
            silent = "it said nothing" if ready else f"no answer within {PATIENCE:.0f} seconds"
            reason = complaint.decode(errors="replace").strip() or silent
            raise ServiceError(f"sandbox: the child process did not start: {reason}") from None
