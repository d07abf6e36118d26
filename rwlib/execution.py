"""Step 5 - Run the SQL in RisingWave, and see whether what it made works.

Statements go over ``RW_DSN`` (psycopg) or through the management API. What exists already is left
alone. Values of secrets come from the environment, one variable for each secret, and stand in no
statement that is shown or stored.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from rwlib.changes import Change, Ledger
from rwlib.checks import Check
from rwlib.errors import CredentialsError, InputError, RunbookError, ServiceError
from rwlib.probes import connector_options

if TYPE_CHECKING:
    from rwlib.cloud import Cloud
    from rwlib.sessions import Aws
    from rwlib.sql import Statement
    from rwlib.sql.targets import ConnectorSql
    from rwlib.target import Target

SECRET_VARIABLE = "RW_SECRET_"
_CATALOGS = {
    "sink": "rw_sinks",
    "source": "rw_sources",
    "table": "rw_tables",
    "connection": "rw_connections",
    "secret": "rw_secrets",
}
_FAILURES = (
    "SELECT info FROM rw_catalog.rw_event_logs WHERE event_type = 'SINK_FAIL' "
    "ORDER BY timestamp DESC"
)


class Refusal(Exception):  # noqa: N818
    """RisingWave refused a statement; the text is its own."""


class Connection(Protocol):
    """Where statements are run."""

    def execute(self, sql: str) -> None:
        """Run a statement.

        Raises
        ------
        Refusal
            RisingWave refused it.
        """

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""


@dataclass(frozen=True)
class CloudConnection:
    """Statements through the management API's SQL endpoint."""

    cloud: Cloud
    cluster_id: str

    def execute(self, sql: str) -> None:
        """Run a statement."""
        from rwlib.cloud import SqlError

        try:
            self.cloud.execute_sql(self.cluster_id, sql)
        except SqlError as error:
            raise Refusal(error.text) from None

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        from rwlib.cloud import SqlError

        try:
            return [tuple(row) for row in self.cloud.query_sql(self.cluster_id, sql).rows]
        except SqlError as error:
            raise Refusal(error.text) from None


class DsnConnection:
    """Statements over the Postgres protocol; the DSN is never shown."""

    def __init__(self, dsn: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise RunbookError(
                "RW_DSN needs psycopg; install it with "
                "`pip install 'risingwave-iam-runbook[risingwave]'`"
            ) from None
        self._psycopg = psycopg
        try:
            self._connection = psycopg.connect(dsn, autocommit=True, connect_timeout=10)
        except psycopg.Error as error:
            from rwlib.diagnose import mask

            reason = mask(str(error)).replace(dsn, "***").strip().splitlines()[0]
            raise ServiceError(f"RW_DSN: RisingWave could not be reached: {reason}") from None

    def execute(self, sql: str) -> None:
        """Run a statement."""
        try:
            self._connection.execute(sql.encode())
        except self._psycopg.Error as error:
            raise Refusal(str(error)) from None

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        try:
            return list(self._connection.execute(sql.encode()).fetchall())
        except self._psycopg.Error as error:
            raise Refusal(str(error)) from None


def open_connection(cloud: Cloud | None, cluster_id: str) -> Connection:
    """Connect to RisingWave: over ``RW_DSN`` where it is set, else through the management API.

    Raises
    ------
    CredentialsError
        There is neither.
    """
    dsn = os.environ.get("RW_DSN", "").strip()
    if dsn:
        return DsnConnection(dsn)
    if cloud is not None:
        return CloudConnection(cloud, cluster_id)
    raise CredentialsError(
        "run_sql: there is no way to RisingWave; set RW_DSN, or cluster_id with RWC_API_KEY and "
        "RWC_API_SECRET"
    )


def require_complete(sql: Sequence[ConnectorSql]) -> None:
    """Refuse statements in which a person must still fill something in.

    Raises
    ------
    InputError
        Names what is missing and where it is given.
    """
    for each in sql:
        for statement in each.statements:
            if statement.kind == "secret":
                continue
            for option, text in statement.placeholders.items():
                raise InputError(
                    "sql_options",
                    f"{each.connector}: {option}",
                    f"is missing (the SQL says {text}); give it before run_sql can run",
                )


def secret_value(statement: Statement) -> str | None:
    """Return a secret's value from the environment; None when the statement holds it itself."""
    if statement.kind != "secret" or not statement.placeholders:
        return None
    variable = SECRET_VARIABLE + statement.name.upper()
    value = os.environ.get(variable, "")
    if not value:
        raise CredentialsError(
            f"secret {statement.name} does not exist in RisingWave; set {variable} in the "
            "environment, or create the secret yourself and name it in sql_options"
        )
    return value


def existing(connection: Connection, kind: str) -> set[str]:
    """Return the names of what exists of one kind."""
    return {str(row[0]) for row in connection.rows(f"SELECT name FROM {_catalog(kind)}")}


def _catalog(kind: str) -> str:
    return f"rw_catalog.{_CATALOGS[kind]}"


def run_statements(
    connection: Connection,
    sql: Sequence[ConnectorSql],
    *,
    ledger: Ledger | None = None,
    apply: bool = False,
) -> list[Change]:
    """Make what the statements create exist; what has the name already is left alone.

    Returns
    -------
    One change for each statement. The first that RisingWave refuses ends it: its change has the
    text in its notes, and is not applied.
    """
    require_complete(sql)
    ledger = ledger or Ledger()
    found: dict[str, set[str]] = {}
    changes: list[Change] = []
    for statement in (each for one in sql for each in one.statements):
        if statement.kind not in _CATALOGS:
            continue
        names = found.setdefault(statement.kind, existing(connection, statement.kind))
        resource = f"RisingWave {statement.kind}"
        if statement.name in names:
            changes.append(Change("none", resource, statement.name))
            continue
        change = Change("create", resource, statement.name, after=statement.sql)
        value = secret_value(statement)
        if not apply:
            changes.append(change)
            continue
        text = statement.sql
        for placeholder in statement.placeholders.values() if value is not None else ():
            text = text.replace(placeholder, value.replace("'", "''") if value else "")
        ledger.intend(change)
        try:
            connection.execute(text)
        except Refusal as error:
            said = str(error) if value is None else str(error).replace(value, "***")
            changes.append(
                Change("create", resource, statement.name, after=change.after, notes=(said,))
            )
            return changes
        ledger.done(change)
        changes.append(change.done())
    return changes


def check_execution(
    aws: Aws,
    connection: Connection,
    target: Target,
    sql: Sequence[ConnectorSql],
    changes: Sequence[Change],
    *,
    known: Sequence[Check] = (),
    limit: float = 120.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[Check]:
    """Say for each connector whether it works: refused, failing, or has written its first file.

    A sink that RisingWave accepted may still fail at its first checkpoint, so it is looked at
    until a file is there, an event says that it failed, or ``limit`` seconds are over. What
    RisingWave says goes through the diagnosis, with the checks made before as its live facts.

    Parameters
    ----------
    known
        Checks of the other hops.
    limit
        Seconds.
    """
    refused = {each.name: each.notes[0] for each in changes if each.notes and not each.applied}
    checks = []
    for each in sql:
        statement = each.statements[-1]
        title = f"{statement.kind} {statement.name} works"
        check_id = f"runs_{each.connector}"
        stopped = next((text for name, text in refused.items() if name in _names(each)), "")
        if stopped:
            checks.append(_failed(check_id, title, stopped, target, known))
        elif refused:
            earlier = ("not run: an earlier statement was refused",)
            checks.append(Check(check_id, "SQL", title, "unknown", earlier))
        elif statement.kind != "sink":
            seen = ("RisingWave read the place when it was created",)
            checks.append(Check(check_id, "SQL", title, "pass", seen))
        else:
            started = clock()
            while True:
                check = _look_at_sink(aws, connection, target, each, check_id, title, known)
                if check.status != "unknown" or clock() - started >= limit:
                    checks.append(check)
                    break
                sleep(2.0)
    return checks


def sink_failures(connection: Connection, sink_name: str) -> list[str]:
    """Return what RisingWave logged about a sink's failures, the newest first."""
    return [text for text in map(_error_of(sink_name), connection.rows(_FAILURES)) if text]


def _failed(check_id: str, title: str, text: str, target: Target, known: Sequence[Check]) -> Check:
    """Return the verdict on what RisingWave refused, with the most probable cause."""
    from rwlib.diagnose import diagnose, mask
    from rwlib.live_facts import CheckedFacts

    said = tuple(line for line in mask(text).splitlines() if line.strip())
    causes = [
        cause
        for each in diagnose(text.splitlines(), target=target, live=CheckedFacts(known))
        for cause in each.causes
    ]
    if not causes:
        fix = "see the hop that fails above; then run it again"
        return Check(check_id, "SQL", title, "fail", said, fix)
    top = causes[0]
    named = (f"{top.confidence}: {top.id}", *top.evidence)
    fix = f"{top.fix.summary} {top.fix.how}"
    return Check(check_id, "SQL", title, "fail", (*named, *said), fix)


def _names(each: ConnectorSql) -> set[str]:
    return {statement.name for statement in each.statements}


def _look_at_sink(
    aws: Aws,
    connection: Connection,
    target: Target,
    each: ConnectorSql,
    check_id: str,
    title: str,
    known: Sequence[Check],
) -> Check:
    name = each.statements[-1].name
    if name not in existing(connection, "sink"):
        return Check(
            check_id, "SQL", title, "fail", ("there is no such sink",), "run it again with apply"
        )
    errors = sink_failures(connection, name)
    if errors:
        return _failed(check_id, title, errors[0], target, known)
    table = str(connector_options(target, each.connector).get("table.name") or "")
    has_folder = table and each.connector in ("redshift", "snowflake_v2")
    folder = "/".join(part for part in (target.prefix, table if has_folder else "") if part)
    return _first_file(aws, target.bucket, f"{folder}/" if folder else "", check_id, title)


def _error_of(sink_name: str) -> Callable[[Sequence[Any]], str]:
    import json

    def read(row: Sequence[Any]) -> str:
        info = json.loads(row[0]) if isinstance(row[0], str) else row[0]
        body: Mapping[str, Any] = next(
            (value for value in (info or {}).values() if isinstance(value, dict)), info or {}
        )
        names = {body.get("sinkName"), body.get("sink_name")}
        return str(body.get("error", "")) if sink_name in names else ""

    return read


def _first_file(aws: Aws, bucket: str, prefix: str, check_id: str, title: str) -> Check:
    from botocore.exceptions import ClientError

    from rwlib.sessions import error_message

    about = f"objects {bucket}"
    aws.forget(about)
    try:
        answer = aws.read(
            "s3", "list_objects_v2", about=about, Bucket=bucket, Prefix=prefix, MaxKeys=3
        )
    except ClientError as error:
        reason = (f"no failure is known; its files cannot be looked at: {error_message(error)}",)
        return Check(check_id, "SQL", title, "unknown", reason)
    files = answer.get("Contents", [])
    if not files:
        why = (f"no failure is known, and no file under {prefix} yet",)
        return Check(check_id, "SQL", title, "unknown", why, "verify again after a checkpoint")
    return Check(
        check_id, "SQL", title, "pass", tuple(f"s3://{bucket}/{file['Key']}" for file in files)
    )
