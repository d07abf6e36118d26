"""One change of a cluster's Allowed Principals, made the only way the platform bears it.

The rules are those of `risingwavelabs/terraform-provider-risingwavecloud` (commit f824548,
``internal/cloudsdk/region.go``): a change is accepted first (202) and applied later, two that
overlap are answered ``500 internal error``, and ``Failed`` does not heal by waiting.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from rwlib.cloud.answers import AllowedRoles
from rwlib.cloud.transport import ApiAnswer, UnreachableError
from rwlib.errors import ServiceError
from rwlib.runs import exclusive, locks_folder
from rwlib.waiting import rest, waiting_for


class AllowedRolesFailedError(ServiceError):
    """The platform gave up applying the list (status ``Failed``); waiting does not help.

    ``roles`` is the list as it was read afterwards.
    """

    def __init__(self, message: str, roles: AllowedRoles) -> None:
        self.roles = roles
        super().__init__(message)


class WaitTimeoutError(ServiceError):
    """The platform did not finish within the bound; a later run goes on from what it reads."""


@dataclass(frozen=True)
class Waiting:
    """What is being waited for, given to the progress callback at every look.

    ``elapsed`` and ``limit`` are seconds.
    """

    cluster_id: str
    reason: str
    elapsed: float
    limit: float

    def __str__(self) -> str:
        return f"{self.reason} ({self.elapsed:.0f} s of at most {self.limit:.0f} s)"


Progress = Callable[[Waiting], None]


@dataclass(frozen=True)
class Patience:
    """How long and how often to look. All in seconds.

    ``interval`` and ``limit`` are the provider's own. ``queue_limit`` bounds the wait for other
    changes of the same cluster on this machine. ``sleep`` and ``clock`` are there for tests.
    """

    interval: float = 2.0
    limit: float = 300.0
    queue_limit: float = 3600.0
    sleep: Callable[[float], None] = rest
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class RoleChange:
    """What a call did. ``changed`` is true only when this call's own request made the change."""

    cluster_id: str
    role_arn: str
    action: Literal["add", "remove"]
    changed: bool
    before: AllowedRoles
    after: AllowedRoles


class AllowedRolesCalls(Protocol):
    """The two calls that a change consists of."""

    def read(self) -> AllowedRoles:
        """Read the list."""

    def send(self, action: Literal["add", "remove"], role_arn: str) -> ApiAnswer:
        """Ask for one change, once."""


def change_allowed_role(
    calls: AllowedRolesCalls,
    cluster_id: str,
    role_arn: str,
    action: Literal["add", "remove"],
    *,
    patience: Patience,
    progress: Progress | None,
    lock_folder: Path | None = None,
) -> RoleChange:
    """Make one role allowed, or no longer allowed, and see it applied.

    Other entries are never touched. Safe to repeat, and safe to run twice at once: changes of one
    cluster queue on this machine, and one from elsewhere is waited for.

    Raises
    ------
    AllowedRolesFailedError, WaitTimeoutError
        See there. The change may be half applied; reading the list tells.
    """
    wait = _Wait(calls, cluster_id, role_arn, action == "add", patience, progress)
    with _one_change(lock_folder, wait):
        before = wait.until_ready()
        if wait.reached(before):
            return RoleChange(cluster_id, role_arn, action, False, before, before)
        changed = _ask(calls, wait, role_arn, action)
        return RoleChange(cluster_id, role_arn, action, changed, before, wait.until_applied())


def _ask(
    calls: AllowedRolesCalls, wait: _Wait, role_arn: str, action: Literal["add", "remove"]
) -> bool:
    """Send the request until it is accepted or has become needless; tell whether it was ours."""
    wait.start()
    answer_lost = False
    while True:
        try:
            answer = calls.send(action, role_arn)
        except UnreachableError as error:
            if not error.maybe_done:
                raise
            answer_lost = True
            wait.pause("the answer was lost; reading whether the change took effect")
        else:
            if answer.status == 202:
                return True
            if answer.status == (409 if action == "add" else 404):
                return answer_lost
            # 500 is how the platform says that another change is in flight; the others come from
            # a gateway in front of it. In no case is it known that nothing happened.
            if answer.status not in (429, 500, 502, 503, 504):
                raise ServiceError(
                    f"RisingWave Cloud answered {answer.status} to {answer.method} {answer.url}: "
                    f"{answer.message or 'no message'}."
                )
            answer_lost = answer_lost or answer.status in (502, 504)
            wait.pause("another change of this cluster is in flight; trying again after it")
        if wait.reached(wait.until_ready(restart=False, tolerant=True)):
            return answer_lost


class _Wait:
    """Look again and again, at most for the limit, until the list is as it should be."""

    def __init__(
        self,
        calls: AllowedRolesCalls,
        cluster_id: str,
        role_arn: str,
        present: bool,
        patience: Patience,
        progress: Progress | None,
    ) -> None:
        self.cluster_id = cluster_id
        self.patience = patience
        self._calls = calls
        self._role_arn = role_arn
        self._present = present
        self._progress = progress
        self._started = patience.clock()

    def start(self) -> None:
        self._started = self.patience.clock()

    def reached(self, roles: AllowedRoles) -> bool:
        return (self._role_arn in roles) == self._present

    def until_ready(self, *, restart: bool = True, tolerant: bool = False) -> AllowedRoles:
        if restart:
            self.start()
        return self._until(lambda roles: True, tolerant)

    def until_applied(self) -> AllowedRoles:
        """Wait for Ready *and* membership: Ready alone may still be the state before."""
        self.start()
        # "A read one second after the request is accepted already reports Updating": one that
        # is earlier could see the old state and the new list.
        self.pause("accepted; being applied", min(1.0, self.patience.interval))
        return self._until(self.reached, tolerant=True)

    def pause(self, reason: str, seconds: float | None = None, limit: float | None = None) -> None:
        """Sleep, unless the limit has passed."""
        limit = self.patience.limit if limit is None else limit
        elapsed = self.patience.clock() - self._started
        if elapsed >= limit:
            raise WaitTimeoutError(
                f"RisingWave Cloud did not finish within {limit:.0f} s for cluster "
                f"{self.cluster_id} ({reason}); run again to go on from there, and ask "
                "RisingWave support if it stays so."
            )
        if self._progress is not None:
            self._progress(Waiting(self.cluster_id, reason, elapsed, limit))
        with waiting_for(f"RisingWave Cloud: {reason}"):
            self.patience.sleep(self.patience.interval if seconds is None else seconds)

    def _until(self, done: Callable[[AllowedRoles], bool], tolerant: bool) -> AllowedRoles:
        while True:
            roles = self._look(tolerant)
            if roles is None:
                self.pause("RisingWave Cloud cannot be reached just now")
                continue
            if roles.status == "Failed":
                raise self._failed(roles)
            if roles.ready and done(roles):
                return roles
            listed = "listed" if self._role_arn in roles else "not listed"
            self.pause(f"status {roles.status}, role {listed}")

    def _look(self, tolerant: bool) -> AllowedRoles | None:
        """Read the list. Once a request is out, a broken connection is no reason to give up."""
        try:
            return self._calls.read()
        except UnreachableError:
            if not tolerant:
                raise
            return None

    def _failed(self, roles: AllowedRoles) -> AllowedRolesFailedError:
        listed = "is" if self._role_arn in roles else "is not"
        return AllowedRolesFailedError(
            f"the platform failed to apply the allowed IAM roles of cluster {self.cluster_id} "
            f"(status Failed; {self._role_arn} {listed} in its list): waiting does not help, ask "
            "RisingWave support.",
            roles,
        )


@contextmanager
def _one_change(lock_folder: Path | None, wait: _Wait) -> Iterator[None]:
    """Keep this machine's other changes of the cluster out while the block runs."""

    def queue(_: float) -> None:
        wait.pause(
            "another process of this machine is changing this cluster",
            min(0.25, wait.patience.interval),
            wait.patience.queue_limit,
        )

    wait.start()
    name = f"allowed-roles-{wait.cluster_id}"
    with ExitStack() as stack:
        try:
            # No bound here: the pause has its own, and ends the wait in its own sentence.
            held = exclusive(name, folder=lock_folder, timeout=math.inf, sleep=queue)
            stack.enter_context(held)
        except OSError as error:
            raise ServiceError(
                f"The lock file of cluster {wait.cluster_id} cannot be written in "
                f"{lock_folder or locks_folder()} ({error.strerror}); set XDG_STATE_HOME to a "
                "folder that is writable."
            ) from error
        yield
