"""``rwlib sql``: statements of Step 5, printed and checked."""

from __future__ import annotations

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
