"""The SQL calls of the management API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import urllib3

from rwlib.errors import ServiceError
from rwlib.sandbox.endpoint import RoleCredentials
from rwlib.sandbox.risingwave.clusters import SandboxCluster
from rwlib.sandbox.risingwave.engine.credentials import CredentialError
from rwlib.sandbox.risingwave.engine.failures import RefusedStatementError, failure
from rwlib.sandbox.risingwave.engine.objects import Database, SandboxSink
from rwlib.sandbox.risingwave.engine.platform import Platform
from rwlib.sandbox.risingwave.engine.queries import ResultRows
from rwlib.sandbox.risingwave.engine.running import checkpoint
from rwlib.sandbox.risingwave.engine.signed import Keys, SignedClient
from rwlib.sandbox.risingwave.engine.statements import Outcome, run, statement_texts

_SESSION_NAME = "reqsign"
_NO_WORKLOAD = (
    'request to AWS STS Services failed: <ErrorResponse xmlns="https://sts.amazonaws.com/doc/'
    '2011-06-15/">\n  <Error>\n    <Type>Sender</Type>\n    <Code>AccessDenied</Code>\n'
    "    <Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message>\n  </Error>\n"
    "</ErrorResponse>\n"
)


class Sessions(Protocol):
    """What gives sessions of roles."""

    def credentials_for(self, role_arn: str, session_name: str) -> RoleCredentials:
        """Give a session of a role without asking its trust policy."""


def platform_of(aws: SignedClient, sessions: Sessions, cluster: SandboxCluster) -> Platform:
    """Give a cluster's engine what its settings say."""

    def session_of(role_arn: str, session_name: str) -> Keys:
        found = sessions.credentials_for(role_arn, session_name)
        return Keys(found.access_key_id, found.secret_access_key, found.session_token)

    def workload() -> Keys:
        try:
            return session_of(cluster.workload_role_arn, _SESSION_NAME)
        except ServiceError:
            # The role is gone: the pod's web identity finds nothing to assume.
            raise CredentialError(_NO_WORKLOAD) from None

    return Platform(
        aws,
        workload,
        session_of,
        cluster.settings.version,
        cluster.settings.config_load,
        cluster.settings.enforce_secret,
        cluster.settings.licensed,
    )


def execute(platform: Platform, database: Database, query: str) -> tuple[int, dict[str, Any]]:
    """Answer ``executeSQL``."""
    try:
        return 200, {"msg": run(platform, database, query).tag}
    except RefusedStatementError as error:
        return 400, {"msg": str(error)}


def query(
    platform: Platform, database: Database, text: str, most_rows: int | None
) -> tuple[int, dict[str, Any]]:
    """Answer ``querySQL``."""
    started = time.monotonic()
    _retry_failing_sinks(platform, database, text)
    try:
        return 200, _result(run(platform, database, text), started, most_rows)
    except RefusedStatementError as error:
        return 400, {"msg": str(error)}


def batch(
    platform: Platform, database: Database, texts: list[str], most_rows: int | None
) -> dict[str, Any]:
    """Answer ``batchSQL``: every statement is tried, and says for itself how it went."""
    results: list[dict[str, Any]] = []
    for text in texts:
        started = time.monotonic()
        try:
            result = _result(run(platform, database, text), started, most_rows)
            results.append({"query": text, "result": result})
        except RefusedStatementError as error:
            results.append({"query": text, "error": str(error)})
    return {"results": results}


def list_sinks(platform: Platform, database: Database) -> dict[str, Any]:
    """Answer ``GET …/sinks``; a failing sink tries again before anybody looks."""
    checkpoint(platform, database)
    return {"sinks": [sink_answer(sink) for sink in database.sinks.values()]}


def sink_answer(sink: SandboxSink) -> dict[str, Any]:
    """Give one sink as the API does."""
    return {
        "id": sink.object_id,
        "sinkName": sink.name,
        "schema": "public",
        "connectorType": sink.connector,
        "definition": sink.definition,
        "type": sink.sink_type,
        "properties": sink.shown_options,
        "healthCheck": "Failed" if sink.error else "Active",
        "createdAt": sink.created_at,
    }


def source_answers(database: Database) -> dict[str, Any]:
    """Answer ``GET …/sources``."""
    return {
        "sources": [
            {
                "id": relation.object_id,
                "sourceName": relation.name,
                "schema": "public",
                "connectorType": relation.connector,
                "definition": relation.definition,
                "properties": relation.shown_options,
            }
            for relation in database.relations.values()
            if relation.connector
        ]
    }


class SqlSession:
    """What answers the statements of one Postgres connection.

    Parameters
    ----------
    platform
        Gives the engine as the cluster's settings are now.
    saved
        Called when something may have changed.
    """

    def __init__(
        self,
        platform: Callable[[], Platform],
        cluster: SandboxCluster,
        database: Database,
        saved: Callable[[], None],
    ) -> None:
        self._platform = platform
        self._cluster = cluster
        self._database = database
        self._saved = saved

    def split(self, text: str) -> list[str]:
        """Give the statements of a text."""
        return statement_texts(text, self._platform().version)

    def run(self, text: str) -> tuple[str, ResultRows | None]:
        """Run a statement; give its command tag, and rows where it has some."""
        try:
            with self._cluster.lock:
                platform = self._platform()
                _retry_failing_sinks(platform, self._database, text)
                outcome = run(platform, self._database, text)
        except (urllib3.exceptions.HTTPError, ServiceError) as error:
            raise failure(f"the sandbox's AWS side does not answer: {error}") from None
        if outcome.result is None:
            self._saved()
        return outcome.tag, outcome.result


def _retry_failing_sinks(platform: Platform, database: Database, text: str) -> None:
    """Let time pass for whoever asks for events: a failing sink has tried again meanwhile."""
    if "rw_event_logs" in text.lower():
        checkpoint(platform, database)


def _result(outcome: Outcome, started: float, most_rows: int | None) -> dict[str, Any]:
    rows = outcome.result.rows if outcome.result else []
    columns = outcome.result.columns if outcome.result else []
    return {
        "commandTag": outcome.tag,
        "executionTime": int((time.monotonic() - started) * 1000),
        "header": [{"name": name, "dataType": kind} for name, kind in columns],
        "rows": rows if most_rows is None else rows[:most_rows],
    }
