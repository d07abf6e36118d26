"""``rwlib sql``: statements of Step 5, printed and checked."""

from __future__ import annotations

import pytest

from tests.support import places
from tests.support.command_line import options, rwlib


def test_sql_prints_statements_without_calling_anybody(example):
    code, out, _ = rwlib("sql", *options(example), "--account-id", "111122223333")
    assert code == 0
    assert "s3.assume_role = 'arn:aws:iam::111122223333:role/risingwave-s3-access'" in out


def test_sql_check_finds_a_wrong_option(tmp_path):
    path = tmp_path / "sink.sql"
    path.write_text(
        "CREATE SINK s FROM t WITH (connector='s3', type='append-only', s3.region_name='us-east-1',"
        " s3.bucket_name='acme-analytics', s3.iam_role_arn='arn:aws:iam::111122223333:role/r',"
        " enable_config_load='true') FORMAT PLAIN ENCODE PARQUET (force_append_only='true');"
    )
    code, out, _ = rwlib("sql", "--check", path)
    assert code == 1
    assert "s3.assume_role" in out


TARGET = (places.ROOT / "examples" / "redshift.yaml").read_text()
DATA = {
    "a target": TARGET,
    "a target under a rule": f"# mine\n---\n{TARGET}",
    "a target in JSON": '{"name": "orders", "bucket": "acme-analytics"}',
    "a list of targets": "- name: orders\n  bucket: acme-analytics\n",
    "a batch file": (places.ROOT / "examples" / "batch.csv").read_text(),
    "a batch file in JSON Lines": '{"name": "a", "bucket": "acme-a"}\n{"name": "b"}\n',
    "a notebook": (places.ROOT / "notebooks" / "06_verify_setup.ipynb").read_text(),
    "another document": "kind: ConfigMap\ndata:\n  sink.sql: CREATE SINK s FROM t\n",
    "a list": "[1, 2]",
}


@pytest.mark.parametrize("text", DATA.values(), ids=DATA)
def test_what_is_not_sql_is_called_so_instead_of_being_corrected(text, tmp_path):
    path = tmp_path / "given"
    path.write_text(text)
    code, out, err = rwlib("sql", "--check", path)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: check: '{path}' ")
    assert "not SQL; give a file with SQL" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        "CREATE SINK s FROM t WITH (connector = 's3', note: 'x');",
        "-- name: orders\nCREATE SINK s FROM t;",
        "/* bucket: x */ SELECT 1;",
        "name: orders\n'",
        "dev=> SELECT a::int;",
        "name, bucket FROM t;",
        "",
    ],
)
def test_what_could_be_sql_is_checked(text, tmp_path):
    path = tmp_path / "given.sql"
    path.write_text(text)
    code, out, _ = rwlib("sql", "--check", path)
    assert code in (0, 1)
    assert str(path) in out
