"""Import ahead what notebooks need, for processes that fork from this one."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
from collections.abc import Iterable
from typing import Any, cast

from rwlib.headless.engine.startup import _SHELL_MODULES, AWS_SERVICES, quick_imports, uncollected


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
        from rwlib.headless.engine.plugin import warm_up

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
