"""What mends a failed check where no step does: the corrected document, and the command for it.

A step that refuses to write must not be advised. What it leaves to a person comes as text to copy.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rwlib.steps import VERSIONS_QUOTA, corrected_trust, statements_of, without_principal
from rwlib.verify.bucket import check_bucket
from rwlib.verify.check import Check, Paste
from rwlib.verify.deciding import probe_role
from rwlib.verify.kms import check_kms
from rwlib.verify.requests import check_allowed
from rwlib.verify.role import check_boundary
from rwlib.verify.situation import InlinePolicyName
from rwlib.verify.trust import check_redshift_trust, check_trust

if TYPE_CHECKING:
    from rwlib.errors import RunbookError
    from rwlib.target import Target
    from rwlib.verify.situation import Situation

_TRUST_CHECKS = ("trust_principal", "trust_conditions", "trust_deny", "trust", "redshift_trust")


@dataclass(frozen=True)
class _Mending:
    """What is needed to write the text that mends a check."""

    target: Target
    situation: Situation
    workload: str
    versions_of: Callable[[str], Sequence[Mapping[str, Any]]]


def with_ways_out(
    checks: Iterable[Check],
    target: Target,
    situation: Situation,
    workload: str,
    refusal_of: Callable[[int], RunbookError | None],
    versions_of: Callable[[str], Sequence[Mapping[str, Any]]] = lambda arn: (),
) -> list[Check]:
    """Return the checks, none of which names a step that would refuse.

    Parameters
    ----------
    refusal_of
        Says why a step would refuse to write, None where it would not; asked only for steps that
        mend a failed check.
    versions_of
        Reads the versions of a managed policy; asked only for one that a person has to mend.
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
    mending = _Mending(target, situation, workload, versions_of)
    return [_with_text(_pointing_on(each, settled), mending) for each in settled]


_BY_HAND = "{why}review the corrected {what} below, write it with the command, then check again"


def _pointing_on(check: Check, checks: Iterable[Check]) -> Check:
    """Let the requests point to the failed checks that say where they are refused and what mends.

    A reason that no other check has keeps its own words.
    """
    if check.status != "fail" or check.id != "requests_allowed":
        return check
    failed = [
        each
        for each in checks
        if each.status == "fail" and each is not check and each.reason != "grant_beyond_need"
    ]
    hops = {hop for each in failed for hop in each.refusing_hops}
    if not set(check.refusing_hops) <= hops:
        return check
    named = [f"“{e.title}”" for e in failed if set(e.refusing_hops) & set(check.refusing_hops)]
    return replace(check, fix=f"see what fails above: {', '.join(named)}")


def _with_text(check: Check, mending: _Mending) -> Check:
    """Give a failed check that no step mends the text that does."""
    if check.status != "fail" or check.fixed_by is not None or check.pastes:
        return check
    if check.id in _TRUST_CHECKS:
        return _mend_trust(check, mending)
    mend = _MENDS.get(check.id)
    return mend(check, mending) if mend is not None else check


def _mend_trust(check: Check, mending: _Mending) -> Check:
    target, situation, workload = mending.target, mending.situation, mending.workload
    if situation.trust_policy is None or not workload:
        return check
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
    pastes = _written("trust policy", document, (*command, "--policy-document"))
    return _pasted(check, "trust policy", pastes, _passes(judged, check))


def _mend_bucket_policy(check: Check, mending: _Mending) -> Check:
    target, situation = mending.target, mending.situation
    if situation.bucket.policy is None:
        return check
    document = _exempted(situation.bucket.policy, situation.role_arn)
    after = replace(situation, bucket=replace(situation.bucket, policy=document))
    judged = list(check_bucket(target, after, probe_role(target, after)))
    command = ("s3api", "put-bucket-policy", "--bucket", situation.bucket.name, "--policy")
    pastes = _written("bucket policy", document, command)
    return _pasted(check, "bucket policy", pastes, _passes(judged, check))


def _mend_boundary(check: Check, mending: _Mending) -> Check:
    target, situation = mending.target, mending.situation
    if check.reason == "boundary_not_set":
        return replace(check, pastes=(_boundary_set(target, target.permissions_boundary_arn),))
    if check.reason != "boundary_denies" or situation.boundary is None:
        return check
    arn, standing = situation.boundary
    room = _with_room(situation)
    # An Allow does not help against a Deny; what is left of the Deny is for everybody else.
    wanted = (room, _exempted(standing, situation.role_arn), _exempted(room, situation.role_arn))
    for document in wanted:
        after = replace(situation, boundary=(arn, document))
        judged = [check_boundary(target, after, probe_role(target, after))]
        if _passes(judged, check):
            break
    else:
        return check
    pastes = _new_version("boundary", arn, document, mending)
    if _is_of_aws(arn):
        # AWS's own policies cannot be changed, so the role gets a copy with room.
        name = f"{target.role_name}-boundary"[-128:]
        copy = f"arn:{arn.split(':')[1]}:iam::{situation.account_id}:policy/{name}"
        create = ("iam", "create-policy", "--policy-name", name, "--policy-document")
        pastes = _written("boundary", document, create, "the command that creates it")
        pastes = (*pastes, _boundary_set(target, copy))
    return _pasted(check, "boundary", pastes, True)


def _boundary_set(target: Target, arn: str) -> Paste:
    words = ("aws", "iam", "put-role-permissions-boundary", "--role-name", target.role_name)
    said = shlex.join((*words, "--permissions-boundary", arn))
    return Paste("the command that sets it", said)


def _mend_key_policy(check: Check, mending: _Mending) -> Check:
    target, situation = mending.target, mending.situation
    if situation.bucket.kms_key_policy is None:
        return check
    key_arn = target.kms_key_arn or situation.bucket.kms_key_arn
    added = _with_the_role(situation, _key_actions(target, situation, key_arn))
    names = ("--key-id", key_arn, "--policy-name", "default", "--policy")
    command = ("kms", "put-key-policy", *names)
    # An Allow does not help against a Deny; what is left of the Deny is for everybody else.
    for document in (added, _exempted(added, situation.role_arn)):
        after = replace(situation, bucket=replace(situation.bucket, kms_key_policy=document))
        judged = list(check_kms(target, after, probe_role(target, after)))
        if _passes(judged, check):
            return _pasted(check, "key policy", _written("key policy", document, command), True)
    return check


def _mend_key(check: Check, mending: _Mending) -> Check:
    """Give the commands that let a disabled key be used again.

    A key that is to be deleted is disabled after ``CancelKeyDeletion`` (KMS API reference).
    """
    key = mending.situation.bucket.kms_key or {}
    if check.reason != "kms_key_disabled":
        return check
    key_arn = mending.target.kms_key_arn or mending.situation.bucket.kms_key_arn

    def command(verb: str) -> str:
        return shlex.join(("aws", "kms", verb, "--key-id", key_arn))

    pastes = [Paste("the command that enables the key", command("enable-key"))]
    if key.get("KeyState") == "PendingDeletion":
        cancel = Paste("the command that keeps the key", command("cancel-key-deletion"))
        pastes.insert(0, cancel)
    return replace(check, fix="enable the key again", pastes=tuple(pastes))


def _mend_role_policies(check: Check, mending: _Mending) -> Check:
    """Give what keeps the Deny statements of the role's policies off this role, one by one.

    The target's own policy is Step 1's to write.
    """
    target, situation = mending.target, mending.situation
    if "role_policy_denies" not in check.reasons:
        return check
    pastes: tuple[Paste, ...] = ()
    identity = []
    for name, document in situation.identity:
        denies = any(each.get("Effect") == "Deny" for each in statements_of(document))
        if not denies or name == situation.policy_arn:
            identity.append((name, document))
            continue
        if _is_of_aws(name):
            words = ("aws", "iam", "detach-role-policy", "--role-name", target.role_name)
            said = shlex.join((*words, "--policy-arn", name))
            pastes = (*pastes, Paste(f"the command that detaches {name}", said))
            continue
        changed = _exempted(document, situation.role_arn)
        identity.append((name, changed))
        if isinstance(name, InlinePolicyName):
            role = ("--role-name", target.role_name)
            names = (*role, "--policy-name", name.name, "--policy-document")
            pastes = (*pastes, *_written(name, changed, ("iam", "put-role-policy", *names)))
        else:
            pastes = (*pastes, *_new_version(f"policy {name}", name, changed, mending))
    after = replace(situation, identity=tuple(identity))
    judged = check_allowed(after, probe_role(target, after))
    mended = judged.status != "fail" or "role_policy_denies" not in judged.reasons
    return _pasted(check, "policy of the role", pastes, bool(pastes) and mended)


_MENDS: Mapping[str, Callable[[Check, _Mending], Check]] = {
    "bucket_policy": _mend_bucket_policy,
    "boundary": _mend_boundary,
    "kms_key_policy": _mend_key_policy,
    "kms": _mend_key,
    "requests_allowed": _mend_role_policies,
}


def _passes(judged: Iterable[Check], check: Check) -> bool:
    """True where a document turns the check green."""
    return any(each.id == check.id and each.status != "fail" for each in judged)


def _pasted(check: Check, what: str, pastes: tuple[Paste, ...], mends: bool) -> Check:
    """Offer what a person writes, only where it mends the check."""
    if not mends:
        return check
    why = f"{check.fix}. Or " if check.refused else ""
    return replace(check, fix=_BY_HAND.format(why=why, what=what), pastes=pastes)


def _written(
    what: str,
    document: Mapping[str, Any],
    command: tuple[str, ...],
    how: str = "the command that writes it",
) -> tuple[Paste, ...]:
    """Return a document, and the command that takes it as its last word."""
    said = shlex.join(("aws", *command, json.dumps(document, separators=(",", ":"))))
    return (Paste(f"the corrected {what}", json.dumps(document, indent=2)), Paste(how, said))


def _new_version(
    what: str, arn: str, document: Mapping[str, Any], mending: _Mending
) -> tuple[Paste, ...]:
    """Return a new default version of a managed policy, after room is made for it."""
    command = ("iam", "create-policy-version", "--policy-arn", arn, "--set-as-default")
    pastes = _written(what, document, (*command, "--policy-document"))
    versions = [] if _is_of_aws(arn) else list(mending.versions_of(arn))
    old = [each for each in versions if not each.get("IsDefaultVersion")]
    if len(versions) < VERSIONS_QUOTA or not old:
        return pastes
    oldest = min(old, key=lambda each: int(str(each["VersionId"]).removeprefix("v")))["VersionId"]
    words = ("aws", "iam", "delete-policy-version", "--policy-arn", arn, "--version-id", oldest)
    room = f"first, as a policy has no more than {VERSIONS_QUOTA} versions: the command that "
    return (Paste(f"{room}deletes {oldest}, the oldest unused one", shlex.join(words)), *pastes)


def _is_of_aws(arn: str) -> bool:
    return arn.startswith("arn:") and arn.split(":")[4] == "aws"


def _exempted(policy: Mapping[str, Any], role_arn: str) -> dict[str, Any]:
    """Return a policy whose Deny statements do not hit the role."""
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
