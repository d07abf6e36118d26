"""YAML in which a key that is written twice is an error; PyYAML keeps the last one silently."""

from __future__ import annotations

from typing import Any

import yaml


class TwiceError(yaml.MarkedYAMLError):
    """A mapping has one key twice."""


class OneKeyEach:
    """Mixed into one of PyYAML's loaders, before it."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Build a mapping.

        Raises
        ------
        TwiceError
            It has one key twice (YAML 1.2, section 3.2.1.1: keys are unique).
        """
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise TwiceError(
                        problem=f"{key.value!r} appears twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)  # type: ignore[misc]


class Loader(OneKeyEach, yaml.SafeLoader):
    """PyYAML's safe loader."""


def problem_of(error: yaml.YAMLError) -> str:
    """Say what is wrong with a text, in one clause, and where."""
    mark = getattr(error, "problem_mark", None)
    where = f" (line {mark.line + 1})" if mark else ""
    what = "is not valid YAML"
    if isinstance(error, TwiceError):
        what = f"cannot be used: {error.problem}"
    return f"{what}{where}"
