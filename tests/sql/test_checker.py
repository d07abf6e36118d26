"""Checking SQL a person already has: every planted mistake, and no false alarm."""

from dataclasses import dataclass

import pytest

from rwlib.sql.checker import FINDINGS, check_sql
from rwlib.sql.connectors import connector_names, load_connector
from rwlib.sql.writing.statements import build_statements

ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"


@dataclass(frozen=True)
class Place:
    bucket: str = "example-bucket"
    prefix: str = "rw/orders"
    region_name: str = "eu-west-1"
    role_name: str = "risingwave-s3-access"


REDSHIFT = f"""
CREATE SECRET rs_url WITH (backend = 'meta') AS 'jdbc:redshift://example:5439/dev';
CREATE SINK rs_orders FROM orders WITH (
    connector = 'redshift',
    type = 'append-only',
    jdbc.url = secret rs_url,
    user = secret rs_user,
    password = secret rs_password,
    table.name = 'orders',
    s3.bucket_name = 'example-bucket',
    s3.region_name = 'eu-west-1',
    s3.path = 'rw/orders',
    s3.assume_role = '{ROLE}',
    enable_config_load = 'true'
);
"""
S3_SINK = f"""
CREATE SINK files AS SELECT id, 'a;b' AS note FROM orders WITH (
    connector = 's3',
    type = 'append-only',
    s3.region_name = 'eu-west-1',
    s3.bucket_name = 'example-bucket',
    s3.path = 'rw/orders/files/',
    s3.assume_role = '{ROLE}',
    enable_config_load = true,
    path_partition_prefix = 'day', rollover_seconds = 60
) FORMAT PLAIN ENCODE PARQUET (force_append_only = 'true');
"""
S3_SOURCE = f"""
create source if not exists raw (id bigint, payload jsonb) include file as f with (
    connector = 's3', s3.region_name = 'eu-west-1', s3.bucket_name = 'example-bucket',
    match_pattern = 'rw/orders/2026-0?/*.json', refresh.interval.sec = 30,
    s3.assume_role = '{ROLE}', enable_config_load = 'true',
) format plain encode json;
"""
SNOWFLAKE_V2 = f"""
CREATE SINK sf FROM orders WITH (
    connector = 'snowflake_v2', type = 'upsert', primary_key = 'id',
    jdbc.url = secret sf_url, username = secret sf_user, private_key_pem = secret sf_key,
    database = 'DEV', schema = 'PUBLIC', table.name = 'ORDERS', stage = 'RW',
    intermediate.table.name = 'ORDERS_CDC', warehouse = 'WH', auto.schema.change = 'true',
    s3.region_name = 'eu-west-1', s3.bucket_name = 'example-bucket', s3.path = 'rw/orders',
    s3.assume_role = '{ROLE}', enable_config_load = 'true'
);
"""
ICEBERG = f"""
CREATE SINK lake FROM orders WITH (
    connector = 'iceberg', type = 'upsert', primary_key = 'id',
    catalog.type = 'glue', catalog.name = 'demo', warehouse.path = 's3://example-bucket/rw/orders',
    database.name = 'lake', table.name = 'orders', create_table_if_not_exists = 'true',
    s3.region = 'eu-west-1', s3.iam_role_arn = '{ROLE}', glue.iam_role_arn = '{ROLE}',
    enable_config_load = 'true', write_mode = 'merge-on-read', commit_checkpoint_interval = 60,
    partition_by = 'day(at)', compaction.type = 'full', "catalog.io-impl" = 'x'
);
"""
CORRECT = {
    "redshift": REDSHIFT,
    "s3 sink": S3_SINK,
    "s3 source": S3_SOURCE,
    "snowflake_v2": SNOWFLAKE_V2,
    "iceberg sink": ICEBERG,
    "s3 table": S3_SOURCE.replace("create source if not exists raw", "CREATE TABLE raw"),
    "aliases": f"""
        CREATE SINK sf FROM orders WITH (
            connector = 'snowflake', type = 'append-only', s3.assume_role = '{ROLE}',
            snowflake.s3_bucket = 'example-bucket', snowflake.aws_region = 'eu-west-1',
            snowflake.s3_path = 'rw/orders', enable_config_load = 'true');""",
    "quoted option names": f"""
        CREATE SINK s FROM t WITH ("connector" = 's3', "type" = 'append-only',
            "s3.region_name" = 'eu-west-1', "s3.bucket_name" = 'example-bucket',
            "s3.path" = E'rw/orders', "s3.assume_role" = '{ROLE}', "enable_config_load" = 'true'
        ) FORMAT PLAIN ENCODE JSON;""",
    "iceberg source": f"""
        CREATE SOURCE s WITH (connector = 'iceberg', catalog.type = 'rest',
            catalog.uri = 'http://example:8181', warehouse.path = 's3://example-bucket/rw/orders/w',
            database.name = 'd', table.name = 't', s3.region = 'eu-west-1',
            catalog.credential = secret c, s3.iam_role_arn = '{ROLE}', enable_config_load = 'true');
        """,
    "iceberg with a connection": """
        CREATE SINK s FROM t WITH (connector = 'iceberg', connection = lake, type = 'append-only',
            database.name = 'd', table.name = 't');""",
    "iceberg connection and table": f"""
        CREATE CONNECTION lake WITH (type = 'iceberg', hosted_catalog = true,
            warehouse.path = 's3://example-bucket/rw/orders', s3.region = 'eu-west-1',
            s3.iam_role_arn = '{ROLE}', enable_config_load = true);
        SET iceberg_engine_connection = 'public.lake';
        CREATE TABLE t (id int PRIMARY KEY) WITH (commit_checkpoint_interval = 1) ENGINE = iceberg;
        INSERT INTO t VALUES (1); FLUSH; SELECT * FROM t;""",
    "other connectors": """
        CREATE SOURCE k (a int) WITH (connector = 'kafka', topic = 't',
            properties.bootstrap.server = 'b:9092', aws.credentials.role.arn = 'x',
            aws.credentials.role.external_id = 'e') FORMAT PLAIN ENCODE JSON;
        CREATE SINK p FROM t WITH (connector = 'jdbc', jdbc.url = 'jdbc:x', table.name = 't',
            type = 'upsert', primary_key = 'id');
        CREATE TABLE pg (*) FROM src TABLE 'public.t';
        CREATE TABLE w (d jsonb) WITH (connector = 'webhook') VALIDATE SECRET s AS
            secure_compare(headers->>'x', s);
        CREATE CONNECTION sr WITH (type = 'schema_registry', schema.registry = 'http://r');
        CREATE SINK into_table INTO t FROM v;
        CREATE TABLE plain (id int PRIMARY KEY, v varchar DEFAULT 'x, y');""",
    "psql": S3_SINK.replace("'example-bucket'", ":'bucket'") + "\\d files\n\\q\n",
    "no statement": "-- nothing but a comment\n;;\n",
}


@pytest.mark.parametrize("text", CORRECT.values(), ids=CORRECT)
@pytest.mark.parametrize("place", [None, Place()], ids=["alone", "with a target"])
def test_correct_statement_raises_no_alarm(text, place):
    assert check_sql(text, target=place) == []


def test_what_is_written_here_raises_no_alarm_but_its_placeholders():
    for name in connector_names():
        for type_ in load_connector(name).types or (None,):
            statements = build_statements(
                name,
                role_arn=ROLE,
                bucket="example-bucket",
                prefix="rw/orders",
                region_name="eu-west-1",
                options={"type": type_} if type_ else {},
            )
            sql = "\n".join(statement.sql for statement in statements)
            found = check_sql(sql, target=Place(), role_arn=ROLE)
            assert {finding.id for finding in found} <= {"placeholder_left"}


@pytest.mark.parametrize(
    "text, old, new, found, words",
    [
        (REDSHIFT, "s3.assume_role", "s3.iam_role_arn", "sql_wrong_role_option", "s3.assume_role"),
        (
            ICEBERG,
            " s3.iam_role_arn",
            " s3.assume_role",
            "sql_wrong_role_option",
            "s3.iam_role_arn",
        ),
        (S3_SINK, "s3.assume_role", "aws.credentials.role.arn", "sql_wrong_role_option", "kinesis"),
        (
            S3_SINK,
            "s3.assume_role",
            "s3.asume_role",
            "unknown_option",
            "did you mean s3.assume_role",
        ),
        (S3_SINK, "s3.path", "s3.pth", "unknown_option", "did you mean s3.path"),
        (REDSHIFT, "table.name", "table_name", "unknown_option", "did you mean table.name"),
        (S3_SOURCE, "match_pattern", "s3.path", "unknown_option", "match_pattern"),
        (REDSHIFT, "s3.path", "stage", "unknown_option", "snowflake_v2"),
        (REDSHIFT, "    table.name = 'orders',\n", "", "sql_missing_option", "table.name"),
        (REDSHIFT, "    s3.region_name = 'eu-west-1',\n", "", "sql_missing_option", "region"),
        (S3_SINK, f"    s3.assume_role = '{ROLE}',\n", "", "sql_missing_option", "s3.assume_role"),
        (
            SNOWFLAKE_V2,
            " private_key_pem = secret sf_key,",
            "",
            "sql_missing_option",
            "password or",
        ),
        (SNOWFLAKE_V2, " warehouse = 'WH',", "", "sql_missing_option", "task.serverless"),
        (SNOWFLAKE_V2, "'upsert'", "'append-only'", "bad_option_value", "refused with type"),
        (REDSHIFT, "enable_config_load = 'true'", "with_s3 = true", "config_load_missing", "add"),
        (
            S3_SINK,
            "enable_config_load = true",
            "enable_config_load = false",
            "config_load_missing",
            "is off",
        ),
        (
            S3_SINK,
            "enable_config_load = true",
            "enable_config_load = 'yes'",
            "bad_option_value",
            "neither true nor false",
        ),
        (S3_SINK, ROLE, "risingwave-s3-access", "sql_wrong_role_arn", "a role's name"),
        (
            S3_SINK,
            ROLE,
            "arn:aws:iam::111122223333:user/x",
            "sql_wrong_role_arn",
            "not the ARN of an IAM",
        ),
        (S3_SINK, ROLE, "arn:aws-cn:iam::111122223333:role/x", "sql_wrong_role_arn", "partition"),
        (
            S3_SINK,
            ROLE,
            "arn:aws:sts::111122223333:assumed-role/x/y",
            "sql_wrong_role_arn",
            "session",
        ),
        (S3_SINK, "s3.path", "external_id = 'x', s3.path", "sql_external_id", "never sends"),
        (
            ICEBERG,
            "catalog.name",
            '"catalog.client.assume-role.external-id"',
            "sql_external_id",
            "never sends",
        ),
        (REDSHIFT, "secret rs_password", "'hunter2'", "secret_required", "CREATE SECRET"),
        (
            REDSHIFT,
            "secret rs_url",
            "'jdbc:redshift://example:5439/dev'",
            "secret_required",
            "jdbc",
        ),
        (
            S3_SINK,
            "s3.path",
            "s3.credentials.access = secret a, s3.path",
            "sql_static_keys",
            "leave s3.credentials.access out",
        ),
        (ICEBERG, "catalog.name = 'demo'", "s3.secret.key = secret k", "sql_static_keys", "caller"),
        (ICEBERG, "'glue'", "'storage'", "iceberg_catalog_ignores_role", "ignore s3.iam_role_arn"),
        (ICEBERG, "'glue'", "'rest_rust'", "iceberg_catalog_ignores_role", "ignore"),
        (ICEBERG, "    catalog.type = 'glue',", "", "iceberg_catalog_ignores_role", "storage"),
        (
            ICEBERG,
            "catalog.name = 'demo'",
            "vended_credentials = true",
            "iceberg_catalog_ignores_role",
            "vended",
        ),
        (ICEBERG, "'glue'", "'gleu'", "bad_option_value", "did you mean glue"),
        (REDSHIFT, "\n);", "\n) FORMAT PLAIN ENCODE JSON;", "sql_format_encode", "refused"),
        (
            S3_SINK,
            "FORMAT PLAIN ENCODE PARQUET (force_append_only = 'true')",
            "",
            "sql_format_encode",
            "required",
        ),
        (S3_SINK, "PARQUET", "CSV", "sql_format_encode", "PARQUET or JSON"),
        (S3_SINK, "FORMAT PLAIN", "FORMAT UPSERT", "sql_format_encode", "FORMAT PLAIN"),
        (
            S3_SINK,
            "(force_append_only",
            "(force_append_onyl",
            "unknown_option",
            "force_append_only",
        ),
        (
            S3_SINK,
            "path_partition_prefix = 'day'",
            "force_append_only = true",
            "unknown_option",
            "inside ENCODE",
        ),
        (S3_SINK, "'append-only'", "'upsert'", "bad_option_value", "only appends"),
        (REDSHIFT, "'append-only'", "'append_only'", "bad_option_value", "append-only"),
        (
            S3_SINK,
            "connector = 's3'",
            "connector = 's3_v2'",
            "bad_option_value",
            "connector = 's3'",
        ),
        (REDSHIFT, "'redshift'", "'redshfit'", "bad_option_value", "did you mean redshift"),
        (S3_SINK, "'s3',\n", "'s3'\n", "sql_syntax", "',' or ')'"),
        (S3_SINK, "'append-only',", "'append-only,", "sql_syntax", "Unterminated"),
        (S3_SINK, "FROM orders WITH", "FROM orders", "sql_syntax", "expected WITH"),
        (S3_SINK, "rollover_seconds = 60", "s3.path = 'rw/orders'", "duplicate_option", "twice"),
        (S3_SINK, "'rw/orders/files/'", "$$rw/orders$$", "bad_option_value", "quoted text"),
        (
            S3_SINK,
            "'rw/orders/files/'",
            "'s3://example-bucket/rw/orders'",
            "bad_option_value",
            "s3.path = 'rw/orders'",
        ),
        (
            S3_SINK,
            "'example-bucket'",
            "'s3://example-bucket'",
            "bad_option_value",
            "not a valid bucket name",
        ),
        (S3_SINK, "'eu-west-1'", "'EU (Ireland)'", "bad_option_value", "not an AWS region"),
        (
            ICEBERG,
            "'s3://example-bucket/rw/orders'",
            "'example-bucket/rw'",
            "bad_option_value",
            "not an s3:// URL",
        ),
        (
            S3_SINK,
            f"'{ROLE}'",
            "'arn:aws:iam::<your-account-id>:role/<your-role>'",
            "placeholder_left",
            "<your-account-id>",
        ),
        (S3_SINK, "connector = 's3'", "connector = 'kafka'", "sql_wrong_role_option", "kafka"),
    ],
)
def test_planted_mistake_is_found(text, old, new, found, words):
    assert old in text
    planted = text.replace(old, new)
    findings = check_sql(planted)
    assert found in {finding.id for finding in findings}
    finding = next(finding for finding in findings if finding.id == found)
    assert words.lower() in f"{finding.message} {finding.fix}".lower()
    assert "hunter2" not in repr(findings)
    if old != f"    s3.assume_role = '{ROLE}',\n":
        assert len({finding.id for finding in findings}) <= 2  # no heap of consequences


@pytest.mark.parametrize(
    "text, old, new, found",
    [
        (S3_SINK, "eu-west-1", "us-east-1", "region_wrong"),
        (ICEBERG, "s3.region = 'eu-west-1'", "s3.region = 'eu-west-2'", "region_wrong"),
        (S3_SINK, "example-bucket", "other-bucket", "sql_wrong_bucket"),
        (ICEBERG, "s3://example-bucket", "s3://other-bucket", "sql_wrong_bucket"),
        (S3_SINK, "rw/orders/files/", "rw/orders2", "sql_outside_prefix"),
        (S3_SINK, "rw/orders/files/", "rw", "sql_outside_prefix"),
        (ICEBERG, "example-bucket/rw/orders", "example-bucket/rw", "sql_outside_prefix"),
        (S3_SOURCE, "rw/orders/2026-0?/*.json", "*.json", "sql_outside_prefix"),
        (S3_SOURCE, "rw/orders/2026-0?/*.json", "rw/orders*.json", "sql_outside_prefix"),
        (S3_SOURCE, "match_pattern = 'rw/orders/2026-0?/*.json',", "", "sql_outside_prefix"),
        (S3_SINK, "role/risingwave-s3-access", "role/other", "sql_wrong_role_arn"),
    ],
)
def test_statement_beside_the_target_is_found(text, old, new, found):
    assert old in text
    planted = text.replace(old, new)
    assert [finding.id for finding in check_sql(planted, target=Place())] == [found]
    assert check_sql(planted) == []


def test_role_of_another_account_is_found_when_the_role_is_known():
    planted = S3_SINK.replace("111122223333", "777788889999")
    found = check_sql(planted, target=Place(), role_arn=ROLE)
    assert [finding.id for finding in found] == ["sql_wrong_role_arn"]
    assert ROLE in found[0].fix


def test_finding_names_the_line_it_is_about():
    text = "-- one\n" + REDSHIFT.replace("table.name", "tabel.name")
    by_id = {finding.id: finding for finding in check_sql(text)}
    lines = text.split("\n")
    assert "tabel.name" in lines[by_id["unknown_option"].line - 1]
    assert "CREATE SINK" in lines[by_id["sql_missing_option"].line - 1]


def test_each_statement_of_a_file_is_checked():
    text = (
        REDSHIFT.replace("'redshift'", "'redshfit'")
        + "CREATE SINK x FRM y;"
        + S3_SINK.replace("s3.path", "s3.pth")
    )
    assert [finding.id for finding in check_sql(text)] == [
        *("bad_option_value", "sql_syntax"),
        "unknown_option",
    ]


def test_static_keys_alone_are_worth_knowing_only():
    text = S3_SINK.replace(
        f"s3.assume_role = '{ROLE}'",
        "s3.credentials.access = secret a, s3.credentials.secret = secret b",
    ).replace("enable_config_load = true,", "")
    assert [(f.id, f.severity) for f in check_sql(text)] == [("role_not_used", "info")]
    assert [f.id for f in check_sql(text, target=Place(), role_arn=ROLE)] == ["sql_missing_option"]


def test_ids_are_documented():
    assert all(FINDINGS.values())


def test_iceberg_table_that_reads_is_checked_like_a_source():
    text = CORRECT["iceberg source"].replace("CREATE SOURCE", "CREATE TABLE")
    assert check_sql(text, target=Place()) == []
    found = check_sql(text.replace("catalog.type = 'rest'", "catalog.type = 'storage'"))
    assert [finding.id for finding in found] == ["iceberg_catalog_ignores_role"]


@pytest.mark.parametrize(
    "option, found",
    [
        (f"s3.iam_role_arn = '{ROLE}'", "sql_wrong_role_option"),
        ("warehouse.path = 's3://example-bucket/rw'", "unknown_option"),
        ("commit_checkpoint_intervall = 1", "unknown_option"),
    ],
)
def test_option_of_the_connection_is_found_in_an_engine_table(option, found):
    text = f"CREATE TABLE t (id int PRIMARY KEY) WITH ({option}) ENGINE = iceberg;"
    assert [finding.id for finding in check_sql(text)] == [found]


def test_role_of_delta_lake_is_found_to_be_of_no_use():
    text = """CREATE SINK d FROM t WITH (connector = 'deltalake', type = 'append-only',
        location = 's3a://b/p', aws.region = 'eu-west-1', aws.credentials.role.arn = 'x');"""
    finding = check_sql(text)[0]
    assert (finding.id, finding.severity) == ("sql_wrong_role_option", "error")
    assert "session token" in finding.message


def test_file_scan_is_named_as_unable_to_use_a_role():
    found = check_sql("\nSELECT *\nFROM file_scan('parquet', 's3', 'r', 'AK', 'SK', 's3://b/k');")
    assert [(f.id, f.severity, f.line) for f in found] == [("role_not_used", "info", 3)]
    assert check_sql("SELECT file_scan FROM t; -- file_scan(") == []


@pytest.mark.parametrize(
    "text, old, new, found",
    [
        (S3_SINK, "    connector = 's3',\n", "", "sql_missing_option"),
        (S3_SOURCE, ") format plain encode json", ")", "sql_format_encode"),
        ("\ufeff" + S3_SINK, "s3.path", "s3.pth", "unknown_option"),
    ],
)
def test_mistake_that_hides_the_rest_is_found(text, old, new, found):
    assert old in text
    assert [finding.id for finding in check_sql(text.replace(old, new))] == [found]


def test_sink_without_a_path_is_outside_the_prefix():
    text = S3_SINK.replace("    s3.path = 'rw/orders/files/',\n", "")
    assert check_sql(text) == []
    assert [f.id for f in check_sql(text, target=Place())] == ["sql_outside_prefix"]
    assert check_sql(text, target=Place(prefix="")) == []


def test_glue_without_its_own_role_is_a_warning():
    text = ICEBERG.replace(f"glue.iam_role_arn = '{ROLE}',", "")
    assert [(f.id, f.severity) for f in check_sql(text)] == [("sql_missing_option", "warning")]


def test_upsert_may_take_the_key_of_what_it_reads():
    assert check_sql(SNOWFLAKE_V2.replace(" primary_key = 'id',", "")) == []


def test_hosted_catalog_and_a_catalog_of_ones_own_do_not_go_together():
    text = CORRECT["iceberg connection and table"]
    planted = text.replace("hosted_catalog = true", "hosted_catalog = true, catalog.name = 'x'")
    assert [finding.id for finding in check_sql(planted)] == ["bad_option_value"]


def test_role_with_a_plus_is_a_warning():
    found = check_sql(S3_SINK.replace("risingwave-s3-access", "a+b"))
    assert [(f.id, f.severity) for f in found] == [("sql_wrong_role_arn", "warning")]
