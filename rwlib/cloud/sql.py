"""SQL, secrets and sinks through the management API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rwlib.cloud.allowed_roles import Patience, Progress
from rwlib.cloud.answers import QueryResult, Sink, StatementResult, parse, parse_list
from rwlib.cloud.clusters import Connection
from rwlib.cloud.sinks import EVENTS_QUERY, SinkState, state_of, wait_for_sink
from rwlib.cloud.transport import ApiAnswer, SqlError

DEFAULT_DATABASE = "dev"

# A statement may take as long as it was given; its answer has to travel too.
_SLACK_SECONDS = 10.0
_SQL_SECONDS = 120.0


class SqlConnection(Connection):
    """Statements are sent once: after an `UnreachableError`, look before sending one again."""

    def execute_sql(
        self,
        cluster_id: str,
        query: str,
        *,
        database: str = DEFAULT_DATABASE,
        timeout: float = _SQL_SECONDS,
    ) -> str:
        """Run a statement that returns no rows; give RisingWave's message.

        Parameters
        ----------
        timeout
            Seconds that the statement may take.

        Raises
        ------
        SqlError
            RisingWave refused it; ``.text`` holds its words.
        """
        return self._sql(cluster_id, database, "executeSQL", {"query": query}, timeout).message

    def query_sql(
        self,
        cluster_id: str,
        query: str,
        *,
        database: str = DEFAULT_DATABASE,
        timeout: float = _SQL_SECONDS,
        max_rows: int | None = None,
    ) -> QueryResult:
        """Run a query and read its rows. Raises what `execute_sql` raises."""
        body: dict[str, Any] = {"query": query}
        if max_rows is not None:
            body["maxRowCount"] = max_rows
        answer = self._sql(cluster_id, database, "querySQL", body, timeout)
        return parse(QueryResult, answer.body, answer)

    def batch_sql(
        self,
        cluster_id: str,
        queries: Sequence[str],
        *,
        database: str = DEFAULT_DATABASE,
        timeout: float = _SQL_SECONDS,
    ) -> tuple[StatementResult, ...]:
        """Run several statements; each result has an ``error`` of its own, nothing is raised."""
        answer = self._sql(cluster_id, database, "batchSQL", {"queries": list(queries)}, timeout)
        results = answer.body.get("results") if isinstance(answer.body, dict) else None
        return parse_list(StatementResult, results, answer)

    def create_secret(
        self, cluster_id: str, name: str, value: str, *, database: str = DEFAULT_DATABASE
    ) -> bool:
        """Store a secret; ``False`` when one of that name exists, which is left as it is."""
        url = self._of(cluster_id, "databases", database, "secrets")
        answer = self._transport.send("POST", url, body={"name": name, "value": value})
        if answer.status == 409:
            return False
        if answer.status == 400:
            raise SqlError(answer.message.replace(value, "***") if value else answer.message)
        self._succeeded(answer, "create a secret", cluster_id)
        return True

    def sinks(
        self, cluster_id: str, *, database: str = DEFAULT_DATABASE, schema: str | None = None
    ) -> tuple[Sink, ...]:
        """List the sinks of a database with their health as the platform sees it."""
        url = self._of(cluster_id, "databases", database, "sinks")
        params = {"schema": schema} if schema else None
        answer = self._get(url, "list the sinks", cluster_id, params=params)
        sinks = answer.body.get("sinks") if isinstance(answer.body, dict) else None
        return parse_list(Sink, sinks or [], answer)

    def sink_state(
        self, cluster_id: str, name: str, *, database: str = DEFAULT_DATABASE
    ) -> SinkState:
        """Say what is known of a sink: whether it exists, its health, its logged failures."""
        sinks = self.sinks(cluster_id, database=database)
        return state_of(name, sinks, self.query_sql(cluster_id, EVENTS_QUERY, database=database))

    def wait_for_sink(
        self,
        cluster_id: str,
        name: str,
        *,
        database: str = DEFAULT_DATABASE,
        quiet: float = 10.0,
        limit: float = 120.0,
        since: SinkState | None = None,
        patience: Patience | None = None,
        progress: Progress | None = None,
    ) -> SinkState:
        """Look at a sink until it fails, has worked for ``quiet`` seconds, or the wait is over.

        ``since`` is its state before a fix: what had failed by then does not count. The result's
        ``failed`` says which it was.
        """
        return wait_for_sink(
            lambda: self.sink_state(cluster_id, name, database=database),
            patience or Patience(),
            cluster_id=cluster_id,
            quiet=quiet,
            limit=limit,
            since=since,
            progress=progress,
        )

    def _sql(
        self, cluster_id: str, database: str, call: str, body: dict[str, Any], timeout: float
    ) -> ApiAnswer:
        answer = self._transport.send(
            "POST",
            self._of(cluster_id, "databases", database, call),
            body={**body, "timeout": int(timeout * 1000)},
            read_timeout=timeout + _SLACK_SECONDS,
        )
        if answer.status == 400:
            # Whole and unchanged: the diagnosis reads RisingWave's frames line by line.
            said = answer.body.get("msg") if isinstance(answer.body, dict) else None
            raise SqlError(said if isinstance(said, str) else answer.message)
        return self._succeeded(answer, "run SQL", cluster_id)
