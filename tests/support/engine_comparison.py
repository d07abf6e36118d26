"""Run a notebook with papermill's own engine and with this package's, and tell what differs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path
from queue import Empty
from typing import Any

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from rwlib.headless.engine import execute, register

register()

import nbformat  # noqa: E402
import pytest  # noqa: E402
from jupyter_client.channels import AsyncZMQSocketChannel  # noqa: E402
from papermill import execute_notebook  # noqa: E402
from traitlets.config import Config  # noqa: E402

from tests.support import places  # noqa: E402

DATA = places.DATA / "engine"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"

# What is another in every run: times, ids, process ids, addresses.
_CHANCE = (
    (r"\d{4}-\d\d-\d\d[T ][\d:.]+(Z|\+00:00)?", "<time>"),
    (r"ipykernel_\d+/\d+\.py", "<cell>"),
    (r"0x[0-9a-f]{6,}", "<address>"),
    (r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", "<id>"),
    (r'"duration": [\d.]+', '"duration": "<seconds>"'),
    (r"Thread-\d+", "Thread-<n>"),
)


def run(
    engine: str, name: str, folder: Path, parameters: dict[str, Any] | None = None, **options: Any
) -> tuple[Any, BaseException | None]:
    """Return the executed notebook as it was written, and the error that was raised."""
    output = folder / f"{engine}.ipynb"
    error: BaseException | None = None
    if engine == "papermill":
        options["config"] = Config(KernelManager={"transport_encryption": "auto"})
        timeout = options.pop("timeout", None)
        if timeout is not None:
            options.update(execution_timeout=timeout, shutdown_kernel="immediate")
        call: Callable[..., Any] = execute_notebook
        options["progress_bar"] = False
    else:
        call = execute
    # ipykernel leaves the file descriptors alone when it sees that pytest runs it.
    test = os.environ.pop("PYTEST_CURRENT_TEST", None)
    try:
        call(str(DATA / f"{name}.ipynb"), str(output), parameters or {}, **options)
    except Exception as raised:  # noqa: BLE001 - it is what is compared
        error = raised
    finally:
        if test is not None:
            os.environ["PYTEST_CURRENT_TEST"] = test
    return nbformat.read(output, 4), error


def run_elsewhere(
    name: str, folder: Path, parameters: dict[str, Any] | None = None, **options: Any
) -> tuple[Any, str]:
    """Run in a new process, because it is used up; return the error's name and text too."""
    given = json.dumps([name, str(folder), parameters or {}, options])
    done = subprocess.run(
        [sys.executable, __file__, given], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    error = json.loads(done.stdout.splitlines()[-1])
    return nbformat.read(folder / "rwlib.ipynb", 4), error


def comparable(notebook: Any) -> dict[str, str]:
    """Return the notebook's parts as text, without what is another in every run."""
    parts = {}
    for index, cell in enumerate(notebook.cells):
        cell = dict(cell)
        if "papermill-error-cell-tag" in cell["metadata"].get("tags", []) or cell[
            "source"
        ].startswith("# Parameters"):
            del cell["id"]
        if "outputs" in cell:
            cell["outputs"] = _joined(cell["outputs"])
        parts[f"{index} {cell['source'][:60]}"] = _text(cell)
    metadata = json.loads(json.dumps(notebook.metadata))
    metadata.get("papermill", {}).pop("output_path", None)
    widgets = metadata.get("widgets", {}).get(WIDGET_STATE)
    if widgets:
        widgets["state"] = sorted(_text(state) for state in widgets["state"].values())
    parts["metadata"] = _text(metadata)
    return parts


def assert_equal(expected: Any, executed: Any) -> None:
    """Fail with a diff of the parts that are not equal."""
    left, right = comparable(expected), comparable(executed)
    lines: list[str] = []
    for key in dict.fromkeys([*left, *right]):
        one, other = (side.get(key, "").splitlines() for side in (left, right))
        lines += [line[:300] for line in unified_diff(one, other, key, key, lineterm="", n=2)]
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def _joined(outputs: list[Any]) -> list[Any]:
    # Where one message of a stream ends and the next begins is a matter of time.
    joined: list[Any] = []
    for output in json.loads(json.dumps(outputs)):
        last = joined[-1] if joined else {}
        if output["output_type"] == "stream" and output["name"] == last.get("name"):
            last["text"] += output["text"]
        else:
            joined.append(output)
    return joined


def _text(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1)
    for pattern, replacement in _CHANCE:
        text = re.sub(pattern, replacement, text)
    return text


_get_msg = AsyncZMQSocketChannel.get_msg


async def _patient_get_msg(self: Any, timeout: float | None = None) -> dict[str, Any]:
    # papermill's own engine stops for ever at some Output widgets, because a message that is
    # sent while another is awaited can be missed: https://github.com/jupyter/nbclient/issues/312
    while True:
        try:
            return await _get_msg(self, timeout=0.2 if timeout is None else timeout)
        except Empty:
            if timeout is not None:
                raise
            await asyncio.sleep(0)


AsyncZMQSocketChannel.get_msg = _patient_get_msg


if __name__ == "__main__":
    given_name, given_folder, given_parameters, given_options = json.loads(sys.argv[1])
    _, raised = run("rwlib", given_name, Path(given_folder), given_parameters, **given_options)
    answer = raised and f"{type(raised).__name__}: {raised}"
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
