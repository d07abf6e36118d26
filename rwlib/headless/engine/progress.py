"""How far a notebook is, told in its own headings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Reporter:
    """nbclient's hooks on one side, a progress callback on the other."""

    def __init__(self, progress: Callable[[int, int, str], None]) -> None:
        self._progress = progress
        self._titles: list[str] = []

    def hooks(self) -> dict[str, Callable[..., None]]:
        """Return the options that make nbclient call this reporter."""
        return {"on_notebook_start": self._start, "on_cell_start": self._cell}

    def end(self) -> None:
        """Say that every cell has run."""
        total = len(self._titles)
        self._progress(total, total, self._titles[-1] if self._titles else "")

    def _start(self, notebook: Any) -> None:
        self._titles = headings(notebook)

    def _cell(self, cell_index: int, **_: object) -> None:
        self._progress(cell_index, len(self._titles), self._titles[cell_index])


def headings(notebook: Any) -> list[str]:
    """Return for each cell the last Markdown heading at or before it, or ``""``."""
    title = ""
    titles = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            lines = [line for line in cell.source.splitlines() if line.startswith("#")]
            if lines:
                title = lines[-1].lstrip("#").strip()
        titles.append(title)
    return titles
