"""What RisingWave Cloud answers, as frozen models.

The fields are those of the provider's generated types (``internal/cloudsdk/apigen``,
``acc/v1`` and ``mgmt/v2``, ``spec_gen.go``); fields that nobody here needs are left out, and
unknown ones are ignored, because the platform adds some from time to time.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rwlib.cloud.transport import ApiAnswer
from rwlib.errors import InputError, ServiceError
from rwlib.imports import without_pydantic_plugins


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, defer_build=True)


class Region(_Model):
    """A region of RisingWave Cloud and the address of its management service."""

    name: str = Field(alias="regionName")
    platform: str = ""
    url_v2: str = Field(alias="urlV2")


class Cluster(_Model):
    """A cluster ("tenant" in the API)."""

    cluster_id: str = Field(alias="nsId")
    name: str = Field(alias="tenantName")
    region: str
    image_tag: str = Field("", alias="imageTag")  # the version of its RisingWave


class CloudMetadata(_Model):
    """Cloud metadata of a cluster: who RisingWave is in the cloud, and from where it calls.

    ``workload_role_arn`` is the Workload Identity (IAM Role ARN) of the console, ``None`` on
    Google Cloud and on plans without metadata (RisingWave docs, ``cloud/cloud-metadata.mdx``:
    "Standard plan or above").
    """

    cluster_id: str
    provider: str
    region: str
    workload_role_arn: str | None = None
    workload_service_account: str | None = None
    egress_ips: tuple[str, ...] = ()
    private_link_principals: tuple[str, ...] = ()

    def require_workload_role_arn(self) -> str:
        """Give the Workload Identity ARN.

        Raises
        ------
        InputError
            The cluster has none, with the reason.
        """
        if self.workload_role_arn:
            return self.workload_role_arn
        if self.workload_service_account or "gcp" in self.provider.lower():
            identity = self.workload_service_account or "a Google service account"
            raise InputError(
                "cluster_id",
                self.cluster_id,
                f"runs on Google Cloud as {identity}, which cannot assume an AWS role; choose a "
                "cluster on AWS.",
            )
        if self.provider.lower() != "aws":
            raise InputError(
                "cluster_id",
                self.cluster_id,
                f"runs on {self.provider or 'an unnamed platform'}, and only clusters on AWS "
                "have an IAM role.",
            )
        raise InputError(
            "cluster_id",
            self.cluster_id,
            "shows no Workload Identity: Cloud metadata needs the Standard plan or above; "
            "upgrade the cluster, or ask RisingWave support for the ARN and set "
            "workload_identity_arn.",
        )


class AllowedRoles(_Model):
    """The cluster's Allowed Principals, in the platform's own order."""

    role_arns: tuple[str, ...] = Field((), alias="roleArns")
    status: Literal["Ready", "Pending", "Updating", "Failed"] | str = "Ready"

    @property
    def ready(self) -> bool:
        """No change is in flight."""
        return self.status == "Ready"

    def __contains__(self, role_arn: object) -> bool:
        return role_arn in self.role_arns


class QueryResult(_Model):
    """Rows of a query, as JSON values."""

    rows: tuple[tuple[Any, ...], ...] = ()


class Sink(_Model):
    """A sink as the management API lists it."""

    name: str = Field(alias="sinkName")


_M = TypeVar("_M", bound=BaseModel)


def parse(model: type[_M], value: object, answer: ApiAnswer) -> _M:
    """Read a part of an answer.

    Raises
    ------
    ServiceError
        The answer has another shape than the API's.
    """
    with without_pydantic_plugins():
        model.model_rebuild()
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole answer"
        raise ServiceError(
            f"{answer.method} {answer.url} answered in a form this version does not know "
            f"({where}: {first['msg'].lower()}); is RWC_ENDPOINT the management API?"
        ) from None


def parse_list(model: type[_M], value: object, answer: ApiAnswer) -> tuple[_M, ...]:
    """Read a list of an answer; see `parse`."""
    if not isinstance(value, list):
        raise ServiceError(
            f"{answer.method} {answer.url} answered with something other than a list; is "
            "RWC_ENDPOINT "
            "the management API?"
        )
    return tuple(parse(model, item, answer) for item in value)


def parse_metadata(cluster_id: str, answer: ApiAnswer) -> CloudMetadata:
    """Read ``cloudMeta``: ``iam`` and ``network`` are unions without a discriminator."""
    meta = _part(answer.body, "meta")
    iam, network = _part(meta, "iam"), _part(meta, "network")
    principals = network.get("privateLinkPrincipals") or network.get("privateLinkPrincipal") or ()
    return parse(
        CloudMetadata,
        {
            "cluster_id": cluster_id,
            "provider": meta.get("cloudProvider") or "",
            "region": meta.get("region") or "",
            "workload_role_arn": iam.get("workloadRoleArn") or None,
            "workload_service_account": iam.get("workloadGsa") or None,
            "egress_ips": network.get("natGatewayIps") or (),
            "private_link_principals": (principals,) if isinstance(principals, str) else principals,
        },
        answer,
    )


def _part(value: object, name: str) -> dict[str, Any]:
    part = value.get(name) if isinstance(value, dict) else None
    return part if isinstance(part, dict) else {}
