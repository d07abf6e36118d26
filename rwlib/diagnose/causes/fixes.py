"""What to do about each cause: a command, SQL, exact clicks, or whom to ask."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Final

from rwlib.diagnose.causes.candidates import Reading
from rwlib.diagnose.causes.fixes_by_class import BY_CLASS_AND_CAUSE
from rwlib.diagnose.model import Fix
from rwlib.diagnose.policy_errors import what_to_change
from rwlib.diagnose.rules.not_served import host_of
from rwlib.masking import mask

RUN: Final = "rwlib run --target FILE.yaml"
APPLY: Final = f"{RUN} --apply"
VERIFY: Final = "rwlib verify --target FILE.yaml"
SUPPORT: Final = "ask RisingWave support"


def fix_for(cause: str, reading: Reading) -> Fix:
    """Return the fix of a cause, with the names that the text or the target gives."""
    by_class = BY_CLASS_AND_CAUSE.get((reading.error_class, cause))
    make = by_class or _BY_CAUSE[cause]
    fix = make(reading)
    return Fix(mask(own_values(fix.summary, reading)), mask(own_values(fix.how, reading)))


def own_values(sentence: str, reading: Reading) -> str:
    """Put the target's own values where a sentence stands open; words where none are known."""
    target = reading.target
    if reading.target_file:
        given = f"--target {shlex.quote(reading.target_file)}"
    elif target is not None and target.bucket:
        given = f"--bucket {target.bucket} --role-name {target.role_name}"
    else:
        given = "with your target"
    account = re.search(r"arn:[\w-]+:iam::(\d{12}):role/", reading.facts.flat)
    arns = {"ACCOUNT:role/": f"{account[1]}:role/"} if account and ":role/" in sentence else {}
    for name, value in {"--target FILE.yaml": given, **arns}.items():
        sentence = sentence.replace(name, value)
    return sentence


def _fixed(summary: str, how: str) -> Callable[[Reading], Fix]:
    return lambda _reading: Fix(summary, how)


def _bucket(reading: Reading) -> str:
    match = re.match(r"arn:[\w-]+:s3:::([^/]+)", reading.resource or "")
    if match:
        return match[1]
    if reading.facts.bucket:
        return reading.facts.bucket
    return reading.target.bucket if reading.target and reading.target.bucket else "<name>"


def _role(reading: Reading) -> str:
    resource = reading.resource or ""
    if ":role/" in resource:
        return resource.rsplit("/", 1)[1]
    return reading.target.role_name if reading.target else "ROLE"


def _role_arn(reading: Reading) -> str:
    resource = reading.resource or ""
    if ":role/" in resource:
        return resource
    return f"arn:aws:iam::ACCOUNT:role/{_role(reading)}"


def _s3_action(reading: Reading) -> Fix:
    action = reading.action or "the action"
    return Fix(
        f"The role's policy allows {action} on {reading.resource or _bucket(reading)}.",
        f"{RUN} shows what the policy lacks; {APPLY} writes it (Step 1)",
    )


def _region(reading: Reading) -> Fix:
    region = reading.facts.region_expected
    shown = region or "REGION"
    find = (
        ""
        if region
        else f"aws s3api head-bucket --bucket {_bucket(reading)} shows it as BucketRegion; then "
    )
    return Fix(
        f"The statement names the bucket's region{', ' + region if region else ''}.",
        f"{find}create the sink or source again WITH (s3.region_name = '{shown}'), for Iceberg "
        f"s3.region = '{shown}'; set region_name: {shown} in the target",
    )


def _scp(reading: Reading) -> Fix:
    return Fix(
        "The organization's policy lets the request through; no Allow in the account can do that.",
        "ask the administrator of your AWS organization to exempt "
        f"{_role_arn(reading) if reading.facts.side == 'sts' else 'the role'} in the SCP or RCP "
        "that refuses it, and give them the message with its request id",
    )


def _bucket_policy(reading: Reading) -> Fix:
    bucket = _bucket(reading)
    return Fix(
        f"The Deny in bucket {bucket}'s policy no longer hits the role; an Allow doesn't help.",
        f"S3 console > Buckets > {bucket} > Permissions > Bucket policy > Edit: add to the Deny's "
        'Condition "ArnNotEquals": {"aws:PrincipalArn": "<the role\'s ARN>"}, or ask the '
        "bucket's owner to; leave the rest of the Deny as it is",
    )


def _allowed_principal(reading: Reading) -> Fix:
    arn = _role_arn(reading)
    return Fix(
        f"{arn} is among the cluster's Allowed Principals.",
        f"{APPLY} with RWC_API_KEY and RWC_API_SECRET set (Step 4); or RisingWave Cloud console > "
        f"the cluster > Network Access > Allowed Principals > Add > {arn}",
    )


def _trust(reading: Reading) -> Fix:
    role = _role(reading)
    caller = reading.target.workload_identity_arn if reading.target else ""
    who = caller or "the cluster's Workload Identity"
    return Fix(
        f"The trust policy of {role} names {who}.",
        f"{RUN} shows the difference; {APPLY} merges the statement RisingWaveCloudAssumeRole and "
        "keeps every other one (Step 3)",
    )


def _fewer_requests(reading: Reading) -> Fix:
    """Say what S3, KMS, and the services that set up, take (their pages on quotas)."""
    flat = reading.facts.flat
    if re.search(r"\bKMS\b|\bkms:|kms\.|GenerateDataKey|Decrypt", flat):
        return Fix(
            "KMS is asked less often than its quota allows.",
            f"S3 console > Buckets > {_bucket(reading)} > Properties > Default encryption > Edit: "
            "enable the Bucket Key, which asks KMS far less; or Service Quotas console > AWS KMS > "
            "Cryptographic operations request rate > Request",
        )
    by_s3 = re.search(r"Slow ?Down|reduce your request rate", flat, re.IGNORECASE)
    if by_s3 or reading.facts.side == "s3" or (reading.action or "").startswith("s3:"):
        return Fix(
            "Each prefix gets at most 3,500 writes and 5,500 reads a second.",
            "wait some minutes: S3 makes room by itself, and RisingWave tries again; if it goes "
            "on, let the sink write fewer files (rollover_seconds, max_row_count WITH the sink), "
            "or give each sink a prefix of its own",
        )
    return Fix(
        "The service is called less often than its quota allows.",
        "try again in a minute: what was written stays, and a run goes on where it stopped; "
        "rwlib batch --per-account 1 makes the fewest calls at once, and a higher quota is asked "
        "for in the Service Quotas console",
    )


def _reachable(reading: Reading) -> Fix:
    host = host_of(reading.facts.flat)
    shown = f"curl -sS -o /dev/null https://{host or 'sts.amazonaws.com'}"
    return Fix(
        f"{host or 'The service'} answers.",
        f"for your own calls: {shown} tells whether DNS, proxy (HTTPS_PROXY, NO_PROXY), firewall "
        "or certificate stands in the way, and a VPC without internet needs endpoints for S3 and "
        f"STS; for RisingWave's calls {SUPPORT} with the time and the host; no policy has to "
        "change",
    )


_BY_CAUSE: Final[dict[str, Callable[[Reading], Fix]]] = {
    "trust_principal_mismatch": _trust,
    "trust_principal_deleted": lambda reading: Fix(
        f"The trust policy of {_role(reading)} names the ARN again instead of a deleted id.",
        f"{APPLY} (Step 3); saving the ARN again maps it to the id of the role as it is now",
    ),
    "trust_external_id_required": lambda reading: Fix(
        "RisingWave's statement of the trust policy has no sts:ExternalId condition.",
        f"IAM console > Roles > {_role(reading)} > Trust relationships > Edit: remove the "
        "sts:ExternalId condition from RisingWave's statement; it cannot send an external id, and "
        f"the exact principal protects the role. Then {VERIFY}",
    ),
    "trust_condition_unmet": lambda reading: Fix(
        "RisingWave's statement of the trust policy has no condition that it cannot meet.",
        f"IAM console > Roles > {_role(reading)} > Trust relationships > Edit: remove the "
        "condition (MFA, source IP, organization, session name) from RisingWave's statement; its "
        f"session is called reqsign. Then {VERIFY}",
    ),
    "trust_explicit_deny": lambda reading: Fix(
        "The Deny of the trust policy no longer hits RisingWave; an Allow doesn't help.",
        f"IAM console > Roles > {_role(reading)} > Trust relationships > Edit: exempt the Workload "
        "Identity in that Deny (ArnNotEquals aws:PrincipalArn), or ask whoever owns the Deny",
    ),
    "trust_missing": _trust,
    "role_missing": lambda reading: Fix(
        f"The role {_role(reading)} exists.",
        f"{APPLY} creates it with its trust policy (Step 2); or correct the ARN in the statement",
    ),
    "policy_not_attached": lambda reading: Fix(
        "The policy is attached to the role.", f"{APPLY} attaches it (Steps 1 and 2)"
    ),
    "policy_old_version": _fixed(
        "The version that this target asks for is the default one.",
        f"{RUN} shows the difference between the versions; {APPLY} writes it (Step 1)",
    ),
    "s3_action_missing": _s3_action,
    "s3_resource_mismatch": lambda reading: Fix(
        f"The policy's Resource covers {reading.resource or _bucket(reading)}.",
        f"compare bucket and prefix of the target with the statement; {APPLY} writes the policy "
        "(Step 1)",
    ),
    "list_condition_too_narrow": lambda reading: Fix(
        "The s3:prefix condition covers every listing of the connector, and only listings.",
        f"{APPLY} with policy_style: recommended writes the values P, P/ and P/* and gives no "
        "condition to what carries no prefix (Step 1)",
    ),
    "boundary_denies": lambda reading: Fix(
        "The permissions boundary allows the request; no policy of the role can widen it.",
        "ask whoever owns the boundary to allow "
        f"{reading.action or 'the action'} on {reading.resource or 'the bucket'} in it",
    ),
    "bucket_policy_denies": _bucket_policy,
    "scp_denies": _scp,
    "block_public_access": lambda reading: Fix(
        "The bucket policy is not public, so Block Public Access leaves it alone.",
        f"S3 console > Buckets > {_bucket(reading)} > Permissions > Bucket policy: name the role's "
        "ARN instead of *; leave Block Public Access on",
    ),
    "bucket_missing": lambda reading: Fix(
        "The statement names a bucket that exists.",
        f"correct s3.bucket_name (now {_bucket(reading)}) and create the sink or source again; "
        "aws s3api head-bucket tells whether the name is right",
    ),
    "bucket_in_other_account": lambda reading: Fix(
        "The policy of the bucket's account lets the role in.",
        f"ask the owner of bucket {_bucket(reading)} for a bucket policy that allows the role's "
        "ARN the same actions; both sides must allow across accounts",
    ),
    "bucket_region_mismatch": _region,
    "kms_role_permission": lambda reading: Fix(
        "The role may use the bucket's key: kms:GenerateDataKey to write, kms:Decrypt to read and "
        "for multipart uploads.",
        f"{APPLY} with kms_key_arn: {_key_arn(reading)} adds the statement (Step 1)",
    ),
    "kms_key_policy": lambda reading: Fix(
        "The key policy lets the role use the key.",
        f"KMS console > Customer managed keys > {_key_arn(reading)} > Key policy: add the role as "
        "a key user (kms:GenerateDataKey, kms:Decrypt), or ask the key's owner to",
    ),
    "kms_key_disabled": lambda reading: Fix(
        "The key is enabled and in the bucket's region.",
        f"aws kms describe-key --key-id {_key_arn(reading)}; then aws kms enable-key, or aws kms "
        "cancel-key-deletion first, or give the bucket another key",
    ),
    "allowed_principal_missing": _allowed_principal,
    "allowed_principal_other_arn": _allowed_principal,
    "allowed_principals_failed": _fixed(
        "The Allowed Principals are Ready.",
        "RisingWave Cloud console > the cluster > Network Access > Allowed Principals: remove the "
        f"entry and add it again; if it fails again {SUPPORT} with the cluster's id",
    ),
    "sql_wrong_role_arn": lambda reading: Fix(
        "The statement names the ARN of the role, arn:aws:iam::<12 digits>:role/<name>.",
        "rwlib sql --target FILE.yaml prints the statement; DROP the sink or source and create it "
        "again, because role options cannot be altered",
    ),
    "sql_wrong_role_option": lambda reading: Fix(
        "The role stands in the option that this connector reads.",
        "s3.assume_role for redshift, snowflake and s3; s3.iam_role_arn (and glue.iam_role_arn) "
        "for iceberg: rwlib sql --target FILE.yaml prints it; create the sink or source again",
    ),
    "sql_missing_option": lambda reading: Fix(
        "The statement has every option that it needs.",
        "rwlib sql --target FILE.yaml prints the whole statement, with the role, the region and "
        "enable_config_load = 'true'; create the sink or source again",
    ),
    "sql_outside_prefix": lambda reading: Fix(
        "The statement stays under the prefix the role may use.",
        "set s3.path or match_pattern to a path under the target's prefix, or give the target a "
        f"wider prefix and run {APPLY} (Step 1)",
    ),
    "config_load_refused": lambda reading: Fix(
        "RisingWave loads its own identity for this statement.",
        f"{SUPPORT} whether enable_config_load is honoured on this cluster; until then a secret "
        "with static keys: CREATE SECRET name WITH (backend = 'meta') AS '…'",
    ),
    "secret_missing": lambda reading: Fix(
        "The value is a secret, not plain text.",
        "CREATE SECRET my_secret WITH (backend = 'meta') AS '…'; then option = secret my_secret",
    ),
    "caller_credentials_invalid": _fixed(
        "The caller signs with credentials that AWS knows.",
        "for your own calls: aws sts get-caller-identity must answer, temporary keys need their "
        f"session token; for RisingWave's calls {SUPPORT}",
    ),
    "credentials_expired": _fixed(
        "The caller has fresh credentials.",
        "sign in again (aws sso login, or assume the role again); in a running sink restart it or "
        f"{SUPPORT}, its sessions are renewed by themselves",
    ),
    "sts_region_disabled": lambda reading: Fix(
        "STS answers in that region for the account.",
        "IAM console > Account settings > Security Token Service (STS) > Endpoints: activate the "
        "region, in the account that owns the role; an opt-in region must be enabled in "
        f"RisingWave's account too: {SUPPORT}, or use a bucket in a default region",
    ),
    "redshift_trust_missing": lambda reading: Fix(
        "The role trusts redshift.amazonaws.com beside RisingWave.",
        f"{APPLY} with connectors: [redshift] adds the principal (Step 3); Redshift Serverless "
        "needs redshift-serverless.amazonaws.com too",
    ),
    "redshift_role_not_attached": lambda reading: Fix(
        "The role is among the cluster's IAM roles.",
        "Redshift console > the cluster > Actions > Manage IAM roles > Associate IAM role; or aws "
        f"redshift modify-cluster-iam-roles --cluster-identifier CLUSTER --add-iam-roles "
        f"{_role_arn(reading)}",
    ),
    "redshift_region_mismatch": _fixed(
        "Bucket and Redshift cluster are in one region.",
        "use a bucket in the cluster's region: RisingWave's COPY has no REGION clause",
    ),
    "glue_permission_missing": lambda reading: Fix(
        f"The role's policy allows {reading.action or 'the Glue actions'}.",
        f"{APPLY} with glue_database set adds the Glue statement (Step 1); where Lake Formation "
        "governs the database, its administrator must grant the role too",
    ),
    "iceberg_catalog_ignores_role": _fixed(
        "The catalog type is one that uses the role.",
        "catalog.type = 'glue', 'rest' or 'jdbc' with s3.iam_role_arn (glue.iam_role_arn for "
        "Glue's own calls); the storage catalog, the default, ignores it",
    ),
    "propagation_delay": lambda reading: Fix(
        "The change has reached every part of the service.",
        f"wait a minute and try again; {VERIFY} asks until several answers in a row agree",
    ),
    "trust_tag_session_missing": lambda reading: Fix(
        f"The trust policy of {_role(reading)} allows {reading.action or 'sts:TagSession'} beside "
        "sts:AssumeRole.",
        f"IAM console > Roles > {_role(reading)} > Trust relationships > Edit: add "
        f"{reading.action or 'sts:TagSession'} to the Action of the caller's statement; or send no "
        "session tags or source identity (RisingWave itself sends none)",
    ),
    "lake_formation_grant_missing": lambda reading: Fix(
        f"Lake Formation grants {_role(reading)} the table.",
        "Lake Formation console > Data permissions > Grant: the role, the database and table, "
        "Describe and Select to read, Insert to write, and the data location; or its administrator "
        "gives the table back to IAM (IAMAllowedPrincipals)",
    ),
    "malformed_policy": lambda reading: Fix(
        "The document follows the grammar of the place it is given to.",
        what_to_change(reading.facts.flat),
    ),
    "license_missing": _fixed(
        "The cluster has a license for the feature.", f"choose a plan that has it, or {SUPPORT}"
    ),
    "sql_syntax": _fixed("The statement parses.", "correct it at the place the message names"),
    "sink_decouple_off": _fixed(
        "The session creates the sink decoupled.", "SET sink_decouple = true; then CREATE SINK"
    ),
    "policy_limit_reached": _fixed(
        "The quota is not exceeded.", "shorten the document, or ask for more in Service Quotas"
    ),
    "too_many_requests": _fewer_requests,
    "endpoint_wrong": lambda reading: Fix(
        "The endpoint that is named exists.",
        "for AWS leave the endpoint out (s3.endpoint_url, s3.endpoint, AWS_ENDPOINT_URL, "
        f"endpoint_url in ~/.aws/config); else correct {host_of(reading.facts.flat) or 'its name'}",
    ),
    "network_blocked": _reachable,
    "unknown": lambda reading: Fix(
        "The hop that refuses is known.", f"{VERIFY} looks at every hop"
    ),
}


def _key_arn(reading: Reading) -> str:
    match = re.search(r"arn:[\w-]+:kms:[\w:/-]+", reading.facts.flat)
    if match:
        return match[0]
    return (reading.target.kms_key_arn if reading.target else "") or "KEY_ARN"
