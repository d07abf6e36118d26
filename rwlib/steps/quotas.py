"""How large a policy may be, and how it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Quota:
    """How much an account allows.

    Parameters
    ----------
    unread
        Why the account's own figure could not be read, where it may be larger than AWS's default.
    """

    number: int
    unread: str = ""

    def __str__(self) -> str:
        unread = f" by default; whether more in this account could not be read: {self.unread}"
        return f"{self.number:,}{unread if self.unread else ''}"


def check_size(document: Mapping[str, Any], quota: Quota, what: str, hint: str) -> None:
    """Refuse a document that passes its quota, counted without white space.

    Raises
    ------
    PolicyLimitError
        With the document's size, the quota and what to do.
    """
    size = _size(document)
    if size > quota.number:
        raise PolicyLimitError(
            f"{what}: the document has {size:,} characters and AWS allows {quota}; {hint}"
        )


def size_quota(aws: Aws, name: str, default: int, document: Mapping[str, Any]) -> Quota:
    """Return an account's quota for a document; asked only when AWS's default could be passed."""
    return Quota(default) if _size(document) <= default else account_quota(aws, name, default)


def account_quota(aws: Aws, name: str, default: int) -> Quota:
    """Return an account's own figure as ``iam:GetAccountSummary`` gives it, else the default."""
    from botocore.exceptions import ClientError

    from rwlib.aws import error_message

    try:
        summary = aws.read("iam", "get_account_summary", about="account")["SummaryMap"]
    except ClientError as error:
        return Quota(default, error_message(error))
    return Quota(int(summary.get(name, default)))


def _size(document: Mapping[str, Any]) -> int:
    return len("".join(json.dumps(document).split()))


TRUST_SIZE_QUOTA = 2048  # raisable; the account's own is AssumeRolePolicySizeQuota
