"""The waiting rules of Allowed Principals, on a platform whose clock the test holds."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from filelock import FileLock

from rwlib.cloud.allowed_roles import (
    AllowedRolesFailedError,
    Patience,
    RoleChange,
    Waiting,
    WaitTimeoutError,
    change_allowed_role,
)
from rwlib.cloud.answers import AllowedRoles
from rwlib.cloud.transport import ApiAnswer, UnreachableError
from rwlib.errors import ServiceError

CLUSTER = "019d023e-68a6-74db-b73c-e18859fc5171"
ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
OTHER = "arn:aws:iam::777788889999:role/theirs"

Action = Literal["add", "remove"]


@dataclass
class Clock:
    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Platform:
    """Accepts a change, shows it as Updating, and is Ready ``settle`` seconds later."""

    clock: Clock
    roles: list[str] = field(default_factory=lambda: [OTHER])
    settle: float = 3.0
    fails: bool = False
    busy_until: float = -1.0
    answers: list[int | str] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    overlaps: int = 0

    def read(self) -> AllowedRoles:
        self.calls.append("read")
        if len(self.calls) in self.unreadable:
            raise UnreachableError("gone", maybe_done=True)
        status = "Ready" if self.clock.now >= self.busy_until else "Updating"
        if status == "Ready" and self.fails:
            status = "Failed"
        return AllowedRoles(role_arns=tuple(self.roles), status=status)

    def send(self, action: Action, role_arn: str) -> ApiAnswer:
        self.calls.append(action)
        planned = self.answers.pop(0) if self.answers else 202
        if self.clock.now < self.busy_until:
            self.overlaps += 1
            planned = 500
        if planned == "lost before":
            raise UnreachableError("lost", maybe_done=True)
        if planned == "not sent":
            raise UnreachableError("refused", maybe_done=False)
        if planned in (202, "lost after"):
            if action == "add":
                self.roles.append(role_arn)
            else:
                self.roles.remove(role_arn)
            self.busy_until = self.clock.now + self.settle
            if planned == "lost after":
                raise UnreachableError("lost", maybe_done=True)
        assert isinstance(planned, int)
        return ApiAnswer("POST", "http://127.0.0.1/allowedIamRoles", planned, {"msg": "said"})


@dataclass
class Bench:
    clock: Clock
    platform: Platform
    folder: Path
    seen: list[Waiting] = field(default_factory=list)
    limit: float = 300.0

    def change(self, action: Action = "add") -> RoleChange:
        return change_allowed_role(
            self.platform,
            CLUSTER,
            ROLE,
            action,
            patience=Patience(
                limit=self.limit, sleep=self.clock.sleep, clock=lambda: self.clock.now
            ),
            progress=self.seen.append,
            lock_folder=self.folder,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    clock = Clock()
    return Bench(clock, Platform(clock), tmp_path)


def test_add_when_the_role_is_new(bench: Bench) -> None:
    change = bench.change()
    assert change.changed
    assert change.before.role_arns == (OTHER,)
    assert change.after.role_arns == (OTHER, ROLE)
    assert bench.platform.calls == ["read", "add", "read", "read"]
    # Not read within the first second, in which the old state may still show.
    assert bench.clock.slept == [1.0, 2.0]
    assert [str(waiting) for waiting in bench.seen] == [
        "accepted; being applied (0 s of at most 300 s)",
        "status Updating, role listed (1 s of at most 300 s)",
    ]


def test_add_when_the_role_is_there(bench: Bench) -> None:
    bench.platform.roles.append(ROLE)
    change = bench.change()
    assert not change.changed
    assert bench.platform.calls == ["read"]
    assert bench.clock.slept == []


def test_remove_when_the_role_is_there(bench: Bench) -> None:
    bench.platform.roles.insert(0, ROLE)
    change = bench.change("remove")
    assert change.changed
    assert bench.platform.roles == [OTHER]


def test_remove_when_the_role_is_gone(bench: Bench) -> None:
    assert not bench.change("remove").changed
    assert bench.platform.calls == ["read"]


def test_change_when_another_one_is_in_flight(bench: Bench) -> None:
    bench.platform.busy_until = 9.0
    assert bench.change().changed
    assert bench.platform.overlaps == 0
    assert bench.platform.calls[:6] == ["read"] * 6
    assert bench.platform.calls[6] == "add"


def test_change_when_the_platform_says_overlap(bench: Bench) -> None:
    bench.platform.answers = [500, 503, 202]
    assert bench.change().changed
    assert bench.platform.calls.count("add") == 3
    assert bench.platform.roles == [OTHER, ROLE]


@pytest.mark.parametrize(
    ("action", "status", "listed"), [("add", 409, True), ("remove", 404, False)]
)
def test_change_when_somebody_else_was_faster(
    bench: Bench, action: Action, status: int, listed: bool
) -> None:
    platform = bench.platform
    if action == "remove":
        platform.roles.append(ROLE)
    platform.answers = [status]
    original = platform.send

    def send(asked: Action, role_arn: str) -> ApiAnswer:
        platform.roles = [OTHER, ROLE] if listed else [OTHER]
        return original(asked, role_arn)

    platform.send = send  # type: ignore[method-assign]
    change = bench.change(action)
    assert not change.changed
    assert (ROLE in change.after) is listed


def test_change_when_its_answer_is_lost_after_it_took_effect(bench: Bench) -> None:
    bench.platform.answers = ["lost after"]
    change = bench.change()
    assert change.changed
    assert bench.platform.calls.count("add") == 1
    assert bench.platform.roles == [OTHER, ROLE]


def test_change_when_it_is_lost_on_the_way(bench: Bench) -> None:
    bench.platform.answers = ["lost before", 202]
    assert bench.change().changed
    assert bench.platform.roles == [OTHER, ROLE]


def test_change_when_nothing_can_be_sent(bench: Bench) -> None:
    bench.platform.answers = ["not sent"]
    with pytest.raises(UnreachableError):
        bench.change()
    assert bench.platform.calls == ["read", "add"]


def test_change_when_reading_breaks_while_waiting(bench: Bench) -> None:
    bench.platform.unreadable = [3, 4]
    assert bench.change().changed
    assert any("cannot be reached" in waiting.reason for waiting in bench.seen)


def test_change_when_reading_breaks_at_the_start(bench: Bench) -> None:
    bench.platform.unreadable = [1]
    with pytest.raises(UnreachableError):
        bench.change()
    assert bench.platform.calls == ["read"]


def test_change_when_the_list_has_failed_before(bench: Bench) -> None:
    bench.platform.fails = True
    with pytest.raises(AllowedRolesFailedError, match=f"roles of cluster {CLUSTER}.*is not in"):
        bench.change()
    assert bench.platform.calls == ["read"]


def test_change_when_the_platform_fails_to_apply_it(bench: Bench) -> None:
    platform = bench.platform
    original = platform.send

    def send(asked: Action, role_arn: str) -> ApiAnswer:
        platform.fails = True
        return original(asked, role_arn)

    platform.send = send  # type: ignore[method-assign]
    with pytest.raises(AllowedRolesFailedError, match="is in its list") as caught:
        bench.change()
    assert ROLE in caught.value.roles


@pytest.mark.parametrize("how", ["before", "overlap", "after", "never listed"])
def test_change_when_the_platform_never_finishes(bench: Bench, how: str) -> None:
    bench.limit = 20.0
    if how == "before":
        bench.platform.busy_until = 1e9
    elif how == "overlap":
        bench.platform.answers = [500] * 1000
    elif how == "after":
        bench.platform.settle = 1e9
    else:
        bench.platform.answers = [409]
    with pytest.raises(WaitTimeoutError, match="did not finish within 20 s"):
        bench.change()
    assert bench.clock.now <= 43.0


@pytest.mark.parametrize("status", [200, 405, 422])
def test_change_when_the_answer_is_none_of_the_known(bench: Bench, status: int) -> None:
    bench.platform.answers = [status]
    with pytest.raises(ServiceError, match=f"answered {status} to POST .*said"):
        bench.change()
    assert bench.platform.calls.count("add") == 1


def test_queue_when_another_process_holds_the_cluster(bench: Bench) -> None:
    holder = FileLock(bench.folder / f"allowed-roles-{CLUSTER}.lock")
    holder.acquire()
    platform = bench.platform
    sleep = bench.clock.sleep

    def release_later(seconds: float) -> None:
        sleep(seconds)
        if len(bench.clock.slept) == 3:
            assert platform.calls == []
            holder.release()

    bench.clock.sleep = release_later  # type: ignore[method-assign]
    assert bench.change().changed
    assert "another process of this machine" in bench.seen[0].reason


def test_queue_when_threads_change_one_cluster_at_once(tmp_path: Path) -> None:
    """Real threads and a platform that counts overlaps: there must be none."""
    overlaps = 0
    roles: list[str] = []
    busy = threading.Lock()

    class Calls:
        def read(self) -> AllowedRoles:
            return AllowedRoles(
                role_arns=tuple(roles), status="Updating" if busy.locked() else "Ready"
            )

        def send(self, action: Action, role_arn: str) -> ApiAnswer:
            nonlocal overlaps
            if not busy.acquire(blocking=False):
                overlaps += 1
                return ApiAnswer("POST", "", 500, None)
            roles.append(role_arn)
            return ApiAnswer("POST", "", 202, None)

    def sleep(seconds: float) -> None:
        # Time passes for the platform only when the one who changes waits.
        if seconds == 1.0 and busy.locked():
            busy.release()
        threading.Event().wait(0.001)

    def change(number: int) -> None:
        change_allowed_role(
            Calls(),
            CLUSTER,
            f"arn:aws:iam::111122223333:role/r{number}",
            "add",
            patience=Patience(sleep=sleep),
            progress=None,
            lock_folder=tmp_path,
        )

    threads = [threading.Thread(target=change, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == 0
    assert len(set(roles)) == len(roles) == 6


def test_lock_folder_when_it_cannot_be_written(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bench.folder = tmp_path / "file" / "locks"
    with pytest.raises(ServiceError, match="XDG_STATE_HOME"):
        bench.change()
    assert bench.platform.calls == []


def test_lock_when_waiting_is_interrupted(bench: Bench) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    bench.clock.sleep, sleep = interrupt, bench.clock.sleep  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        bench.change()
    bench.clock.sleep = sleep  # type: ignore[method-assign]
    bench.platform.busy_until = -1.0
    assert not bench.change().changed
    assert bench.platform.roles == [OTHER, ROLE]
