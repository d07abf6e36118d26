"""What the stand-in's sinks write, read by pyarrow and pyiceberg."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import boto3
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rwlib.cloud import Cloud
from rwlib.cloud.transport import SqlError
from rwlib.sandbox import Sandbox
from rwlib.sandbox.endpoint import API_KEY, API_SECRET
from rwlib.sandbox.risingwave.engine.objects import Changes, Op
from rwlib.sandbox.risingwave.engine.typed_files import parquet_file
from rwlib.sandbox.risingwave.engine.values import from_python, to_python
from rwlib.sandbox.risingwave.engine.writing import json_lines

pytestmark = pytest.mark.slow

pyarrow = pytest.importorskip("pyarrow", reason="the extra `files` is not installed")
pytest.importorskip("pyiceberg", reason="the extra `files` is not installed")

parquet = pytest.importorskip("pyarrow.parquet")
ORDERS = "019d023e-68a6-74db-b73c-e18859fc5171"
BUCKET = "acme-analytics"
COLUMNS = [
    ("flag", "boolean"),
    ("small", "smallint"),
    ("whole", "int"),
    ("large", "bigint"),
    ("exact", "numeric"),
    ("rough", "double precision"),
    ("words", "varchar"),
    ("day", "date"),
    ("hour", "time"),
    ("local", "timestamp"),
    ("moment", "timestamptz"),
    ("raw", "bytea"),
    ("list", "int[]"),
]
DAYS = st.dates(date(1900, 1, 1), date(2200, 1, 1))
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "small": st.integers(-(2**15), 2**15 - 1),
    "whole": st.integers(-(2**31), 2**31 - 1),
    "large": st.integers(-(2**63), 2**63 - 1),
    "exact": st.decimals(-(10**15), 10**15, allow_nan=False, places=7),
    "rough": st.floats(allow_nan=False, allow_infinity=False),
    "words": st.text(st.characters(exclude_categories=["Cs"])),
    "day": DAYS,
    "hour": st.times(),
    "local": MOMENTS,
    "moment": MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC)),
    "raw": st.binary(),
    "list": st.lists(st.one_of(st.none(), st.integers(-9, 9))),
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.one_of(st.none(), VALUES[name]) for name, _ in COLUMNS}),
    max_size=6,
)


class World:
    """A bucket, and a RisingWave that may write to it with keys."""

    def __init__(self, sandbox: Sandbox) -> None:
        account = sandbox.environment()["AWS_ACCESS_KEY_ID"]
        self.keys = {"aws_access_key_id": account, "aws_secret_access_key": "test"}
        self.url = sandbox.url
        self.s3 = self.client("s3")
        self.glue = self.client("glue")
        self.cloud = Cloud(f"{sandbox.url}/_rwc/api/v1", API_KEY, API_SECRET)
        self.sandbox = sandbox
        self.account = account

    def client(self, name: str) -> Any:
        return boto3.client(name, endpoint_url=self.url, region_name="us-east-1", **self.keys)

    def run(self, sql: str) -> str:
        return self.cloud.execute_sql(ORDERS, sql)

    def content(self, prefix: str) -> list[tuple[str, bytes]]:
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return [
            (each["Key"], self.s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read())
            for each in found
        ]

    def iceberg(self, table: str, **more: str) -> str:
        options = {
            "connector": "iceberg",
            "type": "append-only",
            "warehouse.path": f"s3://{BUCKET}/lake",
            "catalog.type": "glue",
            "catalog.name": "glue",
            "database.name": "lake",
            "table.name": table,
            "s3.region": "us-east-1",
            "s3.access.key": self.account,
            "s3.secret.key": "test",
            "glue.access.key": self.account,
            "glue.secret.key": "test",
            "glue.region": "us-east-1",
            **{name.replace("__", "."): value for name, value in more.items()},
        }
        return ", ".join(f"{name} = '{value}'" for name, value in options.items() if value)

    def catalog(self) -> Any:
        from pyiceberg.catalog import load_catalog

        return load_catalog(
            "lake",
            **{
                "type": "glue",
                "glue.endpoint": self.url,
                "s3.endpoint": self.url,
                "client.access-key-id": self.account,
                "client.secret-access-key": "test",
                "client.region": "us-east-1",
            },
        )

    def table(self, name: str) -> Any:
        return self.catalog().load_table(("lake", name))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Sandbox.spawn() as sandbox:
        url = f"{sandbox.url}/_rwc/sandbox/clusters/{ORDERS}"
        assert requests.put(url, json={"enforce_secret": False}, timeout=10).ok
        yield World(sandbox)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS)
def test_parquet_gives_back_what_went_in(rows: list[dict[str, Any]]) -> None:
    kinds = dict(COLUMNS)
    kept = [
        {name: from_python(value, _kind(kinds[name])) for name, value in row.items()}
        for row in rows
    ]
    found = parquet.read_table(io.BytesIO(parquet_file(COLUMNS, kept))).to_pylist()
    assert found == rows
    for row, read in zip(rows, found, strict=True):
        assert {name: type(value) for name, value in row.items()} == {
            name: type(value) for name, value in read.items()
        }
    again = [{n: to_python(from_python(v, _kind(kinds[n])), _kind(kinds[n])) for n, v in r.items()}
             for r in found]  # fmt: skip
    assert again == rows


def _kind(definition: str) -> str:
    from rwlib.sandbox.risingwave.engine.kinds import type_name

    return type_name(definition)


def test_json_is_as_the_encoder_writes_it() -> None:
    row = {
        "flag": True,
        "large": 2**60,
        "exact": "1.10",
        "rough": 12.0,
        "words": "é\n",
        "day": "2026-01-02",
        "hour": "03:04:05",
        "local": "2026-01-02 03:04:05",
        "moment": "2026-01-02 03:04:05.500+00:00",
        "raw": "\\x00ff",
        "list": [1, None],
    }
    line = json_lines(Changes(COLUMNS, [], [(Op.INSERT, row)]))
    assert line.endswith(b"}\n")
    assert json.loads(line) == {
        **{"flag": True, "small": None, "whole": None, "large": 2**60, "exact": "1.10"},
        **{"rough": 12.0, "words": "é\n", "day": "2026-01-02", "hour": "03:04:05.000000"},
        **{"local": "2026-01-02 03:04:05.000000", "moment": "2026-01-02T03:04:05.500000Z"},
        **{"raw": "AP8=", "list": [1, None]},
    }


def test_parquet_sink_when_pyarrow_reads_it(world: World) -> None:
    world.run("CREATE TABLE p (id int, amount numeric, paid boolean, at timestamptz)")
    world.run("INSERT INTO p VALUES (1, 1.10, true, '2026-01-01 00:00:00Z'), (2, NULL, NULL, NULL)")
    world.run(
        "CREATE SINK ps FROM p WITH (connector = 's3', type = 'append-only', "
        f"s3.region_name = 'us-east-1', s3.bucket_name = '{BUCKET}', s3.path = 'parquet', "
        f"s3.credentials.access = '{world.account}', s3.credentials.secret = 'test') "
        "FORMAT PLAIN ENCODE PARQUET (force_append_only = 'true')"
    )
    ((key, content),) = world.content("parquet/")
    assert key.endswith(".parquet")
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert parquet.read_table(io.BytesIO(content)).to_pylist() == [
        {"id": 1, "amount": Decimal("1.1"), "paid": True, "at": moment},
        {"id": 2, "amount": None, "paid": None, "at": None},
    ]
    world.run(
        "CREATE TABLE back (id int, amount numeric, paid boolean, at timestamptz) WITH ("
        "connector = 's3', match_pattern = 'parquet/*.parquet', s3.region_name = 'us-east-1', "
        f"s3.bucket_name = '{BUCKET}', s3.credentials.access = '{world.account}', "
        "s3.credentials.secret = 'test') FORMAT PLAIN ENCODE PARQUET"
    )
    rows = world.cloud.query_sql(ORDERS, "SELECT id, paid, at FROM back ORDER BY id").rows
    assert list(map(list, rows)) == [[1, True, "2026-01-01 00:00:00+00:00"], [2, None, None]]


def test_iceberg_sink_when_pyiceberg_reads_its_table(world: World) -> None:
    name = f"t{uuid4().hex[:8]}"
    world.run(
        f"CREATE TABLE {name} (id int, amount numeric, paid boolean, day date, at timestamptz)"
    )
    world.run(f"INSERT INTO {name} VALUES (1, 1.10, true, '2026-01-01', '2026-01-01 00:00:00Z')")
    options = world.iceberg(name, create_table_if_not_exists="true", force_append_only="true")
    world.run(f"CREATE SINK s{name} FROM {name} WITH ({options})")
    world.run(f"INSERT INTO {name} VALUES (2, 2.5, false, NULL, NULL)")
    world.run("FLUSH")
    table = world.table(name)
    assert sorted(table.scan().to_arrow().to_pylist(), key=lambda row: row["id"]) == [
        {
            "id": 1,
            "amount": Decimal("1.1"),
            "paid": True,
            "day": date(2026, 1, 1),
            "at": datetime(2026, 1, 1, tzinfo=UTC),
        },
        {"id": 2, "amount": Decimal("2.5"), "paid": False, "day": None, "at": None},
    ]
    assert len(table.snapshots()) == 2
    first = table.scan(snapshot_id=table.snapshots()[0].snapshot_id).to_arrow()
    assert first.column("id").to_pylist() == [1]


def test_types_made_of_others_reach_every_kind_of_file(world: World) -> None:
    name = f"t{uuid4().hex[:8]}"
    kinds = 'id int, s struct<a int, "B" numeric[]>, at timestamptz, gap interval, j jsonb'
    world.run(f"CREATE TABLE {name} ({kinds}, m map(varchar, int))")
    world.run(
        f"INSERT INTO {name} VALUES (1, ROW(7, ARRAY[1.10, NULL]), '2026-01-01 00:00:00Z', "
        "'1 mon 2 days', '{\"k\": [1]}', MAP {'a': 5, 'b': NULL}), "
        "(2, NULL, NULL, NULL, NULL, NULL)"
    )
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    inner = {"a": 7, "B": [Decimal("1.1"), None]}
    full = {"id": 1, "s": inner, "at": moment, "gap": "1 mon 2 days", "j": '{"k": [1]}'}
    full["m"] = [("a", 5), ("b", None)]
    empty = dict.fromkeys(full, None) | {"id": 2}
    options = world.iceberg(name, create_table_if_not_exists="true", force_append_only="true")
    world.run(f"CREATE SINK i{name} FROM {name} WITH ({options})")
    assert world.table(name).scan().to_arrow().to_pylist() == [full, empty]
    world.run(f"CREATE SOURCE src{name} WITH ({world.iceberg(name, type='')})")
    rows = world.cloud.query_sql(ORDERS, f"SELECT s, m FROM src{name} ORDER BY id").rows
    again = {"a": 7, "B": ["1.1000000000", None]}
    assert list(map(list, rows)) == [[again, [["a", 5], ["b", None]]], [None, None]]
    files = (
        f"connector = 's3', type = 'append-only', s3.region_name = 'us-east-1', "
        f"s3.bucket_name = '{BUCKET}', s3.credentials.access = '{world.account}', "
        "s3.credentials.secret = 'test'"
    )
    world.run(
        f"CREATE SINK p{name} FROM {name} WITH ({files}, s3.path = 'p{name}') "
        "FORMAT PLAIN ENCODE PARQUET (force_append_only = 'true')"
    )
    ((_, content),) = world.content(f"p{name}/")
    assert parquet.read_table(io.BytesIO(content)).to_pylist() == [full, empty]
    encoding = "FORMAT PLAIN ENCODE JSON (force_append_only = 'true'{})"
    for mode, written in (("", '{"k": [1]}'), (", jsonb.handling.mode = 'dynamic'", {"k": [1]})):
        path = f"j{len(mode)}{name}"
        world.run(
            f"CREATE SINK {path} AS SELECT id, s, at, gap, j FROM {name} WITH ({files}, "
            f"s3.path = '{path}') {encoding.format(mode)}"
        )
        ((_, content),) = world.content(f"{path}/")
        first, second = (json.loads(line) for line in content.decode().splitlines())
        text = {"a": 7, "B": ["1.10", None]}
        assert first == {
            **{"id": 1, "s": text, "at": "2026-01-01T00:00:00.000000Z"},
            **{"gap": "P0Y1M2DT0H0M0S", "j": written},
        }
        assert second == dict.fromkeys(first, None) | {"id": 2}
    world.run(
        f"CREATE SINK m{name} FROM {name} WITH ({files}, s3.path = 'm{name}') {encoding.format('')}"
    )
    assert world.content(f"m{name}/") == []
    events = "SELECT info FROM rw_catalog.rw_event_logs WHERE event_type = 'SINK_FAIL'"
    told = [text for text in map(str, world.cloud.query_sql(ORDERS, events).rows) if name in text]
    assert "unsupported data type: field name" in told[-1]


def test_null_and_empty_lists_are_told_apart_on_disk(world: World) -> None:
    """pyarrow reads the file as any other reader does; pyiceberg 0.12 has NULL for empty there."""
    name = f"n{uuid4().hex[:8]}"
    world.run(f"CREATE TABLE {name} (id int, s struct<a int>[], m map(varchar, struct<a int>))")
    world.run(
        f"INSERT INTO {name} VALUES (1, NULL, NULL), (2, ARRAY[], MAP {{}}), "
        "(3, ARRAY[ROW(7)], MAP {'k': ROW(8)})"
    )
    options = world.iceberg(name, create_table_if_not_exists="true", force_append_only="true")
    world.run(f"CREATE SINK i{name} FROM {name} WITH ({options})")
    (task,) = world.table(name).scan().plan_files()
    key = task.file.file_path.removeprefix(f"s3://{BUCKET}/")
    content = world.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    rows = parquet.read_table(io.BytesIO(content)).sort_by("id").to_pylist()
    assert [row["s"] for row in rows] == [None, [], [{"a": 7}]]
    assert [row["m"] for row in rows] == [None, [], [("k", {"a": 8})]]


def test_iceberg_sink_when_another_program_made_the_table(world: World) -> None:
    name = f"t{uuid4().hex[:8]}"
    catalog = world.catalog()
    catalog.create_namespace_if_not_exists("lake")
    schema = pyarrow.schema(
        [("id", pyarrow.int32()), ("amount", pyarrow.decimal128(10, 2)), ("note", pyarrow.string())]
    )
    made = catalog.create_table(
        ("lake", name), schema, location=f"s3://{BUCKET}/lake/{name}", properties={"owner": "them"}
    )
    theirs = {"id": 1, "amount": Decimal("1.10"), "note": "theirs"}
    made.append(pyarrow.Table.from_pylist([theirs], schema=schema))
    before = [snapshot.snapshot_id for snapshot in made.snapshots()]
    world.run(f"CREATE TABLE {name} (id int, amount numeric, note varchar)")
    world.run(f"INSERT INTO {name} VALUES (2, 2.555, 'ours')")
    options = world.iceberg(name, force_append_only="true")
    world.run(f"CREATE SINK s{name} FROM {name} WITH ({options})")
    table = world.table(name)
    assert sorted(table.scan().to_arrow().to_pylist(), key=lambda row: row["id"]) == [
        theirs,
        {"id": 2, "amount": Decimal("2.55"), "note": "ours"},
    ]
    assert [snapshot.snapshot_id for snapshot in table.snapshots()][: len(before)] == before
    assert table.properties["owner"] == "them"
    table.append(pyarrow.Table.from_pylist([{**theirs, "id": 3}], schema=schema))
    source = world.iceberg(name, type="")
    world.run(f"CREATE SOURCE src{name} WITH ({source})")
    rows = world.cloud.query_sql(ORDERS, f"SELECT * FROM src{name} ORDER BY id").rows
    assert list(map(list, rows)) == [
        [1, "1.10", "theirs"],
        [2, "2.55", "ours"],
        [3, "1.10", "theirs"],
    ]


@pytest.mark.parametrize("mode", ["", "merge-on-read", "copy-on-write"])
def test_iceberg_sink_when_rows_change(world: World, mode: str) -> None:
    name = f"t{uuid4().hex[:8]}"
    world.run(f"CREATE TABLE {name} (id int PRIMARY KEY, note varchar)")
    world.run(f"INSERT INTO {name} VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    options = world.iceberg(
        name,
        type="upsert",
        primary_key="id",
        create_table_if_not_exists="true",
        write_mode=mode,
    )
    world.run(f"CREATE SINK s{name} FROM {name} WITH ({options})")
    world.run(f"UPDATE {name} SET note = 'B' WHERE id = 2")
    world.run(f"DELETE FROM {name} WHERE id = 3")
    world.run("FLUSH")
    table = world.table(name)
    assert _pairs(table.scan().to_arrow()) == [(1, "a"), (2, "B")]
    first = table.scan(snapshot_id=table.snapshots()[0].snapshot_id).to_arrow()
    assert sorted(first.column("note").to_pylist()) == ["a", "b", "c"]
    deletes = table.inspect.delete_files().to_pylist()
    if mode == "copy-on-write":
        assert deletes == []
    else:
        assert [(file["content"], file["record_count"]) for file in deletes] == [(1, 2)]
        before = {file["file_path"] for file in table.inspect.data_files().to_pylist()}
        world.run(f"UPDATE {name} SET note = 'A' WHERE id < 3")
        world.run("FLUSH")
        again = world.table(name)
        assert _pairs(again.scan().to_arrow()) == [(1, "A"), (2, "A")]
        assert before <= {file["file_path"] for file in again.inspect.data_files().to_pylist()}
        summary = again.current_snapshot().summary
        assert (summary["total-position-deletes"], summary["total-records"]) == ("4", "6")
    source = world.iceberg(name, type="")
    world.run(f"CREATE SOURCE src{name} WITH ({source})")
    rows = world.cloud.query_sql(ORDERS, f"SELECT * FROM src{name} ORDER BY id").rows
    assert list(map(tuple, rows)) == _pairs(world.table(name).scan().to_arrow())


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("numeric", ["1.10", "2.5", "-3"]),
        ("timestamptz", ["'2026-01-01 00:00:00Z'", "'2026-01-02 10:00:00.5Z'", "'1969-01-01'"]),
        ("date", ["'2026-01-01'", "'2026-01-02'", "'1969-01-01'"]),
        ("varchar", ["'it''s'", "''", "'ü'"]),
        ("bytea", ["'\\x00ff'", "'\\x'", "'\\x61'"]),
    ],
)
def test_iceberg_rows_are_deleted_by_keys_of_every_type(
    world: World, kind: str, values: list[str]
) -> None:
    name = f"t{uuid4().hex[:8]}"
    world.run(f"CREATE TABLE {name} (k {kind} PRIMARY KEY, n int)")
    rows = ", ".join(f"({value}, {number})" for number, value in enumerate(values))
    world.run(f"INSERT INTO {name} VALUES {rows}")
    options = world.iceberg(name, type="upsert", primary_key="k", create_table_if_not_exists="true")
    world.run(f"CREATE SINK s{name} FROM {name} WITH ({options})")
    world.run(f"DELETE FROM {name} WHERE n = 1")
    world.run("FLUSH")
    world.run(f"UPDATE {name} SET n = 7 WHERE n = 2")
    world.run("FLUSH")
    found = world.table(name).scan().to_arrow().column("n").to_pylist()
    assert sorted(found) == [0, 7]


def test_iceberg_sink_that_changes_a_partitioned_table_of_another_program(world: World) -> None:
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.transforms import IdentityTransform
    from pyiceberg.types import IntegerType, NestedField, StringType

    name = f"t{uuid4().hex[:8]}"
    catalog = world.catalog()
    catalog.create_namespace_if_not_exists("lake")
    made = catalog.create_table(
        ("lake", name),
        Schema(
            NestedField(1, "id", IntegerType(), required=False),
            NestedField(2, "note", StringType(), required=False),
        ),
        location=f"s3://{BUCKET}/lake/{name}",
        partition_spec=PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "note")),
    )
    theirs = [{"id": 1, "note": "x"}, {"id": 2, "note": "y"}, {"id": 9, "note": "y"}]
    made.append(pyarrow.Table.from_pylist(theirs, schema=made.schema().as_arrow()))
    world.run(f"CREATE TABLE {name} (id int PRIMARY KEY, note varchar)")
    world.run(f"INSERT INTO {name} VALUES (3, 'x'), (4, 'y')")
    options = world.iceberg(name, type="upsert", primary_key="id")
    world.run(f"CREATE SINK s{name} FROM {name} WITH ({options})")
    world.run(f"UPDATE {name} SET note = 'z' WHERE id > 2")
    world.run("FLUSH")
    found = world.table(name)
    assert _pairs(found.scan().to_arrow()) == [(1, "x"), (2, "y"), (3, "z"), (4, "z"), (9, "y")]
    assert len(found.inspect.delete_files()) == 2


def _pairs(table: Any) -> list[tuple[Any, ...]]:
    return sorted(tuple(row.values()) for row in table.to_pylist())


def test_iceberg_sink_when_the_columns_differ(world: World) -> None:
    name = f"t{uuid4().hex[:8]}"
    catalog = world.catalog()
    catalog.create_namespace_if_not_exists("lake")
    schema = pyarrow.schema([("id", pyarrow.int32())])
    catalog.create_table(("lake", name), schema, location=f"s3://{BUCKET}/lake/{name}")
    world.run(f"CREATE TABLE {name} (id varchar)")
    options = world.iceberg(name, force_append_only="true")
    with pytest.raises(SqlError, match="field id's type is incompatible"):
        world.run(f"CREATE SINK s{name} FROM {name} WITH ({options})")
    for mode, text in (("copy-on-write", "is not supported for append-only"), ("x", "invalid")):
        wrong = world.iceberg(name, force_append_only="true", write_mode=mode)
        with pytest.raises(SqlError, match=text):
            world.run(f"CREATE SINK s{name} FROM {name} WITH ({wrong})")
    world.run(f"CREATE TABLE wide{name} (id int, more int)")
    with pytest.raises(SqlError, match="Schema length mismatch, risingwave is 2, and iceberg is 1"):
        world.run(f"CREATE SINK s{name} FROM wide{name} WITH ({options})")


def test_parquet_when_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Exception, match=r"risingwave-iam-runbook\[files\]"):
        parquet_file([("id", "int")], [{"id": 1}])
