"""Verify the setup: what the connectors need beside S3.

Redshift's COPY uses the role too, so the cluster must have it attached; the SQL must name the
role, the bucket and the region that were set up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rwlib.connectors import uses_service
from rwlib.steps import REDSHIFT_SERVICE
from rwlib.target import Target
from rwlib.verify.check import Check, Ground
from rwlib.verify.kinds import title_of
from rwlib.verify.situation import Situation

if TYPE_CHECKING:
    from rwlib.aws import Aws

# What the checker's findings are called in the table of reasons, where a code says the same.
_REASONS = {
    "sql_wrong_role_arn": "sql_wrong_role_arn",
    "sql_wrong_role_option": "sql_wrong_role_option",
    "sql_missing_option": "sql_missing_option",
    "config_load_missing": "sql_missing_option",
    "sql_outside_prefix": "sql_outside_prefix",
    "secret_required": "secret_missing",
    "region_wrong": "bucket_region_mismatch",
    "iceberg_catalog_ignores_role": "iceberg_catalog_ignores_role",
}


def check_connectors(
    aws: Aws, target: Target, situation: Situation, sql: Sequence[Any]
) -> list[Check]:
    """Return the verdicts on the SQL and on Redshift's side of the role."""
    found = check_sql_options(target, situation, sql)
    if uses_service(target.connectors, REDSHIFT_SERVICE):
        found.append(_redshift_attachment(aws, situation))
    return found


def check_sql_options(target: Target, situation: Situation, sql: Sequence[Any]) -> list[Check]:
    """Return the verdict on the statements of Step 5."""
    from rwlib.sql import check_sql

    title = title_of("sql_options")
    grounds = [
        Ground(
            _REASONS.get(finding.id, "sql_options_wrong"), f"{each.connector}: {finding.message}"
        )
        for each in sql
        for finding in check_sql(
            each.sql,
            target=target,
            role_arn=situation.role_arn,
            region_name=situation.bucket.region_name,
            version=getattr(each, "version", None) or None,
        )
        if finding.severity == "error"
    ]
    names_role = [each for each in sql if situation.role_arn.replace("'", "''") not in each.sql]
    grounds += [
        Ground("sql_wrong_role_arn", f"{each.connector}: does not name {situation.role_arn}")
        for each in names_role
    ]
    if not grounds:
        good = tuple(f"{each.connector}: {situation.role_arn}" for each in sql)
        return [Check("sql_options", "SQL", title, "pass", good)]
    reason = "sql_wrong_role_arn" if names_role else grounds[0].reason
    lines = tuple(each.evidence for each in grounds)
    fix = "correct sql_options"
    return [Check("sql_options", "SQL", title, "fail", lines, fix, reason, grounds=tuple(grounds))]


def _redshift_attachment(aws: Aws, situation: Situation) -> Check:
    """Look whether a Redshift cluster or namespace of the account has the role attached.

    COPY accepts only a role that is associated with the cluster (Redshift management guide,
    authorizing COPY with IAM roles).
    """
    from botocore.exceptions import ClientError

    from rwlib.aws import error_message
    from rwlib.errors import RunbookError

    title = title_of("redshift_role_attached")
    region = situation.bucket.region_name
    fix = (
        "Redshift console: Clusters, choose the cluster, Actions, Manage IAM roles, add "
        f"{situation.role_arn}"
    )
    place: dict[str, Any] = {"optional": True, "region_name": region}
    reasons: list[str] = []
    seen: list[str] = []
    try:
        for cluster in aws.read("redshift", "describe_clusters", **place).get("Clusters", []):
            seen.append(cluster["ClusterIdentifier"])
            if any(
                role.get("IamRoleArn") == situation.role_arn for role in cluster.get("IamRoles", [])
            ):
                return Check(
                    "redshift_role_attached", "connector", title, "pass",
                    (f"cluster {cluster['ClusterIdentifier']}",),
                )  # fmt: skip
    except (ClientError, RunbookError) as error:
        reasons.append(error_message(error) if isinstance(error, ClientError) else str(error))
    try:
        answer = aws.read("redshift-serverless", "list_namespaces", **place)
        for namespace in answer.get("namespaces", []):
            seen.append(namespace["namespaceName"])
            if any(situation.role_arn in str(role) for role in namespace.get("iamRoles", [])):
                return Check(
                    "redshift_role_attached", "connector", title, "pass",
                    (f"namespace {namespace['namespaceName']}",),
                )  # fmt: skip
    except (ClientError, RunbookError) as error:
        reasons.append(error_message(error) if isinstance(error, ClientError) else str(error))
    if not seen:
        why = "; ".join(reasons) or f"no cluster and no namespace in {region}"
        return Check(
            "redshift_role_attached",
            "connector",
            title,
            "unknown",
            (why,),
            fix,
            "redshift_role_not_attached",
        )
    listed = ", ".join(seen)
    return Check(
        "redshift_role_attached",
        "connector",
        title,
        "unknown",
        (f"{listed} in {region} do not have it; which cluster the sink writes to is not known",),
        fix,
        "redshift_role_not_attached",
    )
