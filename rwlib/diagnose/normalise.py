"""One line of plain text out of whatever frame an error came in.

Logs wrap, escape and decorate messages: JSON strings, Rust's debug form, XML bodies, HTML
entities, terminal colours, Terraform's box characters. The rules see none of it.
"""

from __future__ import annotations

import html
import re

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BOX = re.compile("[\u2500-\u257f]")
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "`": "`"})
_UNICODE_ESCAPE = re.compile(r"\\+u00([0-9a-fA-F]{2})")
_CONTROL_ESCAPE = re.compile(r"\\+[nrt](?![A-Za-z]:)")
_OTHER_ESCAPE = re.compile(r"\\+([\"'/<>])")
_LINE_END_BACKSLASH = re.compile(r"\\\s*$", re.MULTILINE)
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|#\d{1,5}|#x[0-9a-fA-F]{1,4});")
_SPACE = re.compile(r"\s+")


def flatten(text: str) -> str:
    """Return the text on one line, unescaped, with single spaces.

    Nothing is interpreted beyond escapes and layout, so that spans of the result are still
    what the log said.
    """
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if not text.isascii():
        text = _BOX.sub(" ", text).translate(_QUOTES)
    if "\\" in text:
        text = _LINE_END_BACKSLASH.sub(" ", text)
        text = _UNICODE_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
        text = _CONTROL_ESCAPE.sub(" ", text)
        text = _OTHER_ESCAPE.sub(r"\1", text)
    if "&" in text:
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    return _SPACE.sub(" ", text).strip()
