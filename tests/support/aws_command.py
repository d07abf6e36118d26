"""AWS's own command line as a program ``aws`` that starts fast.

A script calls it a dozen times, and each time Python would import it anew. Here a process imports
it once, and every call is a fork of it, with the caller's arguments, environment and files.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

_CALLER = """\
#!{python} -ISB
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    asked = json.dumps([sys.argv, dict(os.environ)]).encode()
    socket.send_fds(line, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    line.sendall(asked)
    sys.exit(line.recv(1)[0])
"""


@contextmanager
def aws_command(folder: Path) -> Iterator[None]:
    """Put a program ``aws`` into a folder, while the block runs."""
    address = folder / "line"
    server = subprocess.Popen(
        [sys.executable, "-m", __name__, str(address)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        program = folder / "aws"
        program.write_text(_CALLER.format(python=sys.executable, address=str(address)))
        program.chmod(0o755)
        yield
    finally:
        server.kill()
        server.communicate()


def _answer(line: socket.socket, main: Callable[[list[str]], int]) -> None:
    first, files, _, _ = socket.recv_fds(line, 4, 3)
    size, asked = int.from_bytes(first, "big"), b""
    while len(asked) < size:
        asked += line.recv(size - len(asked))
    arguments, environment = json.loads(asked)
    child = os.fork()
    if child:
        for each in files:
            os.close(each)
        _, status = os.waitpid(child, 0)
        line.send(bytes([os.waitstatus_to_exitcode(status) % 256]))
        return
    for number, each in enumerate(files):
        os.dup2(each, number)
    data = os.environ["AWS_DATA_PATH"]  # set when awscli is imported
    os.environ.clear()
    os.environ.update({"AWS_DATA_PATH": data, **environment})
    code = 255
    try:
        code = main(arguments[1:])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _serve(address: str) -> None:
    import functools

    import awscli.clidriver
    import awscli.customizations
    import botocore.session

    botocore.session.create_loader = functools.lru_cache(botocore.session.create_loader)
    driver = awscli.clidriver.create_clidriver()
    # What every call needs is made once.
    warm = ["iam", "get-role", "--role-name", "x", "--generate-cli-skeleton"]
    with redirect_stdout(io.StringIO()):
        driver.main(warm)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen(8)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            line, _ = door.accept()
            with line:
                _answer(line, driver.main)


if __name__ == "__main__":
    _serve(sys.argv[1])
