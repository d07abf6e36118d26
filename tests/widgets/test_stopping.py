"""AWS is slow, throttles or is silent: the page says so, and Stop ends the wait at once."""

from __future__ import annotations

import threading
import time

import pytest

from rwlib import widgets
from rwlib.steps.step import State
from tests.widgets.test_guide import ROLE, complete, world

pytestmark = pytest.mark.slow

__all__ = ["complete", "world"]


@pytest.fixture
def page(world, complete, monkeypatch):
    monkeypatch.setenv("RWLIB_GUIDED", "1")
    made = widgets.page(complete)
    made.start = made.plan()
    made.sections = {number: made.section(number) for number in range(1, 7)}
    yield made
    world.set_faults(throttle=0, latency=0, only="*")


def said_until_stopped(page, press, *, contains, at_most=6.0):
    """Press, stop as soon as the words are on the page; return what was said and how soon."""
    line, said, times = page.guide.line, [], {}

    def look():
        started = time.monotonic()
        while time.monotonic() - started < at_most:
            if contains in line.text:
                assert any(line.box in each.children for each in boxes_of(page)), "not on the page"
                said.append(line.text)
                times["seen"] = time.monotonic() - started
                times["stop"] = time.monotonic()
                line.stop.click()
                return
            time.sleep(0.01)

    person = threading.Thread(target=look)
    person.start()
    press()
    times["over"] = time.monotonic()
    person.join()
    assert said, f"{contains!r} was not said; last: {line.text!r}"
    return said[0], times["seen"], times["over"] - times["stop"]


def boxes_of(page):
    def inside(box):
        yield box
        for each in getattr(box, "children", ()):
            yield from inside(each)

    panels = [page.start, *page.sections.values()]
    return [each for panel in panels for each in inside(panel.box) if hasattr(each, "children")]


@pytest.mark.parametrize(
    ("faults", "contains"),
    [
        ({"throttle": 1.0}, "AWS throttles this account's calls"),
        ({"server_error": 1.0}, "AWS has a fault of its own"),
        ({"latency": 4.0}, "Waiting for AWS's answer to iam"),
    ],
    ids=["throttled", "fault", "silent"],
)
def test_what_keeps_aws_is_said_within_seconds_and_stop_ends_it_at_once(
    page, world, faults, contains
):
    world.set_faults(**faults, only="iam:*")
    apply = page.sections[1].apply.button
    _, seen, rest = said_until_stopped(page, apply.click, contains=contains)
    assert seen < 4
    assert rest < 1
    world.set_faults(throttle=0, latency=0, server_error=0)
    assert page.guide.line.box not in [c for box in boxes_of(page) for c in box.children]
    sentence = page.guide.state_of(1).sentence
    assert sentence.startswith("Stopped. Nothing was written")
    assert apply.disabled
    world.forget_calls()
    time.sleep(0.3)
    assert not [each for each in world.calls() if "Create" in str(each)]
    page.start.button.click()
    assert page.guide.halted == ""
    apply.click()
    assert page.guide.state_of(1).state is State.SUCCESS


def test_what_was_written_before_the_stop_is_said_and_applying_again_does_the_rest(page, world):
    page.sections[1].apply.button.click()
    world.set_faults(throttle=1.0, only="iam:AttachRolePolicy")
    press = page.sections[2].apply.button.click
    said_until_stopped(page, press, contains="it refused AttachRolePolicy for now")
    sentence = page.guide.state_of(2).sentence
    assert f"Created IAM role arn:aws:iam::111122223333:role/{ROLE}" in sentence
    assert "iam attach role policy was on its way and may have taken effect" in sentence
    world.set_faults(throttle=0)
    page.start.button.click()
    assert page.guide.state_of(2).state is State.CONFIGURED
    page.sections[2].apply.button.click()
    assert [each.state for each in page.guide.states][:3] == [State.SUCCESS] * 3


def test_who_does_not_answer_a_write_is_not_asked_again_by_a_look(page, world, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    page.guide.look()
    world.set_faults(throttle=1.0, only="iam:*")
    world.forget_calls()
    page.sections[1].apply.button.click()
    assert {each["action"] for each in world.calls()} == {"GetPolicy"}
    sentence = page.guide.state_of(1).sentence
    assert "AWS throttles this account's calls" in sentence
    assert "Nothing was written; press Preview" in sentence
    world.set_faults(throttle=0)
    page.start.button.click()
    assert page.guide.state_of(1).state is State.CONFIGURED


def test_typing_into_the_form_can_be_stopped_too(page, world):
    form = page.inputs()
    world.set_faults(latency=4.0)
    line = form._line

    def look():
        while not line.text:
            time.sleep(0.01)
        line.stop.click()

    threading.Thread(target=look).start()
    started = time.monotonic()
    form.fields["bucket"].value = "acme-encrypted"
    assert time.monotonic() - started < 4
    assert form.values["bucket"] == "acme-encrypted"
    assert "Stopped" in form.fields["bucket"].message.value
