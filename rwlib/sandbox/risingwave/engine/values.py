"""RisingWave's types: what a value is, how it is kept, and how RisingWave writes it.

A value is kept as JSON can hold it: booleans, integers and floats as such, everything else as the
text that RisingWave prints. Texts are those of ``ToText`` in ``src/common/src/types``, JSON those
of ``src/connector/src/sink/encoder/json.rs`` with the modes that the file, Snowflake and Redshift
sinks choose (``file_sink/opendal_sink.rs``, ``snowflake_redshift/mod.rs:53-63``).
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

_DIGITS = 28
"""Digits of a numeric (``rust_decimal``)."""

_ALIASES = {
    "bool": "bool",
    "boolean": "bool",
    "smallint": "int2",
    "int2": "int2",
    "int": "int4",
    "integer": "int4",
    "int4": "int4",
    "bigint": "int8",
    "int8": "int8",
    "real": "float4",
    "float4": "float4",
    "float": "float8",
    "double precision": "float8",
    "double": "float8",
    "float8": "float8",
    "numeric": "numeric",
    "decimal": "numeric",
    "dec": "numeric",
    "varchar": "varchar",
    "character varying": "varchar",
    "text": "varchar",
    "string": "varchar",
    "date": "date",
    "time without time zone": "time",
    "time": "time",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "interval": "interval",
    "bytea": "bytea",
    "jsonb": "jsonb",
}
_BY_LENGTH = sorted(_ALIASES, key=len, reverse=True)
_INTEGER_BITS = {"int2": 16, "int4": 32, "int8": 64}
_TRUE = ("t", "tr", "tru", "true", "y", "ye", "yes", "on", "1")
_FALSE = ("f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0")

DEFINED = frozenset(_ALIASES.values())
"""The scalar types that are understood."""


def type_name(definition: str) -> str:
    """Give a type's short name from a column's definition; unknown ones as they are written.

    Examples
    --------
    >>> type_name("double precision NOT NULL"), type_name("int[]"), type_name("bigint PRIMARY KEY")
    ('float8', 'int4[]', 'int8')
    """
    text = " ".join(definition.split()).lower()
    for alias in _BY_LENGTH:
        if text.startswith(alias) and not text[len(alias) : len(alias) + 1].isalnum():
            rest = text[len(alias) :].replace(" ", "")
            brackets = re.match(r"(\[\])*", rest)
            return _ALIASES[alias] + (brackets[0] if brackets else "")
    return text


def long_name(definition: str) -> str:
    """Give a type's name as ``information_schema`` has it.

    Examples
    --------
    >>> long_name("int8"), long_name("varchar"), long_name("timestamptz")
    ('bigint', 'character varying', 'timestamp with time zone')
    """
    short = type_name(definition)
    scalar = short.partition("[")[0]
    names = {
        "bool": "boolean",
        "int2": "smallint",
        "int4": "integer",
        "int8": "bigint",
        "float4": "real",
        "float8": "double precision",
        "varchar": "character varying",
        "time": "time without time zone",
        "timestamp": "timestamp without time zone",
        "timestamptz": "timestamp with time zone",
    }
    return names.get(scalar, scalar) + short[len(scalar) :]


def canonical(value: Any, kind: str) -> Any:
    """Give a value as a column of that type keeps it.

    Raises
    ------
    ValueError
        The value is none of that type; the text says so.
    """
    if value is None:
        return None
    if kind.endswith("[]"):
        return [canonical(item, kind[:-2]) for item in _items(value)]
    read = _READERS.get(kind)
    return value if read is None else read(value, kind)


def shown(value: Any, kind: str) -> str | None:
    """Write a kept value as RisingWave prints it to a client; None for NULL."""
    if value is None:
        return None
    if kind.endswith("[]") and isinstance(value, list):
        inner = (shown(item, kind[:-2]) for item in value)
        return "{" + ",".join("NULL" if item is None else _element(item) for item in inner) + "}"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, float):
        return _float_text(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def to_json(value: Any, kind: str) -> Any:
    """Encode a kept value as RisingWave's JSON encoder does in a sink that writes files."""
    if value is None:
        return None
    if kind.endswith("[]") and isinstance(value, list):
        return [to_json(item, kind[:-2]) for item in value]
    match kind:
        case "float4" | "float8":
            return float(value) if math.isfinite(value) else None
        case "timestamptz":
            return _micros(_moment(value)) + "Z"
        case "timestamp":
            return _micros(_moment(value)).replace("T", " ")
        case "time":
            return time.fromisoformat(value).strftime("%H:%M:%S.%f")
        case "bytea":
            return base64.b64encode(bytes.fromhex(value[2:])).decode().rstrip("=")
    return value


def to_python(value: Any, kind: str) -> Any:
    """Give a kept value as Python has it, for libraries that write typed files."""
    if value is None:
        return None
    if kind.endswith("[]"):
        return [to_python(item, kind[:-2]) for item in value]
    match kind:
        case "numeric":
            return Decimal(value)
        case "date":
            return date.fromisoformat(value)
        case "time":
            return time.fromisoformat(value)
        case "timestamp":
            return _moment(value).replace(tzinfo=None)
        case "timestamptz":
            return _moment(value)
        case "bytea":
            return bytes.fromhex(value[2:])
    return value


def from_python(value: Any, kind: str) -> Any:
    """Give what a typed file holds as a column of that type keeps it."""
    if isinstance(value, bytes | bytearray | memoryview):
        value = "\\x" + bytes(value).hex()
    elif isinstance(value, datetime | date | time):
        value = value.isoformat()
    elif isinstance(value, Decimal):
        value = format(value, "f")
    return canonical(value, kind)


def _items(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    text = str(value).strip()
    if text.startswith("["):
        found = json.loads(text)
        if isinstance(found, list):
            return found
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError('Array literal must start with "{"')
    items = re.findall(r'\s*("(?:[^"\\]|\\.)*"|[^,]+)\s*(?:,|$)', text[1:-1])
    return [
        re.sub(r"\\(.)", r"\1", item[1:-1])
        if item.startswith('"')
        else (None if item.strip().upper() == "NULL" else item.strip())
        for item in items
    ]


def _element(text: str) -> str:
    plain = re.fullmatch(r'[^\s{},"\\]+', text) and text.upper() != "NULL"
    return text if plain else '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _boolean(value: Any, kind: str) -> bool:
    text = str(value).strip().lower()
    if text not in (*_TRUE, *_FALSE):
        raise ValueError(f"invalid input syntax for type boolean: {text}")
    return text in _TRUE


def _integer(value: Any, kind: str) -> int:
    try:
        if isinstance(value, float) and not value.is_integer():
            number = int(Decimal(value).to_integral_value())
        else:
            number = int(value if isinstance(value, int | float) else str(value).strip())
    except (ValueError, OverflowError):
        raise ValueError(f"invalid input syntax for type {kind}: {value}") from None
    limit = 1 << (_INTEGER_BITS[kind] - 1)
    if not -limit <= number < limit:
        raise ValueError("Numeric out of range")
    return number


def _float(value: Any, kind: str) -> float:
    try:
        number = float(value if isinstance(value, int | float) else str(value).strip())
        return struct.unpack("f", struct.pack("f", number))[0] if kind == "float4" else number
    except (ValueError, OverflowError):
        raise ValueError(f"invalid input syntax for type {kind}: {value}") from None


def _numeric(value: Any, kind: str) -> str:
    try:
        number = Decimal(_float_text(value) if isinstance(value, float) else str(value).strip())
    except InvalidOperation:
        raise ValueError(f"invalid input syntax for type numeric: {value}") from None
    if not number.is_finite():
        return "NaN" if number.is_nan() else "Infinity" if number > 0 else "-Infinity"
    if number.adjusted() >= _DIGITS:
        raise ValueError("Numeric out of range")
    with localcontext() as context:
        context.prec = _DIGITS
        number = +number
        if -int(number.as_tuple().exponent) > _DIGITS:
            number = number.quantize(Decimal(1).scaleb(-_DIGITS))
    return format(abs(number) if number == 0 else number, "f")


def _text(value: Any, kind: str) -> str:
    return value if isinstance(value, str) else str(shown(value, ""))


def _date(value: Any, kind: str) -> str:
    try:
        return datetime.fromisoformat(str(value).strip()).date().isoformat()
    except ValueError:
        raise ValueError(
            f"Can't cast string to date (expected format is YYYY-MM-DD): {value}"
        ) from None


def _time(value: Any, kind: str) -> str:
    try:
        found = time.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError(
            "Can't cast string to time (expected format is HH:MM:SS[.D+{up to 6 digits}]): "
            f"{value}"
        ) from None
    return found.strftime("%H:%M:%S") + _fraction(found.microsecond)


def _timestamp(value: Any, kind: str) -> str:
    text = re.sub(r"([+-]\d\d)$", r"\1:00", str(value).strip())
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"Can't cast string to {kind} (expected format is YYYY-MM-DD HH:MM:SS[.D+]): {value}"
        ) from None
    if kind == "timestamptz":
        found = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    said = found.replace(tzinfo=None, microsecond=0).isoformat(" ")
    return said + _fraction(found.microsecond) + ("+00:00" if kind == "timestamptz" else "")


def _bytes(value: Any, kind: str) -> str:
    text = str(value)
    if text.startswith("\\x"):
        try:
            return "\\x" + bytes.fromhex(text[2:]).hex()
        except ValueError:
            raise ValueError(f"invalid hexadecimal data: {text}") from None
    return "\\x" + text.encode().hex()


def _json(value: Any, kind: str) -> str:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(f"invalid input syntax for type jsonb: {value}") from None
    return json.dumps(value, ensure_ascii=False)


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "bool": _boolean,
    **dict.fromkeys(_INTEGER_BITS, _integer),
    "float4": _float,
    "float8": _float,
    "numeric": _numeric,
    "varchar": _text,
    "date": _date,
    "time": _time,
    "timestamp": _timestamp,
    "timestamptz": _timestamp,
    "interval": _text,
    "bytea": _bytes,
    "jsonb": _json,
}


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _micros(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds")


def _fraction(microsecond: int) -> str:
    """Write a fraction as chrono's ``%.f`` does: three or six digits, or none."""
    if not microsecond:
        return ""
    return f".{microsecond // 1000:03}" if microsecond % 1000 == 0 else f".{microsecond:06}"


def _float_text(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
