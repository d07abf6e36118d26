"""The part of the client that every call needs: the key, the regions, the cluster's address."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from rwlib.cloud.addresses import require_secure
from rwlib.cloud.answers import Cluster, Region, parse, parse_list
from rwlib.cloud.identity import parse_cluster_id
from rwlib.cloud.transport import ApiAnswer, Transport
from rwlib.errors import CredentialsError, InputError, ServiceError

_PAGE = 100
_NOT_SEEN = (
    "is not a cluster that this API key can see; copy the NsID from the cluster's page in the "
    "console"
)


class Connection:
    """Regions and clusters, seen with one API key. Both are read once."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.endpoint = transport.endpoint
        self._regions: tuple[Region, ...] | None = None
        self._clusters: dict[str, Cluster] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint!r})"

    def check_credentials(self) -> None:
        """Find out whether the API key is valid (``GET /auth/ping``).

        Raises
        ------
        CredentialsError
            It is not.
        """
        self._get(f"{self.endpoint}/auth/ping", "read the organization")

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
