"""What somebody without rights in IAM hands to those who have them: one page for each of the two.

The administrator of the AWS account gets the documents, what they allow and what not, and ways to
make them; the owner of the RisingWave cluster gets the role's ARN, the clicks of Step 4 and the
SQL. Nobody is asked: both are made of an `ExportPlan` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from rwlib.errors import InputError
from rwlib.export import ExportPlan, export_target
from rwlib.report.html import template
from rwlib.steps import REASONS, console_clicks, statements_of
from rwlib.verify import (
    check_allowed_principal,
    check_situation,
    document_situation,
    judge_reach,
    probe_role,
)

AWS_FILE, RISINGWAVE_FILE = "for-the-aws-administrator.html", "for-the-risingwave-owner.html"
ACCOUNT = "<account-id>"
"""Stands in ARNs where nobody knows the account."""

# Only for judging: no policy of this runbook names an account that was not given.
_STAND_IN = "123456789012"
_NOT_LOOKED_AT = "judged from these documents alone"
_WAYS = {"terraform": "Terraform", "cloudformation": "CloudFormation", "cli": "AWS CLI"}


def hand_over(plan: ExportPlan) -> dict[str, str]:
    """Return the two pages by their files' names; each opens without a network.

    Never asks anybody, and never says that something works: what cannot be seen from the
    documents, such as the bucket's own policy, is named as not looked at.
    """
    target = plan.as_it_is
    role_arn = target.role_arn_in(plan.account_id or ACCOUNT)
    sql = plan.statements(role_arn)
    common: dict[str, Any] = {
        "plan": plan,
        "target": target,
        "role_arn": role_arn,
        "account": plan.account_id,
        "placeholder": ACCOUNT,
    }
    judged = _judged(plan, role_arn)
    sids = [str(each.get("Sid", "")) for each in statements_of(plan.policy)]
    return {
        AWS_FILE: template("hand_over_aws.html.j2").render(
            **common,
            report=judged,
            allowed=[each for each in judged["requests"] if each["should_be"] == "allowed"],
            refused=[each for each in judged["requests"] if each["should_be"] != "allowed"],
            reasons={sid: REASONS[sid] for sid in sids if sid in REASONS},
            ways=dict(_ways(plan)),
        ),
        RISINGWAVE_FILE: template("hand_over_risingwave.html.j2").render(
            **common,
            clicks=console_clicks(target, role_arn, plan.workload_identity_arn),
            sql=[{"connector": e.connector, "sql": e.sql, "notes": list(e.notes)} for e in sql],
        ),
    }


def _ways(plan: ExportPlan) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each tool that can make it, with its files."""
    for name, title in _WAYS.items():
        with suppress(InputError):  # a role that other targets have cannot be handed over
            yield title, export_target(plan, name)


def _judged(plan: ExportPlan, role_arn: str) -> dict[str, Any]:
    """Return what the documents come to, in the shape of a report."""
    target = plan.as_it_is
    situation = document_situation(
        target,
        plan.account_id or _STAND_IN,
        plan.policy,
        plan.trust,
        region_name=plan.region_name,
        kms_key_arn=plan.kms_key_arn,
        boundary_arn=plan.permissions_boundary_arn,
        why=_NOT_LOOKED_AT,
    )
    verdicts = probe_role(target, situation)
    check, grants, beside = judge_reach(target, situation, plan.workload_identity_arn)
    checks = check_situation(
        target,
        situation,
        plan.policy,
        workload_identity_arn=plan.workload_identity_arn,
        verdicts=verdicts,
        beside=beside,
    )
    checks += [check_allowed_principal(target, role_arn)]
    return {
        "planned": True,
        "target": target.model_dump(),
        "role_arn": role_arn,
        "workload_identity_arn": plan.workload_identity_arn,
        "bucket": {
            "name": target.bucket,
            "region_name": plan.region_name,
            "kms_key_arn": plan.kms_key_arn,
        },
        "checks": [each.to_dict() for each in [*checks, check]],
        "requests": [each.to_dict() for each in verdicts],
        "grants": [
            {**each.to_dict(), "accepted": each.id in target.accept_findings} for each in grants
        ],
    }
