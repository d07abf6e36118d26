"""The check of a report against its JSON schema, before it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    _validator().validate(report)


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
    jsonschema = quick_jsonschema()
    text = resources.files("rwlib").joinpath("data", SCHEMA).read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))
