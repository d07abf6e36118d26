"""What a person reads of a diagnosis: sentences, with the public ids beside them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rwlib.diagnose.ids import CAUSES, CLASSES

_WIDTH: Final = 110
# Causes that are only possible are told in full up to this many; a live state settles the rest.
_FEW: Final = 3
_HOW_SURE: Final = {"certain": "Certain", "likely": "Likely", "possible": "Possible"}


def heading(error_class: str, count: int = 1) -> str:
    """Return the sentence for an error class, and how often the error occurs.

    Parameters
    ----------
    error_class
        A public id, as ``assume_role_denied``.
    """
    times = f", {count} times" if count > 1 else ""
    return f"{_sentence(CLASSES[error_class])} ({error_class}{times})"


def cause_title(cause: str) -> str:
    """Return the sentence for a cause, with its public id."""
    return f"{_sentence(CAUSES[cause])} ({cause})"


def worded(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of one diagnosis, wrapped for a terminal.

    Parameters
    ----------
    row
        One object of ``rwlib diagnose --json``.
    """
    yield heading(row["class"], row.get("count", 1))
    for label, name in (("who", "caller"), ("what", "action"), ("on", "resource")):
        if row[name]:
            yield f"  {label:<5} {row[name]}"
    settled = [each for each in row["causes"] if each["confidence"] != "possible"]
    possible = [each for each in row["causes"] if each["confidence"] == "possible"]
    full = settled + possible[: max(0, _FEW - len(settled))]
    for cause in full:
        title = f"{_HOW_SURE[cause['confidence']]}: {cause_title(cause['id'])}"
        yield from _wrapped(title, 2)
        if cause["confidence"] != "possible" or len(cause["evidence"]) > 1:
            for line in cause["evidence"]:
                yield from _wrapped(line, 6)
        # Whole, so that a command in it can be copied.
        yield f"      Do: {cause['fix']['how']}"
        yield from _wrapped(f"Then: {cause['fix']['summary']}", 6)
    rest = [each for each in row["causes"] if each not in full]
    if rest:
        yield "  Possible as well:"
        for cause in rest:
            yield from _wrapped(cause_title(cause["id"]), 6)
    reasons: dict[str, list[str]] = {}
    for each in row.get("excluded", ()):
        reasons.setdefault(each["because"], []).append(each["id"])
    for because, names in reasons.items():
        yield from _wrapped(f"Ruled out ({because}): {', '.join(names)}", 2)
    unseen: dict[str, list[str]] = {}
    for line in row["not_looked_at"]:
        check, _, because = line.partition(": ")
        unseen.setdefault(because, []).append(check)
    for because, names in unseen.items():
        yield from _wrapped(f"Not looked at ({because}): {', '.join(names)}", 2)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
