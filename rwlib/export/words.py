"""What every export says about itself."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rwlib.export.plan import ExportPlan

NOT_EXPORTED = (
    "Not exported: the confirmation that the role is registered in Allowed Principals, running the "
    "SQL, and the values of its secrets. `rwlib verify` says whether the whole works."
)


NOT_LOOKED = (
    "Nobody looked at AWS for this: it is for an account that has neither this policy nor this "
    "role, and for a bucket without a key of its own unless kms_key_arn names it. Where that may "
    "not be so, export again with credentials."
)


def said_of(*plans: ExportPlan) -> str:
    """Say what is not in the files, and whether nobody looked at what is there."""
    return NOT_EXPORTED if all(each.looked for each in plans) else f"{NOT_EXPORTED} {NOT_LOOKED}"


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


def managed_elsewhere(plans: Sequence[ExportPlan]) -> str:
    """Say which roles somebody manages already, empty for none: two tools undo each other."""
    said = {
        f"Role {plan.target.role_name} is managed already ({plan.existing.role_manager}): what "
        "manages it has to let go of it before this takes it over."
        for plan in plans
        if plan.existing.role_manager
    }
    return " ".join(sorted(said))


def far_characters(plans: Sequence[ExportPlan], who: str) -> str:
    """Say what a tool cannot write for IAM, empty where it can write all of it.

    IAM takes characters past U+00FF in a document only as the escapes of JSON.

    Source: IAM API Reference, "CreatePolicy", pattern of PolicyDocument.

    Parameters
    ----------
    who
        The tool, and what it does with escapes.
    """
    far = sorted({each for plan in plans for each in plan.target.prefix if each > "\u00ff"})
    if not far:
        return ""
    return (
        f"IAM refuses {' '.join(far)} in a policy unless written as JSON escapes, and {who}. "
        "Use the AWS CLI's script (`--format cli`) or `rwlib run` for this prefix."
    )
