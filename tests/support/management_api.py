"""The sandbox's management API, asked for what the client does not ask for."""

from __future__ import annotations

from typing import Any

import requests

from rwlib.sandbox.endpoint import Endpoint


def ask(
    sandbox: Endpoint, method: str, path: str, body: object = None, **keys: str
) -> requests.Response:
    """Send one request with the sandbox's API key, or another one."""
    environment = sandbox.environment() | keys
    return requests.request(
        method,
        f"{sandbox.url}/_rwc{path}",
        json=body,
        auth=(environment["RWC_API_KEY"], environment["RWC_API_SECRET"]),
        timeout=30,
    )


def ask_database(
    sandbox: Endpoint, cluster_id: str, method: str, call: str, body: object = None
) -> requests.Response:
    """Send one request about the database ``dev`` of a cluster in us-east-1."""
    path = f"/mgmt/v2/tenants/{cluster_id}/databases/dev/{call}"
    return ask(sandbox, method, path, body)


def query(sandbox: Endpoint, cluster_id: str, sql: str, **more: object) -> dict[str, Any]:
    """Run a query and return the whole answer."""
    answer = ask_database(sandbox, cluster_id, "POST", "querySQL", {"query": sql, **more})
    assert answer.ok, answer.text
    return dict(answer.json())


def records(sandbox: Endpoint, cluster_id: str, sql: str) -> list[dict[str, Any]]:
    """Run a query and return each row by the names of its columns."""
    answer = query(sandbox, cluster_id, sql)
    names = [column["name"] for column in answer["header"]]
    return [dict(zip(names, row, strict=True)) for row in answer["rows"]]


def health(sandbox: Endpoint, cluster_id: str, sink_name: str) -> str:
    """Return the health of a sink as the list of sinks has it."""
    listed = ask_database(sandbox, cluster_id, "GET", "sinks").json()["sinks"]
    (found,) = [sink["healthCheck"] for sink in listed if sink["sinkName"] == sink_name]
    return str(found)
