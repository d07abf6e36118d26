"""Which read-only checks decide between causes: a table of check ids and what they must say.

Evidence is matched because one check can fail for several reasons: the trust policy's principal
may be another one or a deleted one. Ids and wording are those of the verification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Decider:
    """The checks that settle one cause.

    Attributes
    ----------
    confirms
        Check ids; a check of these that fails confirms the cause when its evidence says what
        stands beside the id (a regular expression, empty for anything).
    unless
        Lines of evidence that say it failed for another reason.
    excludes
        When all of these pass, the cause is ruled out; by default those that confirm it.
    per_action
        Only lines about the refused action count, such as ``(s3:PutObject on …)``.
    yields_to
        Where one of these checks fails, it names the fault better, and this cause is ruled out.
    """

    confirms: Mapping[str, str]
    unless: str = ""
    excludes: tuple[str, ...] = ()
    per_action: bool = False
    yields_to: tuple[str, ...] = ()

    @property
    def checks(self) -> tuple[str, ...]:
        """Every check this cause depends on."""
        return tuple(dict.fromkeys((*self.yields_to, *self.confirms, *self.excludes)))


_NO_ROLE: Final = r"there is no role"
_DELETED: Final = r"\bA(?:ROA|IDA)\w|deleted"
# The statement names the principal, but denies: "it names X, not X".
_NAMED_ANYWAY: Final = r"names .*?(arn:[\w:/+=,.@-]+?)(?:, .*)?, not \1$"
# The list has the role's name in another account or under another path.
_SAME_NAME: Final = r"[/:]([\w+=.@-]+) is not listed; .*/\1(?:,|$)"
_KEY_STATE: Final = r"disabled|pending|is not in the bucket's region"
_NEAREST: Final = r"\(s3:\w+ on .*refused; not allowed by .* identity-based policy .*?: "


def _sql(says: str) -> Decider:
    return Decider({"sql_options": says})


def _request(says: str) -> Decider:
    # A policy that is not attached allows nothing: then that is the fault.
    return Decider({"requests_allowed": says}, per_action=True, yields_to=("policy_attached",))


DECIDERS: Final[dict[str, Decider]] = {
    "role_missing": Decider({"role_exists": ""}),
    "trust_principal_deleted": Decider({"trust_principal": _DELETED}, unless=_NO_ROLE),
    "trust_principal_mismatch": Decider(
        {"trust_principal": ""}, unless=f"{_DELETED}|{_NO_ROLE}|{_NAMED_ANYWAY}"
    ),
    "trust_external_id_required": Decider({"trust_conditions": r"external.?id"}, unless=_NO_ROLE),
    "trust_condition_unmet": Decider(
        {"trust_conditions": r"condition"}, unless=rf"external.?id|{_NO_ROLE}"
    ),
    "trust_explicit_deny": Decider({"trust_deny": ""}, unless=_NO_ROLE),
    "trust_missing": Decider(
        {"trust": ""},
        unless=rf"may assume the role too|{_NO_ROLE}",
        yields_to=("trust_principal", "trust_conditions", "trust_deny"),
    ),
    "policy_not_attached": Decider({"policy_attached": ""}, yields_to=("role_exists",)),
    "policy_old_version": Decider({"policy_documents": r"(?:default|older|old) version"}),
    "s3_action_missing": _request(
        rf"{_NEAREST}Action: wanted|\(s3:\w+ on .*refused; no identity-based policy"
    ),
    "s3_resource_mismatch": _request(rf"{_NEAREST}Resource: wanted"),
    "list_condition_too_narrow": _request(rf"{_NEAREST}Condition \S+ s3:prefix"),
    "boundary_denies": Decider({"boundary": ""}),
    "scp_denies": Decider({"scp": ""}),
    "bucket_policy_denies": Decider({"bucket_policy": ""}),
    "block_public_access": Decider({"block_public_access": ""}),
    "bucket_missing": Decider({"bucket_exists": ""}),
    "bucket_in_other_account": Decider({"bucket_owner": ""}),
    "bucket_region_mismatch": Decider(
        {"bucket_region": "", "sql_options": r"is not the bucket's region"},
        excludes=("bucket_region",),
    ),
    "kms_key_disabled": Decider({"kms": _KEY_STATE}),
    "kms_key_policy": Decider({"kms_key_policy": ""}),
    "kms_role_permission": Decider(
        {"kms": ""}, unless=rf"{_KEY_STATE}|resource-based policy|see kms_key_policy"
    ),
    "allowed_principals_failed": Decider({"allowed_principal": r"\bFailed\b"}),
    "allowed_principal_other_arn": Decider({"allowed_principal": rf"instead|similar|{_SAME_NAME}"}),
    "allowed_principal_missing": Decider(
        {"allowed_principal": ""}, unless=rf"\bFailed\b|instead|similar|{_SAME_NAME}"
    ),
    "sql_wrong_role_arn": _sql(
        r"does not name arn:|is not the target's role|is a role's name|is the ARN of a session"
        r"|is no ARN of an IAM role|is of another partition"
    ),
    "sql_wrong_role_option": _sql(r"is the role option of"),
    "sql_missing_option": _sql(r"is missing|is required|is off\b|is empty"),
    "sql_outside_prefix": _sql(r"outside the prefix|may list '|may not write there"),
    "secret_missing": _sql(r"is plain text"),
    "iceberg_catalog_ignores_role": _sql(r"catalog.*(?:ignores|without the role)"),
    "redshift_trust_missing": Decider({"redshift_trust": ""}, unless=_NO_ROLE),
    "redshift_role_not_attached": Decider({"redshift_role_attached": ""}),
    "glue_permission_missing": Decider(
        {"glue": "", "requests_allowed": r"\(glue:\w+ on .*refused"}, excludes=("requests_allowed",)
    ),
    "propagation_delay": Decider({"propagation": "", "simulation": ""}, excludes=("propagation",)),
    # A Deny of the role's own policies has no cause of its own.
    "unknown": Decider({"requests_allowed": r"refused; denied by .* identity-based policy"}),
}

_SETTLES: Final[dict[str, tuple[str, ...]]] = {
    "assume_role_denied": (
        *("role_missing", "trust_principal_deleted", "trust_principal_mismatch"),
        *("trust_external_id_required", "trust_condition_unmet", "trust_missing"),
        *("allowed_principals_failed", "allowed_principal_other_arn"),
        *("allowed_principal_missing", "sql_wrong_role_arn"),
    ),
    "s3_access_denied": (
        *("policy_not_attached", "policy_old_version", "s3_action_missing"),
        *("s3_resource_mismatch", "list_condition_too_narrow", "boundary_denies"),
        *("block_public_access", "bucket_in_other_account", "sql_outside_prefix"),
    ),
    "explicit_deny": ("trust_explicit_deny", "scp_denies", "bucket_policy_denies", "unknown"),
    "kms_denied": ("kms_key_disabled", "kms_key_policy", "kms_role_permission"),
    "no_such_bucket": ("bucket_missing",),
    "region_wrong": ("bucket_region_mismatch",),
    "role_not_applied": ("sql_wrong_role_option", "iceberg_catalog_ignores_role"),
    "missing_option": ("sql_missing_option",),
    "secret_required": ("secret_missing",),
    "redshift_role_not_usable": ("redshift_trust_missing", "redshift_role_not_attached"),
    "glue_access_denied": ("glue_permission_missing",),
}
# The class that an error of this cause would have, for causes found with no text at all.
CLASS_OF: Final[dict[str, str]] = {
    cause: error_class for error_class, causes in _SETTLES.items() for cause in causes
}
