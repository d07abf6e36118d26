"""A run that does not end well ends as it does with papermill's own engine, and leaves nothing."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook
from papermill.exceptions import PapermillExecutionError

from rwlib.headless.engine import execute
from tests.support import places
from tests.support.engine_comparison import DATA, assert_equal, run, run_elsewhere

pytestmark = pytest.mark.slow

KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}


def write_notebook(path: Path, *sources: str) -> Path:
    cells = [new_code_cell(source) for source in sources]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)
    return path


def wait_until(condition, seconds: float = 20) -> bool:
    """Look again and again; the bound is only reached when the test fails."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def ended(process_id: int) -> bool:
    try:
        return psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_error_carries_the_same_facts_when_a_cell_raises(tmp_path):
    _, error = run("rwlib", "failing", tmp_path)
    assert isinstance(error, PapermillExecutionError)
    assert (error.ename, error.evalue) == ("RuntimeError", "failed with 1")
    assert error.exec_count == 3


def test_cells_after_the_error_run_when_errors_are_allowed(tmp_path):
    executed, error = run("rwlib", "failing", tmp_path, allow_errors=True)
    assert isinstance(error, PapermillExecutionError)
    assert executed.cells[-1].outputs[0].text == "never\n"


@pytest.mark.parametrize("how", ["sleep", "await", "loop"])
@pytest.mark.parametrize("in_process", [False, True], ids=["child", "own-process"])
def test_cell_is_stopped_when_its_time_is_over(how, in_process, tmp_path):
    options = {"timeout": 1, "in_process": in_process}
    executed, error = run_elsewhere("hangs", tmp_path, {"how": how}, **options)
    assert error.startswith("CellTimeoutError: A cell timed out while it was being executed")
    hanging = next(cell for cell in executed.cells if "waiting" in cell.source)
    assert [output.text for output in hanging.outputs] == ["waiting\n"]
    assert executed.cells[-1].execution_count is None


def test_notebook_is_as_papermill_leaves_it_when_time_is_over(tmp_path):
    # Long enough for the first cell of a kernel that has just started on a busy machine.
    executed, error = run("rwlib", "hangs", tmp_path, timeout=5)
    expected, expected_error = run("papermill", "hangs", tmp_path, timeout=5)
    assert_equal(expected, executed)
    assert type(error) is type(expected_error) is CellTimeoutError
    assert str(error) == str(expected_error)


def test_cell_puts_back_what_it_has_to_when_its_time_is_over(tmp_path):
    lock, ended_well = tmp_path / "lock", tmp_path / "atexit"
    notebook = write_notebook(
        tmp_path / "in.ipynb",
        "import atexit, pathlib, time\n"
        f"lock = pathlib.Path({str(lock)!r})\n"
        f"atexit.register(pathlib.Path({str(ended_well)!r}).touch)\n"
        "lock.touch()\n"
        "try:\n    time.sleep(60)\nfinally:\n    lock.unlink()",
    )
    with pytest.raises(CellTimeoutError):
        execute(notebook, tmp_path / "out.ipynb", timeout=1)
    assert not lock.exists()
    assert ended_well.exists()


FORKS = """
import os
read_end, write_end = os.pipe()
child = os.fork()
if child == 0:
    os.write(write_end, b"child")
    raise ValueError("in the child")
os.waitpid(child, 0)
print(os.read(read_end, 5).decode())
"""


@pytest.mark.parametrize("in_process", [False, True], ids=["child", "own-process"])
def test_child_that_a_cell_forked_ends_with_the_cell(in_process, tmp_path):
    notebook = write_notebook(tmp_path / "in.ipynb", FORKS, "print('next')")
    program = (
        "import os; from rwlib.headless.engine import execute\n"
        f"execute({str(notebook)!r}, {str(tmp_path / 'out.ipynb')!r}, in_process={in_process})\n"
        "os.write(1, b'returned')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(places.ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.count("returned") == 1, done.stderr
    executed = nbformat.read(tmp_path / "out.ipynb", 4)
    said = [[each.get("text") for each in cell.outputs] for cell in executed.cells]
    assert said[0][-1].endswith("child\n")
    assert said[1] == ["next\n"]


@pytest.mark.parametrize("wait", ["time.sleep(60)", "await asyncio.sleep(60)"])
def test_cell_is_interrupted_when_papermill_is_asked_to(wait, tmp_path, caplog):
    source = f"import asyncio, time\nprint('waiting', flush=True)\n{wait}"
    notebook = write_notebook(tmp_path / "in.ipynb", source, "'never'")
    with pytest.raises(PapermillExecutionError) as raised:
        execute(notebook, tmp_path / "out.ipynb", timeout=2, interrupt_on_timeout=True)
    assert raised.value.ename in {"KeyboardInterrupt", "CancelledError"}
    executed = nbformat.read(tmp_path / "out.ipynb", 4)
    assert executed.cells[-1].execution_count is None
    # The first interrupt reaches the cell; on a busy machine the second may be on its way.
    messages = [record.getMessage() for record in caplog.records]
    assert 1 <= messages.count("Interrupting kernel") < 5


def test_no_task_is_left_behind_when_time_is_over(tmp_path, caplog):
    with pytest.raises(CellTimeoutError):
        execute(DATA / "hangs.ipynb", tmp_path / "out.ipynb", timeout=1)
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_run_ends_when_the_child_is_killed(number, tmp_path):
    executed, error = run("rwlib", "dies", tmp_path, {"signal_number": int(number)})
    assert type(error) is DeadKernelError
    assert str(error) == "Kernel died"
    assert [cell.outputs for cell in executed.cells[-3:]] == [
        [{"output_type": "stream", "name": "stdout", "text": "alive\n"}],
        [],
        [],
    ]
    assert executed.metadata.papermill.end_time is not None


def test_run_ends_when_a_process_of_the_cell_outlives_the_child(tmp_path):
    # The orphan holds copies of the child's descriptors; its end must be seen all the same.
    write_notebook(
        tmp_path / "in.ipynb",
        "import ctypes\n"
        "libc = ctypes.CDLL(None)\n"
        "orphan = libc.fork()\n"
        "if not orphan:\n    libc.setsid()\n    libc.sleep(60)\n    libc._exit(0)\n"
        "print(orphan, flush=True)",
        "libc._exit(3)",
    )
    with pytest.raises(DeadKernelError):
        execute(tmp_path / "in.ipynb", tmp_path / "out.ipynb")
    orphan = int(nbformat.read(tmp_path / "out.ipynb", 4).cells[0].outputs[0].text)
    os.kill(orphan, signal.SIGKILL)


def test_exit_ends_the_kernel_when_more_cells_follow(tmp_path):
    write_notebook(tmp_path / "in.ipynb", "exit()\nimport time", "time.sleep(1)\n", "1")
    with pytest.raises(DeadKernelError):
        execute(tmp_path / "in.ipynb", tmp_path / "out.ipynb")


def test_processes_of_the_notebook_are_ended_when_it_ends(tmp_path):
    write_notebook(
        tmp_path / "in.ipynb",
        "import subprocess\nsubprocess.Popen(['sleep', '600']).pid",
        "import os\nos.getpid()",
    )
    executed = execute(tmp_path / "in.ipynb", None)
    process_ids = [int(cell.outputs[0].data["text/plain"]) for cell in executed.cells]
    assert wait_until(lambda: all(ended(process_id) for process_id in process_ids))


@pytest.mark.parametrize("in_process", [False, True], ids=["child", "own-process"])
def test_exit_handlers_of_the_notebook_are_run_when_it_ends(in_process, tmp_path):
    left = tmp_path / "left"
    notebook = write_notebook(
        tmp_path / "in.ipynb",
        "import atexit, pathlib, tempfile, threading, time\n"
        f"atexit.register(pathlib.Path({str(left)!r}).touch)\n"
        "folder = tempfile.TemporaryDirectory()\n"
        "thread = threading.Thread(target=lambda: (time.sleep(0.2), open(folder.name + '/x', 'w')))"
        "\nthread.start()\nprint(folder.name)",
    )
    program = (
        "import sys; from rwlib.headless.engine import execute; "
        f"execute({str(notebook)!r}, sys.argv[1], in_process={in_process})"
    )
    output = tmp_path / "out.ipynb"
    root = str(places.ROOT)
    subprocess.run([sys.executable, "-c", program, str(output)], check=True, cwd=root)
    folder = Path(nbformat.read(output, 4).cells[0].outputs[0].text.strip())
    assert left.exists()
    assert not folder.exists()


@pytest.mark.parametrize("busy", ["time.sleep(600)", "while True: pass"])
def test_child_ends_when_its_parent_is_killed(busy, tmp_path):
    said = tmp_path / "said"
    notebook = write_notebook(
        tmp_path / "in.ipynb",
        "import os, subprocess, time\n"
        "worker = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(said)!r}, 'w').write(f'{{os.getpid()}} {{worker.pid}} ')\n{busy}",
    )
    program = f"from rwlib.headless.engine import execute; execute({str(notebook)!r}, None)"
    root = str(places.ROOT)
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=root)
    assert wait_until(lambda: said.exists() and said.read_text().endswith(" "))
    parent.kill()
    parent.wait()
    process_ids = [int(number) for number in said.read_text().split()]
    assert len(process_ids) == 2
    assert wait_until(lambda: all(ended(process_id) for process_id in process_ids))


def test_child_ends_when_the_run_is_interrupted(tmp_path):
    said = tmp_path / "said"
    notebook = write_notebook(
        tmp_path / "in.ipynb",
        f"import os, time\nopen({str(said)!r}, 'w').write(f'{{os.getpid()}} ')\ntime.sleep(600)",
    )
    program = f"from rwlib.headless.engine import execute; execute({str(notebook)!r}, None)"
    root = str(places.ROOT)
    command = [sys.executable, "-c", program]
    parent = subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, start_new_session=True)
    assert wait_until(lambda: said.exists() and said.read_text().endswith(" "))
    os.killpg(parent.pid, signal.SIGINT)  # what Ctrl-C does
    _, errors = parent.communicate(timeout=30)
    assert b"KeyboardInterrupt" in errors
    assert wait_until(lambda: ended(int(said.read_text())))


def test_error_is_told_when_the_kernel_cannot_start(tmp_path, monkeypatch, capfd):
    profile = tmp_path / "profile_default"
    profile.mkdir()
    (profile / "ipython_config.py").write_text("raise RuntimeError('broken configuration')")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    with pytest.raises(DeadKernelError):
        execute(DATA / "long.ipynb", None, {"n": 0})
    assert "broken configuration" in capfd.readouterr().err
