"""Texts of public reports: the class, the first cause, and nothing certain that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rwlib.diagnose.diagnosis import diagnose
from tests.support import places

LINES = (places.DATA / "diagnose" / "cases.jsonl").read_text("utf-8").splitlines()
CASES: list[dict[str, Any]] = [json.loads(line) for line in LINES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_case_has_its_class_and_first_cause(case: dict[str, Any]) -> None:
    found = diagnose(case["text"])
    assert [each.error_class for each in found] == [case["class"]]
    first = found[0].causes[0]
    assert first.id in case["causes"]
    assert all(
        cause.confidence != "certain" or cause.id in case["causes"] for cause in found[0].causes
    )
    if "confidence" in case:
        assert first.confidence == case["confidence"]
