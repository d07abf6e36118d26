"""The stand-in on the Postgres protocol, as RisingWave serves it on port 4566.

Protocol 3.0 as far as clients speak it with RisingWave: start-up, simple and extended queries,
cancel requests. No TLS (an SSLRequest is answered ``N``) and no password: it listens on loopback
only. Which cluster answers is what RisingWave Cloud routes by: ``options=--tenant=…`` or a user
``<tenant>;<user>``; without either it is the first cluster.
<https://www.postgresql.org/docs/current/protocol-message-formats.html>
"""

from __future__ import annotations

import re
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal, localcontext
from typing import Any, Protocol

from rwlib.sandbox.risingwave.engine.failures import RefusedStatementError
from rwlib.sandbox.risingwave.engine.intervals import read_interval
from rwlib.sandbox.risingwave.engine.kinds import type_name
from rwlib.sandbox.risingwave.engine.queries import ResultRows
from rwlib.sandbox.risingwave.engine.values import shown

_VERSION_3 = 196608
_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_LONGEST_START = 10_000
_LONGEST_MESSAGE = 64 * 1024 * 1024
_TEXT_OID = 1043
_OIDS = {
    "bool": 16,
    "bytea": 17,
    "int8": 20,
    "int2": 21,
    "int4": 23,
    "float4": 700,
    "float8": 701,
    "varchar": _TEXT_OID,
    "date": 1082,
    "time": 1083,
    "timestamp": 1114,
    "timestamptz": 1184,
    "interval": 1186,
    "numeric": 1700,
    "jsonb": 3802,
    "bool[]": 1000,
    "int2[]": 1005,
    "int4[]": 1007,
    "int8[]": 1016,
    "float4[]": 1021,
    "float8[]": 1022,
    "varchar[]": 1015,
    "numeric[]": 1231,
    "timestamp[]": 1115,
    "timestamptz[]": 1185,
    "bytea[]": 1001,
    "date[]": 1182,
    "time[]": 1183,
    "interval[]": 1187,
    "jsonb[]": 3807,
}
_KINDS = {
    **{oid: kind for kind, oid in _OIDS.items()},
    # PostgreSQL's other texts: name, text, json, unknown, bpchar, and arrays of text.
    **dict.fromkeys((19, 25, 114, 705, 1042), "varchar"),
    1009: "varchar[]",
}
_SIZES = {"bool": 1, "int2": 2, "int4": 4, "int8": 8, "float4": 4, "float8": 8}
_BINARY = {"bool": "!?", "int2": "!h", "int4": "!i", "int8": "!q", "float4": "!f", "float8": "!d"}
_EPOCH = datetime(2000, 1, 1)
"""What binary dates and times count from."""

_PARAMETERS = {
    # What RisingWave reports at start-up (``src/utils/pgwire/src/pg_protocol.rs``).
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "server_version": "13.14.0",
    "DateStyle": "ISO, MDY",
    "TimeZone": "UTC",
    "integer_datetimes": "on",
}
# ``src/frontend/src/catalog/mod.rs:130-145``; everything else is an internal error
# (``src/utils/pgwire/src/error_or_notice.rs``).
_STATES = (
    (re.compile(r"Catalog error\b.*\bnot found: ", re.DOTALL), "42704"),
    (re.compile(r"Catalog error\b.* exists\s*$", re.DOTALL), "42710"),
)
_INTERNAL_ERROR = "XX000"


class Answering(Protocol):
    """What runs the statements of one connection."""

    def run(self, text: str) -> tuple[str, ResultRows | None]:
        """Run a text; give the command tag, and rows where it has some.

        Raises
        ------
        RefusedStatementError
            RisingWave's refusal.
        """

    def split(self, text: str) -> list[str]:
        """Give the statements of a text."""


Connect = Callable[[str, str], Answering]
"""Give what answers for a tenant and a database; `LookupError` says why there is none."""


class PostgresPort:
    """Serves Postgres clients on a loopback port, each in a thread.

    Parameters
    ----------
    connect
        Gives what answers.
    port
        0 takes a free one.
    """

    def __init__(self, host: str, port: int, connect: Connect) -> None:
        class Server(socketserver.ThreadingTCPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False
            request_queue_size = 64

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                _Session(self.request, connect).serve()

        self._server = Server((host, port), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="sandbox-postgres",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


class _ProtocolError(Exception):
    """The client does not speak the protocol, or is gone."""


@dataclass
class _Portal:
    text: str
    formats: list[int]
    tag: str = ""
    result: ResultRows | None = None
    ran: bool = False
    sent: int = 0


@dataclass
class _Prepared:
    text: str
    kinds: list[int] = field(default_factory=list)


class _Session:
    """One connection."""

    def __init__(self, connection: socket.socket, connect: Connect) -> None:
        self._socket = connection
        self._connect = connect
        self._input = connection.makefile("rb")
        self._output = bytearray()
        self._statements: dict[str, _Prepared] = {}
        self._portals: dict[str, _Portal] = {}
        self._failed = False
        self._in_transaction = False
        self._engine: Answering

    def serve(self) -> None:
        """Answer until the client leaves."""
        try:
            if self._start():
                while self._next():
                    pass
        except (_ProtocolError, OSError):
            pass
        finally:
            self._input.close()

    # Messages --------------------------------------------------------------------------------

    def _read(self, count: int) -> bytes:
        content = self._input.read(count)
        if len(content) < count:
            raise _ProtocolError
        return content

    def _send(self, kind: bytes, content: bytes = b"") -> None:
        self._output += kind + struct.pack("!i", len(content) + 4) + content

    def _flush(self) -> None:
        self._socket.sendall(bytes(self._output))
        self._output.clear()

    def _ready(self) -> None:
        self._send(b"Z", b"T" if self._in_transaction else b"I")
        self._flush()

    def _error(self, text: str, state: str = "") -> None:
        """Send an error as RisingWave does: its whole frame is the message."""
        said = text.removeprefix("ERROR:").strip()
        state = state or next(
            (code for found, code in _STATES if found.search(said)), _INTERNAL_ERROR
        )
        fields = (("S", "ERROR"), ("V", "ERROR"), ("C", state), ("M", said))
        self._send(b"E", b"".join(_text(code + value) for code, value in fields) + b"\0")

    # Start-up --------------------------------------------------------------------------------

    def _start(self) -> bool:
        while True:
            (length,) = struct.unpack("!i", self._read(4))
            if not 8 <= length <= _LONGEST_START:
                raise _ProtocolError
            content = self._read(length - 4)
            (code,) = struct.unpack("!i", content[:4])
            if code in (_SSL, _GSS):
                self._socket.sendall(b"N")
                continue
            if code == _CANCEL:
                # Statements end before anybody can cancel them: nothing is running.
                return False
            if code >> 16 != _VERSION_3 >> 16:
                raise _ProtocolError
            break
        words = content[4:].decode("utf-8", "replace").split("\0")
        given = dict(zip(words[::2], words[1::2], strict=False))
        routed = re.search(r"--tenant=(\S+)", given.get("options", ""))
        tenant, found, user = given.get("user", "").rpartition(";")
        tenant = tenant if found else (routed[1] if routed else "")
        database = given.get("database") or user
        try:
            self._engine = self._connect(tenant, database)
        except LookupError as error:
            self._error(str(error.args[0]), "3D000")
            self._flush()
            return False
        self._send(b"R", struct.pack("!i", 0))
        for name, value in _PARAMETERS.items():
            self._send(b"S", _text(name) + _text(value))
        self._send(b"K", struct.pack("!ii", 0, 0))
        self._ready()
        return True

    # Queries ---------------------------------------------------------------------------------

    def _next(self) -> bool:
        kind = self._read(1)
        (length,) = struct.unpack("!i", self._read(4))
        if not 4 <= length <= _LONGEST_MESSAGE:
            raise _ProtocolError
        content = _Reader(self._read(length - 4))
        if kind == b"X":
            return False
        if kind == b"Q":
            self._simple(content.text())
            self._ready()
        elif kind == b"S":
            self._failed = False
            self._ready()
        elif kind == b"H":
            self._flush()
        elif not self._failed:
            self._extended(kind, content)
        return True

    def _simple(self, text: str) -> None:
        try:
            statements = self._engine.split(text)
            if not statements:
                self._send(b"I")
            for statement in statements:
                tag, result = self._engine.run(statement)
                if result is not None:
                    self._describe(result, [])
                    for row in result.rows:
                        self._row(row, result, [])
                self._complete(tag)
        except RefusedStatementError as error:
            self._error(str(error))

    def _extended(self, kind: bytes, content: _Reader) -> None:
        try:
            match kind:
                case b"P":
                    name, text = content.text(), content.text()
                    kinds = [content.number("!i") for _ in range(content.number("!h"))]
                    self._prepare(name, text, kinds)
                    self._send(b"1")
                case b"B":
                    self._bind(content)
                case b"D":
                    self._describe_named(content.byte(), content.text())
                case b"E":
                    self._execute(content.text(), content.number("!i"))
                case b"C":
                    if content.byte() == b"S":
                        self._statements.pop(content.text(), None)
                    else:
                        self._portals.pop(content.text(), None)
                    self._send(b"3")
                case _:
                    raise _ProtocolError
        except (RefusedStatementError, ValueError) as error:
            self._error(str(error))
            self._flush()
            self._failed = True

    def _prepare(self, name: str, text: str, kinds: list[int]) -> None:
        """Keep a statement; what cannot be parsed is refused now, as RisingWave does.

        ``pg_protocol.rs``, ``process_parse_msg_inner``.
        """
        if name and name in self._statements:
            raise ValueError(f"{_PREPARE}  Duplicated statement name")
        self._statements.pop(name, None)
        try:
            statements = self._engine.split(text)
        except RefusedStatementError as error:
            said = str(error).partition("Caused by:\n")[2]
            raise ValueError(_PREPARE + said) from None
        if len(statements) > 1:
            raise ValueError(f"{_PREPARE}  Only one statement is allowed in extended query mode")
        self._statements[name] = _Prepared(text, self._kinds_of(text, kinds))

    def _kinds_of(self, text: str, given: list[int]) -> list[int]:
        """Give the types of a statement's parameters: as told, as cast, or as the column has it.

        RisingWave infers what a client leaves open (``binder/bind_param.rs``); what neither a cast
        nor a column tells is a text.
        """
        places = [
            (int(match["number"]), match)
            for match in _PARAMETER.finditer(_TEXTS.sub(_blanked, text))
        ]
        count = max([len(given), *(number for number, _ in places)], default=0)
        kinds = (given + [0] * count)[:count]
        columns: dict[str, int] = {}
        if any(not kinds[number - 1] for number, _ in places if number):
            columns = self._columns_of(text)
        inserted = _inserted(text, columns)
        for number, match in places:
            if not number or kinds[number - 1]:
                continue
            kind = type_name(match["cast"]) if match["cast"] else ""
            column = (match["column"] or "").strip('"')
            kinds[number - 1] = (
                _OIDS.get(kind, 0) or columns.get(column, 0) or inserted.get(number, 0)
            )
        return kinds

    def _columns_of(self, text: str) -> dict[str, int]:
        """Give the types of the columns of every relation that a statement names."""
        columns: dict[str, int] = {}
        for name in dict.fromkeys(_RELATION.findall(text)):
            try:
                _, result = self._engine.run(f"SELECT * FROM {name} LIMIT 0")
            except RefusedStatementError:
                continue
            for column, kind in result.columns if result else []:
                columns.setdefault(column, _OIDS.get(kind, 0))
        return columns

    def _statement(self, name: str) -> _Prepared:
        if name not in self._statements:
            what = f"Prepare statement {name}" if name else "unnamed prepare statement"
            raise ValueError(f"{what} not found")
        return self._statements[name]

    def _portal(self, name: str) -> _Portal:
        if name not in self._portals:
            raise ValueError(f"Portal {name} not found" if name else "unnamed portal not found")
        return self._portals[name]

    def _bind(self, content: _Reader) -> None:
        portal, name = content.text(), content.text()
        if portal and portal in self._portals:
            raise ValueError("Duplicated portal name")
        statement = self._statement(name)
        formats = [content.number("!h") for _ in range(content.number("!h"))]
        values: list[str | None] = []
        for index in range(content.number("!h")):
            length = content.number("!i")
            raw = None if length < 0 else content.take(length)
            kind = _KINDS.get(statement.kinds[index] if index < len(statement.kinds) else 0, "")
            values.append(None if raw is None else _value(raw, _chosen(formats, index), kind))
        wanted = [content.number("!h") for _ in range(content.number("!h"))]
        self._portals[portal] = _Portal(_filled(statement, values), wanted)
        self._send(b"2")

    def _describe_named(self, what: bytes, name: str) -> None:
        if what == b"P":
            portal = self._portal(name)
            self._run(portal)
            result = portal.result
        else:
            statement = self._statement(name)
            kinds, count = statement.kinds, len(statement.kinds)
            self._send(
                b"t", struct.pack("!h", count) + b"".join(
                    struct.pack("!i", kind or _TEXT_OID) for kind in kinds
                )
            )  # fmt: skip
            result = None
            if re.match(r"(?i)\s*(select|with|values|show)\b", statement.text):
                result = self._engine.run(_filled(statement, [None] * count))[1]
            wanted: list[int] = []
        if result is None:
            self._send(b"n")
        else:
            self._describe(result, portal.formats if what == b"P" else wanted)

    def _execute(self, name: str, most: int) -> None:
        portal = self._portal(name)
        self._run(portal)
        if portal.result is not None:
            rows = portal.result.rows[portal.sent :]
            for row in rows[:most] if most > 0 else rows:
                self._row(row, portal.result, portal.formats)
            if 0 < most < len(rows):
                portal.sent += most
                self._send(b"s")
                return
            portal.sent += len(rows)
        if portal.text.strip().strip(";"):
            self._complete(portal.tag)
        else:
            self._send(b"I")

    def _run(self, portal: _Portal) -> None:
        if not portal.ran:
            portal.tag, portal.result = self._engine.run(portal.text)
            portal.ran = True

    def _complete(self, tag: str) -> None:
        if tag in ("BEGIN", "START_TRANSACTION"):
            self._in_transaction = True
        elif tag in ("COMMIT", "ROLLBACK"):
            self._in_transaction = False
        self._send(b"C", _text(tag))

    def _describe(self, result: ResultRows, formats: list[int]) -> None:
        content = struct.pack("!h", len(result.columns))
        for index, (name, kind) in enumerate(result.columns):
            oid = _OIDS.get(kind, _TEXT_OID)
            binary = _chosen(formats, index)
            size = _SIZES.get(kind, -1)
            content += _text(name) + struct.pack("!ihihih", 0, 0, oid, size, -1, binary)
        self._send(b"T", content)

    def _row(self, row: list[Any], result: ResultRows, formats: list[int]) -> None:
        content = struct.pack("!h", len(row))
        for index, (value, (_, kind)) in enumerate(zip(row, result.columns, strict=True)):
            if value is None:
                content += struct.pack("!i", -1)
                continue
            if _chosen(formats, index):
                written = _binary(value, kind)
            else:
                written = (shown(value, kind) or "").encode()
            content += struct.pack("!i", len(written)) + written
        self._send(b"D", content)


class _Reader:
    """The content of one message."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, count: int) -> bytes:
        found = self._content[self._at : self._at + count]
        if len(found) < count:
            raise _ProtocolError
        self._at += count
        return found

    def byte(self) -> bytes:
        return self.take(1)

    def text(self) -> str:
        end = self._content.find(b"\0", self._at)
        if end < 0:
            raise _ProtocolError
        found = self._content[self._at : end]
        self._at = end + 1
        return found.decode("utf-8", "replace")

    def number(self, form: str) -> int:
        (found,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return int(found)


def _text(value: str) -> bytes:
    return value.replace("\0", "").encode() + b"\0"


def _chosen(formats: list[int], index: int) -> int:
    if not formats:
        return 0
    return formats[0] if len(formats) == 1 else formats[index] if index < len(formats) else 0


def _value(raw: bytes, binary: int, kind: str) -> str:
    if not binary:
        return raw.decode("utf-8", "replace")
    try:
        return _binary_value(raw, kind)
    except (struct.error, IndexError, OverflowError):
        raise ValueError(f"incorrect binary data of a parameter of type {kind}") from None


def _binary_value(raw: bytes, kind: str) -> str:
    """Read a binary parameter (``src/common/src/types/postgres_type.rs`` and ``from_sql.rs``)."""
    if kind.endswith("[]"):
        return _binary_array(raw, kind[:-2])
    if kind in _BINARY:
        return str(shown(struct.unpack(_BINARY[kind], raw)[0], kind))
    match kind:
        case "" | "varchar":
            return raw.decode("utf-8", "replace")
        case "jsonb":
            return raw[1:].decode("utf-8", "replace")
        case "bytea":
            return "\\x" + raw.hex()
        case "date":
            (days,) = struct.unpack("!i", raw)
            return (_EPOCH + timedelta(days=days)).date().isoformat()
        case "timestamp" | "timestamptz":
            (micros,) = struct.unpack("!q", raw)
            moment = _EPOCH + timedelta(microseconds=micros)
            return moment.isoformat(" ") + ("+00:00" if kind == "timestamptz" else "")
        case "time":
            (micros,) = struct.unpack("!q", raw)
            return (_EPOCH + timedelta(microseconds=micros)).time().isoformat()
        case "interval":
            micros, days, months = struct.unpack("!qii", raw)
            sign, seconds = "-" if micros < 0 else "", abs(micros) / 1_000_000
            hours, rest = divmod(seconds, 3600)
            minutes, seconds = divmod(rest, 60)
            clock = f"{sign}{hours:02.0f}:{minutes:02.0f}:{seconds:09.6f}"
            return f"{months} months {days} days {clock}"
        case "numeric":
            return _binary_numeric(raw)
    raise ValueError(f"unsupported binary format of a parameter of type {kind}")


def _binary(value: Any, kind: str) -> bytes:
    """Write a value of a result in binary (``src/common/src/types/to_binary.rs``)."""
    if kind.endswith("[]") and kind in _OIDS:
        return _array_in_binary(value, kind[:-2])
    if kind in _BINARY:
        return struct.pack(_BINARY[kind], value)
    text = shown(value, kind) or ""
    match kind:
        case "numeric":
            return _numeric_in_binary(Decimal(text))
        case "bytea":
            return bytes.fromhex(text[2:])
        case "jsonb":
            return b"\1" + text.encode()
        case "date":
            return struct.pack("!i", (date.fromisoformat(text) - _EPOCH.date()).days)
        case "time":
            since = datetime.combine(_EPOCH, time.fromisoformat(text)) - _EPOCH
            return struct.pack("!q", since // _MICROSECOND)
        case "timestamp" | "timestamptz":
            moment = datetime.fromisoformat(text).replace(tzinfo=None)
            return struct.pack("!q", (moment - _EPOCH) // _MICROSECOND)
        case "interval":
            months, days, micros = read_interval(text)
            return struct.pack("!qii", micros, days, months)
    return text.encode()


def _array_in_binary(values: list[Any], kind: str) -> bytes:
    nulls = int(any(value is None for value in values))
    content = struct.pack("!iii", int(bool(values)), nulls, _OIDS[kind])
    if values:
        content += struct.pack("!ii", len(values), 1)
    for value in values:
        if value is None:
            content += struct.pack("!i", -1)
        else:
            written = _binary(value, kind)
            content += struct.pack("!i", len(written)) + written
    return content


def _numeric_in_binary(number: Decimal) -> bytes:
    if not number.is_finite():
        sign = 0xC000 if number.is_nan() else 0xD000 if number > 0 else 0xF000
        return struct.pack("!hhHh", 0, 0, sign, 0)
    scale = max(0, -int(number.as_tuple().exponent))
    whole, _, part = format(abs(number), "f").partition(".")
    whole = whole.zfill(-(-len(whole) // 4) * 4)
    part = part.ljust(-(-len(part) // 4) * 4, "0")
    digits = [int((whole + part)[at : at + 4]) for at in range(0, len(whole + part), 4)]
    weight = len(whole) // 4 - 1
    while digits and digits[0] == 0:
        digits.pop(0)
        weight -= 1
    while digits and digits[-1] == 0:
        digits.pop()
    sign = 0x4000 if number < 0 else 0
    head = struct.pack("!hhHh", len(digits), weight if digits else 0, sign, scale)
    return head + struct.pack(f"!{len(digits)}h", *digits)


def _binary_numeric(raw: bytes) -> str:
    count, weight, sign, scale = struct.unpack("!hhHh", raw[:8])
    if sign & 0xC000 == 0xC000:
        return {0xC000: "NaN", 0xD000: "Infinity"}.get(sign, "-Infinity")
    digits = struct.unpack(f"!{count}h", raw[8:])
    with localcontext() as context:
        context.prec = 10_000
        number = sum(
            (Decimal(digit).scaleb(4 * (weight - index)) for index, digit in enumerate(digits)),
            Decimal(0),
        )
        number = number.quantize(Decimal(1).scaleb(-scale))
    return format(-number if sign else number, "f")


def _binary_array(raw: bytes, kind: str) -> str:
    dimensions, _, _ = struct.unpack("!iii", raw[:12])
    if dimensions > 1:
        raise ValueError(f"unsupported binary format of a parameter of type {kind}[][]")
    items: list[str] = []
    at = 12 + 8 * dimensions
    while at < len(raw):
        (length,) = struct.unpack("!i", raw[at : at + 4])
        item = raw[at + 4 : at + 4 + max(0, length)]
        at += 4 + max(0, length)
        if length < 0:
            items.append("NULL")
        else:
            text = _binary_value(item, kind)
            items.append('"' + re.sub(r'(["\\])', r"\\\1", text) + '"')
    return "{" + ",".join(items) + "}"


def _filled(statement: _Prepared, values: list[str | None]) -> str:
    """Put a prepared statement's values where its parameters stand, outside of texts."""

    def value(match: re.Match[str]) -> str:
        if not match[1]:
            return match[0]
        index = int(match[1]) - 1
        if index >= len(values):
            raise ValueError(f"there is no parameter ${match[1]}")
        given = values[index]
        if given is None:
            return "NULL"
        kind = _KINDS.get(statement.kinds[index] if index < len(statement.kinds) else 0, "")
        if kind == "bool":
            return "true" if given in ("t", "true") else "false"
        if kind in ("int2", "int4", "int8", "float4", "float8") and _NUMBER.fullmatch(given):
            return given
        return "'" + given.replace("'", "''") + "'"

    return _PLACES.sub(value, statement.text)


def _inserted(text: str, columns: dict[str, int]) -> dict[int, int]:
    """Give the types of parameters that stand where an INSERT has values of its columns."""
    match = _INSERT.search(text)
    if match is None:
        return {}
    names = [name.strip().strip('"') for name in (match["columns"] or "").split(",")]
    names = names if match["columns"] else list(columns)
    found: dict[int, int] = {}
    for row in re.findall(r"\(([^()]*)\)", match["rows"]):
        for name, value in zip(names, row.split(","), strict=False):
            place = re.fullmatch(r"\s*\$(\d+)\s*", value)
            if place and columns.get(name):
                found.setdefault(int(place[1]), columns[name])
    return found


def _blanked(match: re.Match[str]) -> str:
    return " " * len(match[0])


_MICROSECOND = timedelta(microseconds=1)
_PREPARE = "Failed to prepare the statement\n\nCaused by:\n"
_TEXTS = re.compile(r"""'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/""", re.DOTALL)
_PARAMETER = re.compile(
    r"""(?:(?P<column>"[^"]+"|\w+)\s*(?:=|<>|!=|<=|>=|<|>)\s*)?\$(?P<number>\d+)"""
    r"""(?:\s*::\s*(?P<cast>[a-z][a-z0-9 ]*(?:\[\])?))?""",
    re.IGNORECASE,
)
_RELATION = re.compile(r"""(?i)\b(?:from|join|into|update)\s+("[^"]+"|[\w.]+)""")
_INSERT = re.compile(
    r"""(?is)\binsert\s+into\s+\S+?\s*(?:\((?P<columns>[^()]*)\))?\s*values\s*(?P<rows>.*)"""
)
_PLACES = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|/\*.*?\*/|\$(\d+)""", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
