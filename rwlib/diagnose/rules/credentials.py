"""Whose credentials, and are there any: what every AWS service and SDK says alike.

Sources: "Common errors" of the AWS API references; the messages of botocore and of the SDKs for
Rust, Java 1 and 2, Go 1 and 2, JavaScript, Ruby and PHP; reqsign (``services/aws-v4``).
"""

from __future__ import annotations

from typing import Final

from rwlib.diagnose.rules.base import AWS, OTHER_SERVICES, Rule, rule

REFUSED_CREDENTIALS: Final[tuple[Rule, ...]] = (
    rule(
        "expired_token",
        r"\bExpired_?Token|\bRequestExpired\b|TokenRefreshRequired",
        r"security token included in the request is expired",
        r"provided token (?:has|is) expired|has expired and refresh failed",
        r"SSO session associated with this profile has expired",
    ),
    rule(
        "expired_token",
        r"(?:session|credentials?|security token)\b.{0,40}\b(?:has|have|is|are) expired\b",
        needs=AWS,
        unless=(
            *OTHER_SERVICES,
            r"kubectl|kubernetes|\bjwt\b|oauth|kafka|license|certificate|x509",
        ),
    ),
    rule(
        "invalid_client_token",
        r"InvalidClientTokenId|UnrecognizedClientException|InvalidSecurityToken|\bInvalidToken\b",
        r"security token included in the request is invalid",
        r"token is malformed or otherwise invalid",
        unless=(r"\bjwt\b|oauth|csrf",),
    ),
    rule(
        "bad_static_keys",
        r"Invalid_?Access_?Key_?Id|InactiveAccessKeyId|Access Key Id you provided does not exist",
        r"access key id .{0,60}does not exist|non-empty Access Key",
        r"Both [\"'`]?access_key[\"'`]? and [\"'`]?secret_key[\"'`]? are required",
        r"(?:access key|AKID)\b.{0,60}(?:is inactive|has been deactivated)",
    ),
    rule(
        "signature_mismatch",
        r"Signature_?Does_?Not_?Match|InvalidSignatureException|IncompleteSignature",
        r"request signature we calculated does not match",
        r"Check your (?:AWS )?secret access key and signing method",
        r"Credential should be scoped to correct service",
        r"RequestTimeTooSkewed|Signature expired: ",
        r"difference between the request time and the (?:current|server'?s) time",
        unless=(*OTHER_SERVICES, r"scoped to a valid region"),
    ),
)

NO_CREDENTIALS: Final[tuple[Rule, ...]] = (
    rule(
        "no_base_credentials",
        # reqsign and opendal
        r"source credential is required for AssumeRole",
        # Rust
        r"no providers? in (?:the )?chain provided|credential provider was not enabled",
        r"CredentialsNotLoaded|an error occurred while loading credentials",
        r"CredentialsLoadingError|ProfileFile provider could not be built",
        r"profile .{1,80} was not defined|could not find source profile",
        r"(?:config|credentials) profile \(?.{1,80}(?:could not be found|was not found)",
        r"Profile file contained no credentials for profile|NoAwsCredentials",
        r"NoAuthWithAWSException",
        r"No AWS (?:profiles?|accessKey)\b.{0,60}(?:found|set|provided)|Failed to load credentials",
        # Java, Go, Terraform
        r"Unable to load (?:AWS )?credentials|NoCredentialProviders|no valid providers in chain",
        r"no EC2 IMDS role found|no valid credential sources",
        r"failed to (?:retrieve|refresh|get|load) (?:cached )?(?:AWS )?credentials\b",
        # botocore, JavaScript, Ruby
        r"Unable to locate credentials|NoCredentialsError|Partial ?Credentials ?(?:Error|found)",
        r"CredentialsProviderError|CredentialsNotFound|Missing credentials in config",
        r"Could not load credentials from any providers",
        r"MissingCredentialsError|unable to sign request without credentials",
        r"NoAuthHandlerFound|Error retrieving credentials from the instance (?:profile )?metadata",
        # anybody
        r"(?:could not|couldn't|cannot|can't|unable to|failed to) "
        r"(?:find|load|get|obtain|resolve|retrieve) (?:any )?(?:AWS |source |base )?credentials\b",
        r"no (?:AWS |valid |source |signing )?credentials? (?:were |was |is |are |could be )?"
        r"(?:found|provided|available|loaded|configured)\b",
        needs=(*AWS, r"IMDS|credential|providers"),
        unless=(r"google|gcp\b|azure|docker|registry|\bgit\b|kerberos|ldap|npm|smtp|vault:",),
    ),
    rule(
        "no_base_credentials",
        r"failed to get shared config profile|SharedConfigProfileNotExist",
        r"(?:config|credentials) profile \([^)]{1,80}\) could not be found",
        r"Error loading SSO Token|UnauthorizedSSOTokenError|SSOTokenLoadError",
    ),
    rule(
        "no_base_credentials",
        r"169\.254\.169\.254|169\.254\.170\.23?\b|fd00:ec2::254",
        r"latest/api/token|latest/meta-data/iam|failed to load IMDS session token",
        needs=(r"credential|error|fail|timed? ?out|refused|unreachable|unable",),
    ),
    rule(
        "no_base_credentials",
        r"(?:access|secret)[_ ]key[\"'`]?.{0,24}[\"'`]?(?:access|secret)[_ ]key[\"'`]? "
        r"(?:must be (?:both )?(?:provided|set|specified)|are (?:both )?(?:required|needed))",
        unless=(r"Redshift COPY|assume_role",),
    ),
)

NO_CREDENTIALS_VAGUELY: Final[tuple[Rule, ...]] = (
    rule(
        "no_base_credentials",
        r"(?:access key id|secret access key) of aws s3 is not set",
        r"loading credential to sign http request"
        r"(?!.{0,600}(?:Throttl|amazonaws\.com|<Code>))",
        weak=True,
    ),
)
