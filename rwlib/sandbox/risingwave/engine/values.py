"""RisingWave's types: what a value is, how it is kept, and how RisingWave writes it.

A value is kept as JSON can hold it: booleans, integers and floats as such, a struct as an object, a
list as a list and a map as a list of its entries, everything else as the text that RisingWave
prints. Texts are those of ``ToText`` in ``src/common/src/types``, JSON those
of ``src/connector/src/sink/encoder/json.rs`` with the modes that the file, Snowflake and Redshift
sinks choose (``file_sink/opendal_sink.rs``, ``snowflake_redshift/mod.rs:53-63``).
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

from rwlib.sandbox.risingwave.engine.intervals import interval_iso, interval_text, read_interval
from rwlib.sandbox.risingwave.engine.kinds import element_of, entry_of, fields_of

_DIGITS = 28
"""Digits of a numeric (``rust_decimal``)."""

_INTEGER_BITS = {"int2": 16, "int4": 32, "int8": 64}
_TRUE = ("t", "tr", "tru", "true", "y", "ye", "yes", "on", "1")
_FALSE = ("f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0")


def canonical(value: Any, kind: str) -> Any:
    """Give a value as a column of that type keeps it.

    Raises
    ------
    ValueError
        The value is none of that type; the text says so.
    """
    if value is None:
        return None
    if element := element_of(kind):
        return [canonical(item, element) for item in _items(value)]
    if fields := fields_of(kind):
        given = _members(value, fields)
        return {name: canonical(given.get(name), inner) for name, inner in fields}
    if entry := entry_of(kind):
        pairs = [(canonical(k, entry[0]), canonical(v, entry[1])) for k, v in _entries(value)]
        if any(key is None for key, _ in pairs):
            raise ValueError("map keys must not be NULL")
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("map keys must be unique")
        return [list(pair) for pair in pairs]
    read = _READERS.get(kind)
    return value if read is None else read(value, kind)


def shown(value: Any, kind: str) -> str | None:
    """Write a kept value as RisingWave prints it to a client; None for NULL."""
    if value is None:
        return None
    if (element := element_of(kind)) and isinstance(value, list):
        inner = (shown(item, element) for item in value)
        quote = str if element_of(element) else _element
        return "{" + ",".join("NULL" if item is None else quote(item) for item in inner) + "}"
    if (fields := fields_of(kind)) and isinstance(value, dict):
        parts = (shown(value.get(name), inner) for name, inner in fields)
        return "(" + ",".join("" if part is None else _field(part) for part in parts) + ")"
    if (entry := entry_of(kind)) and isinstance(value, list):
        pairs = (f"{shown(k, entry[0])}:{shown(v, entry[1]) or 'NULL'}" for k, v in value)
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, float):
        return _float_text(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def to_json(value: Any, kind: str, *, parsed: bool = False) -> Any:
    """Encode a kept value as RisingWave's JSON encoder does in a sink that writes files.

    Parameters
    ----------
    parsed
        Write jsonb as JSON instead of as its text: ``jsonb.handling.mode = 'dynamic'``.
    """
    if value is None:
        return None
    if (element := element_of(kind)) and isinstance(value, list):
        return [to_json(item, element, parsed=parsed) for item in value]
    if (fields := fields_of(kind)) and isinstance(value, dict):
        return {name: to_json(value.get(name), inner, parsed=parsed) for name, inner in fields}
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
            return base64.b64encode(bytes.fromhex(value[2:])).decode()
        case "interval":
            return interval_iso(read_interval(value))
        case "jsonb":
            return json.loads(value) if parsed else value
    return value


def to_python(value: Any, kind: str) -> Any:
    """Give a kept value as Python has it, for libraries that write typed files."""
    if value is None:
        return None
    if element := element_of(kind):
        return [to_python(item, element) for item in value]
    if fields := fields_of(kind):
        return {name: to_python(value.get(name), inner) for name, inner in fields}
    if entry := entry_of(kind):
        return [(to_python(k, entry[0]), to_python(v, entry[1])) for k, v in value]
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
    return canonical(_plain(value), kind)


def _plain(value: Any) -> Any:
    """Write what Python has and JSON has not as RisingWave reads it, at any depth."""
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _members(value: Any, fields: tuple[tuple[str, str], ...]) -> Mapping[str, Any]:
    """Read a struct: by name from an object, by place from a row."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith(("{", "[")):
            value = _loaded(text, "struct")
        elif text.startswith("(") and text.endswith(")"):
            value = _row_items(text[1:-1])
        else:
            raise ValueError("Missing left parenthesis")
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, list | tuple) or len(value) != len(fields):
        raise ValueError(f"cannot cast {value!r} to struct of {len(fields)} fields")
    return {name: item for (name, _), item in zip(fields, value, strict=True)}


def _entries(value: Any) -> list[tuple[Any, Any]]:
    """Read a map: the members of an object, or pairs of a key and a value."""
    if isinstance(value, str):
        value = _loaded(value, "map")
    if isinstance(value, Mapping):
        return list(value.items())
    if not isinstance(value, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in value
    ):
        raise ValueError(f"cannot cast {value!r} to map")
    return [(key, item) for key, item in value]


def _loaded(text: str, kind: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError(f"cannot cast {text} to {kind}") from None


def _row_items(text: str) -> list[str | None]:
    """Take PostgreSQL's text of a row apart: nothing is NULL, quotes and backslashes escape."""
    found = re.findall(r'((?:"(?:[^"\\]|\\.|"")*"|[^,"])*)(?:,|$)', text)[: _commas(text) + 1]
    return [_row_item(item) for item in found]


def _commas(text: str) -> int:
    return re.sub(r'"(?:[^"\\]|\\.|"")*"', "", text).count(",")


def _row_item(text: str) -> str | None:
    if not text:
        return None
    if not text.startswith('"'):
        return text
    return re.sub(r'\\(.)|""', lambda found: found[1] or '"', text[1:-1])


def _field(text: str) -> str:
    """Quote a struct's field where it has to be (``struct_array.rs``, ``quote_if_need``)."""
    if re.fullmatch(r'[^"\\,\s()]+', text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'


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
    return [
        re.sub(r"\\(.)", r"\1", item[1:-1])
        if item.startswith('"')
        else (None if item.upper() == "NULL" else item)
        for item in _split(text[1:-1])
    ]


def _split(text: str) -> list[str]:
    """Split the text of a list at the commas that stand outside of quotes and inner lists."""
    pieces = re.findall(r'"(?:[^"\\]|\\.)*"|[{},]|[^"{},]+', text)
    items, depth = [""], 0
    for piece in pieces:
        depth += (piece == "{") - (piece == "}")
        if piece == "," and not depth:
            items.append("")
        else:
            items[-1] += piece
    found = [item.strip() for item in items]
    return [] if found == [""] else found


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
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _interval(value: Any, kind: str) -> str:
    return interval_text(read_interval(str(value)))


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
    "interval": _interval,
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
