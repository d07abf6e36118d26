"""The client: where the key comes from, Cloud metadata, and Allowed Principals."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from rwlib.cloud.allowed_roles import (
    Patience,
    Progress,
    RoleChange,
    change_allowed_role,
)
from rwlib.cloud.answers import AllowedRoles, CloudMetadata, Endpoint, parse, parse_metadata
from rwlib.cloud.sql import SqlConnection
from rwlib.cloud.transport import ApiAnswer, Transport
from rwlib.errors import CredentialsError, InputError

DEFAULT_ENDPOINT = "https://canary-useast2-acc.risingwave.cloud/api/v1"
"""The account service that the Terraform provider uses (``internal/provider/provider.go:21``)."""

# The platform's own rule, mirrored by the provider (resource_cluster_allowed_iam_roles.go:42-47),
# whose \d and \S know ASCII only.
_ROLE_ARN = re.compile(r"arn:aws:iam::\d{12}:role/\S+", re.ASCII)

_NO_PRINCIPALS = (
    "has no Allowed Principals; only clusters on AWS have them, and one that is being deleted has "
    "none any more"
)


class Cloud(SqlConnection):
    """RisingWave Cloud, seen with one API key.

    Reading is repeated when the connection breaks; what changes something is sent once. Regions
    and the region of each cluster are read once. May be shared by threads.

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
        super().__init__(
            Transport(
                endpoint,
                api_key,
                api_secret,
                connect_timeout=connect_timeout,
                read_timeout=read_timeout,
                backoff=backoff,
            )
        )
        self.patience = patience or Patience()
        self._lock_folder = lock_folder

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

    def sql_endpoint(self, cluster_id: str) -> Endpoint:
        """Read where SQL clients of the cluster connect."""
        answer = self._get(self._of(cluster_id, "endpoint"), "read the endpoint", cluster_id)
        return parse(Endpoint, answer.body, answer)

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
