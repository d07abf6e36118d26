"""Statements as people really have them, each with what the checker must say.

``tests/data/sql_cases.jsonl``: ``verdict`` is ``ok`` (no error), ``error``, ``warning`` (a warning
and no error) or ``checked`` (looked at like the statement behind it).
"""

import json
import re

import pytest

from rwlib.sql import check_sql
from tests.support.command_line import rwlib
from tests.support.places import DATA

CASES = [json.loads(line) for line in (DATA / "sql_cases.jsonl").read_text("utf-8").splitlines()]
BY_ID = {case["id"]: case["sql"] for case in CASES}

# What the sentences of a case must hold, its fixes included.
SAYS = {
    "psql-variable-as-name": [':"ns"', ':"tb"', "psql"],
    "escaped-quote-in-name": ["3.1", "3.0"],
    "create-misspelt-object": ["SNIK", "SINK"],
    "comma-missing-in-columns": ["comma before name"],
    "reserved-word-as-column": ["order", "double quotes"],
    "numeric-precision": ["Write numeric"],
    "csv-delimiter": ["delimiter", "','", "';'", "tab"],
    "nbsp-after-semicolon": ["U+00A0", "no-break space"],
    "empty-name": ["zero-length"],
    "snowflake-serverless-false": ["warehouse"],
    "snowflake-interval": ["task.serverless"],
    "replace-sink": ["3.1", "s3.assume_role"],
    "create-or-replace-sink": ["3.1", "3.0", "REPLACE SINK"],
    "redshift-page-names": ["auto.schema.change", "batch.insert.rows"],
    "bucket-as-arn": ["'acme-lake'", "access point"],
    "s3tables-rest-role": ["s3.access.key", "s3tables:*"],
    "snowflake-v2-from": ["AS SELECT * FROM", "main", "3.0"],
}


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case_is_judged_rightly(case):
    findings = check_sql(case["sql"])
    severities = {finding.severity for finding in findings}
    said = " ".join(f"{finding.message} {finding.fix}" for finding in findings)
    match case["verdict"]:
        case "ok":
            assert "error" not in severities, said
        case "error":
            assert "error" in severities
        case "warning":
            assert severities == {"warning"}
        case "checked":
            assert "s3.assume_role is missing" in said
    for words in SAYS.get(case["id"], ()):
        assert words in said


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_advice_never_repeats_what_was_refused(case):
    for finding in check_sql(case["sql"]):
        given = re.match(r"\S+ = '([^']*)' ", finding.message)
        assert given is None or f"'{given.group(1)}'" not in finding.fix


@pytest.mark.parametrize(
    "case, options, exit_code, words",
    [
        ("create-misspelt-object", [], 1, ":1:8: error: expected an object type after CREATE"),
        ("adbc-snowflake", [], 0, "adbc_snowflake is a connector that takes no AWS role"),
        ("create-or-replace-sink", ["--risingwave-version", "3.0"], 0, "3.1 refuses it"),
        ("create-or-replace-sink", ["--risingwave-version", "3.1"], 1, "REPLACE SINK"),
        ("replace-sink", ["--risingwave-version", "2.8"], 1, "3.1"),
        ("escaped-quote-in-name", ["--risingwave-version", "3.0"], 1, "3.1"),
        ("escaped-quote-in-name", ["--risingwave-version", "main"], 0, ""),
        ("secret-double-quoted", ["--risingwave-version", "nine"], 2, "2.8, 3.0, 3.1, main"),
    ],
)
def test_command_says_it_with_its_place(tmp_path, case, options, exit_code, words):
    path = tmp_path / "case.sql"
    path.write_text(BY_ID[case], encoding="utf-8")
    code, out, err = rwlib("sql", "--check", path, *options)
    assert code == exit_code, out + err
    assert words in out + err
