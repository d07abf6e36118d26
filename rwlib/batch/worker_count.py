"""How many targets run at once where nobody said: as many as make the batch faster.

A target waits for AWS most of its time, so the count of the CPUs says little. The number grows
from eight for each CPU while the throughput grows with it, never past what memory and file
descriptors bear; it is tried again from time to time, upwards and downwards, found anew where a
target takes another time than before, and lowered while AWS throttles.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rwlib.batch.shortage import Bearable

MOST = 256
_FIRST_PER_CPU, _FIRST = 8, 64
_GROWTH = 4.0
_SPARE = 1.25  # more than the CPUs seem to bear, since not every second of a target is like another
_SHARE = 0.25  # of the growth that the throughput has to follow
_WORTH = 1.08  # what a try upwards has to bring
_SAME = 0.97  # what a try downwards has to keep
_ROUNDS = 6  # between two tries
_FEWER = 0.7  # where AWS throttles
_MORE = 1.25  # where it does no longer
_OTHER = 2.0  # times as long, or as short: something else than before is waited for
_MEMORY = 48 << 20  # bytes of a target's own, with room for a large one
_DESCRIPTORS = 4
_TASKS = 8  # threads of a target's process, and the one that waits for it
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Room:
    """How many targets this machine bears, and what bounds that."""

    most: int
    bound: str


def find_room(running: int = 0) -> Room:
    """Return how many targets fit into half of the free memory and the file descriptors left.

    Parameters
    ----------
    running
        So many have their memory and descriptors already.
    """
    found = Room(MOST, "the most there may be")
    free = free_memory()
    if free is not None:
        fits = running + int(free / 2 / _MEMORY)
        found = min(found, Room(fits, f"{free >> 20} MB of memory were free"), key=_most)
    left = free_descriptors()
    if left is not None:
        fits = running + left // _DESCRIPTORS
        found = min(found, Room(fits, f"{left} file descriptors were left"), key=_most)
    tasks = free_tasks()
    if tasks is not None:
        fits = running + tasks // _TASKS
        found = min(found, Room(fits, f"{tasks} processes and threads were left"), key=_most)
    return Room(max(1, found.most), found.bound)


def _most(room: Room) -> int:
    return room.most


def free_memory() -> int | None:
    """Return the bytes that may be taken, of the machine's and of the containers'; None if unknown.

    ``MemAvailable`` of Linux (proc(5)), and what a control group may use less what it uses, without
    the file cache that it would give back (Linux, cgroup-v2 and cgroup-v1/memory).
    """
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) << 10)
    for most, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        for group in control_groups("memory"):
            with contextlib.suppress(OSError, ValueError):  # "max" is no number
                left = int((group / most).read_text()) - int((group / used).read_text())
                found.append(max(0, left + _cached(group, cache)))
    return min(found, default=None)


def _cached(group: Path, name: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in (group / "memory.stat").read_text().splitlines():
            if line.startswith(f"{name} "):
                return int(line.split()[1])
    return 0


def free_tasks() -> int | None:
    """Return how many more processes and threads the containers allow; None if unknown.

    ``pids.max`` less ``pids.current`` of the control groups (Linux, cgroup-v2).
    """
    found: list[int] = []
    for group in control_groups("pids"):
        with contextlib.suppress(OSError, ValueError):
            most = int((group / "pids.max").read_text())
            found.append(max(0, most - int((group / "pids.current").read_text())))
    return min(found, default=None)


def control_groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control groups and those above, which bound it too.

    Each line of ``/proc/self/cgroup`` is a hierarchy, its controllers and the group's path; where
    a container sees its own group as the root, that path is not there (Linux, cgroups(7)).
    """
    paths = {"": "/"}
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            paths |= dict.fromkeys(names.split(","), path)
    # One hierarchy for all controllers, or one for each.
    for root, path in ((_CGROUP, paths[""]), (_CGROUP / controller, paths.get(controller, "/"))):
        group = root / path.strip("/")
        yield from (each for each in (group, *group.parents) if each.is_relative_to(root))


def usable_cpus() -> float:
    """Return how many CPUs this process may use: of the machine, of its affinity, of its container.

    ``cpu.max`` has microseconds of CPU and the period in which they may be used (Linux, cgroup-v2),
    as have ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us`` (cgroup-v1); it is not counted below one.
    """
    try:
        found: float = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        found = os.cpu_count() or 1
    for group in control_groups("cpu"):
        with contextlib.suppress(OSError, ValueError):
            quota, period = (group / "cpu.max").read_text().split()
            found = min(found, float(quota) / float(period))  # "max" is no number
        with contextlib.suppress(OSError, ValueError):
            old = float((group / "cpu.cfs_quota_us").read_text())
            if old > 0:
                found = min(found, old / float((group / "cpu.cfs_period_us").read_text()))
    return max(1.0, found)


def free_descriptors() -> int | None:
    """Return how many files this process may still open, 64 kept back; None if unknown."""
    try:
        import resource
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    try:
        used = sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:
        used = 0
    return max(0, soft - used - 64)


@dataclass
class _Round:
    """What was seen while one number stood."""

    count: int = 0
    running: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    queued: float = 0.0
    waited: float = 0.0
    refused: int = 0

    @property
    def throughput(self) -> float:
        """Targets a second, by Little's law: those under way over the time that each took."""
        return self.running / self.seconds if self.seconds else 0.0


@dataclass
class WorkerCount:
    """A number of targets at once that follows what is measured.

    Parameters
    ----------
    cpus
        That this process may use.
    room
        Says what the machine bears, given how many are running.
    """

    cpus: float = field(default_factory=lambda: usable_cpus())
    room: Callable[[int], Room] = find_room
    number: int = 0
    highest: int = 0
    why: str = ""
    """Why it is that number, in a few words."""
    bearable: Bearable = field(default_factory=Bearable)
    """What the machine was seen to bear, where it ran out of something."""
    _round: _Round = field(default_factory=_Round)
    _before: tuple[int, float] | None = None
    _climbing: bool = True
    _rests: int = 0
    _upwards: bool = True
    _generation: int = 0
    _unthrottled: int = 0
    """The number before AWS throttled, while it is lower because of that."""
    _took: float | None = None
    """Seconds of a target after the number was settled."""

    def __post_init__(self) -> None:
        room = self._room(0)
        first = min(int(_FIRST_PER_CPU * self.cpus), _FIRST)
        self._set(min(first, room.most), "the number to begin with; nothing has been learned yet")
        if self.number == room.most:
            self.why = room.bound

    def __call__(self) -> int:
        """Return the number."""
        return self.number

    def begin(self) -> None:
        """Measure anew from where it stands: other work begins."""
        self._climbing, self._before, self._rests, self._took = True, None, 0, None
        self._unthrottled = 0
        self._generation += 1
        self._start_round()

    @property
    def mark(self) -> int:
        """What a target that starts now is to be given back with to `ended`."""
        return self._generation

    def ended(
        self,
        mark: int,
        running: int,
        seconds: float,
        *,
        cpu_seconds: float = 0.0,
        queued: float = 0.0,
        waited: float = 0.0,
        refused: int = 0,
        accounts: int = 0,
    ) -> None:
        """Take note of a target that ended.

        Parameters
        ----------
        mark
            `mark` as it was when the target started: what started under another number says
            nothing about this one.
        running
            Targets that were under way, this one among them.
        queued
            Seconds of them in which the target could have gone on, and waited for a CPU.
        waited
            Seconds of them in which the target waited for its turn to call.
        refused
            How many of its calls were throttled.
        accounts
            Whose targets were under way. Each is throttled by itself, so two of each go on.
        """
        if mark != self._generation:
            return
        seen = self._round
        seen.count += 1
        seen.running += running
        seen.seconds += seconds
        seen.cpu_seconds += cpu_seconds
        seen.queued += queued
        seen.waited += waited
        seen.refused += bool(refused)
        if seen.count >= max(self.number / 4, 6) and self._is_throttled(seen):
            self._climbing, self._before = False, None
            self._unthrottled = max(self._unthrottled, self.number)
            least = min(self.number, max(1, 2 * accounts))
            self._set(max(least, int(self.number * _FEWER)), "AWS throttled the calls")
        elif self._unthrottled and seen.count >= max(self.number, 6):
            self._recover(seen, self._room(self.number))
        elif seen.count >= (max(self.number, 6) if self._climbing else max(2 * self.number, 24)):
            self._judge(seen)

    def ran_out(self) -> None:
        """Take note that `bearable` was lowered."""
        room = self._room(self.number)
        self._before = None
        if self.number > room.most:
            self._set(room.most, room.bound)
        self._settle(self.why)

    def _room(self, running: int) -> Room:
        room = self.room(running)
        if self.bearable.most < room.most:
            return Room(max(1, int(self.bearable.most)), self.bearable.why)
        return room

    def _judge(self, seen: _Round) -> None:
        room = self._room(self.number)
        if self.number > room.most:
            self._before = None
            self._set(room.most, room.bound)
        elif seen.running < 0.8 * self.number * seen.count:
            # Something else holds targets back: roles and accounts in use, the end of the file.
            self._start_round()
        elif self._is_other(seen):
            self._climbing, self._before = True, None
            self._grow(seen, room)
        elif self._before is not None:
            self._compare(seen, *self._before)
        elif self._climbing:
            self._grow(seen, room)
        else:
            self._rest(seen, room)

    def _is_other(self, seen: _Round) -> bool:
        """Tell whether a target takes another time, in all or on the way, than when it settled.

        Then how many are worth it is found out anew.
        """
        if self._climbing:
            return False
        took = (seen.seconds - seen.queued - seen.waited) / seen.count
        if self._took is None or seen.refused:
            self._took = took
        return not self._took / _OTHER < took < self._took * _OTHER

    @staticmethod
    def _is_throttled(seen: _Round) -> bool:
        """Tell whether fewer targets would do: nearly all are refused, or they mostly wait.

        Single refusals are how the rates of the calls are found, with any number of targets.
        """
        return seen.refused > seen.count * 3 / 4 or seen.waited > seen.seconds / 2

    def _recover(self, seen: _Round, room: Room) -> None:
        """Take more again after AWS throttled, as long as they do not wait for their turns."""
        if self.number > room.most:
            self._set(room.most, room.bound)
        elif seen.running < 0.8 * self.number * seen.count or seen.waited > seen.seconds / 4:
            self._start_round()
        elif self.number < min(self._unthrottled, room.most):
            wanted = min(int(self.number * _MORE) + 1, self._unthrottled, room.most)
            self._set(wanted, "AWS throttled the calls before, and they wait less now")
        else:
            self._unthrottled, self._climbing = 0, True
            self._grow(seen, room)

    def _grow(self, seen: _Round, room: Room) -> None:
        """Try more, as many as the CPUs seem to bear by what a target needs of them.

        That is the number at which the CPUs are just busy: the time that a target takes while
        nobody is in its way, over its time on a CPU (Denning and Buzen, "The Operational Analysis
        of Queueing Network Models", 1978). With more, each waits for the others.
        """
        alone = max(seen.seconds - seen.queued, seen.cpu_seconds)
        share = seen.cpu_seconds / alone if alone else 1.0
        bears = self.cpus / share * _SPARE if share > 0 else MOST
        wanted = int(min(bears, self.number * _GROWTH, room.most))
        if wanted < self.number * 1.2 and bears > room.most:
            self._set(max(self.number, wanted), room.bound)
            self._settle(room.bound)
            return
        if wanted < self.number * 1.2:
            self._settle(f"{seen.throughput * 60:.0f} targets a minute keep the CPUs busy")
            return
        self._before = (self.number, seen.throughput)
        told = f"{self.number} brought {seen.throughput * 60:.0f} targets a minute"
        self._set(wanted, f"{told}, and more were tried")

    def _compare(self, seen: _Round, number: int, throughput: float) -> None:
        """Keep what was tried where it was worth it, else go back."""
        self._before = None
        now, then = seen.throughput * 60, throughput * 60
        gain = seen.throughput / throughput if throughput else _GROWTH
        if self.number < number:
            if gain < _SAME:
                self._set(number, self.why)
            else:
                self.why = f"{number} brought no more than {now:.0f} targets a minute"
            self._settle(self.why)
        elif gain < 1 / _OTHER and seen.queued < seen.seconds / 2:
            # More targets do not bring so much less: what they wait for has become slower since.
            self._climbing = True
            self._grow(seen, self._room(self.number))
        elif self._climbing and gain >= 1 + _SHARE * (self.number / number - 1):
            self.why = f"it brought {now:.0f} targets a minute, and {number} only {then:.0f}"
            self._grow(seen, self._room(self.number))
        elif not self._climbing and gain < _WORTH:
            self._set(number, self.why)
            self._settle(self.why)
        elif self._climbing:
            tried = self.number
            back = min(tried, max(number, int(number * gain * 1.1)))
            self._set(back, f"{tried} brought {now:.0f} targets a minute, and {number} {then:.0f}")
            self._settle(self.why)
        else:
            self._settle(f"it brought {now:.0f} targets a minute, and {number} only {then:.0f}")

    def _rest(self, seen: _Round, room: Room) -> None:
        """Stay; after some rounds try a few more or a few fewer."""
        self._rests += 1
        if self._rests < _ROUNDS:
            self._start_round()
            return
        self._rests = 0
        wanted = self.number * 1.25 + 1 if self._upwards else self.number * 0.8
        self._upwards = not self._upwards
        wanted = max(1, min(int(wanted), room.most))
        if wanted == self.number:
            self._start_round()
            return
        self._before = (self.number, seen.throughput)
        self._set(wanted, self.why)

    def _settle(self, why: str) -> None:
        if self._climbing:
            self._took = None
        self._climbing, self._rests, self.why = False, 0, why
        self._start_round()

    def _set(self, number: int, why: str) -> None:
        self._generation += number != self.number
        self.number, self.why = number, why
        self.highest = max(self.highest, number)
        self._start_round()

    def _start_round(self) -> None:
        self._round = _Round()
