"""Fixes that the class of an error makes more exact than its cause does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from rwlib.diagnose.causes.candidates import Reading
from rwlib.diagnose.model import Fix

_SUPPORT: Final = "ask RisingWave support"


def _fixed(summary: str, how: str) -> Callable[[Reading], Fix]:
    return lambda _reading: Fix(summary, how)


def _options(reading: Reading) -> str:
    at = max(0, reading.facts.flat.find(reading.verdict.evidence))
    said = reading.facts.flat[at : at + 400]
    names = re.findall(r"[`'\"{ ]([a-z]\w*(?:\.\w+)+)[`'\":]", said + '"')
    return ", ".join(dict.fromkeys(names)) or "the option"


def _policy_limit(reading: Reading) -> Fix:
    flat = reading.facts.flat
    if re.search(r"version", flat, re.IGNORECASE):
        return Fix(
            "The policy has fewer than five versions.",
            "rwlib run --target FILE.yaml --apply deletes the oldest version that is not the "
            "default one, and says which",
        )
    if re.search(r"ACLSize|AssumeRolePolicySize|trust", flat):
        return Fix(
            "The trust policy is under its quota.",
            "IAM console > Roles > the role > Trust relationships: merge statements that nobody "
            "needs apart; or Service Quotas console > IAM > Role trust policy length > Request",
        )
    if re.search(r"(?:Attached|Policies)\w*PerRole|AttachedPolicies", flat):
        return Fix(
            "The role has room for one more policy.",
            "IAM console > Roles > the role > Permissions: detach what it does not need, or give "
            "the target a role_name of its own",
        )
    return Fix(
        "The quota is not exceeded.",
        "aws iam get-account-summary shows the quotas; shorten the document, or ask for more in "
        "the Service Quotas console",
    )


def _identity_deny(reading: Reading) -> Fix:
    words = reading.verdict.evidence
    policy = re.search(r"policy: (arn:\S+)", reading.facts.flat)
    if "session policy" in words:
        return Fix(
            "The session policy allows the request.",
            "whoever assumes the role passes a session policy with it: widen it there; RisingWave "
            "passes none",
        )
    if re.search(r"endpoint", words, re.IGNORECASE):
        return Fix(
            "The VPC endpoint's policy lets the request through.",
            "ask whoever owns the VPC endpoint (for RisingWave Cloud its support) to allow the "
            "role and the bucket in the endpoint policy; an Allow elsewhere does not help",
        )
    return Fix(
        "No Deny in the caller's own policies hits the request; an Allow does not help.",
        f"remove or narrow the Deny in {policy[1].rstrip('.,)') if policy else 'that policy'}; "
        "AWSCompromisedKeyQuarantine means that AWS saw the keys in public: replace them",
    )


def _unknown_option(reading: Reading) -> Fix:
    return Fix(
        "The statement holds only options that the connector knows.",
        f"take out or correct {_options(reading)}; rwlib sql --target FILE.yaml prints the "
        "statement with this connector's options",
    )


def _other_layer(reading: Reading) -> Fix:
    if re.search(r"session limit|MaxSessionDuration", reading.facts.flat):
        return Fix(
            "The caller asks for at most 3600 seconds.",
            "a role that assumes a role gets one hour at most: RisingWave asks for 3600 seconds; "
            "lower the duration in the client that asked for more",
        )
    return _identity_deny(reading)


def _refused(reading: Reading) -> Fix:
    if reading.denial is None:
        return Fix(
            "It is known who refused, and why.",
            "look for the line that names the caller and the action (not authorized to perform), "
            "or for the request id in CloudTrail; rwlib verify --target FILE.yaml asks every hop",
        )
    denial = reading.denial
    if denial.explicit:
        return Fix(
            f"No policy denies {denial.caller or 'the caller'} {denial.action}.",
            "remove or narrow the Deny; an Allow does not help. rwlib hand-over --target FILE.yaml "
            "writes a page for those who may",
        )
    return Fix(
        f"{denial.caller or 'The caller'} may call {denial.action}.",
        "rwlib operator-policy --target FILE.yaml prints the least that whoever runs this needs; "
        "rwlib hand-over --target FILE.yaml writes a page for those who have it",
    )


_CLOUD_KEY = _fixed(
    "RWC_API_KEY and RWC_API_SECRET are those of a service account that may change the project.",
    "RisingWave Cloud console > Organization > Service accounts: make a key pair, and give the "
    "account the role ProjectAdmin; a new one is read-only",
)

_misplaced = _fixed(
    "The document stands where it belongs and names principals that exist.",
    "a policy with Principal is a trust policy: IAM console > Roles > the role > Trust "
    "relationships, not Policies; in a bucket policy correct the ARN",
)

BY_CLASS_AND_CAUSE: Final[dict[tuple[str, str], Callable[[Reading], Fix]]] = {
    ("policy_limit", "policy_limit_reached"): _policy_limit,
    ("unknown_option", "unknown"): _unknown_option,
    ("access_denied", "unknown"): _refused,
    ("source_create_failed", "unknown"): _fixed(
        "The source's options are right, and the bucket answers.",
        "the reason stands in the log of the meta and compute nodes at this time; rwlib sql "
        "--check reads the statement, rwlib verify --target FILE.yaml looks at role and bucket",
    ),
    ("assume_role_denied", "unknown"): _other_layer,
    ("s3_access_denied", "unknown"): _other_layer,
    ("explicit_deny", "unknown"): _identity_deny,
    ("redshift_copy_s3_denied", "unknown"): _identity_deny,
    ("kms_denied", "unknown"): _identity_deny,
    ("license", "license_missing"): _fixed(
        "The cluster has a license for the connector.",
        "ALTER SYSTEM SET license_key = '…'; on RisingWave Cloud choose a plan that has the "
        f"connector, or {_SUPPORT}",
    ),
    ("sink_decouple", "sink_decouple_off"): _fixed(
        "The session creates the sink decoupled.",
        "SET sink_decouple = true; then run CREATE SINK again in the same session",
    ),
    ("sql_syntax", "sql_syntax"): _fixed(
        "The statement parses.",
        "look at the place the caret marks: mostly a comma or a quote is missing between two "
        "options; rwlib sql --target FILE.yaml prints a statement that parses",
    ),
    ("pg_no_sni", "unknown"): _fixed(
        "The connection names the cluster.",
        "add options=--tenant%3D<tenant identifier> to the connection string (Connect in the "
        "RisingWave Cloud console shows it), or use a client that sends SNI",
    ),
    ("bad_option_value", "unknown"): lambda reading: Fix(
        "The option has a value that the connector accepts.",
        f"correct {_options(reading)} as the message says; rwlib sql --target FILE.yaml prints "
        "the statement",
    ),
    ("missing_option", "sql_missing_option"): lambda reading: Fix(
        "The statement has every option that it needs.",
        f"add {_options(reading)}; rwlib sql --target FILE.yaml prints the whole statement",
    ),
    ("invalid_principal", "unknown"): _misplaced,
    ("invalid_principal", "trust_principal_mismatch"): _fixed(
        "The trust policy names a principal that exists, by its exact ARN.",
        "copy the Workload Identity (IAM Role ARN) from the cluster's Cloud Meta tab, without "
        "spaces and of the same partition; rwlib run --target FILE.yaml --apply writes it (Step 3)",
    ),
    ("invalid_client_token", "caller_credentials_invalid"): _fixed(
        "The caller signs with credentials that this STS endpoint knows.",
        "leave the trust policy alone: RisingWave's page is wrong to say that "
        "InvalidClientTokenId means a wrong role ARN. For your own calls: aws sts "
        "get-caller-identity must answer, and keys "
        f"that begin with ASIA need their session token. For RisingWave's calls {_SUPPORT}",
    ),
    ("signature_mismatch", "caller_credentials_invalid"): _fixed(
        "Secret key, clock and endpoint of the caller are right.",
        "enter the secret access key again without spaces, as a new secret (CREATE SECRET), or "
        "use the role instead of keys; check the clock, and a proxy that changes requests",
    ),
    ("bad_static_keys", "caller_credentials_invalid"): _fixed(
        "The statement uses keys that exist, or better the role.",
        "replace the static keys by the role (rwlib sql --target FILE.yaml prints it), or by an "
        "active key pair; temporary keys need their session token",
    ),
    ("web_identity_denied", "caller_credentials_invalid"): _fixed(
        "RisingWave's own identity works.",
        f"{_SUPPORT} with the request id: the pod's web identity was refused, nothing in your "
        "account is wrong",
    ),
    ("cloud_api_unauthorized", "caller_credentials_invalid"): _CLOUD_KEY,
    ("cloud_api_overlap", "propagation_delay"): _fixed(
        "One change of the Allowed Principals at a time.",
        "wait until their status is Ready, then run rwlib run --target FILE.yaml --apply again; "
        "let no second process or console change them meanwhile",
    ),
    ("cloud_api_bad_arn", "allowed_principal_other_arn"): _fixed(
        "The ARN is arn:aws:iam::<12 digits>:role/<name>.",
        "give the role's own ARN: no user, no assumed-role session, no aws-cn or aws-us-gov ARN "
        "can be an Allowed Principal",
    ),
    ("redshift_copy_credentials", "sql_wrong_role_arn"): _fixed(
        "s3.assume_role holds the ARN of one role, nothing else.",
        "COPY gets 'aws_iam_role=<s3.assume_role>': create the sink again with the role's ARN; "
        "before RisingWave 2.6 the sink wrote this string wrong, so upgrade",
    ),
    ("glue_access_denied", "sql_missing_option"): _fixed(
        "The statement gives the role for Glue too.",
        "create it again WITH (glue.iam_role_arn = '<the role's ARN>'): Glue's own calls do not "
        "fall back to s3.iam_role_arn",
    ),
    ("redshift_copy_s3_denied", "bucket_in_other_account"): _fixed(
        "The bucket's account lets the role in.",
        "ask the bucket's owner for a bucket policy that allows the COPY's role s3:GetObject and "
        "s3:ListBucket",
    ),
}
