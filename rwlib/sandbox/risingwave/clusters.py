"""The clusters of the sandbox's RisingWave Cloud, and keeping them between restarts."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rwlib.cloud.identity import expected_role_name, tenant_identifier
from rwlib.sandbox.example_world import RISINGWAVE_CLOUD
from rwlib.sandbox.risingwave.engine.objects import (
    Database,
    Relation,
    database_from_json,
    database_to_json,
)
from rwlib.sandbox.risingwave.engine.platform import MAIN, RELEASED

HOME_REGION = "us-east-1"

_FILE = "risingwave.json"


@dataclass
class AllowedRolesState:
    """The list as the platform shows it, and how far it is applied.

    ``reads`` and ``ready_at`` (a monotonic time) say when a change in flight settles; ``fail`` that
    it will not.
    """

    role_arns: list[str] = field(default_factory=list)
    status: str = "Ready"
    reads: int = 0
    ready_at: float = 0.0
    fail: bool = False


@dataclass
class Settings:
    """What can be switched for one cluster through the sandbox's own interface.

    Parameters
    ----------
    settle_seconds, settle_reads
        A change of the Allowed Principals is applied after this time, and this many reads.
    fail_next
        The next change ends in the status Failed.
    overlap_next
        So many changes are answered 500 without being made, as if another one were in flight.
    config_load
        False: the platform sets ``DISABLE_DEFAULT_CREDENTIAL``.
    enforce_secret, licensed, version
        See `rwlib.sandbox.risingwave.engine.platform.Platform`.
    """

    settle_seconds: float = 0.25
    settle_reads: int = 0
    fail_next: bool = False
    overlap_next: int = 0
    config_load: bool = True
    enforce_secret: bool = True
    licensed: bool = True
    version: str = RELEASED


@dataclass
class SandboxCluster:
    """One cluster. ``workload_role`` is empty off AWS."""

    cluster_id: str
    name: str
    region: str
    platform: str = "aws"
    tier: str = "Standard"
    has_metadata: bool = True
    workload_role: str = ""
    workload_gsa: str = ""
    settings: Settings = field(default_factory=Settings)
    allowed: AllowedRolesState = field(default_factory=AllowedRolesState)
    databases: dict[str, Database] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)
    governed: bool = False

    @property
    def workload_role_arn(self) -> str:
        """The Workload Identity, empty off AWS."""
        if not self.workload_role:
            return ""
        return f"arn:aws:iam::{RISINGWAVE_CLOUD}:role/{self.workload_role}"

    def tenant(self) -> dict[str, Any]:
        """Give the cluster as ``GET /tenants/{nsId}`` does."""
        encoded = tenant_identifier(self.cluster_id, self.name)
        return {
            "nsId": self.cluster_id,
            "tenantName": self.name,
            "region": self.region,
            "status": "Running",
            "health_status": "Healthy",
            "tier": self.tier,
            "imageTag": self.settings.version,
            "resourceNamespace": encoded,
        }

    def metadata(self) -> dict[str, Any]:
        """Give ``cloudMeta``: without ``iam`` and ``network`` on plans that have no metadata."""
        meta: dict[str, Any] = {"cloudProvider": self.platform, "region": self.region}
        if not self.has_metadata:
            return meta
        if self.platform == "gcp":
            meta["iam"] = {"workloadGsa": self.workload_gsa}
            meta["network"] = {"natGatewayIps": ["203.0.113.20"]}
            return meta
        meta["iam"] = {"workloadRoleArn": self.workload_role_arn}
        meta["network"] = {
            "natGatewayIps": ["203.0.113.10", "203.0.113.11"],
            "privateLinkPrincipals": [f"arn:aws:iam::{RISINGWAVE_CLOUD}:root"],
        }
        return meta

    def sql_endpoint(self, port: int) -> dict[str, Any]:
        """Give where SQL clients connect."""
        encoded = tenant_identifier(self.cluster_id, self.name)
        return {
            "id": 1,
            "nsId": self.cluster_id,
            "host": "127.0.0.1",
            "port": port,
            "database": "dev",
            "options": f"--tenant={encoded}",
            "internalHost": "127.0.0.1",
            "internalPort": port,
        }


def example_clusters() -> list[SandboxCluster]:
    """Give the clusters a sandbox starts with.

    The first is the one whose workload role is in the example world; the others stand for what
    makes a difference: the engine's main branch, another region, a plan without Cloud metadata,
    and Google Cloud.
    """
    first = "019d023e-68a6-74db-b73c-e18859fc5171"
    main = "019d023e-7000-7a11-8c11-0000000000a1"
    frankfurt = "019d023e-7000-7a11-8c11-0000000000b2"
    return [
        SandboxCluster(first, "orders", HOME_REGION, workload_role=expected_role_name(first)),
        SandboxCluster(
            main,
            "preview",
            HOME_REGION,
            workload_role=expected_role_name(main),
            settings=Settings(version=MAIN),
        ),
        SandboxCluster(
            frankfurt, "orders-eu", "eu-central-1", workload_role=expected_role_name(frankfurt)
        ),
        SandboxCluster(
            "019d023e-7000-7a11-8c11-0000000000c3",
            "trial",
            HOME_REGION,
            tier="Developer-Free",
            has_metadata=False,
            workload_role=expected_role_name("019d023e-7000-7a11-8c11-0000000000c3"),
        ),
        SandboxCluster(
            "019d023e-7000-7a11-8c11-0000000000d4",
            "orders-gcp",
            "us-central1",
            platform="gcp",
            workload_gsa="rw-orders@sandbox-project.iam.gserviceaccount.com",
        ),
    ]


def example_database() -> Database:
    """Give a database with two small tables to write sinks for, and the secrets they need."""
    database = Database("dev")
    orders = Relation(
        database.new_id(),
        "orders",
        "table",
        "CREATE TABLE orders (order_id bigint, amount double precision, ordered_at timestamptz) "
        "APPEND ONLY",
        columns=[
            ("order_id", "bigint"),
            ("amount", "double precision"),
            ("ordered_at", "timestamptz"),
        ],
        append_only=True,
    )
    orders.append(
        [
            {"order_id": 1, "amount": 12.5, "ordered_at": "2026-01-01 09:00:00+00:00"},
            {"order_id": 2, "amount": 7.25, "ordered_at": "2026-01-01 09:05:00+00:00"},
        ]
    )
    customers = Relation(
        database.new_id(),
        "customers",
        "table",
        "CREATE TABLE customers (customer_id bigint PRIMARY KEY, name varchar)",
        columns=[("customer_id", "bigint"), ("name", "varchar")],
        primary_key=["customer_id"],
    )
    customers.append([{"customer_id": 1, "name": "Ada"}, {"customer_id": 2, "name": "Grace"}])
    database.relations = {"orders": orders, "customers": customers}
    # What a customer has put into RisingWave before the runbook comes.
    database.secrets = {
        "redshift_user": "risingwave",
        "redshift_password": "sandbox-redshift-password",
        "snowflake_user": "RISINGWAVE",
        "snowflake_password": "sandbox-snowflake-password",
    }
    return database


class ClusterStore:
    """All clusters, kept in one file when there is a state folder.

    Parameters
    ----------
    folder
        The sandbox's state folder, or ``None``.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / _FILE if folder is not None else None
        self._lock = threading.Lock()
        self.clusters: dict[str, SandboxCluster] = {}
        self.reset()
        if self._path is not None and self._path.exists():
            self._load(self._path)

    def reset(self) -> None:
        """Start again with the example clusters."""
        clusters = example_clusters()
        for cluster in clusters:
            cluster.databases["dev"] = example_database()
        self.clusters = {cluster.cluster_id: cluster for cluster in clusters}

    def save(self) -> None:
        """Write everything down, if there is a place for it."""
        if self._path is None:
            return
        with self._lock:
            kept = [_to_json(cluster) for cluster in self.clusters.values()]
            temporary = self._path.with_suffix(".new")
            # It holds the values of secrets.
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(kept, file)
            temporary.replace(self._path)

    def _load(self, path: Path) -> None:
        for kept in json.loads(path.read_text(encoding="utf-8")):
            cluster = _from_json(kept)
            self.clusters[cluster.cluster_id] = cluster


def _to_json(cluster: SandboxCluster) -> dict[str, Any]:
    plain = (str, bool)
    values = {name: value for name, value in vars(cluster).items() if isinstance(value, plain)}
    with cluster.lock:
        return {
            **values,
            "governed": False,
            "settings": asdict(cluster.settings),
            # A monotonic time means nothing after a restart: what is in flight settles at once.
            "allowed": {**asdict(cluster.allowed), "ready_at": 0.0},
            "databases": {
                name: database_to_json(database) for name, database in cluster.databases.items()
            },
        }


def _from_json(kept: dict[str, Any]) -> SandboxCluster:
    return SandboxCluster(
        **{
            **kept,
            "settings": Settings(**kept["settings"]),
            "allowed": AllowedRolesState(**kept["allowed"]),
            "databases": {
                name: database_from_json(content) for name, content in kept["databases"].items()
            },
        }
    )
