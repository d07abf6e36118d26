"""A question before the repair and one after it, scored apart from the repair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rwlib.errors import InputError
from rwlib.labs.model import Lab
from rwlib.labs.texts import in_its_names

When = Literal["before", "after"]

LAYERS: Mapping[str, str] = {
    "trust": "the role's trust policy",
    "allowed": "Allowed Principals, on RisingWave's side",
    "policy": "the role's own policies",
    "boundary": "the role's permissions boundary",
    "bucket": "the bucket policy",
    "key": "the key policy, in KMS",
    "sql": "S3, about the statement's options",
    "nothing": "nothing refuses",
    "time": "nothing will, once the change is everywhere",
}
_BEFORE = "Which layer refuses? Say so before you look at any policy."


@dataclass(frozen=True)
class Question:
    """A question whose answer is a layer.

    Parameters
    ----------
    right
        One of `LAYERS`.
    why
        Said after the answer.
    """

    text: str
    right: str
    why: str = ""


def question_of(lab: Lab, when: str) -> Question:
    """Return a lab's question.

    Raises
    ------
    InputError
        There is no such question.
    """
    if when == "before" and lab.layer:
        return Question(_BEFORE, lab.layer)
    if when == "after" and lab.after:
        ask, why = (in_its_names(lab, str(lab.after[name])) for name in ("ask", "why"))
        return Question(ask, str(lab.after["layer"]), why)
    known = [name for name, there in (("before", lab.layer), ("after", lab.after)) if there]
    names = " and ".join(known) or "none"
    raise InputError("question", when, f"is not a question of lab {lab.number}; there is {names}")


def choice_of(answer: str, field: str = "answer") -> str:
    """Return the layer that an answer means: its letter or its name.

    Raises
    ------
    InputError
        It means none.
    """
    text = answer.strip().lower()
    for letter, name in zip("abcdefghi", LAYERS, strict=True):
        if text in (letter, name, LAYERS[name].lower()):
            return name
    raise InputError(
        field, answer, f"is not one of the choices; write a letter, or {', '.join(LAYERS)}"
    )


def choices() -> list[str]:
    """Return the choices as a person sees them."""
    return [f"{letter}  {text}" for letter, text in zip("abcdefghi", LAYERS.values(), strict=True)]
