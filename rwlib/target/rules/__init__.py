"""Rules for single inputs: what AWS and RisingWave Cloud accept, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rwlib.target.rules.identities import (
    account_id,
    boundary_arn,
    policy_name,
    role_arn,
    role_name,
    role_path,
    session_duration,
    tags,
)
from rwlib.target.rules.names import (
    accept_findings,
    cluster_id,
    connectors,
    glue_name,
    kms_key_arn,
    name,
    one_line,
    sql_options,
)
from rwlib.target.rules.storage import bucket, prefix, region

RULES: dict[str, Callable[[str, Any], Any]] = {
    "name": name,
    "workload_identity_arn": role_arn,
    "cluster_id": cluster_id,
    "bucket": bucket,
    "prefix": prefix,
    "region_name": region,
    "role_name": role_name,
    "policy_name": policy_name,
    "role_path": role_path,
    "permissions_boundary_arn": boundary_arn,
    "max_session_duration": session_duration,
    "tags": tags,
    "connectors": connectors,
    "kms_key_arn": kms_key_arn,
    "glue_catalog_id": account_id,
    "glue_region_name": region,
    "glue_database": glue_name,
    "glue_table": glue_name,
    "aws_profile": one_line,
    "operator_role_arn": role_arn,
    "allowed_principal_confirmed_by": one_line,
    "sql_options": sql_options,
    "accept_findings": accept_findings,
}
