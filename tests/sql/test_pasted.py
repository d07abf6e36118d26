"""SQL as it is pasted: with a prompt, a fence, a template, in another dialect or encoding."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rwlib.cli import cli
from rwlib.sql import check_sql, parse_statements
from rwlib.sql.language import SqlSyntaxError

SINK = "CREATE SINK s FROM t WITH (connector = 's3');"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (f"dev=> {SINK}", "eave dev=> out"),
        (f"dev=# {SINK}", "eave dev=# out"),
        ("CREATE SINK s FROM t\ndev-> WITH (connector = 's3');", "eave dev-> out"),
        (f"```sql\n{SINK}\n```\n", "fence"),
        (f"{{{{ config(materialized='sink') }}}}\n{SINK}", "dbt compile"),
        (f"{{% set x = 1 %}}\n{SINK}", "dbt compile"),
        ("CREATE SINK [IF NOT EXISTS] s FROM t", "synopsis"),
    ],
)
def test_what_was_pasted_beside_the_statement_is_named(text: str, advice: str) -> None:
    assert advice in (check_sql(text)[0].fix or "")


@pytest.mark.parametrize(
    "text",
    [
        "COPY orders FROM 's3://acme/p/' IAM_ROLE 'arn:aws:iam::111122223333:role/rw'",
        "COPY (SELECT a FROM t) TO '/tmp/x.csv'",
        "COPY INTO orders FROM @stage",
    ],
)
def test_copy_from_or_to_a_file_is_no_statement_of_risingwave(text: str) -> None:
    with pytest.raises(SqlSyntaxError, match="STDIN"):
        parse_statements(text)
    parse_statements("COPY orders (a, b) FROM STDIN")
    parse_statements("COPY (SELECT a FROM t) TO STDOUT")


def test_a_file_in_utf_16_is_read_and_one_in_latin_1_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.sql"
    file.write_bytes("SELECT 1;\r\n".encode("utf-16"))
    assert CliRunner().invoke(cli, ["sql", "--check", str(file)]).exit_code == 0
    file.write_bytes("SELECT 'caf\xe9';".encode("latin-1"))
    done = CliRunner().invoke(cli, ["sql", "--check", str(file)])
    assert "not UTF-8" in str(done.exception) + done.output
