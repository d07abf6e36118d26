"""What a lab's notebook says, for those who work in a shell: story, tasks, hints, solution."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

_HINT = re.compile(r"<details><summary>Hint (\d+)</summary>\n(.*?)(?=<details>|</details>)", re.S)
_FOLDED = re.compile(r"<details><summary>[^<]*</summary>\n(.*?)</details>", re.S)
# Comments of the notebooks' Markdown: what follows is about the notebook itself.
HINTS = "<!-- hints -->"
CALLS = "<!-- calls -->"
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class LabTexts:
    """The texts of one lab, in Markdown.

    Parameters
    ----------
    story
        What happened.
    hints
        Each to be opened when the one before was not enough.
    solution
        What the repair is, and why.
    """

    story: str
    tasks: str
    hints: tuple[str, ...]
    solution: str


def read_texts(notebook: Path) -> LabTexts:
    """Read the texts out of a lab's notebook, so that there is one source of them."""
    tasks = section(notebook, "tasks")
    folded = _FOLDED.search(section(notebook, "answer"))
    solution = folded[1].strip() if folded else ""
    return LabTexts(
        _plain(section(notebook, "story")),
        _plain(tasks.partition(HINTS)[0]),
        tuple(_plain(match[2]) for match in _HINT.finditer(tasks)),
        _plain(solution.partition(CALLS)[0]),
    )


def section(notebook: Path, tag: str) -> str:
    """Return the text of the cell that carries a tag, without its heading; empty without one."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    texts = ("".join(each["source"]) for each in cells if tag in each["metadata"].get("tags", ()))
    return next(texts, "").partition("\n")[2].strip()


def _plain(text: str) -> str:
    return _LINK.sub(r"\1", text).strip()
