"""What a rule is, and the contexts without which general words mean nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rwlib.diagnose.literals import required_words
from rwlib.diagnose.patterns import finder


@dataclass(frozen=True)
class Rule:
    """One way in which a class of error shows.

    Attributes
    ----------
    pattern
        Words that must be there.
    needs
        Context that must be there too.
    unless
        Context that makes the words mean something else.
    weak
        The words are a consequence, or too vague to stand beside a better error of the same log.
    words
        Sets of lower-case words; of each set every text that the rule holds for has one.
    """

    error_class: str
    pattern: re.Pattern[str]
    needs: re.Pattern[str] | None = None
    unless: re.Pattern[str] | None = None
    weak: bool = False
    words: tuple[tuple[str, ...], ...] = ()

    def search(self, flat: str, lower: str) -> re.Match[str] | None:
        """Return where the rule holds in the flattened text, or None.

        Parameters
        ----------
        lower
            The same text in lower case.
        """
        for words in self.words:
            if not any(word in lower for word in words):
                return None
        match = self.pattern.search(flat)
        if match is None:
            return None
        if self.needs and not self.needs.search(flat):
            return None
        if self.unless and self.unless.search(flat):
            return None
        return match


def rule(
    error_class: str,
    *phrases: str,
    needs: Iterable[str] = (),
    unless: Iterable[str] = (),
    weak: bool = False,
    words: Iterable[str] = (),
) -> Rule:
    """Compile a rule from phrases; every phrase is a regular expression and ignores case.

    Parameters
    ----------
    words
        Lower-case words of which every match has one, where the phrases do not show them.
    """
    return Rule(
        error_class,
        finder(*phrases),
        finder(*needs) if needs else None,
        finder(*unless) if unless else None,
        weak,
        tuple(filter(None, (tuple(words) or required_words(*phrases), required_words(*needs)))),
    )


# The marks of an AWS answer, or of a client that asks AWS.
AWS: Final = (
    r"aws|amazon|arn:|\bs3\b|\bsts\b|\biam\b|\bglue\b|\bkms\b|x-amz",
    r"opendal|reqsign|<Code>|botocore|boto3?\b|ClientError|calling the",
    r"redshift|snowflake|risingwave|iceberg|bucket",
)

# Services that this set-up never calls: their refusals are somebody else's.
OTHER_SERVICES: Final = (
    r"Service: (?:Amazon)?(?:SQS|SNS|SimpleEmail|DynamoDB|EC2|ECR|ECS|EKS|Lambda|CloudWatch|Logs)",
    r"Service: (?:Amazon)?(?:SSM|SecretsManager|RDS|Bedrock)",
    r"Amazon(?:SQS|SNS|EC2|DynamoDB|ECS|ECR)Exception",
    r"operation error (?:SQS|SNS|EC2|DynamoDB|ECR|ECS|EKS|Lambda|SSM|SES|RDS)",
)

# S3 by its SDKs, its URLs and its own answers.
S3: Final = (
    r"S3Error|S3Exception|S3ServiceException|Aws::S3::|services\.s3|aws_sdk_s3|client-s3",
    r"service: s3\b|service=s3\b|Service: (?:Amazon )?S3\b|operation error S3|\bS3\b",
    r"\bs3[an]?://|s3[.-][\w.-]*amazonaws|arn:aws[\w-]*:s3",
    r"x-amz-id-2|extended ?request ?id\b|\bhost ?id\b|\bbucket\b",
    r"stage area|aws[._]s3\b|parse_aws_s3",
    r"AWS Error \w+ (?:\(HTTP status \d+\) )?during",
    r"calling the (?:Head|Get|Put|List|Delete|Copy|Create|Upload|Complete|Abort)\w*"
    r"(?:Object|Bucket|Multipart|Part)\w* operation",
    r"\"(?:Get|Put|List|Head|Delete)Objects?(?:V2)?\"",
    r"upload failed: \S+ to |fatal error: An error occurred",
)

# Object stores of others, which use the same words.
NOT_S3: Final = (
    r"storage\.googleapis|\bgs://|gcs error|azure|blob\.core\.windows|dfs\.core\.windows",
    r"abfss?://|aliyuncs\.com|service: (?:gcs|azblob|azdls|oss|obs|cos|webhdfs|fs)\b",
)

# Redshift reports what S3 answered to its COPY in a form of its own.
REDSHIFT_COPY: Final = (
    r"S3ServiceException:\s?[^,]{3,400},\s?Status \d{3}",
    r"Problem reading manifest file|RedshiftIamRoleSession|\[Amazon\]\(500310\)",
    r"S3 Query Exception|\bRid [0-9A-Z]{8,},\s?ExtRid",
)
