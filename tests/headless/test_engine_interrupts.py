"""An interrupt ends the cell or the run wherever it arrives; nobody waits for a reply for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from papermill.exceptions import PapermillExecutionError

from rwlib.headless.engine import execute
from tests.support import places

pytestmark = pytest.mark.slow

KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}
ROOT = str(places.ROOT)

# What ipykernel calls before a cell and after it, and once more when the reply is sent.
BEFORE, AFTER, REPLIED = "init_metadata", "finish_metadata", "log.debug"

# The process sends itself a real signal where ipykernel's own code runs.
TRAP = """
import functools, os, signal
*path, name = {place!r}.split(".")
holder = functools.reduce(getattr, path, get_ipython().kernel)
real = getattr(holder, name)
def interrupted(*arguments):
    setattr(holder, name, real)
    os.kill(os.getpid(), signal.SIGINT)
    return real(*arguments)
"""
SET = "setattr(holder, name, interrupted)"

PROGRAM = """
import signal
from rwlib.headless.engine import execute
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
{before}
ended = "well"
try:
    execute("in.ipynb", "out.ipynb", in_process=True, {options})
except BaseException as error:
    ended = type(error).__name__
print(ended, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


def write_interrupted(folder: Path, place: str) -> Path:
    """Write a notebook whose second cell is interrupted at this place in ipykernel's code."""
    trap = TRAP.format(place=place)
    sources = [trap + SET, "1"] if place == BEFORE else [trap, SET]
    return write_notebook(folder / "in.ipynb", *sources, "print('went on')")


def write_notebook(path: Path, *sources: str) -> Path:
    cells = [new_code_cell(source) for source in sources]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)
    return path


def run_in_own_process(folder: Path, options: str = "", before: str = "") -> tuple[list[str], str]:
    """Run the folder's notebook in a new process; return what it printed and its errors."""
    program = f"import sys; sys.path.append({ROOT!r})\n"
    program += PROGRAM.format(options=options, before=before)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


def errors_of(cell) -> list[str]:
    return [output.ename for output in cell.outputs if output.output_type == "error"]


@pytest.mark.parametrize("options", ["", "allow_errors=True", "save_every=60.0"])
@pytest.mark.parametrize("place", [BEFORE, AFTER, REPLIED])
def test_run_ends_when_it_is_interrupted_around_a_cell(place, options, tmp_path):
    write_interrupted(tmp_path, place)
    assert run_in_own_process(tmp_path, options) == (["KeyboardInterrupt", "True"], "")
    executed = nbformat.read(tmp_path / "out.ipynb", 4)
    assert errors_of(executed.cells[1]) == ([] if place == REPLIED else ["KeyboardInterrupt"])
    assert executed.cells[2].execution_count is None
    assert executed.cells[2].outputs == []
    assert executed.metadata.papermill.end_time is not None


@pytest.mark.parametrize("place", [BEFORE, AFTER])
def test_child_replies_when_it_is_interrupted_around_a_cell(place, tmp_path):
    notebook = write_interrupted(tmp_path, place)
    with pytest.raises(PapermillExecutionError) as raised:
        execute(notebook, tmp_path / "out.ipynb", timeout=60)
    assert raised.value.ename == "KeyboardInterrupt"
    executed = nbformat.read(tmp_path / "out.ipynb", 4)
    assert executed.cells[-1].execution_count is None


def test_child_goes_on_when_it_was_interrupted_and_errors_are_allowed(tmp_path):
    notebook = write_interrupted(tmp_path, AFTER)
    with pytest.raises(PapermillExecutionError):
        execute(notebook, tmp_path / "out.ipynb", timeout=60, allow_errors=True)
    executed = nbformat.read(tmp_path / "out.ipynb", 4)
    assert executed.cells[-1].outputs[0].text == "went on\n"


@pytest.mark.parametrize("times", [1, 2])
def test_run_ends_when_it_is_interrupted_between_cells(times, tmp_path):
    write_notebook(tmp_path / "in.ipynb", "1", "print('went on')", "2")
    interrupt = f"[signal.raise_signal(signal.SIGINT) for _ in range({times} * (index == 1))]"
    progress = f"progress=lambda index, total, title: {interrupt}"
    said, errors = run_in_own_process(tmp_path, progress)
    assert said == ["KeyboardInterrupt", "True"]
    executed = nbformat.read(tmp_path / "out.ipynb", 4)
    assert [bool(cell.execution_count) for cell in executed.cells] == [True, False, False]
    # The first is noted until the next cell would start; the second is an exception at once.
    assert times == 2 or (errors, errors_of(executed.cells[1])) == ("", ["KeyboardInterrupt"])


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("try:\n    signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: ...", []),
        (
            "class Named:\n    def __set_name__(*_): signal.raise_signal(signal.SIGINT)\n"
            "class Owner:\n    named = Named()",
            ["RuntimeError" if sys.version_info < (3, 12) else "KeyboardInterrupt"],
        ),
        ("signal.raise_signal(signal.SIGINT)", ["KeyboardInterrupt"]),
    ],
    ids=["lost", "another", "itself"],
)
def test_run_ends_when_a_cell_makes_something_else_of_the_interrupt(source, seen, tmp_path):
    write_notebook(tmp_path / "in.ipynb", f"import signal\n{source}", "print('went on')")
    assert run_in_own_process(tmp_path) == (["KeyboardInterrupt", "True"], "")
    executed = nbformat.read(tmp_path / "out.ipynb", 4)
    assert [errors_of(cell) for cell in executed.cells] == [seen, []]
    assert executed.cells[1].execution_count is None


def test_run_ends_when_it_is_interrupted_just_before_a_reply_is_delivered(tmp_path):
    write_notebook(tmp_path / "in.ipynb", "1", "print('went on')")
    before = """
from rwlib.headless.engine.kernel import CellRunner
deliver = CellRunner._deliver
def interrupted(self, parts):
    if parts[0] == b"shell":
        CellRunner._deliver = deliver
        signal.raise_signal(signal.SIGINT)
    deliver(self, parts)
CellRunner._deliver = interrupted
"""
    said, errors = run_in_own_process(tmp_path, before=before)
    assert (said, errors) == (["KeyboardInterrupt", "True"], "")
    executed = nbformat.read(tmp_path / "out.ipynb", 4)
    assert errors_of(executed.cells[0]) == ["KeyboardInterrupt"]
    assert executed.cells[1].execution_count is None


def test_cell_says_that_it_was_interrupted_when_ipython_cannot_show_it(tmp_path):
    broken = "def broken(*_, **__): raise ValueError\n"
    broken += "get_ipython().InteractiveTB.structured_traceback = broken"
    notebook = write_notebook(tmp_path / "in.ipynb", broken, "raise KeyboardInterrupt")
    with pytest.raises(PapermillExecutionError) as raised:
        execute(notebook, tmp_path / "out.ipynb")
    assert raised.value.ename == "KeyboardInterrupt"
