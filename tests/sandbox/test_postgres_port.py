"""The stand-in on the Postgres protocol, with clients that nobody here wrote."""

from __future__ import annotations

import contextlib
import datetime
import json
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from rwlib.errors import InputError
from rwlib.sandbox import Sandbox
from rwlib.steps.step5_sql import DsnConnection, Refusal

pytestmark = pytest.mark.slow

psycopg = pytest.importorskip("psycopg", reason="the extra `risingwave` is not installed")

TABLE = (
    "CREATE TABLE facts (id int PRIMARY KEY, amount numeric, paid boolean, at timestamptz, "
    "day date, tags varchar[])"
)
ROWS = (
    "INSERT INTO facts VALUES (1, 1.10, true, '2026-01-01 10:00:00.5+02', '2026-01-01', "
    "'{a,\"b c\"}'), (2, NULL, false, NULL, NULL, NULL)"
)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


@pytest.fixture
def connection(sandbox: Sandbox) -> Iterator[Any]:
    with psycopg.connect(sandbox.dsn, autocommit=True) as opened:
        opened.execute(TABLE)
        opened.execute(ROWS)
        yield opened


def test_values_when_psycopg_reads_them(connection: Any) -> None:
    row = connection.execute("SELECT * FROM facts WHERE id = %s", (1,)).fetchone()
    moment = datetime.datetime(2026, 1, 1, 8, 0, 0, 500000, datetime.UTC)
    day = datetime.date(2026, 1, 1)
    assert row == (1, Decimal("1.10"), True, moment, day, ["a", "b c"])
    assert str(row[1]) == "1.10"


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("prepared", [False, True])
def test_parameters_when_they_are_of_every_kind(
    connection: Any, binary: bool, prepared: bool
) -> None:
    for query, value in {
        "SELECT id FROM facts WHERE paid = %s": True,
        "SELECT id FROM facts WHERE amount > %s": Decimal("1.05"),
        "SELECT id FROM facts WHERE id < %s": 2,
        "SELECT id FROM facts WHERE at < %s": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        "SELECT id FROM facts WHERE '$1' <> %s AND id = 1": "it's",
    }.items():
        cursor = connection.cursor(binary=binary)
        assert cursor.execute(query, (value,), prepare=prepared).fetchall() == [(1,)], query


def test_errors_when_a_client_asks_for_their_state(connection: Any) -> None:
    for statement, state in {
        "SELECT * FROM absent": "42704",
        TABLE: "42710",
        "SELECT absent FROM facts": "XX000",
        "SELEKT 1": "XX000",
    }.items():
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
        assert caught.value.sqlstate == state, statement
        assert str(caught.value).startswith("Failed to run the query\n\nCaused by")
    assert "sql parser error: expected statement, found: SELEKT\nLINE 1: SELEKT 1" in str(
        caught.value
    )
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_transaction_when_a_client_opens_one(sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.dsn) as opened:
        assert opened.execute("SELECT 1").fetchone() == (1,)
        assert opened.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        opened.commit()
        assert opened.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_cursor_when_rows_come_in_parts(connection: Any) -> None:
    cursor = connection.cursor()
    assert [row[0] for row in cursor.stream("SELECT id FROM facts ORDER BY id")] == [1, 2]
    connection.cancel_safe(timeout=10)
    assert connection.execute("SELECT count(*) FROM facts").fetchone() == (2,)


def test_tenant_when_a_client_names_one(sandbox: Sandbox) -> None:
    from rwlib.cloud.identity import tenant_identifier

    preview = tenant_identifier("019d023e-7000-7a11-8c11-0000000000a1", "preview")
    version = "SELECT version()"
    with psycopg.connect(sandbox.dsn, options=f"--tenant={preview}") as opened:
        assert "RisingWave-3.2.0" in opened.execute(version).fetchone()[0]
    with psycopg.connect(sandbox.dsn, user=f"{preview};root") as opened:
        assert "RisingWave-3.2.0" in opened.execute(version).fetchone()[0]
    with pytest.raises(psycopg.OperationalError, match="Failed to get tenant identifier"):
        psycopg.connect(sandbox.dsn, options="--tenant=rwc-none")
    with pytest.raises(psycopg.OperationalError, match='database "nope" does not exist'):
        psycopg.connect(sandbox.dsn, dbname="nope")


@pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed")
def test_psql_when_it_prints_rows(sandbox: Sandbox) -> None:
    def psql(*statements: str) -> str:
        commands = [part for statement in statements for part in ("-c", statement)]
        ended = subprocess.run(
            ["psql", sandbox.dsn, "-At", *commands],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return ended.stdout + ended.stderr

    assert psql(TABLE, ROWS, "SELECT amount, paid, at, tags FROM facts ORDER BY id").split(
        "\n"
    ) == [
        "CREATE_TABLE",
        "INSERT 0 2",
        '1.10|t|2026-01-01 08:00:00.500+00:00|{a,"b c"}',
        "|f||",
        "",
    ]
    assert psql("SELECT 1 AS a; SELECT 'b' AS b") == "1\nb\n"
    assert psql("SELECT * FROM absent").startswith("ERROR:  Failed to run the query\n")


def test_dialect_when_sqlalchemy_uses_it(sandbox: Sandbox) -> None:
    alchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    pytest.importorskip("sqlalchemy_risingwave", reason="the RisingWave dialect is not installed")
    engine = alchemy.create_engine(sandbox.dsn.replace("postgresql", "risingwave+psycopg"))
    with engine.connect() as opened:
        query = alchemy.text("SELECT order_id, amount FROM orders WHERE amount > :least")
        assert opened.execute(query, {"least": 10}).fetchall() == [(1, 12.5)]
    found = alchemy.inspect(engine)
    assert set(found.get_table_names()) == {"orders", "customers"}
    columns = {column["name"]: str(column["type"]) for column in found.get_columns("orders")}
    assert columns["order_id"] == "BIGINT"
    engine.dispose()


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0" * 8,
        struct.pack("!i", 2_000_000_000) + b"x" * 100,
        struct.pack("!ii", 8, 131072),
        struct.pack("!ii", 12, 80877103) + b"abcd",
    ],
)
def test_port_when_a_stranger_calls(sandbox: Sandbox, start: bytes) -> None:
    with socket.create_connection(("127.0.0.1", sandbox.sql_port), timeout=10) as stranger:
        stranger.sendall(start)
        stranger.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert stranger.recv(100) in (b"", b"N")
    with psycopg.connect(sandbox.dsn) as opened:
        assert opened.execute("SELECT 1").fetchone() == (1,)


def test_environment_when_a_sandbox_is_spawned() -> None:
    with Sandbox.spawn() as spawned:
        assert "RW_DSN" not in spawned.environment()
        found = DsnConnection(spawned.dsn)
        assert found.rows("SELECT name FROM rw_catalog.rw_tables ORDER BY name") == [
            ("customers",),
            ("orders",),
        ]
        with pytest.raises(Refusal, match="table or source not found: absent"):
            found.rows("SELECT * FROM absent")


@pytest.mark.parametrize("answer", ["PostgreSQL 16.2 (Debian)", "CockroachDB CCL v23", ""])
def test_dsn_when_it_leads_elsewhere(answer: str) -> None:
    from rwlib.sandbox.risingwave.engine.queries import ResultRows
    from rwlib.sandbox.risingwave.postgres import PostgresPort

    asked: list[str] = []

    class Elsewhere:
        def split(self, text: str) -> list[str]:
            return [text]

        def run(self, text: str) -> tuple[str, ResultRows | None]:
            asked.append(text)
            return "SELECT 1", ResultRows([("version", "varchar")], [[answer]])

    port = PostgresPort("127.0.0.1", 0, lambda tenant, database: Elsewhere())
    try:
        dsn = f"postgresql://root:hunter2@127.0.0.1:{port.port}/dev"
        with pytest.raises(InputError) as caught:
            DsnConnection(dsn)
    finally:
        port.close()
    assert asked == ["SELECT version()"]
    assert "RW_DSN: '***' doesn't lead to RisingWave" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_alter_when_it_can_be_done_or_not(connection: Any) -> None:
    connection.execute("ALTER TABLE facts ADD COLUMN note varchar")
    connection.execute("UPDATE facts SET note = 'x' WHERE id = 1")
    connection.execute("ALTER TABLE facts RENAME TO truths")
    assert connection.execute("SELECT note FROM truths ORDER BY id").fetchall() == [("x",), (None,)]
    shown = connection.execute("SHOW CREATE TABLE truths").fetchone()[1]
    assert "note varchar" in shown
    assert "TABLE truths" in shown
    connection.execute("ALTER TABLE truths DROP COLUMN note")
    for statement in (
        "ALTER TABLE truths DROP COLUMN id",
        "ALTER TABLE truths OWNER TO somebody",
        "ALTER TABLE absent ADD COLUMN a int",
        "ALTER TABLE truths ADD COLUMN amount int",
        "ALTER SINK absent SET PARALLELISM = 2",
        "ALTER USER root RENAME TO other",
    ):
        with pytest.raises(psycopg.Error):
            connection.execute(statement)
    connection.execute("ALTER SYSTEM SET barrier_interval_ms = 1000")
    for name, text in (("x", 'unrecognized system parameter "x"'), ("state_store", "is immutable")):
        with pytest.raises(psycopg.Error, match=text):
            connection.execute(f"ALTER SYSTEM SET {name} = 1")
    names = connection.execute("SELECT * FROM truths LIMIT 0").description
    assert [column.name for column in names] == ["id", "amount", "paid", "at", "day", "tags"]


def test_serve_when_it_prints_its_environment() -> None:
    import os
    import sys

    from rwlib.environment import without_real_world

    with subprocess.Popen(
        [sys.executable, "-m", "rwlib", "sandbox", "--json"],
        stdout=subprocess.PIPE,
        env=without_real_world(os.environ),
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        with psycopg.connect(told["RW_DSN"]) as opened:
            assert "RisingWave" in opened.execute("SELECT version()").fetchone()[0]
        process.terminate()
        process.wait(timeout=20)


EVERY_TYPE = (
    "CREATE TABLE every (id int PRIMARY KEY, text varchar, exact numeric, raw bytea, document "
    "jsonb, day date, hour time, local timestamp, moment timestamptz, span interval, numbers "
    "real[], exacts numeric[], words varchar[])"
)


@pytest.mark.parametrize("binary", [False, True])
def test_values_of_every_type_come_back(sandbox: Sandbox, binary: bool) -> None:
    from psycopg.types.json import Jsonb

    with psycopg.connect(sandbox.dsn, autocommit=True) as opened:
        opened.execute(EVERY_TYPE)
        moment = datetime.datetime(1969, 1, 1, 1, 2, 3, 4, datetime.UTC)
        row = (
            *(1, "it's", Decimal("-12345.6700"), b"\x00a", Jsonb({"k": [1, None]})),
            *(datetime.date(1969, 1, 1), datetime.time(1, 2, 3), moment.replace(tzinfo=None)),
            *(moment, datetime.timedelta(days=1, seconds=5), [1.5, -2.0]),
            *([Decimal("0.001"), Decimal(20000)], ['a "b"', "", "c,d"]),
        )
        places = ", ".join(["%b" if binary else "%s"] * len(row))
        opened.execute(f"INSERT INTO every VALUES ({places})", row)
        opened.execute("INSERT INTO every (id, text) VALUES (%s, %s)", (2, None))
        found = opened.cursor(binary=binary).execute("SELECT * FROM every ORDER BY id").fetchall()
    expected = [value.obj if isinstance(value, Jsonb) else value for value in row]
    assert list(found[0]) == expected
    assert str(found[0][2]) == "-12345.6700"
    assert list(found[1]) == [2, *[None] * 12]


def test_statement_when_it_is_described_before_it_runs() -> None:
    # libpq waits with Python's lock held: the port must be another process's.
    with (
        Sandbox.spawn() as spawned,
        psycopg.connect(spawned.dsn, autocommit=True) as connection,
    ):
        connection.execute(TABLE)
        connection.execute(ROWS)
        _describe_and_run(connection.pgconn)


def _describe_and_run(raw: Any) -> None:
    query = b"SELECT id, amount FROM facts WHERE id = $1 AND day > $2"
    assert raw.prepare(b"one", query).status == 1
    told = raw.describe_prepared(b"one")
    assert [told.param_type(number) for number in range(told.nparams)] == [23, 1082]
    assert [told.ftype(number) for number in range(told.nfields)] == [23, 1700]
    raw.prepare(b"two", b"INSERT INTO facts (id, paid, day) VALUES ($1, $2, $3)")
    told = raw.describe_prepared(b"two")
    assert [told.param_type(number) for number in range(told.nparams)] == [23, 16, 1082]
    for answer, text in (
        (raw.prepare(b"one", b"SELECT 1"), "Duplicated statement name"),
        (raw.prepare(b"bad", b"SELEKT 1"), "sql parser error: expected statement, found: SELEKT"),
        (raw.exec_params(b"SELECT 1; SELECT 2", None), "Only one statement is allowed in extended"),
        (raw.exec_prepared(b"none", None), "Prepare statement none not found"),
        (raw.exec_prepared(b"one", [b"1"]), "there is no parameter $2"),
    ):
        assert text in answer.error_message.decode()
    assert raw.exec_prepared(b"one", [b"1", b"2025-01-01"]).ntuples == 1


def test_pipeline_when_one_statement_fails(connection: Any) -> None:
    with connection.pipeline() as pipeline:
        first = connection.execute("SELECT 1")
        connection.execute("SELECT * FROM absent")
        skipped = connection.execute("INSERT INTO facts (id) VALUES (77)")
        with pytest.raises(psycopg.Error):
            pipeline.sync()
        after = connection.execute("SELECT count(*) FROM facts")
        pipeline.sync()
        assert (first.fetchone(), after.fetchone()) == ((1,), (2,))
        assert skipped is not None


def test_cancel_when_libpq_asks_for_it() -> None:
    with Sandbox.spawn() as spawned, psycopg.connect(spawned.dsn) as opened:
        opened.cancel()
        assert opened.execute("SELECT 1").fetchone() == (1,)


def test_connection_when_it_is_asynchronous(sandbox: Sandbox, connection: Any) -> None:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    async def ids() -> list[Any]:
        async with await psycopg.AsyncConnection.connect(sandbox.dsn) as opened:
            cursor = await opened.execute("SELECT id FROM facts WHERE id < %s", (3,))
            return sorted(await cursor.fetchall())

    # In a thread of its own: a browser's driver may have a loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: asyncio.run(ids())).result() == [(1,), (2,)]
