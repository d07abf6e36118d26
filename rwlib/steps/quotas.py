"""How large a policy may be, and how it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rwlib.errors import PolicyLimitError

if TYPE_CHECKING:
    from rwlib.aws import Aws

# IAM counts a managed policy without white space, and the trust policy likewise (IAM user guide,
# IAM and STS quotas). GetAccountSummary tells an account's own figures.
POLICY_SIZE_QUOTA = 6144
VERSIONS_QUOTA = 5


def policy_text(document: Mapping[str, Any]) -> str:
    """JSON text of a document as it is sent: ASCII only, because IAM refuses more."""
    return json.dumps(document, indent=2)


def check_size(document: Mapping[str, Any], quota: int, what: str, hint: str) -> None:
    """Refuse a document that passes its quota, counted without white space.

    Raises
    ------
    PolicyLimitError
        With the document's size, the quota and what to do.
    """
    size = len("".join(json.dumps(document).split()))
    if size > quota:
        raise PolicyLimitError(
            f"{what}: the document has {size:,} characters and AWS allows {quota:,}; {hint}"
        )


def account_quota(aws: Aws, name: str, default: int, document: Mapping[str, Any]) -> int:
    """Return an account's quota; asked only when AWS's default could be passed."""
    from botocore.exceptions import ClientError

    if len("".join(json.dumps(document).split())) <= default:
        return default
    try:
        summary = aws.read("iam", "get_account_summary", about="account")["SummaryMap"]
    except ClientError:
        return default
    return int(summary.get(name, default))


TRUST_SIZE_QUOTA = 2048  # raisable; the account's own is AssumeRolePolicySizeQuota
