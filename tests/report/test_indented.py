"""Indented JSON is the text that Python's own encoder writes."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest

from rwlib.report import indented_json

COUNT = int(os.environ.get("RWLIB_INDENTED", "600"))
_SIGNS = 'ab"\\\n\té€😀\x00\x7f/<\ud800 '


def _any(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.randrange(11 if depth < 5 else 7)
    if kind < 2:
        return "".join(dice.choice(_SIGNS) for _ in range(dice.randrange(8)))
    if kind < 6:
        numbers: tuple[Any, ...] = (0, -1, 10**30, 0.1, 1e300, -0.0, float("inf"), True, False)
        return dice.choice((*numbers, None, {}, [], ()))
    if kind == 6:
        return b"abc"
    if kind < 9:
        odd = dice.random() < 0.03
        return {
            dice.choice((1, None, True, 2.5)) if odd else str(_any(dice, 9)): _any(dice, depth + 1)
            for _ in range(dice.randrange(5))
        }
    members = [_any(dice, depth + 1) for _ in range(dice.randrange(5))]
    return tuple(members) if dice.random() < 0.2 else members


@pytest.mark.parametrize(
    "how",
    [{"indent": 2}, {"indent": 1, "sort_keys": True, "ensure_ascii": False}, {"indent": 0}],
    ids=str,
)
def test_any_value_is_written_as_python_writes_it(how: dict[str, Any]) -> None:
    dice = random.Random(20)
    for _ in range(COUNT):
        value = _any(dice)
        given = {**how, "default": bytes.decode}
        try:
            expected = json.dumps(value, **given)
        except TypeError:  # keys of several kinds cannot be sorted
            with pytest.raises(TypeError, match="not supported between"):
                indented_json(value, **given)
        else:
            assert indented_json(value, **given) == expected


def test_what_json_does_not_know_is_refused_as_python_refuses_it() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        indented_json({"a": [object()]})


def test_a_value_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="Circular"):
        indented_json(endless)
