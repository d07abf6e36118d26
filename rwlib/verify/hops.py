"""Verify the setup: a verdict for every hop from RisingWave to the bucket.

A check only looks. It says pass, fail, unknown or manual, with its evidence and its fix; what
could not be looked at is unknown with the reason, never pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rwlib.target import Target
from rwlib.verify.bucket import check_bucket
from rwlib.verify.check import Check
from rwlib.verify.deciding import probe_role
from rwlib.verify.kms import check_kms
from rwlib.verify.requests import check_allowed, check_refused
from rwlib.verify.role import check_boundary, check_identity, check_policy, check_role
from rwlib.verify.situation import Situation
from rwlib.verify.trust import check_redshift_trust, check_trust


def check_situation(
    target: Target,
    situation: Situation,
    wanted_policy: Mapping[str, Any],
    *,
    workload_identity_arn: str = "",
) -> list[Check]:
    """Return the verdict of every hop, in the order of the way.

    Parameters
    ----------
    wanted_policy
        The document that Step 1 builds for this target.
    workload_identity_arn
        When it is not in the target but was fetched from Cloud metadata.
    """
    workload = workload_identity_arn or target.workload_identity_arn
    verdicts = probe_role(target, situation)
    return [
        check_identity(situation),
        *check_policy(target, situation, wanted_policy),
        check_role(target, situation),
        check_boundary(target, situation, verdicts),
        *check_trust(situation, workload),
        *check_bucket(target, situation, verdicts),
        *check_kms(target, situation, verdicts),
        check_allowed(situation, verdicts),
        check_refused(situation, verdicts),
        *check_redshift_trust(target, situation),
    ]
