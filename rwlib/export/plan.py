"""What is exported: one target's documents and names, whatever they are written as."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rwlib.connectors import uses_service
from rwlib.errors import InputError
from rwlib.sql import ConnectorSql, statements_for
from rwlib.steps import (
    MANAGED_BY,
    REDSHIFT_SERVICE,
    TAGS_QUOTA,
    canonical,
    exported_tags,
    merge_trust,
    policy_document,
    trust_policy,
)
from rwlib.target import Target

ROLE_ARN = "arn:aws:iam::000000000000:role/the-role-of-this-export"
"""Stands in the SQL where the role's ARN belongs, until a format says how it writes that."""


@dataclass(frozen=True)
class Existing:
    """What is there already, so that the tool takes it over instead of making it again.

    Parameters
    ----------
    trust
        The role's trust policy without what this runbook wrote; what it says stays in what is
        exported.
    trust_there, policy_there
        The documents as they stand: for the order of the trust policy's statements, and for a
        tool that writes over nothing but what was seen.
    role_path, role_description, policy_description, permissions_boundary_arn, max_session_duration
        As they are: a tool would replace the role or the policy, or lift the boundary, where the
        files say nothing.
    role_tags, policy_tags
        Those that this runbook did not write.
    role_tags_there
        All of them.
    policy_marks
        Keys of those with which this runbook marks a policy as its own, but for ``managed-by``.
    role_is_ours, policy_is_ours
        True for what this runbook made. Steps 1-3 bring that to what the target asks for, and
        leave the settings and tags of everybody else's as they are.
    shared_with
        Names of the other targets of this runbook that are on the role.
    role_marks
        What a run would write beside the target's tags onto a role that this runbook made.
    stale_marks
        Keys of tags that mark statements of this runbook which are not in what is exported.
    role_manager
        The tag by which somebody says that they manage the role.
    principals
        The role ARNs in the cluster's Allowed Principals, all of them; None where nobody could
        read the list.
    version_in_the_way
        The version of a policy of this runbook that goes when another one is written, empty while
        there is room.
    """

    policy_arn: str = ""
    role_name: str = ""
    attached: bool = False
    principals: tuple[str, ...] | None = None
    trust: dict[str, Any] | None = None
    trust_there: dict[str, Any] | None = None
    policy_there: dict[str, Any] | None = None
    role_path: str = ""
    role_description: str = ""
    policy_description: str = ""
    permissions_boundary_arn: str = ""
    max_session_duration: int = 0
    role_tags: dict[str, str] = field(default_factory=dict)
    policy_tags: dict[str, str] = field(default_factory=dict)
    role_tags_there: dict[str, str] = field(default_factory=dict)
    policy_marks: tuple[str, ...] = ()
    role_is_ours: bool = False
    policy_is_ours: bool = False
    role_manager: str = ""
    shared_with: tuple[str, ...] = ()
    role_marks: dict[str, str] = field(default_factory=dict)
    version_in_the_way: str = ""
    stale_marks: tuple[str, ...] = ()

    @property
    def role_is_foreign(self) -> bool:
        """True for a role that is there and that somebody else made."""
        return bool(self.role_name) and not self.role_is_ours

    @property
    def policy_is_foreign(self) -> bool:
        """True for a policy that is there and that somebody else made."""
        return bool(self.policy_arn) and not self.policy_is_ours


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
        The role's account, 12 digits; empty where it is not known.
    kms_key_arn
        The bucket's key, empty for none.
    shares_role
        True when another target of the same export is on the role.
    looked
        True when somebody looked at what is there already.
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
    shares_role: bool = False
    looked: bool = False

    @property
    def role_path(self) -> str:
        """IAM path of the role, which AWS cannot change."""
        return self.existing.role_path or self.target.role_path

    @property
    def permissions_boundary_arn(self) -> str:
        """The role's boundary: the target's, else the one that is there; empty for none."""
        there = self.existing.permissions_boundary_arn
        return there if self.existing.role_is_foreign else (
            self.target.permissions_boundary_arn or there
        )  # fmt: skip

    @property
    def max_session_duration(self) -> int:
        """The role's longest session in seconds: the target's, but for a role of others."""
        there = self.existing.max_session_duration if self.existing.role_is_foreign else 0
        return there or self.target.max_session_duration

    def role_tags(self, tool: str) -> dict[str, str]:
        """Tags of the role: those of others, the target's, and which tool manages it."""
        own = {} if self.existing.role_is_foreign else self.target.tags
        return _tags(self.existing.role_tags, own, tool)

    def policy_tags(self, tool: str) -> dict[str, str]:
        """Tags of the policy: those of others, the target's, and which tool manages it."""
        own = {} if self.existing.policy_is_foreign else dict(self.target.tags)
        if self.shares_role:
            redshift = uses_service(self.target.connectors, REDSHIFT_SERVICE)
            own |= exported_tags(self.target.name, redshift)
        return _tags(self.existing.policy_tags, own, tool)

    @property
    def as_it_is(self) -> Target:
        """The target with the path of a role that is there, which is part of its ARN."""
        return self.target.model_copy(update={"role_path": self.role_path})

    def statements(self, role_arn: str) -> list[ConnectorSql]:
        """Write Step 5's statements for a role, with what there is to say of them."""
        return statements_for(self.as_it_is, role_arn, self.region_name)

    def sql_for(self, role_arn: str) -> tuple[tuple[str, str], ...]:
        """Connector and statements of Step 5 for a role, whose ARN a text of SQL holds."""
        return tuple((name, text.replace(ROLE_ARN, role_arn)) for name, text in self.sql)

    @property
    def has_quote(self) -> bool:
        """True when the role's ARN holds a quote, which SQL writes as two."""
        return "'" in self.role_path


def _tags(others: Mapping[str, str], own: Mapping[str, str], tool: str) -> dict[str, str]:
    """Return all tags; who manages it is not said where IAM has no room for one more.

    IAM takes two keys that differ in capitals alone for one.

    Source: IAM User Guide, "Tags for AWS IAM resources".
    """
    wanted = {**own, MANAGED_BY: tool}
    replaced = {key.lower() for key in wanted}
    kept = {key: text for key, text in others.items() if key.lower() not in replaced}
    found = {**kept, **wanted}
    if len(found) > TAGS_QUOTA:
        del found[MANAGED_BY]
    return found


def make_plan(
    target: Target,
    *,
    workload_identity_arn: str = "",
    region_name: str = "",
    kms_key_arn: str = "",
    account_id: str = "",
    existing: Existing | None = None,
    looked: bool = False,
) -> ExportPlan:
    """Build what is exported from values alone; touches nothing.

    Parameters
    ----------
    region_name, kms_key_arn
        Of the bucket; the target's own go before them.
    account_id
        The role's account, 12 digits; only a Glue catalog needs it.
    looked
        True when somebody looked at what is there already, in ``existing``.

    Raises
    ------
    InputError
        A value is missing that neither the target nor the arguments give.
    ForeignTrustError
        The role is there, and its trust policy cannot be merged with what RisingWave needs.
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
    existing = existing or Existing()
    if existing.trust is None:
        trust = trust_policy(workload, target.connectors)
    else:
        trust = _merged_trust(existing, workload, target.connectors, region)
    return ExportPlan(
        target,
        workload,
        region,
        document,
        trust,
        sql,
        existing,
        account_id or _account_of(target.operator_role_arn),
        target.kms_key_arn or kms_key_arn,
        looked=looked,
    )


def refuse_shared_role(plan: ExportPlan) -> None:
    """Refuse to hand a role to a tool on which there are targets that are not exported with it.

    Raises
    ------
    InputError
        Names them.
    """
    if others := plan.existing.shared_with:
        raise InputError(
            "role_name",
            plan.target.role_name,
            f"serves target {', '.join(others)} of this runbook too, and a tool takes over the "
            "whole role; export all of them together with --targets, or give this target a "
            "role_name of its own",
        )


def _account_of(arn: str) -> str:
    return arn.split(":")[4] if arn else ""


def check_together(plans: Sequence[ExportPlan]) -> list[ExportPlan]:
    """Return plans that may be exported together; two on one role get one trust policy.

    Raises
    ------
    InputError
        Two targets have one name or one policy, or one role for two Workload Identities, or with
        other settings.
    """
    seen: dict[str, ExportPlan] = {}
    policies: dict[tuple[str, str], str] = {}
    roles: dict[tuple[str, str], list[ExportPlan]] = {}
    for plan in plans:
        target = plan.target
        # A folder or a key of that name is one where capitals are not told apart.
        if target.name.lower() in seen:
            raise InputError("name", target.name, "is the name of two targets; give each its own")
        seen[target.name.lower()] = plan
        # IAM does not tell names apart by their capitals.
        policy = (plan.account_id, target.policy_name.lower())
        if policy in policies:
            raise InputError(
                "policy_name",
                target.policy_name,
                f"is also the policy of target {policies[policy]}; give each its own",
            )
        policies[policy] = target.name
        roles.setdefault((plan.account_id, target.role_name.lower()), []).append(plan)
    merged = {key: _one_role(sharing) for key, sharing in roles.items()}
    found = []
    for plan in plans:
        key = (plan.account_id, plan.target.role_name.lower())
        names = {each.target.name for each in roles[key]}
        left = tuple(each for each in plan.existing.shared_with if each not in names)
        existing = replace(plan.existing, shared_with=left)
        shares = len(names) > 1
        found.append(replace(plan, trust=merged[key], existing=existing, shares_role=shares))
    return found


def _one_role(plans: Sequence[ExportPlan]) -> dict[str, Any]:
    first = plans[0]
    if len(plans) == 1:
        return first.trust
    for plan in plans[1:]:
        if plan.workload_identity_arn != first.workload_identity_arn:
            raise InputError(
                "role_name",
                plan.target.role_name,
                f"serves target {first.target.name}, which has another Workload Identity; give "
                "this target a role_name of its own",
            )
        if role_settings(plan) != role_settings(first):
            raise InputError(
                "role_name",
                plan.target.role_name,
                f"is also the role of target {first.target.name}, with another path, boundary, "
                "duration or tags; give both the same, or each a role_name of its own",
            )
    connectors = [each for plan in plans for each in plan.target.connectors]
    if first.existing.trust is None:
        return trust_policy(first.workload_identity_arn, connectors)
    return _merged_trust(first.existing, first.workload_identity_arn, connectors, first.region_name)


def _merged_trust(
    existing: Existing, workload: str, connectors: Sequence[str], region_name: str
) -> dict[str, Any]:
    """Return what stays and what RisingWave needs; as it stands where that is the same."""
    merged = merge_trust(
        existing.trust or {}, workload, connectors, region_name=region_name
    ).document
    there = existing.trust_there
    if there is not None and _in_any_order(there) == _in_any_order(merged):
        return there
    return merged


def _in_any_order(document: Mapping[str, Any]) -> list[str]:
    """Return what a document says; the order of its statements says nothing.

    Source: IAM User Guide, "Policy evaluation logic".
    """
    statements = document.get("Statement", [])
    each = statements if isinstance(statements, list) else [statements]
    rest = {name: value for name, value in document.items() if name != "Statement"}
    return [canonical(rest), *sorted(canonical(statement) for statement in each)]


def role_settings(plan: ExportPlan) -> dict[str, Any]:
    """Return what a role is made with, but for its trust policy."""
    return {
        "role_name": plan.target.role_name,
        "path": plan.role_path,
        "description": plan.existing.role_description,
        "boundary": plan.permissions_boundary_arn,
        "duration": plan.max_session_duration,
        "tags": plan.role_tags(""),
    }


def slug(text: str) -> str:
    """Return a text as an identifier that every tool takes."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()
    return name if name and not name[0].isdigit() else f"target_{name}".rstrip("_")
