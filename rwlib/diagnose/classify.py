"""Which class an error text is: the rules of the public ids, in their order.

A refusal that AWS words itself is read first: ``kms:`` and ``glue:`` actions have classes of
their own, then the words "with an explicit deny", then STS, then S3. After that come error codes
and messages, and last what is only a consequence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rwlib.diagnose.callers import caller_kind, is_base_identity
from rwlib.diagnose.denial import Denial, find_reason
from rwlib.diagnose.facts import Facts
from rwlib.diagnose.rules import CODES, REFUSALS, VAGUE
from rwlib.diagnose.rules.base import Rule
from rwlib.diagnose.rules.cloud import CLOUD

_EXPIRED_OR_UNKNOWN = re.compile(
    r"\bExpiredToken|InvalidClientTokenId|InvalidAccessKeyId|SignatureDoesNotMatch|RegionDisabled"
)
_S3_SERVICES = ("s3", "s3express", "s3tables", "s3-object-lambda")
_WHATEVER_REASON = {
    "kms": "kms_denied",
    "lakeformation": "lake_formation_denied",
    "glue": "glue_access_denied",
}
_REDSHIFT_COPY = re.compile(
    r"S3ServiceException:.{3,900}?,\s?Status \d{3}|RedshiftIamRoleSession|Problem reading manifest"
)
_LAKE_FORMATION = re.compile(r"Insufficient (?:AWS )?Lake ?Formation permission", re.IGNORECASE)
_COPY_WORDS = re.compile(r"assume IAM role|get credentials of role", re.IGNORECASE)
_BAD_REGION_HOST = re.compile(
    r"(?:lookup address|resolve host|UnknownHost|Name or service not known|no such host"
    r"|nodename nor servname|connect to the endpoint URL|dns error|ENOTFOUND).{0,160}?"
    r"(?:s3|sts|glue)[.-](?P<region>[\w-]{4,24})\.amazonaws\.com"
    r"|(?:s3|sts|glue)[.-](?P<region2>[\w-]{4,24})\.amazonaws\.com.{0,200}?"
    r"(?:lookup address|resolve host|Name or service not known|no such host|dns error|ENOTFOUND)",
    re.IGNORECASE,
)
_REGION = re.compile(
    r"(?:us|eu|ap|sa|ca|me|af|il|mx|cn|us-gov|eusc|us-iso[bf]?)-(?:[a-z]{2}-)?"
    r"(?:north|south|east|west|central|northeast|northwest|southeast|southwest)-\d"
)


@dataclass(frozen=True)
class LineVerdict:
    """A class, the words that say so, and whether they could be a consequence of another error."""

    error_class: str
    evidence: str
    weak: bool = False


def classify(facts: Facts, workload_identity_arn: str = "") -> LineVerdict | None:
    """Return the class of one error, or None when it is about none of this.

    Parameters
    ----------
    workload_identity_arn
        RisingWave's own role, when it is known; else it is recognised by the shape of its name.
    """
    by_cloud = _first(CLOUD, facts)
    if by_cloud:
        return by_cloud
    for denial in reversed(facts.denials):
        by_denial = _by_denial(denial, facts, workload_identity_arn)
        if by_denial:
            return by_denial
    if facts.denials and not _EXPIRED_OR_UNKNOWN.search(facts.flat):
        # AWS refused an action of a service that this set-up never calls.
        return None
    by_code = _first(CODES, facts)
    if by_code:
        by_region = by_code.error_class == "not_reached" and _bad_region_host(facts.flat)
        return by_region or by_code
    refusal = None if facts.other_cloud else _first(REFUSALS, facts)
    if refusal and find_reason(facts.flat)[1]:
        return LineVerdict("explicit_deny", refusal.evidence)
    return refusal or _first(VAGUE, facts) or _bad_region_host(facts.flat)


def _by_denial(denial: Denial, facts: Facts, workload: str) -> LineVerdict | None:
    service, words = denial.service, denial.sentence
    if service == "glue" and _LAKE_FORMATION.search(facts.flat):
        return LineVerdict("lake_formation_denied", words)
    if service in _WHATEVER_REASON:
        return LineVerdict(_WHATEVER_REASON[service], words)
    if denial.explicit and service in (*_S3_SERVICES, "sts", "iam"):
        return LineVerdict("explicit_deny", words)
    if denial.action.lower() == "sts:assumerolewithwebidentity":
        return LineVerdict("web_identity_denied", words)
    if service == "sts":
        if denial.action.lower() == "sts:getcalleridentity":
            return None
        if caller_kind(denial.caller, workload) == "redshift" or _COPY_WORDS.search(words):
            return LineVerdict("redshift_role_not_usable", words)
        return LineVerdict("assume_role_denied", words)
    if service in _S3_SERVICES:
        if _REDSHIFT_COPY.search(facts.flat):
            return LineVerdict("redshift_copy_s3_denied", words)
        if caller_kind(denial.caller, workload) == "risingwave" or (
            # The bucket's account refuses a pod or node of another account: nobody assumed a role.
            denial.layer == "resource" and facts.risingwave and is_base_identity(denial.caller)
        ):
            return LineVerdict("role_not_applied", words)
        return LineVerdict("s3_access_denied", words)
    if service == "iam":
        # Whoever sets the role up, not RisingWave: its way calls nothing of IAM.
        return LineVerdict("access_denied", words)
    return None


def _first(rules: tuple[Rule, ...], facts: Facts) -> LineVerdict | None:
    for rule in rules:
        match = rule.search(facts.flat, facts.lower)
        if match:
            return LineVerdict(rule.error_class, match[0], rule.weak)
    return None


def _bad_region_host(flat: str) -> LineVerdict | None:
    """A host name of AWS that does not resolve, because its region does not exist."""
    match = _BAD_REGION_HOST.search(flat)
    if match and not _REGION.fullmatch(match["region"] or match["region2"]):
        return LineVerdict("region_wrong", match[0])
    return None
