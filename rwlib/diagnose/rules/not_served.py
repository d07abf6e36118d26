"""No answer came, or the answer was that there are too many requests.

Sources: S3 API reference ("Error responses": SlowDown, ServiceUnavailable), "Common errors" of the
IAM, STS and KMS API references (Throttling, ThrottlingException), opendal
(``core/src/services/s3/error.rs``: RateLimited); for what was not reached the messages of hyper,
reqwest, aws-smithy (``SdkError::DispatchFailure``), botocore and urllib3, Java's and the AWS SDKs
for Java, Go, JavaScript and C++ (curl).
"""

from __future__ import annotations

import re
from typing import Final

from rwlib.diagnose.patterns import finder
from rwlib.diagnose.rules.base import NOT_S3, OTHER_SERVICES, S3, Rule, rule

_SERVICE: Final = r"(?:s3|sts|iam|kms|glue|lakeformation)"
# Our services by their hosts; buckets stand before S3's.
_HOST: Final = (
    rf"(?:^|[/.@:\s\"'(\[]){_SERVICE}[\w.-]{{0,60}}\.amazonaws\.com|risingwave\.cloud\b",
)
_OURS: Final = (
    *S3,
    *_HOST,
    r"reqsign|AWS STS Services|\bS(?:TS|ts)(?:Exception)?\b|\bKMS\b|\bGlue\b",
    r"operation error (?:STS|IAM|KMS|Glue|LakeFormation)",
    r"Service: ?(?:AWS|Amazon)?(?:SecurityTokenService|Sts|Iam|IdentityManagement|Kms|Glue)\b",
    r"when calling the (?:AssumeRole\w*|GetCallerIdentity|Decrypt|Encrypt|GenerateDataKey\w*"
    r"|(?:Get|Create|Update|Delete)(?:Table|Database|Partition)s?"
    r"|\w+(?:Role|Polic(?:y|ies))\w*) operation",
)
# What has names and limits of its own, and the address at which credentials are fetched.
_ELSEWHERE: Final = (
    *OTHER_SERVICES,
    *NOT_S3,
    r"kinesis|dynamodb|kafka|\bmsk\b|pulsar|mysql|postgres|mongo|snowflakecomputing|\brds\.",
    r"redshift(?:-serverless)?\.amazonaws|secretsmanager|github\.com|grpc|rpc_client",
    r"when calling the \w*(?:Stream|Shard|Record|Function|Instance|Stack|Queue|Topic|Log|Parameter"
    r"|Secret|Metric)\w* operation",
    r"169\.254\.|fd00:ec2|\bIMDS\b|metadata service",
)

THROTTLED: Final[tuple[Rule, ...]] = (
    # S3's own words.
    rule("throttled", r"\bSlowDown\b|Please reduce your request rate", unless=_ELSEWHERE),
    rule(
        "throttled",
        r"\bSlow ?Down\b|reduce your request rate|503 Slow",
        r"\bRateLimited \((?:temporary|persistent|permanent)\)",
        r"\b(?:Throttling|Throttled|RequestThrottled)(?:Exception)?\b|ThrottlingException",
        r"\b(?:RequestLimitExceeded|BandwidthLimitExceeded|TooManyRequests(?:Exception)?)\b",
        r"\bRate exceeded\b|\b429 Too Many Requests|\b(?:status|code)\W{1,4}429\b",
        r"ServiceUnavailable\b.{0,200}(?:S3|amazonaws|HostId)",
        r"\(503\) when calling the",
        needs=_OURS,
        unless=_ELSEWHERE,
    ),
)

# In the order in which a request fails: the name, the connection, the certificate, the answer.
_NO_NAME: Final = (
    r"dns error|failed to lookup address|NameResolutionError|Failed to resolve '",
    r"UnknownHost(?:Exception)?\b|Name or service not known|nodename nor servname",
    r"Temporary failure in name resolution|no such host|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)",
    r"(?:could ?n[o']t|cannot|unable to) resolve (?:the )?(?:host|endpoint|address)",
    r"\bEAI_AGAIN\b|\bENOTFOUND\b|curlCode: 6\b|server misbehaving",
)
_NO_CONNECTION: Final = (
    r"error trying to connect|tcp connect error|client error \(Connect\)|Connection refused",
    r"(?:connection|connect|operation|request|handshake) timed out|i/o timeout|timeout: connect",
    r"Could not connect to the endpoint URL|(?:Connect|Read) timeout on endpoint URL",
    r"EndpointConnectionError|(?:Connect|Read)TimeoutError|ConnectTimeoutException",
    r"connection reset by peer|Network is unreachable|No route to host|connection aborted",
    r"\b(?:ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNRESET)\b",
    r"curlCode: (?:7|28|35|52|56)\b|AWS Error NETWORK_CONNECTION",
    r"Failed to connect to proxy|Tunnel connection failed|Max retries exceeded with url",
    r"error sending request for url",
)
_NO_TRUST: Final = (
    r"certificate verify failed|CERTIFICATE_VERIFY_FAILED|invalid peer certificate",
    r"PKIX path building failed|unable to get local issuer certificate|curlCode: 60\b",
    r"self[- ]signed certificate|certificate signed by unknown authority|UnknownIssuer",
)

NOT_REACHED: Final[tuple[Rule, ...]] = (
    rule(
        "not_reached",
        *_NO_NAME,
        *_NO_CONNECTION,
        *_NO_TRUST,
        needs=(
            *_HOST,
            r"AWS Error NETWORK_CONNECTION",
            r"service: s3\b|service=s3\b|endpoint URL: \"?http",
        ),
        unless=_ELSEWHERE,
    ),
)
# The SDK for Rust says that it sent nothing, and often no more.
NOT_SENT: Final[tuple[Rule, ...]] = (
    rule(
        "not_reached", r"\bdispatch failure\b", r"DispatchFailure\(", unless=_ELSEWHERE, weak=True
    ),
)

NO_NAME: Final = finder(*_NO_NAME)
_NAMED_HOST: Final = finder(
    r"https?://([\w.-]+)",
    r"lookup ([\w-]+(?:\.[\w-]+)+)(?: on |:)",
    r"resolve (?:host |endpoint )?'?([\w-]+(?:\.[\w-]+)+)",
    r"(?:ENOTFOUND|EAI_AGAIN) ([\w.-]+)",
    r"UnknownHostException: ([\w.-]+)",
    r"\b([\w-]+(?:\.[\w-]+)*\.amazonaws\.com(?:\.cn)?)",
)


def host_of(flat: str) -> str:
    """Return the host that was not reached, or an empty string where the text names none."""
    found: re.Match[str] | None = _NAMED_HOST.search(flat)
    return next((name for name in found.groups() if name), "").rstrip(".") if found else ""
