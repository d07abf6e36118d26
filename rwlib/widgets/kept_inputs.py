"""The inputs as they were typed into the form, kept for the next notebook and the next week."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rwlib.environment import HEADER
from rwlib.target import Target

_DEFAULT = "target.yaml"
# A click decides to write, never a file; who calls is the place's business.
_NOT_KEPT = ("apply",)
# A text that cannot be read as pairs would keep the whole file from being read.
_NOT_TEXT = ("tags", "sql_options", "accept_findings")


def inputs_file() -> Path | None:
    """Return the file that keeps the form's inputs, None when inputs come from one of yours.

    ``RWLIB_TARGET`` names it; a file that this form did not write is read and never written.
    """
    path = Path(os.environ.get("RWLIB_TARGET", "") or _DEFAULT)
    if path.exists():
        with path.open(encoding="utf-8") as file:
            return path if file.readline().strip() == HEADER else None
    return path


def use_kept_inputs() -> None:
    """Let notebooks without parameters start from what was typed last."""
    if not os.environ.get("RWLIB_TARGET") and Path(_DEFAULT).is_file():
        os.environ["RWLIB_TARGET"] = _DEFAULT


def keep_inputs(values: Mapping[str, Any]) -> Path | None:
    """Write the inputs that differ from the defaults; holds no secrets, as a target holds none."""
    import yaml

    path = inputs_file()
    if path is None:
        return None
    kept = {
        name: values[name]
        for name, info in Target.model_fields.items()
        if name in values
        and name not in _NOT_KEPT
        and values[name] != info.get_default(call_default_factory=True)
        and not (name in _NOT_TEXT and isinstance(values[name], str))
    }
    text = yaml.safe_dump(kept, sort_keys=False, allow_unicode=True) if kept else "{}\n"
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(f"{HEADER}\n{text}", encoding="utf-8")
    part.replace(path)
    return path
