"""RisingWave Cloud's management API, as its Terraform provider and its own messages put it.

Source: terraform-provider-risingwavecloud (``internal/cloudsdk``).
"""

from __future__ import annotations

from typing import Final

from rwlib.diagnose.rules.base import Rule, rule

_ALLOWED: Final = r"allowed ?(?:IAM ?)?(?:roles|principals)\b"

CLOUD: Final[tuple[Rule, ...]] = (
    rule(
        "cloud_api_bad_arn",
        r"validate arn failed|invalid target format, expected format: arn",
        r"expected format: arn:aws:iam|invalid (?:role )?arn.{0,120}expected format",
    ),
    rule(
        "cloud_api_failed",
        r"failed to apply the allowed (?:IAM )?roles",
        r"roleArns.{0,1200}\"status\" ?: ?\"Failed\"|\"status\" ?: ?\"Failed\".{0,400}roleArns",
        rf"{_ALLOWED}.{{0,120}}\bstatus\W{{1,4}}Failed\b",
        rf"(?:{_ALLOWED}|allowedIamRoles).{{0,60}}\b(?:could not be|were not|failed to be) applied",
    ),
    rule(
        "cloud_api_overlap",
        r"expected status code 202 but got 500, message",
        # A rescale or another change is under way.
        r"expected status code 20\d but got 400.{0,80}not running",
        r"allowedIamRoles.{0,200}(?:\b500\b|internal (?:server )?error)",
        r"(?:\b500\b|internal (?:server )?error).{0,200}allowedIamRoles",
        rf"{_ALLOWED}.{{0,120}}(?:another|concurrent|in progress|overlap)",
    ),
    rule(
        "cloud_api_unauthorized",
        r"expected status code \d{3} but got 40[13], message",
        r"\b40[13]\b.{0,120}(?:unauthori[sz]ed|forbidden|invalid)",
        r"(?:unauthori[sz]ed|forbidden|invalid (?:api key|credentials?)).{0,160}\b40[13]\b",
        r"invalid api key|invalid credentials?\b|\bunauthori[sz]ed\b",
        r"api key .{0,60}(?:invalid|expired|revoked|not found)",
        needs=(
            r"risingwave\.cloud|risingwavecloud|risingwave cloud|\brwc\b|RWC_API|allowedIamRoles",
            r"cloudMeta|/auth/ping|/tenants?/|expected status code \d{3} but got 40[13], message",
        ),
        unless=(r"AWS STS|S3Error|amazonaws|arn:aws:sts",),
    ),
)
