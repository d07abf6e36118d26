"""IAM's documents and quotas, the bucket's key, and the Glue Data Catalog.

Sources: IAM user guide ("IAM and AWS STS quotas", "Troubleshooting IAM policies"), re:Post "IAM
trust policy error", KMS developer guide ("Key states", "Troubleshooting key access"), Lake
Formation developer guide.
"""

from __future__ import annotations

from typing import Final

from rwlib.diagnose.policy_errors import SENTENCES
from rwlib.diagnose.rules.base import AWS, NOT_S3, OTHER_SERVICES, Rule, rule

DOCUMENTS: Final[tuple[Rule, ...]] = (
    rule(  # sentences about the place of Principal, not about the one that is named
        "malformed_policy",
        r"(?:Has prohibited|Missing required|required) field:? (?:Not)?Principal",
        r"(?:should not|must not|may not|cannot) specify a principal",
        r"(?:must contain|must have|missing|required)[\w -]{0,30} principals?\b(?!.{0,40}invalid)",
        r"Federated principals? must be",
        needs=(r"polic|IAM|MalformedPolicy|trust|statement|document|prohibited|required field",),
        unless=(
            r"kerberos|krb5|ldap|\bspn\b|hdfs|invalid principals?\b",
            r"\bMinIO\b|azure|kubernetes|kyverno|gatekeeper",
        ),
    ),
    rule(
        "invalid_principal",
        r"invalid principals?\b|unsupported principal|statement with no principals",
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
    rule("malformed_policy", r"\bMalformedPolicy(?:Document)?(?:Exception)?\b"),
    rule(
        "malformed_policy",
        *(sentence.says for sentence in SENTENCES if sentence.alone),
        unless=(r"\bMinIO\b|azure|kubernetes|kyverno|gatekeeper",),
    ),
    rule(
        "malformed_policy",
        *(sentence.says for sentence in SENTENCES if not sentence.alone),
        needs=(
            r"Service: ?(?:AWS|Amazon)?(?:Iam|IdentityManagement)\b|operation error IAM\b",
            r"(?:Put(?:Role|User|Group|Bucket|Key)|Create|Set(?:Default)?)Policy(?:Version)?\b",
            r"(?:UpdateAssumeRole|resource-based|trust|bucket|key|inline|IAM) ?policy\b",
        ),
        unless=(r"\bMinIO\b|azure|kubernetes|kyverno|gatekeeper|AccessDenied|not authorized",),
    ),
)

_DENIED: Final = r"(?:Access ?Denied(?:Exception)?|Access is not allowed|not authorized)"

KEY_AND_CATALOG: Final[tuple[Rule, ...]] = (
    rule(
        "lake_formation_denied",
        rf"Service: ?(?:AWS ?)?LakeFormation\b|lakeformation\.model\.{_DENIED}",
        rf"operation error LakeFormation: .{{0,300}}{_DENIED}",
        rf"{_DENIED}.{{0,40}}when calling the (?:GetTemporary(?:Glue(?:Table|Partition)"
        r"|DataLocation|Table)Credentials|GetDataAccess|RegisterResource|GrantPermissions"
        r"|BatchGrantPermissions|GetDataLakeSettings) operation",
        rf"lakeformation\W.{{0,200}}{_DENIED}|{_DENIED}.{{0,200}}@aws-sdk/client-lakeformation",
        needs=(_DENIED,),
        unless=(r"not authorized to perform:? glue:",),
    ),
    rule(
        "lake_formation_denied",
        r"Insufficient (?:AWS )?Lake ?Formation permission",
        r"Lake ?Formation permission.{0,80}(?:required|missing|denied|insufficient)",
        r"(?:denied|not authorized|no permissions?).{0,80}by (?:AWS )?Lake ?Formation",
    ),
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
        "kms_denied",
        rf"(?:{_DENIED}|NotFoundException).{{0,60}}when calling the "
        r"(?:Decrypt|Encrypt|ReEncrypt\w*|GenerateDataKey\w*|DescribeKey) operation",
        r"Service: (?:AWS)?Kms\b.{0,80}Status Code: 400",
        r"operation error KMS: .{0,300}(?:AccessDenied|Disabled|NotFound|InvalidState)\w*",
        r"refers? to a (?:customer master|KMS) key that (?:does not|doesn't) exist",
        r"(?:kms|key).{0,120}(?:KeyUnavailableException|IncorrectKeyException)",
        r"(?:DisabledException|KMSInvalidState\w*|KeyUnavailableException): "
        r".{0,40}arn:aws[\w-]*:kms:",
        unless=(r"lambda|Parameter Store|ssm:|secretsmanager|\bSQS\b|\bEBS\b",),
    ),
    rule(
        "iceberg_catalog_denied",
        r"RESTError 40[13]\b|\b(?:ForbiddenError|UnauthorizedError|AuthorizationExpiredError): ",
        r"iceberg\.exceptions\.(?:ForbiddenException|NotAuthorizedException)",
        r"(?:catalog|iceberg).{0,200}unexpected status code.{0,120}\b40[13]\b",
        r"unexpected status code.{0,120}\b40[13]\b.{0,400}(?:iceberg|catalog)",
        r"\bstatus: 40[13]\b.{0,1200}unexpected status code",
        r"iceberg\.exceptions\.(?:OAuthError|BadRequestException).{0,80}"
        r"(?:unauthorized_client|invalid_client|invalid_grant|access_denied|invalid_scope)",
        r"/iceberg/v1/\S*.{0,200}\b(?:403 Forbidden|401 Unauthorized|status\W{1,4}40[13])",
        r"\b(?:403 Forbidden|401 Unauthorized|status\W{1,4}40[13])\b.{0,200}/iceberg/v1/",
        r"(?:REST|polaris|unity|nessie|lakekeeper|tabular|open) catalog.{0,200}"
        r"(?:\b40[13]\b|Forbidden|NotAuthorized|Unauthorized|access denied)",
        needs=(r"iceberg|RESTError|catalog",),
        unless=(r"S3Error|S3Exception|Service: (?:Amazon )?S3\b|Service: ?(?:AWS)?Glue", *NOT_S3),
    ),
    rule(
        "glue_access_denied",
        r"glue.{0,200}AccessDenied(?:Exception)?\b|GlueException.{0,200}Status Code: 403",
        r"AccessDeniedException.{0,300}Service: (?:AWS)?Glue",
    ),
)
