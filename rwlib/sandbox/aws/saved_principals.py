"""Principals in saved policies: they must exist, and a deleted one leaves its unique id behind.

Source: IAM User Guide, "AWS JSON policy elements: Principal": IAM stores the unique id of a role
or user named in a trust policy, S3 and KMS likewise. Deleted and made again under the same name,
it is another principal, and the policy shows the id.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from rwlib.sandbox.aws.directory import Directory
from rwlib.sandbox.aws.documents import listed, statements_of

_ACCOUNT = re.compile(r"arn:aws:iam::\d{12}:root")
_UNIQUE_ID = re.compile(r"(AROA|AIDA)[A-Z0-9]{12,}")
_SESSION = re.compile(r"arn:aws:sts::(\d{12}):assumed-role/([^/*?]+)/([^/*?]+)")
_FEDERATED_USER = re.compile(r"arn:aws:sts::\d{12}:federated-user/[^*?]+")
_PROVIDER = re.compile(r"arn:aws:iam::\d{12}:(saml-provider|oidc-provider)/.+|[a-z0-9.-]+(/.*)?")
_SERVICE = re.compile(r"([a-z0-9-]+\.)*[a-z0-9-]+\.(amazonaws\.com(\.cn)?|amazon\.com)")

FURTHER_SERVICES = frozenset(
    {
        *("ec2", "ecs-tasks", "edgelambda", "delivery.logs", "vpc-flow-logs", "spotfleet", "spot"),
        *("events", "pods.eks", "eks", "eks-fargate-pods", "eks-nodegroup", "replicator.lambda"),
        *(
            "monitoring",
            "billing",
            "billingreports",
            "cloudwatch",
            "cognito-identity",
            "apigateway",
        ),
        *("autoscaling", "elasticmapreduce", "export.rds", "logging.s3", "batchoperations.s3"),
        *(
            "ops.apigateway",
            "tasks.apprunner",
            "build.apprunner",
            "credentials.iot",
            "access-analyzer",
        ),
        *("cloudtrail", "config", "config-multiaccountsetup", "malware-protection-plan.guardduty"),
        *(
            "s3",
            "dms",
            "vpce",
            "elasticloadbalancing",
            "redshift",
            "redshift-serverless",
            "airflow",
        ),
        *("streams.metrics.cloudwatch", "states", "ssm", "ssm-incidents", "osis-pipelines", "glue"),
    }
)


class InvalidPrincipalError(Exception):
    """A principal that does not exist or cannot be named; ``shown`` is AWS's way of quoting it."""

    def __init__(self, kind: str, value: str) -> None:
        self.shown = f'"{kind.upper()}":"{value}"'
        super().__init__(self.shown)


def check_principals(document: dict[str, Any], directory: Directory) -> bool:
    """Refuse principals that do not exist; put ARNs where accounts and unique ids stand.

    Returns
    -------
    bool
        Whether the document was changed.

    Raises
    ------
    InvalidPrincipalError
        The first principal that AWS would refuse.
    """
    changed = False
    for statement in statements_of(document):
        for element in ("Principal", "NotPrincipal"):
            given = statement.get(element)
            if given is None or given == "*":
                continue
            if not isinstance(given, dict):
                raise InvalidPrincipalError("AWS", str(given))
            for kind, values in given.items():
                kept = [_checked(kind, value, directory) for value in listed(values)]
                if kept != listed(values):
                    given[kind] = kept if isinstance(values, list) else kept[0]
                    changed = True
    return changed


def _checked(kind: str, value: Any, directory: Directory) -> Any:
    if not isinstance(value, str) or kind not in ("AWS", "Service", "Federated", "CanonicalUser"):
        raise InvalidPrincipalError(str(kind), str(value))
    if kind == "AWS":
        return _checked_aws(value, directory)
    if kind == "Service" and not _is_service(value):
        raise InvalidPrincipalError("Service", value)
    if kind == "Federated" and not _PROVIDER.fullmatch(value):
        raise InvalidPrincipalError("Federated", value)
    return value


def _checked_aws(value: str, directory: Directory) -> str:
    if len(value) == 12 and value.isascii() and value.isdigit():
        return f"arn:aws:iam::{value}:root"  # This is how AWS shows it from then on.
    if value == "*" or _ACCOUNT.fullmatch(value):
        return value
    if _UNIQUE_ID.fullmatch(value):
        found = directory.world.iam.principal_by_id(value)
        if found is not None:
            return found.arn
    elif directory.principal(value) is not None or _FEDERATED_USER.fullmatch(value):
        return value
    else:
        session = _SESSION.fullmatch(value)
        if session and directory.role(session[1], session[2]) is not None:
            return value
    raise InvalidPrincipalError("AWS", value)


@cache
def _service_names() -> frozenset[str]:
    import botocore.session

    return frozenset(botocore.session.get_session().get_available_services()) | FURTHER_SERVICES


def _is_service(value: str) -> bool:
    if not _SERVICE.fullmatch(value):
        return False
    name = value.removesuffix(".cn").removesuffix(".amazonaws.com").removesuffix(".amazon.com")
    known = _service_names()
    # Some services are named per Region: logs.eu-central-1.amazonaws.com.
    return name in known or name.rpartition(".")[0] in known


def forget_principal(directory: Directory, arn: str, unique_id: str) -> None:
    """Put a deleted principal's unique id where policies named it."""
    world = directory.world
    for account in world.iam.accounts():
        for role in world.iam.account(account).roles.values():
            text = without_principal(role.assume_role_policy_document, arn, unique_id)
            if text is not None:
                role.assume_role_policy_document = text
    for bucket in world.s3.all_buckets():
        if bucket.policy:
            text = without_principal(bucket.policy.decode(), arn, unique_id)
            if text is not None:
                bucket.policy = text.encode()
    for key in world.kms.all_keys():
        text = without_principal(key.policy, arn, unique_id)
        if text is not None:
            key.policy = text


def without_principal(text: str, arn: str, unique_id: str) -> str | None:
    """Replace a principal's ARN by its id in a document; None when it does not name it."""
    if arn not in text:
        return None
    try:
        document = json.loads(text)
        statements = statements_of(document)
    except ValueError:
        return None
    changed = False
    for statement in statements:
        for element in ("Principal", "NotPrincipal"):
            given = statement.get(element)
            if not isinstance(given, dict) or "AWS" not in given:
                continue
            values = listed(given["AWS"])
            if arn in values:
                kept = [unique_id if value == arn else value for value in values]
                given["AWS"] = kept if isinstance(given["AWS"], list) else kept[0]
                changed = True
    return json.dumps(document) if changed else None
