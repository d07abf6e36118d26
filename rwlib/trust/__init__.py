"""Step 3 - Configure the trust policy.

This runbook owns the statement with the Sid ``RisingWaveCloudAssumeRole`` (and, for Redshift's
COPY, ``RisingWaveCloudRedshiftCopy``). Every other statement stays as it is.
"""

from __future__ import annotations

from rwlib.trust.ensure import TRUST_SIZE_QUOTA, ensure_trust
from rwlib.trust.merge import (
    REDSHIFT_SERVICE,
    REDSHIFT_SID,
    SID,
    TrustMerge,
    condition_keys,
    merge_trust,
    own_statements,
    principals,
    remove_own_statements,
    statements_of,
    trust_policy,
)

__all__ = [
    "REDSHIFT_SERVICE",
    "REDSHIFT_SID",
    "SID",
    "TRUST_SIZE_QUOTA",
    "TrustMerge",
    "condition_keys",
    "ensure_trust",
    "merge_trust",
    "own_statements",
    "principals",
    "remove_own_statements",
    "statements_of",
    "trust_policy",
]
