"""RisingWave's values: read, printed and written into files, and read back from there."""

from __future__ import annotations

import base64
import io
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rwlib.sandbox.risingwave.engine.failures import RefusedStatementError
from rwlib.sandbox.risingwave.engine.intervals import interval_iso, interval_text, read_interval
from rwlib.sandbox.risingwave.engine.kinds import (
    element_of,
    entry_of,
    fields_of,
    map_name,
    struct_name,
    type_name,
)
from rwlib.sandbox.risingwave.engine.objects import Changes, Database, Op, Relation
from rwlib.sandbox.risingwave.engine.queries import change, select
from rwlib.sandbox.risingwave.engine.values import canonical, from_python, shown, to_python
from rwlib.sandbox.risingwave.engine.writing import EncodeError, json_lines

MANY = int(os.environ.get("VALUE_EXAMPLES", "25"))
MICROSECONDS = 2**62
SCALARS_OF_JSON = st.integers(-(2**63), 2**63 - 1) | st.text("aé\"'\\ ", max_size=4)
Value = Any
Drawn = tuple[list[tuple[str, str]], list[dict[str, Any]]]
SCALARS: dict[str, st.SearchStrategy[Value]] = {
    "bool": st.booleans(),
    "int2": st.integers(-(2**15), 2**15 - 1),
    "int8": st.integers(-(2**63), 2**63 - 1),
    "float8": st.floats(allow_nan=False, allow_infinity=False),
    "numeric": st.decimals(-(10**15), 10**15, allow_nan=False, places=7),
    "varchar": st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    "date": st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    "time": st.times(),
    "timestamp": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    "timestamptz": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(
        lambda moment: moment.replace(tzinfo=UTC)
    ),
    "bytea": st.binary(max_size=8),
    "interval": st.tuples(
        st.integers(-(2**31), 2**31 - 1),
        st.integers(-(2**31), 2**31 - 1),
        st.integers(-MICROSECONDS, MICROSECONDS),
    ).map(interval_text),
    "jsonb": st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.text("aé\"'\\ ", max_size=4),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.text("kä. ", max_size=3), inner, max_size=2)
        ),
        max_leaves=4,
    ).map(lambda value: json.dumps(value, ensure_ascii=False, sort_keys=True)),
}
KEYS = ("int2", "int8", "varchar")
KINDS = st.recursive(
    st.sampled_from(sorted(SCALARS)),
    lambda inner: st.one_of(
        inner.map(lambda kind: f"{kind}[]"),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda kinds: struct_name([(f"F{n}", k) for n, k in enumerate(kinds)])
        ),
        st.tuples(st.sampled_from(KEYS), inner).map(lambda pair: map_name(*pair)),
    ),
    max_leaves=4,
)


def values(kind: str) -> st.SearchStrategy[Value]:
    """Values of a type as Python has them, NULL at every depth included."""
    if element := element_of(kind):
        return st.lists(st.none() | values(element), max_size=3)
    if fields := fields_of(kind):
        return st.fixed_dictionaries({name: st.none() | values(inner) for name, inner in fields})
    if entry := entry_of(kind):
        keys, inner = SCALARS[entry[0]], st.none() | values(entry[1])
        return st.dictionaries(keys, inner, max_size=3).map(lambda found: list(found.items()))
    return SCALARS[kind]


@st.composite
def columns_and_rows(
    draw: Callable[..., Any],
) -> Drawn:
    kinds = draw(st.lists(KINDS, min_size=1, max_size=4))
    columns = [(f"c{number}", kind) for number, kind in enumerate(kinds)]
    row = st.fixed_dictionaries({name: st.none() | values(kind) for name, kind in columns})
    return columns, draw(st.lists(row, max_size=4))


def kept_rows(columns: list[tuple[str, str]], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kinds = dict(columns)
    return [{name: from_python(value, kinds[name]) for name, value in row.items()} for row in rows]


def same_type(one: Any, other: Any) -> bool:
    """Whether two values are equal in value and type, at every depth."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_type(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same_type, one, other))
    return type(one) is type(other) and one == other


EXAMPLES = settings(
    max_examples=MANY, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


@EXAMPLES
@given(columns_and_rows())
def test_parquet_is_read_back_by_pyarrow_with_the_same_values_and_types(drawn):
    pytest.importorskip("pyarrow", reason="the extra `files` is not installed")
    from pyarrow import parquet

    from rwlib.sandbox.risingwave.engine.typed_files import parquet_file

    columns, rows = drawn
    content = parquet_file(columns, kept_rows(columns, rows))
    assert same_type(parquet.read_table(io.BytesIO(content)).to_pylist(), rows)


class LocalFiles:
    """The files of a warehouse in a folder, for pyiceberg to read by itself."""

    def read(self, path: str) -> bytes:
        return Path(f"/{path}").read_bytes()

    def stat(self, path: str) -> int:
        return Path(f"/{path}").stat().st_size

    def write(self, path: str, content: bytes) -> None:
        Path(f"/{path}").parent.mkdir(parents=True, exist_ok=True)
        Path(f"/{path}").write_bytes(content)


@pytest.mark.slow
@settings(EXAMPLES, max_examples=max(MANY // 5, 1))
@given(drawn=columns_and_rows())
@example(drawn=([("c", "struct<f bool>[]")], [{"c": None}, {"c": []}, {"c": [None]}]))
@example(drawn=([("c", "map(int8, struct<f bool[]>)")], [{"c": None}, {"c": [(1, None)]}]))
def test_iceberg_is_read_back_by_pyiceberg_with_the_same_values_and_types(tmp_path_factory, drawn):
    pytest.importorskip("pyiceberg", reason="the extra `files` is not installed")
    from pyarrow import parquet
    from pyiceberg.table import StaticTable

    from rwlib.sandbox.risingwave.engine import iceberg_files

    columns, rows = drawn
    place = tmp_path_factory.mktemp("table")
    files, written = LocalFiles(), [f"file://{place}/v0.metadata.json"]

    def publish(content: str, before: str = "", location: str = "") -> str:
        written.append(f"file://{place}/v{len(written)}.metadata.json")
        files.write(iceberg_files.key_of(written[-1]), content.encode())
        return written[-1]

    publish(iceberg_files.new_table_content(columns, f"file://{place}"))
    first = iceberg_files.read_table(written[-1], files.read(iceberg_files.key_of(written[-1])))
    assert [(name, type_name(kind)) for name, kind in first.columns] == [
        (name, _as_iceberg(kind)) for name, kind in columns
    ]
    iceberg_files.check_columns(first, columns)
    iceberg_files.append(first, files, publish, columns, kept_rows(columns, rows))
    found = StaticTable.from_metadata(written[-1]).scan().to_arrow().to_pylist()
    assert same_type(found, rows)
    alone = [parquet.read_table(path).to_pylist() for path in place.glob("data/*.parquet")]
    assert same_type([row for content in alone for row in content], rows)


def _as_iceberg(kind: str) -> str:
    """What a type is after Iceberg, which has no small integers, intervals or JSON."""
    kind = re.sub(r"\bint2\b", "int4", kind)
    return re.sub(r"\b(interval|jsonb)\b", "varchar", kind)


@EXAMPLES
@given(columns_and_rows())
def test_json_is_read_back_as_the_encoder_of_risingwave_writes_it(drawn):
    columns, rows = drawn
    changes = Changes(columns, [], [(Op.INSERT, row) for row in kept_rows(columns, rows)])
    if any(_has_map(kind) for _, kind in columns):
        used = any(row[name] is not None for row in rows for name, k in columns if _has_map(k))
        if used:
            with pytest.raises(EncodeError, match="unsupported data type: field name"):
                json_lines(changes)
            return
    found = [json.loads(line) for line in json_lines(changes).decode().split("\n") if line]
    assert found == [{name: _encoded(row[name], kind) for name, kind in columns} for row in rows]
    parsed = [json.loads(line) for line in json_lines(changes, parsed=True).split(b"\n") if line]
    for name, kind in columns:
        if kind == "jsonb":
            assert [row[name] for row in parsed] == [json.loads(r[name] or "null") for r in rows]


def _has_map(kind: str) -> bool:
    return "map(" in kind


def _encoded(value: Any, kind: str) -> Any:
    """Give what ``encoder/json.rs`` writes, from the value itself."""
    if value is None:
        return None
    if element := element_of(kind):
        return [_encoded(item, element) for item in value]
    if fields := fields_of(kind):
        return {name: _encoded(value[name], inner) for name, inner in fields}
    match kind:
        case "numeric":
            return f"{value:f}" if value else f"{abs(value):f}"
        case "date":
            return value.isoformat()
        case "time":
            return value.isoformat(timespec="microseconds")
        case "timestamp":
            return value.isoformat(" ", timespec="microseconds")
        case "timestamptz":
            return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        case "bytea":
            return base64.b64encode(value).decode()
        case "interval":
            return interval_iso(read_interval(value))
    return value


@EXAMPLES
@given(KINDS.flatmap(lambda kind: st.tuples(st.just(kind), values(kind))))
def test_value_survives_its_python_form_and_a_state_that_is_kept(drawn):
    kind, value = drawn
    kept = from_python(value, kind)
    assert type_name(kind) == kind
    assert same_type(to_python(kept, kind), value)
    assert canonical(json.loads(json.dumps(kept)), kind) == kept
    if "map(" not in kind:  # a map's text cannot be read, in RisingWave neither
        assert canonical(shown(kept, kind), kind) == kept


@pytest.mark.parametrize(
    ("parts", "text", "iso"),
    [
        ((-14, 3, 42_314_000_233), "-1 years -2 mons +3 days 11:45:14.000233",
         "P-1Y-2M3DT11H45M14.000233S"),
        ((-14, 3, 0), "-1 years -2 mons +3 days", "P-1Y-2M3DT0H0M0S"),
        ((0, 0, 0), "00:00:00", "P0Y0M0DT0H0M0S"),
        ((-14, 3, -42_314_000_233), "-1 years -2 mons +3 days -11:45:14.000233",
         "P-1Y-2M3DT11H45M14.000233S"),
        ((13, 2, 1_000_000), "1 year 1 mon 2 days 00:00:01", "P1Y1M2DT0H0M1S"),
    ],
)  # fmt: skip
def test_interval_is_printed_as_risingwaves_own_tests_say(parts, text, iso):
    """``interval.rs``, ``test_to_string``; ``encoder/json.rs``, its tests."""
    assert interval_text(parts) == text
    assert read_interval(text) == parts
    assert interval_iso(parts) == iso


@pytest.mark.parametrize(
    "text", ["", "1 week", "day", "1 2 days", "1:61", "1.5 days", "x", "1 day!"]
)
def test_interval_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"Invalid (interval|unit)"):
        read_interval(text)


@pytest.mark.parametrize(
    ("query", "columns", "row"),
    [
        ("SELECT '2'::int, CAST('3' AS bigint)", ["int4", "int8"], [2, 3]),
        ("SELECT 1.50::numeric AS n", ["numeric"], ["1.50"]),
        ("SELECT true::varchar, false::text", ["varchar", "varchar"], ["true", "false"]),
        ("SELECT 3 >= 2, 1 <> 1, 1 <= 0, 2 != 3", ["bool"] * 4, [True, False, False, True]),
        (
            """SELECT '{"a": {"b": 1.5}}'::jsonb -> 'a' ->> 'b' AS b""",
            ["varchar"],
            ["1.5"],
        ),
        ("SELECT '{\"a\": [1,2]}'::jsonb -> 'a'", ["jsonb"], ["[1, 2]"]),
        (
            """SELECT '{"a": [1, {"b": null}], "c": "é\\""}'::jsonb ->> 'a' AS a,
            '["x", true]'::jsonb ->> 1 AS b, '{"a": null}'::jsonb ->> 'a' AS n,
            '{"c": "é\\""}'::jsonb ->> 'c' AS c, '{"c": 1}'::jsonb -> 'x' AS x""",
            ["varchar", "varchar", "varchar", "varchar", "jsonb"],
            ['[1, {"b": null}]', "true", None, 'é"', None],
        ),
        (
            "SELECT bool_and(v), bool_or(v), bool_and(w) FROM "
            "(SELECT true AS v, NULL::bool AS w UNION ALL SELECT false, NULL) t",
            ["bool", "bool", "bool"],
            [False, True, None],
        ),
        ("SELECT '1 day 2 hours'::interval", ["interval"], ["1 day 02:00:00"]),
        ("SELECT '{1,NULL}'::int[]", ["int4[]"], [[1, None]]),
        ("SELECT '2026-01-02'::date::timestamp", ["timestamp"], ["2026-01-02 00:00:00"]),
    ],
)
def test_casts_and_operators_are_understood(query, columns, row):
    found = select(query, Database(name="dev"), "v3.0.3", lambda relation: [])
    assert [kind for _, kind in found.columns] == columns
    assert found.rows == [row]


def test_rows_arrays_and_maps_are_inserted_as_they_are_written():
    columns = [
        ("s", "struct<a int, b varchar[], c struct<d numeric>>"),
        ("l", "int[][]"),
        ("m", "map(varchar, struct<x int>)"),
        ("flag", "boolean"),
    ]
    table = Relation(1, "t", "table", "CREATE TABLE t", columns=columns)
    database = Database(name="dev", relations={"t": table})
    change(
        "INSERT INTO t VALUES (ROW(1, ARRAY['x', 'y,z'], ROW(1.50)), ARRAY[[1, 2], [3]], "
        "MAP {'k': ROW('7'::int), 'l': NULL}, true), (NULL, '{}', MAP {}, false)",
        database,
        "v3.0.3",
    )
    first, second = table.rows
    assert first == {
        "s": {"a": 1, "b": ["x", "y,z"], "c": {"d": "1.50"}},
        "l": [[1, 2], [3]],
        "m": [["k", {"x": 7}], ["l", None]],
        "flag": True,
    }
    assert second == {"s": None, "l": [], "m": [], "flag": False}
    found = select("SELECT s, l, m, flag::varchar FROM t", database, "v3.0.3", lambda _: [])
    kinds = [kind for _, kind in found.columns]
    assert [shown(value, kind) for value, kind in zip(found.rows[0], kinds, strict=True)] == [
        '(1,"{x,""y,z""}","(1.50)")',
        "{{1,2},{3}}",
        "{k:(7),l:NULL}",
        "true",
    ]
    with pytest.raises(RefusedStatementError, match="map keys must be unique"):
        change(
            "INSERT INTO t VALUES (NULL, NULL, MAP {'k': NULL, 'k': NULL}, NULL)",
            database,
            "v3.0.3",
        )


@pytest.mark.parametrize(
    ("definition", "short"),
    [
        ("STRUCT<a INT, \"B c\" Map(Varchar, double precision)> NOT NULL",
         'struct<a int4, "B c" map(varchar, float8)>'),
        ("struct<a struct<b timestamp with time zone>[]>[]",
         "struct<a struct<b timestamptz>[]>[]"),
        ("map(int,map(varchar,int)) PRIMARY KEY", "map(int4, map(varchar, int4))"),
        ("struct<>", "struct<>"), ("map(int)", "map(int)"), ("hstore", "hstore"),
    ],
)  # fmt: skip
def test_types_made_of_others_have_one_name(definition, short):
    assert type_name(definition) == short


def test_numeric_decimal_keeps_its_digits():
    assert to_python(canonical("1.10", "numeric"), "numeric") == Decimal("1.10")
