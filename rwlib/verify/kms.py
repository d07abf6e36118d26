"""The hop KMS: the key of the bucket's default encryption."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rwlib.evaluate import Decision
from rwlib.target import Target
from rwlib.verify.check import APPLY, Check, Ground, Status, Verdict
from rwlib.verify.deciding import decide
from rwlib.verify.kinds import title_of
from rwlib.verify.probes import Probe
from rwlib.verify.reasons import REASONS
from rwlib.verify.requests import grounds_of
from rwlib.verify.situation import Situation


def check_kms(target: Target, situation: Situation, verdicts: list[Verdict]) -> Iterable[Check]:
    """Judge whether the role may use the bucket's key, from both sides: its policies and the key's.

    SSE-KMS wants both (S3 user guide, using server-side encryption with KMS keys).
    """
    bucket = situation.bucket
    title = title_of("kms")
    key_arn = target.kms_key_arn or bucket.kms_key_arn
    why = bucket.why_unknown("encryption") or bucket.why_unknown("kms key")
    if not key_arn:
        evidence = why or "no key of its own: SSE-S3, or the AWS managed key"
        yield Check(
            "kms", "KMS", title, "unknown" if why else "pass", (evidence,),
            reason="not_readable" if why else "",
        )  # fmt: skip
        return
    own = [each for each in verdicts if each.probe.resource == key_arn]
    depending = [each for each in own if each.depends]
    bad = [each for each in own if not each.as_expected and not each.depends]
    by_key_policy = [each for each in bad if each.decision.layer == "resource"]
    problems, fix = _key_problems(situation, key_arn)
    grounds = (*grounds_of(situation, bad), *problems)
    key_only = bool(bad) and len(by_key_policy) == len(bad)
    if key_only:
        fix = fix or REASONS["kms_key_policy"].fix
    reason = next((each.reason for each in (*problems, *grounds)), "")
    if depending and not grounds:
        said = tuple(each.line for each in depending)
        yield Check("kms", "KMS", title, "unknown", said, reason="depends_on_context")
    elif not grounds:
        good = f"{key_arn}: {', '.join(each.probe.action for each in own)}"
        yield Check("kms", "KMS", title, "pass", (good,))
    else:
        status: Status = "fail"
        if key_only and not problems and _key_unread(situation, bad):
            status, reason = "unknown", "not_readable"
        lines = tuple(each.evidence for each in grounds)
        fixed_by = 1 if bad and not problems and reason == "kms_role_permission" else None
        yield Check(
            "kms", "KMS", title, status, lines, fix or APPLY, reason, fixed_by, grounds=grounds
        )
    yield _key_policy(situation, key_arn, own, bad, by_key_policy)


def _key_unread(situation: Situation, refused: list[Verdict]) -> bool:
    """True when the key's policy, or a grant, may allow what looks refused."""
    if situation.bucket.kms_key_policy is None:
        return True
    implicit = all(each.decision.effect == "implicit-deny" for each in refused)
    return bool(_grants_unread(situation)) and implicit


def _grants_unread(situation: Situation) -> str:
    """Why the key's grants could not be read, empty when they were."""
    return situation.bucket.why_unknown("kms grants")


def _key_problems(situation: Situation, key_arn: str) -> tuple[list[Ground], str]:
    key = situation.bucket.kms_key or {}
    problems, fix = [], ""
    if key and not key.get("Enabled", True):
        problems.append(
            Ground("kms_key_disabled", f"{key_arn} is {key.get('KeyState', 'disabled')}")
        )
        fix = f"enable the key: aws kms enable-key --key-id {key_arn}"
    if key_arn.split(":")[3] != situation.bucket.region_name:
        line = f"{key_arn} is not in the bucket's region {situation.bucket.region_name}"
        problems.append(Ground("kms_key_region_mismatch", line))
        fix = "give the bucket a key of its own region"
    return problems, fix


def _key_policy(
    situation: Situation,
    key_arn: str,
    own: list[Verdict],
    bad: list[Verdict],
    by_key_policy: list[Verdict],
) -> Check:
    title = title_of("kms_key_policy")
    why = situation.bucket.why_unknown("kms key policy")
    if situation.bucket.kms_key_policy is None:
        return Check(
            "kms_key_policy", "KMS", title, "unknown", (why or "not read",), reason="not_readable"
        )
    decided = [Verdict(each.probe, _by_key_policy(situation, each.probe)) for each in own]
    refused = by_key_policy or [
        each for each in bad if not _by_key_policy(situation, each.probe).allowed
    ]
    depending = [each for each in decided if each.depends]
    granted = [
        f"grant {grant.get('Name') or grant['GrantId']}: {', '.join(grant.get('Operations', []))}"
        for grant in situation.bucket.kms_grants or ()
        if grant.get("GranteePrincipal") == situation.role_arn
    ]
    if refused and (why := _grants_unread(situation)):
        implicit = all(each.decision.effect == "implicit-deny" for each in refused)
        if implicit:
            return Check(
                "kms_key_policy", "KMS", title, "unknown",
                (f"the key policy does not, and its grants could not be read: {why}",),
                reason="not_readable",
            )  # fmt: skip
    if depending and not refused:
        lines = tuple(each.line for each in depending)
        return Check("kms_key_policy", "KMS", title, "unknown", lines, reason="depends_on_context")
    return Check(
        "kms_key_policy",
        "KMS",
        title,
        "fail" if refused else "pass",
        tuple(each.line for each in refused) or (key_arn, *granted),
        f"the key's owner must allow {situation.role_arn} kms:GenerateDataKey and kms:Decrypt in "
        "the key policy"
        if refused
        else "",
        "kms_key_policy" if refused else "",
    )


def _by_key_policy(situation: Situation, probe: Probe) -> Decision:
    """Judge a request by the key policy and the grants, the role's own policies allowing it."""
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": probe.action, "Resource": probe.resource}],
    }
    as_if = replace(situation, identity=(("as if", document),), boundary=None)
    return decide(as_if, probe)
