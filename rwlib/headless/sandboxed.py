"""A sandbox around a run, or around a notebook that nobody prepared."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rwlib.environment import enter_sandbox, only_sandbox
from rwlib.sandbox import Spawned, in_use, need_packages

# Ends with this process; a cell keeps no name of it.
_kept: list[Any] = []


@contextmanager
def in_sandbox() -> Iterator[None]:
    """Run a sandbox for the block, with its endpoints and keys in this process's environment.

    Raises
    ------
    RunbookError
        A package that the sandbox needs is not installed.
    """
    need_packages()
    with Spawned() as box, only_sandbox(box.environment()):
        yield


def stay_in_sandbox(state: Path | str = "sandbox") -> str:
    """Point this kernel at a sandbox on its machine, and at nothing else, for as long as it runs.

    For a notebook in a Jupyter that nobody prepared. A second kernel that names the same folder
    joins the sandbox of the first; it ends with the kernel that started it.

    Parameters
    ----------
    state
        Folder in which the sandbox's world is remembered.

    Raises
    ------
    RunbookError
        A package that the sandbox needs is not installed.
    """
    need_packages()
    known = Path(state).resolve() / "environment.json"
    if known.is_file() and in_use(known.parent):
        environment, how = json.loads(known.read_text(encoding="utf-8")), "joined"
    else:
        _kept.append(Spawned(state=known.parent))
        environment, how = _kept[-1].environment(), "started"
        known.write_text(json.dumps(environment), encoding="utf-8")
    enter_sandbox(environment, os.environ)
    return f"{how} the sandbox at {environment['AWS_ENDPOINT_URL']}; nothing real is touched"
