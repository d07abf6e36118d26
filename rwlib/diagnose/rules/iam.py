"""IAM's documents and quotas, the bucket's key, and the Glue Data Catalog.

Sources: IAM user guide ("IAM and AWS STS quotas", "Troubleshooting IAM policies"), re:Post "IAM
trust policy error", KMS developer guide ("Key states", "Troubleshooting key access"), Lake
Formation developer guide.
"""

from __future__ import annotations

from typing import Final

from rwlib.diagnose.rules.base import AWS, OTHER_SERVICES, Rule, rule

DOCUMENTS: Final[tuple[Rule, ...]] = (
    rule(
        "invalid_principal",
        r"Has prohibited field (?:Not)?Principal|Missing required field (?:Not)?Principal",
    ),
    rule(
        "invalid_principal",
        r"invalid principals?\b|unsupported principal|statement with no principals",
        r"(?:should not|must not|may not|cannot) specify a principal",
        r"MalformedPolicy(?:Document)?\b.{0,120}\bprincipal",
        r"AssumeRolePolicy contained an invalid",
        r"principal .{0,120} (?:is not valid|does not exist|is invalid).{0,80}(?:polic|statement)",
        needs=(r"polic|IAM|MalformedPolicy|trust|role|statement|arn:",),
        unless=(r"kerberos|krb5|ldap|\bspn\b|hdfs",),
    ),
    rule(
        "policy_limit",
        r"Cannot exceed quota for \w+|PackedPolicyTooLarge|PolicySizeExceeded",
        r"managed policy can have (?:up to|only|a maximum of) \d+ version",
        r"Maximum policy size of \d+ bytes exceeded",
        r"LimitExceeded(?:Exception)?\b.{0,200}(?:polic|\brole|ACLSize|version|IAM)",
        r"(?:polic(?:y|ies)|trust relationship)\b.{0,80}"
        r"(?:exceed\w*|larger than|too (?:long|large)).{0,60}"
        r"(?:limit|quota|maximum|characters|bytes|\d)",
        needs=(*AWS, r"polic|quota|version"),
        unless=(*OTHER_SERVICES, r"retention|kafka|compaction|storage class"),
    ),
)

KEY_AND_CATALOG: Final[tuple[Rule, ...]] = (
    rule(
        "kms_denied",
        r"KMS\.\w*(?:Disabled|NotFound|InvalidState|AccessDenied|InvalidKeyUsage)\w*",
        r"KMSInvalidStateException|KMSAccessDenied|KMSDisabled|Invalid keyId\b",
        r"ciphertext refers to a customer master key that does not exist",
        r"arn:aws[\w-]*:kms:\S+ is (?:disabled|pending deletion|pending import)",
        r"KMS key\b.{0,80}(?:is disabled|is not enabled|pending deletion|does not exist)",
        r"KMS key\b.{0,80}(?:is not accessible|access denied)",
        r"(?:access|permission)\w* (?:denied )?(?:to|for|by|from) (?:the )?(?:AWS )?KMS\b",
        unless=(
            r"lambda|Parameter Store|ssm:|secretsmanager|\bSQS\b|\bEBS\b|KMS activation|slmgr",
        ),
    ),
    rule(
        "glue_access_denied",
        r"Insufficient Lake Formation permission",
        r"glue.{0,200}AccessDenied(?:Exception)?\b|GlueException.{0,200}Status Code: 403",
        r"AccessDeniedException.{0,300}Service: (?:AWS)?Glue",
    ),
)
