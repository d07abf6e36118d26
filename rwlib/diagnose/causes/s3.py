"""Why S3, or the KMS key behind a bucket, refuses a request.

S3 words the reason only for callers of the bucket's account or organization (S3 user guide,
"Troubleshoot access denied (403 Forbidden) errors"); a bare ``Access Denied`` leaves it open.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs

from rwlib.diagnose.causes.candidates import Candidates, Reading
from rwlib.diagnose.denial import Layer

_NEVER_ASSUMED: Final = (
    "trust_principal_mismatch",
    "trust_external_id_required",
    "trust_principal_deleted",
    "trust_condition_unmet",
    "trust_missing",
    "role_missing",
    "allowed_principal_missing",
)
_OBJECT: Final = ("s3:getobject", "s3:putobject", "s3:deleteobject")


def s3_access_denied(reading: Reading) -> Candidates:
    """Rank the causes of a refused S3 request."""
    candidates = Candidates()
    if reading.role_session:
        candidates.exclude(
            _NEVER_ASSUMED, f"{reading.caller} is a session of the role: it was assumed"
        )
    layer = reading.denial.layer if reading.denial else None
    if _settled_by_layer(candidates, layer, reading.quote):
        return candidates
    _compare_with_target(candidates, reading)
    if layer == "resource":
        candidates.likely(
            "bucket_in_other_account",
            reading.quote,
            "AWS asks for a bucket policy only when bucket and caller are in two accounts",
        )
        return candidates.possible("s3_resource_mismatch", "sql_wrong_role_option")
    if layer == "identity":
        _role_policies(candidates, reading, reading.quote)
        return candidates
    _bare(candidates, reading)
    return candidates


def _settled_by_layer(candidates: Candidates, layer: Layer | None, quote: str) -> bool:
    """Decide when AWS names a policy that is neither the role's nor the bucket's."""
    if layer in ("scp", "rcp"):
        candidates.certain("scp_denies", quote)
    elif layer == "boundary":
        candidates.certain("boundary_denies", quote)
    elif layer == "public":
        candidates.certain("block_public_access", quote)
    elif layer in ("session", "endpoint"):
        candidates.likely("unknown", quote)
    else:
        return False
    candidates.exclude(("s3_action_missing",), "AWS names another policy than the role's own")
    return True


def _compare_with_target(candidates: Candidates, reading: Reading) -> None:
    target = reading.target
    if target is None:
        return
    bucket, key = _bucket_and_key(reading)
    if bucket and target.bucket and bucket != target.bucket:
        candidates.likely(
            "s3_resource_mismatch",
            f"the request goes to bucket {bucket}, the target's policy is for {target.bucket}",
        )
    prefix = target.prefix
    if not prefix or key is None or (bucket and bucket != target.bucket):
        return
    listing = (reading.action or "").lower() == "s3:listbucket"
    if not (key == prefix or key.startswith(f"{prefix}/")) and (key or listing):
        candidates.likely(
            "sql_outside_prefix",
            f"{key or 'the whole bucket'} is not under the prefix {prefix}/",
        )
    elif listing and key == prefix:
        candidates.likely(
            "list_condition_too_narrow",
            f'the listing asks for "{key}" without a slash, which a condition "{key}/*" refuses',
        )


def _bucket_and_key(reading: Reading) -> tuple[str | None, str | None]:
    """Return bucket and key, or the listed prefix; None where the text does not say."""
    facts = reading.facts
    match = re.match(r"arn:[\w-]+:s3:::([^/]+)(?:/(.*))?$", reading.resource or "")
    bucket = match[1] if match else facts.bucket
    if (reading.action or "").lower() == "s3:listbucket":
        if facts.query:
            listed = parse_qs(facts.query, keep_blank_values=True).get("prefix", [""])[0]
            return bucket, listed
        return bucket, facts.key
    return bucket, (match[2] if match and match[2] else facts.key)


def _role_policies(candidates: Candidates, reading: Reading, *evidence: str) -> None:
    action = (reading.action or "").lower()
    if action in ("s3:listbucket", "s3:getbucketlocation"):
        why = (
            "s3:GetBucketLocation carries no s3:prefix, so a statement with that condition never "
            "allows it"
            if action == "s3:getbucketlocation"
            else "an s3:prefix condition refuses a listing it does not cover, also that of the "
            "prefix without its slash"
        )
        candidates.likely("list_condition_too_narrow", *evidence, why)
        candidates.possible("s3_action_missing", "policy_not_attached", "s3_resource_mismatch")
    else:
        candidates.likely("s3_action_missing", *evidence)
        candidates.possible("s3_resource_mismatch", "policy_not_attached")
    candidates.possible("sql_outside_prefix", "policy_old_version", "propagation_delay")


def _bare(candidates: Candidates, reading: Reading) -> None:
    """S3 gives no reason."""
    facts = reading.facts
    bare = re.search(
        r"(?:message: \"|<Message>|AccessDenied[\"')]?:? (?:Message: )?)Access Denied\b", facts.flat
    )
    if bare and facts.risingwave:
        candidates.likely(
            "bucket_in_other_account",
            reading.quote,
            "inside one account S3 gives the reason; it gives none to a caller of another account",
        )
    _role_policies(candidates, reading, reading.quote)
    candidates.possible("bucket_policy_denies", "bucket_in_other_account", "block_public_access")
    candidates.possible("boundary_denies", "scp_denies")
    if (reading.action or "").lower() in _OBJECT:
        candidates.possible("kms_role_permission", "kms_key_policy", "kms_key_disabled")


def redshift_copy_s3_denied(reading: Reading) -> Candidates:
    """Rank the causes of a COPY whose role S3 refuses."""
    candidates = Candidates()
    candidates.exclude(
        ("redshift_trust_missing", "redshift_role_not_attached"),
        "the refusal comes from S3: Redshift did assume the role",
    )
    layer = reading.denial.layer if reading.denial else None
    if _settled_by_layer(candidates, layer, reading.quote):
        return candidates
    _compare_with_target(candidates, reading)
    if layer == "resource":
        candidates.likely("bucket_in_other_account", reading.quote)
    _role_policies(candidates, reading, reading.quote)
    if layer is None:
        candidates.possible(
            "list_condition_too_narrow",
            "bucket_policy_denies",
            "kms_role_permission",
            "kms_key_policy",
            "bucket_in_other_account",
        )
    return candidates


def kms_denied(reading: Reading) -> Candidates:
    """Rank the causes of a refused use of the bucket's key.

    The role's policies and the key policy must both allow it (KMS developer guide,
    "Troubleshooting key access"); a disabled or deleted key refuses everybody.
    """
    candidates = Candidates()
    quote, flat = reading.quote, reading.facts.flat
    denial = reading.denial
    if _settled_by_layer(candidates, denial.layer if denial else None, quote):
        return candidates
    if denial and denial.service == "kms":
        if denial.layer == "identity" and not denial.explicit:
            candidates.certain("kms_role_permission", quote)
        elif denial.layer == "identity":
            candidates.likely("kms_role_permission", quote)
        elif denial.layer == "resource" and "does not exist in this Region" in denial.sentence:
            candidates.likely("kms_key_policy", quote)
            candidates.possible("kms_key_disabled", "kms_role_permission")
        elif denial.layer == "resource":
            candidates.certain("kms_key_policy", quote)
        else:
            candidates.likely("kms_role_permission", quote).likely("kms_key_policy")
        if not denial.explicit and denial.layer in ("identity", "resource"):
            candidates.possible("kms_key_policy", "kms_role_permission")
        return candidates
    if re.search(r"refers? to a .{0,40}key that (?:does not|doesn't) exist", flat, re.IGNORECASE):
        # One sentence for three faults, on purpose (KMS API reference, Decrypt).
        return candidates.possible(
            "kms_role_permission", "kms_key_policy", "kms_key_disabled", because=quote
        )
    if re.search(
        r"is disabled|not enabled|Disabled\w*Exception|KMSDisabled|pending deletion|InvalidState",
        flat,
        re.IGNORECASE,
    ):
        return candidates.certain("kms_key_disabled", quote)
    if re.search(r"NotFound|Invalid keyId|key\b.{0,60}does not exist(?!,)", flat, re.IGNORECASE):
        return candidates.likely("kms_key_disabled", quote).possible("kms_key_policy")
    return (
        candidates.likely("kms_key_policy", quote)
        .likely("kms_role_permission")
        .possible("kms_key_disabled")
    )
