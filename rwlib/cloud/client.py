"""The client: clusters and their Cloud metadata, Allowed Principals, SQL and sinks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from rwlib.cloud.addresses import require_secure
from rwlib.cloud.allowed_roles import (
    Patience,
    Progress,
    RoleChange,
    change_allowed_role,
)
from rwlib.cloud.answers import (
    AllowedRoles,
    CloudMetadata,
    Cluster,
    QueryResult,
    Region,
    Sink,
    parse,
    parse_list,
    parse_metadata,
)
from rwlib.cloud.identity import parse_cluster_id
from rwlib.cloud.transport import ApiAnswer, SqlError, Transport
from rwlib.errors import CredentialsError, InputError, ServiceError

DEFAULT_ENDPOINT = "https://canary-useast2-acc.risingwave.cloud/api/v1"
"""The account service that the Terraform provider uses (``internal/provider/provider.go:21``)."""

# The platform's own rule, mirrored by the provider (resource_cluster_allowed_iam_roles.go:42-47),
# whose \d and \S know ASCII only.
_ROLE_ARN = re.compile(r"arn:aws:iam::\d{12}:role/\S+", re.ASCII)

DEFAULT_DATABASE = "dev"

# A statement may take as long as it was given; its answer has to travel too.
_SLACK_SECONDS = 10.0
_SQL_SECONDS = 120.0

_PAGE = 100
_NOT_SEEN = (
    "is not a cluster that this API key can see; copy the NsID from the cluster's page in the "
    "console"
)
_NO_PRINCIPALS = (
    "has no Allowed Principals; only clusters on AWS have them, and one that is being deleted no "
    "longer does"
)


class Cloud:
    """RisingWave Cloud, seen with one API key.

    Reading is repeated when the connection breaks; what changes something is sent once, a
    statement too: after an `UnreachableError`, look before sending one again. Regions and the
    region of each cluster are read once. May be shared by threads.

    Parameters
    ----------
    endpoint
        Address of the account service, `DEFAULT_ENDPOINT` on the real platform.
    api_key, api_secret
        Key of a service account; changing principals needs the role ProjectAdmin or
        OrganizationAdmin. Never shown.
    connect_timeout, read_timeout
        Seconds to wait for a connection, and for an answer.
    backoff
        Seconds before the second repetition of a read.
    patience
        Bounds and clock of the waiting for Allowed Principals.
    lock_folder
        Where runs on this machine queue for a cluster; the user's state folder by default.
    """

    def __init__(
        self,
        endpoint: str,
        api_key: str,
        api_secret: str,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 20.0,
        backoff: float = 0.5,
        patience: Patience | None = None,
        lock_folder: Path | None = None,
    ) -> None:
        self._transport = Transport(
            endpoint,
            api_key,
            api_secret,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            backoff=backoff,
        )
        self.endpoint = self._transport.endpoint
        self._regions: tuple[Region, ...] | None = None
        self._clusters: dict[str, Cluster] = {}
        self.patience = patience or Patience()
        self._lock_folder = lock_folder

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint!r})"

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str] | None = None, *, patience: Patience | None = None
    ) -> Cloud | None:
        """Take key and address from ``RWC_API_KEY``, ``RWC_API_SECRET`` and ``RWC_ENDPOINT``.

        Blanks and line ends around the values are dropped, as the provider does. ``None`` when
        neither key nor secret is set: then Step 4 is a person's.

        Raises
        ------
        CredentialsError
            One of the two is missing or unreadable.
        InputError
            ``RWC_ENDPOINT`` is no address to which a key may be sent.
        """
        values = os.environ if environ is None else environ
        key = values.get("RWC_API_KEY", "").strip()
        secret = values.get("RWC_API_SECRET", "").strip()
        endpoint = values.get("RWC_ENDPOINT", "").strip() or DEFAULT_ENDPOINT
        if not key and not secret:
            return None
        if not secret:
            raise CredentialsError(_half_set("RWC_API_KEY", "RWC_API_SECRET"))
        if not key:
            raise CredentialsError(_half_set("RWC_API_SECRET", "RWC_API_KEY"))
        return cls(endpoint, key, secret, patience=patience)

    # Regions and clusters ---------------------------------------------------------------------

    def regions(self) -> tuple[Region, ...]:
        """List the platform's regions.

        Raises
        ------
        ServiceError
            There is none, which the provider takes for an error as well.
        """
        if self._regions is None:
            answer = self._get(f"{self.endpoint}/regions", "list the regions")
            regions = parse_list(Region, answer.body, answer)
            if not regions:
                raise ServiceError(
                    f"RisingWave Cloud lists no region at {self.endpoint}; check RWC_ENDPOINT."
                )
            self._regions = regions
        return self._regions

    def cluster(self, cluster_id: str) -> Cluster:
        """Find a cluster by its NsID.

        Raises
        ------
        InputError
            It is no NsID, or no cluster that this API key can see.
        """
        cluster_id = str(parse_cluster_id(cluster_id))
        if cluster_id not in self._clusters:
            url = f"{self.endpoint}/tenant/{cluster_id}"
            answer = self._get(url, "read the cluster", cluster_id)
            self._clusters[cluster_id] = parse(Cluster, answer.body, answer)
        return self._clusters[cluster_id]

    def clusters(
        self,
        region_name: str | None = None,
        *,
        on_error: Callable[[str, ServiceError], None] | None = None,
    ) -> tuple[Cluster, ...]:
        """List the clusters of one region, or of all.

        Parameters
        ----------
        region_name
            All regions when ``None``.
        on_error
            Called with a region's name and its error; without it the first error is raised.
        """
        found: list[Cluster] = []
        for region in self.regions():
            if region_name is not None and region.name != region_name:
                continue
            try:
                found += self._clusters_of(region)
            except ServiceError as error:
                if on_error is None:
                    raise
                on_error(region.name, error)
        return tuple(found)

    def cloud_metadata(self, cluster_id: str) -> CloudMetadata:
        """Read who RisingWave is in the cloud: the Workload Identity, egress IPs, PrivateLink.

        A cluster on Google Cloud or on a plan without metadata is answered too;
        `CloudMetadata.require_workload_role_arn` then says why there is no role.
        """
        cluster = self.cluster(cluster_id)
        answer = self._transport.send("GET", self._of(cluster_id, "cloudMeta"))
        if answer.status == 404:
            # The account service knows the cluster, so it is the metadata that is missing.
            platform = self._region_of(cluster).platform
            return CloudMetadata(
                cluster_id=cluster.cluster_id, provider=platform, region=cluster.region
            )
        self._succeeded(answer, "read Cloud metadata", cluster_id)
        return parse_metadata(cluster.cluster_id, answer)

    # Allowed Principals -----------------------------------------------------------------------

    def allowed_iam_roles(self, cluster_id: str) -> AllowedRoles:
        """Read the cluster's Allowed Principals; a cluster that never had one has none."""
        answer = self._get(
            self._of(cluster_id, "allowedIamRoles"),
            "read the Allowed Principals",
            cluster_id,
            when_missing=_NO_PRINCIPALS,
        )
        return parse(AllowedRoles, answer.body, answer)

    def add_allowed_role(
        self, cluster_id: str, role_arn: str, *, progress: Progress | None = None
    ) -> RoleChange:
        """Make ``role_arn`` one of the cluster's Allowed Principals, and wait until it is applied.

        Never touches another entry. Safe to repeat; ``changed`` of the result is false when the
        role was allowed already.

        Raises
        ------
        InputError
            Not an ARN that can be registered, or refused by the platform as one.
        AllowedRolesFailedError, WaitTimeoutError
            The platform failed to apply the list, or did not finish in time.
        """
        if not _ROLE_ARN.fullmatch(role_arn):
            raise InputError(
                "role_arn",
                role_arn,
                "cannot be registered; Allowed Principals take arn:aws:iam::<account>:role/<name> "
                "alone (no other partition, user or session).",
            )
        return self._change(cluster_id, role_arn, "add", progress)

    def remove_allowed_role(
        self, cluster_id: str, role_arn: str, *, progress: Progress | None = None
    ) -> RoleChange:
        """Take ``role_arn`` out of the cluster's Allowed Principals, and wait until it is applied.

        Safe to repeat. Raises what `add_allowed_role` raises.
        """
        return self._change(cluster_id, role_arn, "remove", progress)

    def _change(
        self,
        cluster_id: str,
        role_arn: str,
        action: Literal["add", "remove"],
        progress: Progress | None,
    ) -> RoleChange:
        cluster = self.cluster(cluster_id)
        return change_allowed_role(
            _AllowedRoles(self, cluster.cluster_id),
            cluster.cluster_id,
            role_arn,
            action,
            patience=self.patience,
            progress=progress,
            lock_folder=self._lock_folder,
        )

    # SQL and sinks ----------------------------------------------------------------------------

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
        return self._sql(cluster_id, database, "executeSQL", query, timeout).message

    def query_sql(
        self,
        cluster_id: str,
        query: str,
        *,
        database: str = DEFAULT_DATABASE,
        timeout: float = _SQL_SECONDS,
    ) -> QueryResult:
        """Run a query and read its rows. Raises what `execute_sql` raises."""
        answer = self._sql(cluster_id, database, "querySQL", query, timeout)
        return parse(QueryResult, answer.body, answer)

    def sinks(self, cluster_id: str, *, database: str = DEFAULT_DATABASE) -> tuple[Sink, ...]:
        """List the sinks of a database."""
        url = self._of(cluster_id, "databases", database, "sinks")
        answer = self._get(url, "list the sinks", cluster_id)
        sinks = answer.body.get("sinks") if isinstance(answer.body, dict) else None
        return parse_list(Sink, sinks or [], answer)

    def _sql(
        self, cluster_id: str, database: str, call: str, query: str, timeout: float
    ) -> ApiAnswer:
        answer = self._transport.send(
            "POST",
            self._of(cluster_id, "databases", database, call),
            body={"query": query, "timeout": int(timeout * 1000)},
            read_timeout=timeout + _SLACK_SECONDS,
        )
        if answer.status == 400:
            # Whole and unchanged: the diagnosis reads RisingWave's frames line by line.
            said = answer.body.get("msg") if isinstance(answer.body, dict) else None
            raise SqlError(said if isinstance(said, str) else answer.message)
        return self._succeeded(answer, "run SQL", cluster_id)

    # One call ---------------------------------------------------------------------------------

    def _get(
        self,
        url: str,
        what: str,
        cluster_id: str | None = None,
        *,
        params: dict[str, str] | None = None,
        when_missing: str = _NOT_SEEN,
    ) -> ApiAnswer:
        answer = self._transport.send("GET", url, params=params)
        return self._succeeded(answer, what, cluster_id, when_missing=when_missing)

    def _succeeded(
        self,
        answer: ApiAnswer,
        what: str,
        cluster_id: str | None,
        *,
        when_missing: str = _NOT_SEEN,
    ) -> ApiAnswer:
        """Refuse every answer that is not a success, in one sentence."""
        if 200 <= answer.status < 300:
            return answer
        said = f": {answer.message}" if answer.message else ""
        if answer.status == 403:
            raise CredentialsError(
                f"RisingWave Cloud does not let this API key {what} (403 to {answer.method} "
                f"{answer.url}{said}); check RWC_API_KEY and RWC_API_SECRET, and the role of the "
                "service account."
            )
        if answer.status == 404 and cluster_id is not None:
            raise InputError(
                "cluster_id",
                cluster_id,
                f"{when_missing} ({answer.method} {answer.url} answered 404{said}).",
            )
        if answer.status == 404:
            raise ServiceError(
                f"There is no management API at {answer.url} (404); RWC_ENDPOINT ends in /api/v1."
            )
        raise ServiceError(
            f"RisingWave Cloud could not {what} ({answer.status} to {answer.method} "
            f"{answer.url}{said})."
        )

    def _clusters_of(self, region: Region) -> list[Cluster]:
        base = require_secure(self.endpoint, region.url_v2)
        found: list[Cluster] = []
        while True:
            params = {"offset": str(len(found)), "limit": str(_PAGE)}
            what = f"list the clusters of {region.name}"
            answer = self._get(f"{base}/tenants", what, params=params)
            page = answer.body.get("tenants") if isinstance(answer.body, dict) else None
            clusters = parse_list(Cluster, page or [], answer)
            found += clusters
            if len(clusters) < _PAGE:
                return found

    def _of(self, cluster_id: str, *path: str) -> str:
        """Build an address below the cluster, in the management service of its region."""
        cluster = self.cluster(cluster_id)
        region = self._region_of(cluster)
        base = require_secure(self.endpoint, region.url_v2)
        rest = "/".join(quote(part, safe="") for part in path)
        return f"{base}/tenants/{cluster.cluster_id}/{rest}"

    def _region_of(self, cluster: Cluster) -> Region:
        for region in self.regions():
            if region.name == cluster.region:
                return region
        names = ", ".join(region.name for region in self.regions())
        raise ServiceError(
            f"Cluster {cluster.cluster_id} is in region {cluster.region!r}, which RisingWave Cloud "
            f"does not list (it lists {names})."
        )


class _AllowedRoles:
    """The two calls behind `rwlib.cloud.allowed_roles.change_allowed_role`."""

    def __init__(self, cloud: Cloud, cluster_id: str) -> None:
        self._cloud = cloud
        self._cluster_id = cluster_id

    def read(self) -> AllowedRoles:
        return self._cloud.allowed_iam_roles(self._cluster_id)

    def send(self, action: Literal["add", "remove"], role_arn: str) -> ApiAnswer:
        cloud = self._cloud
        answer = cloud._transport.send(
            "POST" if action == "add" else "DELETE",
            cloud._of(self._cluster_id, "allowedIamRoles"),
            body={"roleArn": role_arn},
        )
        if answer.status == 400:
            raise InputError(
                "role_arn", role_arn, f"was refused by RisingWave Cloud: {answer.message}"
            )
        if answer.status == 403:
            raise CredentialsError(
                "RisingWave Cloud does not let this API key change Allowed Principals (403): its "
                "service account needs the role ProjectAdmin or OrganizationAdmin, a new one is "
                "OrganizationMember and may only read."
            )
        if answer.status == 404 and action == "add":
            cloud._succeeded(answer, "add a role", self._cluster_id, when_missing=_NO_PRINCIPALS)
        return answer


def _half_set(there: str, missing: str) -> str:
    return (
        f"{there} is set but {missing} is not; set both, or neither to register the role by hand."
    )
