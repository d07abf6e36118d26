"""What the checker advises: the name that is meant, and no role where none is needed."""

import pytest

from rwlib.errors import InputError
from rwlib.sql import check_sql
from rwlib.sql.checker import connectors_without_role
from rwlib.sql.writing.columns import read_columns
from rwlib.sql.writing.statements import build_statements
from tests.support.command_line import rwlib

ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
WHERE = {"role_arn": ROLE, "bucket": "example-bucket", "prefix": "rw", "region_name": "eu-west-1"}
SINK = f"""
CREATE SINK s FROM t WITH (connector = 's3', type = 'append-only', s3.region_name = 'eu-west-1',
    s3.bucket_name = 'example-bucket', s3.path = 'rw', s3.assume_role = '{ROLE}',
    enable_config_load = 'true') FORMAT PLAIN ENCODE JSON;
"""
SOURCE = f"""
CREATE SOURCE s (a int) WITH (connector = 's3', s3.region_name = 'eu-west-1',
    s3.bucket_name = 'example-bucket', match_pattern = 'rw/*', s3.assume_role = '{ROLE}',
    enable_config_load = 'true') FORMAT PLAIN ENCODE CSV (without_header = 'true', OPTIONS);
"""
LAKE = """
CREATE SINK s FROM t WITH (connector = 'iceberg', type = 'append-only', database.name = 'd',
    table.name = 't', OPTIONS);
"""


def said(text):
    return [(each.id, each.severity, f"{each.message}; {each.fix}") for each in check_sql(text)]


@pytest.mark.parametrize(
    "given, meant",
    [
        ("arn:aws:s3:::acme-lake", "acme-lake"),
        ("arn:aws:s3:::acme-lake/rw/*", "acme-lake"),
        ("s3://acme-lake/rw", "acme-lake"),
        ("s3a://acme-lake", "acme-lake"),
        ("https://acme-lake.s3.eu-west-1.amazonaws.com/rw", "acme-lake"),
        ("https://s3.eu-west-1.amazonaws.com/acme-lake/rw", "acme-lake"),
        ("Acme-Lake", "acme-lake"),
        ("acme-lake/rw", "acme-lake"),
        ("acme_lake", ""),
    ],
)
def test_bucket_that_is_meant_is_named(given, meant):
    ((id_, _, text),) = said(SINK.replace("'example-bucket'", f"'{given}'"))
    assert id_ == "bad_option_value"
    fix = text.partition("; ")[2]
    assert (f"'{meant}'" in fix) == bool(meant)
    assert f"'{given}'" not in fix


@pytest.mark.parametrize(
    "option, old, new, meant",
    [
        ("region", "'eu-west-1'", "'EU_WEST_1'", "'eu-west-1'"),
        ("region", "'eu-west-1'", "'eu-west-1a'", "'eu-west-1'"),
        ("role", ROLE, "arn:aws:sts::111122223333:assumed-role/rw/x", "111122223333:role/rw'"),
        ("role", ROLE, "my-role", "role/my-role'"),
        ("role", ROLE, f" {ROLE}", f"'{ROLE}'"),
        ("type", "'append-only'", "'APPEND_ONLY'", "'append-only'"),
        ("name", "s3.path", "s3_path", "s3.path"),
        ("name", "s3.path", "S3.Bucketname = 'x', s3.path", "s3.bucket_name"),
        ("name", "s3.path", "sink.rate.limit = 1, s3.path", "sink_rate_limit"),
        ("name", "s3.path", "force_compact = true, s3.path", "force_compaction"),
    ],
)
def test_what_is_meant_is_advised(option, old, new, meant):
    assert any(meant in text for _, _, text in said(SINK.replace(old, new)))


@pytest.mark.parametrize(
    "option", ["force_compaction = true", "preserve_row_level_changes = true", "snapshot = false"]
)
def test_options_of_every_sink_are_known(option):
    assert said(SINK.replace("s3.path", f"{option}, s3.path")) == []


@pytest.mark.parametrize(
    "options",
    [
        "catalog.type = 'rest', catalog.uri = 'http://c', warehouse.path = 'gs://b/w'",
        "catalog.type = 'rest', catalog.uri = 'http://c', warehouse.path = 'abfss://c@a/w'",
        "catalog.type = 'storage', warehouse.path = 'gs://b/w', gcs.credential = secret g",
        "catalog.type = 'rest', catalog.uri = 'http://c', vended_credentials = true",
        "catalog.type = 'rest', catalog.uri = 'http://c', warehouse.path = 'w', "
        "vended_credentials = 'true', s3.region = 'eu-west-1'",
        "catalog.type = 'storage', warehouse.path = 's3://b/w', s3.region = 'us-east-1', "
        "s3.endpoint = 'http://minio:9000', s3.access.key = secret a, s3.secret.key = secret b",
        "catalog.type = 'storage', warehouse.path = 's3://b/w', s3.region = 'us-east-1', "
        "s3.endpoint = 'http://minio:9000'",
    ],
)
def test_no_role_is_asked_for_where_none_is_needed(options):
    assert said(LAKE.replace("OPTIONS", options)) == []


def test_role_is_asked_for_where_the_endpoint_is_awss():
    options = (
        "catalog.type = 'jdbc', catalog.uri = 'x', warehouse.path = 's3://bucket/w', "
        "s3.region = 'us-east-1', s3.endpoint = 'https://s3.us-east-1.amazonaws.com'"
    )
    found = [id_ for id_, _, _ in said(LAKE.replace("OPTIONS", options))]
    assert found == ["sql_missing_option", "config_load_missing"]


def test_signed_catalog_with_keys_is_left_alone():
    options = (
        "catalog.type = 'rest', catalog.uri = 'https://s3tables.us-east-1.amazonaws.com/iceberg', "
        "warehouse.path = 'arn:aws:s3tables:us-east-1:111122223333:bucket/b', "
        "s3.region = 'us-east-1', catalog.rest.sigv4_enabled = true, "
    )
    keys = "s3.access.key = secret a, s3.secret.key = secret b"
    assert said(LAKE.replace("OPTIONS", options + keys)) == []
    role = f"s3.iam_role_arn = '{ROLE}', enable_config_load = true"
    ((id_, severity, text),) = said(LAKE.replace("OPTIONS", options + role))
    assert (id_, severity) == ("iceberg_catalog_ignores_role", "warning")
    assert "s3tables:*" in text


def test_role_option_of_a_connector_without_a_role_is_told_so():
    text = SINK.replace("'s3'", "'clickhouse'")
    assert "which takes no AWS role" in said(text)[0][2]
    assert connectors_without_role(text) == [(2, "clickhouse")]
    assert connectors_without_role(SINK) == []


@pytest.mark.parametrize(
    "delimiter, wrong",
    [
        ("delimiter = ','", False),
        ("delimiter = ';'", False),
        ("delimiter = '\t'", False),
        (r"delimiter = E'\t'", False),
        (r"delimiter = '\t'", True),
        ("delimiter = '|'", True),
        ("delimiter = ''", True),
    ],
)
def test_csv_has_one_of_three_delimiters(delimiter, wrong):
    found = said(SOURCE.replace("OPTIONS", delimiter))
    assert [id_ for id_, _, _ in found] == ["bad_option_value"] * wrong


def test_csv_without_a_delimiter_is_refused():
    assert [id_ for id_, _, _ in said(SOURCE.replace(", OPTIONS", ""))] == ["sql_missing_option"]
    options = {"encode": "CSV", "encode_options": {"delimiter": "|"}}
    with pytest.raises(InputError, match="delimiter"):
        build_statements("s3_source", options=options, **WHERE)


@pytest.mark.parametrize(
    "given, meant",
    [
        ("numeric(10,2)", "write numeric"),
        ("decimal(8)", "write numeric"),
        ("varchar(10)", "write varchar"),
        ("character varying(10)", "write character varying"),
        ("timestamp(3)", "write timestamp"),
        ("int[3]", "write int[]"),
        ("array<int>", "write int[]"),
        ("char(3)", "write varchar"),
        ("json", "write jsonb"),
        ("uuid", "write varchar"),
        ("serial", "write int"),
        ("int16", "write smallint"),
        ("int32", "write int"),
        ("int64", "write bigint"),
        ("float32", "write real"),
        ("float64", "write double precision"),
        ("rw_uint256", "write rw_int256"),
        ("map", "write map("),
        ("struct", "write struct<"),
        ("vector", "write vector("),
        ("datetime", "write timestamp"),
        ("tinyint", "write smallint"),
        ("struct<a int, b json>", "write jsonb"),
        ("varcahr", "write varchar"),
        ("int -- x", "is not a RisingWave data type"),
        ("int, b int", "is not a RisingWave data type"),
    ],
)
def test_type_that_risingwave_has_not_is_refused_with_the_type_to_write(given, meant):
    with pytest.raises(InputError) as caught:
        read_columns({"a": given})
    assert meant in str(caught.value)


@pytest.mark.parametrize(
    "type_",
    [
        *("bool", "int2", "int8", "float4", "text", "string", "bytea", "timestamptz", "rw_int256"),
        *("timestamp with time zone", "double precision", "map(varchar, int)[]", "vector(3)"),
        *("struct<a int, b struct<c varchar[]>>", "numeric", "interval", "jsonb", "float(24)"),
    ],
)
def test_type_of_risingwave_is_taken(type_):
    assert read_columns({"a": type_})[0].type == type_
    assert said(f"CREATE TABLE t (a {type_});") == []


def test_booleans_are_read_and_written_in_lower_case():
    options = {"auto.schema.change": "True", "create_table_if_not_exists": "TRUE"}
    *_, sink = build_statements("snowflake_v2", options=options, **WHERE)
    assert "auto.schema.change = 'true'" in sink.sql
    assert "create_table_if_not_exists = 'true'" in sink.sql
    found = said(sink.sql.replace("auto.schema.change = 'true'", "auto.schema.change = 'True'"))
    assert any("read in lower case only" in text and "'true'" in text for _, _, text in found)


def test_setting_of_the_iceberg_engine_has_two_parts():
    for text in ("lake", "dev.public.lake"):
        ((id_, severity, advice),) = said(f"SET iceberg_engine_connection = '{text}';")
        assert (id_, severity) == ("bad_option_value", "error")
        assert "'public.lake'" in advice
    assert said("SET iceberg_engine_connection = 'public.lake';") == []
    statements = build_statements("iceberg_table", options={"name": "dev.shop.orders"}, **WHERE)
    (setting,) = [each.sql for each in statements if each.kind == "set"]
    assert setting == "SET iceberg_engine_connection = 'shop.orders_connection';"
    with pytest.raises(InputError, match=r"schema\.connection"):
        build_statements("iceberg_table", options={"connection": "dev.shop.c"}, **WHERE)


@pytest.mark.parametrize("written", ["E'x'", "N'x'", "X'00'", "$$x$$", "1", "true"])
def test_secret_is_a_text_in_plain_quotes(written):
    ((id_, severity, _),) = said(f"CREATE SECRET s WITH (backend = 'meta') AS {written};")
    assert (id_, severity) == ("bad_option_value", "error")


@pytest.mark.parametrize("written", ["'x'", '"x"', "NULL", ":'x'"])
def test_secret_in_quotes_or_none_is_taken(written):
    assert said(f"CREATE SECRET s WITH (backend = 'meta') AS {written};") == []


def test_force_append_only_stands_where_the_format_says():
    plain = SINK.replace("'s3'", "'snowflake'").replace(
        "s3.path", "force_append_only = true, s3.path"
    )
    without = plain.replace(" FORMAT PLAIN ENCODE JSON", "")
    assert said(without) == []
    assert [id_ for id_, _, _ in said(plain)] == ["unknown_option"]


@pytest.mark.parametrize("text", ["", " \n", "-- nothing\n/* at all */", ";;", "\\timing on\n"])
def test_text_without_a_statement_is_said_to_have_none(tmp_path, text):
    path = tmp_path / "empty.sql"
    path.write_text(text, encoding="utf-8")
    code, out, _ = rwlib("sql", "--check", path)
    assert code == 0
    assert out.endswith("empty.sql: there is no statement in it, so nothing was checked\n")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE SINK a.b.c.d FROM t WITH (connector = 'blackhole')",
        "CREATE SINK s FROM a.b.c.d WITH (connector = 'blackhole')",
        "CREATE SINK s AS SELECT * FROM a.b.c.d WITH (connector = 'blackhole')",
    ],
)
def test_name_in_four_parts_is_refused(sql):
    assert [f.message for f in check_sql(sql) if f.severity == "error"] == [
        "a.b.c.d has more than three parts, which RisingWave refuses"
    ]
    assert not check_sql(sql.replace("a.b.c.d", "b.c.d"))


def test_bucket_of_a_warehouse_is_named_where_it_cannot_exist():
    sql = (
        "CREATE SINK s FROM t WITH (connector = 'iceberg', type = 'append-only', "
        "catalog.type = 'glue', glue.iam_role_arn = 'arn:aws:iam::111122223333:role/r', "
        "s3.iam_role_arn = 'arn:aws:iam::111122223333:role/r', enable_config_load = 'true', "
        "s3.region = 'us-east-1', database.name = 'd', table.name = 't', "
        "warehouse.path = 's3://b/w')"
    )
    [finding] = check_sql(sql)
    assert "'b' is not a valid bucket name" in finding.message
    assert "'s3://<bucket>/w'" in finding.fix


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE SINK s FROM t WITH (connector = 'iceberg', type = 'append-only', "
        "database.name = 'd', table.name = 't', warehouse.path = 's3://example-bucket/w', "
        "s3.region = 'us-east-1', "
        "s3.endpoint = 'http://minio:9000', s3.access.key = 'k', s3.secret.key = 's', "
        "catalog.type = 'storage')",
        "CREATE SINK s FROM t WITH (connector = 'iceberg', type = 'append-only', "
        "database.name = 'd', table.name = 't', catalog.type = 'rest', catalog.uri = 'http://x', "
        "catalog.credential = 'a:b', warehouse.path = 'w', vended_credentials = 'true')",
        "CREATE SOURCE s (a int) WITH (connector = 's3', s3.region_name = 'us-east-1', "
        "s3.bucket_name = 'example-bucket', match_pattern = 'p/*', s3.credentials.access = 'k', "
        "s3.credentials.secret = 's') FORMAT PLAIN ENCODE JSON",
    ],
)
def test_plain_keys_are_no_error_where_no_role_is_named(sql):
    severities = {(f.id, f.severity) for f in check_sql(sql)}
    assert ("secret_required", "warning") in severities
    assert "error" not in {severity for _, severity in severities}


@pytest.mark.parametrize("place", ["...", "<role>", "${ROLE_ARN}", "{{ role_arn }}"])
def test_what_still_holds_a_place_is_no_wrong_value(place):
    findings = check_sql(SINK.replace(ROLE, place))
    assert [(f.id, f.severity) for f in findings] == [("placeholder_left", "warning")]


def test_variant_is_a_type_from_3_1_on():
    sql = "CREATE TABLE t (v variant) WITH (connector = 'datagen')"
    for version, refused in (("3.0", True), ("3.1", False), ("main", False)):
        ids = {f.id for f in check_sql(sql, version=version)}
        assert ("bad_column_type" in ids) is refused
