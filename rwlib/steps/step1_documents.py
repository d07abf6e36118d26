"""Policy documents: pure, built from a target, touching nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from itertools import combinations
from typing import TYPE_CHECKING, Any

from rwlib.connectors import Need, connector_names, connector_profile
from rwlib.errors import InputError
from rwlib.steps.changes import canonical

if TYPE_CHECKING:
    from rwlib.target import Target

REASONS = {
    "RisingWaveListPrefix": "finds files under the prefix; where an s3.path of your own is the "
    "prefix without its slash, the listing also shows names beside it that begin with it",
    "RisingWaveReadObjects": "reads files under the prefix",
    "RisingWaveWriteObjects": "writes files under the prefix; PutObject also covers multipart",
    "RisingWaveDeleteManifests": "the Redshift sink removes its COPY manifests, nothing else",
    "RisingWaveDeleteObjects": "Iceberg replaces and expires files under the warehouse",
    "RisingWaveBucket": "asks for what is the bucket's own, not its objects'",
    "RisingWaveUseKmsKey": "the bucket is encrypted with this key: GenerateDataKey to write, "
    "Decrypt to read and for multipart uploads; only through S3, and only for this bucket",
    "RisingWaveGlueCatalog": "the Glue catalog of the Iceberg tables",
}


# S3 sends the owner of the bucket with every request about it or its objects. A bucket of that name
# in another account, such as one made again by somebody else, is out of reach.
# Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3".
OWN_BUCKET = {"StringEquals": {"s3:ResourceAccount": "${aws:PrincipalAccount}"}}


def documented_policy(bucket: str, prefix: str) -> dict[str, Any]:
    """Return the policy of RisingWave's page "Set up IAM role assume", to the letter.

    Its second statement never allows ``GetBucketLocation``, because that call carries no
    ``s3:prefix``, and refuses a listing of the prefix without its slash.
    """
    place = f"{bucket}/{prefix}" if prefix else bucket
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [
                    "s3:PutObject",
                    "s3:GetObject",
                    "s3:GetObjectVersion",
                    "s3:DeleteObject",
                    "s3:DeleteObjectVersion",
                ],
                "Resource": f"arn:aws:s3:::{place}/*",
            },
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
                "Resource": f"arn:aws:s3:::{bucket}",
                "Condition": {"StringLike": {"s3:prefix": [f"{prefix}/*" if prefix else "*"]}},
            },
        ],
    }


def recommended_policy(
    connectors: Iterable[str],
    bucket: str,
    prefix: str,
    *,
    kms_key_arn: str = "",
    glue: Mapping[str, str] | None = None,
    lists_bare_prefix: bool = False,
) -> dict[str, Any]:
    """Return the least privilege that the connectors need, one statement for each purpose.

    The bucket is reached only while it belongs to the role's own account, and its key only
    through S3 and for objects of the prefix.

    Parameters
    ----------
    connectors
        One or more connector names; their needs are united.
    prefix
        Key prefix without slashes at its ends; empty grants the whole bucket.
    kms_key_arn
        Key of the bucket's default encryption; empty when it has none of its own.
    glue
        ``account_id``, ``region_name``, ``database`` and ``table`` of a Glue catalog, and
        ``writes`` when tables are created or changed.
    lists_bare_prefix
        True when a connector lists the prefix without its slash, which also shows names beside
        it that begin with it.
    """
    names = list(connectors)
    needs = _needs_of(names)
    folders = {need.only for name in names for need in connector_profile(name).needs} - {""}
    escaped = escape_pattern(prefix)
    bucket_arn = f"arn:aws:s3:::{bucket}"
    objects = f"{bucket_arn}/{escaped}/*" if prefix else f"{bucket_arn}/*"
    inside = [f"{objects}/{folder}/*" for folder in sorted(folders)]
    manifests = inside[0] if len(inside) == 1 else inside
    statements: list[dict[str, Any]] = []

    def allow(sid: str, actions: list[str], resource: Any, condition: Any = None) -> None:
        statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
        statements.append(
            {**statement, "Condition": deepcopy(condition)} if condition else statement
        )

    if listing := needs.pop("RisingWaveListPrefix", None):
        patterns = [*([escaped] if lists_bare_prefix else []), f"{escaped}/", f"{escaped}/*"]
        within = {"StringLike": {"s3:prefix": patterns}} if prefix else {}
        allow("RisingWaveListPrefix", listing, bucket_arn, {**within, **OWN_BUCKET})
    for sid, actions in needs.items():
        place = bucket_arn if sid == "RisingWaveBucket" else objects
        allow(sid, actions, manifests if sid == _MANIFESTS else place, OWN_BUCKET)
    if kms_key_arn:
        actions = [
            "kms:Decrypt",
            *(["kms:GenerateDataKey"] if "RisingWaveWriteObjects" in needs else []),
        ]
        allow(
            "RisingWaveUseKmsKey", actions, kms_key_arn, _key_of(kms_key_arn, bucket_arn, objects)
        )
    if glue is not None:
        allow("RisingWaveGlueCatalog", *_glue_grant(glue))
    return {"Version": "2012-10-17", "Statement": statements}


_MANIFESTS = "RisingWaveDeleteManifests"
_SIDS = (
    "RisingWaveListPrefix",
    "RisingWaveBucket",
    "RisingWaveReadObjects",
    "RisingWaveWriteObjects",
    "RisingWaveDeleteObjects",
    _MANIFESTS,
)
_ON_BUCKET = {"s3:GetBucketLocation", "s3:ListBucketMultipartUploads"}


def _needs_of(connectors: Iterable[str]) -> dict[str, list[str]]:
    """Return the actions that the connectors' files name, by the statement that grants them."""
    found: dict[str, dict[str, None]] = {sid: {} for sid in _SIDS}
    for name in connectors:
        for need in connector_profile(name).needs:
            found[_sid_of(need)][need.action] = None
    if found["RisingWaveDeleteObjects"]:
        found[_MANIFESTS] = {}  # what may delete everything may delete these
    return {sid: list(actions) for sid, actions in found.items() if actions}


def _sid_of(need: Need) -> str:
    verb = need.action.partition(":")[2]
    if need.action in _ON_BUCKET:
        return "RisingWaveBucket"
    if verb.startswith("ListBucket"):
        return "RisingWaveListPrefix"
    if verb.startswith("Delete"):
        return _MANIFESTS if need.only else "RisingWaveDeleteObjects"
    return "RisingWaveReadObjects" if verb.startswith("Get") else "RisingWaveWriteObjects"


def _key_of(kms_key_arn: str, bucket_arn: str, objects: str) -> dict[str, dict[str, Any]]:
    """Keep a key to what S3 encrypts with it for this bucket.

    S3 names what it encrypts in the encryption context: the bucket where a bucket key is used, the
    object where not. Both are listed, so that objects from before a bucket key stay readable. A
    key is in the region of its bucket.

    Source: S3 User Guide, "Using server-side encryption with AWS KMS keys" and "Reducing the cost
    of SSE-KMS with Amazon S3 Bucket Keys"; KMS Developer Guide, "kms:ViaService".
    """
    return {
        "StringEquals": {"kms:ViaService": f"s3.{kms_key_arn.split(':')[3]}.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket_arn, objects]},
    }


def _glue_grant(glue: Mapping[str, str]) -> tuple[list[str], list[str]]:
    place = f"arn:aws:glue:{glue['region_name']}:{glue['account_id']}"
    database = escape_pattern(glue.get("database", "")) or "*"
    actions = ["glue:GetDatabase", "glue:GetTable"]
    if glue.get("writes"):
        actions += ["glue:CreateDatabase", "glue:CreateTable", "glue:UpdateTable"]
    table = escape_pattern(glue.get("table", "")) or "*"
    resources = [
        f"{place}:catalog",
        f"{place}:database/{database}",
        f"{place}:table/{database}/{table}",
    ]
    return actions, resources


def escape_pattern(text: str) -> str:
    """Escape what IAM reads as a pattern: ``*``, ``?`` and ``$`` become policy variables.

    ``${*}``, ``${?}`` and ``${$}`` stand for the characters themselves (IAM user guide, policy
    variables), and need ``"Version": "2012-10-17"``.
    """
    special = {"*": "${*}", "?": "${?}", "$": "${$}"}
    return "".join(special.get(character, character) for character in text)


def unescape_pattern(text: str) -> str:
    """Take back what `escape_pattern` did."""
    for plain in "*?$":
        text = text.replace(f"${{{plain}}}", plain)
    return text


def glue_settings(target: Target, account_id: str, region_name: str) -> dict[str, str] | None:
    """Return where the target's Glue catalog is, None when it uses none."""
    catalogs_used = {connector_profile(name).catalog for name in target.connectors} - {""}
    options: list[Any] = [target.sql_options, *target.sql_options.values()]
    catalogs = {str(each.get("catalog.type", "")) for each in options if isinstance(each, dict)}
    if not catalogs_used or not (target.glue_database or catalogs & {"glue", "glue_rust"}):
        return None
    database = target.glue_database or _option(options, "database.name")
    database = database or _option(options, "table.name").rpartition(".")[0]
    return {
        "account_id": target.glue_catalog_id or account_id,
        "region_name": target.glue_region_name or region_name,
        "database": database,
        "table": target.glue_table,
        "writes": "yes" if "write" in catalogs_used else "",
    }


def _option(options: list[Any], name: str) -> str:
    values = {str(each[name]) for each in options if isinstance(each, dict) and each.get(name)}
    return values.pop() if len(values) == 1 else ""


def is_own_policy_text(document: Mapping[str, Any]) -> bool:
    """True when a policy reads as this runbook writes it, for the bucket and prefix that it names.

    That alone does not make it this runbook's, but nothing is lost with it that could not be
    written again.
    """
    statements = document.get("Statement", [])
    statements = list(statements) if isinstance(statements, list) else [statements]
    named = {str(each.get("Sid", "")): each for each in statements}
    glue = named.get("RisingWaveGlueCatalog")
    if glue is not None and not all(
        str(each).startswith("glue:") for each in _listed(glue.get("Action"))
    ):
        return False
    rest = {**document, "Statement": [each for each in statements if each is not glue]}
    key = str(named.get("RisingWaveUseKmsKey", {}).get("Resource", ""))
    if key and len(key.split(":")) < 6:
        return False
    wanted = canonical(rest)
    # Connectors that need the same give the same policy.
    distinct = {repr(connector_profile(name).needs): name for name in connector_names()}.values()
    for bucket, prefix in _places(statements):
        if wanted == canonical(documented_policy(bucket, prefix)):
            return True
        for count in range(1, len(distinct) + 1):
            for names in combinations(distinct, count):
                for bare in (False, True):
                    own = recommended_policy(
                        names, bucket, prefix, kms_key_arn=key, lists_bare_prefix=bare
                    )
                    if wanted == canonical(own):
                        return True
    return False


def _places(statements: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Return the buckets and prefixes that a policy of this runbook may be about."""
    found = set()
    for statement in statements:
        for each in _listed(statement.get("Resource")):
            place = str(each).removeprefix("arn:aws:s3:::")
            bucket, slash, pattern = place.partition("/")
            if place != each and slash and pattern.endswith("*"):
                plain = pattern.partition("/*/")[0].removesuffix("*").removesuffix("/")
                found |= {(bucket, unescape_pattern(plain)), (bucket, plain)}
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def policy_document(
    target: Target, *, account_id: str, region_name: str, kms_key_arn: str = ""
) -> dict[str, Any]:
    """Return the policy document that the target asks for.

    Parameters
    ----------
    account_id, region_name
        Account of the role (12 digits) and region of the bucket, for Glue ARNs.
    kms_key_arn
        Key found in the bucket's default encryption; ``target.kms_key_arn`` goes before it.

    Raises
    ------
    InputError
        The tables are in a Glue catalog, and nothing names their database.
    """
    if target.policy_style == "documented":
        return documented_policy(target.bucket, target.prefix)
    glue = glue_settings(target, account_id, region_name)
    if glue is not None and not glue["database"]:
        raise InputError(
            "glue_database",
            "",
            "is empty; name the Glue database of the tables, so that the role reaches no other",
            reason="empty",
        )
    return recommended_policy(
        target.connectors,
        target.bucket,
        target.prefix,
        kms_key_arn=target.kms_key_arn or kms_key_arn,
        glue=glue,
        lists_bare_prefix=any(
            listed_at_create(target, name) == target.prefix for name in target.connectors
        ),
    )


def listed_at_create(target: Target, connector: str) -> str | None:
    """Return the prefix that CREATE lists as it is written in ``s3.path``; None where none is.

    The file sinks list their path to the letter, without a slash of their own
    (``src/sink/file_sink/opendal_sink.rs``); a path that nobody gave is written with its slash.
    """
    from rwlib.sql import load_connector
    from rwlib.target import connector_options

    data = load_connector(connector)
    if not data.path_listed_as_written:
        return None
    given = {
        data.canonical(option): value
        for option, value in connector_options(target, connector).items()
    }
    path = given.get(data.path_option)
    if isinstance(path, str) and path:
        return path
    return f"{target.prefix}/" if target.prefix else ""
