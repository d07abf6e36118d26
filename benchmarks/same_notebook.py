"""An executed notebook without what differs from one run to the next: ids and times."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat


def plain(path: Path, way: str) -> str:
    """Return what a notebook holds but for ids, times, and the name of the way it was run.

    Parameters
    ----------
    way
        With it begin the names and the prefix of the target that was run.
    """
    book = nbformat.read(path, 4)
    text = json.dumps([_outputs(cell) for cell in book.cells], sort_keys=True)
    text = text.replace(f"{way}-", "way-").replace(f"{way}/", "way/")
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?", "TIME", text)
    return re.sub(r"\b(rw|id)-[0-9a-f]{6,}\b|\b[0-9a-f]{32}\b|AROA\w+", "ID", text)


def _outputs(cell: Any) -> Any:
    if cell.cell_type != "code":
        return cell.source
    if "injected-parameters" in cell.metadata.get("tags", []):
        return "parameters"
    return [cell.source, cell.execution_count, cell.outputs]
