"""What is exported: one target's documents and names, whatever they are written as."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rwlib.errors import InputError
from rwlib.sql import statements_for
from rwlib.steps import MANAGED_BY, policy_document, trust_policy
from rwlib.target import Target

ROLE_ARN = "arn:aws:iam::000000000000:role/the-role-of-this-export"
"""Stands in the SQL where the role's ARN belongs, until a format says how it writes that."""


@dataclass(frozen=True)
class Existing:
    """What is there already, so that the tool takes it over instead of making it again.

    Parameters
    ----------
    principals
        The role ARNs in the cluster's Allowed Principals, all of them.
    """

    policy_arn: str = ""
    role_name: str = ""
    attached: bool = False
    principals: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportPlan:
    """One target, ready to be written in any format.

    Parameters
    ----------
    policy, trust
        The documents of Steps 1 and 3, as the runbook itself writes them.
    sql
        Connector and statements of Step 5; `ROLE_ARN` stands for the role's ARN.
    account_id
        The role's account, empty where nobody knows it.
    kms_key_arn
        The bucket's KMS key, empty where it has none of its own.
    """

    target: Target
    workload_identity_arn: str
    region_name: str
    policy: dict[str, Any]
    trust: dict[str, Any]
    sql: tuple[tuple[str, str], ...]
    existing: Existing = Existing()
    account_id: str = ""
    kms_key_arn: str = ""

    @property
    def slug(self) -> str:
        """The target's name as an identifier of Terraform."""
        name = re.sub(r"\W+", "_", self.target.name, flags=re.ASCII).strip("_").lower()
        return name if name and not name[0].isdigit() else f"target_{name}".rstrip("_")

    def tags(self, tool: str) -> dict[str, str]:
        """Tags of the policy and the role: the target's, and which tool manages them."""
        return {**self.target.tags, MANAGED_BY: tool}


def make_plan(
    target: Target,
    *,
    workload_identity_arn: str = "",
    region_name: str = "",
    kms_key_arn: str = "",
    account_id: str = "",
    existing: Existing | None = None,
) -> ExportPlan:
    """Build what is exported from values alone; touches nothing.

    Parameters
    ----------
    region_name, kms_key_arn
        Of the bucket; the target's own go before them.
    account_id
        The role's account, 12 digits; only a Glue catalog needs it.

    Raises
    ------
    InputError
        A value is missing that neither the target nor the arguments give.
    """
    workload = workload_identity_arn or target.workload_identity_arn
    if not workload:
        raise InputError(
            "workload_identity_arn",
            "",
            "is empty; copy it from the Cloud Meta tab of the cluster, or set RWC_API_KEY and "
            "RWC_API_SECRET so that it can be fetched",
            reason="empty",
        )
    region = target.region_name or region_name
    if not region:
        raise InputError(
            "region_name",
            "",
            "is empty; give the bucket's region, or AWS credentials to find it",
            reason="empty",
        )
    document = policy_document(
        target, account_id=account_id, region_name=region, kms_key_arn=kms_key_arn
    )
    if "arn:aws:glue" in str(document) and not (account_id or target.glue_catalog_id):
        raise InputError(
            "glue_catalog_id",
            "",
            "is empty; give the account id of the Glue catalog, or AWS credentials to find it",
            reason="empty",
        )
    sql = tuple((each.connector, each.sql) for each in statements_for(target, ROLE_ARN, region))
    trust = trust_policy(workload, target.connectors)
    return ExportPlan(
        target,
        workload,
        region,
        document,
        trust,
        sql,
        existing or Existing(),
        account_id=account_id,
        kms_key_arn=target.kms_key_arn or kms_key_arn,
    )
