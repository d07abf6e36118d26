"""Store the notebooks' outputs, made in the sandbox with its example accounts.

``python -m tests.support.store_notebooks`` runs every notebook in its order in one new sandbox and
writes the outputs into it, so that a reader on the web sees what to expect. Only what a run makes
anew each time (a port, a time, an id) is put back to a fixed text, and an account id that is no
example stops the writing.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rwlib.environment import only_sandbox
from rwlib.errors import RunbookError

EXAMPLE_ACCOUNTS = {
    *("111122223333", "444455556666", "777788889999", "123456789012", "999999999999"),
    *("111111111111", "222222222222", "333333333333", "888888888888"),
}
TARGET = """\
cluster_id: 019d023e-68a6-74db-b73c-e18859fc5171
bucket: acme-analytics
prefix: risingwave
connectors: [redshift]
apply: true
"""

_ANEW = (
    (re.compile(r"127\.0\.0\.1:\d{2,5}"), "127.0.0.1:4566"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)"), "2026-01-01T00:00:00+00:00"),
    (re.compile(r"\bA(?:ROA|IDA|SIA|NPA)[A-Z0-9]{16,}\b"), "AROAEXAMPLEEXAMPLE12"),
)
_STYLE = re.compile(r"<style>.*?</style>\s*", re.DOTALL)
_LONGEST_CELL = 120


def store(folder: Path, names: Iterable[str] = (), into: Path | None = None) -> list[Path]:
    """Run the notebooks of a folder in a new sandbox and write their outputs into them.

    With another folder to write into, copies with outputs go there, and the notebooks themselves
    are left without any: whoever works through a lab should not find its end in it.

    Parameters
    ----------
    names
        The notebooks to write; all are run, because each finds what the one before it made.

    Raises
    ------
    RunbookError
        A notebook fails, or an output holds an account id that is no example.
    """
    chosen = set(names)
    written = []
    for path, book in executed(folder):
        check_accounts(path.name, book)
        if not chosen or path.name in chosen:
            place = path if into is None else into / path.name
            _write(place, book)
            written.append(place)
            if into is not None:
                _write(path, without_outputs(book))
    return written


def executed(folder: Path) -> Iterator[tuple[Path, Any]]:
    """Yield every notebook of a folder with its outputs, run in its order in a new sandbox.

    Raises
    ------
    RunbookError
        A notebook fails.
    """
    with tempfile.TemporaryDirectory(prefix="rwlib-notebooks-") as name:
        scratch = Path(name)
        with example_world(scratch):
            for path in sorted(folder.glob("*.ipynb")):
                yield path, _execute(path, scratch)


def _execute(path: Path, scratch: Path) -> Any:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from traitlets.config import Config

    book = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        book,
        timeout=_LONGEST_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(scratch)}},
        record_timing=False,
        store_widget_state=False,
        config=Config({"KernelManager": {"transport_encryption": "auto"}}),
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise RunbookError(f"{path.name}: {error.ename}: {error.evalue}") from error
    return settled(book)


def settled(book: Any) -> Any:
    """Put what every run makes anew back to a fixed text, and drop what only this run knows.

    The page's style stays in the first output alone: it holds for the whole notebook.
    """
    styled = False
    for cell in book.cells:
        cell.get("metadata", {}).pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            for kind, value in data.items():
                data[kind] = settle(value) if isinstance(value, str) else value
            if "<style>" in data.get("text/html", ""):
                if styled:
                    data["text/html"] = _STYLE.sub("", data["text/html"])
                styled = True
            if "text" in output:
                output["text"] = settle(output["text"])
    book.metadata.pop("widgets", None)
    book.metadata["language_info"] = {"name": "python"}
    return book


def settle(text: str) -> str:
    """Put ports, times and ids in a text back to fixed ones."""
    for pattern, fixed in _ANEW:
        text = pattern.sub(fixed, text)
    return text


def check_accounts(name: str, book: Any) -> None:
    """Refuse outputs with an account id that is no example.

    Raises
    ------
    RunbookError
        Names the notebook and the id.
    """
    for found in account_ids(book):
        if found not in EXAMPLE_ACCOUNTS:
            raise RunbookError(f"{name}: account id {found} in an output is no example; not stored")


def account_ids(book: Any) -> set[str]:
    """Return every 12-digit number in a notebook's outputs."""
    text = " ".join(str(output) for cell in book.cells for output in cell.get("outputs", []))
    return set(re.findall(r"(?<![\w+/-])\d{12}(?![\w+/=-])", text))


def without_outputs(book: Any) -> Any:
    """Take the outputs and the numbers of their runs out of a notebook."""
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return book


def _write(path: Path, book: Any) -> None:
    import nbformat

    from rwlib.report import write_text

    write_text(path, nbformat.writes(book) + "\n")  # type: ignore[no-untyped-call]


@contextmanager
def example_world(scratch: Path) -> Iterator[None]:
    """Point this process and its kernels at a new sandbox and example inputs, at nothing else."""
    from rwlib.sandbox import Sandbox

    target = scratch / "example.yaml"
    target.write_text(TARGET, encoding="utf-8")

    with Sandbox.spawn() as box, only_sandbox(box.environment()):
        for name in [name for name in os.environ if name.startswith("RWLIB_")]:
            del os.environ[name]
        os.environ.update(
            RWLIB_TARGET=str(target),
            RWLIB_RUNS=str(scratch / "runs"),
            RWLIB_GUIDED="0",
            XDG_STATE_HOME=str(scratch / "state"),
            PYTHONWARNINGS="ignore",
        )
        yield


def main() -> int:
    """Store the outputs of the notebooks in ``notebooks/``, or of a folder, or in a second one."""
    from rwlib.headless import quick_imports

    quick_imports()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("notebooks")
    try:
        into = Path(sys.argv[2]) if len(sys.argv) > 2 else None
        for path in store(folder, into=into):
            sys.stdout.write(f"{path}\n")
    except RunbookError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
