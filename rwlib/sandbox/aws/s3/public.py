"""Block Public Access: which bucket policies are public.

Source: Amazon S3 User Guide, "The meaning of 'public'" in "Blocking public access to your Amazon
S3 storage".
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from rwlib.sandbox.aws.documents import listed, statements_of

FIXING_KEYS = frozenset(
    {
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:principalarn",
        "aws:principalaccount",
        "aws:sourceip",
        "aws:sourcearn",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceowner",
        "aws:sourceaccount",
        "aws:userid",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount",
    }
)
"""Keys which make a statement for everybody one for somebody, when their values are fixed."""

POSITIVE = ("StringEquals", "StringLike", "StringEqualsIgnoreCase", "ArnEquals", "ArnLike")


@lru_cache(maxsize=512)
def is_public(policy: str) -> bool:
    """Whether a bucket policy grants access to everybody."""
    return any(statement_is_public(statement) for statement in statements_of(json.loads(policy)))


def statement_is_public(statement: dict[str, Any]) -> bool:
    """Whether one statement grants access to everybody."""
    if statement.get("Effect") != "Allow":
        return False
    principal = statement.get("Principal")
    everybody = "NotPrincipal" in statement or principal == "*"
    if isinstance(principal, dict):
        everybody = any("*" in listed(value) for value in principal.values())
    return everybody and not _is_fixed(statement.get("Condition", {}))


def _is_fixed(condition: dict[str, dict[str, Any]]) -> bool:
    for operator, tests in condition.items():
        bare = operator.removeprefix("ForAnyValue:")
        if bare not in POSITIVE and bare != "IpAddress":
            continue
        for key, values in tests.items():
            if key.lower() in FIXING_KEYS and all(_fixed(bare, v) for v in listed(values)):
                return True
    return False


def _fixed(operator: str, value: Any) -> bool:
    text = str(value)
    if operator == "IpAddress":
        width = text.rpartition("/")[2] if "/" in text else "32"
        return not (width.isdigit() and int(width) < (32 if ":" in text else 8))
    return not any(mark in text for mark in ("*", "?", "${"))
