"""Why the rest fails: credentials, regions, documents, the catalog, COPY, the Cloud API."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from rwlib.diagnose.causes.assume_role import assume_role_denied, explicit_deny
from rwlib.diagnose.causes.candidates import Candidates, Reading
from rwlib.diagnose.causes.s3 import kms_denied, redshift_copy_s3_denied, s3_access_denied
from rwlib.diagnose.policy_errors import place_in_document
from rwlib.diagnose.rules.not_served import NO_NAME, host_of

# Regions that an account must enable first, and whose STS refuses tokens of the global endpoint
# (IAM user guide, "Managing AWS STS in an AWS Region").
_OPT_IN: Final = re.compile(
    r"\b(?:af-south-1|ap-east-[12]|ap-south-2|ap-southeast-[34567]|ca-west-1|eu-central-2"
    r"|eu-south-[12]|il-central-1|me-central-1|me-south-1|mx-central-1)\b"
)
_AMAZON: Final = re.compile(r"\.amazonaws\.com(?:\.cn)?$|\brisingwave\.cloud$")
_TRUST: Final = ("trust_principal_mismatch", "trust_principal_deleted", "trust_missing")
_ROLE_OPTION: Final = re.compile(
    r"assume_role|iam_role|role[._]arn|role_arn|assumerole|\barn\b", re.IGNORECASE
)


def _invalid_client_token(reading: Reading) -> Candidates:
    candidates = Candidates()
    region = _OPT_IN.search(reading.facts.flat)
    if region:
        candidates.likely(
            "sts_region_disabled",
            reading.quote,
            f"{region[0]} must be enabled first, in the caller's account too",
        )
    candidates.likely(
        "caller_credentials_invalid",
        reading.quote,
        "AWS does not know the credentials that the caller signed with",
    ).possible("sts_region_disabled")
    return candidates.exclude(
        _TRUST,
        "a wrong principal or role ARN answers AccessDenied, never InvalidClientTokenId: "
        "RisingWave's page 'IAM role assume' is wrong there",
    )


def _expired_token(reading: Reading) -> Candidates:
    return Candidates().certain("credentials_expired", reading.quote)


def _signature_mismatch(reading: Reading) -> Candidates:
    return Candidates().likely("caller_credentials_invalid", reading.quote)


def _bad_static_keys(reading: Reading) -> Candidates:
    if "non-empty" in reading.facts.flat:
        return (
            Candidates()
            .likely("sql_missing_option", reading.quote, "the access key is an empty string")
            .possible("caller_credentials_invalid")
        )
    if re.search(r"access_key\W+and\W+secret_key", reading.facts.flat):
        return (
            Candidates()
            .likely("sql_missing_option", reading.quote, "only one of the two keys is given")
            .possible("config_load_refused")
        )
    return Candidates().certain("caller_credentials_invalid", reading.quote)


def _malformed_policy(reading: Reading) -> Candidates:
    evidence = [reading.quote]
    place = place_in_document(reading.facts.flat)
    if place:
        evidence.append(f"in the document of the text: {place}")
    return Candidates().certain("malformed_policy", *evidence)


def _lake_formation(reading: Reading) -> Candidates:
    candidates = Candidates()
    denial = reading.denial
    if denial and denial.service == "lakeformation":
        why = f"{denial.action} is a permission of IAM, which the role needs beside the grant"
        candidates.likely("glue_permission_missing", reading.quote, why)
        return candidates.possible("lake_formation_grant_missing")
    return candidates.likely(
        "lake_formation_grant_missing",
        reading.quote,
        "Lake Formation itself refused: a policy of IAM or S3 alone does not change that",
    ).possible("glue_permission_missing")


def _iceberg_catalog(reading: Reading) -> Candidates:
    flat = reading.facts.flat
    candidates = Candidates()
    who = "the catalog answered, S3 was not asked"
    if re.search(r"lake ?formation", flat, re.IGNORECASE):
        candidates.likely("lake_formation_grant_missing", reading.quote, who)
    if re.search(r"\bglue[.:]", flat, re.IGNORECASE):
        candidates.likely("glue_permission_missing", reading.quote, who)
    if not candidates.found:
        candidates.likely("iceberg_catalog_ignores_role", reading.quote, who)
    return candidates.possible(
        "glue_permission_missing", "lake_formation_grant_missing", "iceberg_catalog_ignores_role"
    ).exclude(("s3_action_missing", "s3_resource_mismatch"), who)


def _access_denied(reading: Reading) -> Candidates:
    if asked := reading.denial and reading.denial.action:
        return Candidates().likely(
            "unknown", reading.quote, f"{asked} is a call of whoever sets the role up"
        )
    return Candidates().likely(
        "unknown", reading.quote, "nothing says who refused: STS, S3, KMS, Glue or a policy"
    )


def _no_base_credentials(reading: Reading) -> Candidates:
    flat, quote = reading.facts.flat, reading.quote
    candidates = Candidates()
    if re.search(r"access_key.{0,12}and.{0,4}secret_key", flat):
        candidates.likely("config_load_refused", quote).likely("sql_missing_option")
    elif reading.facts.risingwave or reading.facts.side == "sts":
        candidates.likely(
            "sql_missing_option", quote, "enable_config_load is not 'true', and there are no keys"
        ).likely("config_load_refused", "or it is 'true' and RisingWave did not honour it")
    else:
        candidates.likely("caller_credentials_invalid", quote, "the client found no credentials")
        candidates.possible("sql_missing_option", "config_load_refused")
    return candidates.exclude(
        (*_TRUST, "s3_action_missing"), "nothing was signed, so nobody was refused"
    )


def _web_identity_denied(reading: Reading) -> Candidates:
    return (
        Candidates()
        .likely(
            "caller_credentials_invalid",
            reading.quote,
            "the pod's own identity was refused, before any role of the customer was asked for",
        )
        .exclude(_TRUST, "the customer's role was not reached")
    )


def _region_wrong(reading: Reading) -> Candidates:
    facts = reading.facts
    evidence = [reading.quote]
    if facts.region_expected:
        evidence.append(f"the bucket is in {facts.region_expected}")
    settled = facts.region_expected or re.search(
        r"PermanentRedirect|specified endpoint|is wrong; expecting|BucketRegionError", facts.flat
    )
    return Candidates().add(
        "certain" if settled and "IllegalLocation" not in facts.flat else "likely",
        "bucket_region_mismatch",
        *evidence,
    )


def _sts_region_mismatch(reading: Reading) -> Candidates:
    return (
        Candidates()
        .likely("bucket_region_mismatch", reading.quote, "the STS endpoint is of another region")
        .possible("sts_region_disabled")
    )


def _no_such_bucket(reading: Reading) -> Candidates:
    facts = reading.facts
    evidence = [reading.quote]
    directory = re.search(r"--xa?-s3", facts.flat) is not None
    if directory:
        evidence.append("a directory bucket (--x-s3) is not reached this way")
    if reading.target and facts.bucket and facts.bucket != reading.target.bucket:
        evidence.append(f"the target's bucket is {reading.target.bucket}, not {facts.bucket}")
    says_so = re.search(r"NoSuchBucket|specified bucket does not exist", facts.flat)
    elsewhere = re.search(r"https?://", facts.flat) and "amazonaws.com" not in facts.flat
    settled = says_so and not directory and not elsewhere
    return Candidates().add("certain" if settled else "likely", "bucket_missing", *evidence)


def _invalid_role_arn(reading: Reading) -> Candidates:
    return Candidates().likely("sql_wrong_role_arn", reading.quote)


def _invalid_principal(reading: Reading) -> Candidates:
    flat, quote = reading.facts.flat, reading.quote
    candidates = Candidates()
    if re.search(r"no principals", flat, re.IGNORECASE):
        return candidates.likely("trust_missing", quote)
    if re.search(r"MalformedPolicy\b(?!Document)|PutBucketPolicy|bucket policy", flat):
        return candidates.likely("unknown", quote, "the bucket policy names a principal that "
                                 "does not exist")  # fmt: skip
    if re.search(r"\bA(?:ROA|IDA)[A-Z0-9]{8,}", flat):
        return candidates.likely(
            "trust_principal_deleted", quote, "an id instead of an ARN is a deleted principal"
        ).possible("trust_principal_mismatch")
    return (
        candidates.likely(
            "trust_principal_mismatch", quote, "IAM accepts only principals that exist"
        )
        .possible("trust_principal_deleted")
        .possible("propagation_delay", because="a role made seconds ago may not be known yet")
    )


def _role_not_applied(reading: Reading) -> Candidates:
    candidates = Candidates()
    iceberg = re.search(r"iceberg|metadata|warehouse|catalog", reading.facts.flat, re.IGNORECASE)
    who = f"the caller is {reading.caller}: RisingWave's own identity reached S3"
    if iceberg:
        candidates.likely("iceberg_catalog_ignores_role", reading.quote, who)
    candidates.likely("sql_wrong_role_option", reading.quote, who)
    candidates.possible("sql_missing_option")
    if not iceberg:
        candidates.possible("iceberg_catalog_ignores_role")
    return candidates.exclude(
        (*_TRUST, "allowed_principal_missing"), "nobody asked STS for the role"
    )


def _glue(reading: Reading) -> Candidates:
    candidates = Candidates()
    denial, quote = reading.denial, reading.quote
    layer = denial.layer if denial else None
    if layer in ("scp", "rcp"):
        return candidates.certain("scp_denies", quote)
    if layer == "boundary":
        return candidates.certain("boundary_denies", quote)
    if reading.caller_kind == "risingwave":
        candidates.likely(
            "sql_missing_option",
            quote,
            "RisingWave's own identity called Glue: glue.iam_role_arn has no fallback",
        ).possible("iceberg_catalog_ignores_role")
        return candidates.possible("glue_permission_missing")
    if denial and layer == "identity" and not denial.explicit and reading.role_session:
        return candidates.certain("glue_permission_missing", quote)
    return candidates.likely("glue_permission_missing", quote).possible("sql_missing_option")


def _missing_option(reading: Reading) -> Candidates:
    flat = reading.facts.flat
    vague = "S3 configuration is required" in flat
    ours = reading.facts.risingwave or re.search(
        r"missing field|ConfigInvalid|[a-z0-9]+\.[a-z_.]+[`'\"]? (?:is required|must be set)"
        r"|assume_role|Primary key column",
        flat,
    )
    evidence = [reading.quote]
    if vague:
        evidence.append("any S3 option that is missing or malformed gives this one message")
    return Candidates().add(
        "certain" if ours and not vague else "likely", "sql_missing_option", *evidence
    )


def _unknown_option(reading: Reading) -> Candidates:
    match = re.search(r"(?:WITH clause: |unknown field )(.{0,300})", reading.facts.flat)
    if _ROLE_OPTION.search(match[1] if match else reading.facts.flat):
        return Candidates().likely("sql_wrong_role_option", reading.quote)
    return Candidates().likely("unknown", reading.quote).possible("sql_wrong_role_option")


def _redshift_copy_credentials(reading: Reading) -> Candidates:
    return (
        Candidates()
        .likely("sql_wrong_role_arn", reading.quote, "COPY wants a role ARN, or two keys")
        .possible("sql_missing_option")
    )


def _redshift_role_not_usable(reading: Reading) -> Candidates:
    candidates = Candidates()
    flat = reading.facts.flat
    if re.search(r"(?:is|are) not (?:associated|attached|added)", flat, re.IGNORECASE):
        return candidates.certain("redshift_role_not_attached", reading.quote)
    return candidates.likely(
        "redshift_trust_missing", reading.quote, "the role must trust redshift.amazonaws.com"
    ).likely(
        "redshift_role_not_attached", "and be among the cluster's IAM roles"
    ).possible("role_missing", "propagation_delay")  # fmt: skip


def _throttled(reading: Reading) -> Candidates:
    said = not re.search(r"ServiceUnavailable|503\) when", reading.verdict.evidence)
    candidates = Candidates().add(
        "certain" if said else "likely",
        "too_many_requests",
        reading.quote,
        "" if said else "or the service itself has a fault, which passes as well",
    )
    return candidates.exclude(
        (*_TRUST, "s3_action_missing", "allowed_principal_missing"),
        "the request was not refused: it may be sent again, later",
    )


def _not_reached(reading: Reading) -> Candidates:
    flat, quote = reading.facts.flat, reading.quote
    candidates = Candidates()
    host = host_of(flat)
    if NO_NAME.search(flat) and host and not _AMAZON.search(host):
        candidates.likely("endpoint_wrong", quote, f"{host} is no host of AWS")
        candidates.possible("network_blocked")
    else:
        why = f"{host} exists" if host and NO_NAME.search(flat) else ""
        candidates.likely("network_blocked", quote, why)
        if host and not _AMAZON.search(host):
            candidates.possible("endpoint_wrong")
    return candidates.exclude(
        (*_TRUST, "s3_action_missing", "allowed_principal_missing"),
        "no answer came, so nobody refused",
    )


def _only(cause: str, settled: bool) -> Callable[[Reading], Candidates]:
    def rank(reading: Reading) -> Candidates:
        return Candidates().add("certain" if settled else "likely", cause, reading.quote)

    return rank


BY_CLASS: Final[dict[str, Callable[[Reading], Candidates]]] = {
    "assume_role_denied": assume_role_denied,
    "s3_access_denied": s3_access_denied,
    "explicit_deny": explicit_deny,
    "kms_denied": kms_denied,
    "glue_access_denied": _glue,
    "invalid_client_token": _invalid_client_token,
    "expired_token": _expired_token,
    "signature_mismatch": _signature_mismatch,
    "bad_static_keys": _bad_static_keys,
    "no_base_credentials": _no_base_credentials,
    "web_identity_denied": _web_identity_denied,
    "config_load_not_permitted": _only("config_load_refused", True),
    "sts_region_disabled": _only("sts_region_disabled", True),
    "sts_region_mismatch": _sts_region_mismatch,
    "region_wrong": _region_wrong,
    "no_such_bucket": _no_such_bucket,
    "invalid_role_arn": _invalid_role_arn,
    "invalid_principal": _invalid_principal,
    "policy_limit": _only("policy_limit_reached", True),
    "role_not_applied": _role_not_applied,
    "missing_option": _missing_option,
    "unknown_option": _unknown_option,
    "bad_option_value": _only("unknown", False),
    "secret_required": _only("secret_missing", True),
    "license": _only("license_missing", False),
    "sink_decouple": _only("sink_decouple_off", True),
    "sql_syntax": _only("sql_syntax", True),
    "pg_no_sni": _only("unknown", False),
    "redshift_copy_credentials": _redshift_copy_credentials,
    "redshift_copy_region": _only("redshift_region_mismatch", True),
    "redshift_copy_s3_denied": redshift_copy_s3_denied,
    "redshift_role_not_usable": _redshift_role_not_usable,
    "malformed_policy": _malformed_policy,
    "lake_formation_denied": _lake_formation,
    "iceberg_catalog_denied": _iceberg_catalog,
    "access_denied": _access_denied,
    "source_create_failed": _only("unknown", False),
    "throttled": _throttled,
    "not_reached": _not_reached,
    "cloud_api_bad_arn": _only("allowed_principal_other_arn", False),
    "cloud_api_failed": _only("allowed_principals_failed", True),
    "cloud_api_overlap": _only("propagation_delay", False),
    "cloud_api_unauthorized": _only("caller_credentials_invalid", False),
}
