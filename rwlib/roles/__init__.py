"""Step 2 - Create an IAM role with the policy attached.

The role is created with its final trust policy, so there is never a moment in which RisingWave's
whole account is trusted. (The console's path "Another AWS account" has such a moment.)
"""

from __future__ import annotations

from rwlib.policies import is_ours
from rwlib.roles.attachment import (
    ATTACHED_QUOTA,
    PROPAGATION_SECONDS,
    attached_policies,
    ensure_attached,
    wait_until_seen,
)
from rwlib.roles.role import ensure_role, read_role

__all__ = [
    "ATTACHED_QUOTA",
    "PROPAGATION_SECONDS",
    "attached_policies",
    "ensure_attached",
    "ensure_role",
    "is_ours",
    "read_role",
    "wait_until_seen",
]
