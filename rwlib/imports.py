"""Imports that are done without a part that nobody needs and that takes long."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast


@contextmanager
def without_modules(*names: str) -> Iterator[None]:
    """Let imports of these modules fail while the block runs, unless they are imported already."""
    missing = [name for name in names if name not in sys.modules]
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    for name in missing:
        modules[name] = None
    try:
        yield
    finally:
        for name in missing:
            if modules.get(name, ...) is None:
                del modules[name]


_PLUGIN_LOADER = "pydantic.plugin._loader"


@contextmanager
def without_pydantic_plugins() -> Iterator[None]:
    """Build pydantic's models without asking every installed package whether it extends them.

    A model that is built after the block is extended as ever. Where pydantic looks for its
    extensions under another name, the block only takes longer.
    """
    if _PLUGIN_LOADER in sys.modules:
        yield
        return
    none = ModuleType(_PLUGIN_LOADER)
    none.__dict__["get_plugins"] = tuple
    sys.modules[_PLUGIN_LOADER] = none
    try:
        yield
    finally:
        del sys.modules[_PLUGIN_LOADER]
