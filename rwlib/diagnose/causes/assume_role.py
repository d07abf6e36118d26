"""Why STS refuses ``sts:AssumeRole``.

Across accounts the caller's identity policy *and* the role's trust policy must allow it, and
AWS answers the same whichever does not (IAM user guide, "Cross-account policy evaluation"; STS
API reference, AssumeRole). Only inside one organization does it name the policy.
"""

from __future__ import annotations

import re
from typing import Final

from rwlib.diagnose.callers import account_of, role_of
from rwlib.diagnose.causes.candidates import Candidates, Reading
from rwlib.diagnose.denial import find_reason

_S3_SIDE: Final = (
    "s3_action_missing",
    "s3_resource_mismatch",
    "list_condition_too_narrow",
    "bucket_policy_denies",
    "policy_not_attached",
    "kms_role_permission",
)
_TRUST: Final = (
    "trust_principal_mismatch",
    "trust_external_id_required",
    "trust_condition_unmet",
    "trust_principal_deleted",
    "trust_missing",
)
_SENT_ALONG: Final = {
    "sts:tagsession": "session tags",
    "sts:setsourceidentity": "a source identity",
    "sts:setcontext": "a context of IAM Identity Center",
}
_ALLOWED: Final = ("allowed_principal_missing", "allowed_principal_other_arn")


def assume_role_denied(reading: Reading) -> Candidates:
    """Rank the causes of a refused ``sts:AssumeRole``."""
    candidates = Candidates()
    denial = reading.denial
    layer = denial.layer if denial else None
    quote = reading.quote
    if re.search(r"session limit|MaxSessionDuration", reading.facts.flat):
        return candidates.likely("unknown", quote)
    if reading.verdict.weak and denial is None:
        return _no_reason(candidates, quote)
    if layer in ("scp", "rcp"):
        return candidates.certain("scp_denies", quote)
    if layer == "boundary":
        return candidates.certain("boundary_denies", quote)
    if layer in ("session", "endpoint"):
        return candidates.likely("unknown", quote)
    if denial and denial.action.lower() in _SENT_ALONG:
        return _sent_along(candidates, reading)
    _compare_with_target(candidates, reading)
    _name_what_is_no_role(candidates, reading)
    if layer == "identity":
        _identity_side(candidates, reading)
    elif layer in ("trust", "resource"):
        candidates.likely(
            "trust_principal_mismatch", quote, "AWS names the role's trust policy"
        ).possible(*_TRUST[1:], "propagation_delay")
        candidates.exclude(("role_missing",), "AWS speaks of the role's trust policy: it exists")
    else:
        _either_side(candidates, reading)
    return candidates.exclude(_S3_SIDE, "STS refused: no request went to S3")


def _sent_along(candidates: Candidates, reading: Reading) -> Candidates:
    """The caller sends tags or a source identity, and may not.

    The trust policy must allow ``sts:TagSession`` or ``sts:SetSourceIdentity`` beside
    ``sts:AssumeRole`` (IAM user guide, "Passing session tags in AWS STS", "Monitor and control
    actions taken with assumed roles").
    """
    denial = reading.denial
    layer = denial.layer if denial else None
    what = _SENT_ALONG[(reading.action or "").lower()]
    why = f"the caller sends {what}, which AWS asks about apart from sts:AssumeRole"
    if layer in ("trust", "resource"):
        return candidates.certain("trust_tag_session_missing", reading.quote, why)
    if layer == "identity":
        own = f"AWS names the caller's own policies: they must allow {reading.action} too"
        candidates.likely("unknown", reading.quote, own)
        return candidates.possible("trust_tag_session_missing", because=why)
    candidates.likely("trust_tag_session_missing", reading.quote, why)
    _compare_with_target(candidates, reading)
    candidates.possible("trust_principal_mismatch", "role_missing", "propagation_delay")
    return candidates.exclude(_S3_SIDE, "STS refused: no request went to S3")


def _compare_with_target(candidates: Candidates, reading: Reading) -> None:
    target, resource = reading.target, reading.resource
    if target is None:
        return
    if resource and ":role/" in resource:
        name = resource.rsplit("/", 1)[1]
        if name != target.role_name:
            candidates.likely(
                "sql_wrong_role_arn",
                f"the message names the role {name}, the target's role is {target.role_name}",
            )
    caller = reading.caller
    workload = target.workload_identity_arn
    if caller and workload and role_of(caller) != role_of(workload):
        candidates.likely(
            "trust_principal_mismatch",
            f"the caller is {role_of(caller)}, the target trusts {role_of(workload)}",
        )


def _name_what_is_no_role(candidates: Candidates, reading: Reading) -> None:
    resource = reading.resource
    if resource and resource.startswith("arn:") and ":role/" not in resource:
        candidates.likely("sql_wrong_role_arn", f"{resource} is not the ARN of a role")


def _identity_side(candidates: Candidates, reading: Reading) -> None:
    """AWS says that the caller's own policies do not allow it."""
    quote = reading.quote
    if reading.caller_kind == "snowflake":
        candidates.likely("trust_principal_mismatch", quote)
        return
    candidates.likely(
        "allowed_principal_missing",
        quote,
        "AWS names the caller's own policies: RisingWave's side, which Allowed Principals write",
    )
    candidates.possible(
        "allowed_principal_other_arn",
        "sql_wrong_role_arn",
        "allowed_principals_failed",
        "propagation_delay",
    )
    candidates.possible(
        "trust_principal_mismatch", because="when both sides refuse, AWS names only one"
    )


def _either_side(candidates: Candidates, reading: Reading) -> None:
    quote = reading.quote
    kind, caller = reading.caller_kind, reading.caller
    if kind == "risingwave":
        who = "the caller is RisingWave's own Workload Identity: the role was never assumed"
    elif kind == "snowflake" or "AWS_ROLE" in reading.facts.flat:
        who = "the caller is Snowflake's storage integration, not RisingWave"
    elif caller:
        who = f"the caller is {caller}: the role was never assumed"
    else:
        who = "the message does not name the caller"
    same_account = caller and account_of(caller) == account_of(reading.resource)
    candidates.likely("trust_principal_mismatch", quote, who)
    if kind == "snowflake" or "AWS_ROLE" in reading.facts.flat:
        candidates.possible("trust_external_id_required", "trust_condition_unmet", "role_missing")
        candidates.exclude(_ALLOWED, "Allowed Principals concern RisingWave's identity only")
    else:
        if kind == "risingwave":
            candidates.likely(
                "allowed_principal_missing",
                "AWS answers the same when RisingWave's side does not allow the role",
            )
        elif not same_account:
            candidates.possible("allowed_principal_missing")
        candidates.possible(
            "trust_external_id_required",
            "trust_principal_deleted",
            "role_missing",
            "trust_condition_unmet",
            "trust_missing",
            "allowed_principal_other_arn",
            "allowed_principals_failed",
            "sql_wrong_role_arn",
            "propagation_delay",
        )
    candidates.possible("trust_explicit_deny", "scp_denies")


def _no_reason(candidates: Candidates, quote: str) -> Candidates:
    """The visible error hides STS's answer; it stands elsewhere in the log."""
    return candidates.possible("trust_principal_mismatch", because=quote).possible(
        "allowed_principal_missing",
        "config_load_refused",
        "sql_missing_option",
        "role_missing",
        because="the credentials could not be loaded; a WARN line before this one says why",
    )


def explicit_deny(reading: Reading) -> Candidates:
    """Rank the causes of a refusal "with an explicit deny"."""
    candidates = Candidates()
    denial = reading.denial
    layer = denial.layer if denial else None
    if layer is None:
        layer = find_reason(reading.facts.flat)[0]
    quote = reading.quote
    sts = bool(denial and denial.service == "sts") or (
        denial is None and reading.facts.side == "sts"
    )
    if layer in ("scp", "rcp"):
        return candidates.certain("scp_denies", quote)
    if layer == "boundary":
        return candidates.certain("boundary_denies", quote)
    if layer == "trust" or (layer == "resource" and sts):
        return candidates.certain("trust_explicit_deny", quote)
    if layer == "resource":
        # An access point has a resource-based policy of its own.
        settled = denial is not None and "accesspoint" not in (reading.resource or "")
        candidates.add("certain" if settled else "likely", "bucket_policy_denies", quote)
        return candidates.exclude(
            ("s3_action_missing",),
            "an explicit deny wins over every Allow: adding one does not help",
        )
    if layer in ("identity", "session", "endpoint"):
        return candidates.likely("unknown", quote)
    if sts:
        return candidates.likely("trust_explicit_deny", quote).possible("scp_denies")
    return candidates.likely("bucket_policy_denies", quote).possible(
        "scp_denies", "boundary_denies"
    )
