"""What is checked: one table of every check, with the words that a person reads about it.

A check that does not pass carries a code of `rwlib.verify.reasons`, where it stands what is wrong,
what follows from it and how to mend it. The reference page is made from both tables.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckKind:
    """One check: its id, the hop it is about, and what it says.

    Parameters
    ----------
    id
        Stable id; ``runs`` is followed by the connector in a verdict, as in ``runs_s3_sink``.
    hop
        One of `rwlib.verify.check.HOPS`.
    title
        What is true when it passes. Names in braces are filled in by the check.
    meaning
        What is looked at, in one sentence.
    """

    id: str
    hop: str
    title: str
    meaning: str


_TABLE = (
    CheckKind(
        "identity",
        "identity",
        "AWS knows who is asking",
        "Asks STS as whom the calls are made, and in which account.",
    ),
    CheckKind(
        "policy_documents",
        "policy",
        "Policy {policy} is the one this target asks for",
        "Compares the policy's default version with the document of Step 1.",
    ),
    CheckKind(
        "policy_validated",
        "policy",
        "Access Analyzer finds no fault in the policy",
        "Lets IAM Access Analyzer validate the document, where the operator may call it.",
    ),
    CheckKind(
        "policy_attached",
        "policy",
        "The policy is attached to the role",
        "Looks for the policy among those that are attached to the role.",
    ),
    CheckKind(
        "role_exists",
        "role",
        "Role {role} exists",
        "Looks for the role in the account.",
    ),
    CheckKind(
        "left_over",
        "role",
        "Nothing of earlier runs for this target is left over",
        "Looks for what an earlier run made and this target no longer asks for.",
    ),
    CheckKind(
        "scp",
        "role",
        "No service control policy stops the connectors",
        "Reads from AWS's simulation whether the organization forbids a request.",
    ),
    CheckKind(
        "boundary",
        "boundary",
        "The permissions boundary leaves room for the connectors",
        "Evaluates every request of the connectors against the role's permissions boundary.",
    ),
    CheckKind(
        "trust_principal",
        "trust",
        "The trust policy names the Workload Identity",
        "Looks for the cluster's Workload Identity among the principals.",
    ),
    CheckKind(
        "trust_conditions",
        "trust",
        "The trust policy asks for nothing that RisingWave cannot send",
        "Compares the conditions with what RisingWave's request to STS holds.",
    ),
    CheckKind(
        "trust_deny",
        "trust",
        "No Deny of the trust policy shuts RisingWave out",
        "Evaluates the Deny statements for RisingWave's request.",
    ),
    CheckKind(
        "trust",
        "trust",
        "RisingWave may assume the role, and nobody else of its account",
        "Evaluates the whole trust policy for RisingWave and for others of its account.",
    ),
    CheckKind(
        "live_assume",
        "trust",
        "RisingWave itself can assume the role",
        "Lets RisingWave create a temporary source, and reads whether STS let it in.",
    ),
    CheckKind(
        "allowed_principal",
        "allowed principal",
        "The cluster lists the role in Allowed Principals",
        "Reads the list from RisingWave Cloud, or takes a person's word where there is no API key.",
    ),
    CheckKind(
        "bucket_exists",
        "bucket",
        "Bucket {bucket} exists",
        "Looks for the bucket.",
    ),
    CheckKind(
        "bucket_region",
        "bucket",
        "The region in the SQL is the bucket's",
        "Compares region_name with the region that S3 gives.",
    ),
    CheckKind(
        "bucket_owner",
        "bucket",
        "The bucket is in the role's account",
        "Asks S3 for the bucket with the account as its expected owner.",
    ),
    CheckKind(
        "bucket_policy",
        "bucket",
        "The bucket policy lets the role through",
        "Evaluates every request of the connectors against the bucket policy's Deny statements.",
    ),
    CheckKind(
        "block_public_access",
        "bucket",
        "Block Public Access does not stand in the way",
        "Reads the settings, which matter to callers of other accounts only.",
    ),
    CheckKind(
        "kms",
        "KMS",
        "The role may use the bucket's KMS key",
        "Evaluates the requests that S3 makes to KMS for the role.",
    ),
    CheckKind(
        "kms_key_policy",
        "KMS",
        "The key policy lets the role in",
        "Evaluates the key policy and the key's grants.",
    ),
    CheckKind(
        "requests_allowed",
        "requests",
        "What the connectors do is allowed",
        "Evaluates each S3, KMS and Glue request of the connectors against all policies together.",
    ),
    CheckKind(
        "requests_refused",
        "requests",
        "The requests that must fail are refused",
        "Evaluates requests that no connector makes: beside the prefix, in other buckets.",
    ),
    CheckKind(
        "excess_grants",
        "requests",
        "The role reaches nothing that its connectors don't need",
        "Compares every policy in effect with the need, completely and not by samples. Policies "
        "of this runbook's other targets on the same role count as asked for; the evidence names "
        "each, and `rwlib verify` of that target judges it.",
    ),
    CheckKind(
        "simulation",
        "requests",
        "AWS's own simulation agrees",
        "Asks SimulatePrincipalPolicy the same requests, and compares the answers.",
    ),
    CheckKind(
        "live_list",
        "requests",
        "RisingWave itself can list the prefix",
        "Lets RisingWave create a temporary source, and reads whether S3 let it list.",
    ),
    CheckKind(
        "sql_options",
        "SQL",
        "The SQL names this role, bucket and region",
        "Reads the statements of Step 5, and compares their options with the target.",
    ),
    CheckKind(
        "runs",
        "SQL",
        "{kind} {name} works",
        "Runs the statement in RisingWave and waits for a sink's first file.",
    ),
    CheckKind(
        "redshift_trust",
        "connector",
        "Redshift may assume the role for its COPY",
        "Evaluates the trust policy for Redshift, which uses the same role.",
    ),
    CheckKind(
        "redshift_role_attached",
        "connector",
        "A Redshift cluster has the role attached",
        "Looks for the role among those of the clusters and namespaces that can be seen.",
    ),
)

CHECKS = {each.id: each for each in _TABLE}
"""Every check by its id."""


def title_of(check_id: str, **names: str) -> str:
    """Return the title of a check, with the names that it speaks of filled in."""
    return CHECKS[check_id].title.format(**names)
