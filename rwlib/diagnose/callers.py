"""Whose ARN a message names."""

from __future__ import annotations

import re
from typing import Final, Literal

CallerKind = Literal["risingwave", "role", "redshift", "snowflake", "other", "nobody"]

# RisingWave's Workload Identity is named after the cluster: 26 characters of base32hex, bits 10
# and then its UUID (terraform-provider-risingwavecloud, internal/utils/rwcloud), and "-role".
_WORKLOAD: Final = re.compile(
    r":(?:assumed-role|role)/(?:[\w+=,.@-]+/)*(?:rwc-)?[g-n][0-9a-v]{25}[\w-]*-role(?:/|$)"
)
_PLACEHOLDER: Final = re.compile(
    r"<[^>]*risingwave[^>]*(?:server|cluster|workload|node|pod|instance|identity)[^>]*>", re.I
)
# The session names of a pod's or an instance's own identity, before it assumes anything: what the
# SDKs call a web identity's session, EKS Pod Identity's, and EC2's instance ids.
_BASE_SESSION: Final = re.compile(
    r":assumed-role/[^/]+/(?:i-[0-9a-f]{8,17}|aws-sdk-\w+-\d+|eks-[\w-]+|botocore-session-\d+"
    r"|\d{13,19}|web-identity[\w-]*)$"
)


def caller_kind(caller: str | None, workload_identity_arn: str = "") -> CallerKind:
    """Say whose ARN it is, by its shape and by the known Workload Identity.

    Returns
    -------
    ``risingwave`` for RisingWave's own identity (so the customer's role was never assumed),
    ``role`` for a session of an assumed role, ``redshift``, ``snowflake``, ``other``, or
    ``nobody`` when the message names no caller.
    """
    if not caller:
        return "nobody"
    if workload_identity_arn and role_of(caller) == role_of(workload_identity_arn):
        return "risingwave"
    if _WORKLOAD.search(caller) or _PLACEHOLDER.search(caller):
        return "risingwave"
    if ":redshift:" in caller or caller.endswith("/RedshiftIamRoleSession"):
        return "redshift"
    if re.search(r":user/[a-z0-9]{4,12}-s(?:/|$)|:user/(?:externalstages|snowflake)", caller):
        return "snowflake"
    if ":assumed-role/" in caller:
        return "role"
    return "other"


def role_of(arn: str) -> str:
    """Reduce the ARN of a role or of its session to ``account/name``; else the ARN itself."""
    match = re.match(r"arn:[\w-]+:(?:iam|sts)::([^:]*):(?:role|assumed-role)/(.+)", arn)
    if not match:
        return arn
    path = match[2].split("/")
    name = path[0] if ":assumed-role/" in arn else path[-1]
    return f"{match[1]}/{name}"


def account_of(arn: str | None) -> str | None:
    """Return the 12-digit account of an ARN, or None."""
    match = re.match(r"arn:[\w-]+:[\w-]+:[\w-]*:(\d{12}):", arn or "")
    return match[1] if match else None


def is_base_identity(caller: str | None) -> bool:
    """Tell whether a pod or an instance speaks as itself: it assumed no role of a customer."""
    return bool(caller and _BASE_SESSION.search(caller))


# What RisingWave's clients call their sessions of the customer's role: reqsign, iceberg's Java
# client factories, aws-config.
_ROLE_SESSIONS: Final = ("reqsign", "risingwave-", "RisingWave", "iceberg-aws-")


def is_role_session(caller: str | None) -> bool:
    """Tell by its name whether it is a session that RisingWave opened with a customer's role."""
    return session_name(caller).startswith(_ROLE_SESSIONS)


def session_name(caller: str | None) -> str:
    """Return the session name of an assumed role, or the empty string."""
    return caller.rsplit("/", 1)[1] if caller and ":assumed-role/" in caller else ""
