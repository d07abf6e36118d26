"""Verify the setup: a verdict for every hop from RisingWave to the bucket.

A check only looks. It says pass, fail, unknown or manual, with its evidence and its fix; what
could not be looked at is unknown with the reason, never pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from rwlib.errors import RunbookError
from rwlib.evaluate import OPENDAL_SESSION
from rwlib.target import Target
from rwlib.verify.allowed_principal import check_allowed_principal, settled_list, stale_entries
from rwlib.verify.bucket import check_bucket
from rwlib.verify.check import HOPS, Check, Verdict
from rwlib.verify.deciding import probe_role
from rwlib.verify.grants import ExcessGrant, judge_reach
from rwlib.verify.kms import check_kms
from rwlib.verify.requests import check_allowed, check_refused
from rwlib.verify.role import (
    check_boundary,
    check_identity,
    check_left_over,
    check_policy,
    check_role,
    with_kept_versions,
)
from rwlib.verify.situation import Situation
from rwlib.verify.trust import check_redshift_trust, check_trust

if TYPE_CHECKING:
    from rwlib.aws import Aws
    from rwlib.cloud import Cloud


class Judgement(NamedTuple):
    """The verdict of every hop, of every request, and what the role reaches beyond its need."""

    checks: list[Check]
    verdicts: list[Verdict]
    grants: tuple[ExcessGrant, ...]


def verify(
    aws: Aws,
    target: Target,
    situation: Situation,
    wanted_policy: Mapping[str, Any],
    *,
    workload_identity_arn: str = "",
    cloud: Cloud | None = None,
    egress_ips: Sequence[str] = (),
) -> Judgement:
    """Judge every hop, in the order of the way; every request is judged once.

    Parameters
    ----------
    cloud
        Where the cluster's Allowed Principals are read; without it a person's word is taken.
    egress_ips
        Addresses from which the cluster reaches the internet, as Cloud metadata gives them.
    """
    situation = replace(situation, egress_ips=tuple(egress_ips))
    situation = with_kept_versions(aws, situation, wanted_policy)
    verdicts = probe_role(target, situation)
    excess, grants, beside = judge_reach(target, situation, workload_identity_arn)
    checks = [
        *check_situation(
            target,
            situation,
            wanted_policy,
            workload_identity_arn=workload_identity_arn,
            verdicts=verdicts,
            beside=beside,
        ),
        *(
            replace(check, planned=situation.planned)
            for check in (
                *check_left_over(aws, target, situation),
                _allowed_principal(aws, target, situation, cloud),
                excess,
            )
        ),
    ]
    return Judgement(sorted(checks, key=_place_on_the_way), verdicts, grants)


def _place_on_the_way(check: Check) -> int:
    return list(HOPS).index(check.hop)


def ask_aws(
    aws: Aws,
    target: Target,
    situation: Situation,
    wanted_policy: Mapping[str, Any],
    verdicts: Sequence[Verdict],
    sql: Sequence[Any],
) -> list[Check]:
    """Return what AWS itself says beside the verdicts, and what the connectors need beside S3."""
    from rwlib.verify.aws_simulation import (
        check_simulation,
        simulation_calls,
        validate_policy,
        validation_call,
    )
    from rwlib.verify.connectors import check_connectors

    simulated = not situation.planned and situation.trust_policy is not None
    region_name = situation.bucket.region_name
    known = {f"aws:PrincipalTag/{key}": each for key, each in (situation.role_tags or {}).items()}
    if situation.role_id:
        known["aws:userid"] = f"{situation.role_id}:{OPENDAL_SESSION}"
    asked = (situation.role_arn, verdicts, known)
    aws.read_ahead(
        validation_call(wanted_policy, region_name),
        *(simulation_calls(*asked) if simulated else ()),
    )
    checks = [validate_policy(aws, wanted_policy, region_name)]
    if simulated:
        unread = situation.unread()
        checks += check_simulation(aws, situation.role_arn, verdicts, unread=unread, known=known)
    return checks + check_connectors(aws, target, situation, sql)


def _allowed_principal(
    aws: Aws, target: Target, situation: Situation, cloud: Cloud | None
) -> Check:
    role_arn = situation.role_arn
    if cloud is None:
        return check_allowed_principal(target, role_arn)
    try:
        allowed = settled_list(cloud, target.cluster_id, role_arn)
    except RunbookError as error:
        return check_allowed_principal(target, role_arn, problem=error)
    check = check_allowed_principal(target, role_arn, allowed, pending=situation.planned)
    if check.status != "pass":
        return check
    from rwlib.aws import read_role

    stale = stale_entries(
        allowed,
        situation.account_id,
        lambda name: name == target.role_name or read_role(aws, name) is not None,
    )
    return replace(check, evidence=(*check.evidence, *stale))


def check_situation(
    target: Target,
    situation: Situation,
    wanted_policy: Mapping[str, Any],
    *,
    workload_identity_arn: str = "",
    verdicts: list[Verdict] | None = None,
    beside: Situation | None = None,
) -> list[Check]:
    """Return the verdict of every hop, in the order of the way.

    Parameters
    ----------
    wanted_policy
        The document that Step 1 builds for this target.
    workload_identity_arn
        When it is not in the target but was fetched from Cloud metadata.
    verdicts
        Of `probe_role`, where it was asked already.
    beside
        The situation without what the target accepts (`rwlib.verify.grants.Reach`).
    """
    workload = workload_identity_arn or target.workload_identity_arn
    if verdicts is None:
        verdicts = probe_role(target, situation)
    checks = [
        check_identity(situation),
        *check_policy(target, situation, wanted_policy),
        check_role(target, situation),
        check_boundary(target, situation, verdicts),
        *check_trust(target, situation, workload, beside),
        *check_bucket(target, situation, verdicts),
        *check_kms(target, situation, verdicts),
        check_allowed(situation, verdicts),
        check_refused(situation, verdicts, beside),
        *check_redshift_trust(target, situation),
    ]
    return [replace(check, planned=situation.planned) for check in checks]
