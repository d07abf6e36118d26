"""Texts of public reports: the class, the first cause, and nothing certain that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rwlib.diagnose.diagnosis import diagnose
from rwlib.target import Target
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_fix_names_own_values_instead_of_placeholders(case: dict[str, Any]) -> None:
    target = Target(
        bucket="acme-staging",
        role_name="rw-s3-access",
        connectors=["s3_sink"],
        workload_identity_arn="arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role",
    )
    for given in ({}, {"target": target}, {"target": target, "target_file": "prod.yaml"}):
        for each in diagnose(case["text"], **given):
            for cause in each.causes:
                said = f"{cause.fix.summary} {cause.fix.how}"
                assert "FILE.yaml" not in said
                assert "BUCKET" not in said
