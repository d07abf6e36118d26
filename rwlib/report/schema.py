"""The check of a report against its JSON schema, before it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

SCHEMA = "report.schema.json"


def validate_report(report: Mapping[str, Any]) -> None:
    """Check a report against the package's JSON schema.

    Raises
    ------
    jsonschema.ValidationError
        The report does not fit the schema.
    """
    _validator().validate(report)


@cache
def _validator() -> Any:
    import jsonschema  # type: ignore[import-untyped]

    text = resources.files("rwlib").joinpath("data", SCHEMA).read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))
