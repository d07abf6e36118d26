"""What a lab shows in a notebook: HTML beside plain text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from rwlib.display import Shown, render

if TYPE_CHECKING:
    from rwlib.labs.model import LabProbe
    from rwlib.labs.retry import Attempt


def show_text(text: str) -> Shown:
    """Show a text as it is."""
    return Shown(text, _block(text))


def show_rows(rows: Sequence[Sequence[object]]) -> Shown:
    """Show the rows of a query, and how many there are."""
    texts = [["NULL" if value is None else str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = [
        " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in texts
    ]
    count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in texts
    )
    html = f"<table><tbody>{body}</tbody></table><p>{count}</p>"
    return Shown("\n".join([*lines, f"({count})"]), html)


def show_symptom(
    statement: str, tried: Attempt, answers: Iterable[tuple[LabProbe, str]] = ()
) -> Shown:
    """Show a statement and what RisingWave said to it."""
    said = "\n\n".join(tried.lines)
    text = f"{statement}\n\n{said}"
    html = f"<p>You run:</p>{_block(statement)}<p>RisingWave answers:</p>{_block(said)}"
    for probe, answer in answers:
        line = f"{probe.call}, as a session of the role: {answer}"
        text += f"\n\n{line}"
        html += f"<p>And a session of the role asks for itself:</p>{_block(line)}"
    return Shown(text, html)


def show_trust(found: Mapping[str, tuple[str, bool]]) -> Shown:
    """Show who may assume a role."""
    width = max(map(len, found))
    text = "\n".join(
        f"{'may' if allowed else 'may not':<8} {title:<{width}}  {principal}"
        for title, (principal, allowed) in found.items()
    )
    rows = [
        ("✓ may" if allowed else "✗ may not", title, principal)
        for title, (principal, allowed) in found.items()
    ]
    return Shown(text, render("table", ("Assume the role?", "Who", "Principal"), rows))


def show_solution(code: str, *, applied: bool) -> Shown:
    """Show a solution, folded."""
    head = "The solution was applied" if applied else "The solution, not applied"
    html = f"<details><summary>{head}</summary>{_block(code)}</details>"
    return Shown(f"{head}:\n\n{code}", html)


def _block(text: str) -> str:
    return f"<pre><code>{escape(text)}</code></pre>"
