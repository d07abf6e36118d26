"""What makes the first cell start early: imports that are skipped, and imports done ahead."""

from __future__ import annotations

import contextlib
import gc
import importlib
from collections.abc import Iterator
from typing import Any

AWS_SERVICES = ("iam", "s3", "sts", "kms")

# What a new shell imports for its first cells and its first traceback.
_SHELL_MODULES = (
    "IPython.core.completerlib",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "bdb",
    "pygments.formatters.terminal256",
    "rwlib.headless.engine.ownprocess",
    "rwlib.headless.engine.progress",
    "stack_data",
    "tornado.platform.asyncio",
)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Suspend the garbage collector: what an import makes is kept, and looking at it takes time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def quick_imports() -> None:
    """Import papermill and nbformat without the parsers that neither of them needs."""
    from rwlib.report import quick_jsonschema

    with uncollected():
        quick_jsonschema()
        importlib.import_module("papermill.execute")
        _write_notebooks_quickly()


def _write_notebooks_quickly() -> None:
    """Let nbformat write the same text in less time."""
    from nbformat.v4 import nbjson

    from rwlib.report import indented_json

    class QuickEncoder(nbjson.BytesEncoder):
        def encode(self, o: Any) -> str:
            if self.indent != 1:
                return super().encode(o)
            how = {"sort_keys": self.sort_keys, "ensure_ascii": self.ensure_ascii}
            return indented_json(o, 1, default=self.default, **how)

    if nbjson.BytesEncoder.__name__ != QuickEncoder.__name__:
        nbjson.BytesEncoder = QuickEncoder  # type: ignore[misc]
