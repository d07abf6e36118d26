"""HCL as ``terraform fmt`` leaves it: a value, and blocks of attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ESCAPES = {
    chr(code): f"\\u{code:04x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)
} | {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    '"': '\\"',
    "\\": "\\\\",
}


@dataclass(frozen=True)
class Expression:
    """Text that is HCL already, such as a reference to a resource."""

    text: str


def quoted(text: str) -> str:
    r"""Return a string literal; ``${`` and ``%{`` are written so that nothing is filled in.

    Source: Terraform Language, "Strings and Templates", escape sequences; ``\b`` and ``\f`` are
    none of them.
    """
    plain = "".join(_ESCAPES.get(each, each) for each in text)
    return '"' + plain.replace("${", "$${").replace("%{", "%%{") + '"'


def value(item: Any, indent: str = "") -> str:
    """Return a value: a string, number, boolean, list, mapping or `Expression`."""
    if isinstance(item, Expression):
        return item.text
    if isinstance(item, str):
        return quoted(item)
    if isinstance(item, bool) or item is None:
        return {True: "true", False: "false", None: "null"}[item]
    if isinstance(item, Mapping):
        if not item:
            return "{}"
        inner = indent + "  "
        return "{\n" + attributes(item, inner) + f"{indent}}}"
    if isinstance(item, list | tuple):
        if not item:
            return "[]"
        if all(isinstance(each, str | int | Expression) for each in item):
            return "[" + ", ".join(value(each) for each in item) + "]"
        inner = indent + "  "
        rows = "".join(f"{inner}{value(each, inner)},\n" for each in item)
        return "[\n" + rows + f"{indent}]"
    return str(item)


def attributes(items: Mapping[str, Any], indent: str) -> str:
    """Return attributes, the equals signs of neighbouring lines below each other."""
    written = [(_key(name), value(item, indent)) for name, item in items.items()]
    lines: list[str] = []
    at = 0
    while at < len(written):
        run = at
        while run < len(written) and "\n" not in written[run][1]:
            run += 1
        width = max((len(name) for name, _ in written[at:run]), default=0)
        lines += [f"{indent}{name:<{width}} = {text}\n" for name, text in written[at:run]]
        if run < len(written):
            name, text = written[run]
            lines.append(f"{indent}{name} = {text}\n")
            run += 1
        at = run
    return "".join(lines)


def block(head: str, items: Mapping[str, Any]) -> str:
    """Return a block such as ``resource "aws_iam_role" "name"`` with its attributes."""
    return f"{head} {{\n{attributes(items, '  ')}}}\n"


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else quoted(name)
