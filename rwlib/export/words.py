"""What every export says about itself."""

from __future__ import annotations

import textwrap

from rwlib.export.plan import ExportPlan

NOT_EXPORTED = (
    "Not exported: the confirmation that the role is registered in Allowed Principals, running the "
    "SQL, and the values of its secrets. `rwlib verify` says whether the whole works."
)


def comment(text: str, mark: str) -> str:
    """Return a text as comment lines; what could end a line becomes a blank."""
    text = "".join(each if each.isprintable() else " " for each in text)
    lines = textwrap.wrap(text, 98 - len(mark), break_long_words=False, break_on_hyphens=False)
    return "".join(f"{mark} {line}\n" for line in lines)


def principal_steps(plan: ExportPlan) -> str:
    """Say what a person does for Step 4."""
    return (
        "Step 4 is manual: in RisingWave Cloud's console, in the cluster whose Workload "
        f"Identity is {plan.workload_identity_arn}, add the role's ARN under Network Access, "
        "Allowed Principals."
    )
