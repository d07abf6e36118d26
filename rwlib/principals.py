"""Step 4 - Register the role in the cluster's Allowed Principals.

The trust policy is the role's side; Allowed Principals is RisingWave's: the cluster may assume
only the roles on that list. Across accounts AWS wants both.
"""

from __future__ import annotations

from datetime import UTC, datetime

from rwlib.checks import Check
from rwlib.target import Target

CONSOLE = "https://cloud.risingwave.com/"

TITLE = "The cluster lists the role in Allowed Principals"


def console_steps(target: Target, role_arn: str) -> list[str]:
    """Return the exact clicks in RisingWave Cloud's console, one line each."""
    cluster = f"the cluster {target.cluster_id}" if target.cluster_id else "the cluster"
    return [
        f"Open {CONSOLE} and choose {cluster} whose Workload Identity is "
        f"{target.workload_identity_arn or 'the one of this target'}.",
        "Open Network Access, then the tab Allowed Principals.",
        f"Add the ARN {role_arn} and save.",
        "Wait until the entry is shown as ready.",
        "Run this again with allowed_principal_confirmed_by set to your name.",
    ]


def check_allowed_principal(target: Target, role_arn: str) -> Check:
    """Say who confirmed the entry in the console; without the management API it is never a pass."""
    if target.allowed_principal_confirmed_by:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        evidence = (
            f"{target.allowed_principal_confirmed_by} says that {role_arn} is listed (recorded "
            f"{now}); nobody looked",
        )
        return Check("allowed_principal", "allowed principal", TITLE, "manual", evidence)
    return Check(
        "allowed_principal",
        "allowed principal",
        TITLE,
        "manual",
        ("nobody has confirmed it, and there is no API key to look with",),
        " ".join(console_steps(target, role_arn)),
    )
