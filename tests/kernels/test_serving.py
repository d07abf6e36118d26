"""The server that looks up once what is installed before it starts."""

from __future__ import annotations

import copy

import pytest

from rwlib.kernels.serving import check_schemas_once, make_exporters_once
from rwlib.report import quick_jsonschema

SCHEMA = {"type": "object", "properties": {"windowingMode": {"type": "string"}}}


@pytest.fixture
def checked(monkeypatch):
    """Which schemas are really checked once `check_schemas_once` was called."""
    jsonschema = quick_jsonschema()
    check, seen = jsonschema.Draft7Validator.check_schema, []

    def watched(schema):
        seen.append(copy.deepcopy(schema))
        check(schema)

    monkeypatch.setattr(jsonschema.Draft7Validator, "check_schema", watched)
    check_schemas_once()
    check_schemas_once()
    return jsonschema, seen


def test_a_schema_that_is_right_is_checked_once(checked):
    jsonschema, seen = checked
    jsonschema.Draft7Validator.check_schema(copy.deepcopy(SCHEMA))
    jsonschema.Draft7Validator.check_schema(copy.deepcopy(SCHEMA))
    assert seen == [SCHEMA]


def test_a_schema_that_was_changed_is_checked_again(checked):
    jsonschema, _ = checked
    schema = copy.deepcopy(SCHEMA)
    jsonschema.Draft7Validator.check_schema(schema)
    schema["properties"]["windowingMode"]["type"] = "sentence"
    for _ in range(2):  # what is wrong is wrong every time
        with pytest.raises(jsonschema.SchemaError):
            jsonschema.Draft7Validator.check_schema(schema)


def test_exporters_are_made_once_and_those_of_a_configuration_every_time(monkeypatch):
    base = pytest.importorskip("nbconvert.exporters.base")
    asked = []

    def get_export_names(config=None):
        asked.append(config)
        return ["html", "pdf"]

    monkeypatch.setattr(base, "get_export_names", get_export_names)
    monkeypatch.setattr(base, "get_exporter", base.get_exporter)
    make_exporters_once()
    base.get_export_names().append("changed by who asked")
    assert base.get_export_names() == ["html", "pdf"]
    assert asked == [None]
    base.get_export_names(config={"HTMLExporter": {}})
    assert len(asked) == 2
