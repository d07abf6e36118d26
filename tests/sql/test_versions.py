"""What holds for one version of RisingWave and not for another."""

import pytest

from rwlib.errors import InputError
from rwlib.sql import check_sql, known_version
from rwlib.sql.connectors import connector_names, load_connector
from rwlib.sql.language.versions import VERSIONS
from rwlib.sql.writing.statements import build_statements

ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
WHERE = {"role_arn": ROLE, "bucket": "example-bucket", "prefix": "rw", "region_name": "eu-west-1"}
SNOWFLAKE = f"""
CREATE SINK sf AS SELECT * FROM orders WITH (
    connector = 'snowflake_v2', type = 'upsert', primary_key = 'id',
    jdbc.url = secret u, username = secret n, password = secret p,
    database = 'D', schema = 'P', table.name = 'T', stage = 'S', intermediate.table.name = 'I',
    SPECIAL
    s3.region_name = 'eu-west-1', s3.bucket_name = 'example-bucket', s3.path = 'rw',
    s3.assume_role = '{ROLE}', enable_config_load = 'true'
);
"""
ICEBERG = f"""
CREATE SINK lake FROM orders WITH (
    connector = 'iceberg', type = 'append-only', catalog.type = 'glue', SPECIAL
    warehouse.path = 's3://example-bucket/rw', database.name = 'd', table.name = 't',
    s3.region = 'eu-west-1', s3.iam_role_arn = '{ROLE}', glue.iam_role_arn = '{ROLE}',
    enable_config_load = 'true'
);
"""


@pytest.mark.parametrize(
    "text, version",
    [
        ("", "3.0"),
        ("3.0.3", "3.0"),
        ("v2.8.5", "2.8"),
        ("2.6", "2.8"),
        ("3.1.0-alpha", "3.1"),
        ("3.2.0", "main"),
        ("main", "main"),
        ("nightly-20260821", "main"),
        ("PostgreSQL 13.14.0-RisingWave-3.0.3 (b5f4c7a)", "3.0"),
    ],
)
def test_version_is_known_by_its_number(text, version):
    assert known_version(text) == version


def test_text_without_a_version_is_refused():
    with pytest.raises(InputError, match=r"write one of 2\.8, 3\.0, 3\.1, main"):
        known_version("the new one")


def found(text, version):
    return [(each.id, each.severity) for each in check_sql(text, version=version)]


@pytest.mark.parametrize(
    "options, by_version",
    [
        (
            "task.serverless = 'true',",
            {"3.0": ["sql_missing_option", "version_dependent"], "3.1": [], "main": []},
        ),
        ("warehouse = 'W',", {"2.8": [], "3.0": [], "3.1": [], "main": []}),
        ("", {each: ["sql_missing_option"] for each in VERSIONS}),
        (
            "warehouse = 'W', task.serverless = 'true',",
            {"3.1": ["bad_option_value"], "main": ["bad_option_value"]},
        ),
        (
            "warehouse = 'W', task.target_completion_interval = '5 MINUTES',",
            {"3.1": ["bad_option_value"], "main": ["bad_option_value"]},
        ),
    ],
)
def test_what_snowflake_wants_together_depends_on_the_version(options, by_version):
    text = SNOWFLAKE.replace("SPECIAL", options)
    for version, expected in by_version.items():
        errors = [id_ for id_, severity in found(text, version) if severity == "error"]
        assert errors == expected, version


def test_option_that_append_only_refuses_from_one_version_on_is_a_warning_before_it():
    text = SNOWFLAKE.replace("'upsert', primary_key = 'id'", "'append-only'").replace(
        " intermediate.table.name = 'I',\n    SPECIAL", " warehouse = 'W',"
    )
    assert found(text, "3.0") == [("bad_option_value", "warning")]
    assert found(text, "3.1") == [("bad_option_value", "error")]
    message = check_sql(text, version="3.0")[0].message
    assert "3.1" in message
    assert "3.0" in message


@pytest.mark.parametrize(
    "option", ["glue.endpoint = 'http://g',", "enable_manifest_rewrite = true,"]
)
def test_option_of_a_newer_version_names_both(option):
    text = ICEBERG.replace("SPECIAL", option)
    for version in (None, "3.1", "main"):
        assert found(text, version) == [("version_dependent", "warning")]
    assert found(text, "3.0") == [("version_dependent", "error")]
    assert "3.1" in check_sql(text)[0].message


def test_option_of_the_newest_release_is_missed_by_an_older_one_only():
    text = ICEBERG.replace("SPECIAL", "adlsgen2.client_id = 'i', order_key = 'a',")
    assert found(text, None) == found(text, "3.0") == found(text, "main") == []
    assert {severity for _, severity in found(text, "2.8")} == {"error"}


def test_every_option_says_since_when():
    for name in connector_names():
        for option in load_connector(name).options.values():
            assert option.since in VERSIONS
            assert option.until in ("", *VERSIONS)


def test_writer_takes_what_the_version_takes():
    options = {"type": "upsert", "task.serverless": True, "primary_key": "id"}
    *_, sink = build_statements("snowflake_v2", options=options, version="3.1", **WHERE)
    assert "task.serverless = 'true'" in sink.sql
    assert "warehouse" not in sink.sql
    with pytest.raises(InputError, match=r"3\.1"):
        build_statements("snowflake_v2", options=options, version="3.0.3", **WHERE)
    *_, sink = build_statements("snowflake_v2", options=options, **WHERE)
    assert any("3.1" in note for note in sink.notes)


@pytest.mark.parametrize(
    "options",
    [
        {"type": "upsert", "warehouse": "W", "task.serverless": True},
        {"type": "upsert", "warehouse": "W", "task.target_completion_interval": "5 MINUTES"},
        {"type": "append-only", "warehouse": "W"},
    ],
)
def test_combination_that_the_next_version_refuses_is_not_written(options):
    with pytest.raises(InputError):
        build_statements("snowflake_v2", options=options, **WHERE)


def test_append_only_snowflake_reads_by_a_query():
    *_, sink = build_statements("snowflake_v2", options={"from": "a.b"}, **WHERE)
    assert "CREATE SINK snowflake_v2_sink AS SELECT * FROM a.b WITH (" in sink.sql
    assert (
        check_sql(
            SNOWFLAKE.replace("AS SELECT * FROM", "FROM").replace("SPECIAL", "warehouse='W',")
        )
        == []
    )
