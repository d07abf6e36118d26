"""What makes the first cell start early: imports that are skipped, and imports done ahead."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any, cast

AWS_SERVICES = ("iam", "s3", "sts", "kms")

# What a new shell imports for its first cells and its first traceback.
_SHELL_MODULES = (
    "IPython.core.completerlib",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "bdb",
    "pygments.formatters.terminal256",
    "rwlib.engine.ownprocess",
    "rwlib.engine.progress",
    "stack_data",
    "tornado.platform.asyncio",
)


@contextlib.contextmanager
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
    """Import papermill and nbformat without the parsers that neither of them needs.

    Where JupyterLab is installed, ``import nbformat`` builds some 35 grammars of the package
    ``rfc3987_syntax`` (https://github.com/python-jsonschema/jsonschema/issues/1428). jsonschema
    does without the package when it cannot be imported, and so it is for these imports.
    """
    with without_modules("rfc3987_syntax"), uncollected():
        importlib.import_module("papermill.execute")


def warm(modules: Iterable[str] = ()) -> None:
    """Import ahead what notebooks need, so that every process forked from now on has it.

    Starts no thread, makes no call and keeps no credentials.

    Parameters
    ----------
    modules
        More modules to import, by name. One that is not installed is passed over.
    """
    with uncollected():
        quick_imports()
        from rwlib.engine.plugin import warm_up

        warm_up()
        _share_service_models()
        for name in (*_SHELL_MODULES, "rwlib", "ipywidgets", *modules):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    gc.collect()
    # What is frozen is never visited by a collection, so its memory stays shared with the
    # children: https://docs.python.org/3/library/gc.html#gc.freeze
    gc.freeze()


def _share_service_models() -> None:
    """Load botocore's models of the services once, for every session of every child."""
    try:
        import boto3
        import botocore.loaders
        import botocore.session
    except ImportError:
        return
    create_loader = botocore.loaders.create_loader
    if not hasattr(create_loader, "shared"):
        loaders: dict[str | None, Any] = {}

        def shared_loader(search_path_string: str | None = None) -> Any:
            if search_path_string not in loaders:
                loaders[search_path_string] = create_loader(search_path_string)
            return loaders[search_path_string]

        shared_loader.shared = loaders  # type: ignore[attr-defined]
        botocore.session.create_loader = shared_loader
    # Nobody's profile, nobody's credentials: the clients are thrown away and never call.
    nobody = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    session = boto3.Session(
        aws_access_key_id="none",
        aws_secret_access_key="none",
        region_name="us-east-1",
        botocore_session=botocore.session.Session(session_vars=nobody),
    )
    for service in AWS_SERVICES:
        session.client(cast("Any", service)).close()
