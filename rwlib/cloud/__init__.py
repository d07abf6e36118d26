"""RisingWave Cloud's management API: Cloud metadata, Allowed Principals, SQL and sinks.

There is no public specification of this API. What is relied on was read from the client of
`risingwavelabs/terraform-provider-risingwavecloud` (commit f824548, ``internal/cloudsdk``), and
every rule names the file it comes from.
"""

from rwlib.cloud.allowed_roles import (
    AllowedRolesFailedError,
    Patience,
    RoleChange,
    Waiting,
    WaitTimeoutError,
)
from rwlib.cloud.answers import (
    AllowedRoles,
    CloudMetadata,
    Cluster,
    Column,
    Endpoint,
    QueryResult,
    Region,
    Sink,
    StatementResult,
)
from rwlib.cloud.client import DEFAULT_ENDPOINT, Cloud
from rwlib.cloud.identity import cluster_id_of_role, expected_role_name, tenant_identifier
from rwlib.cloud.sinks import SinkFailure, SinkState
from rwlib.cloud.transport import SqlError, UnreachableError

__all__ = [
    "DEFAULT_ENDPOINT",
    "AllowedRoles",
    "AllowedRolesFailedError",
    "Cloud",
    "CloudMetadata",
    "Cluster",
    "Column",
    "Endpoint",
    "Patience",
    "QueryResult",
    "Region",
    "RoleChange",
    "Sink",
    "SinkFailure",
    "SinkState",
    "SqlError",
    "StatementResult",
    "UnreachableError",
    "WaitTimeoutError",
    "Waiting",
    "cluster_id_of_role",
    "expected_role_name",
    "tenant_identifier",
]
