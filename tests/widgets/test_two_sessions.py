"""Two pages on one target: what one did is no news to the other, and is not done twice."""

from __future__ import annotations

import threading

import pytest

from rwlib import widgets
from rwlib.steps.step import State
from tests.widgets.test_guide import complete, world

pytestmark = pytest.mark.slow

__all__ = ["complete", "world"]


def open_page(values):
    made = widgets.page(values)
    made.sections = {number: made.section(number) for number in range(1, 7)}
    return made


@pytest.fixture
def pages(world, complete, monkeypatch):
    monkeypatch.setenv("RWLIB_GUIDED", "1")
    yield open_page(complete), open_page(complete)
    world.set_faults(latency=0)


def writes(world):
    found = [each["action"] for each in world.calls() if each["service"] == "iam"]
    return [each for each in found if not each.startswith(("Get", "List", "Simulate"))]


def said(page, number):
    return page.sections[number].apply.result.text


def test_what_another_page_wrote_since_the_preview_is_said_and_not_written_again(world, pages):
    one, other = pages
    for number in (1, 2, 4):
        one.sections[number].apply.button.click()
        world.forget_calls()
        other.sections[number].apply.button.click()
        assert writes(world) == []
        assert said(other, number).startswith("Nothing was left to write: somebody else did it")
        assert other.guide.state_of(number).state is State.SUCCESS


def test_what_another_page_took_back_is_neither_verified_nor_deleted_again(world, pages):
    one, other = pages
    for number in (1, 2, 4):
        one.sections[number].apply.button.click()
    other.guide.look()
    backs = [page.finish() for page in pages]
    for each in backs:
        each.ask.value = True
    backs[0].panel.button.click()
    world.forget_calls()
    backs[1].panel.button.click()
    assert writes(world) == []
    assert "Nothing to take back" in backs[1].panel.result.value
    assert other.guide.state_of(6).state is not State.SUCCESS


def test_two_clicks_at_the_same_time_write_once(world, pages):
    # Each call takes a while, so that the two are under way together.
    world.set_faults(latency=0.03)
    for number, wanted in ((1, "CreatePolicy"), (2, "CreateRole")):
        world.forget_calls()
        clicks = [
            threading.Thread(target=page.sections[number].apply.button.click) for page in pages
        ]
        for each in clicks:
            each.start()
        for each in clicks:
            each.join()
        assert writes(world).count(wanted) == 1
        assert len(writes(world)) == len(set(writes(world)))
        beginnings = sorted(said(page, number).split(" ")[0] for page in pages)
        assert beginnings == ["Done.", "Nothing"]
