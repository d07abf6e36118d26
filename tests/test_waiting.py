"""What takes long is said, and ends when a person says stop; unwatched, it just waits."""

from __future__ import annotations

import ast
import threading
import time

import pytest

from rwlib.errors import RunbookError
from rwlib.waiting import (
    StoppedError,
    answer_to,
    in_the_end,
    known,
    rest,
    waiting_for,
    watched,
)
from tests.support import tree

# Processes and servers of their own, which no click waits for.
NOT_ASKED_BY_A_CLICK = ("sandbox", "labs", "batch", "headless", "kernels", "launcher.py")
# Batches alone have a pacing, and nobody sits before one.
MAY_SLEEP = {"waiting.py", "aws/pacing.py"}


def stopped_after(seconds, watch):
    threading.Timer(seconds, watch.stop).start()


def test_unwatched_a_call_is_made_where_it_is():
    assert answer_to(threading.current_thread, "an answer") is threading.current_thread()


@pytest.mark.parametrize("wait", [lambda: rest(60), lambda: answer_to(lambda: time.sleep(5), "it")])
def test_stop_ends_a_wait_at_once_and_lets_no_other_begin(wait):
    asked = []
    with watched(lambda sentence: None) as watch:
        stopped_after(0.05, watch)
        started = time.monotonic()
        with pytest.raises(StoppedError):
            wait()
        assert time.monotonic() - started < 1
        with pytest.raises(StoppedError):
            answer_to(lambda: asked.append(1), "it")
    assert asked == []


def test_nothing_takes_a_stop_for_an_answer():
    assert not issubclass(StoppedError, RunbookError)
    assert not issubclass(StoppedError, Exception)


def test_a_wait_is_told_once_it_takes_long_with_what_is_known_of_it():
    said = []

    def call():
        time.sleep(0.15)
        known("refused for now")
        time.sleep(0.1)
        return 7

    with watched(said.append, soon=0.05):
        assert answer_to(call, "the answer") == 7
        with waiting_for("Waiting for the other run"):
            rest(0.1)
    assert said[0] == "Waiting for the answer"
    assert "refused for now" in said
    assert said[-1] == "Waiting for the other run"
    said.clear()
    with watched(said.append):
        answer_to(lambda: 1, "the answer")
    assert said == []


def test_an_error_comes_to_who_waits():
    with watched(lambda sentence: None), pytest.raises(ZeroDivisionError):
        answer_to(lambda: 1 / 0, "it")


def test_what_must_be_done_is_done_after_a_stop_and_nobody_waits_for_it():
    done = threading.Event()
    with watched(lambda sentence: None) as watch:
        in_the_end(done.set)
        assert done.is_set()
        done.clear()
        watch.stop()
        started = time.monotonic()
        in_the_end(lambda: (answer_to(lambda: time.sleep(0.3), "it"), done.set()))
        assert time.monotonic() - started < 0.25
    assert done.wait(5)


def test_nothing_that_a_click_does_sleeps_on_its_own():
    found = []
    for path in tree.modules():
        where = path.relative_to(tree.PACKAGE).as_posix()
        if where.startswith(NOT_ASKED_BY_A_CLICK) or where in MAY_SLEEP:
            continue
        for node in ast.walk(tree.parsed(path)):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep":
                found.append(f"{where}:{node.lineno}")
    assert found == []
