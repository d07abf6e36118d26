"""The server that looks up once what is installed before it starts."""

from __future__ import annotations

import asyncio
import copy
import os
import select
from concurrent.futures import ThreadPoolExecutor

import pytest

from rwlib.kernels.serving import (
    begin_the_next_page_when_asked,
    check_schemas_once,
    make_exporters_once,
    tell_when_a_page_is_made,
)
from rwlib.report import quick_jsonschema

SCHEMA = {"type": "object", "properties": {"windowingMode": {"type": "string"}}}


@pytest.fixture
def checked(monkeypatch):
    """Which schemas are really checked once `check_schemas_once` was called."""
    jsonschema = quick_jsonschema()
    check, seen = jsonschema.Draft7Validator.check_schema, []

    def watched(schema):
        seen.append(copy.deepcopy(schema))
        check(schema)

    monkeypatch.setattr(jsonschema.Draft7Validator, "check_schema", watched)
    check_schemas_once()
    check_schemas_once()
    return jsonschema, seen


def test_a_schema_that_is_right_is_checked_once(checked):
    jsonschema, seen = checked
    jsonschema.Draft7Validator.check_schema(copy.deepcopy(SCHEMA))
    jsonschema.Draft7Validator.check_schema(copy.deepcopy(SCHEMA))
    assert seen == [SCHEMA]


def test_a_schema_that_was_changed_is_checked_again(checked):
    jsonschema, _ = checked
    schema = copy.deepcopy(SCHEMA)
    jsonschema.Draft7Validator.check_schema(schema)
    schema["properties"]["windowingMode"]["type"] = "sentence"
    for _ in range(2):  # what is wrong is wrong every time
        with pytest.raises(jsonschema.SchemaError):
            jsonschema.Draft7Validator.check_schema(schema)


def test_exporters_are_made_once_and_those_of_a_configuration_every_time(monkeypatch):
    base = pytest.importorskip("nbconvert.exporters.base")
    asked = []

    def get_export_names(config=None):
        asked.append(config)
        return ["html", "pdf"]

    monkeypatch.setattr(base, "get_export_names", get_export_names)
    monkeypatch.setattr(base, "get_exporter", base.get_exporter)
    make_exporters_once()
    base.get_export_names().append("changed by who asked")
    assert base.get_export_names() == ["html", "pdf"]
    assert asked == [None]
    base.get_export_names(config={"HTMLExporter": {}})
    assert len(asked) == 2


def run(coroutine):
    """Run it beside the event loop that a browser's driver may have left running in this thread."""
    with ThreadPoolExecutor(1) as beside:
        return beside.submit(asyncio.run, coroutine).result()


@pytest.fixture
def voila(monkeypatch):
    """Voilà's own manager, handler and renderer, as they are again after the test."""
    manager = pytest.importorskip("voila.voila_kernel_manager")
    from voila.handler import VoilaHandler
    from voila.notebook_renderer import NotebookRenderer

    monkeypatch.setattr(manager, "wait_before", manager.wait_before)
    for owner, name in (
        (VoilaHandler, "should_use_rendered_notebook"),
        (NotebookRenderer, "generate_content_hybrid"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    return manager, VoilaHandler, NotebookRenderer


def test_a_page_that_is_asked_for_within_the_pause_is_begun_at_once(voila):
    manager, handler, _ = voila
    begin_the_next_page_when_asked()

    async def page():
        return "made"

    async def asked_twice():
        for _ in range(2):
            waiting = asyncio.ensure_future(manager.wait_before(600, page()))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            assert handler.should_use_rendered_notebook(None, {"theme": "light"}, 1, None, None, {})
            assert await asyncio.wait_for(waiting, 20) == "made"

    run(asked_twice())


def test_a_page_that_nobody_asks_for_is_begun_after_the_pause(voila):
    manager, _, _ = voila
    begin_the_next_page_when_asked()

    async def page():
        return "made"

    assert run(manager.wait_before(0.05, page())) == "made"


def test_whoever_waits_is_told_when_the_first_page_is_made(voila, monkeypatch):
    _, _, renderer = voila
    told = []

    async def make(self):
        told.append(bool(select.select([made], [], [], 0)[0]))

    monkeypatch.setattr(renderer, "generate_content_hybrid", make)
    made, tell = os.pipe()
    tell_when_a_page_is_made(tell)
    for _ in range(2):
        run(renderer.generate_content_hybrid(object.__new__(renderer)))
    assert told == [False, True]
    assert os.read(made, 1) == b""
    os.close(made)


def test_whoever_waits_is_told_when_no_page_can_be_made(voila, monkeypatch):
    _, _, renderer = voila

    async def make(self):
        raise ValueError("no such cell")

    monkeypatch.setattr(renderer, "generate_content_hybrid", make)
    made, tell = os.pipe()
    tell_when_a_page_is_made(tell)
    with pytest.raises(ValueError, match="no such cell"):
        run(renderer.generate_content_hybrid(object.__new__(renderer)))
    assert os.read(made, 1) == b""
    os.close(made)
