"""Step 5: what is written for every connector, and what is refused."""

import os

import pytest

from rwlib.errors import InputError
from rwlib.sql.connectors import connector_names, load_connector
from rwlib.sql.language.option_values import SecretRef
from rwlib.sql.language.parser import parse_statements
from rwlib.sql.language.syntax import CreateStatement
from rwlib.sql.writing.inputs import RESERVED
from rwlib.sql.writing.statements import build_statements
from tests.support import places

GOLDEN = places.DATA / "sql"
ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
WHERE = {
    "role_arn": ROLE,
    "bucket": "example-bucket",
    "prefix": "rw/orders",
    "region_name": "eu-west-1",
}
FILLED = {
    "redshift": {
        "from": "orders",
        "jdbc.url": "jdbc:redshift://example.abc.eu-west-1.redshift.amazonaws.com:5439/dev",
        "user": "rw",
        "password": "secret redshift_password",
        "table.name": "orders",
        "schema": "public",
    },
    "snowflake_v2": {
        "from": "orders",
        "jdbc.url": "jdbc:snowflake://example.snowflakecomputing.com/",
        "username": "rw",
        "private_key_pem": {"secret": "snowflake_key"},
        "database": "DEV",
        "schema": "PUBLIC",
        "table.name": "ORDERS",
        "stage": "RW_STAGE",
    },
    "iceberg_sink": {"from": "sales.Orders", "database.name": "lake", "table.name": "orders"},
    "iceberg_source": {"database.name": "lake", "table.name": "orders"},
    "s3_source": {"columns": {"id": "bigint", "Note": "varchar", "at": "timestamptz"}},
    "s3_table": {"columns": "id bigint, price numeric", "primary_key": "id"},
    "iceberg_table": {"columns": {"id": "bigint"}, "primary_key": ["id"]},
}
CASES = [
    *((name, "plain", {}) for name in connector_names()),
    *((name, "filled", options) for name, options in FILLED.items()),
    (
        "redshift",
        "upsert",
        {
            **FILLED["redshift"],
            "type": "upsert",
            "primary_key": ["id", "line"],
            "intermediate.table.name": "orders_cdc",
        },
    ),
    (
        "snowflake_v2",
        "upsert",
        {
            **FILLED["snowflake_v2"],
            "type": "upsert",
            "task.serverless": True,
            "primary_key": "id",
            "intermediate.table.name": "ORDERS_CDC",
        },
    ),
    ("snowflake", "parquet", {"from": "orders", "encode": "parquet"}),
    ("s3_sink", "json", {"from": "orders", "encode": "JSON", "force_append_only": False}),
    ("s3_source", "csv", {"encode": "csv", "encode_options": {"delimiter": ";"}}),
    ("s3_source", "parquet", {"encode": "parquet", "match_pattern": "rw/orders/2026/*.parquet"}),
    (
        "iceberg_sink",
        "upsert",
        {"type": "upsert", "table.name": "lake.orders", "primary_key": "id"},
    ),
    *(
        (
            "iceberg_sink",
            f"catalog_{catalog}",
            {"catalog.type": catalog, "table.name": "lake.orders"},
        )
        for catalog in ("rest", "glue_rust", "jdbc", "hive", "snowflake")
    ),
    ("iceberg_connection", "catalog_jdbc", {"catalog.type": "jdbc"}),
]


def written(connector, options=(), **where):
    statements = build_statements(connector, options=dict(options), **{**WHERE, **where})
    return "\n\n".join(statement.sql for statement in statements)


def created(connector, options=(), **where):
    """The last CREATE of what is written, as RisingWave's parser would read it."""
    statements = parse_statements(written(connector, options, **where))
    return [found for found in statements if isinstance(found, CreateStatement)][-1]


@pytest.mark.parametrize(
    "connector, case, options", CASES, ids=[f"{name}-{case}" for name, case, _ in CASES]
)
def test_statements_are_as_reviewed(connector, case, options):
    path = GOLDEN / f"{connector}_{case}.sql"
    sql = written(connector, options) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(sql)
    assert sql == path.read_text()


@pytest.mark.parametrize(
    "connector, case, options", CASES, ids=[f"{name}-{case}" for name, case, _ in CASES]
)
def test_statement_holds_defined_options_only_and_all_required(connector, case, options):
    own = load_connector(connector)
    for statement in parse_statements(written(connector, options)):
        if not isinstance(statement, CreateStatement) or statement.kind == "secret":
            continue
        names = [option.name for option in statement.options]
        assert len(names) == len(set(names))
        assert set(names) - {"connector"} <= set(own.options)
        if statement.options:
            assert {option.name for option in own.options.values() if option.required} <= set(names)
            assert statement.option("enable_config_load") == "true"
            assert statement.option(own.role_options[0]) == ROLE


def test_every_secret_is_created_before_it_is_used():
    for connector in ("redshift", "snowflake_v2"):
        *secrets, sink = parse_statements(written(connector))
        used = {o.value.name for o in sink.options if isinstance(o.value, SecretRef)}
        assert {secret.name for secret in secrets} == used
        assert all(secret.if_not_exists for secret in secrets)
        assert all(secret.options[0].value == "meta" for secret in secrets)


def test_placeholder_is_named_when_a_value_is_missing():
    *secrets, sink = build_statements("redshift", **WHERE)
    assert sink.placeholders == {
        "from": "<your-table-or-view>",
        "table.name": "<your-redshift-table>",
    }
    password = next(secret for secret in secrets if "password" in secret.placeholders)
    assert password.placeholders == {"password": "<your-password>"}
    assert "AS '<your-password>'" in password.sql


def test_no_placeholder_is_left_when_everything_is_given():
    for connector in ("redshift", "snowflake_v2", "iceberg_sink", "s3_source"):
        statements = build_statements(connector, options=FILLED[connector], **WHERE)
        assert [statement.placeholders for statement in statements if statement.placeholders] == []


@pytest.mark.parametrize("option", ["password", "s3.credentials.secret", "s3.credentials.access"])
def test_secret_in_plain_text_is_refused_and_not_repeated(option):
    with pytest.raises(InputError) as caught:
        written("redshift", {option: "hunter2-value"})
    assert option in str(caught.value)
    assert "hunter2-value" not in str(caught.value)


def test_jdbc_url_with_a_password_is_refused_and_not_repeated():
    with pytest.raises(InputError) as caught:
        written("redshift", {"jdbc.url": "jdbc:redshift://h/db?user=a&password=hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "connector, options, words",
    [
        ("redshift", {"s3.iam_role_arn": ROLE}, ["s3.iam_role_arn", "write s3.assume_role"]),
        ("iceberg_sink", {"s3.assume_role": ROLE}, ["write s3.iam_role_arn"]),
        ("redshift", {"tabel.name": "t"}, ["tabel.name", "table.name"]),
        ("redshift", {"stage": "s"}, ["stage", "snowflake_v2"]),
        ("s3_source", {"s3.path": "rw"}, ["s3.path", "match_pattern"]),
        ("s3_sink", {"match_pattern": "rw/*"}, ["match_pattern", "s3_source"]),
        ("s3_sink", {"aws.credentials.role.arn": ROLE}, ["kinesis", "write s3.assume_role"]),
        ("s3_sink", {"aws.credentials.role.external_id": "x"}, ["never sends an external id"]),
        ("iceberg_sink", {"catalog.client.assume-role.external-id": "x"}, ["external id"]),
        ("iceberg_sink", {"catalog.type": "storage"}, ["storage", "ignore s3.iam_role_arn"]),
        ("iceberg_source", {"catalog.type": "rest_rust"}, ["rest_rust", "ignore s3.iam_role_arn"]),
        ("iceberg_sink", {"catalog.type": "rest", "vended_credentials": True}, ["vended"]),
        ("iceberg_sink", {"catalog.type": "glu"}, ["glu", "glue"]),
        ("s3_sink", {"type": "upsert"}, ["upsert", "only appends"]),
        ("snowflake", {"type": "upsert"}, ["upsert", "only appends"]),
        ("redshift", {"type": "debezium"}, ["debezium", "append-only"]),
        ("snowflake_v2", {"warehouse": "WH"}, ["warehouse", "append-only"]),
        ("snowflake_v2", {"task.serverless": True}, ["task.serverless", "append-only"]),
        ("redshift", {"with_s3": False}, ["with_s3", "JDBC"]),
        ("redshift", {"batch.insert.rows": "many"}, ["batch.insert.rows", "whole number"]),
        ("redshift", {"create_table_if_not_exists": "yes"}, ["neither true nor false"]),
        ("redshift", {"format": "PLAIN"}, ["takes no FORMAT"]),
        ("s3_sink", {"encode": "CSV"}, ["PARQUET or JSON"]),
        ("s3_source", {"encode": "AVRO"}, ["JSON or CSV or PARQUET"]),
        ("s3_sink", {"s3.path": "elsewhere"}, ["elsewhere", "outside the prefix 'rw/orders'"]),
        ("s3_sink", {"s3.path": "rw/orders2"}, ["outside the prefix"]),
        ("s3_sink", {"s3.bucket_name": "other-bucket"}, ["other-bucket", "example-bucket"]),
        ("s3_sink", {"snowflake.s3_bucket": "other-bucket"}, ["other-bucket", "example-bucket"]),
        ("s3_sink", {"s3.region_name": "us-east-1"}, ["us-east-1", "eu-west-1"]),
        ("iceberg_sink", {"warehouse.path": "s3://other-bucket/rw/orders"}, ["other-bucket"]),
        ("iceberg_sink", {"warehouse.path": "s3://example-bucket/rw"}, ["outside the prefix"]),
        ("iceberg_sink", {"warehouse.path": "example-bucket"}, ["not an s3:// URL"]),
        ("s3_source", {"match_pattern": "*.json"}, ["list the whole bucket"]),
        ("s3_source", {"match_pattern": "rw/ord*/x.json"}, ["list 'rw/'"]),
        ("s3_source", {"match_pattern": "rw/orders*.json"}, ["list 'rw/'"]),
        ("s3_source", {"primary_key": "id"}, ["kind: table"]),
        ("s3_source", {"from": "orders"}, ["does not apply to s3_source"]),
        ("s3_source", {"kind": "sink"}, ["source, table"]),
        ("s3_source", {"columns": {"id": "bigint) WITH (x='"}}, ["not a RisingWave data type"]),
        ("s3_source", {"columns": {"id": "bigint primary key"}}, ["not a RisingWave data type"]),
        ("s3_source", {"columns": [["id", "bigint"]]}, ["name: type"]),
        ("s3_table", {"primary_key": "other"}, ["not one of the columns"]),
        ("redshift", {"from": 'or"ders'}, ["cannot", "orders"]),
        ("redshift", {"s3.assume_role": "risingwave-s3-access"}, ["name", "ARN"]),
        ("redshift", {"jdbc.url": "jdbc:x\0"}, ["cannot carry"]),
        ("s3_sink", {"encode_options": {"delimiter": ","}}, ["delimiter", "force_append_only"]),
        ("iceberg_table", {"connection": "conn", "catalog.type": "glue"}, ["already says"]),
        ("kinesis", {}, ["out of scope", "aws.credentials.role.arn"]),
        ("redshit", {}, ["did you mean redshift"]),
    ],
)
def test_refused_with_the_reason(connector, options, words):
    with pytest.raises(InputError) as caught:
        written(connector, options)
    message = str(caught.value)
    assert all(word.replace("orders", "") in message.replace("orders", "") for word in words)


@pytest.mark.parametrize("connector", ["s3_source", "s3_table"])
@pytest.mark.parametrize("prefix", ["a*b", "a[b]", "a{b", "a\\b"])
def test_prefix_with_wildcards_is_refused_for_a_source(connector, prefix):
    with pytest.raises(InputError, match="wildcard"):
        written(connector, prefix=prefix)


def test_question_mark_in_a_prefix_stays_for_a_source():
    assert created("s3_source", prefix="a?b").option("match_pattern") == "a?b/*.json"


@pytest.mark.parametrize(
    "connector, option, value",
    [
        ("s3_sink", "s3.path", ""),
        ("s3_source", "match_pattern", "*.json"),
        ("iceberg_sink", "warehouse.path", "s3://example-bucket"),
    ],
)
def test_empty_prefix_means_the_whole_bucket(connector, option, value):
    assert created(connector, prefix="").option(option) == value


def test_option_below_the_prefix_is_kept():
    assert created("redshift", {"s3.path": "rw/orders/eu"}).option("s3.path") == "rw/orders/eu"


def test_kind_selects_another_statement():
    assert created("s3_source", {"kind": "table"}).kind == "table"
    assert created("iceberg_source", {"kind": "connection"}).kind == "connection"
    assert created("iceberg_sink", {"kind": "table"}).engine == "iceberg"


def test_null_leaves_an_optional_option_out():
    assert created("redshift", {"user": None, "password": None}).option("user") is None


def test_every_reserved_key_is_documented():
    assert all(RESERVED.values())


@pytest.mark.parametrize(
    "given, expected",
    [
        ("orders", "orders"),
        ("Orders", '"Orders"'),
        ("order", '"order"'),
        ("user", '"user"'),
        ("my orders", '"my orders"'),
        ("sales.Orders", 'sales."Orders"'),
        ('"a.b".c', '"a.b".c'),
        ("1st", '"1st"'),
        ("naïve", '"naïve"'),
    ],
)
def test_name_is_quoted_where_risingwave_needs_it(given, expected):
    assert f" FROM {expected} WITH (" in written("s3_sink", {"from": given})


def test_secret_of_an_object_with_a_quoted_name_is_found_again():
    *secrets, sink = parse_statements(written("redshift", {"name": 'Lake."My Sink"'}))
    assert sink.name == "Lake.My Sink"
    assert sink.option("password") == SecretRef("Lake.My Sink_password")
    assert "Lake.My Sink_password" in [secret.name for secret in secrets]


def test_config_load_off_as_asked_is_written_and_said():
    for value in (False, None):
        (sink,) = build_statements("s3_sink", options={"enable_config_load": value}, **WHERE)
        option = parse_statements(sink.sql)[0].option("enable_config_load")
        assert option == ("false" if value is False else None)
        assert any("enable_config_load is off" in note for note in sink.notes)


def test_role_with_a_plus_is_written_with_a_warning():
    (sink,) = build_statements("s3_sink", **{**WHERE, "role_arn": f"{ROLE}+x"})
    assert any("holds a +" in note for note in sink.notes)


@pytest.mark.parametrize(
    "field, value",
    [
        ("bucket", "Not_A_Bucket"),
        ("region_name", "Ireland"),
        ("role_arn", "risingwave-s3-access"),
    ],
)
def test_error_names_the_field_that_the_value_came_from(field, value):
    with pytest.raises(InputError) as caught:
        written("s3_sink", **{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize(
    "connector, options, words",
    [
        ("iceberg_connection", {"hosted_catalog": True, "catalog.name": "x"}, "hosted_catalog"),
        ("iceberg_connection", {"hosted_catalog": False}, "catalog.type is missing"),
        ("iceberg_connection", {"type": "kafka"}, "is not a type of iceberg_connection"),
        ("redshift", {"type": "upsert", "primary_key": ["a,b"]}, "holds a comma"),
        ("redshift", {"table.name": ""}, "is empty"),
        ("s3_source", {"columns": {"a": "int 5"}}, "not a RisingWave data type"),
        ("s3_source", {"columns": {"a": "struct<x int> foo"}}, "not a RisingWave data type"),
        ("s3_source", {"columns": {"a": "int, b int"}}, "not a RisingWave data type"),
        ("s3_source", {"columns": {"a": ""}}, "not a RisingWave data type"),
        ("s3_source", {"columns": "a int, a int"}, "names a column twice"),
        ("s3_source", {"encode": "JSON", "encode_options": {"delimiter": ","}}, "are for CSV"),
    ],
)
def test_refused_combination_says_why(connector, options, words):
    with pytest.raises(InputError) as caught:
        written(connector, options)
    assert words in str(caught.value).replace("'", "")


def test_nested_column_types_are_kept():
    columns = {"a": "struct<x int, y numeric>", "b": "map(varchar, int)[]"}
    source = created("s3_source", {"columns": columns})
    assert {column.name: column.definition for column in source.columns} == columns
