"""What Jupyter starts as the kernel: asks for a fork, and stands for it while it lives.

Run by its path with ``python -I -S``, so that it is there within milliseconds: it imports nothing
but the standard library, and nothing of this package. It passes on an interrupt and ends with the
fork; when it is killed the fork sees the end of the line and ends too. Where nobody answers it
becomes an ordinary kernel.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from typing import NoReturn

PARENT_LOOK = 1.0
"""Seconds between two looks whether the server that started this is still there."""


def ask(address: str, arguments: list[str]) -> tuple[socket.socket, int] | None:
    """Ask for a fork that runs a kernel; return the line to it and its process id.

    None where nobody answers, or the answer is that this kernel must be an ordinary one.
    """
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.getcwd()  # noqa: PTH109 - pathlib alone takes longer to import than all of this
    wanted = {"arguments": arguments, "folder": folder, "environment": dict(os.environ)}
    body = json.dumps(wanted).encode()
    try:
        line.connect(address)
        socket.send_fds(line, [len(body).to_bytes(4, "big")], [0, 1, 2])
        line.sendall(body)
        answer = line.recv(16)
    except OSError:
        answer = b""
    number = int(answer or b"0")
    if not number:
        line.close()
        return None
    return line, number


def stand_for(line: socket.socket, process_id: int) -> None:
    """Wait until the fork has ended; pass on an interrupt, and end it with the server."""

    def interrupted(number: int, frame: object) -> None:
        os.killpg(process_id, signal.SIGINT)

    signal.signal(signal.SIGINT, interrupted)
    parent = os.getppid()
    while os.getppid() == parent:
        if select.select([line], [], [], PARENT_LOOK)[0] and not line.recv(1):
            return


def become_ordinary(arguments: list[str]) -> NoReturn:
    """Become the kernel that Jupyter would have started."""
    os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", *arguments])


def main() -> None:
    """Take the address of who forks, then the kernel's own arguments."""
    address, *arguments = sys.argv[1:]
    found = ask(address, arguments)
    if found is None:
        become_ordinary(arguments)
    stand_for(*found)


if __name__ == "__main__":
    main()
