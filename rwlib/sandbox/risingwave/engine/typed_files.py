"""Parquet files, and RisingWave's types in Arrow's words.

pyarrow is imported when the first such file is written or read. The types are those of
``src/common/src/array/arrow/arrow_iceberg.rs``, which file sinks and Iceberg share: smallint
becomes a 32-bit integer, every numeric ``decimal(38, 10)``, jsonb and intervals text; structs,
lists and maps stay what they are.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Any

from rwlib.sandbox.risingwave.engine.failures import RefusedStatementError, failure
from rwlib.sandbox.risingwave.engine.kinds import (
    element_of,
    entry_of,
    fields_of,
    is_defined,
    type_name,
)
from rwlib.sandbox.risingwave.engine.objects import Row
from rwlib.sandbox.risingwave.engine.values import to_python

Columns = Sequence[tuple[str, str]]
"""Names and definitions of columns."""

_PRECISION, _SCALE = 38, 10


def pyarrow_module() -> Any:
    """Import pyarrow.

    Raises
    ------
    RefusedStatementError
        It is not installed; the text names the extra.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise missing_files_extra("pyarrow") from None
    return pyarrow


def missing_files_extra(package: str) -> RefusedStatementError:
    """Say that Parquet and Iceberg need an extra."""
    return failure(
        f"the sandbox needs {package} to write and read Parquet and Iceberg files; install it with "
        "`pip install 'risingwave-iam-runbook[files]'`"
    )


def parquet_file(columns: Columns, rows: Sequence[Row]) -> bytes:
    """Write rows as one Parquet file."""
    pyarrow = pyarrow_module()
    sink = io.BytesIO()
    pyarrow.parquet.write_table(arrow_table(columns, rows), sink)
    return sink.getvalue()


def parquet_rows(content: bytes) -> list[Row]:
    """Read a Parquet file's rows as Python values; what is no Parquet file has none."""
    pyarrow = pyarrow_module()
    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content))
    except (pyarrow.ArrowException, OSError):
        return []
    rows: list[Row] = table.to_pylist()
    return rows


def arrow_table(columns: Columns, rows: Sequence[Row]) -> Any:
    """Give rows as an Arrow table with RisingWave's types."""
    pyarrow = pyarrow_module()
    kinds = [(name, type_name(kind)) for name, kind in columns]
    schema = pyarrow.schema([(name, arrow_type(kind)) for name, kind in kinds])
    arrays = [
        pyarrow.array(
            [arrow_value(row.get(name), kind, schema.field(name).type) for row in rows],
            type=schema.field(name).type,
        )
        for name, kind in kinds
    ]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def arrow_type(kind: str) -> Any:
    """Give the Arrow type of a RisingWave type.

    Raises
    ------
    RefusedStatementError
        The sandbox cannot write it.
    """
    pyarrow = pyarrow_module()
    if element := element_of(kind):
        return pyarrow.list_(arrow_type(element))
    if fields := fields_of(kind):
        return pyarrow.struct([(name, arrow_type(inner)) for name, inner in fields])
    if (entry := entry_of(kind)) and is_defined(kind):
        key = pyarrow.field("key", arrow_type(entry[0]), nullable=False)
        return pyarrow.map_(key, pyarrow.field("value", arrow_type(entry[1])))
    types = {
        "bool": pyarrow.bool_(),
        "int2": pyarrow.int32(),
        "int4": pyarrow.int32(),
        "int8": pyarrow.int64(),
        "float4": pyarrow.float32(),
        "float8": pyarrow.float64(),
        "numeric": pyarrow.decimal128(_PRECISION, _SCALE),
        "varchar": pyarrow.string(),
        "jsonb": pyarrow.string(),
        "interval": pyarrow.string(),
        "date": pyarrow.date32(),
        "time": pyarrow.time64("us"),
        "timestamp": pyarrow.timestamp("us"),
        "timestamptz": pyarrow.timestamp("us", tz="+00:00"),
        "bytea": pyarrow.binary(),
    }
    if kind not in types:
        raise failure(
            f"Feature is not yet implemented: columns of type {kind} in the files of this sandbox"
        )
    return types[kind]


def arrow_value(value: Any, kind: str, target: Any) -> Any:
    """Give a kept value of one of RisingWave's types as Arrow's type takes it."""
    if value is None:
        return None
    if element := element_of(kind):
        return [arrow_value(item, element, target.value_type) for item in value]
    if fields := fields_of(kind):
        return {
            name: arrow_value(value.get(name), inner, target.field(name).type)
            for name, inner in fields
        }
    if entry := entry_of(kind):
        return [
            (
                arrow_value(key, entry[0], target.key_type),
                arrow_value(item, entry[1], target.item_type),
            )
            for key, item in value
        ]
    found = to_python(value, kind)
    return _decimal(found, target.precision, target.scale) if kind == "numeric" else found


def _decimal(number: Decimal, precision: int, scale: int) -> Decimal | None:
    """Cut a numeric to the digits that the file has, as RisingWave does.

    ``decimal_to_arrow``: more digits after the point are cut off, what is too large becomes the
    largest number, NaN becomes NULL.
    """
    if number.is_nan():
        return None
    with localcontext() as context:
        context.prec = 2 * precision + 2
        last = Decimal(1).scaleb(-scale)
        largest = Decimal(10) ** (precision - scale) - last
        if number.is_finite() and abs(number) <= largest:
            return number.quantize(last, rounding=ROUND_DOWN)
        return largest if number > 0 else -largest
