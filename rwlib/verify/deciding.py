"""Who may do what in a situation: sessions of the role, and those who want to assume it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rwlib.connectors import connector_profile
from rwlib.evaluate import (
    OPENDAL_SESSION,
    Decision,
    Policies,
    RequestModel,
    Unknown,
    assume_role,
    assume_role_by_redshift,
    ends,
    judge_all,
    judge_any,
    part_of_upload,
    redshift_services,
    role_request,
)
from rwlib.steps import REDSHIFT_SERVICE, statements_of
from rwlib.target import Target, connector_options
from rwlib.verify.check import Verdict
from rwlib.verify.probes import Probe, forbidden_probes, required_probes
from rwlib.verify.situation import Situation


def probe_role(target: Target, situation: Situation) -> list[Verdict]:
    """Evaluate what a session of the role may and may not do, without calling AWS."""
    probes = required_probes(
        target,
        account_id=situation.account_id,
        region_name=situation.bucket.region_name,
        kms_key_arn=situation.bucket.kms_key_arn,
        bucket_key=situation.bucket.bucket_key,
    ) + forbidden_probes(target)
    return [Verdict(probe, decide(situation, probe)) for probe in probes]


def decide(situation: Situation, probe: Probe, *, boundary: bool = True) -> Decision:
    """Judge one request of a session of the role, with all that is known of its condition keys.

    Parameters
    ----------
    boundary
        False leaves the role's permissions boundary out.
    """
    policies = policies_for(situation, probe, boundary=boundary)
    return judge_all(models_of(situation, probe), policies)


def models_of(situation: Situation, probe: Probe) -> list[RequestModel]:
    """Return what AWS sees of a probe: of a connector's write, also of its large files."""
    model = model_of(situation, probe)
    large = probe.allow and probe.action == "s3:PutObject"
    return [model, part_of_upload(model)] if large else [model]


def model_of(situation: Situation, probe: Probe) -> RequestModel:
    """Return what AWS sees of a probe."""
    parts = probe.resource.split(":")
    regional = parts[2] in ("kms", "glue")
    key = situation.bucket.kms_key
    return role_request(
        situation.role_arn,
        probe.action,
        probe.resource,
        region_name=parts[3] if regional else situation.bucket.region_name,
        resource_account=parts[4] if regional else situation.account_id,
        role_id=situation.role_id,
        role_tags=situation.role_tags,
        sent=probe.context,
        kms_key=key if key and key.get("Arn") == probe.resource else None,
    )


def policies_for(situation: Situation, probe: Probe, *, boundary: bool = True) -> Policies:
    """Return the policies that decide about a probe.

    A key whose policy could not be read is taken to have AWS's default key policy, which leaves
    the decision to the account's identity policies; check ``kms_key_policy`` says so.
    """
    bucket = situation.bucket
    resource: Mapping[str, Any] | None = None
    if probe.resource.startswith("arn:aws:kms:"):
        owner = probe.resource.split(":")[4]
        resource = bucket.kms_key_policy or _default_key_policy(owner)
        resource = with_grants(resource, bucket.kms_grants or (), situation.role_arn)
    elif probe.resource == f"arn:aws:s3:::{bucket.name}" or probe.resource.startswith(
        f"arn:aws:s3:::{bucket.name}/"
    ):
        resource = bucket.policy
    return Policies(
        identity=list(situation.identity),
        resource=resource,
        boundary=situation.boundary if boundary else None,
    )


def with_grants(
    key_policy: Mapping[str, Any], grants: Sequence[Mapping[str, Any]], role_arn: str
) -> Mapping[str, Any]:
    """Return a key policy that says what the key's grants to the role say too.

    A grant allows its operations to the principal that it names, within its constraints on the
    encryption context, beside the key policy and the identity-based policies (KMS developer
    guide, "Grants in AWS KMS"). A Deny stands against it.
    """
    session = role_session(role_arn)
    statements = []
    for grant in grants:
        if grant.get("GranteePrincipal") not in (role_arn, session):
            continue
        constraints = grant.get("Constraints") or {}
        pairs = constraints.get("EncryptionContextEquals") or constraints.get(
            "EncryptionContextSubset", {}
        )
        statement: dict[str, Any] = {
            "Sid": f"Grant{str(grant.get('GrantId', ''))[:8]}",
            "Effect": "Allow",
            "Principal": {"AWS": session},
            "Action": [f"kms:{each}" for each in grant.get("Operations", [])],
            "Resource": "*",
        }
        if pairs:
            # A grant knows no policy variables.
            dollar = "${$}" if key_policy.get("Version") == "2012-10-17" else "$"
            names = {
                f"kms:EncryptionContext:{key}": str(value).replace("$", dollar)
                for key, value in pairs.items()
            }
            statement["Condition"] = {"StringEquals": names}
            if others := [key for key in pairs if key != "aws:s3:arn"]:
                # Condition keys have no case, the keys of an encryption context do.
                keys = {"kms:EncryptionContextKeys": others}
                statement["Condition"]["ForAnyValue:StringEquals"] = keys
        statements.append(statement)
    if not statements:
        return key_policy
    return {**key_policy, "Statement": [*statements_of(key_policy), *statements]}


def _default_key_policy(account_id: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account_id}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }


def role_session(role_arn: str, session_name: str = "reqsign") -> str:
    """ARN of a session of the role; RisingWave's S3 client names its sessions ``reqsign``."""
    account = role_arn.split(":")[4]
    return f"arn:aws:sts::{account}:assumed-role/{role_arn.split('/')[-1]}/{session_name}"


def assume(
    situation: Situation,
    caller_arn: str,
    *,
    trust_policy: Mapping[str, Any] | None = None,
    session_names: Sequence[str | Unknown] = (OPENDAL_SESSION,),
) -> Decision:
    """Judge whether a caller may assume the role, its own account allowing it.

    Parameters
    ----------
    trust_policy
        Judged in place of the situation's, such as one statement of it.
    session_names
        What RisingWave's clients call their sessions; all of them must get in.
    """
    policies = trust_policies(situation, trust_policy)
    return judge_all(assume_models(situation, caller_arn, session_names), policies)


def assume_models(
    situation: Situation,
    caller_arn: str,
    session_names: Sequence[str | Unknown] = (OPENDAL_SESSION,),
) -> list[RequestModel]:
    """Return what AWS sees of a caller's AssumeRole, for each name of its sessions."""
    return [
        assume_role(
            caller_arn,
            situation.role_arn,
            region_name=situation.bucket.region_name,
            role_tags=situation.role_tags,
            session_name=name,
        )
        for name in session_names
    ]


def assume_by_redshift(target: Target, situation: Situation) -> Decision:
    """Judge whether Redshift may assume the role for a COPY, of every sink that copies.

    It comes under its own name or its Region's; one of them must be let in.
    """
    region = situation.bucket.region_name
    decisions = []
    for user in _database_users(target, region):
        models = [
            assume_role_by_redshift(
                situation.role_arn,
                region_name=region,
                service=service,
                role_tags=situation.role_tags,
                database_user=user,
            )
            for service in redshift_services(region)
        ]
        decisions.append(judge_any(models, situation.trust_policy))
    order = ("explicit-deny", "implicit-deny", "depends", "allowed")
    return min(decisions, key=lambda each: order.index(each.effect))


# The host of a provisioned cluster; a workgroup's users are named after an id that it does not
# tell. Source: Redshift Management Guide, "Configuring a connection for JDBC driver version 2.x".
_CLUSTER_HOST = re.compile(
    r"jdbc:redshift(?::iam)?://(?P<name>[a-z0-9-]+)\.[a-z0-9-]+\.(?P<region>[a-z0-9-]+)"
    r"\.redshift\.amazonaws\.com(?=[:/]|$)"
)


def _database_users(target: Target, region_name: str) -> set[str]:
    """Return cluster and user of each sink that copies, as far as its options tell them."""
    users = set()
    for connector in target.connectors:
        if connector_profile(connector).trusted_service != REDSHIFT_SERVICE:
            continue
        options = connector_options(target, connector)
        host = _CLUSTER_HOST.match(str(options.get("jdbc.url") or ""))
        user = str(options.get("user") or "")
        known = host and host["region"] == region_name and re.fullmatch(r"[\w.@-]+", user)
        users.add(f"{host['name']}/{user}" if host and known else "")
    return users or {""}


def trust_policies(situation: Situation, trust_policy: Mapping[str, Any] | None = None) -> Policies:
    """Return what decides about an AssumeRole, the caller's account allowing it."""
    allow = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": situation.role_arn}
        ],
    }
    return Policies(
        identity=[("allowed principals", allow)],
        resource=situation.trust_policy if trust_policy is None else trust_policy,
    )


def session_names(target: Target) -> tuple[str | Unknown, ...]:
    """Return what RisingWave's clients call their sessions of the role, for these connectors.

    Source: RisingWave's engine: opendal and iceberg-rust through reqsign for data files; for the
    metadata of a Glue catalog iceberg's Java client, and its own client for Glue's API; for a JDBC
    catalog ``iceberg-aws-<uuid>``.
    """
    names: dict[str | Unknown, None] = {OPENDAL_SESSION: None}
    for connector in target.connectors:
        if not connector_profile(connector).catalog:
            continue
        options = connector_options(target, connector)
        catalog = str(options.get("catalog.type") or "")
        if catalog == "glue":
            names["risingwave-s3"] = None
        if catalog == "jdbc":
            names[Unknown(like=("iceberg-aws-*",), optional=False, plain=True)] = None
        if options.get("glue.iam_role_arn"):
            names["risingwave-glue"] = None
    return tuple(names)


def until(model: RequestModel, policies: Policies) -> str:
    """Say when a decision changes with the time, empty where it does not."""
    ends_at, begins_at = ends(model, policies)
    if ends_at:
        return f"a condition ends it on {ends_at}"
    return f"a condition allows it from {begins_at} on" if begins_at else ""
