"""Sessions of operator roles: one for each role, used until shortly before it expires.

They live in the memory of the process that hands out the jobs, and a job is given the session of
its own target alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

SECONDS = 3600.0
"""How long a session lasts: STS's default, and its maximum for a role assumed from another."""

_EARLY = 600.0  # a target that has just started must be able to end

Answer = dict[str, Any]


class OperatorSessions:
    """Assumes operator roles, once for many targets.

    Parameters
    ----------
    run
        Runs a job; the role is assumed in a child, as the target's profile.
    """

    def __init__(
        self,
        run: Callable[[Mapping[str, Any]], Answer],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._clock = clock
        self._guard = threading.Lock()
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._sessions: dict[tuple[str, str], tuple[float, dict[str, str]]] = {}

    def with_keys(self, job: Mapping[str, Any]) -> Answer:
        """Return the job with the session of its operator role, if it has one.

        Where the role cannot be assumed the job is returned as it is, and says so itself.
        """
        target = job.get("target") or {}
        if not target.get("operator_role_arn"):
            return dict(job)
        keys = self._keys(target)
        return {**job, "keys": keys} if keys else dict(job)

    def _keys(self, target: Mapping[str, Any]) -> dict[str, str] | None:
        which = (target.get("aws_profile", ""), target["operator_role_arn"])
        with self._guard:
            lock = self._locks.setdefault(which, threading.Lock())
        with lock:
            until, keys = self._sessions.get(which, (0.0, {}))
            if self._clock() >= until:
                started = self._clock()
                answer = self._run({"kind": "assume", "target": dict(target), "timeout": 120.0})
                keys = answer.get("keys") or {}
                if not keys:
                    return None
                self._sessions[which] = (started + SECONDS - _EARLY, keys)
            return keys
