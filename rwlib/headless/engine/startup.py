"""What makes the first cell start early: imports that are skipped, and imports done ahead."""

from __future__ import annotations

import contextlib
import gc
import importlib
from collections.abc import Iterator

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
