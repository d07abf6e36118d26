"""A notebook executed by the engine equals one executed by papermill's own."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import rwlib.headless.engine
from tests.support.engine_comparison import DATA, assert_equal, run, run_elsewhere

pytestmark = pytest.mark.slow

NOTEBOOKS = ["outputs", "widgets", "failing", "long"]


@functools.cache
def reference(name: str):
    with tempfile.TemporaryDirectory(prefix="rwlib-test-") as folder:
        return run("papermill", name, Path(folder))


def outputs_of(notebook) -> list[str]:
    """Return the text of each code cell's streams and results."""
    return [
        "".join(
            output.get("text") or output.get("data", {}).get("text/plain", "")
            for output in cell.outputs
        )
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.parametrize("in_process", [False, True], ids=["child", "own-process"])
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_is_as_papermill_leaves_it_when_the_engine_runs_it(name, in_process, tmp_path):
    executed, error = run_elsewhere(name, tmp_path, in_process=in_process)
    expected, expected_error = reference(name)
    assert_equal(expected, executed)
    assert error == (expected_error and f"{type(expected_error).__name__}: {expected_error}")


def test_notebook_is_as_papermill_leaves_it_when_other_threads_are_running(tmp_path):
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        executed, error = run("rwlib", "outputs", tmp_path)
    finally:
        done.set()
        thread.join()
    expected, expected_error = reference("outputs")
    assert_equal(expected, executed)
    assert vars(error) == vars(expected_error)


@pytest.mark.parametrize("status", [0, 3])
def test_exit_stops_the_notebook_when_a_cell_calls_it(status, tmp_path):
    executed, error = run("rwlib", "stops", tmp_path, {"status": status})
    expected, expected_error = run("papermill", "stops", tmp_path, {"status": status})
    assert_equal(expected, executed)
    assert str(error) == str(expected_error)
    assert (error is None) is (status == 0)


@pytest.mark.parametrize("in_process", [False, True], ids=["child", "own-process"])
def test_output_is_complete_and_in_order_when_descriptors_are_written(in_process, tmp_path):
    # papermill's own engine loses some of it, or puts it elsewhere, as its threads happen to run.
    executed, error = run_elsewhere("descriptors", tmp_path, in_process=in_process)
    assert error is None
    assert outputs_of(executed) == [
        "",
        "1\n2\n3\n4\n5\n",
        "y" * 300_000 + "\n",
        "aéb\n",
        "error\nchild\n",
        "",
        "late answer\n",
        "",
        "shell\n0",
        "from a fork\n",
        "from a process\n",
        "to the original\n",
        "from a thread\n",
        "before\nraw\n'shown'last\n",
    ]


def test_output_is_logged_and_written_when_papermill_is_asked_to(tmp_path, caplog):
    written = tmp_path / "stdout.txt"
    caplog.set_level("INFO", logger="papermill")
    with written.open("w") as file, pytest.raises(Exception, match="failed with 2"):
        rwlib.headless.engine.execute(
            DATA / "failing.ipynb",
            tmp_path / "out.ipynb",
            {"a": 2},
            log_output=True,
            stdout_file=file,
        )
    assert written.read_text() == "before\nin the cell\n"
    assert "in the cell\n" in [record.message for record in caplog.records]


def test_papermill_finds_the_engine_when_the_entry_point_is_installed(tmp_path):
    installed = tmp_path / "site" / "rwlib_engine-0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: rwlib-engine\nVersion: 0\n")
    entry_point = "[papermill.engine]\nrwlib = rwlib.headless.engine:Engine\n"
    (installed / "entry_points.txt").write_text(entry_point)
    root = str(Path(rwlib.headless.engine.__file__).parents[3])
    paths = [str(installed.parent), root, os.environ.get("PYTHONPATH", "")]
    output = tmp_path / "out.ipynb"
    command = [
        sys.executable,
        "-m",
        "papermill",
        "--engine",
        "rwlib",
        str(DATA / "long.ipynb"),
        str(output),
    ]
    done = subprocess.run(
        [*command, "-p", "n", "1", "--execution-timeout", "30"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert outputs_of(nbformat.read(output, 4)) == ["", "", "0\n", "z" * 100_000]
    assert "papermill's own" not in done.stderr


def test_magics_find_the_kernel_at_its_application(tmp_path):
    source = """
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
print(IPKernelApp.initialized(), app.kernel is get_ipython().kernel, app.kernel.parent is app)
%gui asyncio
%gui
get_ipython().enable_gui("inline")
"""
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    book = new_notebook(cells=[new_code_cell(source)], metadata={"kernelspec": kernel})
    nbformat.write(book, tmp_path / "in.ipynb")
    executed = rwlib.headless.engine.execute(tmp_path / "in.ipynb", tmp_path / "out.ipynb")
    (printed,) = executed.cells[0].outputs
    assert printed.text == "True True True\n"
