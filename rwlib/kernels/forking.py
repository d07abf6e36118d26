"""The process that has imported everything, and forks a kernel for whoever asks.

Run as ``python -m rwlib.kernels.forking N``, where N is the file number of a socket that listens
already. It starts no thread, makes no call and keeps no credentials; it ends when its standard
input does, which its parent holds open. Only who may enter the folder of the socket can ask
(``AF_UNIX``, mode 0700).
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

# What a kernel imports before its first cell, and what the one page imports for its cells.
_MODULES = (
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "ipykernel.datapub",
    "IPython.core.history",
    "jedi",
    "boto3",
    "rwlib.cloud.allowed_roles",
    "rwlib.report",
    "rwlib.runbook.runbook",
    "rwlib.runs.lock",
    "rwlib.target.examples",
    "rwlib.target.yaml_file",
    "rwlib.widgets.opened",
    "rwlib.widgets.whole_page",
    "rwlib.widgets.notebook_guide",
    "rwlib.widgets.sections",
)


def serve(number: int) -> None:
    """Fork a kernel for whoever asks, until standard input ends."""
    # Ctrl-C in the terminal is the launcher's, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=number) as door:
        import_ahead()
        signal.signal(signal.SIGCHLD, _bury)
        while True:
            found, _, _ = select.select([door, sys.stdin], [], [])
            if sys.stdin in found:
                return
            line, _ = door.accept()
            with line:
                try:
                    wanted, files = _read(line)
                except (OSError, ValueError):
                    continue
                _answer(line, wanted, files, door)


def import_ahead() -> None:
    """Import what every kernel needs, and make what every page is made with."""
    from rwlib.connectors import connector_names, connector_profile
    from rwlib.display import page_parts
    from rwlib.headless import warm

    page_parts().style()
    for name in connector_names():
        connector_profile(name)
    warm(_MODULES)


def clients_ahead(environment: Mapping[str, str]) -> None:
    """Make the AWS clients that a kernel's first cell asks for, unless they are there.

    They are made for the place that is chosen now; a kernel that goes elsewhere makes its own. They
    hold nobody's credentials and have called nobody, see `rwlib.aws.clients`.

    Parameters
    ----------
    environment
        The variables that the kernel will have.
    """
    from rwlib.aws import open_ahead, open_like
    from rwlib.environment import EndpointSwitch, changed_environment

    # What cannot be read is the notebook's to say.
    with changed_environment({}), suppress(OSError, ValueError):
        os.environ.clear()
        os.environ.update(environment)
        switch = EndpointSwitch.from_environment()
        if switch:
            switch.follow()
        os.environ.setdefault("AWS_EC2_METADATA_SERVICE_NUM_ATTEMPTS", "1")
        ahead = open_like().ahead
        if ahead is None or not ahead.fits():
            open_ahead("standard")


def _read(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    line.settimeout(5)
    head, files, _, _ = socket.recv_fds(line, 4, 3)
    wanted = int.from_bytes(head, "big")
    body = b""
    while len(body) < wanted:
        part = line.recv(wanted - len(body))
        if not part:
            raise OSError("the line ended early")
        body += part
    line.settimeout(None)
    found: dict[str, Any] = json.loads(body)
    return found, files


def _answer(
    line: socket.socket, wanted: dict[str, Any], files: list[int], door: socket.socket
) -> None:
    """Fork the kernel and say its process id; 0 where Python itself is to be configured anew."""
    try:
        if _python_variables(wanted["environment"]) != _python_variables(os.environ):
            line.sendall(b"0")
            return
        clients_ahead(wanted["environment"])
        sys.stdout.flush()
        sys.stderr.flush()
        process_id = os.fork()
        if process_id == 0:
            door.close()
            _become(line, wanted, files)
        line.sendall(str(process_id).encode())
    except OSError:
        return
    finally:
        for each in files:
            os.close(each)


def _python_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what configures the interpreter itself, which a fork has from the start."""
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def _bury(number: int, frame: object) -> None:
    """Take note of children that ended, so that none stays a zombie."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _become(line: socket.socket, wanted: dict[str, Any], files: list[int]) -> NoReturn:
    """Be the kernel: in the folder, with the variables and the streams of who asked."""
    code = 1
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for target, given in enumerate(files):
            os.dup2(given, target)
            os.close(given)
        os.environ.clear()
        os.environ.update(wanted["environment"])
        time.tzset()
        os.chdir(wanted["folder"])
        sys.argv = ["ipykernel_launcher.py", *wanted["arguments"]]
        # The kernel ends when who forked it does.
        sys.argv.append(f"--IPKernelApp.parent_handle={os.getppid()}")
        if Path(sys.path[0]) == _BEGUN_IN:
            del sys.path[0]  # as ipykernel_launcher does; the shell adds the notebook's folder
        threading.Thread(target=_end_with, args=(line,), name="rwlib-line", daemon=True).start()
        kernels: Any = importlib.import_module("ipykernel.kernelapp")
        kernel = kernels.IPKernelApp.instance()
        kernel.initialize()
        answer_for_widgets()
        kernel.start()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - nothing of this process's parent may run on
        traceback.print_exc()
    finally:
        run_at_exit: Any = getattr(atexit, "_run_exitfuncs")  # noqa: B009 - not in its types
        run_at_exit()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def answer_for_widgets() -> None:
    """Let this kernel answer a page that asks which widgets it has.

    ipywidgets sees to that where it is imported inside a kernel; here it was imported before there
    was one. A page that gets no answer asks for each widget on its own, behind the cells that were
    run meanwhile, and whatever those show waits for the answers:
    https://github.com/jupyter-widgets/ipywidgets/blob/8.1.7/packages/base-manager/src/manager-base.ts
    """
    with suppress(ImportError):
        widgets: Any = importlib.import_module("ipywidgets")
        widgets.register_comm_target()


def _end_with(line: socket.socket) -> None:
    """End this process when the one that stands for it has ended."""
    try:
        while line.recv(1):
            pass
    finally:
        os._exit(1)


_BEGUN_IN = Path.cwd()

if __name__ == "__main__":
    serve(int(sys.argv[1]))
