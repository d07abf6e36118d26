"""Step 1 - Create an IAM policy for S3 access.

The documents are pure: they are built from a target and touch nothing. `ensure_policy` makes the
customer-managed policy exist with one of them.
"""

from __future__ import annotations

from rwlib.policies.documents import (
    REASONS,
    documented_policy,
    escape_pattern,
    glue_settings,
    policy_document,
    recommended_policy,
)
from rwlib.policies.ensure import ensure_policy, policy_users
from rwlib.policies.limits import (
    POLICY_SIZE_QUOTA,
    VERSIONS_QUOTA,
    account_quota,
    check_size,
    policy_text,
)
from rwlib.policies.tags import (
    MANAGED_BY,
    MANAGED_BY_VALUE,
    TARGET_TAG,
    is_ours,
    tag_list,
    tag_map,
)

__all__ = [
    "MANAGED_BY",
    "MANAGED_BY_VALUE",
    "POLICY_SIZE_QUOTA",
    "REASONS",
    "TARGET_TAG",
    "VERSIONS_QUOTA",
    "account_quota",
    "check_size",
    "documented_policy",
    "ensure_policy",
    "escape_pattern",
    "glue_settings",
    "is_ours",
    "policy_document",
    "policy_text",
    "policy_users",
    "recommended_policy",
    "tag_list",
    "tag_map",
]
