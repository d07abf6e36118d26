"""Runs JupyterLab's or Voilà's server with what they look up again and again looked up once.

Run as ``python -m rwlib.kernels.serving [--tell FD] MODULE [OPTION]...``. Both servers read the
entry points of every installed package anew for each exporter, kernel and page, and JupyterLab's
makes every exporter and checks the schema of every extension anew for each page that is opened;
all of that is installed before the server starts, and its answers are what a page waits for.

Voilà makes a page ahead. It closes the file descriptor ``FD`` when the first one is made, and
does not let who asks too early wait for the moment at which the next one was to be begun.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.metadata
import json
import os
import runpy
import sys
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any


def read_entry_points_once() -> None:
    """Let the entry points of the installed packages be read once in this process."""
    read: Any = importlib.metadata.entry_points
    if not hasattr(read, "cache_info"):
        once: Any = functools.cache(read)
        importlib.metadata.entry_points = once


def check_schemas_once() -> None:
    """Let a schema that was found right not be checked again in this process.

    Checking those of all extensions takes most of the time in which JupyterLab's settings are
    answered. A schema is known by all that stands in it, so that one that changed is checked.
    """
    with suppress(ImportError):
        validator: Any = importlib.import_module("jsonschema").Draft7Validator
        check: Any = validator.check_schema
        if hasattr(check, "right"):
            return
        right: set[str] = set()

        def check_once(schema: Any, *given: Any, **named: Any) -> None:
            with_all = json.dumps([schema, given, named], sort_keys=True, default=id)
            if with_all not in right:
                check(schema, *given, **named)
                right.add(with_all)

        check_once.right = right  # type: ignore[attr-defined]
        validator.check_schema = staticmethod(check_once)


def make_exporters_once() -> None:
    """Let nbconvert's exporters be made once in this process to find out which can be used.

    Only where nobody gives a configuration of their own.
    """
    with suppress(ImportError):
        exporters: Any = importlib.import_module("nbconvert.exporters.base")
        for name in ("get_exporter", "get_export_names"):
            setattr(exporters, name, _answered_once(getattr(exporters, name)))


def _answered_once(ask: Any) -> Any:
    """Return a function that asks once for each name that is given, and nothing else."""
    if hasattr(ask, "answers"):
        return ask
    answers: dict[tuple[str, ...], Any] = {}

    @functools.wraps(ask)
    def once(*given: Any, **named: Any) -> Any:
        if named or not all(isinstance(each, str) for each in given):
            return ask(*given, **named)
        if given not in answers:
            answers[given] = ask(*given)
        found = answers[given]
        return list(found) if isinstance(found, list) else found

    once.answers = answers  # type: ignore[attr-defined]
    return once


def begin_the_next_page_when_asked() -> None:
    """Let a page that is made ahead after a pause be begun as soon as somebody asks for a page.

    Voilà takes a page that waits for its pause to end for one that is being made, and whoever
    reloads the page within the pause waits for both.
    """
    manager: Any = importlib.import_module("voila.voila_kernel_manager")
    handler: Any = importlib.import_module("voila.handler").VoilaHandler
    asked = asyncio.Event()
    choose = handler.should_use_rendered_notebook

    async def wait_until_asked(delay: float, made: Awaitable[Any]) -> Any:
        asked.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), delay)
        return await made

    @functools.wraps(choose)
    def choose_and_begin(*given: Any, **named: Any) -> Any:
        asked.set()
        return choose(*given, **named)

    manager.wait_before = wait_until_asked
    handler.should_use_rendered_notebook = choose_and_begin


def tell_when_a_page_is_made(descriptor: int) -> None:
    """Close a file descriptor as soon as Voilà has made the first page ahead."""
    renderer: Any = importlib.import_module("voila.notebook_renderer").NotebookRenderer
    make = renderer.generate_content_hybrid

    @functools.wraps(make)
    async def make_and_tell(*given: Any, **named: Any) -> Any:
        renderer.generate_content_hybrid = make
        try:
            return await make(*given, **named)
        finally:
            os.close(descriptor)

    renderer.generate_content_hybrid = make_and_tell


def main() -> None:
    """Run the module that is named first with the options after it."""
    _, *options = sys.argv
    tell = int(options[1]) if options[0] == "--tell" else None
    module, *options = options[0 if tell is None else 2 :]
    read_entry_points_once()
    if module == "voila":
        begin_the_next_page_when_asked()
        if tell is not None:
            tell_when_a_page_is_made(tell)
    if module == "jupyterlab":
        check_schemas_once()
        make_exporters_once()
    sys.argv = [module, *options]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
