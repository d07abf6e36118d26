"""The tags by which this runbook knows what it made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MANAGED_BY = "managed-by"
MANAGED_BY_VALUE = "risingwave-iam-runbook"
TARGET_TAG = "risingwave-iam-runbook:target"


def is_ours(item: Mapping[str, Any]) -> bool:
    """True when a role or policy, as IAM describes it, carries this runbook's tag."""
    return tag_map(item.get("Tags", [])).get(MANAGED_BY) == MANAGED_BY_VALUE


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags in the shape of AWS's API."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return tags of AWS's API as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags}
