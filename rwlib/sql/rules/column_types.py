"""Which column types RisingWave has, and what to write in place of those it has not.

The binder's list is ``bind_data_type`` in ``src/frontend/src/binder/expr/mod.rs:1066-1153``; what
the parser refuses never gets here.
"""

from __future__ import annotations

import difflib

from rwlib.sql.language.data_types import DataType, TypeName

# What is written elsewhere for a type that RisingWave calls otherwise.
_MEANT = {
    **dict.fromkeys(("char", "nchar", "nvarchar", "nvarchar2", "varchar2", "bpchar"), "varchar"),
    **dict.fromkeys(("tinytext", "mediumtext", "longtext", "clob", "enum", "citext"), "varchar"),
    **dict.fromkeys(("uuid", "name", "inet", "xml", "regclass", "regproc"), "varchar"),
    **dict.fromkeys(("json", "object", "super"), "jsonb"),
    **dict.fromkeys(("serial", "serial4"), "int"),
    **dict.fromkeys(("bigserial", "serial8", "int64", "long", "uint32", "signed"), "bigint"),
    **dict.fromkeys(("int16", "tinyint", "byte", "smallserial", "uint8"), "smallint"),
    **dict.fromkeys(("int32", "mediumint", "uint16"), "int"),
    **dict.fromkeys(("float32",), "real"),
    **dict.fromkeys(("float64", "binary_double"), "double precision"),
    **dict.fromkeys(("rw_uint256", "uint256", "int256"), "rw_int256"),
    **dict.fromkeys(("number", "money", "bignumeric", "uint64", "hugeint"), "numeric"),
    **dict.fromkeys(("datetime", "timestamp_ntz", "smalldatetime"), "timestamp"),
    **dict.fromkeys(("timestamp_tz", "timestamp_ltz", "datetimeoffset"), "timestamptz"),
    **dict.fromkeys(("blob", "binary", "varbinary", "raw"), "bytea"),
    **dict.fromkeys(("bit",), "boolean"),
    "time with time zone": "time",
}
# Names that the parser leaves to the binder, and the binder takes.
_BOUND = frozenset(("int2", "int4", "int8", "rw_int256", "float4", "float8", "timestamptz", "text"))
_WRITTEN = (
    *("boolean", "smallint", "int", "bigint", "numeric", "real", "double precision", "varchar"),
    *("bytea", "date", "time", "timestamp", "timestamptz", "interval", "jsonb", "rw_int256"),
)
# Names that the parser takes, and the binder does not.
_REFUSED = frozenset(("char", "uuid", "regclass", "regproc", "time with time zone"))
_LARGEST_VECTOR = 16_000


def refused_type(data_type: DataType) -> tuple[TypeName, str, str] | None:
    """Return the first type that RisingWave's binder refuses, why, and the type to write.

    Examples
    --------
    >>> from rwlib.sql.language.data_types import data_type_of
    >>> refused_type(data_type_of("numeric(10,2)"))[1:]
    ('has a precision, which RisingWave's numeric does not take', 'numeric')
    """
    for named in data_type.names:
        why, instead = _refusal(named)
        if why:
            return named, why, instead
    return None


def _refusal(named: TypeName) -> tuple[str, str]:
    name = named.name.removeprefix("pg_catalog.")
    if name in ("numeric", "decimal") and named.sizes:
        return "has a precision, which RisingWave's numeric does not take", "numeric"
    if name == "vector" and not 1 <= named.sizes[0] <= _LARGEST_VECTOR:
        return f"is out of range: a vector has 1 to {_LARGEST_VECTOR} elements", "vector(n)"
    if named.known and name not in _REFUSED:
        return "", ""
    if not named.known and name in _BOUND:
        return "", ""
    if name == "variant":  # added on main in July 2026, before 3.1 was forked
        return "is a type of RisingWave 3.1 and later", "jsonb"
    instead = _MEANT.get(name) or _nearest(name)
    return "is not a type of RisingWave", instead


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, (*_WRITTEN, *_BOUND), n=1, cutoff=0.6)
    return near[0] if near else ""
