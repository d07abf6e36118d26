"""What a lab's notebook says, for those who work in a shell: story, tasks, hints, solution."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

from rwlib.labs.model import Lab, find_lab

_HINT = re.compile(r"<details><summary>Hint (\d+)</summary>\n(.*?)(?=<details>|</details>)", re.S)
_FOLDED = re.compile(r"<details><summary>[^<]*</summary>\n(.*?)</details>", re.S)
# Comments of the notebooks' Markdown: what follows is about the notebook itself.
HINTS = "<!-- hints -->"
CALLS = "<!-- calls -->"
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.S)
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


def texts_of(lab: Lab, notebook: Path) -> LabTexts:
    """Read a lab's texts, told of what its seed has drawn: names, places, the fault's variant.

    Parameters
    ----------
    lab
        The lab as it was drawn.
    """
    read = read_texts(notebook)
    told = lab.told
    others = told.get("hints", {})
    hints = [others.get(number, text) for number, text in enumerate(read.hints, 1)]
    return replace(
        read,
        story=in_its_names(lab, told.get("story", read.story)),
        tasks=in_its_names(lab, read.tasks),
        hints=tuple(in_its_names(lab, each.strip()) for each in hints),
        solution=in_its_names(lab, told.get("solution", read.solution).strip()),
    )


def in_its_names(lab: Lab, text: str) -> str:
    """Write a text with the names that a lab's seed has drawn.

    ``$prefix``, ``$role_name`` and ``$bucket`` are filled in. Of a notebook's text the names of
    the default seed are exchanged where they stand as code in a line.
    """
    old, new = find_lab(lab.number).full_target(), lab.full_target()
    names = {"prefix": new.prefix, "role_name": new.role_name, "bucket": new.bucket}
    text = Template(text).safe_substitute(names)
    pairs = [(old.policy_name, new.policy_name), (old.role_name, new.role_name)]
    place = re.compile(rf"(?<![\w.-]){re.escape(old.prefix)}(?=(?:-old)?/?\*?(?:$|[^\w/*-]))")

    def renamed(found: re.Match[str]) -> str:
        if found[0].startswith("```"):
            return found[0]
        span = found[0][1:-1]
        for was, becomes in sorted(pairs, key=lambda pair: -len(pair[0])):
            span = span.replace(was, becomes)
        return f"`{place.sub(lambda _: new.prefix, span)}`"

    return _CODE.sub(renamed, text)


def section(notebook: Path, tag: str) -> str:
    """Return the text of the cell that carries a tag, without its heading; empty without one."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    texts = ("".join(each["source"]) for each in cells if tag in each["metadata"].get("tags", ()))
    return next(texts, "").partition("\n")[2].strip()


def without_links(text: str) -> str:
    """Return a text with the words of its links alone: what they lead to is not beside it."""
    return _LINK.sub(r"\1", text)


def _plain(text: str) -> str:
    return without_links(text).strip()
