"""A sandbox around a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rwlib.environment import only_sandbox
from rwlib.errors import RunbookError


@contextmanager
def in_sandbox() -> Iterator[None]:
    """Run a sandbox for the block, with its endpoints and keys in this process's environment.

    Raises
    ------
    RunbookError
        A package that the sandbox needs is not installed.
    """
    try:
        from rwlib.sandbox import Sandbox
    except ModuleNotFoundError as error:
        raise RunbookError(
            f"the sandbox needs {error.name}; install it with "
            "`pip install 'risingwave-iam-runbook[sandbox]'`"
        ) from None
    with Sandbox.spawn() as box, only_sandbox(box.environment()):
        yield
