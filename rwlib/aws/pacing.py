"""How fast an account's calls go once AWS throttles them, agreed by all processes of one machine.

IAM and STS throttle each account with token buckets (AWS Security Blog, "How to monitor and query
IAM resources at scale, part 2"), and publish neither their size nor their rate. So nothing is held
back until a call is refused; from then on the calls of that account and class keep a rate, which
a refusal multiplies by a factor below one, and which every answered call that had to wait raises
by a constant. A call that is tried again keeps the rate like any other.

Where single calls are refused well below the rate that was lowered last, where a token bucket
refuses none, the rate is not their cause: until that fades only refusals close together lower it.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import mmap
import random
import struct
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from rwlib.aws.errors import is_throttled

SLOTS = 509
"""Accounts times classes that are told apart; more of them share rates."""

_SLOT = struct.Struct("<Q9d")  # key, rate, next, cut, seen, at, step, top, since, luck
_FIRST_CUT, _CUT = 0.7, 0.8
_STEP = 0.04  # of the rate at the cut, a second
_FAST = 4  # times that where calls are refused by chance
_QUIET = 15.0  # seconds without a refusal; after twice as many it grows twice as fast
_SELDOM = 5  # answers between two refusals of which the rate need not be the cause
_BELOW = 0.9  # of the rate that was lowered: there an emptied bucket refuses nothing
_BY_CHANCE = 1.5  # refusals there
_FADING = 0.995  # of what was counted, with every answer
_SLOWEST = 0.2
_FASTER = 1.0  # as if it were that, for a slower rate
_FIRST_RATE = 10.0  # at least: few calls before the first refusal say nothing about the bucket
_HORIZON = 0.5
_READING = ("Get", "List", "Head", "Describe", "Validate", "AssumeRole")

Clock = Callable[[], float]


class Rates:
    """The rates, in memory that processes share that are forked from this one.

    A process may die at any point: what it holds, the system lets go.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the memory
        self._file.truncate(SLOTS * _SLOT.size)
        self._memory = mmap.mmap(self._file.fileno(), SLOTS * _SLOT.size)
        self._threads = threading.Lock()

    def reserve(self, account: str, kind: str, patience: float) -> tuple[float, bool]:
        """Return how long a call has to wait for its turn, and whether the turn is reserved.

        A turn is reserved only within ``patience`` seconds, so that few calls hold turns of a rate
        that has been lowered since.
        """
        with self._slot(account, kind) as slot:
            rate, now = slot.rate, self._clock()
            if rate <= 0:
                return 0.0, True
            turn = max(now, slot.next)
            if turn - now > patience:
                return turn - now, False
            slot.next = turn + 1 / rate
            return turn - now, True

    def answered(self, account: str, kind: str, *, waited: bool) -> None:
        """Note a call that was not refused; one that had to wait raises the rate."""
        with self._slot(account, kind) as slot:
            now = self._clock()
            slot.seen = slot.seen * math.exp(slot.at - now) + 1
            slot.at = now
            slot.since += 1
            slot.luck *= _FADING
            if slot.rate > 0 and waited:
                quiet = max(1.0, (now - slot.cut) / _QUIET)
                slot.rate += slot.step / slot.rate * (_FAST if slot.is_by_chance else quiet)

    def refused(self, account: str, kind: str, reserved: float) -> None:
        """Lower the rate; once for all calls whose turn was reserved before it was lowered."""
        with self._slot(account, kind) as slot:
            if slot.cut and reserved <= slot.cut:
                return
            seldom, slot.since = slot.since >= _SELDOM, 0.0
            if slot.rate > 0 and seldom:
                if slot.rate < slot.top * _BELOW:
                    slot.luck += 1
                if slot.is_by_chance:
                    return
            now = self._clock()
            if slot.rate <= 0:
                # What was answered in the last second or so, with what the bucket held.
                slot.rate = max(slot.seen * math.exp(slot.at - now) * _FIRST_CUT, _FIRST_RATE)
            else:
                slot.top = slot.rate
                slot.rate *= _CUT
            slot.rate = max(slot.rate, _SLOWEST)
            slot.step = max(slot.rate, _FASTER) * _STEP
            slot.cut = now
            # Who holds a turn of the rate before asks for another: `stands`.
            slot.next = now + 1 / slot.rate

    def stands(self, account: str, kind: str, reserved: float) -> bool:
        """Tell whether a turn still counts that was reserved at that time."""
        with self._slot(account, kind) as slot:
            return reserved > slot.cut

    def rate(self, account: str, kind: str) -> float:
        """Return the rate, in calls a second; 0 while nothing was refused."""
        with self._slot(account, kind) as slot:
            return slot.rate

    @contextlib.contextmanager
    def _slot(self, account: str, kind: str) -> Iterator[_Slot]:
        import fcntl

        digest = hashlib.blake2b(f"{account} {kind}".encode(), digest_size=8).digest()
        key = int.from_bytes(digest, "little") or 1
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                slot = self._find(key)
                yield slot
                slot.write(self._memory)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _find(self, key: int) -> _Slot:
        for step in range(SLOTS):
            place = (key + step) % SLOTS * _SLOT.size
            slot = _Slot(place, *_SLOT.unpack_from(self._memory, place))
            if slot.key in (0, key):
                slot.key = key
                return slot
        place = key % SLOTS * _SLOT.size
        return _Slot(place, *_SLOT.unpack_from(self._memory, place))


class _Slot:
    """The rate of one account and class.

    ``seen`` is the number of answers of about the last second at the time ``at``; ``since``, of
    those since the last refusal. ``top`` is the rate that was lowered last,
    and ``luck`` counts, fading, the single refusals that came well below it.
    """

    __slots__ = (
        "at",
        "cut",
        "key",
        "luck",
        "next",
        "place",
        "rate",
        "seen",
        "since",
        "step",
        "top",
    )

    def __init__(
        self, place: int, key: int, rate: float, next_: float, cut: float, seen: float,
        at: float, step: float, top: float, since: float, luck: float,
    ) -> None:  # fmt: skip
        self.place, self.key, self.rate, self.next = place, key, rate, next_
        self.cut, self.seen, self.at, self.step = cut, seen, at, step
        self.top, self.since, self.luck = top, since, luck

    @property
    def is_by_chance(self) -> bool:
        """Calls are refused whatever the rate: a lower one helps nobody."""
        return self.luck >= _BY_CHANCE

    def write(self, memory: mmap.mmap) -> None:
        values = (self.rate, self.next, self.cut, self.seen, self.at, self.step)
        chance = (self.top, self.since, self.luck)
        _SLOT.pack_into(memory, self.place, self.key, *values, *chance)


class Pacing:
    """Keeps one process's calls to the rates; has to be attached to its clients.

    Parameters
    ----------
    rates
        Shared with the other processes.

    Attributes
    ----------
    account
        Whose calls these are; empty until it is known.
    refused
        Number of refused calls by class.
    waited
        Seconds that calls waited for their turn.
    """

    def __init__(
        self,
        rates: Rates,
        *,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.account = ""
        self.refused: Counter[str] = Counter()
        self.waited = 0.0
        self._rates = rates
        self._clock = clock
        self._sleep = sleep
        self._sent = threading.local()

    def attach(self, client: Any) -> None:
        """Keep a client's requests to the rate, those it sends again too."""
        events = client.meta.events
        # Before it is signed: a signature is good for minutes only.
        events.register_first("request-created", self._before, unique_id="rwlib-pacing")
        events.register("response-received", self._after, unique_id="rwlib-pacing-after")

    def _before(self, *, event_name: str, **_: object) -> None:
        kind = kind_of(event_name)
        started, tries, has_turn = self._clock(), 0, False
        while not has_turn:
            asked = self._clock()
            wait, has_turn = self._rates.reserve(self.account, kind, _HORIZON * (1 + tries))
            if not wait:
                break
            tries += 1
            self._sleep(wait if has_turn else random.uniform(0.5, 1.0) * _HORIZON)
            has_turn = has_turn and self._rates.stands(self.account, kind, asked)
        self._sent.reserved, self._sent.waited = asked, tries > 0
        if tries:
            self.waited += self._clock() - started

    def _after(self, *, event_name: str, parsed_response: Any = None, **_: object) -> None:
        kind = kind_of(event_name)
        code = (parsed_response or {}).get("Error", {}).get("Code", "")
        if is_throttled(code):
            self.refused[kind] += 1
            self._rates.refused(self.account, kind, getattr(self._sent, "reserved", 0.0))
        elif parsed_response is not None:
            waited = getattr(self._sent, "waited", False)
            self._rates.answered(self.account, kind, waited=waited)


def kind_of(event_name: str) -> str:
    """Return the class of a call from an event such as ``request-created.iam.GetRole``.

    Reads and writes have buckets of their own, and so have simulations, which are dearer.
    """
    _, service, operation = event_name.split(".", 2)
    if operation.startswith("Simulate"):
        return f"{service}:simulate"
    return f"{service}:{'read' if operation.startswith(_READING) else 'write'}"


def open_pacing() -> Pacing | None:
    """Return the pacing for the processes that will be forked; None where none can be."""
    try:
        import fcntl  # noqa: F401
    except ImportError:
        return None
    return Pacing(Rates())
