"""What mends a failed check where no step does: the corrected document, and the command for it.

A step that refuses to write must not be advised. What it leaves to a person comes as text to copy.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rwlib.steps import corrected_trust, statements_of, without_principal
from rwlib.verify.bucket import check_bucket
from rwlib.verify.check import Check, Paste
from rwlib.verify.deciding import probe_role
from rwlib.verify.kms import check_kms
from rwlib.verify.role import check_boundary
from rwlib.verify.trust import check_redshift_trust, check_trust

if TYPE_CHECKING:
    from rwlib.errors import RunbookError
    from rwlib.target import Target
    from rwlib.verify.situation import Situation

_TRUST_CHECKS = ("trust_principal", "trust_conditions", "trust_deny", "trust", "redshift_trust")


def with_ways_out(
    checks: Iterable[Check],
    target: Target,
    situation: Situation,
    workload: str,
    refusal_of: Callable[[int], RunbookError | None],
) -> list[Check]:
    """Return the checks, none of which names a step that would refuse.

    Parameters
    ----------
    refusal_of
        Says why a step would refuse to write, None where it would not; asked only for steps that
        mend a failed check.
    """
    found = list(checks)
    steps = {each.fixed_by for each in found if each.status == "fail" and each.fixed_by}
    refusals = {number: refusal_of(number) for number in sorted(steps)}
    settled = []
    for check in found:
        refusal = refusals.get(check.fixed_by or 0) if check.status == "fail" else None
        if refusal is not None:
            said = f"Step {check.fixed_by} refuses to write: {refusal}"
            check = replace(check, fixed_by=None, fix=said, refused=str(refusal))
        settled.append(check)
    return [_with_text(each, target, situation, workload) for each in settled]


_BY_HAND = "{why}review the corrected {what} below, write it with the command, then check again"


def _with_text(check: Check, target: Target, situation: Situation, workload: str) -> Check:
    """Give a failed check that no step mends the text that does."""
    if check.status != "fail" or check.fixed_by is not None or check.pastes:
        return check
    command: tuple[str, ...]
    if check.id in _TRUST_CHECKS and situation.trust_policy is not None and workload:
        document = corrected_trust(
            situation.trust_policy,
            workload,
            target.connectors,
            role_arn=situation.role_arn,
            region_name=situation.bucket.region_name,
        )
        after = replace(situation, trust_policy=document)
        judged = [*check_trust(target, after, workload), *check_redshift_trust(target, after)]
        command = ("iam", "update-assume-role-policy", "--role-name", target.role_name)
        return _pasted(check, "trust policy", document, judged, (*command, "--policy-document"))
    if check.id == "bucket_policy" and situation.bucket.policy is not None:
        document = _exempted(situation.bucket.policy, situation.role_arn)
        after = replace(situation, bucket=replace(situation.bucket, policy=document))
        judged = list(check_bucket(target, after, probe_role(target, after)))
        command = ("s3api", "put-bucket-policy", "--bucket", situation.bucket.name)
        return _pasted(check, "bucket policy", document, judged, (*command, "--policy"))
    if check.id == "boundary" and check.reason == "boundary_denies" and situation.boundary:
        arn, document = situation.boundary[0], _with_room(situation)
        after = replace(situation, boundary=(arn, document))
        judged = [check_boundary(target, after, probe_role(target, after))]
        command = ("iam", "create-policy-version", "--policy-arn", arn, "--set-as-default")
        return _pasted(check, "boundary", document, judged, (*command, "--policy-document"))
    if check.id == "kms_key_policy" and situation.bucket.kms_key_policy is not None:
        key_arn = target.kms_key_arn or situation.bucket.kms_key_arn
        document = _with_the_role(situation, _key_actions(target, situation, key_arn))
        after = replace(situation, bucket=replace(situation.bucket, kms_key_policy=document))
        judged = list(check_kms(target, after, probe_role(target, after)))
        command = ("kms", "put-key-policy", "--key-id", key_arn, "--policy-name", "default")
        return _pasted(check, "key policy", document, judged, (*command, "--policy"))
    return check


def _pasted(
    check: Check,
    what: str,
    document: Mapping[str, Any],
    judged: list[Check],
    command: tuple[str, ...],
) -> Check:
    """Offer a document only where it turns the check green."""
    if not any(each.id == check.id and each.status != "fail" for each in judged):
        return check
    said = shlex.join(("aws", *command, json.dumps(document, separators=(",", ":"))))
    pastes = (
        Paste(f"the corrected {what}", json.dumps(document, indent=2)),
        Paste("the command that writes it", said),
    )
    why = f"{check.fix}. Or " if check.refused else ""
    return replace(check, fix=_BY_HAND.format(why=why, what=what), pastes=pastes)


def _exempted(policy: Mapping[str, Any], role_arn: str) -> dict[str, Any]:
    """Return a bucket policy whose Deny statements do not hit the role."""
    statements = [without_principal(each, role_arn) for each in statements_of(policy)]
    return {**policy, "Statement": statements}


def _with_room(situation: Situation) -> dict[str, Any]:
    """Return a boundary that leaves this role what its own policy allows, and nobody else more.

    A boundary may bind others too; ``aws:PrincipalArn`` of a session is its role's ARN (IAM user
    guide, global condition keys), so what is added speaks of this role alone.
    """
    assert situation.boundary is not None
    document = situation.boundary[1]
    wanted = dict(situation.identity).get(situation.policy_arn) or {}
    only = {"ArnEquals": {"aws:PrincipalArn": situation.role_arn}}
    added = [
        {key: value for key, value in each.items() if key != "Sid"}
        | {"Condition": {**dict(each.get("Condition") or {}), **only}}
        for each in statements_of(wanted)
        if each.get("Effect") == "Allow" and "ArnEquals" not in (each.get("Condition") or {})
    ]
    return {**document, "Statement": [*statements_of(document), *added]}


def _key_actions(target: Target, situation: Situation, key_arn: str) -> list[str]:
    """Return what the connectors ask of a key."""
    probes = (each.probe for each in probe_role(target, situation))
    return sorted({each.action for each in probes if each.resource == key_arn})


def _with_the_role(situation: Situation, actions: list[str]) -> dict[str, Any]:
    """Return a key policy that lets the role use the key through S3 in the bucket's region.

    ``kms:ViaService`` narrows a grant to requests that S3 makes for the role (KMS developer
    guide, condition keys). Every statement that is there stays, whatever its Sid.
    """
    document = situation.bucket.kms_key_policy or {}
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": situation.role_arn},
        "Action": actions,
        "Resource": "*",
        "Condition": {
            "StringEquals": {"kms:ViaService": f"s3.{situation.bucket.region_name}.amazonaws.com"}
        },
    }
    return {**document, "Statement": [*statements_of(document), statement]}
