"""The plain words of a regular expression, to ask for before the expression itself is tried.

An expression that ignores case is slow to reject a text; a substring is not. Of each alternative
the longest run of plain characters must stand in any text that the alternative matches.
"""

from __future__ import annotations

from typing import Final

_SHORTEST: Final = 3
_QUANTIFIERS: Final = "?*+{"
_MEANS_ITSELF: Final = ".()[]{}|?*+^$\\/'\"-#&~ "


def required_words(*phrases: str) -> tuple[str, ...]:
    """Return lower-case words of which every matching text, in lower case, holds at least one.

    Empty when some alternative has no word of three characters or more: then nothing can be said.
    """
    words = []
    for phrase in phrases:
        for alternative in _alternatives(phrase):
            word = _longest_run(alternative)
            if len(word) < _SHORTEST:
                return ()
            words.append(word.lower())
    return tuple(dict.fromkeys(words))


def _alternatives(phrase: str) -> list[str]:
    """Split at the bars that stand outside groups and character classes."""
    parts, depth, start, index = [], 0, 0, 0
    while index < len(phrase):
        char = phrase[index]
        if char == "\\":
            index += 1
        elif char == "[":
            index = _class_end(phrase, index)
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "|" and depth == 0:
            parts.append(phrase[start:index])
            start = index + 1
        index += 1
    return [*parts, phrase[start:]]


def _longest_run(alternative: str) -> str:
    runs = [""]
    index = 0
    while index < len(alternative):
        char = alternative[index]
        if char == "\\":
            index += 1
            escaped = alternative[index]
            if escaped in _MEANS_ITSELF:
                runs[-1] += escaped
            else:
                runs.append("")
        elif char in "([":
            index = (
                _group_end(alternative, index) if char == "(" else _class_end(alternative, index)
            )
            runs.append("")
        elif char in _QUANTIFIERS:
            # What stands before a quantifier may be absent; after "+" it may repeat.
            runs[-1] = runs[-1][:-1]
            runs.append("")
            if char == "{":
                index = alternative.index("}", index)
        elif char in ".^$":
            runs.append("")
        else:
            runs[-1] += char
        index += 1
    return max(runs, key=len)


def _class_end(text: str, index: int) -> int:
    """Index of the bracket that closes the class opened at ``index``."""
    index += 2 if text[index + 1] in "]^" else 1
    while text[index] != "]":
        index += 2 if text[index] == "\\" else 1
    return index


def _group_end(text: str, index: int) -> int:
    """Index of the parenthesis that closes the group opened at ``index``."""
    depth = 0
    while True:
        char = text[index]
        if char == "\\":
            index += 1
        elif char == "[":
            index = _class_end(text, index)
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return index
        index += 1
