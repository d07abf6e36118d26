"""The Markdown of the training material as HTML: the part of it that the material uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

_INLINE = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*]+)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w*])\*([^*\s][^*]*)\*(?!\w)"), r"<em>\1</em>"),
    (re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)"), r'<a href="\2">\1</a>'),
)
_ITEM = re.compile(r"(?:[-*]|\d+\.) +(.*)")


def markdown_html(text: str) -> str:
    """Return headings, paragraphs, lists, tables, code and emphasis as HTML; all else is escaped.

    HTML in the source is shown, not obeyed.
    """
    return "\n".join(_blocks(text.splitlines()))


def _blocks(lines: list[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif line.startswith("```"):
            end = next((n for n in range(at + 1, len(lines)) if lines[n].startswith("```")), None)
            end = len(lines) if end is None else end
            yield f"<pre><code>{escape(chr(10).join(lines[at + 1 : end]))}</code></pre>"
            at = end + 1
        elif (level := len(line) - len(line.lstrip("#"))) and line[level : level + 1] == " ":
            yield f"<h{level}>{_inline(line[level:].strip())}</h{level}>"
            at += 1
        elif line.startswith("|"):
            rows = _while(lines, at, lambda each: each.startswith("|"))
            yield _table(rows)
            at += len(rows)
        elif _ITEM.match(line):
            rows = _while(lines, at, lambda each: bool(_ITEM.match(each)) or each.startswith("  "))
            yield _list(rows)
            at += len(rows)
        else:
            rows = _while(lines, at, lambda each: bool(each.strip()) and each[:1] not in "|#`")
            rows = rows or [line]
            yield f"<p>{_inline(' '.join(each.strip() for each in rows))}</p>"
            at += len(rows)


def _while(lines: list[str], at: int, fits: object) -> list[str]:
    assert callable(fits)
    end = at
    while end < len(lines) and fits(lines[end]):
        end += 1
    return lines[at:end]


def _table(rows: list[str]) -> str:
    cells = [[each.strip() for each in row.strip().strip("|").split("|")] for row in rows]
    head = "".join(f'<th scope="col">{_inline(each)}</th>' for each in cells[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{_inline(each)}</td>" for each in row) + "</tr>" for row in cells[2:]
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _list(rows: list[str]) -> str:
    items: list[str] = []
    for row in rows:
        match = _ITEM.match(row)
        if match:
            items.append(match[1])
        else:
            items[-1] += " " + row.strip()
    kind = "ol" if rows[0][0].isdigit() else "ul"
    return f"<{kind}>{''.join(f'<li>{_inline(each)}</li>' for each in items)}</{kind}>"


def _inline(text: str) -> str:
    """Mark up a line; what stands in code is left as it is."""
    parts = re.split(r"(`[^`]+`)", escape(text, quote=False))
    found = []
    for part in parts:
        patterns = _INLINE[:1] if part.startswith("`") else _INLINE[1:]
        for pattern, put in patterns:
            part = pattern.sub(put, part)
        found.append(part)
    return "".join(found)
