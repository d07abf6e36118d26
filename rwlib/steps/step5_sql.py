"""Step 5 - Run the SQL in RisingWave, and see whether what it made works.

Statements go over ``RW_DSN`` (psycopg) or through the management API. What exists already is left
alone. Values of secrets come from the environment, one variable for each secret, and stand in no
statement that is shown or stored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from rwlib.errors import CredentialsError, InputError, RunbookError, ServiceError
from rwlib.steps.changes import SQL_SUBJECTS, Change, Ledger
from rwlib.waiting import answer_to

if TYPE_CHECKING:
    from rwlib.cloud import Cloud
    from rwlib.sql import ConnectorSql, Statement
    from rwlib.target import Target

SECRET_VARIABLE = "RW_SECRET_"
_CATALOGS = {
    "sink": "rw_sinks",
    "source": "rw_sources",
    "table": "rw_tables",
    "connection": "rw_connections",
    "secret": "rw_secrets",
}


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
        require_readable(dsn)
        try:
            self._connection = answer_to(
                lambda: psycopg.connect(dsn, autocommit=True, connect_timeout=10),
                "the connection to RisingWave",
            )
        except (psycopg.Error, ValueError, OSError) as error:
            reason = _said_about(dsn, error)
            raise ServiceError(f"RW_DSN: RisingWave could not be reached: {reason}") from None
        self._require_risingwave()

    def _require_risingwave(self) -> None:
        """Ask for the version before anything else: only RisingWave has its catalogs.

        It answers ``PostgreSQL 13.14.0-RisingWave-3.0.3 (…)``
        (``src/common/src/lib.rs``, ``PG_VERSION``).
        """
        try:
            row = self._ask(b"SELECT version()").fetchone()
            version = str(row[0]) if row else ""
        except self._psycopg.Error as error:
            version = str(error).strip().splitlines()[0] if str(error).strip() else ""
        if "risingwave" not in version.lower():
            from rwlib.masking import mask

            self._connection.close()
            said = mask(" ".join(version.split()[:2])) or "nothing"
            raise InputError(
                "RW_DSN",
                "***",
                f"doesn't lead to RisingWave: version() answers {said}; give the address of a "
                "RisingWave cluster, such as postgresql://USER@HOST:4566/dev",
            )

    def execute(self, sql: str) -> None:
        """Run a statement."""
        try:
            self._ask(sql.encode())
        except self._psycopg.Error as error:
            raise Refusal(str(error)) from None

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        try:
            return list(self._ask(sql.encode()).fetchall())
        except self._psycopg.Error as error:
            raise Refusal(str(error)) from None

    def _ask(self, sql: bytes) -> Any:
        return answer_to(lambda: self._connection.execute(sql), "RisingWave's answer")


def require_readable(dsn: str) -> None:
    """Refuse a DSN that libpq reads otherwise than it was meant, without a word of it.

    libpq ends the user and password of a URI at the first ``@`` or ``/``, so that the rest of a
    password that holds one would be a host or a port, and stand in its error messages.
    Source: PostgreSQL documentation, "Connection URIs".

    Raises
    ------
    CredentialsError
        The DSN cannot be read, or its password is not percent-encoded.
    """
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    head, scheme, rest = dsn.partition("://")
    if scheme and head in ("postgres", "postgresql"):
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        path = rest[len(authority) :].partition("?")[0]
        if authority.count("@") > 1 or "@" in path:
            raise CredentialsError(
                "RW_DSN: a character of the password is not percent-encoded; write %40 for @, %2F "
                "for /, %3F for ?, %23 for # and %25 for %"
            )
    try:
        conninfo_to_dict(dsn)
    except (Error, ValueError):
        raise CredentialsError(
            "RW_DSN: is not a connection string; write postgresql://user:password@host:port/"
            "database with a percent-encoded password, or host=… user=… password='…'"
        ) from None


def _said_about(dsn: str, error: Exception) -> str:
    """Return the first line of an error about a connection, without any piece of its password."""
    from rwlib.masking import mask, passwords_of, without_parts

    text = str(error).replace(dsn, "***").strip()
    line = text.splitlines()[0] if text else type(error).__name__
    return mask(without_parts(line, passwords_of(dsn)))


def asked_version(connection: Connection) -> str:
    """Return what RisingWave says of its own version, or an empty text."""
    try:
        rows = connection.rows("SELECT version()")
    except Refusal:
        return ""
    return str(rows[0][0]) if rows and rows[0] else ""


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


def check_statements(target: Target, role_arn: str, region_name: str) -> None:
    """Write a target's statements, and refuse those that Step 5 could not run.

    Raises
    ------
    InputError
        An option cannot be used, or one is missing that Step 5 needs.
    RunbookError
        The statements cannot be written.
    """
    from rwlib.sql import statements_for

    sql = statements_for(target, role_arn, region_name)
    if target.run_sql:
        require_complete(sql)


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
    One change for each statement. The first that RisingWave refuses ends it: its change is marked
    as refused and has RisingWave's text in its notes.
    """
    from rwlib.masking import without_parts

    require_complete(sql)
    ledger = ledger or Ledger()
    found: dict[str, set[str]] = {}
    changes: list[Change] = []
    for statement in (each for one in sql for each in one.statements):
        if statement.kind not in _CATALOGS:
            continue
        names = found.setdefault(statement.kind, existing(connection, statement.kind))
        resource = SQL_SUBJECTS[statement.kind]
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
            said = str(error) if value is None else without_parts(str(error), [value])
            changes.append(
                Change(
                    "create",
                    resource,
                    statement.name,
                    after=change.after,
                    notes=(said,),
                    refused=True,
                )
            )
            return changes
        ledger.done(change)
        changes.append(change.done())
    return changes
