"""Waiting that a person can see and end: for an answer, or for time to pass.

Whatever may take long waits here: calls to AWS, to RisingWave Cloud and to RisingWave, and the
pauses between two tries. Where nobody watches, that is the plain call and ``time.sleep``. Where a
person does (`watched`), the wait says what it is for as soon as it takes long, and ends at once
when it is stopped; what was asked for then is left to itself, and nothing more is sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import TypeVar

Answer = TypeVar("Answer")

SOON = 2.0
"""Seconds after which a wait is told."""

_TICK = 1.0


class StoppedError(KeyboardInterrupt):
    """A person ended the wait, as Ctrl-C does in a terminal.

    So nothing takes it for an answer: neither what tries again nor what goes on without one.
    """


@dataclass(eq=False)
class _Wait:
    """A wait that is under way: what for, since when, and what is known about it."""

    what: str
    known: str = ""
    started: float = field(default_factory=time.monotonic)


class Watch:
    """Somebody who sees what is waited for, and may end it.

    Parameters
    ----------
    tell
        Called with a sentence when a wait takes long, and while it goes on; from any thread, but
        never twice at the same time.
    soon
        Seconds after which a wait is told.
    """

    def __init__(self, tell: Callable[[str], None], *, soon: float = SOON) -> None:
        self._tell, self._soon = tell, soon
        self._changed = threading.Condition()
        self._telling = threading.Lock()
        self._waits: list[_Wait] = []
        self._said = ""
        self._begun = time.monotonic()
        self.stopped = False

    def stop(self) -> None:
        """End every wait at once, and let no other begin."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()

    def require(self) -> None:
        """Go on, unless somebody said stop.

        Raises
        ------
        StoppedError
            Somebody did.
        """
        if self.stopped:
            raise StoppedError("stopped")

    def until(self, done: Callable[[], bool], wait: _Wait, seconds: float = float("inf")) -> None:
        """Wait until something is done, for so many seconds at most.

        Raises
        ------
        StoppedError
            Somebody said stop meanwhile.
        """
        with self._changed:
            self._waits.append(wait)
        try:
            while not self.stopped and not done():
                waited = time.monotonic() - wait.started
                if waited >= seconds:
                    break
                next_word = min(_TICK, max(self._soon - self._age, 0.05), seconds - waited)
                with self._changed:
                    self._changed.wait_for(lambda: self.stopped or done(), next_word)
                if not done() and self._age >= self._soon:
                    self.say()
        finally:
            with self._changed:
                self._waits.remove(wait)
        if not done():
            self.require()

    def finish(self, note_done: Callable[[], None]) -> None:
        """Note that something is done, and wake who waits for it."""
        with self._changed:
            note_done()
            self._changed.notify_all()

    @property
    def _age(self) -> float:
        return time.monotonic() - self._begun

    def say(self) -> None:
        """Tell about the wait that goes on longest, and that something is known about."""
        with self._changed:
            waits = sorted(self._waits, key=lambda each: (not each.known, each.started))
        if not waits or self.stopped:
            return
        seconds = int(time.monotonic() - waits[0].started)
        said = waits[0].known or f"Waiting for {waits[0].what}"
        said += f" ({seconds} s)" if seconds else ""
        with self._telling:
            if said != self._said and not self.stopped:
                self._said = said
                self._tell(said)


_watch: ContextVar[Watch | None] = ContextVar("rwlib_watch", default=None)
_wait: ContextVar[_Wait | None] = ContextVar("rwlib_wait", default=None)


@contextmanager
def watched(tell: Callable[[str], None], *, soon: float = SOON) -> Iterator[Watch]:
    """Let a person see and end the waits of the block, and of the threads that it starts here."""
    watch = Watch(tell, soon=soon)
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


def answer_to(call: Callable[[], Answer], what: str) -> Answer:
    """Return what a call returns, or raise what it raises.

    Parameters
    ----------
    call
        Must not be in the way when it is left to itself: stopped, nobody waits for it any more.
    what
        What is waited for, as in "Waiting for AWS's answer to GetRole".

    Raises
    ------
    StoppedError
        Somebody said stop; the call may still take effect.
    """
    watch = _watch.get()
    if watch is None:
        return call()
    watch.require()
    wait = _Wait(what)
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def ask() -> None:
        _wait.set(wait)
        try:
            answer = call()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            watch.finish(lambda error=error: errors.append(error))  # type: ignore[misc]
        else:
            watch.finish(lambda: answers.append(answer))

    context = copy_context()
    threading.Thread(target=context.run, args=(ask,), name="rwlib-ask", daemon=True).start()
    watch.until(lambda: bool(answers or errors), wait)
    if errors:
        raise errors[0]
    return answers[0]


def rest(seconds: float) -> None:
    """Let time pass, as ``time.sleep`` does.

    Raises
    ------
    StoppedError
        Somebody said stop.
    """
    watch = _watch.get()
    if watch is None:
        time.sleep(seconds)
        return
    watch.require()
    known = _wait.get()
    what = "AWS to show everywhere what was written"
    watch.until(lambda: False, _Wait(what, known.known if known else ""), seconds)


def in_the_end(do: Callable[[], None]) -> None:
    """Do what has to be done on every way out; after a stop nobody waits for it.

    Parameters
    ----------
    do
        Raises nothing that somebody must see.
    """
    watch = _watch.get()
    if watch is None or not watch.stopped:
        do()
        return
    threading.Thread(target=do, name="rwlib-in-the-end").start()


def go_on() -> None:
    """Go on, unless somebody said stop: before anything more is sent.

    Raises
    ------
    StoppedError
        Somebody did.
    """
    watch = _watch.get()
    if watch is not None:
        watch.require()


def known(sentence: str) -> None:
    """Say what is known about the wait that goes on, such as who refused and what comes next."""
    watch, wait = _watch.get(), _wait.get()
    if watch is None or wait is None:
        return
    wait.known = sentence
    watch.say()


def is_watched() -> bool:
    """Tell whether somebody sees what is waited for here."""
    return _watch.get() is not None


@contextmanager
def waiting_for(sentence: str) -> Iterator[None]:
    """Say what the pauses of the block are for."""
    token = _wait.set(_Wait("", sentence))
    try:
        yield
    finally:
        _wait.reset(token)
