"""Which read-only checks decide between causes: a table of check ids and the codes they give.

A check says why it does not pass with a code of `rwlib.verify.reasons`. Where the code says the
same as a cause, it is the cause's id; the table has the few that are called otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Decider:
    """The checks that settle one cause.

    Attributes
    ----------
    cause
        Id of the cause.
    confirms
        Check ids; a check of these that fails for one of the ``reasons`` confirms the cause, for
        another reason it rules it out.
    also
        Further codes that say the same as the cause's own id.
    excludes
        When all of these pass, the cause is ruled out; by default those that confirm it.
    per_action
        Only what is said of the refused action counts, such as ``s3:PutObject``.
    """

    cause: str
    confirms: tuple[str, ...]
    also: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    per_action: bool = False

    @property
    def reasons(self) -> frozenset[str]:
        """The codes that confirm the cause."""
        return frozenset((self.cause, *self.also))

    @property
    def checks(self) -> tuple[str, ...]:
        """Every check this cause depends on."""
        return tuple(dict.fromkeys((*self.confirms, *self.excludes)))


_TABLE: Final = (
    Decider("role_missing", ("role_exists",)),
    Decider("trust_principal_deleted", ("trust_principal",)),
    Decider("trust_principal_mismatch", ("trust_principal",)),
    Decider("trust_external_id_required", ("trust_conditions",)),
    Decider("trust_condition_unmet", ("trust_conditions",)),
    Decider("trust_explicit_deny", ("trust_deny",)),
    Decider("trust_missing", ("trust",)),
    Decider("policy_not_attached", ("policy_attached",)),
    Decider("policy_old_version", ("policy_documents",)),
    Decider("s3_action_missing", ("requests_allowed",), per_action=True),
    Decider("s3_resource_mismatch", ("requests_allowed",), per_action=True),
    Decider("list_condition_too_narrow", ("requests_allowed",), per_action=True),
    Decider("boundary_denies", ("boundary",)),
    Decider("scp_denies", ("scp",)),
    Decider("bucket_policy_denies", ("bucket_policy",)),
    Decider("block_public_access", ("block_public_access",)),
    Decider("bucket_missing", ("bucket_exists",)),
    Decider("bucket_in_other_account", ("bucket_owner",)),
    Decider(
        "bucket_region_mismatch", ("bucket_region", "sql_options"), excludes=("bucket_region",)
    ),
    # One sentence of KMS stands for a key that is disabled, deleted or in another region.
    Decider("kms_key_disabled", ("kms",), also=("kms_key_region_mismatch",)),
    Decider("kms_key_policy", ("kms_key_policy",)),
    Decider("kms_role_permission", ("kms",)),
    Decider("allowed_principals_failed", ("allowed_principal",)),
    Decider("allowed_principal_other_arn", ("allowed_principal",)),
    Decider("allowed_principal_missing", ("allowed_principal",)),
    Decider("sql_wrong_role_arn", ("sql_options",)),
    Decider("sql_wrong_role_option", ("sql_options",)),
    Decider("sql_missing_option", ("sql_options",)),
    Decider("sql_outside_prefix", ("sql_options",)),
    Decider("secret_missing", ("sql_options",)),
    Decider("iceberg_catalog_ignores_role", ("sql_options",)),
    Decider("redshift_trust_missing", ("redshift_trust",)),
    Decider("redshift_role_not_attached", ("redshift_role_attached",)),
    Decider(
        "glue_permission_missing", ("glue", "requests_allowed"), excludes=("requests_allowed",)
    ),
    Decider(
        "propagation_delay",
        ("propagation", "simulation"),
        also=("simulation_differs",),
        excludes=("propagation",),
    ),
    # A Deny of the role's own policies, and another condition of them, have no cause of their own.
    Decider(
        "unknown", ("requests_allowed",), also=("role_policy_denies", "request_condition_unmet")
    ),
)
DECIDERS: Final[dict[str, Decider]] = {decider.cause: decider for decider in _TABLE}

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
