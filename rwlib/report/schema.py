"""The check of a report against its JSON schema, before it is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from types import ModuleType
from typing import Any, cast

from rwlib.imports import without_modules

SCHEMA = "report.schema.json"


def validate_report(report: Mapping[str, Any]) -> None:
    """Check a report against the package's JSON schema.

    Raises
    ------
    jsonschema.ValidationError
        The report does not fit the schema.
    """
    if _compiled is None or not _fits(report):
        _validator().validate(report)


def prepare_schema() -> None:
    """Compile the schema, for a process whose children check a report each.

    Compiling takes longer than one check without it. nbformat brings the compiler.
    """
    global _compiled
    import fastjsonschema

    _compiled = fastjsonschema.compile(_schema())


_compiled: Callable[[Mapping[str, Any]], Any] | None = None


def _fits(report: Mapping[str, Any]) -> bool:
    """Ask the compiled schema, which says less well what does not fit."""
    assert _compiled is not None
    try:
        _compiled(report)
    except ValueError:
        return False
    return True


def quick_jsonschema() -> ModuleType:
    """Import jsonschema without a parser that it can do without, and return it.

    Where JupyterLab is installed, the import builds some 35 grammars of the package
    ``rfc3987_syntax``, which takes seconds
    (https://github.com/python-jsonschema/jsonschema/issues/1428). jsonschema does without the
    package when it cannot be imported, and so it is for this import.
    """
    with without_modules("rfc3987_syntax"):
        import jsonschema  # type: ignore[import-untyped]
    return cast("ModuleType", jsonschema)


@cache
def _validator() -> Any:
    return quick_jsonschema().Draft202012Validator(_schema())


def _schema() -> Any:
    text = resources.files("rwlib").joinpath("data", SCHEMA).read_text(encoding="utf-8")
    return json.loads(text)
