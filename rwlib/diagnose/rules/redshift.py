"""Redshift's COPY: the role it assumes, the string it gets, the bucket it reads.

Sources: Redshift database developer guide ("S3ServiceException errors", "Authorizing COPY"),
amazon-redshift-jdbc-driver and psycopg texts in public issues.
"""

from __future__ import annotations

from typing import Final

from rwlib.diagnose.rules.base import REDSHIFT_COPY, Rule, rule

REDSHIFT: Final[tuple[Rule, ...]] = (
    rule(
        "redshift_role_not_usable",
        r"not authorized to assume IAM role",
        r"not authorized to get credentials of role",
        r"IAM role[^.]{0,200}?(?:is|are) not (?:associated|attached|added)\b[^.]{0,60}"
        r"(?:cluster|namespace|workgroup|redshift)",
        unless=(r"AWS_ROLE|ec2\.amazonaws",),
    ),
    rule(
        "redshift_copy_credentials",
        r"Invalid credentials\. Must be of the format",
        r"CREDENTIALS argument is not supplied",
        r"(?:COPY|UNLOAD)\b.{0,80}(?:requires?|must specify).{0,40}"
        r"(?:CREDENTIALS|IAM_ROLE|authorization)",
        r"Invalid (?:value for )?(?:aws_iam_role|IAM_ROLE)\b",
        r"default IAM role.{0,60}(?:not (?:set|found|been)|does not exist)",
    ),
    rule(
        "redshift_copy_region",
        r"S3 bucket[^.]{0,60} is in a different region from this cluster",
        r"PermanentRedirect|TemporaryRedirect|addressed using the specified endpoint",
        r"AuthorizationHeaderMalformed|region '[\w-]+' is wrong",
        needs=(*REDSHIFT_COPY, r"from this cluster|\bUNLOAD\b|\bCOPY\b.{0,400}redshift"),
    ),
)

REDSHIFT_REFUSED_BY_S3: Final[tuple[Rule, ...]] = (
    rule(
        "redshift_copy_s3_denied",
        r"Access ?Denied|Status 403|\bForbidden\b",
        needs=REDSHIFT_COPY,
        unless=(r"jets3t|amazonaws\.services\.s3",),
    ),
    # What COPY says of a manifest that its role may list but not read.
    rule("redshift_copy_s3_denied", r"MANIFEST parameter requires full path of an S3 object"),
)
