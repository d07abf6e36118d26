"""The environment variables under which a lab's checks look at its sandbox, and at nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_OURS = ("AWS_", "RWC_", "RW_", "RWLIB_TARGET", "RWLIB_RUN_DIR")


def enter(environment: Mapping[str, str]) -> None:
    """Point this process at a sandbox; real credentials leave its environment."""
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        del os.environ[name]
    os.environ.update(environment)


@contextmanager
def surrounded(environment: Mapping[str, str]) -> Iterator[None]:
    """Point this process at a sandbox for a while."""
    before = dict(os.environ)
    try:
        enter(environment)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
