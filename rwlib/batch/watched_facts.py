"""What a drift watch remembers of a target: the documents and settings that decide."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rwlib.runbook import Runbook

TITLES = {
    "workload_identity_arn": "the cluster's Workload Identity",
    "role_arn": "the role's ARN",
    "role_id": "the role's unique id (another id is another role of the same name)",
    "trust_policy": "the trust policy",
    "permissions_boundary": "the permissions boundary",
    "bucket_region": "the bucket's region",
    "bucket_key": "the bucket's key",
    "bucket_key_state": "the state of the bucket's key",
    "bucket_key_policy": "the key policy",
    "bucket_policy": "the bucket policy",
    "public_access_block": "Block Public Access",
    "problem": "what kept it from being looked at",
}


def facts_of(book: Runbook) -> dict[str, Any]:
    """Return the facts of what was just looked at, as plain JSON values.

    A policy of the role is a fact named ``policy <ARN or name>``, a check's verdict one named
    ``check <title>``. What could not be read is left out, so that it never looks like a change.
    """
    now = book.situation
    assert now is not None
    bucket = now.bucket
    facts: dict[str, Any] = {
        "workload_identity_arn": book.workload_identity_arn,
        "role_arn": now.role_arn,
        "bucket_region": bucket.region_name,
    }
    if not now.why_unknown("role"):
        facts["role_id"] = now.role_id
        facts["trust_policy"] = now.trust_policy
        facts["permissions_boundary"] = now.boundary_arn
    if not (now.why_unknown("attached policies") or now.why_unknown("inline policies")):
        for name, document in now.identity:
            if not now.why_unknown(name):
                facts[f"policy {name}"] = document
    for name, what, value in (
        ("bucket_policy", "bucket policy", bucket.policy),
        ("bucket_key", "encryption", bucket.kms_key_arn),
        ("bucket_key_state", "kms key", (bucket.kms_key or {}).get("KeyState", "")),
        ("bucket_key_policy", "kms key policy", bucket.kms_key_policy),
        ("public_access_block", "block public access", bucket.public_access_block),
    ):
        if not bucket.why_unknown(what):
            facts[name] = value
    for check in book.checks:
        facts[f"check {check.title}"] = check.status
    plain: dict[str, Any] = json.loads(json.dumps(facts, default=str))
    return plain


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is not as it was; documents that mean the same are the same.

    A fact of which one look knows nothing is compared by nobody, but a policy that came or went
    is a change.
    """
    from rwlib.steps import canonical

    changed = []
    policies_seen = "role_id" in before and "role_id" in now
    for name in [*before, *(name for name in now if name not in before)]:
        if name not in before or name not in now:
            if not (name.startswith("policy ") and policies_seen) and name != "problem":
                continue
        elif canonical(before[name]) == canonical(now[name]):
            continue
        changed.append(
            {"fact": TITLES.get(name, name), "before": before.get(name), "now": now.get(name)}
        )
    return changed
