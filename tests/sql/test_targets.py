"""The SQL of a whole target, and the data it comes from."""

import subprocess
import sys
from dataclasses import dataclass, field
from typing import get_args

import pytest
import yaml

from rwlib.errors import InputError
from rwlib.sql.checker import check_sql
from rwlib.sql.connectors import (
    connector_names,
    engine_options,
    iceberg_catalogs,
    load_connector,
    out_of_scope,
    owners_of,
)
from rwlib.sql.language.parser import parse_statements
from rwlib.sql.writing.targets import statements_for
from rwlib.target.target import Connector, Target
from tests.support import places

ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
DATA = places.ROOT / "rwlib" / "data"


@dataclass(frozen=True)
class Wanted:
    connectors: tuple[str, ...]
    sql_options: dict = field(default_factory=dict)
    bucket: str = "example-bucket"
    prefix: str = "rw/orders"
    glue_database: str = ""


def sql_of(*connectors, options=None, **fields):
    target = Wanted(connectors, options or {}, **fields)
    return {each.connector: each for each in statements_for(target, ROLE, "eu-west-1")}


def last(sql):
    return parse_statements(sql.sql)[-1]


def test_every_connector_of_a_target_has_its_sql():
    target = Target(
        workload_identity_arn="arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role",
        bucket="example-bucket",
        prefix="rw/orders",
        region_name="eu-west-1",
        connectors=list(get_args(Connector)),
        glue_database="lake",
    )
    found = statements_for(target, ROLE, "eu-west-1")
    assert [each.connector for each in found] == target.connectors
    for each in found:
        assert each.sql == "\n\n".join(statement.sql for statement in each.statements)
        assert ROLE in each.sql
        assert each.notes
        found_here = check_sql(each.sql, target=target, role_arn=ROLE)
        assert {finding.id for finding in found_here} <= {"placeholder_left"}


def test_flat_option_goes_to_the_connectors_that_know_it():
    options = {"table.name": "orders", "encode": "json", "from": "public.orders"}
    found = sql_of("redshift", "s3_sink", "s3_source", options=options)
    assert last(found["redshift"]).option("table.name") == "orders"
    assert last(found["s3_sink"]).option("table.name") is None
    assert last(found["s3_sink"]).format_encode.encode == "JSON"
    assert last(found["s3_sink"]).from_name == "public.orders"
    assert last(found["s3_source"]).format_encode.encode == "JSON"


def test_option_of_one_connector_wins_over_the_flat_one():
    options = {"table.name": "all", "redshift": {"table.name": "mine"}, "iceberg_sink": None}
    found = sql_of("redshift", "iceberg_sink", options=options)
    assert last(found["redshift"]).option("table.name") == "mine"
    assert last(found["iceberg_sink"]).option("table.name") == "all"


def test_kind_is_chosen_per_connector():
    options = {"s3_source": {"kind": "table", "columns": {"id": "int"}, "primary_key": "id"}}
    assert last(sql_of("s3_source", options=options)["s3_source"]).kind == "table"
    options = {"iceberg_sink": {"kind": "table", "write_mode": "merge-on-read"}}
    table = last(sql_of("iceberg_sink", options=options)["iceberg_sink"])
    assert (table.engine, table.option("write_mode")) == ("iceberg", "merge-on-read")


def test_glue_fields_become_options_of_iceberg():
    found = sql_of("iceberg_sink", "redshift", glue_database="lake")
    assert last(found["iceberg_sink"]).option("database.name") == "lake"
    assert last(found["redshift"]).option("database.name") is None


def test_placeholders_of_a_role_and_region_not_known_yet_are_named():
    role = "arn:aws:iam::<account-id>:role/risingwave-s3-access"
    target = Wanted(("s3_sink", "iceberg_sink"), {"from": "orders", "table.name": "lake.orders"})
    s3, iceberg = statements_for(target, role, "<region of the bucket>")
    assert s3.placeholders == {
        "s3.region_name": "<region of the bucket>",
        "s3.assume_role": role,
    }
    assert set(iceberg.placeholders) == {"s3.region", "s3.iam_role_arn", "glue.iam_role_arn"}


@pytest.mark.parametrize(
    "connectors, options, words",
    [
        (("redshift",), {"tabel.name": "t"}, ["tabel.name", "table.name"]),
        (("redshift", "s3_sink"), {"tabel.name": "t"}, ["tabel.name", "table.name", "s3_sink"]),
        (("redshift",), {"stage": "s"}, ["stage", "snowflake_v2"]),
        (("redshift",), {"s3_sink": {"encode": "JSON"}}, ["s3_sink", "not one of the target's"]),
        (("redshift", "s3_sink"), {"name": "s"}, ["name", "per connector"]),
        (("s3_source",), {"kind": "sink"}, ["kind", "source or table"]),
        (("redshift",), {"s3.iam_role_arn": ROLE}, ["write s3.assume_role"]),
    ],
)
def test_what_no_connector_knows_is_refused(connectors, options, words):
    with pytest.raises(InputError) as caught:
        sql_of(*connectors, options=options)
    assert all(word in str(caught.value) for word in words)


def test_every_option_names_its_source():
    for name in connector_names():
        connector = load_connector(name)
        assert connector.source.startswith("risingwavelabs/risingwave@")
        assert all(option.source for option in connector.options.values())
        named = (
            *connector.role_options,
            *connector.catalog_role_options,
            *(connector.region_option, connector.path_option),
            *(option for group in connector.one_of for option in group),
            *(option for group in connector.upsert_needs for option in group),
            *(*connector.append_only_forbids, *connector.hosted_forbids),
        )
        assert set(named) <= set(connector.options)
        assert not set(connector.aliases) & set(connector.options)


def test_data_holds_no_key_that_nothing_reads():
    known = {
        "type",
        "required",
        "recommended",
        "default",
        "secret",
        "aliases",
        "placeholder",
        *("since", "until", "lower_case", "without_format"),
        "src",
    }
    top = {
        *("title", "connector", "kind", "source", "since", "license", "s3_at_create", "notes"),
        *("role_options", "catalog_role_options", "region_option", "bucket_option", "path_option"),
        *("types", "format_encode", "encode_options", "one_of", "upsert_needs", "options"),
        *("append_only_forbids", "hosted_forbids", "passed_through", "other_kinds"),
        *("option_groups", "options_of", "read_since", "append_only_forbids_since"),
        *("path_listed_as_written",),
        *("combinations", "append_only_from_fails"),
        *("place", "label", "needs", "requests", "folder_option", "example_folder"),
        *("trusted_service", "catalog", "example"),
    }
    for path in (DATA / "connectors").glob("*.yaml"):
        data = yaml.safe_load(path.read_text())
        assert path.stem in connector_names()
        assert set(data) <= top
        for option in data.get("options", {}).values():
            assert set(option) <= known


def test_iceberg_catalogs_say_what_the_role_reaches():
    roles = {name: entry["role"] for name, entry in iceberg_catalogs().items()}
    assert {name for name, role in roles.items() if role == "ignored"} == {"storage", "rest_rust"}
    assert roles["glue"] == roles["jdbc"] == "all"
    assert "write_mode" in engine_options()


def test_connectors_out_of_scope_are_named_with_their_role_option():
    assert out_of_scope()["kinesis"].role_option == "aws.credentials.role.arn"
    assert out_of_scope()["opensearch"].role_option == ""
    assert owners_of("kinesis.assumerole.arn") == ("kinesis",)
    for name in out_of_scope():
        with pytest.raises(InputError, match="out of scope"):
            load_connector(name)


def test_flat_kind_goes_to_the_connectors_that_have_it():
    found = sql_of("s3_source", "redshift", options={"kind": "table"})
    assert last(found["s3_source"]).kind == "table"
    assert last(found["redshift"]).kind == "sink"
    with pytest.raises(InputError, match="kind"):
        sql_of("redshift", options={"kind": "table"})


def test_keys_and_values_that_are_no_text_are_refused_in_one_sentence():
    for options in ({1: "x"}, {"table.name": [1]}, {"redshift": {1: 2}}, {"table.name": {"a": 1}}):
        with pytest.raises(InputError):
            sql_of("redshift", options=options)


def test_import_pulls_in_nothing_heavy():
    code = (
        "import sys, rwlib.sql; "
        "sys.exit(sorted({'boto3', 'botocore', 'papermill', 'IPython', 'pydantic', 'requests'} "
        "& set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
