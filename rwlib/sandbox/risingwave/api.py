"""RisingWave Cloud's management API on loopback, as a WSGI application under ``/_rwc/``.

Account service ``/_rwc/api/v1``, management service ``/_rwc/mgmt/v2`` (other regions
``/_rwc/mgmt/<region>/v2``), and the sandbox's own switches ``/_rwc/sandbox``. Paths and shapes are
those of the generated client in `risingwavelabs/terraform-provider-risingwavecloud`
(``internal/cloudsdk/apigen``, commit f824548).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from http.client import responses
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

import urllib3

from rwlib.cloud.identity import tenant_identifier
from rwlib.errors import ServiceError
from rwlib.sandbox.endpoint import RoleCredentials
from rwlib.sandbox.risingwave.clusters import HOME_REGION, ClusterStore, SandboxCluster, Settings
from rwlib.sandbox.risingwave.engine.objects import Database
from rwlib.sandbox.risingwave.engine.platform import Platform
from rwlib.sandbox.risingwave.engine.signed import SignedClient
from rwlib.sandbox.risingwave.principals import AllowedPrincipals
from rwlib.sandbox.risingwave.requests import (
    ApiCall,
    ApiError,
    authorized,
    number_of,
    read_call,
    refuse_browsers,
    require_method,
    text_of,
)
from rwlib.sandbox.risingwave.sql import (
    SqlSession,
    batch,
    execute,
    list_sinks,
    platform_of,
    query,
    source_answers,
)

_ENDPOINT = "/api/v1"

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class SandboxPort(Protocol):
    """What this application needs of the sandbox that serves it."""

    secret: str
    api_secret: str

    @property
    def url(self) -> str:
        """Where the sandbox answers."""

    def credentials_for(self, role_arn: str, session_name: str) -> RoleCredentials:
        """Give a session of a role without asking its trust policy."""


def application(sandbox: SandboxPort) -> RisingWaveCloud:
    """Build the WSGI application for a sandbox.

    Its state is kept in the folder ``sandbox.state`` when the sandbox has one.
    """
    state = getattr(sandbox, "state", None)
    return RisingWaveCloud(sandbox, Path(state) if state else None)


class RisingWaveCloud:
    """RisingWave Cloud with its example clusters.

    Parameters
    ----------
    sandbox
        Serves AWS; its address may become known only later.
    state
        Folder that keeps the clusters between restarts.
    """

    def __init__(self, sandbox: SandboxPort, state: Path | None = None) -> None:
        self._sandbox = sandbox
        self._state = state
        self._aws: SignedClient | None = None
        self.store = ClusterStore(state)

    def reset(self) -> None:
        """Forget everything and start with the example clusters again."""
        self.store.reset()
        self.store.save()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            status, content = self._answer(environ)
        except ApiError as error:
            status, content = error.status, {"msg": error.message}
        except (urllib3.exceptions.HTTPError, ServiceError) as error:
            status, content = 503, {"msg": f"the sandbox's AWS side does not answer: {error}"}
        body = json.dumps(content).encode()
        reason = responses.get(status, "")
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status} {reason}", headers)
        return [body]

    def connect(self, tenant: str, database: str) -> SqlSession:
        """Give what answers a Postgres client.

        Parameters
        ----------
        tenant
            What RisingWave Cloud routes by (``rwc-…``); empty for the first cluster.

        Raises
        ------
        LookupError
            There is no such cluster or database; the text is RisingWave's.
        """
        clusters = list(self.store.clusters.values())
        names = [tenant_identifier(cluster.cluster_id, cluster.name) for cluster in clusters]
        if tenant and tenant not in names:
            raise LookupError("Failed to get tenant identifier")
        cluster = clusters[names.index(tenant) if tenant else 0]
        found = cluster.databases.get(database)
        if found is None:
            raise LookupError(f'database "{database}" does not exist')
        return SqlSession(
            lambda: platform_of(self._client(), self._sandbox, cluster),
            cluster,
            found,
            self.store.save,
        )

    # Routing ---------------------------------------------------------------------------------

    def _answer(self, environ: dict[str, Any]) -> tuple[int, Any]:
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        path = "/" + path.removeprefix("/_rwc").strip("/")
        if path.startswith("/sandbox/"):
            refuse_browsers(environ)
            return self._switch(read_call(environ, path.removeprefix("/sandbox"), True))
        call = read_call(environ, path, authorized(environ, self._sandbox.api_secret))
        if path.startswith(_ENDPOINT):
            return self._account(call, path.removeprefix(_ENDPOINT))
        match = re.fullmatch(r"/mgmt(?:/(?P<region>[a-z0-9-]+))?/v2/tenants(?P<rest>/.*)?", path)
        if match is None:
            raise ApiError(404, f"no such path: {path}")
        region = match["region"] or HOME_REGION
        if not match["rest"]:
            return self._tenants(call, region)
        cluster_id, *rest = [unquote(part) for part in match["rest"].strip("/").split("/")]
        cluster = self._cluster(cluster_id, region)
        status, content = self._tenant(call, cluster, rest)
        if call.method != "GET" or rest[-1:] == ["sinks"]:
            self.store.save()
        return status, content

    def _account(self, call: ApiCall, path: str) -> tuple[int, Any]:
        if call.method == "GET" and path == "/auth/ping":
            return 200, {}
        if call.method == "GET" and path == "/regions":
            return 200, self._regions()
        if call.method == "GET" and path.startswith("/tenant/"):
            cluster = self._cluster(path.removeprefix("/tenant/"), None)
            tenant = cluster.tenant()
            return 200, {**tenant, "id": 1, "orgId": "sandbox", "tierId": tenant["tier"]}
        raise ApiError(404, f"no such path: {path}")

    def _regions(self) -> list[dict[str, Any]]:
        clusters = self.store.clusters.values()
        found = {cluster.region: cluster.platform for cluster in clusters}
        regions = []
        for number, (name, platform) in enumerate(sorted(found.items()), 1):
            place = "" if name == HOME_REGION else f"/{name}"
            base = f"{self._sandbox.url}/_rwc/mgmt{place}"
            regions.append(
                {
                    "id": number,
                    "regionName": name,
                    "platform": platform,
                    "url": f"{base}/v1",
                    "urlV2": f"{base}/v2",
                    "adminUrl": "",
                    "pgwebUrl": "",
                    "isBYOCOnly": False,
                    "isRegionReady": True,
                }
            )
        return regions

    def _tenants(self, call: ApiCall, region: str) -> tuple[int, Any]:
        require_method(call, "GET")
        offset, limit = number_of(call, "offset", 0), number_of(call, "limit", 100)
        found = [c.tenant() for c in self.store.clusters.values() if c.region == region]
        page = found[offset : offset + limit]
        pagination = {"limit": limit, "offset": offset, "size": len(found)}
        return 200, {"pagination": pagination, "tenants": page}

    def _tenant(self, call: ApiCall, cluster: SandboxCluster, rest: list[str]) -> tuple[int, Any]:
        principals = AllowedPrincipals(self._client())
        if cluster.platform == "aws":
            principals.settle(cluster)
        match rest:
            case []:
                require_method(call, "GET")
                return 200, cluster.tenant()
            case ["cloudMeta"]:
                require_method(call, "GET")
                return 200, {"meta": cluster.metadata()}
            case ["endpoint"]:
                require_method(call, "GET")
                return 200, cluster.sql_endpoint(getattr(self._sandbox, "sql_port", 0))
            case ["allowedIamRoles"]:
                return _allowed_roles(call, principals, cluster)
            case ["databases", name, *path] if path:
                database = cluster.databases.get(name)
                if database is None:
                    raise ApiError(404, f"database {name} not found")
                with cluster.lock:
                    platform = platform_of(self._client(), self._sandbox, cluster)
                    return _database(call, platform, database, path)
        raise ApiError(404, "no such path")

    # The sandbox's own switches --------------------------------------------------------------

    def _switch(self, call: ApiCall) -> tuple[int, Any]:
        match call.method, call.path.strip("/").split("/"):
            case "POST", ["reset"]:
                self.reset()
                return 200, {}
            case "GET", ["clusters", cluster_id]:
                return 200, asdict(self._cluster(cluster_id, None).settings)
            case "PUT", ["clusters", cluster_id]:
                cluster = self._cluster(cluster_id, None)
                known = {field.name for field in fields(Settings)}
                for name, value in call.body.items():
                    if name not in known:
                        raise ApiError(400, f"no such setting: {name}")
                    setattr(cluster.settings, name, value)
                self.store.save()
                return 200, asdict(cluster.settings)
            case "GET", ["clusters", cluster_id, "log"]:
                databases = self._cluster(cluster_id, None).databases.values()
                return 200, {"lines": [line for found in databases for line in found.log]}
        raise ApiError(404, "no such switch")

    def _cluster(self, cluster_id: str, region: str | None) -> SandboxCluster:
        cluster = self.store.clusters.get(cluster_id)
        if cluster is None or (region is not None and cluster.region != region):
            raise ApiError(404, f"tenant {cluster_id} not found")
        return cluster

    def _client(self) -> SignedClient:
        if self._aws is None or self._aws.url != self._sandbox.url:
            self._aws = SignedClient(self._sandbox.url, self._sandbox.secret)
        return self._aws


def _allowed_roles(
    call: ApiCall, principals: AllowedPrincipals, cluster: SandboxCluster
) -> tuple[int, dict[str, Any]]:
    if cluster.platform != "aws":
        raise ApiError(404, "allowed IAM roles are for clusters on AWS")
    if call.method == "GET":
        return 200, principals.read(cluster)
    require_method(call, "POST", "DELETE")
    if not call.may_change:
        raise ApiError(403, "permission denied")
    role_arn = call.body.get("roleArn")
    if not isinstance(role_arn, str):
        raise ApiError(400, "roleArn is required")
    change = principals.add if call.method == "POST" else principals.remove
    status, message = change(cluster, role_arn)
    return status, {"msg": message}


def _database(
    call: ApiCall, platform: Platform, database: Database, path: list[str]
) -> tuple[int, Any]:
    if call.method == "POST" and path != ["querySQL"] and not call.may_change:
        raise ApiError(403, "permission denied")
    most_rows = call.body.get("maxRowCount")
    most_rows = most_rows if isinstance(most_rows, int) and most_rows >= 0 else None
    match call.method, path:
        case "POST", ["executeSQL"]:
            return execute(platform, database, text_of(call, "query"))
        case "POST", ["querySQL"]:
            return query(platform, database, text_of(call, "query"), most_rows)
        case "POST", ["batchSQL"]:
            return 200, batch(platform, database, _queries_of(call), most_rows)
        case "POST", ["secrets"]:
            name, value = text_of(call, "name"), text_of(call, "value")
            if name in database.secrets:
                raise ApiError(409, f"secret {name} exists")
            database.secrets[name] = value
            return 200, {"msg": "created"}
        case "GET", ["sinks"]:
            return 200, list_sinks(platform, database)
        case "GET", ["sinks", name]:
            return 200, _sink_named(platform, database, name)
        case "GET", ["sources"]:
            return 200, source_answers(database)
    raise ApiError(404, "no such path")


def _queries_of(call: ApiCall) -> list[str]:
    queries = call.body.get("queries")
    if not isinstance(queries, list) or not all(isinstance(each, str) for each in queries):
        raise ApiError(400, "queries is required")
    return queries


def _sink_named(platform: Platform, database: Database, name: str) -> Any:
    for sink in list_sinks(platform, database)["sinks"]:
        if sink["sinkName"] == name:
            return sink
    raise ApiError(404, f"sink {name} not found")
