"""STS: the region's endpoint, the workload's own identity, the role's ARN, the refusal.

Sources: STS API reference (AssumeRole, AssumeRoleWithWebIdentity), IAM user guide ("Managing AWS
STS in an AWS Region").
"""

from __future__ import annotations

from typing import Final

from rwlib.diagnose.rules.base import AWS, OTHER_SERVICES, Rule, rule

STS: Final[tuple[Rule, ...]] = (
    rule(
        "sts_region_disabled",
        r"RegionDisabledException",
        r"\bSTS is not activated in (?:this|the) (?:requested )?region",
        r"STS (?:endpoint )?is (?:disabled|deactivated|not enabled) (?:in|for) (?:this|the|region)",
        r"OptInRequired.{0,200}(?:\bSTS\b|region)",
    ),
    rule(
        "sts_region_mismatch",
        r"Credential should be scoped to a valid region",
        unless=(
            *OTHER_SERVICES,
            r"\(Service: (?:Amazon )?(?:S3|Kinesis|Glue)\b|S3Error|Kinesis|Neptune",
        ),
    ),
    rule(
        "web_identity_denied",
        r"not authorized to perform:? ?sts:AssumeRoleWithWebIdentity",
        r"AccessDenied.{0,80}AssumeRoleWithWebIdentity",
        r"AssumeRoleWithWebIdentity operation:? (?!.{0,40}expired).{0,60}(?:denied|not authorized)",
        r"InvalidIdentityToken|IDPCommunicationError|IDPRejectedClaim",
        r"No OpenIDConnect provider found|Incorrect token audience",
        r"Couldn't retrieve verification key from your identity provider",
        r"WebIdentityErr: failed to retrieve credentials",
        unless=(r"\bExpiredToken",),
    ),
    rule(
        "invalid_role_arn",
        r"at 'roleArn' failed to satisfy constraint",
        r"parameter RoleArn\b|RoleArn.{0,40}(?:valid min length|does not match)",
        r"Request ARN is invalid|malformed ARN|arn: (?:invalid prefix|not enough sections)",
        r"\brole ?arn\b[^.]{0,80}\bis (?:invalid|malformed|not valid|not a valid)",
        r"(?:invalid|malformed|not a valid) (?:IAM )?role ?arn",
        r"ValidationError.{0,200}(?:arn:[\w:/.@+=,-]+|\S*role/\S+|\brole) is (?:invalid|not valid)",
        r"\bARN .{0,100}does not match .{0,20}pattern",
        unless=(r"validate arn failed|kms|glue:|policyArn|principal|possible causes",),
    ),
    rule(
        "assume_role_denied",
        r"AccessDenied\) when calling the AssumeRole operation",
        r"when calling the AssumeRole operation.{0,20}access denied",
        r"operation error STS: AssumeRole,.{0,300}AccessDenied",
        r"AWS STS Services (?:still )?failed.{0,300}<Code>AccessDenied",
        r"\"eventName\" ?: ?\"AssumeRole\".{0,2000}\"errorCode\" ?: ?\"AccessDenied",
        r"\"errorCode\" ?: ?\"AccessDenied\".{0,2000}\"eventName\" ?: ?\"AssumeRole\"",
        r"exceeds the (?:1 hour session limit|MaxSessionDuration)",
        r"Roles may not be assumed by root|MultiFactorAuthentication failed",
    ),
)

ROLE_NOT_ASSUMED: Final[tuple[Rule, ...]] = (
    rule(
        "assume_role_denied",
        r"Error assuming (?:AWS_)?ROLE|failed to load signing credential",
        r"(?:failed|unable|cannot|could not|couldn't|can't|error)(?: trying)? (?:to )?"
        r"assum(?:e|ing) (?:the )?(?:IAM |AWS )?role\b",
        r"role (?:that .{0,40}|\([^)]{1,120}\) )?(?:cannot|can't|could not) be assumed",
        needs=AWS,
        unless=(r"kubernetes role|postgres|by Lambda",),
        weak=True,
    ),
)
