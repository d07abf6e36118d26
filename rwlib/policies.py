"""Step 1 - Create an IAM policy for S3 access.

The documents are pure: they are built from a target and touch nothing. `ensure_policy` makes the
customer-managed policy exist with one of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rwlib.changes import Change, Ledger, canonical
from rwlib.errors import ConflictError, PolicyLimitError

if TYPE_CHECKING:
    import boto3

    from rwlib.sessions import Aws
    from rwlib.target import Target

MANAGED_BY = "managed-by"
MANAGED_BY_VALUE = "risingwave-iam-runbook"
TARGET_TAG = "risingwave-iam-runbook:target"

# IAM counts a managed policy without white space, and the trust policy likewise (IAM user guide,
# IAM and STS quotas). GetAccountSummary tells an account's own figures.
POLICY_SIZE_QUOTA = 6144
VERSIONS_QUOTA = 5

# What each connector asks of S3, read from RisingWave's sources: l list, g get, p put,
# m delete below …/manifest/, d delete, a abort multipart upload.
_NEEDS = {
    "redshift": "lgpm",  # manifests are listed and deleted; COPY reads with the same role
    "snowflake_v2": "p",  # Snowflake reads its stage with a role of its own
    "snowflake": "lp",
    "s3_sink": "lp",
    "s3_source": "lg",
    "iceberg_sink": "lgpda",  # the Java S3FileIO aborts failed multipart uploads
    "iceberg_source": "lg",
}

REASONS = {
    "RisingWaveListPrefix": "finds files under the prefix, and nothing beside it",
    "RisingWaveReadObjects": "reads files under the prefix",
    "RisingWaveWriteObjects": "writes files under the prefix; PutObject also covers multipart",
    "RisingWaveDeleteManifests": "the Redshift sink removes its COPY manifests, nothing else",
    "RisingWaveDeleteObjects": "Iceberg replaces and expires files under the warehouse",
    "RisingWaveUseKmsKey": "the bucket is encrypted with this key: GenerateDataKey to write, "
    "Decrypt to read and for multipart uploads",
    "RisingWaveGlueCatalog": "the Glue catalog of the Iceberg tables",
}


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
) -> dict[str, Any]:
    """Return the least privilege that the connectors need, one statement for each purpose.

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
    """
    names = list(connectors)
    needs = {need for name in names for need in _NEEDS[name]}
    escaped = escape_pattern(prefix)
    bucket_arn = f"arn:aws:s3:::{bucket}"
    objects = f"{bucket_arn}/{escaped}/*" if prefix else f"{bucket_arn}/*"
    statements: list[dict[str, Any]] = []

    def allow(sid: str, actions: list[str], resource: Any, condition: Any = None) -> None:
        statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
        statements.append({**statement, "Condition": condition} if condition else statement)

    if "l" in needs:
        patterns = [escaped, f"{escaped}/", f"{escaped}/*"]
        allow(
            "RisingWaveListPrefix",
            ["s3:ListBucket"],
            bucket_arn,
            {"StringLike": {"s3:prefix": patterns}} if prefix else None,
        )
    if "g" in needs:
        allow("RisingWaveReadObjects", ["s3:GetObject"], objects)
    if "p" in needs:
        actions = ["s3:PutObject", *(["s3:AbortMultipartUpload"] if "a" in needs else [])]
        allow("RisingWaveWriteObjects", actions, objects)
    if "d" in needs:
        allow("RisingWaveDeleteObjects", ["s3:DeleteObject"], objects)
    elif "m" in needs:
        allow("RisingWaveDeleteManifests", ["s3:DeleteObject"], f"{objects}/manifest/*")
    if kms_key_arn:
        actions = ["kms:Decrypt", *(["kms:GenerateDataKey"] if "p" in needs else [])]
        allow("RisingWaveUseKmsKey", actions, kms_key_arn)
    if glue is not None:
        allow("RisingWaveGlueCatalog", *_glue_grant(glue))
    return {"Version": "2012-10-17", "Statement": statements}


def _glue_grant(glue: Mapping[str, str]) -> tuple[list[str], list[str]]:
    place = f"arn:aws:glue:{glue['region_name']}:{glue['account_id']}"
    database = glue.get("database") or "*"
    actions = ["glue:GetDatabase", "glue:GetTable"]
    if glue.get("writes"):
        actions += ["glue:CreateDatabase", "glue:CreateTable", "glue:UpdateTable"]
    table = glue.get("table") or "*"
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


def glue_settings(target: Target, account_id: str, region_name: str) -> dict[str, str] | None:
    """Return where the target's Glue catalog is, None when it uses none."""
    iceberg = [name for name in target.connectors if name.startswith("iceberg")]
    options: list[Any] = [target.sql_options, *target.sql_options.values()]
    catalogs = {str(each.get("catalog.type", "")) for each in options if isinstance(each, dict)}
    if not iceberg or not (target.glue_database or catalogs & {"glue", "glue_rust"}):
        return None
    database = target.glue_database or _option(options, "database.name")
    return {
        "account_id": target.glue_catalog_id or account_id,
        "region_name": target.glue_region_name or region_name,
        "database": database,
        "table": target.glue_table,
        "writes": "yes" if "iceberg_sink" in iceberg else "",
    }


def _option(options: list[Any], name: str) -> str:
    values = {str(each[name]) for each in options if isinstance(each, dict) and each.get(name)}
    return values.pop() if len(values) == 1 else ""


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
    """
    if target.policy_style == "documented":
        return documented_policy(target.bucket, target.prefix)
    return recommended_policy(
        target.connectors,
        target.bucket,
        target.prefix,
        kms_key_arn=target.kms_key_arn or kms_key_arn,
        glue=glue_settings(target, account_id, region_name),
    )


def policy_text(document: Mapping[str, Any]) -> str:
    """JSON text of a document as it is sent: ASCII only, because IAM refuses more."""
    return json.dumps(document, indent=2)


def check_size(document: Mapping[str, Any], quota: int, what: str, hint: str) -> None:
    """Refuse a document that passes its quota, counted without white space.

    Raises
    ------
    PolicyLimitError
        With the document's size, the quota and what to do.
    """
    size = len("".join(json.dumps(document).split()))
    if size > quota:
        raise PolicyLimitError(
            f"{what}: the document has {size:,} characters and AWS allows {quota:,}; {hint}"
        )


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags in the shape of AWS's API."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return tags of AWS's API as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def ensure_policy(
    session: boto3.Session | Aws,
    policy_name: str,
    document: Mapping[str, Any],
    *,
    tags: Mapping[str, str] | None = None,
    used_by: str = "",
    ledger: Ledger | None = None,
    apply: bool = False,
) -> Change:
    """Make the customer-managed policy exist with the given document.

    Safe to run again: an equal document is left alone, whatever its formatting. Another document
    becomes a new default version; where five exist, the oldest that is not the default is
    deleted. Never changes a policy that this runbook did not make and that something other than
    ``used_by`` uses.

    Parameters
    ----------
    policy_name
        1-128 characters, not an ARN.
    used_by
        Name of the role that may use the policy already.

    Raises
    ------
    PolicyLimitError
        The document is larger than the account's quota.
    ConflictError
        Somebody else uses a policy of that name with another document.
    """
    from botocore.exceptions import ClientError

    from rwlib.sessions import Aws, is_missing, policy_json, refused

    aws = Aws.of(session)
    arn = f"arn:aws:iam::{aws.account_id}:policy/{policy_name}"
    ledger = ledger or Ledger()
    check_size(
        document,
        account_quota(aws, "PolicySizeQuota", POLICY_SIZE_QUOTA, document),
        f"policy {policy_name}",
        "use a shorter prefix or fewer connectors",
    )
    try:
        policy = aws.read("iam", "get_policy", about=arn, PolicyArn=arn)["Policy"]
    except ClientError as error:
        if not is_missing(error):
            raise refused(error, f"looking for policy {policy_name}") from error
        change = Change(
            "create", "IAM policy", arn, after=dict(document), calls=("iam:CreatePolicy",)
        )
        if not apply:
            return change
        return _create_policy(aws, policy_name, document, tags or {}, used_by, change, ledger)
    current = policy_json(
        aws.read(
            "iam",
            "get_policy_version",
            about=arn,
            PolicyArn=arn,
            VersionId=policy["DefaultVersionId"],
        )["PolicyVersion"]["Document"]
    )
    wanted_tags = _missing_tags(policy, tags or {})
    if canonical(current) == canonical(document) and not wanted_tags:
        return Change("none", "IAM policy", arn, before=current, after=current)
    if canonical(current) == canonical(document):
        change = Change(
            "update", "IAM policy", arn, f"tags {', '.join(wanted_tags)}", calls=("iam:TagPolicy",)
        )
        if apply:
            ledger.intend(change)
            aws.write("iam", "tag_policy", about=arn, PolicyArn=arn, Tags=tag_list(wanted_tags))
            ledger.done(change)
            return change.done()
        return change
    _refuse_shared(aws, arn, policy, used_by)
    return _new_version(aws, arn, policy, current, document, ledger, apply)


def _create_policy(
    aws: Aws,
    policy_name: str,
    document: Mapping[str, Any],
    tags: Mapping[str, str],
    used_by: str,
    change: Change,
    ledger: Ledger,
) -> Change:
    from botocore.exceptions import ClientError

    from rwlib.sessions import error_code, is_missing, refused

    ledger.intend(change)
    try:
        aws.write(
            "iam",
            "create_policy",
            about=change.name,
            PolicyName=policy_name,
            PolicyDocument=policy_text(document),
            Description="S3 access for RisingWave Cloud",
            Tags=tag_list({**tags, MANAGED_BY: MANAGED_BY_VALUE}),
        )
    except ClientError as error:
        if error_code(error) != "EntityAlreadyExists":
            raise refused(error, f"creating policy {policy_name}") from error
        # Another run was quicker, or the answer to our own call was lost: go on from what is.
        try:
            aws.read("iam", "get_policy", about=change.name, PolicyArn=change.name)
        except ClientError as missing:
            if is_missing(missing):
                raise ConflictError(
                    f"policy_name: {policy_name!r} exists under another path; give another name"
                ) from None
            raise
        ensure_policy(
            aws, policy_name, document, tags=tags, used_by=used_by, ledger=ledger, apply=True
        )
    ledger.done(change)
    return change.done()


def _missing_tags(policy: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, str]:
    """Return wanted tags that a policy of ours lacks; somebody else's policy is not tagged."""
    present = tag_map(policy.get("Tags", []))
    if present.get(MANAGED_BY) != MANAGED_BY_VALUE:
        return {}
    return {key: value for key, value in tags.items() if present.get(key) != value}


def _refuse_shared(aws: Aws, arn: str, policy: Mapping[str, Any], used_by: str) -> None:
    if tag_map(policy.get("Tags", [])).get(MANAGED_BY) == MANAGED_BY_VALUE:
        return
    if not policy.get("AttachmentCount"):
        return
    users = aws.read("iam", "list_entities_for_policy", about=arn, PolicyArn=arn)
    names = [
        item[key]
        for member, key in (
            ("PolicyRoles", "RoleName"),
            ("PolicyUsers", "UserName"),
            ("PolicyGroups", "GroupName"),
        )
        for item in users.get(member, [])
    ]
    others = [name for name in names if name != used_by]
    if others:
        raise ConflictError(
            f"policy_name: {policy['PolicyName']!r} exists, was not made by this runbook and is "
            f"used by {', '.join(others)}; give another policy_name"
        )


def _new_version(
    aws: Aws,
    arn: str,
    policy: Mapping[str, Any],
    current: Mapping[str, Any],
    document: Mapping[str, Any],
    ledger: Ledger,
    apply: bool,
) -> Change:
    from botocore.exceptions import ClientError

    from rwlib.sessions import policy_json, refused

    versions = aws.read_all("iam", "list_policy_versions", "Versions", about=arn, PolicyArn=arn)
    spare = [each for each in versions if not each["IsDefaultVersion"]]
    oldest = None
    if len(versions) >= VERSIONS_QUOTA:
        oldest = min(spare, key=lambda each: int(each["VersionId"][1:]))["VersionId"]
    change = Change(
        "update",
        "IAM policy",
        arn,
        f"new default version; {policy['DefaultVersionId']} stays as a version"
        if oldest != policy["DefaultVersionId"]
        else "new default version",
        before=dict(current),
        after=dict(document),
        calls=(*(("iam:DeletePolicyVersion",) if oldest else ()), "iam:CreatePolicyVersion"),
        notes=(f"five versions exist: deletes the oldest, {oldest}",) if oldest else (),
    )
    if not apply:
        return change
    try:
        if oldest:
            old = aws.read("iam", "get_policy_version", about=arn, PolicyArn=arn, VersionId=oldest)[
                "PolicyVersion"
            ]["Document"]
            removal = Change("delete", "policy version", f"{arn} {oldest}", before=policy_json(old))
            ledger.intend(removal)
            aws.write("iam", "delete_policy_version", about=arn, PolicyArn=arn, VersionId=oldest)
            ledger.done(removal)
        ledger.intend(change)
        aws.write(
            "iam",
            "create_policy_version",
            about=arn,
            PolicyArn=arn,
            PolicyDocument=policy_text(document),
            SetAsDefault=True,
        )
    except ClientError as error:
        raise refused(error, f"writing policy {policy['PolicyName']}") from error
    ledger.done(change)
    return change.done()


def account_quota(aws: Aws, name: str, default: int, document: Mapping[str, Any]) -> int:
    """Return an account's quota; asked only when AWS's default could be passed."""
    from botocore.exceptions import ClientError

    if len("".join(json.dumps(document).split())) <= default:
        return default
    try:
        summary = aws.read("iam", "get_account_summary", about="account")["SummaryMap"]
    except ClientError:
        return default
    return int(summary.get(name, default))
