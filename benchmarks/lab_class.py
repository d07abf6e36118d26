"""A class on one machine: every learner's lab alone, and then all of them at once.

Starts `rwlib lab serve`, gives each learner a Jupyter kernel with their own seat, and runs a lab's
notebook in it cell by cell, as a learner does, thinking before each cell. First each learner works
alone, one after the other; then all do at the same time, in fresh kernels. Prints for each learner
the seconds from the kernel's start to the passed check, and how much of that was waiting; the
processor seconds of all; and the memory of the server and of the kernels while every lab is open.

Usage: python benchmarks/lab_class.py [--learners N] [--labs 3,5,9,7] [--think S] [--alone N]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
from jupyter_client.manager import KernelManager

from rwlib.headless import notebook_path
from rwlib.labs import class_key, find_lab
from rwlib.labs.scores import read_class

_MEGABYTE = 1024 * 1024


@dataclass
class Worked:
    """One learner's lab: how long it took, how much of that was waiting, what it left running."""

    learner: str
    lab: int
    seconds: float
    waited: float
    processor: float
    """Processor seconds of the kernel."""
    kernel: int
    """Memory of the kernel in bytes at the end of the lab, shared pages by their share."""


def cells(number: int) -> list[str]:
    """Return the code of a lab's notebook; at the end it applies the solution."""
    notebook = nbformat.read(notebook_path(f"labs/{find_lab(number).file_name}"), as_version=4)
    code = [each for each in notebook.cells if each.cell_type == "code"]
    given = "\nsolve = True\nseed = 1"
    return [
        each.source + (given if "parameters" in each.metadata.get("tags", ()) else "")
        for each in code
    ]


def run(client: Any, code: str) -> str:
    """Run a cell, and give what it showed; a cell that fails ends the benchmark."""
    asked = client.execute(code)
    shown = []
    while True:
        message = client.get_iopub_msg(timeout=300)
        if message["parent_header"].get("msg_id") != asked:
            continue
        content = message["content"]
        if message["msg_type"] == "error":
            raise RuntimeError("\n".join(content["traceback"]))
        if message["msg_type"] == "execute_result":
            shown.append(content["data"].get("text/plain", ""))
        if message["msg_type"] == "status" and content["execution_state"] == "idle":
            return "\n".join(shown)


def work(
    seat: dict[str, Any], lab: int, think: float, together: threading.Barrier | None = None
) -> Worked:
    """Do a lab in a kernel of one's own; who works together waits until all are done."""
    started = time.monotonic()
    manager = KernelManager()
    environment = {**os.environ, "RWLIB_SEAT": seat["seat"]}
    manager.start_kernel(env=environment, stderr=subprocess.DEVNULL)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=300)
        thought = 0.0
        shown = ""
        for code in cells(lab):
            shown = run(client, code)
            time.sleep(think)
            thought += think
        seconds = time.monotonic() - started
        if not shown.endswith("Lab solved."):
            raise RuntimeError(f"{seat['learner']}, lab {lab}: {shown}")
        process = psutil.Process(getattr(manager.provisioner, "pid", None))
        kernel, processor = process.memory_full_info().pss, sum(process.cpu_times()[:2])
        if together is not None:
            together.wait(timeout=600)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return Worked(seat["learner"], lab, seconds, seconds - thought, processor, kernel)


@contextmanager
def served(learners: int, home: Path) -> Iterator[tuple[list[dict[str, Any]], psutil.Process]]:
    """Serve a class by the command, and give its seats and its process."""
    rwlib = [sys.executable, "-m", "rwlib", "lab"]
    key = home / "key"
    subprocess.run([*rwlib, "key", str(key)], check=True, stdout=subprocess.DEVNULL)
    command = [*rwlib, "serve", "--learners", str(learners), "--json"]
    command += ["--state", str(home / "class"), "--key-file", str(key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            seats = json.loads(process.stdout.readline())["seats"]
            yield seats, psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def memory(server: psutil.Process) -> int:
    """Bytes of memory of the server and its processes, shared pages by their share."""
    every = [server, *server.children(recursive=True)]
    return sum(int(each.memory_full_info().pss) for each in every)


def spent(server: psutil.Process) -> float:
    """Processor seconds of the server and its processes until now."""
    every = [server, *server.children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in every)


def at_once(
    seats: Sequence[dict[str, Any]], labs: Sequence[int], think: float, server: psutil.Process
) -> tuple[list[Worked], int]:
    """Let all learners work at the same time; give also the server's memory at the end."""
    found: list[Worked] = []
    weighed: list[int] = []
    together = threading.Barrier(len(seats), action=lambda: weighed.append(memory(server)))

    def one(seat: dict[str, Any], lab: int) -> None:
        try:
            found.append(work(seat, lab, think, together))
        except BaseException:
            together.abort()
            raise

    threads = [
        threading.Thread(target=one, args=(seat, lab))
        for seat, lab in zip(seats, labs, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, max(weighed, default=0)


def main() -> int:
    """Measure and print; 1 when a lab is slower or larger than it may be, or a score is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=20)
    parser.add_argument("--labs", default="3,5,9,7", help="dealt among the learners")
    parser.add_argument("--think", type=float, default=5.0, help="seconds before each cell")
    parser.add_argument("--alone", type=int, default=0, help="how many work alone first; 0: all")
    parser.add_argument("--most", type=float, default=120, help="megabytes an open lab may have")
    given = parser.parse_args()
    kinds = [int(each) for each in given.labs.split(",")]
    count = given.learners
    labs = [kinds[number % len(kinds)] for number in range(count)]
    with tempfile.TemporaryDirectory(prefix="rwlib-class-") as folder:
        home = Path(folder)
        with served(2 * count + 1, home) as (seats, server):
            first, second = seats[:count], seats[count : 2 * count]
            chosen = list(zip(first, labs, strict=True))[: given.alone or count]
            work(seats[-1], labs[0], 0.0)  # the first lab of all imports what every lab needs
            begun = spent(server)
            alone = [work(seat, lab, given.think, None) for seat, lab in chosen]
            each = (spent(server) - begun) / len(alone)
            usual = {lab: min(w.seconds for w in alone if w.lab == lab) for lab in set(labs)}
            waits = {lab: min(w.waited for w in alone if w.lab == lab) for lab in set(labs)}
            begun, clock = spent(server), time.monotonic()
            everybody, weighed = at_once(second, labs, given.think, server)
            seconds = time.monotonic() - clock
            processor = (spent(server) - begun) / count
        learners, broken = read_class([home / "class"], class_key(home / "key"))
    print(
        f"{'learner':<12} {'lab':>3} {'alone s':>8} {'at once s':>9} {'ratio':>6} {'waits s':>14}"
    )
    for w in sorted(everybody, key=lambda w: w.learner):
        alone_s, wait = usual[w.lab], waits[w.lab]
        waited = f"{wait:.1f} -> {w.waited:.1f}"
        print(
            f"{w.learner:<12} {w.lab:>3} {alone_s:8.1f} {w.seconds:9.1f}"
            f" {w.seconds / alone_s:6.2f} {waited:>14}"
        )
    slowest = max((w.seconds / usual[w.lab] for w in everybody), default=0.0)
    kernel = sum(w.kernel for w in everybody) / max(1, len(everybody)) / _MEGABYTE
    server_each = weighed / count / _MEGABYTE
    passed = [each for each in learners if each.passed == 1 and each.trust == "signed"]
    right = not broken and len(passed) == count + len(chosen) + 1
    print(f"{count} learners, {seconds:.0f} s; slowest {slowest:.2f} times its time alone")
    kernels = sum(w.processor for w in everybody) / max(1, len(everybody))
    print(f"processor of the server for a lab: alone {each:.2f} s, at once {processor:.2f} s")
    print(f"processor of a kernel for a lab: {kernels:.2f} s")
    print(f"memory: kernel {kernel:.0f} MB, server {server_each:.0f} MB for each open lab")
    print(f"scores right and signed: {right}")
    good = right and len(everybody) == count and slowest <= 3
    return 0 if good and kernel + server_each < given.most else 1


if __name__ == "__main__":
    sys.exit(main())
