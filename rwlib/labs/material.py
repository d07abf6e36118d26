"""The training's material as pages that open without a network: slides, handout, primer, answers.

Each page has one Markdown source under ``rwlib/data/training``. The answer key is made from the
labs themselves, so that it says what their solutions do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from rwlib.labs.markdown import markdown_html
from rwlib.labs.model import Call, Lab, all_labs, shared
from rwlib.labs.questions import LAYERS
from rwlib.labs.texts import CALLS, section, without_links

PAGES: Mapping[str, str] = {
    "primer": "IAM for those who have never written a policy",
    "handout": "Reading an AccessDenied",
    "slides": "Reading an AccessDenied: slides",
}
ANSWERS = "answer_key"
GUIDE = "trainers_guide.md"
_CHAIN = "{{chain}}"


def write_material(folder: Path, notebooks: Path, *, answers: bool = False) -> list[Path]:
    """Write the pages into a folder; give what was written.

    Parameters
    ----------
    notebooks
        The folder of the labs' notebooks, which hold the words of the solutions.
    answers
        Also the answer key and the trainer's guide, which do not belong where learners look.
    """
    from rwlib.report import write_text

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in PAGES:
        file = folder / f"{name}.html"
        write_text(file, page(name))
        written.append(file)
    if answers:
        file = folder / f"{ANSWERS}.html"
        write_text(file, _render("The labs: answer key", markdown_html(answer_key(notebooks))))
        written.append(file)
        guide = (notebooks / GUIDE).read_text(encoding="utf-8")
        write_text(folder / GUIDE, without_links(guide))
        written.append(folder / GUIDE)
    return written


def page(name: str) -> str:
    """Return one of the pages as HTML."""
    text = source(name)
    if name != "slides":
        return _render(PAGES[name], _with_chain(markdown_html(text)), one_page=name == "handout")
    slides = [markdown_html(each.strip()) for each in text.split("\n---\n")]
    return _render(PAGES[name], slides=[_with_chain(each) for each in slides])


def source(name: str) -> str:
    """Return a page's Markdown."""
    folder = resources.files("rwlib").joinpath("data", "training")
    return folder.joinpath(f"{name}.md").read_text(encoding="utf-8")


def answer_key(notebooks: Path) -> str:
    """Return the answer key in Markdown: each lab's answer, layer, calls and wrong repairs."""
    parts = [
        "# The labs: answer key",
        "For trainers. Values such as `$role_arn` are the lab's own; a document of a repair stands "
        "below its calls.",
    ]
    for lab in all_labs():
        parts.append(f"## {lab.number} {lab.title}")
        parts.append(f"{lab.minutes} minutes. {_answer(notebooks / lab.file_name)}")
        if lab.layer:
            parts.append(f"Which layer refuses: {LAYERS[lab.layer]}.")
        if lab.draw:
            drawn = ", ".join(map(str, lab.draw))
            parts.append(f"Drawn by the seed from labs {drawn}; see there.")
        if lab.repair:
            calls = "\n".join(_call(call) for call in lab.repair)
            parts.append(f"```\n{calls}\n```")
            parts += _documents(lab)
        if lab.after:
            after = LAYERS[lab.after["layer"]]
            parts.append(f"After it: {lab.after['ask']} Right is: {after}. {lab.after['why']}")
        if wrong := _wrong(lab):
            parts.append(wrong)
    return "\n\n".join(parts) + "\n"


def _answer(notebook: Path) -> str:
    """Return the words of a notebook's solution."""
    try:
        text = section(notebook, "answer")
    except (OSError, ValueError, KeyError):
        return ""
    return text.partition("</summary>")[2].partition("</details>")[0].partition(CALLS)[0].strip()


def _call(call: Call) -> str:
    if "aws" not in call:
        return ", ".join(f"{name}: {value}" for name, value in call.items())
    given = ", ".join(f"{name}={_short(value)}" for name, value in call.get("with", {}).items())
    return f"{call['aws']}({given})"


def _documents(lab: Lab) -> list[str]:
    """Return the documents that the repair's calls name, each once."""
    known = {**shared()["documents"], **lab.documents}
    found = dict.fromkeys(re.findall(r"\$(\w+)", json.dumps(lab.repair)))

    def whole(value: Any) -> Any:
        """Put a named document in the place of its name, in lists and in other documents."""
        if isinstance(value, str) and isinstance(known.get(value[1:]), Mapping):
            return whole(known[value[1:]]) if value.startswith("$") else value
        if isinstance(value, Mapping):
            return {name: whole(each) for name, each in value.items()}
        return [whole(each) for each in value] if isinstance(value, list) else value

    return [
        f"`${name}`:\n\n```\n{json.dumps(whole(known[name]), indent=2)}\n```"
        for name in found
        if isinstance(known.get(name), Mapping)
    ]


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _wrong(lab: Lab) -> str:
    names = [each for fault in lab.faults for each in fault.wrong]
    if not names:
        return ""
    lines = [
        f"- {each.name.replace('_', ' ')}: "
        + ("RisingWave works, and the check refuses it" if each.hides else "changes nothing")
        for each in names
    ]
    return "Repairs that are refused:\n\n" + "\n".join(lines)


def _with_chain(html: str) -> str:
    picture = resources.files("rwlib").joinpath("data", "training", "chain.svg")
    return html.replace(f"<p>{_CHAIN}</p>", picture.read_text(encoding="utf-8"))


def _render(title: str, body: str = "", **values: Any) -> str:
    from rwlib.report import template

    return str(template("training.html.j2").render(title=title, body=body, **values))
