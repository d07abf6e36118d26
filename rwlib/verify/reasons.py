"""Why a check does not pass, as codes: one table, with the words that belong to each.

A `Check` carries the code in ``reason`` and, where a step of the runbook mends it, the step's
number in ``fixed_by``. Other code reads those two and never the sentences of the evidence. Where a
cause of the diagnosis says the same, the code is that cause's id.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckReason:
    """One code, and what a person reads about it.

    Parameters
    ----------
    code
        Stable id, such as ``trust_external_id_required``.
    hop
        The hop it belongs to (one of `rwlib.verify.check.HOPS`); empty where any hop can have it.
    title
        What is wrong, in a few words.
    meaning
        One sentence on what follows from it.
    fix
        What to do about it, in one sentence; empty where nothing is to be done.
    fixed_by
        The step that mends it when it is applied, None where a person has to.
    refuses_at
        The hop that refuses where it is another than the one that it belongs to.
    """

    code: str
    hop: str
    title: str
    meaning: str
    fix: str
    fixed_by: int | None = None
    refuses_at: str = ""


_TABLE = (
    # Any hop.
    CheckReason(
        "not_readable",
        "",
        "could not be looked at",
        "The credentials in use may not read it, so nothing is known about it.",
        "Run it with credentials that may read it; rwlib operator-policy prints the permissions.",
    ),
    CheckReason(
        "depends_on_context",
        "",
        "depends on something that only RisingWave's request shows",
        "A condition asks for a key whose value nobody here can know, so it may or may not work.",
        "See the evidence for the key and the values that are accepted.",
    ),
    CheckReason(
        "workload_identity_unknown",
        "trust",
        "the Workload Identity is not known",
        "Without the ARN of the Workload Identity nobody can say whether the role trusts it.",
        "Give workload_identity_arn, or an API key with which Cloud metadata can be read.",
    ),
    # Policy, role and boundary.
    CheckReason(
        "policy_missing",
        "policy",
        "the policy does not exist",
        "The role has none of the permissions that this target needs.",
        "Apply Step 1.",
        1,
    ),
    CheckReason(
        "policy_differs",
        "policy",
        "the policy is not the one this target asks for",
        "The role may do less, or more, than the connectors need.",
        "Apply Step 1.",
        1,
    ),
    CheckReason(
        "policy_old_version",
        "policy",
        "another version of the policy than this target's is the default one",
        "The version that this target asks for is there, and not in effect.",
        "Apply Step 1.",
        1,
    ),
    CheckReason(
        "policy_not_attached",
        "policy",
        "the policy is not attached to the role",
        "The role has none of its permissions.",
        "Apply Step 2.",
        2,
    ),
    CheckReason(
        "policy_finding",
        "policy",
        "Access Analyzer reports a fault in the policy",
        "AWS would refuse the policy, or warns of what it grants.",
        "Correct the input that the finding names.",
    ),
    CheckReason(
        "role_missing",
        "role",
        "the role does not exist",
        "RisingWave has nothing to assume.",
        "Apply Step 2.",
        2,
    ),
    CheckReason(
        "left_over",
        "role",
        "something of an earlier run for this target is left over",
        "The role may do what this target does not ask for any more.",
        "Apply Step 2.",
        2,
    ),
    CheckReason(
        "boundary_not_set",
        "boundary",
        "the role does not have the permissions boundary that was asked for",
        "The role may do more than its boundary would leave.",
        "Set the boundary with aws iam put-role-permissions-boundary.",
    ),
    CheckReason(
        "boundary_denies",
        "boundary",
        "the permissions boundary stops requests that the connectors need",
        "No policy of the role can allow what the boundary leaves out.",
        "Ask the owner of the boundary to allow these requests in it.",
    ),
    # Trust.
    CheckReason(
        "trust_principal_mismatch",
        "trust",
        "the trust policy does not name the Workload Identity",
        "STS refuses RisingWave.",
        "Apply Step 3.",
        3,
    ),
    CheckReason(
        "trust_principal_deleted",
        "trust",
        "the trust policy names a role that was deleted",
        "A unique id is left of it, which matches nobody.",
        "Apply Step 3.",
        3,
    ),
    CheckReason(
        "trust_external_id_required",
        "trust",
        "the trust policy asks for an external ID",
        "RisingWave's S3 connectors cannot send one, so STS refuses them.",
        "Remove the sts:ExternalId condition from that statement.",
    ),
    CheckReason(
        "trust_condition_unmet",
        "trust",
        "a condition of the trust policy is not met by RisingWave's request",
        "STS refuses RisingWave whatever else the trust policy says.",
        "Change or remove the condition that the evidence names.",
    ),
    CheckReason(
        "trust_explicit_deny",
        "trust",
        "a Deny of the trust policy shuts RisingWave out",
        "An Allow does not help against it.",
        "Exempt the Workload Identity in that Deny.",
    ),
    CheckReason(
        "trust_missing",
        "trust",
        "no statement of the trust policy lets RisingWave assume the role",
        "STS refuses RisingWave.",
        "Apply Step 3.",
        3,
    ),
    CheckReason(
        "trust_too_wide",
        "trust",
        "others may assume the role as well",
        "Whoever is named beside the Workload Identity reaches the bucket too.",
        "Take the other principal out of the trust policy.",
        3,
    ),
    # Allowed Principals.
    CheckReason(
        "allowed_principal_missing",
        "allowed principal",
        "the cluster does not list the role",
        "RisingWave Cloud does not let the cluster assume it.",
        "Apply Step 4.",
        4,
    ),
    CheckReason(
        "allowed_principal_other_arn",
        "allowed principal",
        "the cluster lists a role of the same name in another account or under another path",
        "RisingWave Cloud does not let the cluster assume this one.",
        "Apply Step 4.",
        4,
    ),
    CheckReason(
        "allowed_principals_failed",
        "allowed principal",
        "RisingWave Cloud failed to apply the list",
        "Failed is final: waiting does not help.",
        "Remove and add the entry in the console, or ask RisingWave's support.",
    ),
    CheckReason(
        "allowed_principals_updating",
        "allowed principal",
        "the list is still being applied",
        "The role is listed, and not in effect yet.",
        "Verify again in a minute.",
    ),
    CheckReason(
        "allowed_principal_confirmed",
        "allowed principal",
        "a person says that the role is listed",
        "Nobody looked: there is no API key.",
        "",
    ),
    CheckReason(
        "allowed_principal_unconfirmed",
        "allowed principal",
        "nobody has said whether the role is listed",
        "There is no API key to look with.",
        "Add the role in the console, and say so in allowed_principal_confirmed_by.",
    ),
    # Bucket.
    CheckReason(
        "bucket_missing",
        "bucket",
        "the bucket does not exist",
        "There is nothing to read or write.",
        "Create the bucket, or correct its name.",
    ),
    CheckReason(
        "bucket_in_other_account",
        "bucket",
        "the bucket is not in the role's account",
        "The bucket's own policy would have to let the role in.",
        "Use a role of the bucket's account.",
    ),
    CheckReason(
        "bucket_owner_unknown",
        "bucket",
        "AWS does not say who owns the bucket",
        "Whether the bucket's own policy must let the role in is not known.",
        "Ask with credentials of the bucket's account.",
    ),
    CheckReason(
        "bucket_region_mismatch",
        "bucket",
        "the region given is not the bucket's",
        "S3 refuses requests that are signed for another region.",
        "Give the bucket's region in region_name.",
    ),
    CheckReason(
        "bucket_policy_denies",
        "bucket",
        "the bucket policy denies requests that the connectors need",
        "An Allow does not help against a Deny.",
        "Exempt the role in that Deny, or make the requests meet its condition.",
    ),
    CheckReason(
        "block_public_access",
        "bucket",
        "Block Public Access may stand in the way",
        "RestrictPublicBuckets stops callers of other accounts when the policy is public.",
        "Use a role of the bucket's account.",
    ),
    # KMS.
    CheckReason(
        "kms_role_permission",
        "KMS",
        "the role's policies do not allow the key",
        "S3 refuses to write or read encrypted objects for the role.",
        "Apply Step 1.",
        1,
        "policy",
    ),
    CheckReason(
        "kms_key_policy",
        "KMS",
        "the key policy does not let the role in",
        "S3 refuses to write or read encrypted objects for the role.",
        "The key's owner must allow the role kms:GenerateDataKey and kms:Decrypt in the key "
        "policy, or grant them.",
    ),
    CheckReason(
        "kms_key_disabled",
        "KMS",
        "the key is disabled or is going to be deleted",
        "Nobody can use it.",
        "Enable the key.",
    ),
    CheckReason(
        "kms_key_region_mismatch",
        "KMS",
        "the key is not in the bucket's region",
        "S3 uses keys of the bucket's own region only.",
        "Give the bucket a key of its own region.",
    ),
    # Requests.
    CheckReason(
        "s3_action_missing",
        "requests",
        "no policy allows the action",
        "A request that a connector makes is refused.",
        "Apply Step 1.",
        1,
        "policy",
    ),
    CheckReason(
        "s3_resource_mismatch",
        "requests",
        "the policy allows the action on another resource",
        "A request that a connector makes is refused.",
        "Apply Step 1.",
        1,
        "policy",
    ),
    CheckReason(
        "list_condition_too_narrow",
        "requests",
        "the condition on s3:prefix leaves out a listing that the connector makes",
        "The listing is refused.",
        "Give policy_style: recommended, and apply Step 1.",
        1,
        "policy",
    ),
    CheckReason(
        "glue_permission_missing",
        "requests",
        "the Glue catalog is not allowed",
        "The connector cannot read or commit its tables.",
        "Apply Step 1.",
        1,
        "policy",
    ),
    CheckReason(
        "request_condition_unmet",
        "requests",
        "a condition of the role's policy is not met by a request",
        "A request that a connector makes is refused.",
        "Change or remove the condition that the evidence names.",
    ),
    CheckReason(
        "role_policy_denies",
        "requests",
        "a Deny of the role's own policies stops a request",
        "An Allow does not help against a Deny.",
        "Take the Deny out of the policy that the evidence names, or narrow it.",
    ),
    CheckReason(
        "grant_beyond_need",
        "requests",
        "the role may do more than its connectors need",
        "Whoever gets hold of a session of the role may do it too.",
        "Take the grant away where it stands, or give this target a role_name of its own.",
    ),
    CheckReason(
        "grants_not_decided",
        "requests",
        "a policy of the role has a pattern that is too large to decide about, or may not be read",
        "Whether the role may do more than it needs is not known, so nothing is written.",
        "Write the pattern that the evidence names in a simpler way, run it with credentials that "
        "may read the policy, or accept the finding by its id.",
    ),
    CheckReason(
        "undecided_grants_accepted",
        "requests",
        "the target accepts that not all that its role may do was looked at and compared",
        "Whether the role may do more than it needs is not known, and was accepted so.",
        "Judge by hand what its policies allow, again whenever they change.",
    ),
    CheckReason(
        "scp_denies",
        "role",
        "a service control policy stops the connectors",
        "No policy of the account can allow what its organization forbids.",
        "Ask the organization's administrators.",
    ),
    CheckReason(
        "simulation_differs",
        "requests",
        "AWS's simulation answers differently",
        "What was written may not be in effect everywhere yet.",
        "Verify again in a minute; if the difference stays, trust AWS.",
    ),
    # RisingWave itself.
    CheckReason(
        "live_refused",
        "",
        "RisingWave itself was refused",
        "What the connectors do would be refused in the same way.",
        "See the cause in the evidence.",
    ),
    CheckReason(
        "live_undecided",
        "",
        "RisingWave's own test gives no answer",
        "It stopped before it came to this question.",
        "See the evidence, and test again.",
    ),
    CheckReason(
        "live_source_left",
        "",
        "the temporary source could not be dropped",
        "It stays in RisingWave until somebody drops it.",
        "Run the DROP SOURCE that the check names.",
    ),
    # SQL and connectors.
    CheckReason(
        "sql_options_wrong",
        "SQL",
        "the SQL does not fit the role, the bucket or the region",
        "The statement fails, or works with another role.",
        "Correct sql_options.",
    ),
    CheckReason(
        "sql_wrong_role_option",
        "SQL",
        "the role is given in an option that the connector does not read",
        "RisingWave ignores it, and uses its own identity or refuses the statement.",
        "Give the role in the connector's own option.",
    ),
    CheckReason(
        "sql_missing_option",
        "SQL",
        "the statement lacks an option",
        "RisingWave refuses the statement, or does not use the role.",
        "Give the option in sql_options.",
    ),
    CheckReason(
        "sql_outside_prefix",
        "SQL",
        "the statement reaches outside the prefix",
        "The role may not list or write there.",
        "Keep the path under the prefix.",
    ),
    CheckReason(
        "secret_missing",
        "SQL",
        "a secret is given as plain text",
        "RisingWave refuses the statement.",
        "Create a SECRET and name it.",
    ),
    CheckReason(
        "iceberg_catalog_ignores_role",
        "SQL",
        "this kind of Iceberg catalog does not use the role",
        "The catalog reaches the bucket with another identity.",
        "Choose a catalog that uses the role.",
    ),
    CheckReason(
        "sql_wrong_role_arn",
        "SQL",
        "the SQL does not name this role",
        "RisingWave uses another role, or none.",
        "Correct the role's ARN in sql_options.",
    ),
    CheckReason(
        "statement_refused",
        "SQL",
        "RisingWave refused the statement",
        "The connector does not exist, or does not work.",
        "See the cause in the evidence.",
    ),
    CheckReason(
        "statement_not_run",
        "SQL",
        "the statement was not run",
        "An earlier statement was refused.",
        "Mend the earlier one and run it again.",
    ),
    CheckReason(
        "sink_missing",
        "SQL",
        "the sink does not exist",
        "It was dropped, or never created.",
        "Apply Step 5.",
        5,
    ),
    CheckReason(
        "no_file_yet",
        "SQL",
        "the sink has written no file yet",
        "It may still fail at its first checkpoint.",
        "Verify again after a checkpoint.",
    ),
    CheckReason(
        "redshift_trust_missing",
        "connector",
        "Redshift may not assume the role",
        "COPY uses the same role and fails.",
        "Apply Step 3.",
        3,
        "trust",
    ),
    CheckReason(
        "redshift_role_not_attached",
        "connector",
        "no Redshift cluster that can be seen has the role attached",
        "COPY accepts only a role that is attached to the cluster.",
        "Attach the role in the Redshift console: Actions, Manage IAM roles.",
    ),
)

REASONS = {reason.code: reason for reason in _TABLE}
"""Every reason by its code."""
