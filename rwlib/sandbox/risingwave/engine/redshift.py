"""The redshift sink, and Redshift itself as far as COPY goes.

``sink/snowflake_redshift/redshift.rs``: nothing calls S3 at CREATE. Each checkpoint writes files
and a manifest; a periodic task lists the manifests, lets Redshift COPY each with the same role,
and deletes them. What fails in that task stands in the meta node's log alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote
from uuid import uuid4

from rwlib.evaluate import Policies, Request, evaluate
from rwlib.sandbox.risingwave.engine.failures import config_error, failure
from rwlib.sandbox.risingwave.engine.file_sinks import require_s3
from rwlib.sandbox.risingwave.engine.objects import Changes, Database, SandboxSink
from rwlib.sandbox.risingwave.engine.opendal import OpendalError
from rwlib.sandbox.risingwave.engine.platform import Platform, is_on
from rwlib.sandbox.risingwave.engine.signed import Keys, Reply
from rwlib.sandbox.risingwave.engine.writing import staged_lines, staged_path

_LOG_TARGET = "risingwave_connector::sink::snowflake_redshift::redshift"
_HOST = re.compile(
    r"^jdbc:redshift(?::iam)?://(?P<name>[a-z0-9-]+)\.(?P<second>[a-z0-9-]+)\.(?P<region>[a-z0-9-]+)"
    r"\.(?P<service>redshift|redshift-serverless)\.amazonaws\.com"
)
_ROLE = re.compile(r"arn:aws[\w-]*:iam::(\d{12}):role/(?:.*/)?([^/]+)")
_MOVED = (
    "S3ServiceException:The bucket you are attempting to access must be addressed using the "
    "specified endpoint. Please send all future requests to this endpoint.,Status 301,Error "
    "PermanentRedirect,Rid {request_id},CanRetry 1"
)


class CopyError(Exception):
    """Redshift refuses a COPY; the text is what its JDBC driver says."""


def validate_redshift(platform: Platform, sink: SandboxSink, database: Database) -> None:
    """Check a redshift sink at CREATE."""
    for name in ("jdbc.url", "table.name"):
        if name not in sink.options:
            raise config_error("CreateSink", f"missing field `{name}`")
    require_s3(sink)
    if sink.sink_type not in ("append-only", "upsert"):
        raise failure(
            "Sink error",
            "config error",
            f"`type` must be `append-only`, `upsert` or `debezium`, got `{sink.sink_type}`",
        )
    if sink.sink_type == "upsert" and "intermediate.table.name" not in sink.options:
        raise config_error(
            "CreateSink", "intermediate.table.name is required for non-append-only sink"
        )


def write_redshift(
    platform: Platform, sink: SandboxSink, changes: Changes, database: Database
) -> None:
    """Write a file and its manifest, as one checkpoint does."""
    if not is_on(sink.options, "with_s3", default=True):
        return
    operator = platform.operator(sink.options)
    path = staged_path(sink.options)
    operator.write(path, staged_lines(changes, sink.sink_type))
    url = f"s3://{operator.bucket}/{path}"
    manifest = json.dumps({"entries": [{"mandatory": True, "url": url}]}, separators=(",", ":"))
    operator.write(staged_path(sink.options, "manifest/"), f"{manifest}\n".encode())


def copy_manifests(platform: Platform, sink: SandboxSink, database: Database) -> None:
    """Do what the periodic task does: list, COPY, delete; log what goes wrong."""
    if not is_on(sink.options, "with_s3", default=True):
        return
    base = sink.options.get("s3.path", "")
    directory = f"{base}{'' if base.endswith('/') else '/'}{sink.options['table.name']}/manifest/"
    try:
        operator = platform.operator(sink.options)
        manifests = [entry.key for entry in operator.list(directory)]
        for manifest in manifests:
            _copy(platform, sink, f"s3://{operator.bucket}/{manifest}")
        operator.delete(manifests)
    except OpendalError as error:
        _log(database, sink, f"File error: {error}")
    except CopyError as error:
        _log(database, sink, f"Redshift error: {error}")


def _log(database: Database, sink: SandboxSink, message: str) -> None:
    database.add_log(
        "ERROR",
        _LOG_TARGET,
        f"Failed to execute copy into task for sink id {sink.object_id}: {message}",
    )


@dataclass(frozen=True)
class _Warehouse:
    """Where the JDBC URL leads; ``region_name`` is empty when it does not say."""

    name: str
    region_name: str
    serverless: bool


def _copy(platform: Platform, sink: SandboxSink, manifest_url: str) -> None:
    """Let Redshift read a manifest and its files as the role (``redshift.rs:993-1031``)."""
    role_arn = sink.options.get("s3.assume_role", "")
    if not role_arn:
        if sink.options.get("s3.credentials.access") and sink.options.get("s3.credentials.secret"):
            keys = Keys(
                sink.options["s3.credentials.access"], sink.options["s3.credentials.secret"]
            )
        else:
            raise CopyError(
                "config error: Either assume_role or access_key and secret_key must be provided "
                "for Redshift COPY command"
            )
    warehouse = _warehouse(sink.options["jdbc.url"])
    region_name = warehouse.region_name or sink.options["s3.region_name"]
    if role_arn:
        _check_role(platform, sink, warehouse, role_arn, region_name)
        keys = platform.session_of(role_arn, "RedshiftIamRoleSession")
    content = _get(platform, keys, region_name, manifest_url).body
    try:
        urls = [str(entry["url"]) for entry in json.loads(content)["entries"]]
    except (ValueError, KeyError, TypeError):
        raise CopyError(
            "ERROR: Manifest file is not in correct json format: " + manifest_url
        ) from None
    for url in urls:
        _get(platform, keys, region_name, url)


def _warehouse(jdbc_url: str) -> _Warehouse:
    match = _HOST.match(jdbc_url)
    if match is None:
        return _Warehouse("warehouse", "", False)
    return _Warehouse(match["name"], match["region"], match["service"] == "redshift-serverless")


def _check_role(
    platform: Platform, sink: SandboxSink, warehouse: _Warehouse, role_arn: str, region_name: str
) -> None:
    """Refuse a role that does not trust Redshift, or that its cluster does not carry.

    A cluster that the sandbox does not have is taken to carry the role.
    """
    match = _ROLE.fullmatch(role_arn)
    account = match[1] if match else ""
    user = sink.options.get("user", "awsuser")
    caller = f"arn:aws:redshift:{region_name}:{account}:dbuser:{warehouse.name}/{user}"
    refused = CopyError(
        f"ERROR: User {caller} is not authorized to assume IAM Role {role_arn}\n  Detail: \n"
        "  -----------------------------------------------\n"
        f"  error:  User {caller} is not authorized to assume IAM Role {role_arn}\n"
        "  code:      8001\n  context:   IAM Role=" + role_arn + "\n"
        "  -----------------------------------------------"
    )
    if match is None:
        raise refused
    root = platform.aws.root(account)
    role = platform.aws.query(
        root, "iam", "us-east-1", "GetRole", "2010-05-08", {"RoleName": match[2]}
    )
    if not role.ok or not _trusts_redshift(role, role_arn, caller, warehouse):
        raise refused
    if warehouse.serverless:
        return
    clusters = platform.aws.query(
        root,
        "redshift",
        region_name,
        "DescribeClusters",
        "2012-12-01",
        {"ClusterIdentifier": warehouse.name},
    )
    if clusters.ok and role_arn not in clusters.elements("IamRoleArn"):
        raise refused


def _trusts_redshift(role: Reply, role_arn: str, caller: str, warehouse: _Warehouse) -> bool:
    """Whether the role's trust policy lets Redshift in, for this database user.

    Redshift comes under its own name and its Region's, with the database user as the external id
    and its account as the source (Redshift Management Guide, "Restricting access to IAM roles").
    """
    trust = unquote(role.element("AssumeRolePolicyDocument"))
    _, _, service, region_name, account, _ = caller.split(":", 5)
    kinds = ["redshift", *(["redshift-serverless"] * warehouse.serverless)]
    regions = ("", f".{region_name}")
    names = [f"{kind}{region}.amazonaws.com" for kind in kinds for region in regions]
    place = "workgroup/" if warehouse.serverless else "cluster:"
    now = datetime.now(UTC)
    tags = zip(role.elements("Key"), role.elements("Value"), strict=True)
    context = {
        "sts:ExternalId": caller,
        "aws:SourceAccount": account,
        "aws:SourceArn": f"arn:aws:{service}:{region_name}:{account}:{place}{warehouse.name}",
        "aws:SecureTransport": "true",
        "aws:RequestedRegion": region_name,
        "aws:PrincipalServiceNamesList": names,
        "aws:CurrentTime": now,
        "aws:EpochTime": str(int(now.timestamp())),
    }
    for key, value in tags:
        context |= {f"aws:ResourceTag/{key}": value, f"iam:ResourceTag/{key}": value}
    effects = {
        evaluate(
            Request({"Service": name}, "sts:AssumeRole", role_arn, account, context),
            Policies(resource=trust),
        ).effect
        for name in names
    }
    # All these names are the caller's, so a Deny for one of them is a Deny for it (IAM User Guide,
    # aws:PrincipalServiceNamesList).
    return "allowed" in effects and "explicit-deny" not in effects


def _get(platform: Platform, keys: Keys, region_name: str, url: str) -> Reply:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    reply = platform.aws.send(keys, "s3", region_name, "GET", f"/{bucket}/{key}")
    if reply.ok:
        return reply
    code = reply.element("Code")
    request_id = reply.header("x-amz-request-id") or uuid4().hex[:16].upper()
    if code in ("PermanentRedirect", "AuthorizationHeaderMalformed"):
        raise CopyError("ERROR: " + _MOVED.format(request_id=request_id))
    message = "Access Denied" if code == "AccessDenied" else reply.element("Message")
    raise CopyError(
        f"[Amazon](500310) Invalid operation: S3ServiceException:{message},Status {reply.status},"
        f"Error {code},Rid {request_id},ExtRid {reply.header('x-amz-id-2')},CanRetry 1"
    )
