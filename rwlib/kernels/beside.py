"""Starts the process that forks kernels, and tells Jupyter to ask it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rwlib.headless import can_fork

_ASKING = Path(__file__).with_name("asking.py")
_FORKING = "rwlib.kernels.forking"
NAME = "python3"
"""The kernel that the notebooks ask for; there is no other than this one where they are served."""


@contextmanager
def kernels_beside(folder: Path) -> Iterator[dict[str, str]]:
    """Run a process that forks kernels, and give the variables with which Jupyter finds it.

    Parameters
    ----------
    folder
        Where the kernel's description is written for Jupyter, and taken away at the end.
    """
    if not can_fork() or not hasattr(os, "killpg"):
        yield {}
        return
    # Short, for an AF_UNIX address has 107 characters at most, and nobody else's to enter:
    # https://man7.org/linux/man-pages/man7/unix.7.html
    place = Path(tempfile.mkdtemp(prefix="rwlib-"))
    address = place / "kernels"
    # Open before the process is there, so that who asks early waits at the door.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(str(address))
        door.listen(16)
        process = subprocess.Popen(
            [sys.executable, "-m", _FORKING, str(door.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[door.fileno()],
            start_new_session=True,
        )
    try:
        _describe(folder, address)
        given = os.environ.get("JUPYTER_PATH", "")
        yield {"JUPYTER_PATH": os.pathsep.join(filter(None, [str(folder), given]))}
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _describe(folder: Path, address: Path) -> None:
    """Describe the kernel for Jupyter, as ipykernel describes its own."""
    from ipykernel.kernelspec import get_kernel_dict

    spec = get_kernel_dict()
    argv = [sys.executable, "-I", "-S", str(_ASKING), str(address), "-f", "{connection_file}"]
    path = folder / "kernels" / NAME / "kernel.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**spec, "argv": argv}, indent=1) + "\n", encoding="utf-8")
