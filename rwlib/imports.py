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
